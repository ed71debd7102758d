"""``sniffkit arp FILE``: who asked for which address, who answered, and what every host knows afterwards."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from sniffkit.commands.filtering import ChosenPackets, chosen_filter
from sniffkit.commands.reading import (
    Color,
    Files,
    Filter,
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
    from sniffkit.analysis.neighbours.arp_table import ArpExchange
    from sniffkit.analysis.neighbours.discovery import NeighbourExchange
    from sniffkit.explanations.language import Language
    from sniffkit.sources import Source


def arp(
    files: Files = None,
    read: Read = None,
    filter: Filter = None,
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
    chosen = ChosenPackets(chosen_filter(filter, None))
    collect_rarely()
    with open_captures(paths) as source:
        if json:
            write_json(source, chosen)
        else:
            tell(source, chosen, language, color, verbose > 0)
        raise typer.Exit(finish(source))


def write_json(source: Source, chosen: ChosenPackets) -> None:
    """Write every exchange as a line, ARP and IPv6 apart, each in the order of its first packet."""
    from sniffkit.analysis.neighbours.arp_table import ArpTable
    from sniffkit.analysis.neighbours.discovery import NeighbourDiscovery
    from sniffkit.explanations.exchange_records import arp_record, neighbour_record
    from sniffkit.renderers.json import write_lines

    table, neighbours = ArpTable(), NeighbourDiscovery()

    def write(arp: list[ArpExchange], nd: list[NeighbourExchange]) -> None:
        out = sys.stdout.buffer
        write_lines(out, (arp_record(one) for one in arp if chosen.any_of(one.packets)))
        write_lines(out, (neighbour_record(one) for one in nd if chosen.any_of(one.packets)))

    for columns in chosen.columns(source):
        table.feed(columns)
        neighbours.feed(columns)
        write(table.take(), neighbours.take())
    write(table.finish(), neighbours.finish())


def tell(source: Source, chosen: ChosenPackets, language: Language, color: str, verbose: bool) -> None:
    """Tell the exchanges in order, then the tables that they build."""
    from sniffkit.explanations.arp_story import ArpStory
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.renderers.screen import Screen, stdout
    from sniffkit.renderers.terminal import Terminal

    story = ArpStory(Catalogue(language), verbose, chosen.any_of if chosen.asks else None)
    terminal = Terminal(Screen.of(stdout(), color))
    for columns in chosen.columns(source):
        terminal.tell(story.tell(columns))
    terminal.tell(story.end())
    terminal.summary(story.summary())
