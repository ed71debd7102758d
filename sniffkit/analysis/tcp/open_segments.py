"""What one direction has sent and the other has not acknowledged yet, segment by segment.

Which segment an ack answers, after what time, and how many octets are in flight: the plain rules, as Wireshark 4.0
applies them. ``tcp_ack_times`` does the same in columns where every segment is acknowledged in order.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sniffkit.analysis.tcp.marks_sequential import MOST_UNACKNOWLEDGED, after

_MODULO = 0xFFFFFFFF
_LARGEST_IN_FLIGHT = 2_000_000_000


@dataclass(slots=True)
class Sent:
    """One segment: sequence number, the number after it, frame and time; start moves up when a part is acknowledged."""

    start: int
    end: int
    number: int
    time_ns: int


@dataclass(slots=True)
class UnacknowledgedList:
    """Segments of one direction, oldest first.

    known: nothing before them is missing, so the octets in flight can be told
    """

    segments: list[Sent] = field(default_factory=list)
    known: bool = True

    def add(self, sent: Sent) -> None:
        """Note a segment with data, SYN or FIN; past 10,000 none is noted."""
        if len(self.segments) < MOST_UNACKNOWLEDGED:
            self.segments.append(sent)

    def acknowledge(self, number: int) -> Sent | None:
        """Let go what an acknowledgment number covers; return the segment it answers exactly.

        A segment of which it covers a part stays, with the rest. Of several that end at the number the oldest counts.
        """
        answered = None
        kept: list[Sent] = []
        for sent in self.segments:
            if sent.end == number:
                answered = answered or sent
            elif after(number, sent.start) and not after(number, sent.end):
                sent.start = number
                kept.append(sent)
            elif after(sent.end, number):
                kept.append(sent)
        self.segments = kept
        return answered

    def in_flight(self, base: int, sacked: int, closing: bool) -> int:
        """Return the octets sent and not acknowledged, 0 where that is not known.

        base: number that counts as 0 in this direction; sacked: octets the other side's latest packet reports as
        received out of order (RFC 2018); closing: the last of them is a SYN or FIN, which is no octet
        """
        if not self.segments or not self.known:
            return 0
        first = min((sent.start - base) & _MODULO for sent in self.segments)
        last = max((sent.end - base) & _MODULO for sent in self.segments)
        octets = (last - first - sacked - closing) & _MODULO
        return octets if 0 < octets < _LARGEST_IN_FLIGHT else 0
