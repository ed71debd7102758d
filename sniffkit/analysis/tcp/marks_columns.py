"""The marks of TCP segments in columns: the same rules as one packet at a time, for all packets of a batch at once.

Most rules hold for few rows: a cheap comparison of whole columns finds the rows that may, and only those are looked at
closely. Where anything happens that columns cannot tell, the stream's first such segment is reported in ``trigger`` and
the plain rules take over from there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.segments import ACK, FIN, RST, SYN
from sniffkit.analysis.tcp.gaps import UNENDING, EdgeLag, follow_gaps
from sniffkit.analysis.tcp.lanes import copied
from sniffkit.analysis.tcp.mark_names import Mark
from sniffkit.analysis.tcp.marks_sequential import FAST_WITHIN_NS, MOST_UNACKNOWLEDGED, REORDERED_WITHIN_NS
from sniffkit.analysis.tcp.sent_columns import HALF, SentColumns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.tcp.negotiated import InitialRoundTrips, WindowScales


@dataclass
class LaneColumns(SentColumns):
    """Columns of a batch in lane order (n,): what rules read and what they leave.

    repeats_syn: bool (m,) by segment; group: int64 (g,) place of each stream in ``scales`` and ``round_trips``, None
                 where it is the same
    mask:      uint16 (n,) bits of ``Mark``; duplicate: int64, the places of duplicate acks
    shut:      int64, the places where the window is 0, heads among them
    other_next: uint32 (n,) ``next`` of the other side's latest row; past_other: int32 (n,) how far the row acknowledges
               past it; beyond: int64, the places of acks that do
    edge_lag: where the contiguous edges of lanes with gaps stand still
    """

    scales: WindowScales
    round_trips: InitialRoundTrips
    repeats_syn: NDArray[np.bool_]
    group: NDArray[np.int64] | None = None

    edge_lag: EdgeLag = field(init=False, default_factory=EdgeLag.nowhere)

    def evaluate(self) -> None:
        """Fill ``mask`` and ``trigger`` (places in lane order)."""
        self.mask = np.zeros(len(self.end), np.uint16)
        self._against_the_last()
        self._against_the_other()
        self._find_full_windows()
        self._acknowledge()
        self._begin_counting()
        self._again()
        self._past_the_list()

    def _mark(self, places: NDArray[np.int64], mark: Mark) -> None:
        self.mask[places] |= np.uint16(mark)

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
        return self.changes.nonzero()[0]

    def latest_change(self, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the latest row, up to each of ``at``, in which its lane's acknowledgment number changed."""
        return _latest(self._changed, at)

    @cached_property
    def _advanced(self) -> NDArray[np.int64]:
        return self.advances.nonzero()[0]

    def _next_time(self, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return when the highest end up to each of the rows ``at`` was reached."""
        latest, carried = _latest(self._advanced, at), self.lane_state["next_time_ns"].reshape(-1)
        return np.where(self.lanes.is_head[latest], carried[self.lanes.lane[at]], self.time[latest])

    def _against_the_last(self) -> None:
        """Marks that need only the row before, and ``next``."""
        head = self.lanes.head
        self.changes = np.empty(len(self.ack), np.bool_)
        np.not_equal(self.ack[1:], self.ack[:-1], out=self.changes[1:])
        self.changes[head] = True
        self._at_next = self.behind == 0
        apart, behind = self.apart, self.behind[self.apart]
        alone = apart[behind == -1]
        self.keep_alive = alone[(self.length[alone] <= 1) & ~self.closing[alone]]
        self._mark(self.keep_alive, Mark.KEEP_ALIVE)
        jumps = apart[behind > 0]
        self._mark(jumps[(self.next_before[jumps] != 0) & ((self.flags[jumps] & RST) == 0)], Mark.LOST_SEGMENT)
        # Nothing new, nothing confirmed: only the window may have changed. No heads are among them (they change).
        still = (self._at_next & ~(self.changes | self.data | self.closing)).nonzero()[0]
        same, open_window = self.window[still] == self.window[still - 1], self.window[still] != 0
        self._mark(still[open_window & ~same], Mark.WINDOW_UPDATE)
        self.duplicate, self._still_shut = still[open_window & same], still[~open_window & same]

    def _against_the_other(self) -> None:
        """Marks that need the latest row of the other side."""
        lanes, head = self.lanes, self.lanes.head
        last = self.lane_state["last"].reshape(-1)
        if len(self.keep_alive) or (last & Mark.KEEP_ALIVE).any():
            alive = np.zeros(len(self.end), np.bool_)
            alive[self.keep_alive] = True
            alive[head] = (last & Mark.KEEP_ALIVE) != 0
            answers = alive[lanes.other[self.duplicate]]
            self._mark(self.duplicate[answers], Mark.KEEP_ALIVE_ACK)
            self.duplicate = self.duplicate[~answers]
        self._mark(self.duplicate, Mark.DUPLICATE_ACK)
        self.shut = (self.window == 0).nonzero()[0]
        if len(self.shut):
            rows = self.only_rows(self.shut)
            self._mark(rows[~self.closing[rows]], Mark.ZERO_WINDOW)
            single = ((self.length == 1) & self._at_next).nonzero()[0]
            probes = single[self.window[lanes.other[single]] == 0]
            if len(probes):
                self.trigger.append(probes)
        if (last & Mark.ZERO_WINDOW_PROBE).any():
            probed = np.zeros(len(self.end), np.bool_)
            probed[head] = (last & Mark.ZERO_WINDOW_PROBE) != 0
            self._mark(self._still_shut[probed[lanes.other[self._still_shut]]], Mark.ZERO_WINDOW_PROBE_ACK)
        self._acked = self.ack.take(lanes.other)
        self._past = self.payload_end - self._acked

    def _find_full_windows(self) -> None:
        """Mark data that ends exactly where the window ends that the other side last announced."""
        offered, settled, last = self.window.take(self.lanes.other), self.scales.settled, self.scales.last
        if self.group is not None:
            settled, last = settled[self.group], last[self.group]
        shift = np.maximum(settled, 0)[:, ::-1].astype(np.uint32)
        may = self._past == offered
        may |= self._past == offered << self.lanes.spread(shift.reshape(-1))
        if (last >= 0).any():  # another scale may have held before
            may |= self.lanes.segment <= last.repeat(self.lanes.size[0::2] + self.lanes.size[1::2])
        at = (may & self.data).nonzero()[0]
        at = at[~self.closing[at]]
        if not len(at):
            return
        scale = self._scale_of_other(at)
        shifted = offered[at] << np.where(self._tells_syn(self.lanes.other[at]), 0, np.maximum(scale, 0))
        self._mark(at[(scale != -1) & (self._past[at] == shifted.astype(np.uint32))], Mark.WINDOW_FULL)

    def _scale_of_other(self, at: NDArray[np.int64]) -> NDArray[np.int16]:
        """Return the window scale of the other side before each of the rows ``at``."""
        lane = self.lanes.lane[at]
        return self.scales.before(2 * self._group_of(lane) + (lane & 1 ^ 1), self.lanes.segment[at])

    def _acknowledge(self) -> None:
        """Find acks of octets never seen (they reset the other side's duplicates) and gaps they jump over."""
        lanes, head = self.lanes, self.lanes.head
        self.other_next = other_next = self.next.take(lanes.other)
        self.past_other = beyond = (self.ack - other_next).view(np.int32)
        if beyond.min(initial=0) == HALF:
            self.trigger.append(self._confirming((beyond == HALF).nonzero()[0]))
        self.beyond = self.unseen = self._confirming((beyond > 0).nonzero()[0])
        gaps = self.apart[self.advances[self.apart] & (self.next_before[self.apart] != 0)]
        lagging = head[(self.lane_state["edge"] != self.lane_state["next"]).reshape(-1)]
        if len(lagging):
            gaps = np.sort(np.concatenate((gaps, lagging)))
        if len(gaps):
            acks = ((self.flags & ACK) != 0) & (other_next != 0)
            acks[head] = False
            unseen = None
            if len(self.beyond):
                unseen = np.zeros(len(self.end), np.bool_)
                unseen[self.beyond] = True
            self.edge_lag = follow_gaps(self, gaps, acks, unseen)
            if unseen is not None:
                self.unseen = unseen.nonzero()[0]
        # A SYN sent again pulls `next` back to the edge: nothing to do if it is there already.
        again = self.among_special(SYN)
        again = again[(self.flags[again] & ACK) == 0]
        again = again[self.repeats_syn[lanes.segment[again]]]
        if len(again):
            with_gap = np.zeros(len(head), np.bool_)
            with_gap[lanes.lane[gaps]] = True
            pulled = (self.next_before[again] != 0) & (self.next_before[again] - self.sequence[again] != 1)
            pulled |= with_gap[lanes.lane[again]]
            self.trigger.append(again[pulled])

    def _confirming(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of some places that acknowledge something."""
        acks = ((self.flags[places] & ACK) != 0) & (self.other_next[places] != 0)
        return self.only_rows(places[acks])

    def _begin_counting(self) -> None:
        """Find where duplicate acks begin to be counted; an ack of unseen octets sets the other side's count to -1."""
        lanes = self.lanes
        self._lost = np.zeros(len(self.end), np.bool_)
        self._lost[lanes.head] = self.lane_state["duplicates"].reshape(-1) == -1
        self._counted = self._changed
        self._unseen_upto = None
        if not len(self.unseen):
            return
        resets = lanes.other[self.unseen] + 1  # the count is another from the next row on
        resets = self.only_rows(resets[resets < len(self.end)])
        starts = self.changes.copy()
        starts[resets] = True
        self._lost[resets] |= ~self.changes[resets]
        self._counted = np.flatnonzero(starts)
        unseen = np.zeros(len(self.end), np.int32)
        unseen[self.unseen] = 1
        self._unseen_upto = np.cumsum(unseen, dtype=np.int32)
        at = self.unseen
        earlier = self._unseen_upto[at - 1] - self._unseen_upto[lanes.other[lanes.other[at]]]
        self._mark(at[(self.duplicates(lanes.other[at]) == 0) & (earlier == 0)], Mark.ACK_LOST_SEGMENT)

    def duplicates(self, at: NDArray[np.int64], change: NDArray[np.int64] | None = None) -> NDArray[np.int32]:
        """Return how many duplicate acks in a row the sender of each of the rows ``at`` has sent: int32 (k,).

        change: ``latest_change`` of these rows, where that is known
        """
        begin = _latest(self._counted, at) if change is None or len(self.unseen) else change
        number = np.searchsorted(self.duplicate, at, side="right") - np.searchsorted(self.duplicate, begin)
        carried = np.maximum(self.lane_state["duplicates"].reshape(-1)[self.lanes.lane[at]], 0)
        number += np.where(self.lanes.is_head[begin], carried, 0)
        return np.where(self._lost[begin] & (number == 0), -1, number).astype(np.int32)

    def _again(self) -> None:
        """Tell apart what was sent again and what was overtaken."""
        lanes = self.lanes
        at = ((self.behind < 0) | (self.data & (self._past.view(np.int32) <= 0))).nonzero()[0]
        length, behind, some = self.length[at], self.behind[at], self.data[at]
        last_octet = (behind == -1) & ((length > 1) | ~self.closing[at])  # no keep-alive, nor what may pass for one
        old = (behind < 0) & ~last_octet & self.sends[at] & (self.next_before[at] != 0)
        spurious = some & (self._past[at].view(np.int32) <= 0) & (self._acked[at] != 0)
        spurious &= (behind != -1) | (length > 1) | self.closing[at]
        kept = old | spurious
        at, spurious = at[kept], spurious[kept]
        if not len(at):
            return
        other = lanes.other[at]
        duplicates = self.duplicates(other)
        if self._unseen_upto is not None:
            since = self._unseen_upto[at] - self._unseen_upto[lanes.other[other]]
            duplicates = np.where(since > 0, np.int32(-1), duplicates)
        passed = self.time[at] - self.time[other]
        fast = (duplicates >= 2) | (duplicates == -1)
        fast &= (self._acked[at] == self.sequence[at]) & (passed >= 0) & (passed < FAST_WITHIN_NS)
        newer = self.time[at] - self._next_time(at - 1)
        rtt = self.round_trips.before(self._group_of(lanes.lane[at]), lanes.segment[at])
        limit = np.where(rtt == 0, REORDERED_WITHIN_NS, rtt)
        # Unsigned, as in Wireshark: where time runs backward a difference below zero is a very large one.
        overtaken = (newer.view(np.uint64) < limit.view(np.uint64)) & (self.end[at] != self.next_before[at])
        self._mark(at[overtaken & ~(spurious | fast)], Mark.OUT_OF_ORDER)
        self._mark(at[spurious | fast | ~overtaken], Mark.RETRANSMISSION)
        self._mark(at[spurious], Mark.SPURIOUS_RETRANSMISSION)
        self._mark(at[fast & ~spurious], Mark.FAST_RETRANSMISSION)

    def _past_the_list(self) -> None:
        """Report SYN and FIN sent while very many segments are unacknowledged."""
        carried = self.lane_state["unacknowledged"].reshape(-1)
        many = self.lanes.size + carried > MOST_UNACKNOWLEDGED
        if not many.any():
            return
        closing = self.among_special(SYN | FIN)
        closing = closing[many[self.lanes.lane[closing]]]
        if len(closing):
            change = self.latest_change(self.lanes.other[closing])
            unacknowledged = self._sent_since(change, closing - 1, carried[self.lanes.lane[closing]])
            self.trigger.append(closing[unacknowledged >= MOST_UNACKNOWLEDGED])

    def state_after(self) -> NDArray[Any]:
        """Return the state of all lanes after the batch: LANE_STATE (g, 2), what ``Side`` holds brought up to date."""
        state = copied(self.lane_state)
        for name, values in self._state(0, self.lanes.last, UNENDING).items():
            state[name] = values.reshape(-1, 2)
        return state

    def state_before(self, group: int, segment: int) -> dict[str, NDArray[Any]]:
        """Return the state of both sides of a stream as a segment finds it: the fields of ``Side``, two of each."""
        lanes, first = self.lanes, 2 * group
        place = [
            head + int(np.searchsorted(lanes.segment[head + 1 : lanes.end(first + side)], segment))
            for side, head in enumerate(lanes.head[first : first + 2].tolist())
        ]
        return self._state(first, np.array(place), segment)

    def _state(self, first: int, place: NDArray[np.int64], until: int) -> dict[str, NDArray[Any]]:
        """Return the state of lanes from ``first`` on after the rows ``place``: the fields of ``Side``.

        place: int64 (k,) of each lane the latest row before the segment ``until``, both lanes of a stream always
        """
        lanes = self.lanes
        change = self.latest_change(place)
        carried = self.lane_state.reshape(-1)[first : first + len(place)]
        edge = self.next[place]
        lag = self.edge_lag
        lags = (lag.since < until) & (until <= lag.until) & (lag.lane >= first) & (lag.lane < first + len(place))
        edge[lag.lane[lags] - first] = lag.edge[lags]
        duplicates = self.duplicates(place, change)
        if len(self.unseen):
            # Acks of unseen octets stand in the other lane, after its latest row before the next of this lane.
            ends = int(lanes.head[first]), lanes.end(first + len(place) - 1)
            unseen = self.unseen[slice(*np.searchsorted(self.unseen, ends))]
            reset = lanes.other[unseen[lanes.segment[unseen] < until]]
            index = lanes.lane[reset] - first
            duplicates[index[place[index] == reset]] = -1
        other_change = change.reshape(-1, 2)[:, ::-1].reshape(-1)
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
            "unacknowledged": self._sent_since(other_change, place, carried["unacknowledged"]),
        }

    def _sent_since(
        self, change: NDArray[np.int64], place: NDArray[np.int64], carried: NDArray[np.int32]
    ) -> NDArray[np.int32]:
        """Return how many segments were sent up to the rows ``place`` since the rows ``change`` of the other side.

        carried: int32 (k,) of each lane, what counts where that row is a head
        """
        since = self.sent_upto[place] - self.sent_upto[self.lanes.other[change]]
        return np.where(self.lanes.is_head[change], carried + since, since).astype(np.int32)


def _latest(which: NDArray[np.int64], at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the last of some ascending places up to each of the places ``at``."""
    return which[np.searchsorted(which, at, side="right") - 1]
