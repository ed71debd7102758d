"""Everything odd about TCP segments: retransmissions, duplicate acks, zero windows and so on, for a batch at a time.

``TcpMarks.feed`` gives what Wireshark 4.0 writes under ``tcp.analysis``, with state carried from batch to batch.
Nearly all is told in columns (``tcp_marks_columns``); a stream in which columns could err is told packet by packet
from there to the end of the batch (``tcp_marks_sequential``).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.segments import ACK, SYN
from sniffkit.analysis.tcp.lanes import CarriedState, Groups, Lanes
from sniffkit.analysis.tcp.mark_names import Mark
from sniffkit.analysis.tcp.marks_columns import LaneColumns
from sniffkit.analysis.tcp.marks_sequential import Packet, Side, mark_packet
from sniffkit.analysis.tcp.negotiated import (
    InitialRoundTrips,
    WindowScales,
    completeness_before,
    completeness_bits,
    initial_round_trips,
    window_scales,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.segments import Segments
    from sniffkit.analysis.streams import StreamNumbers

MOST_OPEN = 1 << 18
"""Streams whose analysis is kept at the same time (about 40 MB); past it those idle longest are let go."""

_SIDE = tuple(field.name for field in fields(Side))
_PURE_SYN_SENT, _SYN_ACK_SENT = 1, 2


@dataclass
class Marks:
    """What is odd about every segment of a batch; arrays in the order of ``Segments``.

    mask:                uint16 (m,) bits of ``Mark``
    duplicate_ack_number: int32 (m,) which duplicate acknowledgment in a row this is, 0 if it is none
    duplicate_ack_frame: int64 (m,) the frame it repeats, 0 = none seen
    let_go:              int64, streams whose state was let go for want of room after this batch: forget them elsewhere
    """

    mask: NDArray[np.uint16]
    duplicate_ack_number: NDArray[np.int32]
    duplicate_ack_frame: NDArray[np.int64]
    let_go: NDArray[np.int64]
    _segments: Segments
    _numbers: StreamNumbers
    _groups: Groups
    _scales: WindowScales
    _round_trips: InitialRoundTrips
    _columns: LaneColumns | None
    _placed: Groups
    _doubtful: dict[int, int]
    _completeness: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None

    def has(self, mark: Mark) -> NDArray[np.bool_]:
        """Return which segments have a mark: bool (m,)."""
        marked: NDArray[np.bool_] = (self.mask & np.uint16(mark)) != 0
        return marked

    @cached_property
    def window_scale(self) -> NDArray[np.int16]:
        """Shift of the sender's window, -1 unknown, -2 not used: int16 (m,)."""
        lane = 2 * self._groups.group_of_each() + self._numbers.direction
        return self._scales.before(lane, np.arange(len(lane)))

    @cached_property
    def window_size(self) -> NDArray[np.int64]:
        """tcp.window_size: octets, scaled where the scale is known: int64 (m,)."""
        scale, segments = self.window_scale, self._segments
        scaled = (scale > 0) & ((segments.flags & SYN) == 0) & (segments.length >= 0)
        size: NDArray[np.int64] = segments.window.astype(np.int64) << np.where(scaled, scale, 0)
        return size

    @cached_property
    def initial_rtt_ns(self) -> NDArray[np.int64]:
        """From the SYN to the ack of its answer, as known with this segment, 0 = not yet: int64 (m,)."""
        group = self._groups.group_of_each()
        return self._round_trips.upto(group, np.arange(len(group)))

    def by_stream(self) -> Groups:
        """Return the segments sorted by stream."""
        return self._groups

    def lanes(self) -> tuple[LaneColumns | None, Groups]:
        """Return the columns in lane order and the streams they were laid out by (segments of known length only)."""
        return self._columns, self._placed

    def groups_told_singly(self) -> list[int]:
        """Return which streams, by their place among ``by_stream``, have segments that columns could not tell."""
        return list(self._doubtful)

    def told_singly(self) -> NDArray[np.bool_]:
        """Return which segments columns could not tell, and all later ones of their streams: bool (m,)."""
        singly = np.zeros(len(self.mask), np.bool_)
        groups = self._groups
        for group, begin in self._doubtful.items():
            end = groups.start[group + 1] if group + 1 < len(groups.start) else len(groups.order)
            mine = groups.order[groups.start[group] : end]
            singly[mine[mine >= begin]] = True
        return singly

    def highest_before(
        self, which: NDArray[np.int64] | slice = slice(None)
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Return the highest sequence number sent before each segment (or ``which``), by its sender and the other side.

        uint32 (m,) each, 0 = none yet. Not meant for segments that were told singly, but for the first of them.
        """
        place = np.full(len(self.mask), -1)
        if self._columns is not None:
            place[self._placed.order] = self._columns.lanes.place
        place = place[which]
        own, other = np.zeros(len(place), np.uint32), np.zeros(len(place), np.uint32)
        if self._columns is not None:
            known = place >= 0
            own[known] = self._columns.next_before[place[known]]
            other[known] = self._columns.other_next[place[known]]
        return own, other

    def completeness(self) -> NDArray[np.uint8]:
        """Return tcp.completeness of each segment as tshark prints it, the state before the segment: uint8 (m,).

        0 throughout where nobody asked ``TcpMarks`` for it.
        """
        value = np.zeros(len(self.mask), np.uint8)
        if self._completeness is not None:
            groups = self._groups
            reused = (self._numbers.reused & self._numbers.opened)[groups.order]
            value[groups.order] = completeness_before(groups, *self._completeness, reused)
        return value


@dataclass(slots=True)
class _Batch:
    """One batch while it is told: what the rules need of each segment, in capture order.

    looked_at: bool (m,) not a second capture; repeats_syn: bool (m,) a SYN with the number it began with
    """

    segments: Segments
    numbers: StreamNumbers
    groups: Groups
    looked_at: NDArray[np.bool_]
    repeats_syn: NDArray[np.bool_]


class TcpMarks:
    """Marks of TCP segments, fed batch by batch.

    as_tshark: exactly what tshark 4.0 prints. Otherwise right by the RFC in the two cases where it is wrong: a packet
    that was captured twice is no retransmission, and neither is the SYN,ACK of a simultaneous open (RFC 9293
    figure 8).
    completeness: follow tcp.completeness too

    open: streams whose state is kept; let_go: how many were let go for want of room
    """

    def __init__(self, *, as_tshark: bool = False, most_open: int = MOST_OPEN, completeness: bool = True) -> None:
        self.as_tshark = as_tshark
        self.completeness = completeness
        self.most_open = most_open
        self.let_go = 0
        self.packet_by_packet = 0
        self._state = CarriedState()

    @property
    def open(self) -> int:
        """How many streams have state."""
        return self._state.open

    def forget(self, streams: NDArray[np.int64]) -> None:
        """Let go the analysis of streams that are closed or idle; one that goes on is begun anew."""
        self._state.forget(streams)

    def keep(self, streams: NDArray[np.int64]) -> None:
        """Let go of all streams but these, ascending, which are numbered anew in this order."""
        self._state.keep(streams)

    def idle_since(self, time_ns: int) -> NDArray[np.int64]:
        """Return the open streams whose latest packet is older than a time."""
        return self._state.idle_since(time_ns)

    def feed(
        self,
        segments: Segments,
        numbers: StreamNumbers,
        twice: NDArray[np.int64] | None = None,
        groups: Groups | None = None,
    ) -> Marks:
        """Return the marks of the next batch's segments.

        twice: int64 (m,) for each segment the frame it is a second capture of, 0 for all others
        groups: all segments sorted by stream, where that has been done already
        """
        state, count = self._state, len(segments)
        groups = groups or Groups.by_stream(numbers)
        groups.slot = state.slots(groups.stream)
        lanes, streams = state.lanes(groups.slot), state.streams(groups.slot)
        flags = segments.flags.take(groups.order)
        syn = ((flags & SYN) != 0).nonzero()[0]
        scales = window_scales(segments, groups, flags, syn, lanes["scale"])
        lanes["scale"] = scales.settled
        syn = syn[(flags[syn] & ACK) == 0]
        round_trips = initial_round_trips(segments, groups, flags, syn, streams)
        streams["seen_ns"] = segments.time_ns[groups.order[groups.last]]
        marks = Marks(
            np.zeros(count, np.uint16),
            np.zeros(count, np.int32),
            np.zeros(count, np.int64),
            np.zeros(0, np.int64),
            segments,
            numbers,
            groups,
            scales,
            round_trips,
            None,
            groups,
            {},
            _follow_completeness(segments, numbers, groups, flags, streams) if self.completeness else None,
        )
        state.put_streams(groups.slot, streams)
        looked_at = np.ones(count, np.bool_) if twice is None or self.as_tshark else twice == 0
        syn = groups.order[syn]
        repeats = np.zeros(count, np.bool_)
        repeats[syn] = numbers.base_known[syn] & ~numbers.reused[syn] & (segments.sequence[syn] == numbers.base[syn])
        self._compare(_Batch(segments, numbers, groups, looked_at, repeats), lanes, marks)
        if state.open > self.most_open:
            too_many = state.open - self.most_open + self.most_open // 8
            self.let_go += too_many
            marks.let_go = state.idle_longest(too_many)
            state.forget(marks.let_go)
        return marks

    def _compare(self, batch: _Batch, carried: NDArray[Any], marks: Marks) -> None:
        """Find the marks that depend on sequence numbers; carried: LANE_STATE (g, 2) of the batch's streams."""
        segments, numbers = batch.segments, batch.numbers
        known = batch.looked_at & (segments.length >= 0)
        placed, place = batch.groups, None
        if not known.all():
            self._state.put_lanes(placed.slot, carried)
            placed = Groups.by_stream(numbers, known.nonzero()[0])
            placed.slot = self._state.slots(placed.stream)
            place = np.searchsorted(batch.groups.stream, placed.stream)
            carried = self._state.lanes(placed.slot)
        lanes = Lanes.lay_out(placed)
        columns = LaneColumns(segments, lanes, carried, marks._scales, marks._round_trips, batch.repeats_syn, place)
        columns.evaluate()
        marks._columns, marks._placed = columns, placed
        marked = (columns.mask != 0).nonzero()[0]
        marks.mask[lanes.segment[marked]] = columns.mask[marked]
        if len(columns.duplicate):
            latest = columns.latest_change(columns.duplicate)
            frame = np.where(
                lanes.is_head[latest],
                carried["change"].reshape(-1)[lanes.lane[columns.duplicate]],
                segments.number[lanes.segment[latest]],
            )
            at = lanes.segment[columns.duplicate]
            marks.duplicate_ack_number[at] = columns.duplicates(columns.duplicate)
            marks.duplicate_ack_frame[at] = frame

        marks._doubtful = self._doubtful(batch, columns, known)
        self._state.put_lanes(placed.slot, columns.state_after())
        for group, begin in marks._doubtful.items():
            self._packet_by_packet(batch, marks, group, begin)
        self._settle(columns, placed, marks)
        shown = segments.header_ok & segments.options_ok
        if not (shown & known).all():
            marks.mask[~(shown & (segments.length >= 0))] = 0
        reused = numbers.reused.nonzero()[0]
        marks.mask[reused[shown[reused]]] |= np.uint16(Mark.REUSED_PORTS)
        marks.mask[~batch.looked_at] = np.uint16(Mark.CAPTURED_TWICE)

    def _doubtful(self, batch: _Batch, columns: LaneColumns, known: NDArray[np.bool_]) -> dict[int, int]:
        """Return the groups that need the plain rules, each with the first segment from which on.

        known: bool (m,) segments of known length, second captures not among them
        """
        found = [columns.lanes.segment[places] for places in columns.trigger]
        if not known.all():
            found.append((batch.looked_at & ~known).nonzero()[0])
        segment = np.sort(np.concatenate(found))[::-1] if found else np.zeros(0, np.int64)
        group = np.searchsorted(batch.groups.stream, batch.numbers.stream[segment])
        first = dict(zip(group.tolist(), segment.tolist(), strict=True))  # of several of one group the first one stays
        return dict(sorted(first.items()))

    def _packet_by_packet(self, batch: _Batch, marks: Marks, group: int, begin: int) -> None:
        """Tell one stream of the batch by the plain rules, from the segment ``begin`` on."""
        segments, groups = batch.segments, batch.groups
        end = groups.start[group + 1] if group + 1 < len(groups.start) else len(groups.order)
        mine = groups.order[groups.start[group] : end]
        mine = mine[(mine >= begin) & batch.looked_at[mine]]
        slot = int(groups.slot[group])
        sides = self._sides_before(marks, begin, int(groups.stream[group]), slot)
        self.packet_by_packet += len(mine)
        of = np.full(len(mine), group, np.int64)
        other_scale = marks._scales.before(2 * of + (1 - batch.numbers.direction[mine]), mine)
        rows = zip(
            mine.tolist(),
            batch.numbers.direction[mine].tolist(),
            segments.number[mine].tolist(),
            segments.time_ns[mine].tolist(),
            segments.sequence[mine].tolist(),
            segments.acknowledgment[mine].tolist(),
            segments.flags[mine].tolist(),
            segments.window[mine].tolist(),
            segments.length[mine].tolist(),
            batch.repeats_syn[mine].tolist(),
            other_scale.tolist(),
            marks._round_trips.before(of, mine).tolist(),
            strict=True,
        )
        for at, *values in rows:
            packet = Packet(*values)
            own = sides[packet.direction]
            marks.mask[at], duplicate = mark_packet(packet, own, sides[1 - packet.direction])
            marks.duplicate_ack_number[at] = duplicate
            marks.duplicate_ack_frame[at] = own.change if duplicate else 0
        for direction, side in enumerate(sides):
            for name in _SIDE:
                self._state.lane[name][slot, direction] = getattr(side, name)

    def _sides_before(self, marks: Marks, begin: int, stream: int, slot: int) -> list[Side]:
        """Return both sides of a stream as they are before the segment ``begin``."""
        columns, placed = marks.lanes()
        found = int(np.searchsorted(placed.stream, stream))
        if columns is None or found == len(placed.stream) or placed.stream[found] != stream:
            # Only segments of unknown length: nothing has moved the carried state.
            values: dict[str, Any] = {name: self._state.lane[name][slot] for name in _SIDE}
        else:
            values = columns.state_before(found, begin)
        return [Side(**{name: values[name][direction].item() for name in _SIDE}) for direction in (0, 1)]

    def _settle(self, columns: LaneColumns, placed: Groups, marks: Marks) -> None:
        """Note who has sent SYN and SYN,ACK; clear the SYN,ACKs of simultaneous opens of the name retransmission."""
        lanes, syn = columns.lanes, columns.among_special(SYN)
        if not len(syn):
            return
        seen = columns.lane_state["syn_seen"].reshape(-1)
        segment = lanes.segment[syn]
        answers = (columns.flags[syn] & ACK) != 0
        again = answers & ((marks.mask[segment] & np.uint16(Mark.RETRANSMISSION)) != 0)
        if not self.as_tshark and again.any():
            at = syn[again]
            opened = _seen_before(syn[~answers], lanes, at, seen & _PURE_SYN_SENT)
            answered = _seen_before(syn[answers], lanes, at, seen & _SYN_ACK_SENT)
            both = _seen_before(syn[~answers], lanes, lanes.other[at] + 1, seen & _PURE_SYN_SENT)
            first = lanes.segment[at[opened & ~answered & both]]
            marks.mask[first] &= np.uint16(~Mark.RETRANSMISSION & 0xFFFF)
        seen[lanes.lane[syn[answers]]] |= np.uint8(_SYN_ACK_SENT)
        seen[lanes.lane[syn[~answers]]] |= np.uint8(_PURE_SYN_SENT)
        lane = lanes.lane[syn]
        self._state.lane["syn_seen"][placed.slot[lane >> 1], lane & 1] = seen[lane]


def _follow_completeness(
    segments: Segments, numbers: StreamNumbers, groups: Groups, flags: NDArray[np.uint16], carried: NDArray[Any]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return what each segment adds to tcp.completeness, in stream order, and what each stream had; carry it on.

    flags: uint16 (m,) in stream order; carried: STREAM_STATE (g,)
    """
    opened, reused = numbers.opened[groups.order], numbers.reused[groups.order]
    bits = completeness_bits(segments, groups, flags, opened, reused)
    before = carried["completeness"].copy()
    if len(bits):
        carried["completeness"] = before | np.bitwise_or.reduceat(bits, groups.start)
    return bits, before


def _seen_before(
    what: NDArray[np.int64], lanes: Lanes, at: NDArray[np.int64], carried: NDArray[Any]
) -> NDArray[np.bool_]:
    """Return whether one of the places ``what`` stands in the same lane before each place ``at``, or was carried."""
    lane = lanes.lane[at - 1]
    before = np.searchsorted(what, at) - np.searchsorted(what, lanes.head[lane])
    seen: NDArray[np.bool_] = (before > 0) | (carried[lane] != 0)
    return seen
