"""Zeek's ``conn_state`` and ``history`` of every TCP stream, fed batch by batch.

Only packets that can write a letter or change a state are looked at one by one: those with SYN, FIN or RST, the first
data and the first bare ack of either side, zero windows and what was sent again. A stream with a hole is read packet
by packet until the hole is filled. A connection here is a stream as Wireshark numbers it; Zeek itself begins a new one
after some minutes of silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.endpoint_pairs import grown
from sniffkit.analysis.segments import ACK, FIN, RST, SYN
from sniffkit.analysis.tcp.mark_names import Mark
from sniffkit.analysis.zeek.shapes import ODD, Shapes
from sniffkit.analysis.zeek.states import ZeekConnection, is_turned

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from sniffkit.analysis.segments import Segments
    from sniffkit.analysis.streams import StreamNumbers
    from sniffkit.analysis.tcp.lanes import Groups
    from sniffkit.analysis.tcp.marks import Marks

_DATA, _ACK, _BROKEN, _BEGUN = 1, 4, 16, 32
"""Bits kept of a stream: data seen (1, 2 by direction), a bare ack seen (4, 8), it has a hole, it has begun."""

_AT_A_TIME = 32
"""So many packets of a stream with a hole are unpacked together; most holes are filled sooner."""

_AGAIN = int(Mark.RETRANSMISSION | Mark.OUT_OF_ORDER | Mark.KEEP_ALIVE)
_HOLE = int(Mark.LOST_SEGMENT | Mark.ACK_LOST_SEGMENT)


@dataclass(frozen=True, slots=True)
class ZeekOutcome:
    """Zeek's two words on a connection; ``originator`` is 1 where the stream's second end is the originator."""

    conn_state: str
    history: str
    originator: int


@dataclass(frozen=True, slots=True)
class _Batch:
    """One batch while it is read.

    singly: bool (m,) segments whose numbers the marks told one by one; before, other: uint32 (m,) highest number
    of the sender before each segment, and of the other side
    """

    segments: Segments
    numbers: StreamNumbers
    marks: Marks
    groups: Groups
    singly: NDArray[np.bool_]
    before: NDArray[np.uint32]
    other: NDArray[np.uint32]


class ZeekConnections:
    """What Zeek would write of each stream; one octet a stream beside the connections that are open.

    An ordinary connection is a number (its shape) and its few special packets; with the first packet out of the
    ordinary those are read again by the plain rules.

    cut_is_hole: payload cut by the snap length counts as not seen, as in Zeek. A capture of headers only then has a G
    or g in every history, which says nothing of the network.
    """

    def __init__(self, *, cut_is_hole: bool = False) -> None:
        self.cut_is_hole = cut_is_hole
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
        batch = _Batch(segments, numbers, marks, marks.by_stream(), marks.told_singly(), *marks.highest_before())
        at, unread = self._events(batch)
        which = batch.groups.order[at]
        rows = zip(
            numbers.stream[which].tolist(),
            self._kinds(batch, which, unread).tolist(),
            numbers.direction[which].tolist(),
            segments.flags[which].tolist(),
            segments.sequence[which].tolist(),
            segments.acknowledgment[which].tolist(),
            segments.length[which].tolist(),
            segments.window[which].tolist(),
            self._whole(segments)[which].tolist(),
            batch.before[which].tolist(),
            batch.other[which].tolist(),
            unread.tolist(),
            segments.source_port[which].tolist(),
            segments.destination_port[which].tolist(),
            which.tolist(),
            strict=True,
        )
        ordinary, connections, after = self._ordinary, self._connections, self._shapes.after
        current = read_to = -1
        for stream, kind, side, *event in rows:
            row = event[-1]
            if stream != current:
                current, read_to = stream, -1
            elif row <= read_to:
                continue
            if (known := ordinary.get(stream)) is not None:
                shape = after(known[0], side, kind)
                known[1].append((side, *event))
                if shape >= 0:
                    ordinary[stream] = shape, known[1]
                    continue
                del ordinary[stream]
                connection = connections[stream] = _read_again(known[1])
            else:
                found = connections.get(stream)
                if found is None:
                    first = event[0], event[-3], event[-2]  # flags and ports
                    shape = after(self._shapes.first(side, is_turned(*first)), side, kind)
                    if shape >= 0:
                        ordinary[stream] = shape, [(side, *event)]
                        continue
                    found = connections[stream] = ZeekConnection(*first, side)
                connection = found
                _read(connection, (side, *event))
            if batch.singly[row]:
                connection.wild = True
            if connection.is_broken():
                read_to = self._read_on(batch, connection, stream, row)

    def _whole(self, segments: Segments) -> NDArray[np.bool_]:
        """Return which segments' payload counts as seen: bool (m,)."""
        if self.cut_is_hole:
            return segments.captured >= segments.length
        return np.ones(len(segments), np.bool_)

    def _events(self, batch: _Batch) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the places in stream order to look at, int64 (k,), and which continue a stream with a hole."""
        segments, marks, groups = batch.segments, batch.marks, batch.groups
        order = groups.order
        flags, length = segments.flags[order], segments.length[order]
        mask = marks.mask[order]
        looked_at = (length >= 0) & ((mask & np.uint16(Mark.CAPTURED_TWICE)) == 0)
        some = length > 0
        seen = self._seen[groups.stream][groups.of]
        special = (flags & (SYN | FIN | RST)) != 0
        events = special | (segments.window[order] == 0) | (some & ((mask & np.uint16(_AGAIN)) != 0))
        events |= (mask & np.uint16(_HOLE)) != 0
        events |= batch.singly[order]
        if self.cut_is_hole:
            events |= segments.captured[order] < length
        for kind, bit in ((some & ~special, _DATA), (~some & ~special & ((flags & ACK) != 0), _ACK)):
            bits = np.where(groups.second, np.uint8(bit << 1), np.uint8(bit))
            new = np.flatnonzero(kind & looked_at & ((seen & bits) == 0))
            if len(new):
                _, first = np.unique(groups.of[new] * 2 + groups.second[new], return_index=True)
                events[new[first]] = True
                np.bitwise_or.at(self._seen, groups.stream[groups.of[new[first]]], bits[new[first]])
        unread = np.zeros(len(order), np.bool_)
        begins = np.flatnonzero(looked_at & ((seen & (_BEGUN | _BROKEN)) != _BEGUN))
        if len(begins):
            group, first = np.unique(groups.of[begins], return_index=True)
            begins = begins[first]
            events[begins] = True
            unread[begins] = (seen[begins] & _BROKEN) != 0
            # The hole may be filled by this very packet: whether it is still there is noted when it was read.
            kept = self._seen[groups.stream[group]] & np.uint8(~_BROKEN & 0xFF)
            self._seen[groups.stream[group]] = kept | np.uint8(_BEGUN)
        at = np.flatnonzero(events & looked_at)
        return at, unread[at]

    def _kinds(self, batch: _Batch, which: NDArray[np.int64], unread: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the kind of packet (place in KINDS) of each event; ODD for everything out of the ordinary."""
        segments = batch.segments
        flags, length = segments.flags[which], segments.length[which]
        three = flags & (SYN | FIN | RST)
        ack = (flags & ACK) != 0
        kind = np.select(
            [three == SYN, three == FIN, three == RST, (three == 0) & ack],
            [np.where(ack, 2, 1), np.where(ack, 5, ODD), 6, np.where(length > 0, 4, 3)],
            ODD,
        )
        odd = unread | batch.singly[which] | (segments.window[which] == 0) & (three != RST)
        odd |= (batch.marks.mask[which] & np.uint16(_AGAIN | _HOLE)) != 0
        odd |= ((three & (SYN | RST)) != 0) & (length > 0) | ~self._whole(segments)[which]
        return np.where(odd, ODD, kind)

    def _read_on(self, batch: _Batch, connection: ZeekConnection, stream: int, row: int) -> int:
        """Read every packet after ``row`` until the connection has no hole any more; return the last one read."""
        segments, groups = batch.segments, batch.groups
        group = int(np.searchsorted(groups.stream, stream))
        end = int(groups.start[group + 1]) if group + 1 < len(groups.start) else len(groups.order)
        begin = int(groups.start[group])
        begin += int(np.searchsorted(groups.order[begin:end], row, side="right"))
        whole = self._whole(segments)
        while begin < end:
            mine = groups.order[begin : min(begin + _AT_A_TIME, end)]
            begin += _AT_A_TIME
            twice = (batch.marks.mask[mine] & np.uint16(Mark.CAPTURED_TWICE)) != 0
            mine = mine[(segments.length[mine] >= 0) & ~twice]
            packets = zip(
                mine.tolist(),
                batch.numbers.direction[mine].tolist(),
                segments.flags[mine].tolist(),
                segments.sequence[mine].tolist(),
                segments.acknowledgment[mine].tolist(),
                segments.length[mine].tolist(),
                segments.window[mine].tolist(),
                whole[mine].tolist(),
                strict=True,
            )
            for at, *packet in packets:
                connection.packet(*packet)
                if not connection.is_broken():
                    return int(at)
        self._seen[stream] |= np.uint8(_BROKEN)
        return len(segments)


_Event = tuple[int, ...]
"""side, flags, sequence, acknowledgment, length, window, seen, highest numbers, unread before, ports, segment."""


def _read(connection: ZeekConnection, event: _Event) -> None:
    """Give an event to a connection."""
    side, flags, sequence, acknowledgment, length, window, captured, own, other, unread, *_ = event
    if not unread:
        connection.catch_up(side, own, other)
    connection.packet(side, flags, sequence, acknowledgment, length, window, bool(captured))


def _read_again(events: list[_Event]) -> ZeekConnection:
    """Return the connection that went through these events."""
    side, flags, *_, source_port, destination_port, _ = events[0]
    connection = ZeekConnection(flags, source_port, destination_port, side)
    for event in events:
        _read(connection, event)
    return connection
