"""What the conversations need of a batch, as columns: all that is worked out without knowing how each of them stands.

Preparing and adding are apart so that two threads, or two processes (``flows --jobs 2``), share the work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

from sniffkit.analysis.captured_twice import CapturedTwice
from sniffkit.analysis.checksum_facts import ChecksumFacts
from sniffkit.analysis.flows.icmp_errors import QuotedBy, quoting_errors
from sniffkit.analysis.flows.totals import Sums, ip_octets, sums
from sniffkit.analysis.icmp.exchanges import ECHO
from sniffkit.analysis.segments import SYN, Segments, ip_ends
from sniffkit.analysis.streams import PairStreams, StreamNumbers, Streams
from sniffkit.analysis.tcp.lanes import Groups
from sniffkit.protocols.columns import Columns
from sniffkit.protocols.reassembly import Reassembler
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.facts import Fact
    from sniffkit.sources.batch import Batch

TcpEnds = tuple["NDArray[np.uint64]", "NDArray[np.uint16]", "NDArray[np.uint64]", "NDArray[np.uint16]"]
"""Address and port of who sent each stream's first packet, then of the other end; addresses as in ``Segments``."""

CHECKSUMS = ("ip", "tcp", "udp")


class Ends(Protocol):
    """Knows who a stream's two ends are."""

    def ends(self, streams: NDArray[np.int64]) -> TcpEnds:
        """Return the ends of streams."""


@dataclass(slots=True)
class Datagrams:
    """The packets of a protocol without connections, in capture order, and what they add to their streams.

    row, stream: int64 (m,) of the packet; answers: bool (g,) by stream, its first one says it is a reply (echo)
    """

    row: NDArray[np.int64]
    stream: NDArray[np.int64]
    answers: NDArray[np.bool_]
    sums: Sums


@cache
def nothing() -> Datagrams:
    """Return what a batch adds in which a protocol does not occur."""
    none = np.zeros(0, np.int64)
    return Datagrams(none, none, none.astype(np.bool_), sums(Groups.sort(none, none.astype(np.uint8)), *[none] * 4))


@dataclass(slots=True)
class Oddities:
    """Packets that single findings need, by kind: stream and packet number, int64 (k,) each.

    tcp_wrong, udp_wrong: with a wrong checksum; ip_wrong: packet numbers of IPv4 headers with one
    backwards: numbers of packets whose time is earlier than that of the packet before them, and by how much in
               nanoseconds: int64 (k,) each
    """

    tcp_wrong: tuple[NDArray[np.int64], NDArray[np.int64]]
    udp_wrong: tuple[NDArray[np.int64], NDArray[np.int64]]
    ip_wrong: NDArray[np.int64]
    backwards: tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(slots=True)
class Prepared:
    """One batch.

    first, packets: number of the first packet and how many there are
    octets:         int64 (m,) of the IP datagram around each segment
    added:          ``sums``, where they were worked out already
    stamped:        int64, segments with a SYN that offer the time stamps option
    twice:          int64 (n,) for each packet the number of the one that it is a second capture of, or 0
    tcp_errors, udp_errors: ICMP errors that quote a segment or datagram; None where there are none
    wanted:         bool (n,) the packets that a filter lets through; None without a filter
    """

    first: int
    packets: int
    segments: Segments
    numbers: StreamNumbers
    octets: NDArray[np.int64]
    added: Sums | None
    stamped: NDArray[np.int64]
    twice: NDArray[np.int64]
    udp: Datagrams
    echo: Datagrams
    tcp_errors: QuotedBy | None = None
    udp_errors: QuotedBy | None = None
    wanted: NDArray[np.bool_] | None = None
    odd: Oddities | None = None

    @property
    def sums(self) -> Sums:
        """What the segments add to their streams (headers quoted in ICMP errors add nothing)."""
        return tcp_sums(self.segments, self.numbers, self.octets) if self.added is None else self.added


@dataclass(slots=True)
class Preparer:
    """Makes batches ready, one after the other.

    choose:   returns which packets of a batch a filter lets through, bool (n,)
    findings: look for what only findings tell (checksums cost time)
    adds_up:  work out the sums of TCP; else whoever adds the batch does
    """

    choose: Callable[[Batch], NDArray[np.bool_]] | None = None
    findings: bool = False
    adds_up: bool = True
    streams: Streams = field(default_factory=Streams)
    udp: PairStreams = field(default_factory=PairStreams)
    echo: PairStreams = field(default_factory=PairStreams)
    checksums: ChecksumFacts = field(default_factory=ChecksumFacts)
    _twice: CapturedTwice = field(default_factory=CapturedTwice)
    _latest_ns: int = NO_TIME
    _reassembler: Reassembler = field(default_factory=Reassembler)

    def prepare(self, batch: Batch) -> Prepared:
        """Return the next batch, ready."""
        columns = Columns(batch, self._reassembler)
        segments = Segments.from_columns(columns)
        stamped = np.flatnonzero((segments.flags & SYN) != 0)
        if len(stamped):
            offers = np.zeros(len(segments), np.bool_)
            offers[columns.having("tcp.options.timestamp.tsval")] = True
            stamped = stamped[offers[stamped]]
        numbers = self.streams.feed(segments)
        datagrams, udp_errors = self._datagrams(columns)
        octets = ip_octets(columns, columns.rows("tcp"))
        return Prepared(
            first=batch.first,
            packets=len(batch),
            segments=segments,
            numbers=numbers,
            octets=octets,
            added=tcp_sums(segments, numbers, octets) if self.adds_up else None,
            stamped=stamped,
            twice=self._twice.feed(columns, segments),
            udp=datagrams,
            echo=self._echo(columns),
            tcp_errors=quoting_errors(columns, columns.rows("tcp"), numbers.stream),
            udp_errors=udp_errors,
            wanted=self.choose(batch) if self.choose is not None else None,
            odd=self._oddities(columns, numbers, datagrams) if self.findings else None,
        )

    def _datagrams(self, columns: Columns) -> tuple[Datagrams, QuotedBy | None]:
        """Return the UDP datagrams of a batch, and the errors that quote one.

        Like Wireshark it numbers the headers that ICMP errors quote along with the others.
        """
        rows = columns.rows("udp")
        source, destination, _ = ip_ends(columns, rows.parent, rows.parent_index)
        stream, direction = self.udp.feed(source, destination, columns["udp.srcport"], columns["udp.dstport"])
        which = np.flatnonzero(~rows.quoted)
        row = rows.row[which]
        groups = Groups.sort(stream[which], direction[which])
        octets, payload = ip_octets(columns, rows)[which], np.maximum(rows.length[which] - 8, 0)
        added = sums(groups, octets, payload, columns.batch.time_ns[row], row + columns.batch.first)
        datagrams = Datagrams(row, stream[which], np.zeros(len(added.stream), np.bool_), added)
        return datagrams, quoting_errors(columns, rows, stream)

    def _echo(self, columns: Columns) -> Datagrams:
        """Return the echo requests and replies of a batch, ICMP and ICMPv6 in capture order."""
        if not any(len(columns.rows(protocol)) for protocol in ECHO):
            return nothing()
        parts = []
        for protocol, (request, reply, identifier, _) in ECHO.items():
            rows = columns.rows(protocol)
            kind = columns[f"{protocol}.type"]
            index, values = columns.sparse(identifier)
            known = np.full(len(rows.row), -1)
            known[index] = values
            which = np.flatnonzero(((kind == request) | (kind == reply)) & ~rows.quoted & (known >= 0))
            source, destination, _ = ip_ends(columns, rows.parent[which], rows.parent_index[which])
            payload = np.maximum(rows.length[which] - 8, 0)
            octets = ip_octets(columns, rows)[which]
            parts.append((rows.row[which], source, destination, known[which], octets, payload, kind[which] == reply))
        row, source, destination, port, octets, payload, answer = (
            np.concatenate(columns) for columns in zip(*parts, strict=True)
        )
        order = np.argsort(row, kind="stable")
        port = port[order].astype(np.uint16)
        stream, direction = self.echo.feed(source[order], destination[order], port, port)
        row = row[order]
        groups = Groups.sort(stream, direction)
        added = sums(groups, octets[order], payload[order], columns.batch.time_ns[row], row + columns.batch.first)
        return Datagrams(row, stream, answer[order][groups.order[groups.start]], added)

    def _oddities(self, columns: Columns, numbers: StreamNumbers, datagrams: Datagrams) -> Oddities:
        told = self.checksums.feed(columns)
        first = columns.batch.first
        wrong = {
            name: np.array(sorted(row for row, facts in told.items() if _says_wrong(facts, name)), np.int64)
            for name in CHECKSUMS
        }
        tcp = np.flatnonzero(np.isin(columns.rows("tcp").row, wrong["tcp"]))
        udp = np.flatnonzero(np.isin(datagrams.row, wrong["udp"]))
        return Oddities(
            (numbers.stream[tcp], columns.rows("tcp").row[tcp] + first),
            (datagrams.stream[udp], datagrams.row[udp] + first),
            wrong["ip"] + first,
            self._backwards(columns.batch),
        )

    def _backwards(self, batch: Batch) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return which packets of a batch are earlier than the one before them, and by how much."""
        none = np.zeros(0, np.int64)
        if not len(batch):
            return none, none
        time = np.append(self._latest_ns, batch.time_ns)
        self._latest_ns = int(time[-1])
        at = np.flatnonzero((time[1:] < time[:-1]) & (time[1:] != NO_TIME))
        back_ns = time[at] - time[at + 1]
        back_ns[back_ns < 0] = np.iinfo(np.int64).max  # more than the 292 years that 64 bits hold
        return at + batch.first, back_ns


def tcp_sums(segments: Segments, numbers: StreamNumbers, octets: NDArray[np.int64]) -> Sums:
    """Add up segments by stream; octets: int64 (m,) of the IP datagram around each."""
    known = segments.length >= 0
    if known.all():
        groups = Groups.sort(numbers.stream, numbers.direction)
        return sums(groups, octets, segments.length, segments.time_ns, segments.number)
    real = np.flatnonzero(known)
    groups = Groups.sort(numbers.stream[real], numbers.direction[real])
    return sums(groups, octets[real], segments.length[real], segments.time_ns[real], segments.number[real])


def _says_wrong(facts: list[Fact], name: str) -> bool:
    """Return whether a packet's facts say that its checksum of a protocol is wrong."""
    return any(fact.id == f"checksum.{name}-wrong" for fact in facts)
