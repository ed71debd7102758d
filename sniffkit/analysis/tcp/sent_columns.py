"""The segments of a batch in lane order, column by column, and the highest sequence number sent up to each of them.

In nearly every lane the numbers only rise: then the highest end so far is the segment's own. Where they fall back they
are unwrapped to 64 bits (RFC 9293 section 3.4 compares modulo 2^32; the sum of signed differences is the same
comparison as long as no two of them are 2^31 apart), and a running maximum goes through those lanes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.segments import ACK, FIN, RST, SYN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.segments import Segments
    from sniffkit.analysis.tcp.lanes import Lanes

_LANE_BITS = 41
"""Lanes stand 2^41 apart when one running maximum goes through several."""
_FAR = 1 << 39
HALF = -(2**31)
"""The signed distance at which each of two numbers comes after the other."""


@dataclass
class SentColumns:
    """Columns of a batch in lane order (n,), heads holding carried state.

    lane_state: LANE_STATE (g, 2)
    flags, sequence, length, ack, window, time: as in ``Segments``; length and window uint32
    payload_end, end: uint32, after the payload, and after SYN and FIN too; at heads ``end`` is where ``next`` begins
    data: bool, has payload; closing: bool, has SYN, FIN or RST; special: int64, the places where it has
    next, next_before: uint32, the highest end up to each row and before it, 0 = none yet
    advances: bool, the row moves ``next`` (heads do); behind: int32, how far the row begins after ``next_before``, 0 at
                heads; apart: int64, the places where it does not begin there
    trigger:    places from which on columns cannot tell a stream
    """

    segments: Segments
    lanes: Lanes
    lane_state: NDArray[Any]

    trigger: list[NDArray[np.int64]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        """Read the segments and find the highest numbers."""
        self._read()
        self._highest()

    def _read(self) -> None:
        segments, lanes, state = self.segments, self.lanes, self.lane_state.reshape(-1)
        self.flags = lanes.column(segments.flags, np.where(state["first_ack"], SYN, ACK))
        self.sequence = lanes.column(segments.sequence, 0)
        self.length = lanes.column(segments.length.astype(np.uint32), 0)  # known: a header says at most 2^32 - 1
        self.ack = lanes.column(segments.acknowledgment, state["ack"])
        self.window = lanes.column(segments.window.astype(np.uint32), state["window"])
        self.time = lanes.column(segments.time_ns, state["ack_time_ns"])
        self.data = self.length > 0
        self.closing = (self.flags & (SYN | FIN | RST)) != 0
        self.special = self.closing.nonzero()[0]
        self.payload_end = self.sequence + self.length
        self.end = self.payload_end.copy()
        self.end[self.special[(self.flags[self.special] & (SYN | FIN)) != 0]] += np.uint32(1)

    @cached_property
    def sends(self) -> NDArray[np.bool_]:
        """Which rows send something that is acknowledged: data, SYN or FIN."""
        sends = self.data.copy()
        sends[self.among_special(SYN | FIN)] = True
        return sends

    @cached_property
    def sent_upto(self) -> NDArray[np.int64]:
        """How many such rows there are up to each, through all lanes."""
        upto: NDArray[np.int64] = np.cumsum(self.sends)
        return upto

    def among_special(self, flags: int) -> NDArray[np.int64]:
        """Return the places of segments with one of some flags (SYN, FIN, RST)."""
        special = self.special
        found: NDArray[np.int64] = special[((self.flags[special] & flags) != 0) & ~self.lanes.is_head[special]]
        return found

    def only_rows(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of some places that are no heads."""
        return places[~self.lanes.is_head[places]]

    def _highest(self) -> None:
        head, size = self.lanes.head, self.lanes.size
        carried = self.lane_state["next"].reshape(-1)
        unset = carried == 0
        begins = (unset & (size > 1)).nonzero()[0]  # lanes whose first segment sets ``next``
        self.start = carried.copy()
        self.start[begins] = self.end[head[begins] + 1]
        self.end[head] = self.start
        self.next = self.end.copy()
        step = (self.end[1:] - self.end[:-1]).view(np.int32)
        falls = step < 0
        falls[head[1:] - 1] = False
        self.advances = np.empty(len(self.end), np.bool_)
        np.greater(step, 0, out=self.advances[1:])
        fallen = falls.nonzero()[0]
        if len(fallen):
            self._keep_highest(self.lanes.lane[fallen])
        self.next[head[unset]] = 0
        self.advances[head] = self.advances[head[begins] + 1] = True
        zeros = self.only_rows((self.end == 0).nonzero()[0])
        if len(zeros):
            self._ends_of_zero(zeros, unset)
        self.next_before = np.empty_like(self.next)
        self.next_before[1:], self.next_before[:1] = self.next[:-1], self.next[:1]
        self.behind = (self.sequence - self.next_before).view(np.int32)
        self.behind[head] = 0
        self.apart = (self.behind != 0).nonzero()[0]
        halfway = self.apart[self.behind[self.apart] == HALF]
        if len(halfway):
            self.trigger.append(halfway[self.next_before[halfway] != 0])

    def _keep_highest(self, lanes: NDArray[np.int64]) -> None:
        """Find the highest ends in lanes in which they do not only rise; lanes: int64, may repeat."""
        chosen = np.zeros(len(self.lanes.head), np.bool_)
        chosen[lanes] = True
        at = self.lanes.spread(chosen).nonzero()[0]
        end, is_head = self.end[at], self.lanes.is_head[at]
        size = self.lanes.size[chosen]
        head = np.cumsum(size) - size
        step = np.zeros(len(at), np.int64)
        step[1:] = (end[1:] - end[:-1]).view(np.int32)
        step[head] = 0
        total = np.cumsum(step)
        unwrapped = total - np.repeat(total[head], size)
        far = np.abs(unwrapped) > _FAR
        if far.any():
            self.trigger.append(at[far])
            unwrapped = np.clip(unwrapped, -_FAR, _FAR)
        shift = np.repeat(np.arange(len(size)) << _LANE_BITS, size)
        highest = np.maximum.accumulate(unwrapped + shift) - shift
        rise = unwrapped.copy()  # above all before
        rise[1:] -= highest[:-1]
        rise[head] = 0
        wild = rise <= HALF
        if wild.any():
            self.trigger.append(at[wild])
        self.advances[at] = (rise > 0) | is_head
        self.next[at] = np.repeat(self.start[chosen], size) + highest.astype(np.uint32)

    def _ends_of_zero(self, zeros: NDArray[np.int64], unset: NDArray[np.bool_]) -> None:
        """Keep ``next`` unset in lanes that hold nothing but ends of 0; report all others.

        A sequence number of 0 means "none yet". The ordinary case is a refused connection: one RST with number 0.
        """
        lane, size = self.lanes.lane[zeros], self.lanes.size
        silent = unset & (np.bincount(lane, minlength=len(size)) == size - 1)
        self.advances[zeros[silent[lane]]] = True
        odd = zeros[~silent[lane]]
        if len(odd):
            self.trigger.append(odd)
