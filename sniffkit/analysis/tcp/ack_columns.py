"""Which segment an acknowledgment answers where all goes in order: the column form of ``open_segments``.

All segments of a direction end one after the other and acks only move forward. Then an ack mostly answers the latest
segment that the other side has sent, and else the first one that ends at its number: one search in sorted columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.segments import ACK
from sniffkit.analysis.tcp.marks_sequential import MOST_UNACKNOWLEDGED
from sniffkit.analysis.time_stamps import elapsed_ns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.segments import Segments
    from sniffkit.analysis.tcp.marks_columns import LaneColumns

_NEAR = 1 << 30
"""Numbers further apart than this in a batch are left to the plain list."""
_NONE_YET = -(1 << 31)
_LANE_BITS = 34


@dataclass(slots=True)
class Pending:
    """Segments that earlier batches left unacknowledged; ``lane`` = 2 streams + direction.

    lane: int64; start, end: uint32; number, time: int64, all (k,)
    """

    lane: NDArray[np.int64]
    start: NDArray[np.uint32]
    end: NDArray[np.uint32]
    number: NDArray[np.int64]
    time: NDArray[np.int64]

    def take(self, which: NDArray[Any]) -> Pending:
        """Return the segments at ``which``."""
        return Pending(self.lane[which], self.start[which], self.end[which], self.number[which], self.time[which])

    @classmethod
    def joined(cls, *parts: Pending) -> Pending:
        """Return segments one after the other."""
        columns = ("lane", "start", "end", "number", "time")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in columns))


class AckColumns:
    """The acks of a batch in lane order; numbers are counted from where ``next`` of the acknowledged lane begins.

    doubtful: bool (2g,) lanes that are not in order, or too far apart: the plain list has to tell them
    """

    def __init__(self, segments: Segments, columns: LaneColumns, pending: Pending) -> None:
        """Judge a batch; pending: what is left of earlier ones, its lanes counted within the batch."""
        self._segments, self._columns, self._pending = segments, columns, pending
        lanes = columns.lanes
        self._waiting = np.bincount(pending.lane, minlength=len(lanes.head))
        self.doubtful = np.zeros(len(lanes.head), np.bool_)
        self._sent = columns.sends.nonzero()[0]
        at = np.minimum(np.searchsorted(self._sent, lanes.head), len(self._sent) - 1)
        self._first = self._sent[at] if len(self._sent) else lanes.head - 1  # what each lane sends first
        self._first = np.where((self._first >= lanes.head) & (self._first <= lanes.last), self._first, len(columns.end))
        self._read_acks()
        self._read_sent()

    def _read_acks(self) -> None:
        """Find the acks that have something to acknowledge, and how far each lane has acknowledged up to each row."""
        columns, lanes = self._columns, self._columns.lanes
        since = np.where(self._waiting > 0, 0, self._first)
        self._some = lanes.other >= lanes.spread(_swapped(since))
        self._some[lanes.head] = False
        self._number = (columns.ack - lanes.spread(_swapped(columns.start))).view(np.int32)
        wild = (self._some & (_far(self._number) | ((columns.flags & ACK) == 0))).nonzero()[0]
        self.doubtful[lanes.lane[wild] ^ 1] = True
        number, some = self._number, self._some
        falls = ((number[1:] < number[:-1]) & some[:-1] & some[1:]).nonzero()[0]
        self._upto = number
        if len(falls):
            chosen = np.zeros(len(lanes.head), np.bool_)
            chosen[lanes.lane[falls]] = True
            at = np.flatnonzero(lanes.spread(chosen) & some)
            shift = lanes.lane[at] << _LANE_BITS
            self._upto = number.copy()
            self._upto[at] = np.maximum.accumulate(number[at] + shift) - shift

    def _read_sent(self) -> None:
        """Find what ends at or before an ack already seen: that breaks the order."""
        columns, lanes = self._columns, self._columns.lanes
        self._ends = (columns.end - lanes.spread(columns.start)).view(np.int32)
        # A segment beyond all before it is beyond all acks, unless one of them was beyond all that was seen.
        sure = columns.advances & (columns.next_before != 0)
        if len(columns.beyond):
            guesses = np.zeros(len(lanes.head), np.bool_)
            guesses[lanes.lane[columns.beyond] ^ 1] = True
            sure &= ~lanes.spread(guesses)
        at = (columns.sends & ~sure).nonzero()[0]
        other = lanes.other[at]
        self.doubtful[lanes.lane[at[self._some[other] & (self._ends[at] <= self._upto[other])]]] = True
        self.doubtful[lanes.lane[(_far(self._ends) & columns.sends).nonzero()[0]]] = True
        pending = self._pending
        self._pending_ends = (pending.end - columns.start[pending.lane]).view(np.int32)
        self.doubtful[pending.lane[_far(self._pending_ends)]] = True
        if (lanes.size + self._waiting > MOST_UNACKNOWLEDGED).any():
            count = self._waiting + np.bincount(lanes.lane[self._sent], minlength=len(lanes.head))
            self.doubtful |= count > MOST_UNACKNOWLEDGED

    def answers(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return the acks that answer a segment: places, the frame each answers, and how long ago that was."""
        columns, lanes, segments = self._columns, self._columns.lanes, self._segments
        some, upto = self._some, self._upto
        asks = some.copy()
        asks[1:] &= ~some[:-1] | (upto[1:] > upto[:-1])
        places = asks.nonzero()[0]
        if not len(self._sent):
            return self._search(places)
        target = lanes.lane.take(places) ^ 1
        latest = self._sent[columns.sent_upto.take(lanes.other.take(places)) - 1]
        first = columns.next_before.take(latest) == 0
        first &= latest != self._first.take(target)  # no: `next` does not tell
        direct = columns.advances.take(latest) & ~first & (columns.end.take(latest) == columns.ack.take(places))
        if len(self._pending.lane):
            direct &= self._waiting[target] == 0
        at, found = places[direct], latest[direct]
        rest, frame, time = self._search(places[~direct])
        return (
            np.concatenate((at, rest)),
            np.concatenate((segments.number.take(lanes.segment.take(found)), frame)),
            np.concatenate((elapsed_ns(columns.time.take(at), columns.time.take(found)), time)),
        )

    def _search(self, asks: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Find the oldest segment that ends at the number of each ack, among all that its lane has sent."""
        columns, lanes, pending = self._columns, self._columns.lanes, self._pending
        target = lanes.lane[asks] ^ 1
        chosen = np.zeros(len(lanes.head), np.bool_)
        chosen[target] = True
        old, sent = np.flatnonzero(chosen[pending.lane]), np.flatnonzero(lanes.spread(chosen) & columns.sends)
        lane = np.concatenate((pending.lane[old], lanes.lane[sent]))
        key = (lane << _LANE_BITS) + np.concatenate((self._pending_ends[old], self._ends[sent]))
        if not len(key):
            none = np.zeros(0, np.int64)
            return none, none, none
        frame = np.concatenate((pending.number[old], self._segments.number[lanes.segment[sent]]))
        time = np.concatenate((pending.time[old], columns.time[sent]))
        when = np.concatenate((np.full(len(old), -1), lanes.segment[sent]))
        order = np.argsort(key, kind="stable")
        wanted = (target << _LANE_BITS) + self._number[asks]
        at = order[np.minimum(np.searchsorted(key[order], wanted), len(key) - 1)]
        hit = (key[at] == wanted) & (when[at] < lanes.segment[asks])
        asks, at = asks[hit], at[hit]
        return asks, frame[at], elapsed_ns(columns.time[asks], time[at])

    def left(self, fine: NDArray[np.bool_]) -> Pending:
        """Return what is not acknowledged in the end, of the lanes that are fine: bool (2g,)."""
        columns, lanes, pending = self._columns, self._columns.lanes, self._pending
        final = np.where(self._some[lanes.last], self._upto[lanes.last], np.int32(_NONE_YET))
        final = _swapped(final)  # how far each lane is acknowledged
        sent = (columns.sends & (self._ends > lanes.spread(final))).nonzero()[0]
        sent = sent[fine[lanes.lane[sent]]]
        segment = lanes.segment[sent]
        new = Pending(
            lanes.lane[sent], columns.sequence[sent], columns.end[sent], self._segments.number[segment],
            columns.time[sent],
        )  # fmt: skip
        old = pending.take(fine[pending.lane] & (self._pending_ends > final[pending.lane]))
        left = Pending.joined(old, new)
        reference, upto = columns.start[left.lane], final[left.lane]
        part = (upto != _NONE_YET) & ((left.start - reference).view(np.int32) < upto)
        left.start = np.where(part, reference + upto.view(np.uint32), left.start)
        return left


def _swapped(values: NDArray[Any]) -> NDArray[Any]:
    """Return for each lane the value of the stream's other lane."""
    return values.reshape(-1, 2)[:, ::-1].reshape(-1)


def _far(numbers: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return which numbers are further than _NEAR from 0, -2^31 among them."""
    far: NDArray[np.bool_] = (numbers + np.int32(_NEAR)).view(np.uint32) > np.uint32(2 * _NEAR)
    return far
