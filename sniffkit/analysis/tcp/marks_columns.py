"""The marks of TCP segments in columns: the same rules as one packet at a time, for all packets of a batch at once.

Sequence numbers are unwrapped to 64 bits lane by lane (RFC 9293 section 3.4 compares them modulo 2^32; the sum of
signed differences is the same comparison as long as no two of them are 2^31 apart). Where that, or anything else that
columns cannot tell, happens, the stream's first such segment is reported in ``trigger`` and the plain rules take
over from there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.segments import ACK, FIN, RST, SYN
from sniffkit.analysis.tcp.gaps import follow_gaps
from sniffkit.analysis.tcp.mark_names import Mark
from sniffkit.analysis.tcp.marks_sequential import FAST_WITHIN_NS, MOST_UNACKNOWLEDGED, REORDERED_WITHIN_NS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.segments import Segments
    from sniffkit.analysis.tcp.lanes import Lanes
    from sniffkit.analysis.tcp.negotiated import InitialRoundTrips, WindowScales

_LANE_BITS = 41
"""Lanes stand 2^41 apart when one running maximum goes through all of them."""
_FAR = 1 << 39
_HALF = -(2**31)


@dataclass
class LaneColumns:
    """Columns of a batch in lane order (n,), heads holding carried state; what rules read and what they leave.

    lane_state:  the fields of LANE_STATE, (g, 2)
    repeats_syn: bool (m,) by segment; group: int64 (g,) place of each stream in ``scales`` and ``round_trips``, None
                 where it is the same
    edge_lag: for each lane with gaps, the segments after and up to which its contiguous edge stands at a number
    """

    segments: Segments
    lanes: Lanes
    lane_state: dict[str, NDArray[Any]]
    scales: WindowScales
    round_trips: InitialRoundTrips
    repeats_syn: NDArray[np.bool_]
    group: NDArray[np.int64] | None = None

    mask: NDArray[np.uint16] = field(init=False)
    trigger: list[NDArray[np.int64]] = field(init=False, default_factory=list)
    edge_lag: dict[int, list[tuple[int, int, int]]] = field(init=False, default_factory=dict)

    def evaluate(self) -> None:
        """Fill ``mask`` and ``trigger`` (places in lane order)."""
        self._read()
        self._highest()
        self._compare()
        self._acknowledge()
        self._count_duplicates()
        self._again()
        self._past_the_list()
        self.mask[self.lanes.is_head] = 0

    def _read(self) -> None:
        segments, lanes, state = self.segments, self.lanes, self.lane_state
        heads = state["first_ack"]
        self.flags = lanes.column(segments.flags, np.where(heads, SYN, ACK).astype(np.uint16))
        zero = np.zeros_like(state["ack"])
        self.sequence = lanes.column(segments.sequence, zero)
        self.length = lanes.column(segments.length, zero)
        self.ack = lanes.column(segments.acknowledgment, state["ack"])
        self.window = lanes.column(segments.window.astype(np.uint32), state["window"])
        self.time = lanes.column(segments.time_ns, state["ack_time_ns"])
        self.payload_end = self.sequence + self.length.astype(np.uint32)
        self.end = self.payload_end + ((self.flags & (SYN | FIN)) != 0)
        self.rows = ~lanes.is_head
        self.place = np.arange(len(self.end))
        self.closing = (self.flags & (SYN | FIN | RST)) != 0

    def _before(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the value of the row before each row (any value at heads)."""
        shifted = np.empty_like(values)
        shifted[1:] = values[:-1]
        shifted[:1] = values[:1]
        return shifted

    def _group_of(self, lane: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the place in ``scales`` and ``round_trips`` of the streams that lanes belong to."""
        return lane >> 1 if self.group is None else self.group[lane >> 1]

    def _tells_syn(self, at: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether the latest row with SYN or ACK, in the lanes of the rows ``at`` and up to them, has SYN."""
        flags = self.flags[at]
        silent = np.flatnonzero((flags & (SYN | ACK)) == 0)
        if len(silent):
            told = np.flatnonzero((self.flags & (SYN | ACK)) != 0)  # heads are among them
            flags[silent] = self.flags[_latest(told, at[silent])]
        tells: NDArray[np.bool_] = (flags & SYN) != 0
        return tells

    @cached_property
    def _changed(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.changes)

    def latest_change(self, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the latest row, up to each of ``at``, in which its lane's acknowledgment number changed."""
        return _latest(self._changed, at)

    @cached_property
    def _advanced(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.advances)

    def _next_time(self, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return when the highest end up to each of the rows ``at`` was reached."""
        latest, carried = _latest(self._advanced, at), self.lane_state["next_time_ns"].reshape(-1)
        return np.where(self.lanes.is_head[latest], carried[self.lanes.lane[at]], self.time[latest])

    def _highest(self) -> None:
        """Find ``next`` before and after each row: the highest end so far."""
        lanes, rows = self.lanes, self.rows
        carried = self.lane_state["next"].reshape(-1)
        unset = carried == 0
        head = lanes.head
        first = np.minimum(head + 1, len(self.end) - 1)
        start = np.where(unset, np.where(rows[first], self.end[first], 0), carried).astype(np.uint32)
        self.end[head] = start
        step = np.empty(len(self.end), np.int64)
        step[1:] = (self.end[1:] - self.end[:-1]).view(np.int32)
        step[head] = 0
        total = np.cumsum(step)
        offset = total[head]
        self.unwrapped = total - offset[lanes.lane]
        if len(total) and max(self.unwrapped.max(), -self.unwrapped.min()) > _FAR:
            self.trigger.append(np.flatnonzero(np.abs(self.unwrapped) > _FAR))
            self.unwrapped = np.clip(self.unwrapped, -_FAR, _FAR)
        shift = lanes.lane << _LANE_BITS
        highest = np.maximum.accumulate(self.unwrapped + shift) - shift
        self.highest_before = self._before(highest)
        self.is_set = np.ones(len(rows), np.bool_)  # is `next` set after this row
        self.is_set[head] = ~unset
        zeros = np.flatnonzero((self.end == 0) & rows)
        if len(zeros):
            self._ends_of_zero(zeros, unset)
        set_before = self._before(self.is_set)
        self.start_of = start_of = start[lanes.lane]
        self.highest = highest
        self.next = np.where(self.is_set, start_of + highest.astype(np.uint32), np.uint32(0))
        self.next_before = self._before(self.next)
        self.set_before = set_before
        self.advances = (self.unwrapped > self.highest_before) | ~set_before | lanes.is_head
        self.behind = (self.sequence - self.next_before).view(np.int32)
        jump = self.unwrapped - self.highest_before
        wild = rows & set_before & ((jump <= _HALF) | (self.behind == _HALF))
        if wild.any():
            self.trigger.append(np.flatnonzero(wild))

    def _ends_of_zero(self, zeros: NDArray[np.int64], unset: NDArray[np.bool_]) -> None:
        """Keep ``next`` unset in lanes that hold nothing but ends of 0; report all others.

        A sequence number of 0 means "none yet". The ordinary case is a refused connection: one RST with number 0.
        """
        lane = self.lanes.lane
        sizes = np.diff(np.append(self.lanes.head, len(lane))) - 1
        silent = unset & (np.bincount(lane[zeros], minlength=len(sizes)) == sizes)
        self.is_set[silent[lane]] = False
        odd = zeros[~silent[lane[zeros]]]
        if len(odd):
            self.trigger.append(odd)

    def _compare(self) -> None:
        """Marks that need only the row before, the latest row of the other side and ``next``."""
        lanes, rows = self.lanes, self.rows
        other = lanes.other
        at_next = self.sequence == self.next_before
        other_window = self.window[other]
        probe = (self.length == 1) & at_next & (other_window == 0) & rows
        if probe.any():
            self.trigger.append(np.flatnonzero(probe))
        open_window = self.window != 0
        mask = np.zeros(len(rows), np.uint16)
        keep_alive = (self.length <= 1) & (self.behind == -1) & ~self.closing
        self.keep_alive = keep_alive & rows
        self.changes = self.ack != self._before(self.ack)
        self.changes[lanes.head] = True
        still = (self.length == 0) & at_next & ~self.closing & ~self.changes
        same_window = self.window == self._before(self.window)
        self.duplicate = still & same_window & open_window
        last = self.lane_state["last"].reshape(-1)
        if (last & Mark.KEEP_ALIVE).any() or self.keep_alive.any():
            alive = self.keep_alive.copy()
            alive[lanes.head] = (last & Mark.KEEP_ALIVE) != 0
            answered = self.duplicate & alive[other]
            self.duplicate &= ~answered
            mask[answered] |= np.uint16(Mark.KEEP_ALIVE_ACK)
        for found, mark in (
            (~(open_window | self.closing), Mark.ZERO_WINDOW),
            (self.set_before & (self.behind > 0) & ((self.flags & RST) == 0), Mark.LOST_SEGMENT),
            (keep_alive, Mark.KEEP_ALIVE),
            (still & open_window & ~same_window, Mark.WINDOW_UPDATE),
            (self.duplicate, Mark.DUPLICATE_ACK),
        ):
            mask[np.flatnonzero(found)] |= np.uint16(mark)
        if (last & Mark.ZERO_WINDOW_PROBE).any():
            probed = np.zeros(len(rows), np.bool_)
            probed[lanes.head] = (last & Mark.ZERO_WINDOW_PROBE) != 0
            mask[still & ~open_window & same_window & probed[other]] |= np.uint16(Mark.ZERO_WINDOW_PROBE_ACK)
        self.mask = mask
        full = np.flatnonzero((self.length > 0) & ~self.closing & rows)
        if len(full):
            self._fill_windows(full, other_window)

    def _fill_windows(self, at: NDArray[np.int64], other_window: NDArray[np.uint32]) -> None:
        """Mark data that ends exactly where the window ends that the other side last announced."""
        other = self.lanes.other[at]
        scale = self._scale_of_other(at)
        shift = np.where(self._tells_syn(other), 0, np.maximum(scale, 0)).astype(np.uint32)
        full = (scale != -1) & (self.payload_end[at] == self.ack[other] + (other_window[at] << shift))
        self.mask[at[full]] |= np.uint16(Mark.WINDOW_FULL)

    def _scale_of_other(self, at: NDArray[np.int64]) -> NDArray[np.int16]:
        """Return the window scale of the other side before each of the rows ``at``."""
        lane = self.lanes.lane[at]
        return self.scales.before(2 * self._group_of(lane) + (lane & 1 ^ 1), self.lanes.segment[at])

    def _acknowledge(self) -> None:
        """Find acks of octets never seen (they reset the other side's duplicates) and gaps they jump over."""
        lanes, rows = self.lanes, self.rows
        beyond = (self.ack - self.next[lanes.other]).view(np.int32)
        acks = rows & ((self.flags & ACK) != 0) & self.is_set[lanes.other]
        half = acks & (beyond == _HALF)
        if half.any():
            self.trigger.append(np.flatnonzero(half))
        unseen = acks & (beyond > 0)
        opens = rows & self.advances & self.set_before & (self.behind != 0)
        opens[lanes.head] = self.lane_state["edge"].reshape(-1) != self.lane_state["next"].reshape(-1)
        gaps = np.flatnonzero(opens)
        if len(gaps):
            follow_gaps(self, gaps, acks, unseen)
        # A SYN sent again pulls `next` back to the edge: nothing to do if it is there already.
        again = np.flatnonzero((self.flags & (SYN | ACK)) == SYN)
        again = again[rows[again] & self.repeats_syn[lanes.segment[again]]]
        pulled = self.set_before[again] & (self.next_before[again] - self.sequence[again] != 1)
        pulled |= np.isin(lanes.lane[again], lanes.lane[gaps])
        if pulled.any():
            self.trigger.append(again[pulled])
        self.unseen = np.flatnonzero(unseen)

    def _count_duplicates(self) -> None:
        """Find where duplicate acks begin to be counted; an ack of unseen octets sets the other side's count to -1."""
        lanes = self.lanes
        starts, carried = self.changes, self.lane_state["duplicates"].reshape(-1)
        self._lost = np.zeros(len(starts), np.bool_)
        self._lost[lanes.head] = carried == -1
        if len(self.unseen):
            after = np.zeros(len(starts), np.bool_)
            after[lanes.other[self.unseen]] = True
            reset = np.zeros(len(starts), np.bool_)
            reset[1:] = after[:-1] & self.rows[1:]
            starts = starts | reset
            self._lost |= reset & ~self.changes
        self._counted = np.flatnonzero(starts)
        self._duplicates = np.cumsum(self.duplicate, dtype=np.int32)
        self.unseen_before = None
        if len(self.unseen):
            unseen = np.bincount(self.unseen, minlength=len(starts))
            self.unseen_before = np.cumsum(unseen, dtype=np.int32)
            at = self.unseen
            earlier = self.unseen_before[at - 1] - self.unseen_before[lanes.other[lanes.other[at]]]
            first = (self.duplicates(lanes.other[at]) == 0) & (earlier == 0)
            self.mask[at[first]] |= np.uint16(Mark.ACK_LOST_SEGMENT)

    def duplicates(self, at: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return how many duplicate acks in a row the sender of each of the rows ``at`` has sent: int32 (k,)."""
        begin = _latest(self._counted, at)
        carried = np.maximum(self.lane_state["duplicates"].reshape(-1)[self.lanes.lane[at]], 0)
        number = self._duplicates[at] - self._duplicates[begin] + self.duplicate[begin]
        number += np.where(self.lanes.is_head[begin], carried, 0)
        return np.where(self._lost[begin] & (number == 0), np.int32(-1), number)

    def _again(self) -> None:
        """Tell apart what was sent again and what was overtaken."""
        lanes = self.lanes
        some = self.length > 0
        counted = (some | ((self.flags & (SYN | FIN)) != 0)) & self.rows & ~self.keep_alive
        old = counted & self.set_before & (self.behind < 0)
        old &= ~((self.length > 1) & (self.behind == -1))
        acked = self.ack[lanes.other]
        past = (self.payload_end - acked).view(np.int32)
        counted &= some & (acked != 0)
        spurious = counted & (past <= 0)
        at = np.flatnonzero(old | spurious)
        if not len(at):
            return
        other = lanes.other[at]
        duplicates = self.duplicates(other)
        if self.unseen_before is not None:
            since = self.unseen_before[at] - self.unseen_before[lanes.other[other]]
            duplicates = np.where(since > 0, np.int32(-1), duplicates)
        passed = self.time[at] - self.time[other]
        fast = (duplicates >= 2) | (duplicates == -1)
        fast &= (acked[at] == self.sequence[at]) & (passed >= 0) & (passed < FAST_WITHIN_NS)
        newer = self.time[at] - self._next_time(at - 1)
        rtt = self.round_trips.before(self._group_of(lanes.lane[at]), lanes.segment[at])
        limit = np.where(rtt == 0, REORDERED_WITHIN_NS, rtt)
        # Unsigned, as in Wireshark: where time runs backward a difference below zero is a very large one.
        overtaken = (newer.view(np.uint64) < limit.view(np.uint64)) & (self.end[at] != self.next_before[at])
        again = int(Mark.RETRANSMISSION)
        self.mask[at] |= np.select(
            [spurious[at], fast, overtaken],
            [again | int(Mark.SPURIOUS_RETRANSMISSION), again | int(Mark.FAST_RETRANSMISSION), int(Mark.OUT_OF_ORDER)],
            again,
        ).astype(np.uint16)

    def _past_the_list(self) -> None:
        """Report SYN and FIN sent while very many segments are unacknowledged."""
        closing = np.flatnonzero(((self.flags & (SYN | FIN)) != 0) & self.rows)
        sizes = np.diff(np.append(self.lanes.head, len(self.rows)))
        many = sizes + self.lane_state["unacknowledged"].reshape(-1) > MOST_UNACKNOWLEDGED
        closing = closing[many[self.lanes.lane[closing]]]
        if len(closing):
            unacknowledged = self._sent_since_change(closing - 1, self.lanes.other[closing], self.lanes.lane[closing])
            self.trigger.append(closing[unacknowledged >= MOST_UNACKNOWLEDGED])

    def state_at(
        self, which: NDArray[np.int64], place: NDArray[np.int64], until: NDArray[np.int64]
    ) -> dict[str, NDArray[Any]]:
        """Return the sides' state after the rows ``place`` of the lanes ``which``: the fields of ``Side``.

        which: int64 (k,) lanes in ascending order; until: int64 (k,), the segment before which this is asked (what
        the other side sends after ``place`` can still move the state)
        """
        lanes = self.lanes
        change = self.latest_change(place)
        carried = {name: values.reshape(-1)[which] for name, values in self.lane_state.items()}
        edge = self.next[place]
        every = len(which) == len(lanes.head)
        for at, lane in enumerate(which.tolist()) if not every else ((lane, lane) for lane in self.edge_lag):
            for begin, end, value in self.edge_lag.get(lane, ()):
                if begin < until[at] <= end:
                    edge[at] = value
        duplicates = self.duplicates(place)
        if len(self.unseen):
            # Acks of unseen octets stand in the other lane, after its latest row before the next of this lane.
            ends = int(lanes.head[which[0] & ~1]), lanes.end(int(which[-1]) | 1)
            unseen = self.unseen[slice(*np.searchsorted(self.unseen, ends))]
            reset = lanes.other[unseen]
            index = np.minimum(np.searchsorted(which, lanes.lane[reset]), len(which) - 1)
            counts = (place[index] == reset) & (lanes.segment[unseen] < until[index])
            duplicates[index[counts]] = -1
        return {
            "next": self.next[place],
            "next_time_ns": self._next_time(place),
            "edge": edge,
            "ack": self.ack[place],
            "ack_time_ns": self.time[place],
            "window": self.window[place],
            "last": np.where(lanes.is_head[place], carried["last"], self.mask[place] & Mark.KEEP_ALIVE),
            "duplicates": duplicates,
            "change": np.where(lanes.is_head[change], carried["change"], self.segments.number[lanes.segment[change]]),
            "first_ack": self._tells_syn(place),
            "unacknowledged": self._unacknowledged(place, until, which),
        }

    def _unacknowledged(
        self, place: NDArray[np.int64], until: NDArray[np.int64], which: NDArray[np.int64]
    ) -> NDArray[np.int32]:
        """Return how many segments each lane has sent up to ``place`` since the other side's ack last changed."""
        lanes = self.lanes
        # The latest row of the other side before `until`: that before the next row here, or the last one there.
        other = lanes.other[place].copy()
        ends = np.append(lanes.head, len(lanes.segment))[(which ^ 1) + 1]
        more = np.flatnonzero(other + 1 < ends)
        last = until[more] > lanes.segment[ends[more] - 1]
        other[more[last]] = ends[more[last]] - 1
        for at in more[~last].tolist():
            other[at] += int(np.searchsorted(lanes.segment[other[at] + 1 : ends[at]], until[at]))
        return self._sent_since_change(place, other, which)

    def _sent_since_change(
        self, place: NDArray[np.int64], other: NDArray[np.int64], which: NDArray[np.int64]
    ) -> NDArray[np.int32]:
        change = self.latest_change(other)
        carried = self.lane_state["unacknowledged"].reshape(-1)[which]
        since = self._sent[place] - self._sent[self.lanes.other[change]]
        return np.where(self.lanes.is_head[change], carried + since, since).astype(np.int32)

    @cached_property
    def _sent(self) -> NDArray[np.int64]:
        """Segments with data, SYN or FIN up to each row."""
        counted = self.rows & ((self.length > 0) | ((self.flags & (SYN | FIN)) != 0))
        return np.cumsum(counted)


def _latest(which: NDArray[np.int64], at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the last of some ascending places up to each of the places ``at``."""
    return which[np.searchsorted(which, at, side="right") - 1]
