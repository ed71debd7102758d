"""The names of everything odd that a TCP segment can be, as Wireshark calls them, and their bits in a mask."""

from __future__ import annotations

from enum import IntFlag


class Mark(IntFlag):
    """Bits of ``Marks.mask``; lower-case names are tshark's, after ``tcp.analysis.``.

    RETRANSMISSION stands beside FAST_RETRANSMISSION and SPURIOUS_RETRANSMISSION, as tshark prints them.
    CAPTURED_TWICE is ours: the same packet seen a second time, at a mirror port or on the loopback.
    """

    RETRANSMISSION = 1 << 0
    FAST_RETRANSMISSION = 1 << 1
    SPURIOUS_RETRANSMISSION = 1 << 2
    OUT_OF_ORDER = 1 << 3
    LOST_SEGMENT = 1 << 4
    ACK_LOST_SEGMENT = 1 << 5
    DUPLICATE_ACK = 1 << 6
    KEEP_ALIVE = 1 << 7
    KEEP_ALIVE_ACK = 1 << 8
    ZERO_WINDOW = 1 << 9
    ZERO_WINDOW_PROBE = 1 << 10
    ZERO_WINDOW_PROBE_ACK = 1 << 11
    WINDOW_FULL = 1 << 12
    WINDOW_UPDATE = 1 << 13
    REUSED_PORTS = 1 << 14
    CAPTURED_TWICE = 1 << 15


MARK_NAMES: tuple[str, ...] = tuple(str(mark.name).lower() for mark in Mark)
"""``duplicate_ack`` and so on, in the order of the bits."""


def names_of(mask: int) -> list[str]:
    """Return the names of the marks in a mask, in the order of the bits.

    >>> names_of(Mark.RETRANSMISSION | Mark.ZERO_WINDOW)
    ['retransmission', 'zero_window']
    """
    return [name for bit, name in enumerate(MARK_NAMES) if mask >> bit & 1]
