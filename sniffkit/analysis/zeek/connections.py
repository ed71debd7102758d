"""Zeek's ``conn_state`` and ``history`` of every TCP stream, fed batch by batch.

The plain rules (``states``) look at every packet that could write a letter or change a state. *Quiet* ones are passed
over: data that goes on where its sender stopped, and acks of nothing unseen, once their letters are written. All they
do is move numbers, which are caught up with before the next packet is looked at; so what is told is what looking at
every packet would tell, wherever a batch ends. A connection here is a stream as Wireshark numbers it; Zeek itself
begins a new one after some minutes of silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.endpoint_pairs import distinct, grown
from sniffkit.analysis.segments import ACK, FIN, RST, SYN
from sniffkit.analysis.tcp.mark_names import Mark
from sniffkit.analysis.zeek.states import ZeekConnection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from sniffkit.analysis.segments import Segments
    from sniffkit.analysis.streams import StreamNumbers
    from sniffkit.analysis.tcp.marks import Marks
    from sniffkit.analysis.tcp.word_events import Events

_DATA, _ACK, _QUIETLY = 1, 4, 16
"""Bits kept of a stream: data seen (1, 2 by direction), a bare ack seen (4, 8), quiet packets may be passed over."""

_AT_A_TIME = 32
"""So many packets are unpacked together where every one is looked at; mostly the first few are enough."""

_NEAR = 1 << 29
"""A number this far back is not taken for an old one without a look."""

_BLOCK = np.uint32(1 << 29)
"""Data that reaches another multiple of this is looked at, so that no more is passed over than 32 bits can tell."""


@dataclass(frozen=True, slots=True)
class ZeekOutcome:
    """Zeek's two words on a connection; ``originator`` is 1 where the stream's second end is the originator."""

    conn_state: str
    history: str
    originator: int


class _Rows:
    """The packets of a batch that are looked at or passed over, stream by stream, capture order within.

    row:     int64 (m,) the segment; stream, start: int64 (g,) of each stream, and where it begins; of: int64 (m,)
    highest: uint32 (2, m) highest sequence number sent before each packet in direction 0 and 1, 0 = none yet
    quiet:   bool (m,) packets that move nothing but numbers where their letters are written
    """

    def __init__(self, segments: Segments, marks: Marks, whole: NDArray[np.bool_]) -> None:
        """Lay out a batch; whole: bool, by segment: its payload counts as seen."""
        groups = marks.by_stream()
        order, second, of = groups.order, groups.second, groups.of
        known = (segments.length[order] >= 0) & ((marks.mask[order] & np.uint16(Mark.CAPTURED_TWICE)) == 0)
        if not known.all():
            order, second, of = order[known], second[known], of[known]
        self.row, self.second = order, second
        begins = np.append(True, of[1:] != of[:-1])[: len(of)]
        self.start, self.of = np.flatnonzero(begins), np.cumsum(begins) - 1
        self.stream = groups.stream[of[self.start]]
        own, other = (highest[order] for highest in marks.highest_before())
        self.highest = np.where(second, (other, own), (own, other))
        self.flags, self.length = segments.flags[order], segments.length[order]
        behind = (segments.sequence[order] - own).view(np.int32)
        beyond = (segments.acknowledgment[order] - other).view(np.int32)
        quiet: NDArray[np.bool_] = (self.flags & (SYN | FIN | RST | ACK)) == ACK
        quiet &= (segments.window[order] != 0) & (own != 0) & whole[order]
        quiet &= (behind <= 0) & (behind > np.where(self.length > 0, -1, -_NEAR))
        quiet &= ((beyond <= 0) & (beyond > -_NEAR)) | (other == 0)
        quiet &= ((own ^ (segments.sequence[order] + self.length.astype(np.uint32))) < _BLOCK) | (self.length <= 0)
        quiet &= ~marks.told_singly()[order]  # the highest numbers are not known there
        self.quiet = quiet


class ZeekConnections:
    """What Zeek would write of each stream; one octet a stream beside the connections that are open.

    cut_is_hole: payload cut by the snap length counts as not seen, as in Zeek. A capture of headers only then has a G
    or g in every history, which says nothing of the network.
    """

    def __init__(self, *, cut_is_hole: bool = False) -> None:
        self.cut_is_hole = cut_is_hole
        self._connections: dict[int, ZeekConnection] = {}
        self._seen = np.zeros(0, np.uint8)

    def __len__(self) -> int:
        return len(self._connections)

    def outcome(self, stream: int) -> ZeekOutcome | None:
        """Return what Zeek would write of a stream now; None where it is not known, or was forgotten."""
        if (connection := self._connections.get(stream)) is None:
            return None
        return ZeekOutcome(connection.conn_state(), connection.history, connection.originator)

    def forget(self, streams: Iterable[int]) -> None:
        """Let connections go; one that goes on begins anew, in its middle."""
        for stream in streams:
            if self._connections.pop(stream, None) is not None:
                self._seen[stream] = 0

    def feed(self, segments: Segments, numbers: StreamNumbers, marks: Marks) -> None:
        """Bring the connections up to the next batch."""
        if not len(segments):
            return
        self._reserve(numbers.stream)
        whole = self._whole(segments)
        rows = _Rows(segments, marks, whole)
        count = len(rows.row)
        events = self._events(rows)
        at = np.flatnonzero(events)
        which = rows.row[at]
        # Whether a quiet packet follows, and where all that could be passed over from there on would begin.
        follows = np.append(~events[1:] & (rows.of[1:] == rows.of[:-1]), False)[at] if count else at
        after = np.minimum(at + 1, count - 1)
        packets = zip(
            at.tolist(),
            rows.stream[rows.of[at]].tolist(),
            *(column.tolist() for column in rows.highest[:, at]),
            follows.tolist(),
            *(column.tolist() for column in rows.highest[:, after]),
            *_columns(segments, rows.second[at], which, whole),
            strict=True,
        )
        connections = self._connections
        read_to = -1
        quietly: dict[int, bool] = {}
        for place, stream, one, other, follow, next_one, next_other, *packet in packets:
            if place <= read_to:
                continue
            connection = connections.get(stream)
            if connection is None:
                row = rows.row[place]
                ports = int(segments.source_port[row]), int(segments.destination_port[row])
                connection = connections[stream] = ZeekConnection(packet[1], *ports, packet[0])
            if connection.quietly:
                connection.catch_up(one, other)
            connection.packet(*packet)
            connection.quietly = False
            if follow:
                connection.quietly = connection.is_in_step(next_one, next_other)
                if not connection.quietly:
                    read_to = self._read_on(segments, rows, whole, connection, place + 1)
            quietly[stream] = connection.quietly
        streams = np.fromiter(quietly, np.int64, len(quietly))
        passed_over = np.where(np.fromiter(quietly.values(), np.bool_, len(quietly)), np.uint8(_QUIETLY), np.uint8(0))
        self._seen[streams] = self._seen[streams] & np.uint8(~_QUIETLY & 0xFF) | passed_over

    def recall(self, events: Events) -> None:
        """Follow ordinary connections again by the events of their words; what lies between two of those is quiet."""
        columns = (events.stream, events.own, events.other, events.side, events.flags)
        numbers = (events.sequence, events.acknowledgment, events.length, events.window)
        rows = zip(*(column.tolist() for column in (*columns, *numbers)), strict=True)
        connections = self._connections
        for stream, own, other, side, flags, *rest in rows:
            connection = connections.get(stream)
            if connection is None:  # a word begins with a SYN: ports have no say in who is the originator
                connection = connections[stream] = ZeekConnection(flags, 0, 0, side)
            connection.catch_up(*((other, own) if side else (own, other)), forward=True)
            connection.packet(side, flags, *rest)
            connection.quietly = True
        streams = distinct(events.stream)
        self._reserve(streams)
        for stream in streams.tolist():
            letters = [end.seen for end in connections[stream].ends]
            seen = [
                bit << side for bit, name in ((_DATA, "D"), (_ACK, "A")) for side in (0, 1) if name in letters[side]
            ]
            self._seen[stream] = _QUIETLY | sum(seen)

    def _reserve(self, streams: NDArray[np.int64]) -> None:
        """Make room for stream numbers."""
        highest = int(streams.max(initial=0)) + 1
        if highest > len(self._seen):
            self._seen = grown(self._seen, max(1024, highest + highest // 2))

    def _whole(self, segments: Segments) -> NDArray[np.bool_]:
        """Return which segments' payload counts as seen: bool (m,)."""
        if self.cut_is_hole:
            return segments.captured >= segments.length
        return np.ones(len(segments), np.bool_)

    def _events(self, rows: _Rows) -> NDArray[np.bool_]:
        """Return which packets must be looked at: bool (m,)."""
        events = ~rows.quiet
        seen = self._seen[rows.stream]
        events[rows.start[(seen & _QUIETLY) == 0]] = True
        plain = (rows.flags & (SYN | FIN | RST)) == 0
        some = rows.length > 0
        for kind, bit in ((plain & some, _DATA), (plain & ~some & ((rows.flags & ACK) != 0), _ACK)):
            bits = np.where(rows.second, np.uint8(bit << 1), np.uint8(bit))
            new = np.flatnonzero(kind & ((seen[rows.of] & bits) == 0))
            if len(new):
                _, first = np.unique(rows.of[new] * 2 + rows.second[new], return_index=True)
                new = new[first]
                events[new] = True
                np.bitwise_or.at(self._seen, rows.stream[rows.of[new]], bits[new])
        return events

    def _read_on(
        self, segments: Segments, rows: _Rows, whole: NDArray[np.bool_], connection: ZeekConnection, place: int
    ) -> int:
        """Read packet by packet from a place on until quiet ones can be passed over; return the last place read."""
        group = int(rows.of[place])
        end = int(rows.start[group + 1]) if group + 1 < len(rows.start) else len(rows.row)
        size = _AT_A_TIME
        while place < end:
            part = slice(place, min(place + size, end))
            after = np.minimum(np.arange(part.start, part.stop) + 1, end - 1)
            packets = zip(
                *(column.tolist() for column in rows.highest[:, after]),
                *_columns(segments, rows.second[part], rows.row[part], whole),
                strict=True,
            )
            for next_one, next_other, *packet in packets:
                connection.packet(*packet)
                place += 1
                if place < end and connection.is_in_step(next_one, next_other):
                    connection.quietly = True
                    return place - 1
            size *= 4
        return end - 1


def _columns(
    segments: Segments, second: NDArray[np.bool_], which: NDArray[np.int64], whole: NDArray[np.bool_]
) -> tuple[list[int], ...]:
    """Return what ``ZeekConnection.packet`` asks for, of the segments ``which``."""
    return (
        second.astype(np.int64).tolist(),
        segments.flags[which].tolist(),
        segments.sequence[which].tolist(),
        segments.acknowledgment[which].tolist(),
        segments.length[which].tolist(),
        segments.window[which].tolist(),
        whole[which].tolist(),
    )
