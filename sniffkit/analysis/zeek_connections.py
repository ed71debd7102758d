"""Zeek's ``conn_state`` and ``history`` of every TCP stream, fed batch by batch.

Only packets that can write a letter or change a state are looked at one by one: those with SYN, FIN or RST, the first
data and the first bare ack of either side, zero windows and what was sent again. A stream with holes is read packet by
packet from its first hole on. A connection here is a stream as Wireshark numbers it; Zeek itself begins a new one after
some minutes of silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.endpoint_pairs import grown
from sniffkit.analysis.segments import ACK, FIN, RST, SYN
from sniffkit.analysis.tcp_mark_names import Mark
from sniffkit.analysis.zeek_shapes import ODD, Shapes
from sniffkit.analysis.zeek_states import ZeekConnection, is_turned

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from sniffkit.analysis.segments import Segments
    from sniffkit.analysis.streams import StreamNumbers
    from sniffkit.analysis.tcp_lanes import Groups
    from sniffkit.analysis.tcp_marks import Marks

_DATA, _ACK, _EVERY, _BEGUN = 1, 4, 16, 32
"""Bits kept of a stream: data seen (1, 2 by direction), a bare ack seen (4, 8), every packet is looked at, begun."""

_AGAIN = int(Mark.RETRANSMISSION | Mark.OUT_OF_ORDER | Mark.KEEP_ALIVE)
_HOLE = int(Mark.LOST_SEGMENT | Mark.ACK_LOST_SEGMENT)


@dataclass(frozen=True, slots=True)
class ZeekOutcome:
    """Zeek's two words on a connection; ``originator`` is 1 where the stream's second end is the originator."""

    conn_state: str
    history: str
    originator: int


class ZeekConnections:
    """What Zeek would write of each stream; one octet a stream beside the connections that are open.

    An ordinary connection is a number (its shape) and its few special packets; with the first packet out of the
    ordinary those are read again by the plain rules.
    """

    def __init__(self) -> None:
        self._shapes = Shapes()
        self._ordinary: dict[int, tuple[int, list[_Event]]] = {}
        self._connections: dict[int, ZeekConnection] = {}
        self._seen = np.zeros(0, np.uint8)

    def __len__(self) -> int:
        return len(self._connections) + len(self._ordinary)

    def outcome(self, stream: int) -> ZeekOutcome | None:
        """Return what Zeek would write of a stream now; None where it is not known, or was forgotten."""
        if (ordinary := self._ordinary.get(stream)) is not None:
            shapes, shape = self._shapes, ordinary[0]
            return ZeekOutcome(shapes.conn_state[shape], shapes.history[shape], shapes.originator[shape])
        if (connection := self._connections.get(stream)) is None:
            return None
        return ZeekOutcome(connection.conn_state(), connection.history, connection.originator)

    def forget(self, streams: Iterable[int]) -> None:
        """Let connections go; one that goes on begins anew, in its middle."""
        for stream in streams:
            known = self._connections.pop(stream, None) or self._ordinary.pop(stream, None)
            if known is not None:
                self._seen[stream] = 0

    def feed(self, segments: Segments, numbers: StreamNumbers, marks: Marks) -> None:
        """Bring the connections up to the next batch."""
        if not len(segments):
            return
        highest = int(numbers.stream.max()) + 1
        if highest > len(self._seen):
            self._seen = grown(self._seen, max(1024, highest + highest // 2))
        groups = marks.by_stream()
        events, holes = self._events(segments, numbers, marks, groups)
        at = np.flatnonzero(events)
        which = groups.order[at]
        own_highest, other_highest = marks.highest_before()
        rows = zip(
            numbers.stream[which].tolist(),
            _kinds(segments, marks, which, holes[at]).tolist(),
            numbers.direction[which].tolist(),
            segments.flags[which].tolist(),
            segments.sequence[which].tolist(),
            segments.acknowledgment[which].tolist(),
            segments.length[which].tolist(),
            segments.window[which].tolist(),
            (segments.captured >= segments.length)[which].tolist(),
            own_highest[which].tolist(),
            other_highest[which].tolist(),
            holes[at].tolist(),
            segments.source_port[which].tolist(),
            segments.destination_port[which].tolist(),
            which.tolist(),
            strict=True,
        )
        ordinary, connections, after = self._ordinary, self._connections, self._shapes.after
        waiting: dict[int, int] = {}
        for stream, kind, side, *event in rows:
            known = ordinary.get(stream)
            if known is not None:
                shape = after(known[0], side, kind)
                known[1].append((side, *event))
                if shape >= 0:
                    ordinary[stream] = shape, known[1]
                else:
                    del ordinary[stream]
                    connection = connections[stream] = _read_again(known[1])
                    self._watch(connection, stream, event[-1], waiting)
                continue
            connection_or_none = connections.get(stream)
            if connection_or_none is None:
                flags, source_port, destination_port = event[0], event[-3], event[-2]
                shape = after(self._shapes.first(side, is_turned(flags, source_port, destination_port)), side, kind)
                if shape >= 0:
                    ordinary[stream] = shape, [(side, *event)]
                    continue
                connection = connections[stream] = ZeekConnection(flags, source_port, destination_port, side)
            else:
                connection = connection_or_none
            _read(connection, (side, *event))
            self._watch(connection, stream, event[-1], waiting)
        for stream, row in waiting.items():
            self._read_on(segments, numbers, marks, groups, stream, row)

    @staticmethod
    def _watch(connection: ZeekConnection, stream: int, row: int, waiting: dict[int, int]) -> None:
        if connection.waits():
            waiting[stream] = row
        else:
            waiting.pop(stream, None)

    def _events(
        self, segments: Segments, numbers: StreamNumbers, marks: Marks, groups: Groups
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return the segments to look at, and those after a hole in their stream: bool (m,) each, in stream order."""
        order = groups.order
        flags, length = segments.flags[order], segments.length[order]
        mask = marks.mask[order]
        looked_at = (length >= 0) & ((mask & np.uint16(Mark.CAPTURED_TWICE)) == 0)
        some = length > 0
        seen = self._seen[groups.stream][groups.of]
        special = (flags & (SYN | FIN | RST)) != 0
        events = special | (segments.window[order] == 0) | (some & ((mask & np.uint16(_AGAIN)) != 0))
        for kind, bit in ((some & ~special, _DATA), (~some & ~special & ((flags & ACK) != 0), _ACK)):
            bits = np.where(groups.second, np.uint8(bit << 1), np.uint8(bit))
            new = np.flatnonzero(kind & looked_at & ((seen & bits) == 0))
            if len(new):
                _, first = np.unique(groups.of[new] * 2 + groups.second[new], return_index=True)
                events[new[first]] = True
                np.bitwise_or.at(self._seen, groups.stream[groups.of[new[first]]], bits[new[first]])
        begins = np.flatnonzero(looked_at & ((seen & _BEGUN) == 0))
        if len(begins):
            group, first = np.unique(groups.of[begins], return_index=True)
            events[begins[first]] = True
            self._seen[groups.stream[group]] |= np.uint8(_BEGUN)
        every = (seen & _EVERY) != 0
        hole = (mask & np.uint16(_HOLE)) != 0
        hole |= some & (segments.captured[order] < length)
        hole |= marks.told_singly()[order]
        hole &= looked_at
        holes = every
        at = np.flatnonzero(hole & ~every)
        if len(at):
            group, first = np.unique(groups.of[at], return_index=True)
            begin = np.full(len(groups.start), len(order))
            begin[group] = at[first]
            place = np.arange(len(order))
            events |= place >= begin[groups.of]
            holes = every | (place > begin[groups.of])  # at the first one the numbers before it still hold
            self._seen[groups.stream[group]] |= np.uint8(_EVERY)
        return (events | every) & looked_at, holes

    def _read_on(
        self, segments: Segments, numbers: StreamNumbers, marks: Marks, groups: Groups, stream: int, row: int
    ) -> None:
        """Read all packets after ``row`` of a stream with an end that is still to wake."""
        group = int(np.searchsorted(groups.stream, stream))
        if self._seen[stream] & _EVERY:
            return
        self._seen[stream] |= np.uint8(_EVERY)
        end = int(groups.start[group + 1]) if group + 1 < len(groups.start) else len(groups.order)
        mine = groups.order[int(groups.start[group]) : end]
        twice = (marks.mask[mine] & np.uint16(Mark.CAPTURED_TWICE)) != 0
        connection = self._connections[stream]
        for at in mine[(mine > row) & (segments.length[mine] >= 0) & ~twice].tolist():
            connection.packet(
                int(numbers.direction[at]),
                int(segments.flags[at]),
                int(segments.sequence[at]),
                int(segments.acknowledgment[at]),
                int(segments.length[at]),
                int(segments.window[at]),
                bool(segments.captured[at] >= segments.length[at]),
            )


_Event = tuple[int, ...]
"""side, flags, sequence, acknowledgment, length, window, captured, highest numbers, hole, ports, segment."""


def _read(connection: ZeekConnection, event: _Event) -> None:
    """Give an event to a connection."""
    side, flags, sequence, acknowledgment, length, window, captured, own, other, hole, *_ = event
    if not hole:
        connection.catch_up(side, own, other)
    connection.packet(side, flags, sequence, acknowledgment, length, window, bool(captured))


def _read_again(events: list[_Event]) -> ZeekConnection:
    """Return the connection that went through these events."""
    side, flags, *_, source_port, destination_port, _ = events[0]
    connection = ZeekConnection(flags, source_port, destination_port, side)
    for event in events:
        _read(connection, event)
    return connection


def _kinds(segments: Segments, marks: Marks, which: NDArray[np.int64], hole: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the kind of packet (place in KINDS) of each event; ODD for everything out of the ordinary."""
    flags, length = segments.flags[which], segments.length[which]
    three = flags & (SYN | FIN | RST)
    ack = (flags & ACK) != 0
    kind = np.select(
        [three == SYN, three == FIN, three == RST, (three == 0) & ack],
        [np.where(ack, 2, 1), np.where(ack, 5, ODD), 6, np.where(length > 0, 4, 3)],
        ODD,
    )
    odd = hole | (segments.window[which] == 0) & (three != RST)
    odd |= (marks.mask[which] & np.uint16(_AGAIN | _HOLE)) != 0
    odd |= ((three & (SYN | RST)) != 0) & (length > 0) | (segments.captured[which] < length)
    return np.where(odd, ODD, kind)
