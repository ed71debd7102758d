"""What is on its way and not yet confirmed: round trips of acknowledgments and octets in flight, packet by packet.

These need a list of open segments a direction, as Wireshark keeps one (``tcp.analysis.ack_rtt``, ``acks_frame``,
``bytes_in_flight``, ``rto``); they are only computed when somebody asks for one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.segments import ACK, FIN, RST, SYN
from sniffkit.analysis.tcp.mark_names import Mark

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.segments import Segments
    from sniffkit.analysis.streams import StreamNumbers
    from sniffkit.analysis.tcp.marks import Marks

MOST_OPEN = 10_000
"""Open segments kept a direction, as in Wireshark."""

MOST_STREAMS = 50_000
"""Streams followed; past that the ones silent for longest are let go."""

LARGEST_FLIGHT = 2 * 10**9
_CIRCLE, _HALF = 0xFFFFFFFF, 0x80000000


def _before(one: int, other: int) -> bool:
    """Tell whether a sequence number comes before another (RFC 9293 section 3.4)."""
    return (one - other) & _CIRCLE >= _HALF


@dataclass(slots=True)
class _Way:
    """One direction: open segments, newest last, each [sequence, end, frame, time].

    next, next_time: highest end so far, and when it was reached; sacked: octets that the latest packet's SACK covers
    """

    segments: list[list[int]] = field(default_factory=list)
    valid: bool = True
    sacked: int = 0
    next: int | None = None
    next_time: int = 0


@dataclass(frozen=True, slots=True)
class Flights:
    """Arrays in the order of ``Segments``; 0 where a field is not there.

    acks_frame:      int64 (m,) the frame that this acknowledgment confirms; ack_rtt: int64 (m,) nanoseconds since it
    bytes_in_flight: int64 (m,) octets sent and not confirmed, this segment's included
    rto:             int64 (m,) nanoseconds since the segment that is sent again here
    """

    acks_frame: NDArray[np.int64]
    ack_rtt: NDArray[np.int64]
    bytes_in_flight: NDArray[np.int64]
    rto: NDArray[np.int64]


class Unacknowledged:
    """Follows the open segments of every stream, fed batch by batch."""

    def __init__(self) -> None:
        self._ways: dict[int, list[_Way]] = {}

    def feed(self, segments: Segments, numbers: StreamNumbers, marks: Marks, sacked: NDArray[np.int64]) -> Flights:
        """Follow a batch; sacked: int64 (m,) octets that the segment's first three SACK blocks cover."""
        count = len(segments)
        flights = Flights(*(np.zeros(count, np.int64) for _ in range(4)))
        if len(self._ways) > MOST_STREAMS:
            for stream in list(self._ways)[: MOST_STREAMS // 2]:
                del self._ways[stream]
        lost = marks.has(Mark.LOST_SEGMENT)
        plain = marks.has(Mark.RETRANSMISSION)
        plain &= ~(marks.has(Mark.FAST_RETRANSMISSION) | marks.has(Mark.SPURIOUS_RETRANSMISSION))
        rows = zip(
            numbers.stream.tolist(),
            numbers.direction.tolist(),
            segments.sequence.tolist(),
            segments.acknowledgment.tolist(),
            segments.flags.tolist(),
            segments.length.tolist(),
            segments.number.tolist(),
            segments.time_ns.tolist(),
            sacked.tolist(),
            lost.tolist(),
            plain.tolist(),
            strict=True,
        )
        opened = numbers.opened.tolist()
        for row, (stream, direction, seq, ack, flags, length, frame, time, blocks, is_lost, again) in enumerate(rows):
            if length < 0:
                continue
            ways = self._ways.get(stream)
            if ways is None or opened[row]:
                ways = self._ways[stream] = [_Way(), _Way()]
            own, other = ways[direction], ways[1 - direction]
            own.sacked = blocks
            if is_lost:
                own.valid = False
            if flags & ACK:
                other.valid = True
            if again:
                flights.rto[row] = time - (own.segments[0][3] if own.segments else own.next_time)
            end = (seq + length + (1 if flags & (SYN | FIN) else 0)) & _CIRCLE
            if own.next is None or _before(own.next, end):
                own.next, own.next_time = end, time
            if (length or flags & (SYN | FIN)) and len(own.segments) < MOST_OPEN:
                own.segments.append([seq, end, frame, time])
            if other.segments:
                self._confirm(other, ack, row, time, flights)
            if length and own.valid and own.segments:
                flights.bytes_in_flight[row] = self._in_flight(own, other, flags)
        return flights

    def _confirm(self, other: _Way, ack: int, row: int, time: int, flights: Flights) -> None:
        """Take what an acknowledgment confirms from the list; the oldest segment that ends there is answered."""
        left = []
        for segment in other.segments:
            sequence, end, frame, sent = segment
            if end == ack:
                if not flights.acks_frame[row]:
                    flights.acks_frame[row], flights.ack_rtt[row] = frame, time - sent
            elif _before(ack, end):
                if _before(sequence, ack):
                    segment[0] = ack
                left.append(segment)
        other.segments = left

    def _in_flight(self, own: _Way, other: _Way, flags: int) -> int:
        """Return how many octets are on their way, 0 where that is not to be told."""
        first = own.segments[-1][0]
        lowest = min((segment[0] - first + _HALF) & _CIRCLE for segment in own.segments)
        highest = max((segment[1] - first + _HALF) & _CIRCLE for segment in own.segments)
        flight = highest - lowest - other.sacked
        if flags & (SYN | FIN):
            flight -= 1
        return flight if 0 < flight < LARGEST_FLIGHT else 0


__all__ = ["RST", "Flights", "Unacknowledged"]
