"""Gaps: what of a direction was never seen, from the segment that jumps over it to the one that fills it.

The *edge* of a direction is the highest sequence number up to which nothing is missing. It moves with every segment
that begins there; after a jump it stands still until a segment begins at it, or until the other side acknowledges
octets past it (they arrived, only the capture lacks them: ``ack_lost_segment``).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.tcp.mark_names import Mark
from sniffkit.analysis.tcp.marks_sequential import after

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sniffkit.analysis.tcp.marks_columns import LaneColumns

UNENDING = 1 << 62
"""After every segment of a batch."""

_NEAR = 32
"""Rows behind a jump that are looked at for all gaps of a batch together."""

_GAPS_A_LANE = 64
"""With more gaps than this in a batch a stream is told packet by packet."""


@dataclass(slots=True)
class EdgeLag:
    """Where edges stood still: in each lane from after the segment ``since`` up to ``until``, at the number ``edge``.

    lane, since, until: int64 (k,), since -1: before the batch; edge: uint32 (k,)
    """

    lane: NDArray[np.int64]
    since: NDArray[np.int64]
    until: NDArray[np.int64]
    edge: NDArray[np.uint32]

    @classmethod
    def nowhere(cls) -> EdgeLag:
        """Return that no edge did."""
        none = np.zeros(0, np.int64)
        return cls(none, none, none, none.astype(np.uint32))


def follow_gaps(
    columns: LaneColumns, gaps: NDArray[np.int64], acks: NDArray[np.bool_], unseen: NDArray[np.bool_] | None
) -> EdgeLag:
    """Follow each gap to its end; mark the acks that end one and return how long the edge stood still.

    gaps: int64, places in lane order at which a jump happens, heads with an edge that lags already
    acks: bool (n,) rows that acknowledge something; unseen: bool (n,) those past all that was seen of the other side,
    None where there are none. An ack that falls into a gap is judged by the edge alone, so it is taken out of it.
    """
    lane_of = columns.lanes.lane[gaps]
    begins = np.ones(len(gaps) + 1, np.bool_)
    np.not_equal(lane_of[1:], lane_of[:-1], out=begins[1:-1])
    alone = begins[:-1] & begins[1:]
    if not alone.all():
        first = begins[:-1].nonzero()[0]
        rank = np.arange(len(gaps)) - first[begins[:-1].cumsum() - 1]
        columns.trigger.append(gaps[rank == _GAPS_A_LANE])
        chosen = rank < _GAPS_A_LANE
        gaps, alone = gaps[chosen], alone[chosen]
    near = _Gaps(columns, gaps, acks)
    plain = near.plainly_filled() & alone if unseen is None else np.zeros(len(gaps), np.bool_)
    lane, closed_after, followed = -1, -1, True
    others: list[tuple[int, int, int, int]] = []
    for gap in near.each(~plain):
        if gap.lane != lane:
            lane, closed_after, followed = gap.lane, -1, True
        if not followed or (gap.when >= 0 and gap.when <= closed_after):
            continue
        closed_after = _follow(columns, gap, acks, unseen)
        followed = closed_after >= 0
        others.append((lane, gap.when, closed_after if followed else UNENDING, gap.edge))
    every = np.array(others, np.int64).reshape(-1, 4).T
    return EdgeLag(
        np.concatenate((near.lane[plain], every[0])),
        np.concatenate((near.when[plain], every[1])),
        np.concatenate((near.filled_when()[plain], every[2])),
        np.concatenate((near.edge[plain], every[3].astype(np.uint32))),
    )


@dataclass(slots=True)
class _Gap:
    """One gap, its fields those of ``_Gaps``."""

    place: int
    when: int
    lane: int
    edge: int
    end: int
    begin: int
    other_end: int
    filled: int
    seen: int
    passed: int
    other_seen: int


class _Gaps:
    """Gaps of a batch, looked at together as far as they are short: most are. All arrays (k,).

    place, when: the place and the segment of the jump (-1: an earlier batch's); lane, edge: its lane, the edge before
    end: place after the lane's last row; begin, other_end: of the other side's rows after the jump
    filled, passed: places of the segment that begins at the edge and of the ack past it, -1 = not before ``seen``,
    ``other_seen``, up to which it was looked for
    """

    def __init__(self, columns: LaneColumns, gaps: NDArray[np.int64], acks: NDArray[np.bool_]) -> None:
        """Look at the first rows behind each jump."""
        lanes = self._lanes = columns.lanes
        lane = lanes.lane[gaps]
        carried = lanes.is_head[gaps]
        edge = np.where(carried, columns.lane_state["edge"].reshape(-1)[lane], columns.next_before[gaps])
        begin = np.where(carried, lanes.head[lane ^ 1], lanes.other[gaps]) + 1
        end, other_end = lanes.last[lane] + 1, lanes.last[lane ^ 1] + 1
        near = np.arange(_NEAR)
        own, other = gaps[:, None] + 1 + near, begin[:, None] + near
        last = len(lanes.segment) - 1
        fills = (columns.sequence[np.minimum(own, last)] == edge[:, None]) & (own < end[:, None])
        at = np.minimum(other, last)
        passes = ((edge[:, None] - columns.ack[at]).view(np.int32) < 0) & acks[at] & (other < other_end[:, None])
        self.place, self.lane, self.edge, self.end, self.begin, self.other_end = gaps, lane, edge, end, begin, other_end
        self.when = np.where(carried, -1, lanes.segment[gaps])
        self.filled = np.where(fills.any(axis=1), gaps + 1 + fills.argmax(axis=1), -1)
        self.passed = np.where(passes.any(axis=1), begin + passes.argmax(axis=1), -1)
        self.seen, self.other_seen = gaps + 1 + _NEAR, begin + _NEAR
        self._whole = (edge != 0) & (columns.next[gaps] != 0)

    def filled_when(self) -> NDArray[np.int64]:
        """Return the segment that fills each gap; any where none was found."""
        return self._lanes.segment[self.filled]

    def plainly_filled(self) -> NDArray[np.bool_]:
        """Return which are filled, as far as they were looked at, before any ack past the edge can have come."""
        later = np.where(self.passed >= 0, self.passed, np.minimum(self.other_seen, self.other_end - 1))
        nothing_more = (self.passed < 0) & (self.other_seen >= self.other_end)
        filled: NDArray[np.bool_] = nothing_more | (self._lanes.segment[later] > self.filled_when())
        filled &= (self.filled >= 0) & self._whole
        return filled

    def each(self, which: NDArray[np.bool_]) -> Iterator[_Gap]:
        """Yield some of them."""
        yield from map(_Gap, *(getattr(self, field.name)[which].tolist() for field in fields(_Gap)))


def _follow(columns: LaneColumns, gap: _Gap, acks: NDArray[np.bool_], unseen: NDArray[np.bool_] | None) -> int:
    """Follow a gap: return the segment with which it ends, UNENDING, or -1 where columns can follow its lane no more.

    unseen: None where it is False throughout
    """
    lanes, edge, begin = columns.lanes, gap.edge, gap.begin
    if edge == 0 or columns.next[gap.place] == 0:  # 0 reads as "none yet", so the two no longer belong together
        first = [at for at, stop in ((gap.place + 1, gap.end), (begin, gap.other_end)) if at < stop]
        columns.trigger.append(np.array(first if gap.when < 0 else [gap.place], np.int64))
        return -1
    filled, passed = gap.filled, gap.passed
    if filled < 0:
        filled = _first_equal(columns.sequence, gap.seen, gap.end, edge)
    if passed < 0:
        passed = _first_beyond(columns.ack, acks, gap.other_seen, gap.other_end, edge)
    filled_when = int(lanes.segment[filled]) if filled >= 0 else UNENDING
    passed_when = int(lanes.segment[passed]) if passed >= 0 else UNENDING
    if passed_when < filled_when:
        if not after(int(columns.next[lanes.other[passed]]), edge):
            columns.trigger.append(np.array([passed]))
            if unseen is not None:
                unseen[begin:passed] = False
            return -1
        columns.mask[passed] |= np.uint16(Mark.ACK_LOST_SEGMENT)
        if unseen is not None:
            unseen[begin : passed + 1] = False
    elif unseen is not None:
        unseen[begin : begin + int(np.searchsorted(lanes.segment[begin : gap.other_end], filled_when))] = False
    return min(passed_when, filled_when)


def _first_equal(values: NDArray[np.uint32], begin: int, end: int, wanted: int) -> int:
    """Return the first place in [begin, end) that holds ``wanted``, or -1; looks near before it looks far."""
    size = 64
    while begin < end:
        found = np.flatnonzero(values[begin : min(begin + size, end)] == wanted)
        if len(found):
            return begin + int(found[0])
        begin, size = begin + size, size * 4
    return -1


def _first_beyond(ack: NDArray[np.uint32], acks: NDArray[np.bool_], begin: int, end: int, edge: int) -> int:
    """Return the first place in [begin, end) that acknowledges octets after ``edge``, or -1."""
    size = 64
    while begin < end:
        part = slice(begin, min(begin + size, end))
        found = np.flatnonzero(((np.uint32(edge) - ack[part]).view(np.int32) < 0) & acks[part])
        if len(found):
            return begin + int(found[0])
        begin, size = begin + size, size * 4
    return -1
