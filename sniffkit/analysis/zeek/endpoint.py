"""One end of a connection as Zeek knows it: a state, the numbers it is measured from, the letters it has had."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from enum import IntEnum
from operator import itemgetter

_MODULO = 0xFFFFFFFF
_HALF = 0x80000000
_MOST_ABOVE_A_HOLE = 16 * 1024
"""With more octets than this above a hole and nothing acknowledged Zeek stops putting them together."""


MOST_BLOCKS = 4096
"""So many blocks above holes are kept of an end (half a megabyte); past that its lowest hole is taken for filled."""

_FAR = 1 << 30
"""Up to here a number is measured from the start, later from the highest one sent, so that rounds of 4 GiB count."""


class EndpointState(IntEnum):
    """What Zeek knows of one end; not the states of RFC 9293, which need both ends to be seen."""

    INACTIVE = 0
    SYN_SENT = 1
    SYN_ACK_SENT = 2
    PARTIAL = 3
    ESTABLISHED = 4
    CLOSED = 5
    RESET = 6


# Plain numbers: a comparison with an enum member costs ten times as much, and there are some for every packet.
INACTIVE, SYN_SENT, SYN_ACK_SENT, PARTIAL, ESTABLISHED, CLOSED, RESET = (int(state) for state in EndpointState)
HANDSHAKE = (SYN_SENT, SYN_ACK_SENT)
IDLE = (INACTIVE, PARTIAL)


def signed(difference: int) -> int:
    """Return a difference of sequence numbers as a signed number (RFC 9293 section 3.4)."""
    return ((difference + _HALF) & _MODULO) - _HALF


class Endpoint:
    """One end: its state, the numbers it is measured from, and the letters it has had.

    start: sequence number that counts as 0; last, acked: highest sent and highest acknowledged (not relative)
    sent: how far ``last`` is from the start, not cut to 32 bits: relative numbers go on past 4 GiB
    delivered: relative number up to which its octets were seen without a hole; blocks: what was seen above one
    """

    __slots__ = (
        "acked", "blocks", "delivered", "fin", "fin_at", "gaps", "last", "last_fin", "last_rst", "last_syn",
        "previous", "repeats", "seen", "sent", "start", "state", "stopped", "zeros",
    )  # fmt: skip

    def __init__(self) -> None:
        self.state = self.previous = INACTIVE
        self.start = self.last = self.acked = self.sent = 0
        self.seen = ""
        self.last_syn = self.last_fin = self.last_rst = 0
        self.fin = False
        self.fin_at = 0
        self.delivered = 1
        self.blocks: list[tuple[int, int]] = []
        self.stopped = False
        self.gaps = self.repeats = self.zeros = 0

    def become(self, state: int) -> None:
        """Change the state and remember the one before."""
        if state != self.state:
            self.previous, self.state = self.state, state

    def begin(self, start: int, last: int) -> None:
        """Measure from ``start`` on."""
        self.start = self.acked = start & _MODULO
        self.last = last & _MODULO
        self.sent = last - start

    def relative(self, number: int) -> int:
        """Return how far a sequence number is from the start, below 0 before it."""
        if self.sent < _FAR:
            return ((number - self.start + _HALF) & _MODULO) - _HALF
        return self.sent + ((number - self.last + _HALF) & _MODULO) - _HALF

    def advance(self, more: int) -> None:
        """Move the highest number sent."""
        self.last = (self.last + more) & _MODULO
        self.sent += more

    def size(self, peer: Endpoint) -> int:
        """Return the payload octets it sent, as far as sequence numbers tell."""
        if self.previous == SYN_SENT and self.state == RESET and peer.state == INACTIVE and self.acked != self.start:
            return 0
        size = max(self.sent, self.relative(self.acked), 0)
        size -= size > 0
        return size - (self.fin and size > 0)

    def deliver(self, begin: int, length: int) -> None:
        """Note payload octets that were seen; ``begin`` is relative."""
        stop = begin + length
        if stop <= self.delivered:
            return
        if begin > self.delivered:
            self._keep(begin, stop)
            if self.delivered == 1 and self.acked == self.start:
                above = sum(last - first for first, last in self.blocks)
                if above > _MOST_ABOVE_A_HOLE:
                    self.stopped = True
                    self.blocks.clear()
            if len(self.blocks) > MOST_BLOCKS:
                self.reach(self.blocks[0][1])
        else:
            self.reach(stop)

    def _keep(self, begin: int, stop: int) -> None:
        """Keep what was seen above a hole; what overlaps or touches becomes one block.

        There may be thousands of blocks, in ascending order and with a hole between any two of them.
        """
        first = bisect_left(self.blocks, begin, key=itemgetter(1))
        last = bisect_right(self.blocks, stop, key=itemgetter(0))
        if first < last:
            begin, stop = min(begin, self.blocks[first][0]), max(stop, self.blocks[last - 1][1])
        self.blocks[first:last] = [(begin, stop)]

    def reach(self, number: int) -> None:
        """Count everything up to a relative number as delivered, and the blocks that begin there."""
        self.delivered = number
        done = 0
        while done < len(self.blocks) and self.blocks[done][0] <= self.delivered:
            self.delivered = max(self.delivered, self.blocks[done][1])
            done += 1
        del self.blocks[:done]

    def has_hole(self) -> bool:
        """Return whether octets below the highest number it sent were not seen; a FIN at the end is no octet."""
        if self.stopped:
            return False
        return bool(self.blocks) or self.sent - self.delivered > (self.fin and self.sent == self.fin_at)
