"""Stream numbers as Wireshark gives them (``tcp.stream``, ``udp.stream``), and relative sequence numbers.

A stream is all packets between two (address, port) ends. Numbers are given in order of appearance and are never
reset. Only for TCP one pair of ends can have several: a SYN with another sequence number than its direction began
with opens the next one, whether or not the old connection was closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.endpoint_pairs import EndpointPairs, FoundPairs, distinct, grown
from sniffkit.analysis.segments import ACK, FIN, SYN, Segments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class StreamNumbers:
    """The stream of every segment, arrays in the order of ``Segments``.

    stream:          int64 (m,) tcp.stream
    direction:       uint8 (m,) 0 where the sender is who sent the stream's first packet
    opened:          bool (m,) this segment is the first of its stream
    reused:          bool (m,) tcp.analysis.reused_ports
    base, other_base: uint32 (m,) sequence number that counts as 0 in this and in the other direction
    base_known:      bool (m,) ``base`` was set (a quoted header sets none)
    sequence, acknowledgment: uint32 (m,) relative, as tshark prints tcp.seq and tcp.ack
    next_sequence:   int64 (m,) tcp.nxtseq, -1 where the length is unknown
    """

    stream: NDArray[np.int64]
    direction: NDArray[np.uint8]
    opened: NDArray[np.bool_]
    reused: NDArray[np.bool_]
    base: NDArray[np.uint32]
    other_base: NDArray[np.uint32]
    base_known: NDArray[np.bool_]
    sequence: NDArray[np.uint32]
    acknowledgment: NDArray[np.uint32]
    next_sequence: NDArray[np.int64]


class PairStreams:
    """Stream numbers of a protocol without connections (``udp.stream``): a pair of ends is a stream."""

    def __init__(self) -> None:
        self.pairs = EndpointPairs()

    @property
    def count(self) -> int:
        """How many streams there are."""
        return self.pairs.count

    def feed(
        self,
        source: NDArray[np.uint64],
        destination: NDArray[np.uint64],
        source_port: NDArray[np.uint16],
        destination_port: NDArray[np.uint16],
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Return the stream, int64 (m,), and the direction, uint8 (m,), of each datagram.

        source, destination: uint64 (m, 2), as in ``Segments``. Direction 0 is that of the stream's first datagram.
        """
        found = self.pairs.look_up(source, destination, source_port, destination_port)
        return found.pair, found.swapped.astype(np.uint8)

    def ends(
        self, streams: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint64], NDArray[np.uint16], NDArray[np.uint64], NDArray[np.uint16]]:
        """Return address, port of who sent each stream's first datagram, then address, port of the other end."""
        pairs = self.pairs
        return pairs.first[streams], pairs.first_port[streams], pairs.second[streams], pairs.second_port[streams]


@dataclass(slots=True)
class _Groups:
    """The segments of a batch sorted by stream, capture order within.

    start:  int64 (g,) where each stream begins; of: int64 (m,) which one a row belongs to
    side, flags, sequence, acknowledgment, known: the rows' values, known = of known length
    """

    start: NDArray[np.int64]
    of: NDArray[np.int64]
    side: NDArray[np.uint8]
    flags: NDArray[np.uint16]
    sequence: NDArray[np.uint32]
    acknowledgment: NDArray[np.uint32]
    known: NDArray[np.bool_]

    def sets(self, side: int) -> NDArray[np.bool_]:
        """Return the rows that would set the base of ``side`` if it is not set yet."""
        able: NDArray[np.bool_] = self.known & ((self.side == side) | ((self.flags & ACK) != 0))
        return able

    def value(self, side: int, at: NDArray[np.int64]) -> NDArray[np.uint32]:
        """Return the base of ``side`` that the rows ``at`` set: the number before the first octet."""
        own = self.sequence[at] - ((self.flags[at] & SYN) == 0).astype(np.uint32)
        return np.where(self.side[at] == side, own, self.acknowledgment[at] - np.uint32(1))


class Streams:
    """Stream numbers of TCP, fed batch by batch; what it keeps grows with streams and never with packets.

    Per pair of ends: the stream it is in, the side that opened it, and the base of either side.
    Per stream: its pair and that side (5 octets).
    """

    def __init__(self) -> None:
        self.pairs = EndpointPairs()
        self.count = 0
        self._stream = np.zeros(0, np.int64)
        self._opener = np.zeros(0, np.uint8)
        self._base = np.zeros((0, 2), np.uint32)
        self._base_known = np.zeros((0, 2), np.bool_)
        self._pair_of = np.zeros(0, np.int32)
        self._opener_of = np.zeros(0, np.uint8)

    def ends(
        self, streams: Sequence[int] | NDArray[np.int64]
    ) -> tuple[NDArray[np.uint64], NDArray[np.uint16], NDArray[np.uint64], NDArray[np.uint16]]:
        """Return address, port of who sent each stream's first packet, then address, port of the other end."""
        at = np.asarray(streams, np.int64)
        pair = self._pair_of[at]
        turned = self._opener_of[at] == 1
        pairs = self.pairs
        return (
            np.where(turned[:, None], pairs.second[pair], pairs.first[pair]),
            np.where(turned, pairs.second_port[pair], pairs.first_port[pair]),
            np.where(turned[:, None], pairs.first[pair], pairs.second[pair]),
            np.where(turned, pairs.first_port[pair], pairs.second_port[pair]),
        )

    def feed(self, segments: Segments) -> StreamNumbers:
        """Return the stream numbers of the next batch's segments."""
        found = self.pairs.look_up(
            segments.source, segments.destination, segments.source_port, segments.destination_port
        )
        self._reserve(self.pairs.count)
        count = len(segments)
        order = sorted_rows(found.pair)
        pair = found.pair[order]
        groups = self._group(segments, found, order, pair)
        carried = pair[groups.start]
        old = carried < found.known
        known = self._base_known[carried]
        base = self._base[carried]
        setter, first = _first_bases(groups, known, base)
        opens = np.zeros(count, np.bool_)
        opens[groups.start[~old]] = True
        splits = _splits(groups, setter, first, known, base)
        opens[splits] = True
        if len(splits):
            begins = np.zeros(count, np.bool_)
            begins[groups.start] = begins[splits] = True
            groups.start = np.flatnonzero(begins)
            groups.of = np.cumsum(begins) - 1
            carried = pair[groups.start]
            fresh = opens[groups.start]
            known = self._base_known[carried] & ~fresh[:, None]
            setter, first = _first_bases(groups, known, self._base[carried])
        bases = _bases(groups, order, setter, first)
        bases.reused[order[splits]] = True

        stream, opener = self._number(groups, order, carried, opens)
        last = (np.append(groups.start[1:], count) - 1)[: len(groups.start)]
        for side in (0, 1):  # of several groups of one pair the last one stays
            self._base[carried, side] = bases.last[side]
            self._base_known[carried, side] = last >= setter[side]
        opened = np.zeros(count, np.bool_)
        opened[order[np.flatnonzero(opens)]] = True
        return _numbers(segments, stream, opener, opened, bases)

    def with_latest(self, streams: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return these streams, ascending, and the latest one of each pair of ends that they are of."""
        latest: NDArray[np.int64] = np.union1d(streams, self._stream[self._pair_of[streams]])
        return latest

    def keep(self, streams: NDArray[np.int64]) -> None:
        """Forget all streams but these (``with_latest``), which are numbered anew in this order."""
        pairs, of = np.unique(self._pair_of[streams], return_inverse=True)
        self.pairs.keep(pairs.astype(np.int64))
        self._pair_of, self._opener_of = of.astype(np.int32), self._opener_of[streams]
        self._stream = np.searchsorted(streams, self._stream[pairs])
        self._opener, self._base = self._opener[pairs], self._base[pairs]
        self._base_known = self._base_known[pairs]
        self.count = len(streams)

    def _reserve(self, pairs: int) -> None:
        if pairs > len(self._stream):
            size = max(1024, pairs + pairs // 2)
            self._stream, self._opener = grown(self._stream, size), grown(self._opener, size)
            self._base, self._base_known = grown(self._base, size), grown(self._base_known, size)

    def _group(
        self, segments: Segments, found: FoundPairs, order: NDArray[np.int64], pair: NDArray[np.int64]
    ) -> _Groups:
        begins = np.ones(len(pair), np.bool_)
        np.not_equal(pair[1:], pair[:-1], out=begins[1:])
        start = np.flatnonzero(begins)
        return _Groups(
            start,
            np.cumsum(begins) - 1,
            found.swapped.view(np.uint8).take(order),
            segments.flags.take(order),
            segments.sequence.take(order),
            segments.acknowledgment.take(order),
            (segments.length >= 0).take(order),
        )

    def _number(
        self, groups: _Groups, order: NDArray[np.int64], pair: NDArray[np.int64], opens: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Return stream and opening side of each group; new streams are numbered by their opening row."""
        stream = self._stream[pair]
        opener = self._opener[pair]
        fresh = np.flatnonzero(opens[groups.start])
        if len(fresh):
            opening = groups.start[fresh]
            rank = np.empty(len(fresh), np.int64)
            rank[np.argsort(order[opening])] = np.arange(len(fresh))
            stream[fresh] = self.count + rank
            opener[fresh] = groups.side[opening]
            self.count += len(fresh)
            if self.count > len(self._pair_of):
                size = max(1024, self.count + self.count // 2)
                self._pair_of, self._opener_of = grown(self._pair_of, size), grown(self._opener_of, size)
            self._pair_of[stream[fresh]] = pair[fresh]
            self._opener_of[stream[fresh]] = opener[fresh]
        self._stream[pair] = stream
        self._opener[pair] = opener
        return stream, opener


def sorted_rows(key: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows sorted by a non-negative key below 2^40, in their old order where it is equal.

    The row stands in the lower bits of one number with its key: sorting numbers is several times faster than a
    stable argsort, and fastest where 32 bits are enough.
    """
    bits = max(len(key) - 1, 1).bit_length()
    number: Any = np.uint32 if int(key.max(initial=0)) < 1 << max(32 - bits, 0) else np.int64
    packed = np.sort((key.astype(number) << number(bits)) | np.arange(len(key), dtype=number))
    rows: NDArray[np.int64] = (packed & number((1 << bits) - 1)).astype(np.int64)
    return rows


def _first_bases(
    groups: _Groups, known: NDArray[np.bool_], base: NDArray[np.uint32]
) -> tuple[list[NDArray[np.int64]], list[NDArray[np.uint32]]]:
    """Return for either side which row of each group sets the base first (-1: set before) and to what.

    known, base: bool and uint32 (g, 2), what earlier batches left.
    """
    setters, firsts = [], []
    place = np.arange(len(groups.of))
    for side in (0, 1):
        setter = np.minimum.reduceat(np.where(groups.sets(side), place, _NEVER), groups.start) if len(place) else place
        setter[known[:, side]] = -1
        first = base[:, side].copy()
        new = np.flatnonzero((setter >= 0) & (setter != _NEVER))
        first[new] = groups.value(side, setter[new])
        first[setter == _NEVER] = 0
        setters.append(setter)
        firsts.append(first)
    return setters, firsts


def _splits(
    groups: _Groups,
    setter: list[NDArray[np.int64]],
    first: list[NDArray[np.uint32]],
    known: NDArray[np.bool_],
    base: NDArray[np.uint32],
) -> NDArray[np.int64]:
    """Return the rows at which a SYN opens another stream between known ends.

    Almost no group needs the walk: only one in which some SYN does not repeat the base its side began with.
    """
    syn = np.flatnonzero((groups.flags & SYN) != 0)
    of, side = groups.of[syn], groups.side[syn]
    set_by = np.where(side == 0, setter[0][of], setter[1][of])
    differs = (syn > set_by) & (groups.sequence[syn] != np.where(side == 0, first[0][of], first[1][of]))
    doubtful = distinct(of[differs])
    if not len(doubtful):
        return doubtful
    # The next row, from each row on, that would set either base (rows of later groups are beyond `end`).
    place = np.arange(len(groups.of))
    upcoming = [np.minimum.accumulate(np.where(groups.sets(side), place, _NEVER)[::-1])[::-1] for side in (0, 1)]
    splits: list[int] = []
    begin = np.searchsorted(of, doubtful).tolist()
    end = np.searchsorted(of, doubtful, side="right").tolist()
    for group, lower, upper in zip(doubtful.tolist(), begin, end, strict=True):
        current = [int(base[group, side]) if known[group, side] else None for side in (0, 1)]
        since = int(groups.start[group])
        for row in syn[lower:upper].tolist():
            own = int(groups.side[row])
            if current[own] is None and (at := int(upcoming[own][since])) < row:
                current[own] = int(groups.value(own, np.array([at]))[0])
            sequence = int(groups.sequence[row])
            if current[own] is None or current[own] == sequence:
                continue
            if groups.flags[row] & ACK:
                current[own] = sequence
            else:
                splits.append(row)
                current = [None, None]
                since = row
    return np.array(splits, np.int64)


@dataclass(slots=True)
class _Bases:
    """The bases of each segment, (m,) in capture order: of its own side, whether that is known, and of the other side.

    lane:   int64 (m,) twice the group that it belongs to, and its side
    reused: bool (m,) SYN,ACKs that moved a base, and SYNs that opened another stream
    last:   uint32 (g,) for either side, at the last row of each group
    """

    lane: NDArray[np.int64]
    own: NDArray[np.uint32]
    known: NDArray[np.bool_]
    other: NDArray[np.uint32]
    reused: NDArray[np.bool_]
    last: list[NDArray[np.uint32]]


def _bases(
    groups: _Groups, order: NDArray[np.int64], setter: list[NDArray[np.int64]], first: list[NDArray[np.uint32]]
) -> _Bases:
    """Return the bases of each segment; nearly always those that each group began with."""
    place = np.arange(len(order))
    lanes = 2 * groups.of + groups.side
    lane, at = np.empty_like(order), np.empty_like(order)
    lane[order], at[order] = lanes, place
    begun, since = np.stack(first, axis=1).reshape(-1), np.stack(setter, axis=1).reshape(-1)
    own, other, known = begun.take(lane), begun.take(lane ^ 1), at >= since.take(lane)
    reused = np.zeros(len(place), np.bool_)
    moving = np.flatnonzero((groups.flags & (SYN | ACK)) == (SYN | ACK))
    moving = moving[moving >= since[lanes[moving]]]
    if (groups.sequence[moving] == begun[lanes[moving]]).all():
        return _Bases(lane, own, known, other, reused, first)
    start = groups.start[groups.of]
    last = np.append(groups.start[1:], len(place)) - 1
    bases = []
    for side, begun in enumerate(first):
        base, mine = begun[groups.of], moving[groups.side[moving] == side]
        latest = np.full(len(place), -1)
        latest[mine] = mine
        latest = np.maximum.accumulate(latest)
        earlier = np.append(-1, latest[:-1])[mine]
        before = np.where(earlier >= start[mine], groups.sequence[earlier], base[mine])
        reused[order[mine[groups.sequence[mine] != before]]] = True
        bases.append(np.where(latest >= start, groups.sequence[latest], base))
    straight = (lane & 1) == 0
    ordered = [base[at] for base in bases]
    own, other = np.where(straight, *ordered), np.where(straight, *reversed(ordered))
    return _Bases(lane, own, known, other, reused, [base[last] for base in bases])


def _numbers(
    segments: Segments,
    stream: NDArray[np.int64],
    opener: NDArray[np.uint8],
    opened: NDArray[np.bool_],
    bases: _Bases,
) -> StreamNumbers:
    """Return everything in capture order; stream and opener are those of each group."""
    of, own = bases.lane >> 1, bases.own
    known = segments.length >= 0
    sequence = segments.sequence - own
    extra = (segments.flags & (SYN | FIN)) != 0
    next_sequence = (sequence + segments.length + extra) & 0xFFFFFFFF
    if not known.all():
        sequence = np.where(known, sequence, segments.sequence)
        next_sequence = np.where(known, next_sequence, -1)
    acknowledges = ((segments.flags & ACK) != 0) & known
    return StreamNumbers(
        stream=stream.take(of),
        direction=(bases.lane & 1).astype(np.uint8) ^ opener.take(of),
        opened=opened,
        reused=bases.reused,
        base=own,
        other_base=bases.other,
        base_known=bases.known,
        sequence=sequence,
        acknowledgment=segments.acknowledgment - bases.other * acknowledges,
        next_sequence=next_sequence,
    )
