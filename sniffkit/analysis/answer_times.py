"""How long each end of a stream takes to acknowledge what it is sent: least, greatest and median, in bounded memory.

The median needs the single times. They are kept up to a limit; past it each direction that has many keeps every second
of them, so a very long conversation's median comes from an even choice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.streams import sorted_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.flows.stream_table import StreamTable

KEPT = 1 << 20
"""Single times kept at once (16 MB); past it they are thinned."""

ENOUGH = 1024
"""A direction with no more times than this is not thinned."""

MOST_PIECES = 64
"""Times stay in so many pieces before they are put together."""


class AnswerTimes:
    """Fed with the times of a batch; writes ``answers``, ``answer_least``, ``answer_greatest``, ``answer_median``."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._pieces: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []  # lane and time, batch by batch
        self._count = 0
        self._lanes = 0  # all are below

    def feed(self, table: StreamTable, lane: NDArray[np.int64], time_ns: NDArray[np.int64]) -> None:
        """Add times; lane: int64 (k,), two times the stream plus the direction of who answered."""
        if not len(lane):
            return
        order = sorted_rows(lane)
        lane, time_ns = lane.take(order), time_ns.take(order)
        start = np.append(True, lane[1:] != lane[:-1]).nonzero()[0]
        which = lane[start]
        values, at = table.values, table.places((which >> 1, which & 1))
        known = values["answers"][at] > 0
        least, greatest = np.minimum.reduceat(time_ns, start), np.maximum.reduceat(time_ns, start)
        values["answer_least"][at] = np.where(known, np.minimum(values["answer_least"][at], least), least)
        values["answer_greatest"][at] = np.maximum(values["answer_greatest"][at], greatest)
        values["answers"][at] += np.diff(start, append=len(lane)).astype(np.uint32)
        self._pieces.append((lane, time_ns))
        self._count += len(lane)
        self._lanes = max(self._lanes, int(lane[-1]) + 1)
        if self._count > self._kept:
            self._thin()
        elif len(self._pieces) > MOST_PIECES:
            self._pieces = [self._joined()]

    def settle(self, table: StreamTable, streams: NDArray[np.int64] | None = None) -> None:
        """Write the medians of streams that end (None: of all) and let their times go."""
        if streams is None:
            lane, time = self._joined()
            self._pieces, self._count = [], 0
        else:
            lane, time = self._taken(streams)
        if len(lane):
            lane, time = _sorted(lane, time)
            start = np.flatnonzero(np.append(True, lane[1:] != lane[:-1]))
            size = np.diff(np.append(start, len(lane)))
            lower, upper = time[start + (size - 1) // 2], time[start + size // 2]
            table["answer_median"][lane[start] >> 1, lane[start] & 1] = lower + (upper - lower) // 2

    def _taken(self, streams: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Take out the times of streams; most ended long after the batches of late, which are not copied for it."""
        ends = np.zeros(max(self._lanes >> 1, int(streams.max(initial=0))) + 1, np.bool_)
        ends[streams] = True
        pieces, self._pieces = self._pieces, []
        taken = []
        for lane, time in pieces:
            here = ends[lane >> 1]
            taken.append((lane[here], time[here]))
            if not here.any():
                self._pieces.append((lane, time))
            elif not here.all():
                self._pieces.append((lane[~here], time[~here]))
        found = _together(taken)
        self._count -= len(found[0])
        return found

    def _joined(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return _together(self._pieces)

    def _thin(self) -> None:
        """Keep every second time of the directions that have many, until there is room."""
        lane, time = _sorted(*self._joined())
        while len(lane) > self._kept // 2:
            start = np.flatnonzero(np.append(True, lane[1:] != lane[:-1]))
            size = np.repeat(np.diff(np.append(start, len(lane))), np.diff(np.append(start, len(lane))))
            rank = np.arange(len(lane)) - np.repeat(start, np.diff(np.append(start, len(lane))))
            stays = (size <= ENOUGH) | (rank % 2 == 0)
            if stays.all():
                stays = rank % 2 == 0  # very many directions: all are thinned
            if stays.all():
                break
            lane, time = lane[stays], time[stays]
        self._pieces, self._count = [(lane, time)], len(lane)


def _together(
    pieces: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    none = np.zeros(0, np.int64)
    return np.concatenate([none, *(lane for lane, _ in pieces)]), np.concatenate([none, *(time for _, time in pieces)])


def _sorted(lane: NDArray[np.int64], time: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sort times by direction, then by size."""
    order = np.argsort(time)
    order = order[sorted_rows(lane[order])]
    return lane[order], time[order]
