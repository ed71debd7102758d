"""ARP and neighbour discovery told packet by packet, and the tables that hosts have at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sniffkit.explanations.lesson import Line, Note, PacketLesson, Summary, Table
from sniffkit.explanations.plain import escaped
from sniffkit.explanations.told_briefly import ToldBriefly, seconds
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffkit.analysis.facts import Fact
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.protocols.columns import Columns

ENTRIES_SHOWN = 200
"""How many table entries the summary lists."""


class ArpStory:
    """Tells a capture's ARP and neighbour discovery batch by batch.

    verbose: every lesson in full
    """

    def __init__(self, catalogue: Catalogue, verbose: bool = False) -> None:
        from sniffkit.analysis.neighbours.arp_table import ArpTable
        from sniffkit.analysis.neighbours.discovery import NeighbourDiscovery

        self._catalogue = catalogue
        self._arp = ArpTable(keep=False)
        self._neighbours = NeighbourDiscovery(keep=False)
        self._briefly = ToldBriefly(catalogue, verbose)
        self._first_ns: int | None = None

    def tell(self, columns: Columns) -> Iterator[PacketLesson]:
        """Yield the packets of a batch that mean something."""
        batch = columns.batch
        if self._first_ns is None and len(known := batch.time_ns[batch.time_ns != NO_TIME]):
            self._first_ns = int(known[0])
        told = self._arp.feed(columns)
        for row, facts in self._neighbours.feed(columns).items():
            told.setdefault(row, []).extend(facts)
        for row in sorted(told):
            yield self._lesson(columns, row, told[row])

    def summary(self) -> Summary:
        """Return what stands at the end: how much there was, and who knows what."""
        self._arp.finish()
        self._neighbours.finish()
        say = self._catalogue.text
        arp, neighbours = self._arp.counts, self._neighbours.counts
        requests = ("resolution", "probe", "announcement", "gratuitous", "unsolicited-reply", "unanswered", "warnings")
        paragraphs = []
        if sum(arp.values()):
            found: dict[str, Any] = {name.replace("-", "_"): arp[name] for name in requests}
            paragraphs.append(say("arp.summary", **found))
        if sum(neighbours.values()):
            names = ("resolution", "duplicate-address-detection", "advertisement", "unanswered", "warnings")
            values: dict[str, Any] = {name.replace("-", "_"): neighbours[name] for name in names}
            paragraphs.append(say("nd.summary", routers=len(self._neighbours.routers), **values))
        limits = () if paragraphs else (Note("arp.limit.none", "note", say("arp.limit.none")),)
        tables = tuple(
            table
            for table in (
                self._table("arp.tables", self._arp.tables),
                self._table("nd.tables", self._neighbours.tables),
            )
            if table.rows
        )
        return Summary(say("arp.summary.heading"), tuple(paragraphs), tables, limits)

    def _table(self, title: str, tables: dict[tuple[int, str], dict[str, str]]) -> Table:
        say = self._catalogue.text
        rows = []
        owners = {mac: ip for entries in tables.values() for ip, mac in entries.items()}
        for (vlan, host), entries in tables.items():
            name = f"{owners[host]} ({host})" if host in owners else host
            if vlan >= 0:
                name += f" VLAN {vlan}"
            rows += [(escaped(name), escaped(ip), escaped(mac)) for ip, mac in entries.items()]
        more = len(rows) - ENTRIES_SHOWN
        headings = tuple(say(f"arp.table-heading.{column}") for column in ("host", "address", "mac"))
        note = say("summary.more", count=more) if more > 0 else ""
        return Table(say(title), headings, tuple(rows[:ENTRIES_SHOWN]), frozenset(), note)

    def _lesson(self, columns: Columns, row: int, facts: list[Fact]) -> PacketLesson:
        from sniffkit.explanations.summaries import summary_of
        from sniffkit.protocols.packet import read_packet

        batch = columns.batch
        packet = read_packet(batch.packet(row), int(batch.link_type[row]), int(batch.length[row]))
        protocol, summary = summary_of(packet)
        ends = [packet.first(f"ipv6.{end}") or packet.first(f"eth.{end}") for end in ("src", "dst")]
        source, destination = (end.text if end is not None else "?" for end in ends)
        time = seconds(int(batch.time_ns[row]), self._first_ns)
        line = Line(batch.first + row, time, source, destination, protocol, int(batch.length[row]), escaped(summary))
        return PacketLesson(line, notes=self._briefly.notes(facts))
