"""Gaps: what of a direction was never seen, from the segment that jumps over it to the one that fills it.

The *edge* of a direction is the highest sequence number up to which nothing is missing. It moves with every segment
that begins there; after a jump it stands still until a segment begins at it, or until the other side acknowledges
octets past it (they arrived, only the capture lacks them: ``ack_lost_segment``).
"""

from __future__ import annotations

from dataclasses import dataclass
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


def follow_gaps(
    columns: LaneColumns, gaps: NDArray[np.int64], acks: NDArray[np.bool_], unseen: NDArray[np.bool_]
) -> None:
    """Follow each gap to its end; mark the acks that end one and note in ``edge_lag`` how long the edge stood still.

    gaps: int64, places in lane order at which a jump happens, heads with an edge that lags already
    acks: bool (n,) rows that acknowledge something; unseen: bool (n,) those past all that was seen of the other side.
    An ack that falls into a gap is judged by the edge alone, so it is taken out of ``unseen``.
    """
    lane_of = columns.lanes.lane[gaps]
    begins = np.ones(len(gaps), np.bool_)
    np.not_equal(lane_of[1:], lane_of[:-1], out=begins[1:])
    first = np.flatnonzero(begins)
    rank = np.arange(len(gaps)) - first[np.cumsum(begins) - 1]
    columns.trigger.append(gaps[rank == _GAPS_A_LANE])
    chosen = gaps[rank < _GAPS_A_LANE]
    some_unseen = bool(unseen.any())
    lane, closed_after, followed = -1, -1, True
    episodes: list[tuple[int, int, int]] = []
    for gap in _Gap.each(columns, chosen, acks):
        if gap.lane != lane:
            lane, closed_after, followed = gap.lane, -1, True
            episodes = columns.edge_lag.setdefault(lane, [])
        if not followed or (gap.when >= 0 and gap.when <= closed_after):
            continue
        closed_after = _follow(columns, gap, acks, unseen if some_unseen else None)
        followed = closed_after >= 0
        episodes.append((gap.when, closed_after if followed else UNENDING, gap.edge))


@dataclass(slots=True)
class _Gap:
    """One gap: the place and the segment (-1: an earlier batch's) of the jump, its lane, and the edge before it.

    end: place after the lane's last row; begin, other_end: of the other side's rows after the jump
    filled, passed: places of the segment that begins at the edge and of the ack past it, -1 = not before ``seen``,
    ``other_seen``, up to which it was looked for
    """

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

    @classmethod
    def each(cls, columns: LaneColumns, gaps: NDArray[np.int64], acks: NDArray[np.bool_]) -> Iterator[_Gap]:
        """Yield gaps, all of them looked at together as far as they are short: most are."""
        lanes = columns.lanes
        lane = lanes.lane[gaps]
        carried = lanes.is_head[gaps]
        edge = np.where(carried, columns.lane_state["edge"].reshape(-1)[lane], columns.next_before[gaps])
        ends = np.append(lanes.head, len(lanes.segment))
        begin = np.where(carried, lanes.head[lane ^ 1], lanes.other[gaps]) + 1
        end, other_end = ends[lane + 1], ends[(lane ^ 1) + 1]
        near = np.arange(_NEAR)
        own, other = gaps[:, None] + 1 + near, begin[:, None] + near
        last = len(lanes.segment) - 1
        fills = (columns.sequence[np.minimum(own, last)] == edge[:, None]) & (own < end[:, None])
        at = np.minimum(other, last)
        passes = ((edge[:, None] - columns.ack[at]).view(np.int32) < 0) & acks[at] & (other < other_end[:, None])
        filled = np.where(fills.any(axis=1), gaps + 1 + fills.argmax(axis=1), -1)
        passed = np.where(passes.any(axis=1), begin + passes.argmax(axis=1), -1)
        when = np.where(carried, -1, lanes.segment[gaps])
        fields = (gaps, when, lane, edge, end, begin, other_end, filled, gaps + 1 + _NEAR, passed, begin + _NEAR)
        yield from map(cls, *(field.tolist() for field in fields))


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
