"""What the opening settles: how windows are scaled, the initial round-trip time, how complete a stream was seen."""

from __future__ import annotations

import pytest

from sniffkit.analysis.segments import ACK, FIN, RST, SYN
from sniffkit.analysis.streams import Streams
from sniffkit.analysis.tcp.marks import Marks, TcpMarks
from tests.analysis.hostile_segments import segments_of
from tests.analysis.tcp_reference import cuts

Packet = tuple[int, int, int, int, int, int]  # side, flags, seq, ack, payload octets, shift of the scale option

TIMES = (0, 10, 30, 60, 100, 150)


def told(packets: list[Packet]) -> Marks:
    rows = [
        ((40_000, 80), (1, 2), side, seq, ack, flags, 1000, length, shift, 10**18 + TIMES[at] * 1_000_000)
        for at, (side, flags, seq, ack, length, shift) in enumerate(packets)
    ]
    segments = segments_of(rows)
    return TcpMarks().feed(segments, Streams().feed(segments))


@pytest.mark.parametrize(
    ("client", "server", "windows"),
    [
        # Both offer a scale; it never holds for the SYNs themselves (RFC 7323 section 2.2).
        (7, 2, [1000, 1000, 128_000, 4000]),
        (-1, 2, [1000, 1000, 1000, 1000]),
        (7, -1, [1000, 1000, 1000, 1000]),
        # A shift over 14 counts as 14 (section 2.3).
        (20, 0, [1000, 1000, 16_384_000, 1000]),
    ],
)
def test_windows_are_scaled_only_if_both_sides_offer(client: int, server: int, windows: list[int]) -> None:
    packets = [(0, SYN, 100, 0, 0, client), (1, SYN | ACK, 500, 101, 0, server)]
    packets += [(0, ACK, 101, 501, 0, -1), (1, ACK, 501, 101, 0, -1)]
    assert told(packets).window_size.tolist() == windows


def test_without_the_handshake_the_scale_is_unknown() -> None:
    marks = told([(0, ACK, 101, 501, 0, -1), (1, ACK, 501, 101, 0, -1)])
    assert marks.window_size.tolist() == [1000, 1000]
    assert marks.window_scale.tolist() == [-1, -1]


def test_the_initial_round_trip_runs_from_the_last_syn_to_the_third_segment() -> None:
    packets = [(0, SYN, 100, 0, 0, -1), (0, SYN, 100, 0, 0, -1), (1, SYN | ACK, 500, 101, 0, -1)]
    packets += [(0, ACK, 101, 501, 0, -1), (0, ACK, 101, 501, 5, -1)]
    assert (told(packets).initial_rtt_ns // 1_000_000).tolist() == [0, 0, 0, 50, 50]


def test_completeness_is_the_state_before_the_packet() -> None:
    """1 SYN, 2 SYN,ACK, 4 ACK, 8 data, 16 FIN, 32 RST: the first packet shows 0, the last one's bit is never shown."""
    packets = [(0, SYN, 100, 0, 0, -1), (1, SYN | ACK, 500, 101, 0, -1), (0, ACK, 101, 501, 0, -1)]
    packets += [(0, ACK, 101, 501, 5, -1), (0, FIN | ACK, 106, 501, 0, -1), (1, RST | ACK, 501, 107, 0, -1)]
    assert told(packets).completeness().tolist() == [0, 1, 3, 7, 15, 31]


def test_many_options_in_one_stream_are_read_in_order() -> None:
    """Scale options on data are followed too; the seventh one in a batch as well as the first."""
    rows = [((1, 80), (1, 2), 0, at, 0, ACK, 1, 0, at % 15, 10**18 + at) for at in range(1, 30)]
    segments = segments_of(rows)
    expected = [1] + [1 << at % 15 for at in range(1, 29)]
    for pieces in (1, 5):
        streams, marks = Streams(), TcpMarks()
        sizes = []
        for begin, end in cuts(len(segments), pieces, 3):
            part = segments.take(slice(begin, end))
            sizes += marks.feed(part, streams.feed(part)).window_size.tolist()
        assert sizes == expected
