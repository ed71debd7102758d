"""A direction's octets put back in order: segments come late, twice or not at all, what they carry is one stream.

TCP numbers every octet (RFC 9293 section 3.4), so whatever the order of the segments the receiver can hand the octets
on in the order they were sent. ``TcpStreams`` does that for both directions of every connection it is given, and each
direction has a reader that makes something of the octets: messages with a length before them (``prefixed_messages``).
What the capture lacks is never made up: a reader is told of the gap and finds its feet again behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from sniffkit.analysis.segments import ACK, FIN, SYN, ip_ends

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns

CIRCLE, HALF = 1 << 32, 1 << 31

FURTHEST = 1 << 30
"""The largest window (RFC 7323 section 2.3): a segment further ahead is of no stream that a receiver would take."""

MOST_HELD = 256 * 1024
"""Octets of a direction that wait behind a gap, SEGMENT more for each segment; past that the gap is given up."""

SEGMENT = 200
"""Octets of memory for each segment that waits, beside those it carries: many small ones shall not count for little."""

MOST_OCTETS = 32 * 1024 * 1024
"""Octets that wait in all directions together, counted alike; past that connections silent for longest are let go."""

MOST_CONNECTIONS = 10_000
"""Connections followed at once; past that the ones silent for longest are let go."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Octets of a stream that follow those before without a gap.

    octets: as far as captured; length: on the wire (a snap length cuts octets off at the end)
    packet: frame number of the segment; at: where the octets lie in the octets of the batch being fed, -1 where they
    came with an earlier batch
    """

    octets: bytes
    length: int
    packet: int
    at: int

    def without(self, count: int) -> Chunk:
        """Return the chunk without its first ``count`` octets."""
        at = self.at + count if self.at >= 0 else -1
        return Chunk(self.octets[count:], self.length - count, self.packet, at) if count else self


class Reader(Protocol[T_co]):
    """Makes something of the octets of one direction."""

    @property
    def waiting(self) -> int:
        """How many octets of memory it needs for what it keeps for later."""
        ...

    def begin(self) -> None:
        """Take note that the next octet is the first of the stream (its SYN was seen)."""
        ...

    def gap(self) -> None:
        """Take note that octets are missing before the next ones."""
        ...

    def feed(self, chunk: Chunk) -> Sequence[T_co]:
        """Read on; return what is whole now."""
        ...


class Direction(Generic[T]):
    """One direction of a connection.

    first: sequence number of its SYN, None while that was not seen; next: that of the next octet in order
    """

    __slots__ = ("_count", "_held", "_octets", "_place", "first", "next", "reader")

    def __init__(self, reader: Reader[T]) -> None:
        self.reader = reader
        self.first: int | None = None
        self.next: int | None = None
        self._place = 0  # of the next octet, counted on without end
        self._held: list[tuple[int, int, Chunk]] = []  # behind a gap: a heap by place, then as captured
        self._count = self._octets = 0

    @property
    def waiting(self) -> int:
        """How many octets of memory are needed for what is kept."""
        return self._octets + self.reader.waiting

    def open(self, sequence: int) -> None:
        """Take note of the SYN."""
        self.first, self.next = sequence, (sequence + 1) % CIRCLE
        self._held, self._octets = [], 0
        self.reader.begin()

    def begin(self, sequence: int) -> None:
        """Begin in the middle, unless it has begun."""
        if self.next is None:
            self.next = sequence
            self.reader.gap()

    def began_before(self, number: int) -> bool:
        """Say whether a SYN was seen that a SYN,ACK with this acknowledgment number answers, data with it or none."""
        return self.first is not None and 0 < _apart(number, self.first) <= 0xFFFF

    def add(self, sequence: int, chunk: Chunk) -> Iterator[T]:
        """Put a segment's octets where they belong; yield what is whole now."""
        self.begin(sequence)
        ahead = self._ahead(sequence)
        if ahead > FURTHEST or ahead + chunk.length <= 0:
            return
        if ahead > 0:
            self._count += 1
            held = Chunk(chunk.octets, chunk.length, chunk.packet, -1)
            heappush(self._held, (self._place + ahead, self._count, held))
            self._octets += SEGMENT + len(chunk.octets)
            while self._octets > MOST_HELD:
                yield from self._give_up()
            return
        yield from self._take(ahead, chunk)
        yield from self._close_up()

    def acknowledged(self, number: int) -> Iterator[T]:
        """Give up what the other side says it has and the capture lacks."""
        while 0 < (ahead := self._ahead(number)) <= FURTHEST:
            if self._held and self._held[0][0] < self._place + ahead:
                yield from self._give_up()
            else:
                self.go_on(ahead)  # what waits further on may still be joined to it
                self.reader.gap()
                yield from self._close_up()

    def go_on(self, octets: int) -> None:
        """Pass over so many numbers."""
        if self.next is not None:
            self.next = (self.next + octets) % CIRCLE
            self._place += octets

    def _ahead(self, sequence: int) -> int:
        return 0 if self.next is None else _apart(sequence, self.next)

    def _take(self, ahead: int, chunk: Chunk) -> Sequence[T]:
        """Read a chunk that begins at the next octet (``ahead`` is 0) or before it (less)."""
        self.go_on(ahead + chunk.length)
        return self.reader.feed(chunk.without(-ahead))

    def _close_up(self) -> Iterator[T]:
        """Take what was held and follows now, and drop what has come in the meantime."""
        while self._held and self._held[0][0] <= self._place:
            place, _, chunk = heappop(self._held)
            self._octets -= SEGMENT + len(chunk.octets)
            if place + chunk.length > self._place:
                yield from self._take(place - self._place, chunk)

    def _give_up(self) -> Iterator[T]:
        """Go on behind the first gap."""
        self.go_on(self._held[0][0] - self._place)
        self.reader.gap()
        yield from self._close_up()


class TcpStreams(Generic[T]):
    """Both directions of connections, fed batch by batch; memory is bounded."""

    def __init__(self, reader: Callable[[], Reader[T]]) -> None:
        """Begin; ``reader`` makes the reader of a direction."""
        self._reader = reader
        self._open: dict[tuple[int, ...], tuple[Direction[T], Direction[T]]] = {}  # silent for longest first
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """How many octets of memory are needed for what is kept."""
        return self._waiting

    def feed(self, columns: Columns, which: NDArray[np.int64]) -> Iterator[tuple[int, T]]:
        """Read the next batch; yield what became whole, with the index of the TCP header that completed it.

        which: int64 (m,) indices into ``columns.rows("tcp")``, ascending; of a connection all segments are needed,
        those without data too. Headers quoted in ICMP errors and such as cannot be are passed over.
        """
        rows, batch = columns.rows("tcp"), columns.batch
        header = columns["tcp.hdr_len"][which].astype("int64")
        sound = ~rows.quoted[which] & (header >= 20) & (rows.length[which] >= header)
        which, header = which[sound], header[sound]
        source, destination, _ = ip_ends(columns, rows.parent[which], rows.parent_index[which])
        begin = rows.offset[which] + header
        length = rows.length[which] - header
        captured = (rows.present[which] - header).clip(0, length)
        segments = zip(
            which.tolist(),
            source.tolist(),
            columns["tcp.srcport"][which].tolist(),
            destination.tolist(),
            columns["tcp.dstport"][which].tolist(),
            columns["tcp.seq_raw"][which].tolist(),
            columns["tcp.ack_raw"][which].tolist(),
            columns["tcp.flags"][which].tolist(),
            begin.tolist(),
            (begin + captured).tolist(),
            length.tolist(),
            (rows.row[which] + batch.first).tolist(),
            strict=True,
        )
        octets = batch.octets
        for index, src, src_port, dst, dst_port, seq, ack, flags, start, end, size, packet in segments:
            chunk = Chunk(octets[start:end].tobytes(), size, packet, start)
            for found in self._segment((*src, src_port), (*dst, dst_port), seq, ack, flags, chunk):
                yield index, found

    def _segment(
        self, sender: tuple[int, ...], receiver: tuple[int, ...], seq: int, ack: int, flags: int, chunk: Chunk
    ) -> Iterator[T]:
        turned = receiver < sender
        key = receiver + sender if turned else sender + receiver
        both = self._open.pop(key, None) or (Direction(self._reader()), Direction(self._reader()))
        own, other = (both[1], both[0]) if turned else both
        before = both[0].waiting + both[1].waiting
        if flags & SYN:
            if own.first != seq:
                if not flags & ACK and own.next is not None:  # another connection of the same ends
                    both = Direction(self._reader()), Direction(self._reader())
                    own, other = (both[1], both[0]) if turned else both
                own.open(seq)
            if flags & ACK and not other.began_before(ack):
                other.open((ack - 1) % CIRCLE)  # its SYN was not captured, yet here it is acknowledged
            seq = (seq + 1) % CIRCLE
        if chunk.length:
            yield from own.add(seq, chunk)
        else:
            own.begin(seq)
        if flags & FIN and own.next == (seq + chunk.length) % CIRCLE:
            own.go_on(1)
        if flags & ACK:
            yield from other.acknowledged(ack)
        self._open[key] = both
        self._waiting += both[0].waiting + both[1].waiting - before
        while self._waiting > MOST_OCTETS or len(self._open) > MOST_CONNECTIONS:
            gone = self._open.pop(next(iter(self._open)))
            self._waiting -= gone[0].waiting + gone[1].waiting


def _apart(one: int, other: int) -> int:
    """Return how far a sequence number is ahead of another, negative where it is behind (RFC 9293 section 3.4)."""
    return (one - other + HALF) % CIRCLE - HALF
