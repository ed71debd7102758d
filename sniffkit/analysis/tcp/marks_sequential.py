"""The marks of TCP segments one packet at a time: the plain rules, which the column form must equal.

Only streams in which the column form could go wrong come here (sequence numbers that jump by half their range, a
zero window probed, a SYN sent again after data). What Wireshark 4.0 calls by the same names is judged the same way.
"""

from __future__ import annotations

from dataclasses import dataclass

from sniffkit.analysis.segments import ACK, FIN, RST, SYN
from sniffkit.analysis.tcp.mark_names import Mark

_MODULO = 0xFFFFFFFF
_HALF = 0x80000000
FAST_WITHIN_NS = 20_000_000
"""A segment sent again this soon after duplicate acknowledgments is called a fast retransmission."""
REORDERED_WITHIN_NS = 3_000_000
"""An old segment this soon after newer ones was overtaken on the way, if no round-trip time is known."""
MOST_UNACKNOWLEDGED = 10_000
"""Wireshark keeps this many unacknowledged segments; the number of a SYN or FIN past them is not counted."""
NO_WINDOW = 0xFFFFFFFF
"""The window of a side that has sent nothing yet."""

# Plain numbers: `mask |= Mark.X` would build an enum member for every packet.
_RETRANSMISSION, _FAST, _SPURIOUS = (
    int(Mark.RETRANSMISSION),
    int(Mark.FAST_RETRANSMISSION),
    int(Mark.SPURIOUS_RETRANSMISSION),
)
_OUT_OF_ORDER, _LOST, _ACK_LOST = int(Mark.OUT_OF_ORDER), int(Mark.LOST_SEGMENT), int(Mark.ACK_LOST_SEGMENT)
_DUPLICATE, _KEEP_ALIVE, _KEEP_ALIVE_ACK = (
    int(Mark.DUPLICATE_ACK),
    int(Mark.KEEP_ALIVE),
    int(Mark.KEEP_ALIVE_ACK),
)
_ZERO, _PROBE, _PROBE_ACK = int(Mark.ZERO_WINDOW), int(Mark.ZERO_WINDOW_PROBE), int(Mark.ZERO_WINDOW_PROBE_ACK)
_FULL, _UPDATE = int(Mark.WINDOW_FULL), int(Mark.WINDOW_UPDATE)


@dataclass(slots=True)
class Side:
    """What is remembered of one direction of a stream.

    next:      highest sequence number after a segment so far, 0 = none yet; next_time_ns: when that came
    edge:      the same, as far as nothing is missing before it
    ack, ack_time_ns, window: of the last packet, whatever its flags
    last:      KEEP_ALIVE or ZERO_WINDOW_PROBE if the last packet was that
    duplicates: duplicate acknowledgments since ``change``, the frame in which ``ack`` last changed;
               -1 after the other side acknowledged octets that were never seen
    first_ack: the last packet with SYN or ACK had SYN
    unacknowledged: segments sent since the other side's acknowledgment number last changed
    """

    next: int = 0
    next_time_ns: int = 0
    edge: int = 0
    ack: int = 0
    ack_time_ns: int = 0
    window: int = NO_WINDOW
    last: int = 0
    duplicates: int = 0
    change: int = 0
    first_ack: bool = False
    unacknowledged: int = 0


@dataclass(slots=True)
class Packet:
    """One segment of a stream, with what the stream had settled before it.

    length: payload octets, -1 unknown; repeats_syn: a SYN without ACK whose number its direction began with;
    other_scale: window scale of the other side, -1 unknown, -2 not used; initial_rtt_ns: 0 = not known yet
    """

    direction: int
    number: int
    time_ns: int
    sequence: int
    acknowledgment: int
    flags: int
    window: int
    length: int
    repeats_syn: bool
    other_scale: int
    initial_rtt_ns: int


def after(a: int, b: int) -> bool:
    """Return whether sequence number ``a`` is after ``b`` modulo 2^32 (at a distance of 2^31 both ways hold)."""
    return ((b - a) & _MODULO) >= _HALF


def mark_packet(packet: Packet, own: Side, other: Side) -> tuple[int, int]:
    """Return the marks of a packet and which duplicate ack in a row it is (0: none), and bring both sides up to it.

    own, other: sender's and receiver's side
    """
    if packet.repeats_syn:
        own.next = own.edge
    flags = packet.flags
    first_ack = bool(flags & SYN) if flags & (SYN | ACK) else own.first_ack
    if packet.length < 0:
        own.first_ack = first_ack
        return 0, 0
    length, sequence, ack, window = packet.length, packet.sequence, packet.acknowledgment, packet.window
    closing = flags & (SYN | FIN | RST)
    extra = 1 if flags & (SYN | FIN) else 0
    upcoming = own.next
    mask = duplicate = 0
    if length == 1 and sequence == upcoming and other.window == 0:
        mask = _PROBE
    else:
        if window == 0 and not closing:
            mask |= _ZERO
        if upcoming and after(sequence, upcoming) and not flags & RST:
            mask |= _LOST
        if length <= 1 and sequence == (upcoming - 1) & _MODULO and not closing:
            mask |= _KEEP_ALIVE
        still = length == 0 and sequence == upcoming and ack == own.ack and not closing
        if still and window and window != own.window:
            mask |= _UPDATE
        if length > 0 and not closing and packet.other_scale != -1 and _fills_window(packet, other):
            mask |= _FULL
        if still and window == own.window:
            if window and other.last & _KEEP_ALIVE:
                mask |= _KEEP_ALIVE_ACK
            elif not window and other.last & _PROBE:
                mask |= _PROBE_ACK
            elif window:
                mask |= _DUPLICATE
                own.duplicates = duplicate = max(own.duplicates, 0) + 1
    if ack != own.ack:
        own.change = packet.number
        own.duplicates = 0
        other.unacknowledged = 0
    if flags & ACK and other.edge and after(ack, other.edge):
        if after(other.next, other.edge):
            other.edge = other.next
            mask |= _ACK_LOST
        else:
            if other.duplicates == 0:
                mask |= _ACK_LOST
            other.duplicates = -1
    if (length > 0 or extra) and not mask & _KEEP_ALIVE:
        mask |= _sent_again(packet, extra, own, other)
    if extra and own.unacknowledged >= MOST_UNACKNOWLEDGED:
        extra = 0
    if length > 0 or flags & (SYN | FIN):
        own.unacknowledged += 1
    if not mask & _PROBE:
        end = (sequence + length + extra) & _MODULO
        if not own.next or after(end, own.next):
            own.next = end
            own.next_time_ns = packet.time_ns
        if not own.edge or sequence == own.edge:
            own.edge = own.next
    own.window = window
    own.ack = ack
    own.ack_time_ns = packet.time_ns
    own.last = mask & (_KEEP_ALIVE | _PROBE)
    own.first_ack = first_ack
    return mask, duplicate


def _fills_window(packet: Packet, other: Side) -> bool:
    """Return whether a segment ends exactly where the window the other side last announced ends."""
    scale = 0 if other.first_ack or packet.other_scale < 0 else packet.other_scale
    return (packet.sequence + packet.length - other.ack - (other.window << scale)) & _MODULO == 0


def _sent_again(packet: Packet, extra: int, own: Side, other: Side) -> int:
    """Return which kind of repetition or reordering an old segment is, or 0; the first that fits."""
    sequence, length, now = packet.sequence, packet.length, packet.time_ns
    upcoming = own.next
    end = (sequence + length) & _MODULO
    if length > 0 and other.ack and (end == other.ack or after(other.ack, end)):
        return _RETRANSMISSION | _SPURIOUS
    if not upcoming or not after(upcoming, sequence):
        return 0
    if length > 1 and sequence == (upcoming - 1) & _MODULO:
        return 0
    if (
        (other.duplicates >= 2 or other.duplicates == -1)
        and other.ack == sequence
        and 0 <= now - other.ack_time_ns < FAST_WITHIN_NS
    ):
        return _RETRANSMISSION | _FAST
    limit = packet.initial_rtt_ns or REORDERED_WITHIN_NS
    # Unsigned, as in Wireshark: where time runs backward a difference below zero is a very large one.
    if (now - own.next_time_ns) % 2**64 < limit % 2**64 and (end + extra) & _MODULO != upcoming:
        return _OUT_OF_ORDER
    return _RETRANSMISSION
