"""The latest segment of each direction of a connection: what is said of the next one often refers to it.

It is remembered from one batch to the next, so that the same is said in live, where a batch may be one packet, as of a
file that is read in one piece.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sniffkit.analysis.capture import BatchFacts

MOST_REMEMBERED = 50_000
"""Directions that are remembered, those heard of last; of the others nothing is said that refers back."""


class LatestSegment(NamedTuple):
    """What later segments refer to.

    window:      as it stands in the header; window_size: with the window scale
    duplicate_ack_frame, duplicate_ack_number: of which packet it is a duplicate acknowledgment, and which; 0 for none
    """

    number: int
    time_ns: int
    window: int
    window_size: int
    duplicate_ack_frame: int
    duplicate_ack_number: int


class LatestSegments:
    """Finds the latest segment before another one; every batch is to be shown to it (``begin``), in order."""

    def __init__(self) -> None:
        self._before: dict[int, LatestSegment] = {}
        self._of_this_batch: dict[int, LatestSegment] = {}
        self._first, self._next = -1, -1

    def begin(self, facts: BatchFacts) -> None:
        """Take note of the batch that is told now; does nothing when it is the same as before."""
        batch = facts.columns.batch
        if batch.first == self._first:
            return
        if batch.first != self._next:  # what came between was not told: nobody knows which segment was the latest
            self._before.clear()
        else:
            for key, segment in self._of_this_batch.items():
                self._before.pop(key, None)  # so that those heard of last stand last
                self._before[key] = segment
            for key in list(self._before)[: max(len(self._before) - MOST_REMEMBERED, 0)]:
                del self._before[key]
        self._first, self._next = batch.first, batch.first + len(batch)
        directions = _directions(facts)
        last = np.sort(len(directions) - 1 - np.unique(directions[::-1], return_index=True)[1])
        self._of_this_batch = dict(zip(directions[last].tolist(), _segments(facts, last), strict=True))

    def before(self, facts: BatchFacts, at: int, *, other_side: bool = False) -> LatestSegment | None:
        """Return the latest segment of the stream before the one at an index, or the latest of the other side."""
        stream, direction = int(facts.numbers.stream[at]), int(facts.numbers.direction[at])
        mine = facts.numbers.stream[:at] == stream
        if other_side:
            mine &= facts.numbers.direction[:at] != direction
        found = np.flatnonzero(mine)
        if len(found):
            return next(_segments(facts, found[-1:]))
        keys = [2 * stream + 1 - direction] if other_side else [2 * stream, 2 * stream + 1]
        known = [self._before[key] for key in keys if key in self._before]
        return max(known, key=lambda segment: segment.number, default=None)  # clocks may be set back


def _directions(facts: BatchFacts) -> NDArray[np.int64]:
    """Return a number for each direction of each stream, int64 (m,)."""
    return facts.numbers.stream.astype(np.int64) * 2 + facts.numbers.direction


def _segments(facts: BatchFacts, at: NDArray[np.int64]) -> Iterator[LatestSegment]:
    segments, marks = facts.segments, facts.marks
    columns = (
        segments.number,
        segments.time_ns,
        segments.window,
        marks.window_size,
        marks.duplicate_ack_frame,
        marks.duplicate_ack_number,
    )
    return map(LatestSegment._make, zip(*(column[at].tolist() for column in columns), strict=True))
