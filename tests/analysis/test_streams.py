"""Stream numbers and relative sequence numbers are tshark's, however the capture is cut into batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sniffkit.analysis.segments import ACK, FIN, SYN, Segments
from sniffkit.analysis.streams import PairStreams, StreamNumbers, Streams
from tests.analysis.hostile_segments import segments_of
from tests.analysis.tcp_reference import cuts, needs_corpus, references

HERE, THERE = (40_000, 80), (1, 2)


def told(*packets: tuple[int, int, int, int, int]) -> StreamNumbers:
    """Numbers of packets between one pair of ends: side, flags, seq, ack, length."""
    rows = [(HERE, THERE, side, seq, ack, flags, 100, length, -1, at) for at, (side, flags, seq, ack, length)
            in enumerate(packets)]  # fmt: skip
    return Streams().feed(segments_of(rows))


def test_a_new_syn_with_another_number_opens_the_next_stream() -> None:
    """The same ports used again, without any FIN: only the sequence number tells."""
    numbers = told((0, SYN, 100, 0, 0), (1, SYN | ACK, 500, 101, 0), (0, SYN, 900, 0, 0), (1, SYN | ACK, 7, 901, 0))
    assert numbers.stream.tolist() == [0, 0, 1, 1]
    assert numbers.reused.tolist() == [False, False, True, False]


def test_a_repeated_syn_stays_in_its_stream() -> None:
    numbers = told((0, SYN, 100, 0, 0), (0, SYN, 100, 0, 0), (1, SYN | ACK, 500, 101, 0))
    assert numbers.stream.tolist() == [0, 0, 0]
    assert not numbers.reused.any()


def test_both_syns_of_a_simultaneous_open_are_one_stream() -> None:
    assert told((0, SYN, 100, 0, 0), (1, SYN, 500, 0, 0)).stream.tolist() == [0, 0]


def test_the_server_may_open_the_next_stream_and_is_then_direction_0() -> None:
    numbers = told((0, SYN, 100, 0, 0), (1, SYN | ACK, 500, 101, 0), (1, SYN, 9000, 0, 0), (0, SYN | ACK, 1, 9001, 0))
    assert numbers.stream.tolist() == [0, 0, 1, 1]
    assert numbers.direction.tolist() == [0, 1, 0, 1]


def test_another_syn_ack_moves_the_base_and_keeps_the_stream() -> None:
    numbers = told((0, SYN, 100, 0, 0), (1, SYN | ACK, 500, 101, 0), (1, SYN | ACK, 600, 101, 0), (0, ACK, 101, 601, 0))
    assert numbers.stream.tolist() == [0, 0, 0, 0]
    assert numbers.reused.tolist() == [False, False, True, False]
    assert numbers.acknowledgment.tolist() == [0, 1, 1, 1]


def test_relative_numbers_count_from_the_syn_across_the_wrap() -> None:
    last = 2**32 - 1
    numbers = told((0, SYN, last, 0, 0), (1, SYN | ACK, 5, 0, 0), (0, ACK, 0, 6, 10), (0, ACK | FIN, 10, 6, 0))
    assert numbers.sequence.tolist() == [0, 0, 1, 11]
    assert numbers.next_sequence.tolist() == [1, 1, 11, 12]
    assert numbers.acknowledgment.tolist() == [0, 1, 1, 1]


def test_a_capture_that_begins_in_the_middle_begins_at_1() -> None:
    numbers = told((0, ACK, 7000, 300, 10), (1, ACK, 300, 7010, 5))
    assert numbers.sequence.tolist() == [1, 1]
    assert numbers.acknowledgment.tolist() == [1, 11]


def test_a_quoted_header_opens_a_stream_but_no_numbering() -> None:
    """The header that an ICMP error quotes has no known length, so it cannot say where octets begin."""
    numbers = told((0, SYN, 100, 0, -1), (0, SYN, 200, 0, 0))
    assert numbers.stream.tolist() == [0, 0]
    assert numbers.next_sequence.tolist() == [-1, 1]


def test_the_ends_of_a_stream_begin_with_who_opened_it() -> None:
    streams = Streams()
    rows = [(HERE, THERE, 1, 1, 0, SYN, 100, 0, -1, 0), (HERE, THERE, 0, 9, 2, SYN | ACK, 100, 0, -1, 1)]
    streams.feed(segments_of(rows))
    source, source_port, _, destination_port = streams.ends([0])
    assert (int(source[0, 1]) & 0xFF, source_port.tolist(), destination_port.tolist()) == (2, [80], [40_000])


def test_datagrams_are_numbered_in_order_of_appearance() -> None:
    streams = PairStreams()
    segments = segments_of(
        [((53, port), (1, 2), side, 0, 0, 0, 0, 0, -1, 0) for port, side in ((7, 0), (9, 1), (7, 1))]
    )
    stream, direction = streams.feed(
        segments.source, segments.destination, segments.source_port, segments.destination_port
    )
    assert stream.tolist() == [0, 1, 0]
    assert direction.tolist() == [0, 0, 1]
    assert streams.count == 2


def fed(segments: Segments, pieces: int) -> list[int]:
    streams = Streams()
    parts = [streams.feed(segments.take(slice(begin, end))) for begin, end in cuts(len(segments), pieces, 1)]
    return [int(stream) for part in parts for stream in part.stream]


@needs_corpus
def test_streams_of_the_corpus_are_tsharks() -> None:
    """All that differ lie in three captures: SOCKS and the like open a stream of their own inside tshark."""
    equal = count = 0
    differing = set()
    for reference in references()[0]:
        same = np.array(fed(reference.segments, 5)) == reference.numbers("tcp.stream")
        equal, count = equal + int(same.sum()), count + len(same)
        if not same.all():
            differing.add(Path(reference.path).name)
    print(f"tcp.stream: {equal} of {count} equal ({equal / count:.4%}); differing: {sorted(differing)}")
    assert equal / count >= 0.995
    assert differing <= {
        "socks.pcap",
        "tls_heur__shadowsocks-tcp.pcapng",
        "tls_heur__vmess-tcp-tls.pcapng",
    }
