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

LANE_STATE: dict[str, tuple[type, int]] = {
    "next": (np.uint32, 0),
    "next_time_ns": (np.int64, 0),
    "edge": (np.uint32, 0),
    "ack": (np.uint32, 0),
    "ack_time_ns": (np.int64, 0),
    "window": (np.uint32, NO_WINDOW),
    "last": (np.uint16, 0),
    "duplicates": (np.int32, 0),
    "change": (np.int64, 0),
    "first_ack": (np.bool_, False),
    "unacknowledged": (np.int32, 0),
    "scale": (np.int16, -1),
    "syn_seen": (np.uint8, 0),
}
"""State of a direction: the fields of ``tcp_marks_sequential.Side``; window scale (-1 unknown, -2 not used); which of
SYN (1) and SYN,ACK (2) it has sent."""

STREAM_STATE: dict[str, tuple[type, int]] = {
    "initial_rtt_ns": (np.int64, 0),
    "syn_time_ns": (np.int64, 0),
    "completeness": (np.uint8, 0),
    "seen_ns": (np.int64, 0),
}
"""State of a stream: initial round-trip time, time of the newest SYN, bits of tcp.completeness, latest packet."""


class CarriedState:
    """What is kept of every open stream between batches: one slot a stream, about 140 octets.

    A released slot is used again, so the arrays grow with streams that are open at the same time.
    """

    def __init__(self) -> None:
        self.lane: dict[str, NDArray[Any]] = {name: np.zeros((0, 2), dtype) for name, (dtype, _) in LANE_STATE.items()}
        self.stream: dict[str, NDArray[Any]] = {name: np.zeros(0, dtype) for name, (dtype, _) in STREAM_STATE.items()}
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
            for name, (_, value) in LANE_STATE.items():
                self.lane[name][fresh] = value
            for name, (_, value) in STREAM_STATE.items():
                self.stream[name][fresh] = value
        return slot

    def _grow(self, more: int) -> None:
        size = len(self._stream_of)
        self._free = np.concatenate((self._free, np.arange(size + more - 1, size - 1, -1)))
        self._stream_of = grown(self._stream_of, size + more, -1)
        for state in (self.lane, self.stream):
            for name in state:
                state[name] = grown(state[name], size + more)

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


@dataclass(slots=True)
class Groups:
    """The segments of a batch sorted by stream, capture order within ("stream order").

    order:  int64 (m,) the segment at each place; start: int64 (g,) where each stream begins
    of:     int64 (m,) the group a place belongs to; stream, slot: int64 (g,) of each group
    second: bool (m,) the segment travels in direction 1
    """

    order: NDArray[np.int64]
    start: NDArray[np.int64]
    of: NDArray[np.int64]
    stream: NDArray[np.int64]
    second: NDArray[np.bool_]
    slot: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def by_stream(cls, numbers: StreamNumbers, which: NDArray[np.int64] | None = None) -> Groups:
        """Sort segments (all, or ``which``) by stream."""
        stream = numbers.stream if which is None else numbers.stream[which]
        order = sorted_rows(stream)
        ordered = stream[order]
        begins = np.ones(len(order), np.bool_)
        np.not_equal(ordered[1:], ordered[:-1], out=begins[1:])
        start = np.flatnonzero(begins)
        if which is not None:
            order = which[order]
        return cls(order, start, np.cumsum(begins) - 1, ordered[start], numbers.direction[order] != 0)

    def group_of_each(self) -> NDArray[np.int64]:
        """Return the group of each segment, in capture order."""
        group = np.empty(len(self.order), np.int64)
        group[self.order] = self.of
        return group


@dataclass(slots=True)
class Lanes:
    """Places of the segments of known length, lane by lane, each lane with its head ("lane order").

    segment: int64 (n,) index into ``Segments`` (0 at heads); head: int64 (2g,) places of the heads, both lanes of
    a stream together; is_head: bool (n,); lane: int64 (n,) number of the lane; other: int64 (n,) the place of the
    other side's latest row before this one, its head if there is none
    """

    segment: NDArray[np.int64]
    head: NDArray[np.int64]
    is_head: NDArray[np.bool_]
    lane: NDArray[np.int64]
    other: NDArray[np.int64]

    @classmethod
    def lay_out(cls, groups: Groups) -> Lanes:
        """Lay out segments that are sorted by stream."""
        count, streams = len(groups.order), len(groups.start)
        second, start, of = groups.second, groups.start, groups.of
        ones: NDArray[np.int64] = np.cumsum(second) - second  # rows of direction 1 before, since the batch began
        ones_before = ones[start]
        sizes = np.diff(np.append(start, count))
        seconds = np.diff(np.append(ones_before, ones[-1:] + second[-1:])) if streams else sizes
        head = np.empty(2 * streams, np.int64)
        head[0::2] = start + 2 * np.arange(streams)
        head[1::2] = head[0::2] + 1 + sizes - seconds
        # The latest row of either direction before each row, in its lane; the head where there is none.
        latest_second = ones + (head[1::2] - ones_before)[of]
        latest_first = np.arange(count) - ones
        latest_first += (head[0::2] - start + ones_before)[of]
        at = np.where(second, latest_second, latest_first)
        at += 1
        size = count + 2 * streams
        segment = np.zeros(size, np.int64)
        segment[at] = groups.order
        is_head = np.zeros(size, np.bool_)
        is_head[head] = True
        other = np.empty(size, np.int64)
        other[at] = np.where(second, latest_first, latest_second)
        other[head[0::2]], other[head[1::2]] = head[1::2], head[0::2]
        return cls(segment, head, is_head, np.cumsum(is_head) - 1, other)

    def column(self, values: NDArray[Any], heads: NDArray[Any]) -> NDArray[Any]:
        """Return one value a place: ``values`` of the segments, ``heads`` (g, 2) at the heads."""
        column = values[self.segment]
        column[self.head] = heads.reshape(-1)
        return column

    def end(self, lane: int) -> int:
        """Return the place after the last row of a lane."""
        return int(self.head[lane + 1]) if lane + 1 < len(self.head) else len(self.segment)
