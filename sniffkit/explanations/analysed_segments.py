"""What Wireshark's ``tcp.analysis.*`` says of a segment: its marks, what it confirms, how much is in flight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.analysis.tcp.ack_times import TcpAckTimes
from sniffkit.analysis.tcp.fields import sacked_octets
from sniffkit.analysis.tcp.mark_names import Mark, names_of
from sniffkit.explanations.record import epoch

if TYPE_CHECKING:
    from sniffkit.analysis.capture import BatchFacts


class AnalysedSegments:
    """Reads these fields of the segments of a capture, batch after batch, as the lessons see them.

    Where we go by the RFC and Wireshark does not, they differ from ``sniffkit fields``, which prints what tshark does.
    """

    def __init__(self) -> None:
        self._ack_times = TcpAckTimes(in_flight=True)

    def feed(self, facts: BatchFacts) -> None:
        """Take the next batch."""
        segments = facts.segments
        self._facts = facts
        self._times = self._ack_times.feed(
            segments, facts.numbers, facts.marks, sacked_octets(facts.columns, len(segments))
        )

    def of(self, at: int) -> tuple[tuple[str, int, str], ...]:
        """Return id, value and text of each field that the segment at this index of the batch has."""
        marks, times = self._facts.marks, self._times
        mask = int(marks.mask[at]) & ~Mark.CAPTURED_TWICE
        found = [(name, 1, "1") for name in names_of(mask)]
        if mask & Mark.DUPLICATE_ACK:
            for name, column in (("num", marks.duplicate_ack_number), ("frame", marks.duplicate_ack_frame)):
                found.append((f"duplicate_ack_{name}", int(column[at]), str(column[at])))
        for name, numbers in (("acks_frame", times.frame), ("bytes_in_flight", times.in_flight)):
            if numbers is not None and numbers[at]:
                found.append((name, int(numbers[at]), str(numbers[at])))
        spans = (("ack_rtt", times.rtt_ns), ("rto", times.rto_ns), ("initial_rtt", marks.initial_rtt_ns))
        for name, spans_ns in spans:
            if spans_ns is not None and spans_ns[at] and (name != "initial_rtt" or found):
                found.append((name, int(spans_ns[at]), epoch(int(spans_ns[at]))))
        return tuple((f"tcp.analysis.{name}", value, text) for name, value, text in found)
