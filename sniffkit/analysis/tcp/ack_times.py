"""Which segment an acknowledgment answers, and how long that took, for a batch at a time.

Where all segments of a direction end one after the other and acks only move forward, columns tell it
(``ack_columns``). Other streams of the batch, those with spurious retransmissions or keep-alives, go through the plain
list (``open_segments``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.open_questions import elapsed
from sniffkit.analysis.segments import ACK, FIN, SYN
from sniffkit.analysis.tcp.ack_columns import AckColumns, Pending
from sniffkit.analysis.tcp.mark_names import Mark
from sniffkit.analysis.tcp.marks_sequential import after
from sniffkit.analysis.tcp.open_segments import Sent, UnacknowledgedList

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.segments import Segments
    from sniffkit.analysis.streams import StreamNumbers
    from sniffkit.analysis.tcp.lanes import Groups
    from sniffkit.analysis.tcp.marks import Marks
    from sniffkit.analysis.tcp.marks_columns import LaneColumns

_LANES_KEPT = 200_000
_AGAIN = np.uint16(Mark.RETRANSMISSION | Mark.FAST_RETRANSMISSION | Mark.SPURIOUS_RETRANSMISSION)


@dataclass(slots=True)
class AckTimes:
    """What the acks of a batch answer; arrays in the order of ``Segments``.

    frame:     int64 (m,) the frame that a segment acknowledges (tcp.analysis.acks_frame), 0 = none
    rtt_ns:    int64 (m,) how long ago that was (tcp.analysis.ack_rtt)
    in_flight: int64 (m,) octets in flight after a data segment (tcp.analysis.bytes_in_flight), 0 = not known;
               None unless asked for
    rto_ns:    int64 (m,) of a segment sent again the time since the oldest one on its way (tcp.analysis.rto), 0 = none;
               None unless the octets in flight are asked for
    """

    frame: NDArray[np.int64]
    rtt_ns: NDArray[np.int64]
    in_flight: NDArray[np.int64] | None
    rto_ns: NDArray[np.int64] | None = None


class TcpAckTimes:
    """Ack times of TCP streams, fed batch by batch with the marks of the same batch.

    in_flight: tell the octets in flight and how long it took to send again, too; every stream then goes through the
    plain list (some microseconds a packet)
    """

    def __init__(self, *, in_flight: bool = False) -> None:
        self.in_flight = in_flight
        none = np.zeros(0, np.int64)
        self._pending = Pending(none, none.astype(np.uint32), none.astype(np.uint32), none, none)
        self._with_loss: set[int] = set()  # lanes of which something before the list is missing
        self._sacked: dict[int, int] = {}  # of a lane the octets in the SACK blocks of its latest segment
        self._highest: dict[int, tuple[int, int]] = {}  # of a lane the furthest end so far, and when it was reached

    def forget(self, streams: NDArray[np.int64]) -> None:
        """Let go of streams that are closed or idle."""
        lanes = {2 * stream + side for stream in streams.tolist() for side in (0, 1)}
        self._with_loss -= lanes
        for kept in (self._highest, self._sacked):
            for lane in lanes & kept.keys():
                del kept[lane]
        self._pending = self._pending.take(~np.isin(self._pending.lane >> 1, streams))

    def feed(
        self,
        segments: Segments,
        numbers: StreamNumbers,
        marks: Marks,
        sacked: NDArray[np.int64] | None = None,
    ) -> AckTimes:
        """Return what the acks of the next batch answer.

        sacked: int64 (m,) octets in the first three SACK blocks of each segment, for the octets in flight
        """
        count = len(segments)
        none = np.zeros(count, np.int64)
        more = (none.copy(), none.copy()) if self.in_flight else (None, None)
        told = AckTimes(none, none.copy(), *more)
        columns, groups = marks.lanes()
        if columns is None or not len(groups.order):
            return told
        mine, self._pending = self._split(groups)
        doubtful = np.ones(len(groups.start), np.bool_)
        if not self.in_flight:
            doubtful = self._in_columns(segments, groups, columns, mine, told)
        if doubtful.any():
            self._one_by_one(segments, numbers, marks, groups, mine, np.flatnonzero(doubtful), told, sacked)
        return told

    def _split(self, groups: Groups) -> tuple[Pending, Pending]:
        """Return the pending segments of the batch's streams, their lanes counted within the batch, and all others."""
        pending = self._pending
        stream = pending.lane >> 1
        at = np.minimum(np.searchsorted(groups.stream, stream), len(groups.stream) - 1)
        here = groups.stream[at] == stream
        mine = pending.take(here)
        mine.lane = at[here] * 2 + (mine.lane & 1)
        return mine, pending.take(~here)

    def _in_columns(
        self,
        segments: Segments,
        groups: Groups,
        columns: LaneColumns,
        mine: Pending,
        told: AckTimes,
    ) -> NDArray[np.bool_]:
        """Tell the streams that are in order; return the groups that are not: bool (g,)."""
        acks = AckColumns(segments, columns, mine)
        places, frame, rtt_ns = acks.answers()
        at = columns.lanes.segment[places]
        told.frame[at], told.rtt_ns[at] = frame, rtt_ns
        doubtful: NDArray[np.bool_] = acks.doubtful[0::2] | acks.doubtful[1::2]
        left = acks.left(np.repeat(~doubtful, 2))
        left.lane = groups.stream[left.lane >> 1] * 2 + (left.lane & 1)
        self._pending = Pending.joined(self._pending, left)
        return doubtful

    def _one_by_one(
        self,
        segments: Segments,
        numbers: StreamNumbers,
        marks: Marks,
        groups: Groups,
        mine: Pending,
        which: NDArray[np.int64],
        told: AckTimes,
        sacked: NDArray[np.int64] | None,
    ) -> None:
        """Tell streams by the plain list, and keep what it holds in the end."""
        chosen = np.flatnonzero(np.isin(groups.of, which))
        rows = groups.order[chosen]
        told.frame[rows] = told.rtt_ns[rows] = 0
        lists = {
            lane: UnacknowledgedList(known=int(groups.stream[group]) * 2 + (lane & 1) not in self._with_loss)
            for group in which.tolist()
            for lane in (2 * group, 2 * group + 1)
        }
        order = np.argsort(mine.lane, kind="stable")
        held = mine.take(order[np.isin(mine.lane[order] >> 1, which)])
        for lane, *values in zip(
            held.lane.tolist(), held.start.tolist(), held.end.tolist(), held.number.tolist(), held.time.tolist(),
            strict=True,
        ):  # fmt: skip
            lists[lane].segments.append(Sent(*values))
        octets = np.zeros(len(segments), np.int64) if sacked is None else sacked
        names = {lane: int(groups.stream[lane >> 1]) * 2 + (lane & 1) for lane in lists}
        latest = {lane: self._sacked.get(name, 0) for lane, name in names.items()}
        events = zip(
            rows.tolist(),
            (groups.of[chosen] * 2 + numbers.direction[rows]).tolist(),
            segments.sequence[rows].tolist(),
            segments.acknowledgment[rows].tolist(),
            segments.flags[rows].tolist(),
            segments.length[rows].tolist(),
            segments.number[rows].tolist(),
            segments.time_ns[rows].tolist(),
            ((marks.mask[rows] & np.uint16(Mark.LOST_SEGMENT)) != 0).tolist(),
            ((marks.mask[rows] & _AGAIN) == Mark.RETRANSMISSION).tolist(),
            numbers.base[rows].tolist(),
            octets[rows].tolist(),
            strict=True,
        )
        for row, lane, sequence, ack, flags, length, number, time, lost, again, base, blocks in events:
            own, other = lists[lane], lists[lane ^ 1]
            extra = 1 if flags & (SYN | FIN) else 0
            if lost:
                own.known = False
            if told.rto_ns is not None and length >= 0:
                end = (sequence + length + extra) & 0xFFFFFFFF
                highest = self._highest.get(names[lane])
                if again and own.segments:
                    told.rto_ns[row] = elapsed(time, own.segments[0].time_ns) or 0
                elif again and highest is not None:
                    told.rto_ns[row] = elapsed(time, highest[1]) or 0
                if highest is None or after(end, highest[0]):
                    self._highest[names[lane]] = end, time
            if length > 0 or extra:
                own.add(Sent(sequence, (sequence + length + extra) & 0xFFFFFFFF, number, time))
            if (answered := other.acknowledge(ack)) is not None:
                told.frame[row] = answered.number
                told.rtt_ns[row] = elapsed(time, answered.time_ns) or 0
            if flags & ACK:
                other.known = True
            if told.in_flight is not None and length > 0:
                told.in_flight[row] = own.in_flight(base, latest[lane ^ 1], bool(extra))
            latest[lane] = blocks
        for lane, name in names.items():
            self._sacked.pop(name, None)
            if latest[lane]:
                self._sacked[name] = latest[lane]
        self._keep(groups, lists)

    def _keep(self, groups: Groups, lists: dict[int, UnacknowledgedList]) -> None:
        """Carry the lists on."""
        for kept in (self._highest, self._sacked):
            while len(kept) > _LANES_KEPT:
                del kept[next(iter(kept))]
        for lane, one in lists.items():
            name = int(groups.stream[lane >> 1]) * 2 + (lane & 1)
            if one.known:
                self._with_loss.discard(name)
            else:
                self._with_loss.add(name)
        rows = [
            (int(groups.stream[lane >> 1]) * 2 + (lane & 1), sent.start, sent.end, sent.number, sent.time_ns)
            for lane, one in lists.items()
            for sent in one.segments
        ]
        if rows:
            name_of, start, end, number, time = (np.array(column, np.int64) for column in zip(*rows, strict=True))
            left = Pending(name_of, start.astype(np.uint32), end.astype(np.uint32), number, time)
            self._pending = Pending.joined(self._pending, left)
