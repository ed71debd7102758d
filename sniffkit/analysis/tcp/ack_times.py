"""Which segment an acknowledgment answers, and how long that took, for a batch at a time.

Where all segments of a direction end one after the other and acks only move forward, an ack answers the first segment
that ends at its number: one search in sorted columns. Other streams of the batch, those with spurious retransmissions
or keep-alives, go through the plain list (``tcp_open_segments``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.segments import ACK, FIN, SYN
from sniffkit.analysis.tcp.mark_names import Mark
from sniffkit.analysis.tcp.marks_sequential import MOST_UNACKNOWLEDGED, after
from sniffkit.analysis.tcp.open_segments import Sent, UnacknowledgedList

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.segments import Segments
    from sniffkit.analysis.streams import StreamNumbers
    from sniffkit.analysis.tcp.lanes import Groups, Lanes
    from sniffkit.analysis.tcp.marks import Marks
    from sniffkit.analysis.tcp.marks_columns import LaneColumns

_NEAR = 1 << 30
"""Numbers further apart than this in a batch are left to the plain list."""
_NONE_YET = -(1 << 31)
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


@dataclass(slots=True)
class _Pending:
    """Segments that earlier batches left unacknowledged, sorted by stream and direction (``lane`` = 2 streams + it).

    lane: int64; start, end: uint32; number, time: int64, all (k,)
    """

    lane: NDArray[np.int64]
    start: NDArray[np.uint32]
    end: NDArray[np.uint32]
    number: NDArray[np.int64]
    time: NDArray[np.int64]

    def take(self, which: NDArray[Any]) -> _Pending:
        return _Pending(self.lane[which], self.start[which], self.end[which], self.number[which], self.time[which])


def _joined(*parts: _Pending) -> _Pending:
    columns = ("lane", "start", "end", "number", "time")
    return _Pending(*(np.concatenate([getattr(part, name) for part in parts]) for name in columns))


class TcpAckTimes:
    """Ack times of TCP streams, fed batch by batch with the marks of the same batch.

    in_flight: tell the octets in flight and how long it took to send again, too; every stream then goes through the
    plain list (some microseconds a packet)
    """

    def __init__(self, *, in_flight: bool = False) -> None:
        self.in_flight = in_flight
        none = np.zeros(0, np.int64)
        self._pending = _Pending(none, none.astype(np.uint32), none.astype(np.uint32), none, none)
        self._with_loss: set[int] = set()  # lanes of which something before the list is missing
        self._highest: dict[int, tuple[int, int]] = {}  # of a lane the furthest end so far, and when it was reached

    def forget(self, streams: NDArray[np.int64]) -> None:
        """Let go of streams that are closed or idle."""
        lanes = {2 * stream + side for stream in streams.tolist() for side in (0, 1)}
        self._with_loss -= lanes
        for lane in lanes & self._highest.keys():
            del self._highest[lane]
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

    def _split(self, groups: Groups) -> tuple[_Pending, _Pending]:
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
        mine: _Pending,
        told: AckTimes,
    ) -> NDArray[np.bool_]:
        """Tell the streams that are in order; return the groups that are not: bool (g,)."""
        lanes = columns.lanes
        rows = columns.rows
        counted = rows & ((columns.length > 0) | ((columns.flags & (SYN | FIN)) != 0))
        sent = np.flatnonzero(counted)
        reference = columns.start
        doubtful = np.zeros(len(lanes.head), np.bool_)

        # Acks, each judged against the other lane; only those that find something to acknowledge count.
        target = lanes.lane ^ 1
        entries = np.cumsum(counted)
        entries -= entries[lanes.head][lanes.lane]
        waiting = np.bincount(mine.lane, minlength=len(lanes.head)) > 0
        some = rows & ((entries[lanes.other] > 0) | waiting[target])
        number = (columns.ack - reference[target]).view(np.int32).astype(np.int64)
        wild = some & ((np.abs(number) > _NEAR) | ((columns.flags & ACK) == 0))
        doubtful[target[wild]] = True
        upto = np.where(some, number, _NONE_YET)
        shift = lanes.lane << 34
        upto = np.maximum.accumulate(upto + shift) - shift
        before = np.empty_like(upto)
        before[1:], before[:1] = upto[:-1], upto[:1]
        asks = np.flatnonzero(some & (number > before))

        # What was sent, earlier batches' first; what ends at or before an ack already seen breaks the order.
        lane = np.concatenate((mine.lane, lanes.lane[sent]))
        end = np.concatenate((mine.end, columns.end[sent]))
        ends = (end - reference[lane]).view(np.int32).astype(np.int64)
        stale = ends[len(mine.lane) :] <= upto[lanes.other[sent]]
        doubtful[lanes.lane[sent[stale]]] = True
        doubtful[lane[np.abs(ends) > _NEAR]] = True
        doubtful |= np.bincount(lane, minlength=len(doubtful)) > MOST_UNACKNOWLEDGED
        start = np.concatenate((mine.start, columns.sequence[sent]))
        frame = np.concatenate((mine.number, segments.number[lanes.segment[sent]]))
        time = np.concatenate((mine.time, columns.time[sent]))
        when = np.concatenate((np.full(len(mine.lane), -1), lanes.segment[sent]))
        key = (lane << 34) + ends
        order = np.arange(len(key))
        if (key[1:] < key[:-1]).any():
            order = np.argsort(key, kind="stable")
            key = key[order]

        self._answer(lanes, columns, asks, target, number, key, frame[order], time[order], when[order], told)
        last = np.append(lanes.head[1:], len(lanes.segment)) - 1
        final = upto[last][np.arange(len(last)) ^ 1]  # how far each lane is acknowledged
        group_doubtful: NDArray[np.bool_] = doubtful[0::2] | doubtful[1::2]
        fine = np.repeat(~group_doubtful, 2)
        seen = final > _NONE_YET
        stays = fine[lane] & (ends > final[lane])
        part = (start - reference[lane]).view(np.int32) < final[lane]
        start = np.where(part & seen[lane], reference[lane] + final[lane].astype(np.uint32), start)
        stream = groups.stream[lane >> 1] * 2 + (lane & 1)
        left = _Pending(stream, start, end, frame, time).take(stays)
        self._pending = _joined(self._pending, left)
        return group_doubtful

    @staticmethod
    def _answer(
        lanes: Lanes,
        columns: LaneColumns,
        asks: NDArray[np.int64],
        target: NDArray[np.int64],
        number: NDArray[np.int64],
        key: NDArray[np.int64],
        frame: NDArray[np.int64],
        time: NDArray[np.int64],
        when: NDArray[np.int64],
        told: AckTimes,
    ) -> None:
        """Find the segment that each ack answers."""
        if not len(key):
            return
        wanted = (target[asks] << 34) + number[asks]
        at = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        segment = lanes.segment[asks]
        hit = (key[at] == wanted) & (when[at] < segment)
        told.frame[segment[hit]] = frame[at[hit]]
        told.rtt_ns[segment[hit]] = columns.time[asks[hit]] - time[at[hit]]

    def _one_by_one(
        self,
        segments: Segments,
        numbers: StreamNumbers,
        marks: Marks,
        groups: Groups,
        mine: _Pending,
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
        latest = dict.fromkeys(lists, 0)
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
        names = {lane: int(groups.stream[lane >> 1]) * 2 + (lane & 1) for lane in lists}
        for row, lane, sequence, ack, flags, length, number, time, lost, again, base, blocks in events:
            own, other = lists[lane], lists[lane ^ 1]
            extra = 1 if flags & (SYN | FIN) else 0
            if lost:
                own.known = False
            if told.rto_ns is not None and length >= 0:
                end = (sequence + length + extra) & 0xFFFFFFFF
                highest = self._highest.get(names[lane])
                if again and own.segments:
                    told.rto_ns[row] = time - own.segments[0].time_ns
                elif again and highest is not None:
                    told.rto_ns[row] = time - highest[1]
                if highest is None or after(end, highest[0]):
                    self._highest[names[lane]] = end, time
            if length > 0 or extra:
                own.add(Sent(sequence, (sequence + length + extra) & 0xFFFFFFFF, number, time))
            if (answered := other.acknowledge(ack)) is not None:
                told.frame[row] = answered.number
                told.rtt_ns[row] = time - answered.time_ns
            if flags & ACK:
                other.known = True
            if told.in_flight is not None and length > 0:
                told.in_flight[row] = own.in_flight(base, latest[lane ^ 1], bool(extra))
            latest[lane] = blocks
        self._keep(groups, lists)

    def _keep(self, groups: Groups, lists: dict[int, UnacknowledgedList]) -> None:
        """Carry the lists on."""
        while len(self._highest) > _LANES_KEPT:
            del self._highest[next(iter(self._highest))]
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
            left = _Pending(name_of, start.astype(np.uint32), end.astype(np.uint32), number, time)
            self._pending = _joined(self._pending, left)
