"""The one analysis path: every batch of a capture, live or from a file, goes through here and becomes facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sniffkit.analysis.captured_twice import CapturedTwice
from sniffkit.analysis.checksum_facts import ChecksumFacts
from sniffkit.analysis.conversations import Totals
from sniffkit.analysis.datagram_facts import DatagramFacts
from sniffkit.analysis.dns.resolution import DnsResolution
from sniffkit.analysis.frame_facts import FrameFacts
from sniffkit.analysis.icmp.exchanges import IcmpExchanges
from sniffkit.analysis.neighbours.arp_table import ArpTable
from sniffkit.analysis.neighbours.discovery import NeighbourDiscovery
from sniffkit.analysis.segments import Segments, ip_ends
from sniffkit.analysis.streams import PairStreams, StreamNumbers, Streams
from sniffkit.analysis.tcp.conversations import NOTHING_FOLLOWED, TcpFacts
from sniffkit.analysis.tcp.followed import FollowedConversations
from sniffkit.analysis.tcp.marks import TcpMarks
from sniffkit.analysis.tcp.odd_segments import OddSegments
from sniffkit.protocols.columns import Columns
from sniffkit.protocols.reassembly import Reassembler
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.facts import Fact
    from sniffkit.analysis.tcp.marks import Marks
    from sniffkit.sources.batch import Batch


MOST_KNOWN, LARGEST = 300_000, 100
"""Where packets are only counted: after so many conversations those that are over are forgotten, except the largest;
the table of a summary needs no more of them."""


class Teller(Protocol):
    """An analyser that says something of single packets."""

    def feed(self, columns: Columns, twice: NDArray[Any] | None = None) -> dict[int, list[Fact]]:
        """Return the facts of a batch by row; ``twice``, (n,): non-zero for packets to pass over."""
        ...


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """What is known of the packets of a batch.

    segments, numbers, marks, tcp: of every TCP header, in capture order
    tcp_at:     int64 (n,) for each packet the index of its first TCP header, -1 where it has none
    udp_stream: int64 (n,) udp.stream of its first UDP header, -1 where it has none
    twice:      int64 (n,) number of the packet that it is a second capture of, or 0
    told:       facts by packet that are not TCP's (ARP, DNS, ICMP ...)
    """

    columns: Columns
    segments: Segments
    numbers: StreamNumbers
    marks: Marks
    tcp: TcpFacts
    tcp_at: NDArray[np.int64]
    udp_stream: NDArray[np.int64]
    twice: NDArray[np.int64]
    told: dict[int, list[Fact]]


class CaptureAnalysis:
    """All analysers of a capture, fed together.

    states: follow the TCP states of both ends; facts: say what ARP, ICMP, DNS, checksums and frames mean. Without
    them (a bare listing) the facts of a batch are empty, and reading is faster.
    counted: no batch will ever be told, only how many there were and how each conversation stands

    packets, cut:     how many packets, and how many of them were cut by the snap length
    first_ns, last_ns: time of the first packet, and the latest time; NO_TIME where no packet has one
    """

    def __init__(self, *, states: bool = True, facts: bool = True, counted: bool = False) -> None:
        self._states = states
        self._counted = counted
        self._reassembler = Reassembler()
        self.streams = Streams()
        self.datagrams = PairStreams()
        self.conversations = FollowedConversations()
        self.tcp_totals = Totals()
        self.udp_totals = Totals()
        self.arp = ArpTable(keep=False)
        self.frames = FrameFacts()
        self.checksums = ChecksumFacts()
        self.icmp = IcmpExchanges(keep=False)
        self.neighbours = NeighbourDiscovery(keep=False)
        self.dns = DnsResolution(keep=False)
        every: tuple[Teller, ...] = (
            self.frames, self.checksums, self.arp, self.neighbours, self.icmp, self.dns, DatagramFacts(),
        )  # fmt: skip
        self._tellers = (self.frames, self.checksums) if counted else every if facts else ()
        self._odd = OddSegments() if facts and not counted else None
        self.packets = self.cut = 0
        self.first_ns = self.last_ns = NO_TIME
        self.marks = TcpMarks()
        self._twice = CapturedTwice()

    def feed(self, batch: Batch, *, told: bool = True) -> BatchFacts:
        """Analyse the next batch; without ``told`` nobody will ask what its segments mean, which takes less time."""
        columns = Columns(batch, self._reassembler)
        self._count(batch)
        segments = Segments.from_columns(columns)
        numbers = self.streams.feed(segments)
        twice = self._twice.feed(columns)
        marks = self.marks.feed(segments, numbers, twice[segments.row])
        real = segments.length >= 0
        row = segments.row[real]
        self.tcp_totals.feed(numbers.stream[real], numbers.direction[real], batch.length[row], batch.time_ns[row])
        tcp = NOTHING_FOLLOWED
        if self._states:
            tcp = self.conversations.feed(segments, numbers, marks, twice, told=told)
            if self._counted:
                self.marks.forget(self.conversations.released)
                self._forget_the_gone()
        others = self._others(columns, twice)
        if self._odd is not None:
            for at, facts in self._odd.feed(columns, segments, numbers, twice).items():
                others.setdefault(at, []).extend(facts)
        return BatchFacts(
            columns,
            segments,
            numbers,
            marks,
            tcp,
            first_of_each(segments.row, len(batch)),
            self._udp(columns),
            twice,
            others,
        )

    def _forget_the_gone(self) -> None:
        """Keep only the conversations that are followed, and the largest: nobody will ask for the others again."""
        if self.streams.count > MOST_KNOWN:
            followed = np.union1d(self.conversations.streams(), self.tcp_totals.largest(LARGEST))
            streams = self.streams.with_latest(followed)
            self.tcp_totals.keep(streams, self.streams.count)
            self.streams.keep(streams)
            self.marks.keep(streams)
            self.conversations.keep(streams)
        if self.datagrams.count > MOST_KNOWN:
            latest = np.argsort(-self.udp_totals.last_ns[: self.udp_totals.count], kind="stable")[: MOST_KNOWN // 4]
            streams = np.union1d(latest, self.udp_totals.largest(LARGEST))
            self.udp_totals.keep(streams, self.datagrams.count)
            self.datagrams.pairs.keep(streams)

    def _others(self, columns: Columns, twice: NDArray[np.int64]) -> dict[int, list[Fact]]:
        """Return what there is to say that is not TCP's, by packet."""
        told: dict[int, list[Fact]] = {}
        for teller in self._tellers:
            for row, facts in teller.feed(columns, twice).items():
                told.setdefault(row, []).extend(facts)
        return told

    def _count(self, batch: Batch) -> None:
        self.packets += len(batch)
        self.cut += int((batch.captured < batch.length).sum())
        known = batch.time_ns[batch.time_ns != NO_TIME]
        if len(known):
            self.first_ns = int(known[0]) if self.first_ns == NO_TIME else self.first_ns
            self.last_ns = max(self.last_ns, int(known.max()))

    def _udp(self, columns: Columns) -> NDArray[np.int64]:
        rows = columns.rows("udp")
        streams = np.full(len(columns.batch), -1, np.int64)
        if len(rows.row):
            source, destination, _ = ip_ends(columns, rows.parent, rows.parent_index)
            numbers, direction = self.datagrams.feed(
                source, destination, columns["udp.srcport"], columns["udp.dstport"]
            )
            batch = columns.batch
            real = ~rows.quoted
            row = rows.row[real]
            self.udp_totals.feed(numbers[real], direction[real], batch.length[row], batch.time_ns[row])
            at = first_of_each(rows.row, len(columns.batch))
            streams = np.where(at >= 0, numbers[at], -1)
        return streams


def first_of_each(row: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return for each of ``count`` packets the first index at which it stands in ``row`` (ascending), or -1."""
    at = np.full(count, -1, np.int64)
    at[row[::-1]] = np.arange(len(row))[::-1]
    return at
