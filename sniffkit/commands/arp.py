"""``sniffkit arp FILE``: who asked for which address, who answered, and what every host knows afterwards."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from sniffkit.commands.filtering import ChosenPackets, chosen_filter
from sniffkit.commands.help import say
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
from sniffkit.errors import UsageError

if TYPE_CHECKING:
    from sniffkit.analysis.neighbours.arp_table import ArpExchange
    from sniffkit.analysis.neighbours.discovery import NeighbourExchange
    from sniffkit.explanations.language import Language
    from sniffkit.sources import Source


def arp(
    files: Files = None,
    read: Read = None,
    filter: Filter = None,
    after: Annotated[int | None, typer.Option("--after", metavar="N", min=1, help=say("after"))] = None,
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
        if after is not None:
            show_tables(source, after, json, language, color)
        elif json:
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


def show_tables(source: Source, after: int, json: bool, language: Language, color: str) -> None:
    """Show what every host has in its table after a packet. The whole capture is read: later packets tell of it."""
    from sniffkit.analysis.neighbours.arp_table import ArpTable
    from sniffkit.analysis.neighbours.discovery import NeighbourDiscovery
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.explanations.host_tables import host_table, table_records
    from sniffkit.protocols.columns import Columns
    from sniffkit.renderers.json import write_lines
    from sniffkit.renderers.screen import Screen, stdout
    from sniffkit.renderers.terminal import Terminal

    arp, neighbours = ArpTable(keep=False, after=after), NeighbourDiscovery(keep=False, after=after)
    packets = 0
    for batch in source:
        columns = Columns(batch)
        arp.feed(columns)
        neighbours.feed(columns)
        packets += len(batch)
    if after > packets:
        raise UsageError("usage.packet-missing", number=after, packets=packets)
    if json:
        for protocol, hosts in (("arp", arp.hosts), ("icmpv6", neighbours.hosts)):
            write_lines(sys.stdout.buffer, table_records(protocol, hosts, after))
        return
    catalogue = Catalogue(language)
    screen = Screen.of(stdout(), color)
    each = (("arp.tables-after", arp.hosts), ("nd.tables-after", neighbours.hosts))
    tables = [
        host_table(catalogue.text(title, packet=after), hosts, hosts.then, catalogue)
        for title, hosts in each
        if hosts.then
    ]
    if not tables:
        screen.write("\n".join(screen.wrapped(catalogue.text("arp.tables-after.none", packet=after))) + "\n")
    for place, table in enumerate(tables):
        screen.write("\n" if place else "")
        Terminal(screen).table(table)
