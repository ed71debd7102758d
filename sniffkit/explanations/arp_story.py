"""ARP and neighbour discovery told packet by packet, and the tables that hosts have at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sniffkit.explanations.host_tables import host_table
from sniffkit.explanations.lesson import Line, Note, PacketLesson, Summary
from sniffkit.explanations.plain import escaped
from sniffkit.explanations.told_briefly import ToldBriefly, seconds
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sniffkit.analysis.facts import Fact
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.protocols.columns import Columns
    from sniffkit.sources.batch import Batch


@dataclass(frozen=True, slots=True)
class _Met:
    """A packet of which there is something to say."""

    number: int
    time_ns: int
    link_type: int
    length: int
    octets: bytes
    facts: list[Fact]


class ArpStory:
    """Tells a capture's ARP and neighbour discovery batch by batch.

    verbose: every lesson in full
    chosen:  says of the packets of an exchange whether it is told. A packet is held back until no exchange that it may
             belong to is open; one that belongs to none is asked for alone.
    """

    def __init__(
        self, catalogue: Catalogue, verbose: bool = False, chosen: Callable[[Iterable[int]], bool] | None = None
    ) -> None:
        from sniffkit.analysis.neighbours.arp_table import ArpTable
        from sniffkit.analysis.neighbours.discovery import NeighbourDiscovery

        self._catalogue = catalogue
        self._chosen = chosen
        self._held: list[_Met] = []
        self._wanted: set[int] = set()
        self._arp = ArpTable(keep=chosen is not None)
        self._neighbours = NeighbourDiscovery(keep=chosen is not None)
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
        met = (_met(batch, row, told[row]) for row in sorted(told))
        if self._chosen is None:
            yield from map(self._lesson, met)
            return
        self._held += met
        self._decide(self._chosen, [one.packets for one in self._arp.take()])
        self._decide(self._chosen, [one.packets for one in self._neighbours.take()])
        open = [first for first in (self._arp.first_open, self._neighbours.first_open) if first is not None]
        yield from self._release(self._chosen, min(open, default=batch.first + len(batch)))

    def end(self) -> Iterator[PacketLesson]:
        """Yield the packets that were held back to the end of the capture."""
        rest = [one.packets for one in self._arp.finish()] + [one.packets for one in self._neighbours.finish()]
        if self._chosen is not None and self._held:
            self._decide(self._chosen, rest)
            yield from self._release(self._chosen, self._held[-1].number + 1)

    def _decide(self, chosen: Callable[[Iterable[int]], bool], exchanges: list[list[int]]) -> None:
        for packets in exchanges:
            if chosen(packets):
                self._wanted.update(packets)

    def _release(self, chosen: Callable[[Iterable[int]], bool], before: int) -> Iterator[PacketLesson]:
        """Yield those packets numbered below ``before`` that are told."""
        count = next((at for at, met in enumerate(self._held) if met.number >= before), len(self._held))
        gone, self._held = self._held[:count], self._held[count:]
        for met in gone:
            if met.number in self._wanted or chosen((met.number,)):
                yield self._lesson(met)
            self._wanted.discard(met.number)

    def summary(self) -> Summary:
        """Return what stands at the end, after ``end``: how much there was, and who knows what."""
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
        if paragraphs and self._chosen is not None:
            paragraphs.append(say("summary.whole"))
        limits: tuple[Note, ...] = () if paragraphs else (Note("arp.limit.none", "note", say("arp.limit.none")),)
        each = (("arp.tables", self._arp.hosts), ("nd.tables", self._neighbours.hosts))
        tables = tuple(host_table(say(title), hosts, hosts.now, self._catalogue) for title, hosts in each if hosts.now)
        if tables:
            limits = (Note("arp.tables.how", "note", say("arp.tables.how")),)
        return Summary(say("arp.summary.heading"), tuple(paragraphs), tables, limits)

    def _lesson(self, met: _Met) -> PacketLesson:
        from sniffkit.explanations.summaries import summary_of
        from sniffkit.protocols.packet import read_packet

        packet = read_packet(met.octets, met.link_type, met.length)
        protocol, summary = summary_of(packet)
        layer = "ipv6" if protocol == "ICMPv6" else "eth"
        ends = [packet.first(f"{layer}.{end}") for end in ("src", "dst")]
        source, destination = (end.text if end is not None else "?" for end in ends)
        time = seconds(met.time_ns, self._first_ns)
        line = Line(met.number, time, source, destination, protocol, met.length, escaped(summary))
        return PacketLesson(line, notes=self._briefly.notes(met.facts))


def _met(batch: Batch, row: int, facts: list[Fact]) -> _Met:
    link_type, length = int(batch.link_type[row]), int(batch.length[row])
    return _Met(batch.first + row, int(batch.time_ns[row]), link_type, length, batch.packet(row), facts)
