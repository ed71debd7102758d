"""Gaps: what of a direction was never seen, from the segment that jumps over it to the one that fills it.

The *edge* of a direction is the highest sequence number up to which nothing is missing. It moves with every segment
that begins there; after a jump it stands still until a segment begins at it, or until the other side acknowledges
octets past it (they arrived, only the capture lacks them: ``ack_lost_segment``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.tcp.mark_names import Mark
from sniffkit.analysis.tcp.marks_sequential import after

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.tcp.marks_columns import LaneColumns

UNENDING = 1 << 62
"""After every segment of a batch."""

_GAPS_A_LANE = 64
"""With more gaps than this in a batch a stream is told packet by packet."""


def follow_gaps(
    columns: LaneColumns, gaps: NDArray[np.int64], acks: NDArray[np.bool_], unseen: NDArray[np.bool_]
) -> None:
    """Follow each gap to its end; mark the acks that end one and note in ``edge_lag`` how long the edge stood still.

    gaps: int64, places in lane order at which a jump happens, heads with an edge that lags already
    acks: bool (n,) rows that acknowledge something; unseen: bool (n,) those past all that was seen of the other side.
    An ack that falls into a gap is judged by the edge alone, so it is taken out of ``unseen``.
    """
    lane_of = columns.lanes.lane[gaps]
    numbers, counts = np.unique(lane_of, return_counts=True)
    begin = np.cumsum(counts) - counts
    for lane, first, count in zip(numbers.tolist(), begin.tolist(), counts.tolist(), strict=True):
        mine = gaps[first : first + count]
        if count > _GAPS_A_LANE:
            columns.trigger.append(mine[_GAPS_A_LANE : _GAPS_A_LANE + 1])
            mine = mine[:_GAPS_A_LANE]
        _follow(columns, lane, mine.tolist(), acks, unseen)


def _follow(
    columns: LaneColumns, lane: int, gaps: list[int], acks: NDArray[np.bool_], unseen: NDArray[np.bool_]
) -> None:
    """Follow the gaps of one lane."""
    lanes = columns.lanes
    head, other_head = int(lanes.head[lane]), int(lanes.head[lane ^ 1])
    end, other_end = lanes.end(lane), lanes.end(lane ^ 1)
    episodes = columns.edge_lag.setdefault(lane, [])
    closed_after = -1  # the segment that ended the last gap
    for gap in gaps:
        carried = gap == head
        when = -1 if carried else int(lanes.segment[gap])
        if not carried and when <= closed_after:
            continue
        edge = int(columns.lane_state["edge"].reshape(-1)[lane] if carried else columns.next_before[gap])
        if edge == 0 or columns.next[gap] == 0:  # 0 reads as "none yet", so the two no longer belong together
            episodes.append((when, UNENDING, edge))
            first = [place for place, stop in ((head + 1, end), (other_head + 1, other_end)) if place < stop]
            columns.trigger.append(np.array(first if carried else [gap], np.int64))
            return
        begin = other_head + 1 if carried else int(lanes.other[gap]) + 1
        filled = _first_equal(columns.sequence, gap + 1, end, edge)
        passed = _first_beyond(columns.ack, acks, begin, other_end, edge)
        filled_when = int(lanes.segment[filled]) if filled >= 0 else UNENDING
        passed_when = int(lanes.segment[passed]) if passed >= 0 else UNENDING
        if passed_when < filled_when:
            if not after(int(columns.next[lanes.other[passed]]), edge):
                columns.trigger.append(np.array([passed]))
                unseen[begin:passed] = False
                episodes.append((when, UNENDING, edge))
                return
            columns.mask[passed] |= np.uint16(Mark.ACK_LOST_SEGMENT)
            unseen[begin : passed + 1] = False
        else:
            unseen[begin : begin + int(np.searchsorted(lanes.segment[begin:other_end], filled_when))] = False
        closed_after = min(passed_when, filled_when)
        episodes.append((when, closed_after, edge))


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
