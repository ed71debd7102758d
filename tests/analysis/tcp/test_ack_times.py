"""Which segment an ack answers, after what time, and how many octets are in flight."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sniffkit.analysis.segments import ACK, FIN, Segments
from sniffkit.analysis.streams import Streams
from sniffkit.analysis.tcp.ack_times import TcpAckTimes
from sniffkit.analysis.tcp.marks import TcpMarks
from tests.analysis.hostile_segments import hostile, tshark_fields, write_pcap
from tests.analysis.tcp.test_marks import MILLISECOND, OPENED, Packet, segments_between
from tests.analysis.tcp_reference import cuts, needs_corpus, references


def told(segments: Segments, pieces: int = 1, *, in_flight: bool = False) -> list[NDArray[np.int64]]:
    """Frame acknowledged, time and octets in flight of each packet."""
    streams, marks, times = Streams(), TcpMarks(as_tshark=True), TcpAckTimes(in_flight=in_flight)
    parts = []
    for begin, end in cuts(len(segments), pieces, pieces):
        part = segments.take(slice(begin, end))
        numbers = streams.feed(part)
        one = times.feed(part, numbers, marks.feed(part, numbers))
        parts.append((one.frame, one.rtt_ns, one.in_flight if one.in_flight is not None else one.frame * 0))
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


TALK: list[Packet] = [
    *OPENED,
    (0, ACK, 101, 501, 10, 1000, 30),
    (0, ACK, 111, 501, 10, 1000, 31),
    (1, ACK, 501, 121, 0, 1000, 50),
    (0, FIN | ACK, 121, 501, 0, 1000, 60),
    (1, ACK, 501, 122, 0, 1000, 85),
]


def test_an_ack_answers_the_segment_that_ends_at_its_number() -> None:
    """Frame 6 acknowledges both segments; the time is that of the second, which it answers."""
    frame, rtt, _ = told(segments_between(TALK))
    assert frame.tolist() == [0, 1, 2, 0, 0, 5, 0, 7]
    assert (rtt // MILLISECOND).tolist() == [0, 10, 10, 0, 0, 19, 0, 25]


def test_a_batch_may_end_anywhere() -> None:
    whole = told(segments_between(TALK))
    for pieces in range(2, 9):
        cut = told(segments_between(TALK), pieces)
        assert all(np.array_equal(a, b) for a, b in zip(whole, cut, strict=True))


def test_octets_in_flight_are_those_not_acknowledged() -> None:
    _, _, in_flight = told(segments_between(TALK), in_flight=True)
    assert in_flight.tolist() == [0, 0, 0, 10, 20, 0, 0, 0]


def test_of_a_segment_sent_twice_the_first_time_counts() -> None:
    """Which of the two was answered cannot be known (Karn); Wireshark takes the first, so we do."""
    again: list[Packet] = [*OPENED, *[(0, ACK, 101, 501, 10, 1000, ms) for ms in (30, 330)]]
    frame, rtt, _ = told(segments_between([*again, (1, ACK, 501, 111, 0, 1000, 350)]))
    assert (frame[-1], rtt[-1] // MILLISECOND) == (4, 320)


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_hostile_acks_are_told_as_tshark_tells_them(tmp_path: Path) -> None:
    segments = hostile(8_000, seed=5, life=60)
    write_pcap(segments, tmp_path / "hostile.pcap")
    names = ["tcp.analysis.acks_frame", "tcp.analysis.ack_rtt", "tcp.analysis.bytes_in_flight"]
    answers = tshark_fields(tmp_path / "hostile.pcap", names)
    frames, times, octets = (np.array([float(text or 0) for text in answers[name]]) for name in names)
    assert np.count_nonzero(frames) > 500
    frame, rtt, in_flight = told(segments, 30, in_flight=True)
    assert not np.flatnonzero(frame != frames).size
    assert not np.flatnonzero(np.abs(rtt - times * 1e9) > 500).size
    assert not np.flatnonzero(in_flight != octets).size


@pytest.mark.parametrize("pieces", [1, 40])
def test_columns_and_the_plain_list_agree_on_hostile_acks(pieces: int) -> None:
    segments = hostile(8_000, seed=6, life=60)
    plain, columns = told(segments, 1, in_flight=True), told(segments, pieces)
    assert np.array_equal(plain[0], columns[0])
    assert np.array_equal(plain[1], columns[1])


@needs_corpus
def test_columns_and_the_plain_list_agree_on_the_corpus() -> None:
    answered = 0
    for reference in references()[0]:
        if len(reference.segments) < 5_000:
            plain, columns = told(reference.segments, 1, in_flight=True), told(reference.segments, 3)
            assert np.array_equal(plain[0], columns[0]), reference.path
            answered += np.count_nonzero(columns[0])
    assert answered > 10_000
