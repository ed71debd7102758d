"""Lanes: the segments of a batch laid out direction by direction, each lane headed by what earlier batches left.

A lane is one direction of one stream. The two lanes of every stream in the batch stand one after the other, packets in
capture order, and before the first packet stands a *head*: a row that holds the carried state as if it were a packet.
So "the packet before on my side" is the row before, always there, and "the latest packet of the other side" is one
lookup. With that, nearly every rule is a comparison of columns.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.endpoint_pairs import distinct, grown
from sniffkit.analysis.streams import sorted_rows
from sniffkit.analysis.tcp.marks_sequential import NO_WINDOW

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.streams import StreamNumbers

LANE_STATE = np.dtype(
    [
        ("next", np.uint32),
        ("next_time_ns", np.int64),
        ("edge", np.uint32),
        ("ack", np.uint32),
        ("ack_time_ns", np.int64),
        ("window", np.uint32),
        ("last", np.uint16),
        ("duplicates", np.int32),
        ("change", np.int64),
        ("first_ack", np.bool_),
        ("unacknowledged", np.int32),
        ("scale", np.int16),
        ("syn_seen", np.uint8),
    ],
    align=True,
)
"""State of a direction: the fields of ``marks_sequential.Side``; window scale (-1 unknown, -2 not used); which of
SYN (1) and SYN,ACK (2) it has sent."""

STREAM_STATE = np.dtype(
    [("initial_rtt_ns", np.int64), ("syn_time_ns", np.int64), ("seen_ns", np.int64), ("completeness", np.uint8)],
    align=True,
)
"""State of a stream: initial round-trip time, time of the newest SYN, latest packet, bits of tcp.completeness."""

_WHOLE_LANES, _WHOLE_STREAM = (np.dtype((np.void, size)) for size in (2 * LANE_STATE.itemsize, STREAM_STATE.itemsize))

_NEW_STREAM = np.zeros(2, LANE_STATE)
_NEW_STREAM["window"], _NEW_STREAM["scale"] = NO_WINDOW, -1


class CarriedState:
    """What is kept of every open stream between batches: one slot a stream, about 180 octets.

    lane: LANE_STATE (slots, 2); stream: STREAM_STATE (slots,). What belongs to a stream stands together in memory, and
    is fetched and put back as a whole, which is many times faster than field by field. A released slot is used again:
    they grow with streams that are open at the same time.
    """

    def __init__(self) -> None:
        self.lane: NDArray[Any] = np.zeros((0, 2), LANE_STATE)
        self.stream: NDArray[Any] = np.zeros(0, STREAM_STATE)
        self.open = 0
        self._slot_of = np.zeros(0, np.int32)
        self._stream_of = np.zeros(0, np.int64)
        self._free = np.zeros(0, np.int64)

    def slots(self, streams: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the slots of distinct streams; one not open yet gets a fresh slot."""
        if not len(streams):
            return streams
        highest = int(streams.max())
        if highest >= len(self._slot_of):
            self._slot_of = grown(self._slot_of, max(1024, highest + highest // 2), -1)
        slot = self._slot_of[streams].astype(np.int64)
        new = np.flatnonzero(slot == -1)
        if len(new):
            if len(new) > len(self._free):
                self._grow(max(1024, len(self._stream_of) // 2, len(new)))
            fresh, self._free = self._free[-len(new) :], self._free[: -len(new)]
            slot[new] = fresh
            self._slot_of[streams[new]] = fresh
            self._stream_of[fresh] = streams[new]
            self.open += len(new)
            self.put_lanes(fresh, _NEW_STREAM)
            self.stream[fresh] = 0
        return slot

    def lanes(self, slots: NDArray[np.int64]) -> NDArray[Any]:
        """Return the state of both directions of streams, to be changed and put back: LANE_STATE (k, 2)."""
        return _whole(self.lane).take(slots).view(LANE_STATE).reshape(-1, 2)

    def streams(self, slots: NDArray[np.int64]) -> NDArray[Any]:
        """Return the state of streams, to be changed and put back: STREAM_STATE (k,)."""
        return self.stream.view(_WHOLE_STREAM).take(slots).view(STREAM_STATE)

    def put_streams(self, slots: NDArray[np.int64], streams: NDArray[Any]) -> None:
        """Keep the state of streams: STREAM_STATE (k,)."""
        self.stream.view(_WHOLE_STREAM)[slots] = streams.view(_WHOLE_STREAM)

    def put_lanes(self, slots: NDArray[np.int64], lanes: NDArray[Any]) -> None:
        """Keep the state of both directions of streams: LANE_STATE (k, 2), or (2,) for all alike."""
        _whole(self.lane)[slots] = _whole(lanes)

    def _grow(self, more: int) -> None:
        size = len(self._stream_of)
        self._free = np.concatenate((self._free, np.arange(size + more - 1, size - 1, -1)))
        self._stream_of = grown(self._stream_of, size + more, -1)
        self.lane, self.stream = grown(self.lane, size + more), grown(self.stream, size + more)

    def forget(self, streams: NDArray[np.int64]) -> None:
        """Release the slots of streams; one that goes on later is begun anew."""
        streams = streams[streams < len(self._slot_of)]
        slot = self._slot_of[streams].astype(np.int64)
        slot = distinct(slot[slot != -1])
        self._slot_of[self._stream_of[slot]] = -1
        self._stream_of[slot] = -1
        self._free = np.concatenate((self._free, slot))
        self.open -= len(slot)

    def keep(self, streams: NDArray[np.int64]) -> None:
        """Forget all streams but these, ascending, which are numbered anew in this order."""
        opened = self._stream_of[self._stream_of != -1]
        self.forget(np.setdiff1d(opened, streams))
        used = self._stream_of != -1
        self._slot_of = np.full(len(streams), -1, np.int32)
        self._stream_of[used] = np.searchsorted(streams, self._stream_of[used])
        self._slot_of[self._stream_of[used]] = np.flatnonzero(used)

    def idle_since(self, time_ns: int) -> NDArray[np.int64]:
        """Return the open streams whose latest packet is older than a time."""
        idle: NDArray[np.int64] = self._stream_of[(self._stream_of != -1) & (self.stream["seen_ns"] < time_ns)]
        return idle

    def idle_longest(self, count: int) -> NDArray[np.int64]:
        """Return the ``count`` open streams whose latest packet is longest ago."""
        used = np.flatnonzero(self._stream_of != -1)
        if count >= len(used):
            return self._stream_of[used]
        return self._stream_of[used[np.argpartition(self.stream["seen_ns"][used], count)[:count]]]


def copied(lanes: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of the state of directions: LANE_STATE (k, 2)."""
    return _whole(lanes).copy().view(LANE_STATE).reshape(-1, 2)


def _whole(lanes: NDArray[Any]) -> NDArray[np.void]:
    """Return the state of directions with both of a stream as one value, which is copied ten times faster."""
    return lanes.reshape(-1).view(_WHOLE_LANES)


def runs(begin: NDArray[np.int64], size: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of several runs, one run after the other: int64 (k,) where each begins and how many it has."""
    upto = size.cumsum()
    places: NDArray[np.int64] = (begin - upto + size).repeat(size)
    places += np.arange(len(places))
    return places


@dataclass(slots=True)
class Groups:
    """The segments of a batch sorted by stream, capture order within ("stream order").

    order:  int64 (m,) the segment at each place; start, last: int64 (g,) each stream's first and last place
    of:     int64 (m,) the group a place belongs to; stream, slot: int64 (g,) of each group
    second: bool (m,) the segment travels in direction 1
    """

    order: NDArray[np.int64]
    start: NDArray[np.int64]
    last: NDArray[np.int64]
    of: NDArray[np.int64]
    stream: NDArray[np.int64]
    second: NDArray[np.bool_]
    slot: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def by_stream(cls, numbers: StreamNumbers, which: NDArray[np.int64] | None = None) -> Groups:
        """Sort segments (all, or ``which``) by stream."""
        if which is None:
            return cls.sort(numbers.stream, numbers.direction)
        groups = cls.sort(numbers.stream[which], numbers.direction[which])
        groups.order = which[groups.order]
        return groups

    @classmethod
    def sort(cls, stream: NDArray[np.int64], direction: NDArray[np.uint8]) -> Groups:
        """Sort packets by stream: int64 and uint8 (m,), in capture order."""
        order = sorted_rows(stream)
        ordered = stream.take(order)
        begins = np.ones(len(order), np.bool_)
        np.not_equal(ordered[1:], ordered[:-1], out=begins[1:])
        start = begins.nonzero()[0]
        last = np.append(start, len(order))[1:] - 1
        of = np.arange(len(start)).repeat(last - start + 1)
        return cls(order, start, last, of, ordered[start], direction.take(order) != 0)

    def choose(self, which: NDArray[np.bool_]) -> tuple[NDArray[np.int64], Groups]:
        """Return the segments of some groups, group by group, and groups of these as they stand then.

        which: bool (g,)
        """
        size = self.last[which] - self.start[which] + 1
        place = runs(self.start[which], size)
        last = size.cumsum() - 1
        of = np.arange(len(size)).repeat(size)
        groups = Groups(np.arange(len(of)), last - size + 1, last, of, self.stream[which], self.second[place])
        return self.order[place], groups

    def group_of_each(self) -> NDArray[np.int64]:
        """Return the group of each segment, in capture order."""
        group = np.empty(len(self.order), np.int64)
        group[self.order] = self.of
        return group


@dataclass(slots=True)
class Lanes:
    """Places of the segments of known length, lane by lane, each lane with its head ("lane order").

    place: int64 (m,) of the segments in stream order; segment: int64 (n,) index into ``Segments`` (0 at heads)
    head, last: int64 (2g,) places of the heads, and of each lane's last row, both lanes of a stream together; size:
    int64 (2g,) rows of each lane, its head included; is_head: bool (n,); lane: int64 (n,) number of the lane
    other: int64 (n,) the place of the other side's latest row before this one, its head if there is none
    """

    place: NDArray[np.int64]
    segment: NDArray[np.int64]
    head: NDArray[np.int64]
    last: NDArray[np.int64]
    size: NDArray[np.int64]
    is_head: NDArray[np.bool_]
    lane: NDArray[np.int64]
    other: NDArray[np.int64]

    @classmethod
    def lay_out(cls, groups: Groups) -> Lanes:
        """Lay out segments that are sorted by stream."""
        count, streams = len(groups.order), len(groups.start)
        second, start = groups.second, groups.start
        sizes = groups.last - start + 1
        seconds: NDArray[np.int64] = second.cumsum()  # rows of direction 1 so far, since the batch began
        before = seconds[start] - second[start]
        heads, lasts = np.empty((streams, 2), np.int64), np.empty((streams, 2), np.int64)
        heads[:, 0] = start + 2 * np.arange(streams)
        lasts[:, 1] = heads[:, 0] + 1 + sizes
        heads[:, 1] = lasts[:, 1] - (seconds[groups.last] - before)
        lasts[:, 0] = heads[:, 1] - 1
        # The latest row of either direction up to each row, in its lane; the head where there is none.
        latest_second = seconds
        latest_second += (heads[:, 1] - before).repeat(sizes)
        both = np.arange(1, count + 1)
        both += (heads[:, 0] + heads[:, 1] - start).repeat(sizes)
        latest_first = both - latest_second
        place = latest_second - latest_first
        place *= second.astype(np.int64)  # picks one of the two; `where` takes twice as long
        place += latest_first
        head, last = heads.reshape(-1), lasts.reshape(-1)
        segment, other = np.zeros(count + 2 * streams, np.int64), np.empty(count + 2 * streams, np.int64)
        segment[place] = groups.order
        other[place] = both - place
        other[head[0::2]], other[head[1::2]] = head[1::2], head[0::2]
        is_head = np.zeros(len(segment), np.bool_)
        is_head[head] = True
        size = last - head + 1
        return cls(place, segment, head, last, size, is_head, np.arange(len(head)).repeat(size), other)

    def column(self, values: NDArray[Any], heads: NDArray[Any] | int) -> NDArray[Any]:
        """Return one value a place: ``values`` of the segments, ``heads`` (2g,) at the heads."""
        column = values.take(self.segment)
        column[self.head] = heads
        return column

    def spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return one value a place: that of its lane."""
        return values.repeat(self.size)

    def end(self, lane: int) -> int:
        """Return the place after the last row of a lane."""
        return int(self.last[lane]) + 1
