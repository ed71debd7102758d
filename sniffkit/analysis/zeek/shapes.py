"""Ordinary connections by looking up: what a plain packet does to a connection is worked out once and remembered.

Nearly all connections go through the same few shapes: nothing, S, Sh, ShA, ShAD ... While no packet is out of the
ordinary, sequence numbers decide nothing, so a shape and a kind of packet give the next shape. The first time this
happens the plain rules (``zeek_states``) are asked, with made-up numbers that fit; then it is a look-up.
"""

from __future__ import annotations

from copy import deepcopy

from sniffkit.analysis.segments import ACK, FIN, RST, SYN
from sniffkit.analysis.zeek.states import ZeekConnection

ODD = 0
"""A packet that must go through the plain rules."""

KINDS: tuple[tuple[str, int, int], ...] = (
    ("", 0, 0),
    ("S", SYN, 0),
    ("S", SYN | ACK, 0),
    ("A", ACK, 0),
    ("D", ACK, 10),
    ("F", FIN | ACK, 0),
    ("R", RST, 0),
)
"""Letter that a kind of packet can be given once a side, its flags and payload octets."""

_ODD_SHAPE = -1


class Shapes:
    """All shapes met so far, numbered; a shape is a connection whose numbers are made up.

    originator, history, conn_state: of each shape
    """

    def __init__(self) -> None:
        self._connections: list[ZeekConnection] = []
        self._numbers: dict[tuple[object, ...], int] = {}
        self._next: dict[int, int] = {}
        self._first: dict[tuple[int, bool], int] = {}
        self.originator: list[int] = []
        self.history: list[str] = []
        self.conn_state: list[str] = []

    def first(self, side: int, turned: bool) -> int:
        """Return the shape of a connection before its first packet, sent by ``side``."""
        found = self._first.get((side, turned))
        if found is None:
            connection = ZeekConnection(SYN, 0, 0, side)
            if turned:
                connection.originator = 1 - side
                connection.history = "^"
            found = self._first[side, turned] = self._number(connection)
        return found

    def after(self, shape: int, side: int, kind: int) -> int:
        """Return the shape after a packet, -1 if the plain rules must be asked (something happened again)."""
        code = shape << 4 | side << 3 | kind
        found = self._next.get(code)
        if found is None:
            found = self._next[code] = self._work_out(shape, side, kind)
        return found

    def _work_out(self, shape: int, side: int, kind: int) -> int:
        letter, flags, length = KINDS[kind]
        connection = deepcopy(self._connections[shape])
        own, peer = connection.ends[side], connection.ends[1 - side]
        if letter in own.seen or kind == ODD or (letter == "R" and "R" in peer.seen):
            return _ODD_SHAPE
        sequence = own.last if own.seen else 1000 * (1 + side) + (letter != "S")
        acknowledgment = (peer.last if peer.seen else 1000 * (2 - side) + 1) if flags & ACK else 0
        connection.packet(side, flags, sequence, acknowledgment, length, 1000)
        return _ODD_SHAPE if connection.waits() else self._number(connection)

    def _number(self, connection: ZeekConnection) -> int:
        ends = ((end.state, end.previous, end.seen) for end in connection.ends)
        key = (connection.originator, connection.history, *ends)
        number = self._numbers.setdefault(key, len(self._connections))
        if number == len(self._connections):
            self._connections.append(connection)
            self.originator.append(connection.originator)
            self.history.append(connection.history)
            self.conn_state.append(connection.conn_state())
        return number
