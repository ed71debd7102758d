"""``sniffkit arp FILE``: who asked for which address, who answered, and what every host knows afterwards."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from sniffkit.commands.reading import (
    Color,
    Files,
    Json,
    Lang,
    NoNames,
    Read,
    Verbose,
    chosen_color,
    chosen_files,
    chosen_language,
    collect_rarely,
    finish,
)

if TYPE_CHECKING:
    from sniffkit.explanations.language import Language
    from sniffkit.sources import Source


def arp(
    files: Files = None,
    read: Read = None,
    json: Json = False,
    verbose: Verbose = 0,
    lang: Lang = None,
    color: Color = "auto",
    no_names: NoNames = False,
) -> None:
    """List ARP and neighbour discovery exchanges (the help text stands in texts/help.toml)."""
    from sniffkit.sources import open_captures

    language, color = chosen_language(lang), chosen_color(color)
    paths = chosen_files(files, read)
    collect_rarely()
    with open_captures(paths) as source:
        if json:
            write_json(source)
        else:
            tell(source, language, color, verbose > 0)
        raise typer.Exit(finish(source))


def write_json(source: Source) -> None:
    """Write every exchange as a line, ARP and IPv6 apart, each in the order of its first packet."""
    from sniffkit.analysis.neighbours.arp_table import ArpTable
    from sniffkit.analysis.neighbours.discovery import NeighbourDiscovery
    from sniffkit.explanations.exchange_records import arp_record, neighbour_record
    from sniffkit.protocols.columns import Columns
    from sniffkit.renderers.json import write_lines

    table, neighbours = ArpTable(), NeighbourDiscovery()
    for batch in source:
        columns = Columns(batch)
        table.feed(columns)
        neighbours.feed(columns)
        write_lines(sys.stdout.buffer, map(arp_record, table.take()))
        write_lines(sys.stdout.buffer, map(neighbour_record, neighbours.take()))
    write_lines(sys.stdout.buffer, map(arp_record, table.finish()))
    write_lines(sys.stdout.buffer, map(neighbour_record, neighbours.finish()))


def tell(source: Source, language: Language, color: str, verbose: bool) -> None:
    """Tell the exchanges in order, then the tables that they build."""
    from sniffkit.explanations.arp_story import ArpStory
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.protocols.columns import Columns
    from sniffkit.renderers.screen import Screen, stdout
    from sniffkit.renderers.terminal import Terminal

    story = ArpStory(Catalogue(language), verbose)
    terminal = Terminal(Screen.of(stdout(), color))
    for batch in source:
        terminal.tell(story.tell(Columns(batch)))
    terminal.summary(story.summary())
