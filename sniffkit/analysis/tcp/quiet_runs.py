"""Quiet runs: segments of a settled conversation that change nothing but numbers, told without looking at each.

The segments of a batch stand stream by stream. A *notable* one (SYN, FIN, RST, odd flags, no ACK, a second capture,
unknown length) ends a run; what lies between two of them is a run. Of each run and direction a few extremes are enough
to know what the run leaves behind: the highest number sent, the highest acknowledged, the last window, and the highest
acknowledgment of anything that the run itself did not send before. All numbers are distances from a first number of the
run, so that plain comparison is right (RFC 9293 section 3.4) as long as none is further than 2^29 away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.segments import ACK, FIN, RST, SYN
from sniffkit.analysis.tcp.ends import ahead

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.segments import Segments
    from sniffkit.analysis.tcp.connection import ConnectionState
    from sniffkit.analysis.tcp.lanes import Groups

SPECIAL = SYN | FIN | RST | ACK
"""Flags that make a segment notable unless ACK alone is set."""
_NEAR = 1 << 29
_NOTHING = -(1 << 40)
"""Stands for "no such segment" among distances."""
_APART = 1 << 34
"""Runs stand this far apart while one running maximum goes through all of them."""


class QuietRuns:
    """The runs of a batch, and what each leaves behind; all columns in stream order.

    notable: bool (m,) segments that must be looked at
    run:     int64 (m,) the run a segment belongs to, counted through the batch; a notable one stands in the run it ends
    quiet_end: int64 (r,) the place after the last quiet segment of each run
    """

    def __init__(self, segments: Segments, groups: Groups, twice: NDArray[np.int64]) -> None:
        """Lay out a batch; twice: int64 (m,) in the order of ``segments``, non-zero for second captures."""
        order = groups.order
        count = len(order)
        flags, length = segments.flags[order], segments.length[order]
        self.notable = ((flags & SPECIAL) != ACK) | (twice[order] != 0) | (length < 0)
        begins = np.zeros(count, np.bool_)
        begins[groups.start] = True
        begins[1:] |= self.notable[:-1]
        self.start = np.flatnonzero(begins)
        self.run = np.cumsum(begins) - 1
        end = np.append(self.start[1:], count)[: len(self.start)]
        self.quiet_end = end - self.notable[end - 1]
        self._second = groups.second
        sequence, ack = segments.sequence[order], segments.acknowledgment[order]
        self._reach(sequence + length.astype(np.uint32), ack)
        self._last(segments.window[order], segments.number[order])

    def _reach(self, end: NDArray[np.uint32], ack: NDArray[np.uint32]) -> None:
        """Find how far each direction of each run sends and acknowledges, from its reference on.

        Space 0 holds the numbers of direction 0: what it sends and what direction 1 acknowledges; space 1 the others.
        """
        start, second, quiet = self.start, self._second, ~self.notable
        runs = len(start)
        self.reference = np.zeros((runs, 2), np.uint32)
        self.sent = np.full((runs, 2), _NOTHING)
        self.acknowledged = np.full((runs, 2), _NOTHING)  # by the other side, in the numbers of this one
        self.beyond = np.full((runs, 2), _NOTHING)
        self.near = np.ones(runs, np.bool_)
        if not runs:
            return
        shift = self.run * _APART
        for space in (0, 1):
            mine = second == bool(space)
            number = np.where(mine, end, ack)
            reference = number[start]
            self.reference[:, space] = reference
            distance = (number - reference[self.run]).view(np.int32).astype(np.int64)
            self.near &= np.maximum.reduceat(np.where(quiet, np.abs(distance), 0), start) < _NEAR
            sends = np.where(mine & quiet, distance, _NOTHING)
            acknowledges = np.where(mine | ~quiet, _NOTHING, distance)
            self.sent[:, space] = np.maximum.reduceat(sends, start)
            self.acknowledged[:, space] = np.maximum.reduceat(acknowledges, start)
            before = np.maximum.accumulate(np.where(mine & quiet, distance + shift, _NOTHING))
            beyond = acknowledges + shift > before
            self.beyond[:, space] = np.maximum.reduceat(np.where(beyond, acknowledges, _NOTHING), start)

    def _last(self, window: NDArray[np.uint16], number: NDArray[np.int64]) -> None:
        """Find the last quiet segment of each direction of each run; -1 where there is none."""
        place = np.arange(len(window))
        quiet = ~self.notable
        self.last = np.full((len(self.start), 2), -1)
        if len(self.start):
            for side in (0, 1):
                mine = quiet & (self._second == bool(side))
                self.last[:, side] = np.maximum.reduceat(np.where(mine, place, -1), self.start)
        self._window, self._number = window, number

    def pass_over(self, connection: ConnectionState, run: int, begin: int, end: int) -> bool:
        """Bring a settled connection past the segments from place ``begin`` to before ``end``, the rest of a run.

        Returns False, with nothing changed, where one of them has to be looked at after all.
        """
        if not self.near[run]:
            return False
        ends = connection.ends
        last = self.last[run].tolist()
        reference = self.reference[run].tolist()
        beyond = self.beyond[run].tolist()
        for side in (0, 1):
            me, peer = ends[side], ends[1 - side]
            number = me.next
            if last[side] >= begin and (
                me.acknowledged is None or number is None or (not peer.seen and me.fin is not None)
            ):
                return False
            if number is not None:
                known = ahead(number, reference[side])
                if not -_NEAR < known < _NEAR or beyond[side] > known:
                    return False
            acknowledged = peer.acknowledged
            if acknowledged is not None and not -_NEAR < ahead(acknowledged, reference[side]) < _NEAR:
                return False
        sent = self.sent[run].tolist()
        confirmed = self.acknowledged[run].tolist()
        for side in (0, 1):
            me, peer = ends[side], ends[1 - side]
            if me.next is not None and sent[side] > ahead(me.next, reference[side]):
                me.next = (reference[side] + sent[side]) & 0xFFFFFFFF
            if peer.acknowledged is not None and confirmed[side] > ahead(peer.acknowledged, reference[side]):
                peer.acknowledged = (reference[side] + confirmed[side]) & 0xFFFFFFFF
            if last[side] >= begin:
                window = int(self._window[last[side]])
                me.window = window << me.scale if me.scale > 0 else window
                me.open_shown = True
                me.last = None
        connection.packets += end - begin
        connection.number = int(self._number[end - 1])
        return True
