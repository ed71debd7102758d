"""Marks of TCP segments: each one as a short exchange, then against tshark on the corpus and on hostile packets."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sniffkit.analysis.segments import ACK, FIN, RST, SYN, Segments
from sniffkit.analysis.streams import StreamNumbers, Streams
from sniffkit.analysis.tcp.mark_names import MARK_NAMES, Mark, names_of
from sniffkit.analysis.tcp.marks import Marks, TcpMarks
from tests.analysis.hostile_segments import hostile, segments_of, tshark_fields, write_pcap
from tests.analysis.tcp_reference import cuts, needs_corpus, references

MILLISECOND = 1_000_000
TSHARK_MARKS = MARK_NAMES[:15]

Packet = tuple[int, int, int, int, int, int, int]  # side, flags, seq, ack, length, window, milliseconds

OPENED: list[Packet] = [
    (0, SYN, 100, 0, 0, 1000, 0),
    (1, SYN | ACK, 500, 101, 0, 1000, 10),
    (0, ACK, 101, 501, 0, 1000, 20),
]


def marks_of(packets: list[Packet], *, as_tshark: bool = True, twice: tuple[int, ...] = ()) -> list[list[str]]:
    """The marks of each packet between one pair of ends; ``twice`` are frames captured a second time."""
    segments = segments_between(packets)
    copies = np.array([1 if number in twice else 0 for number in segments.number])
    marks = TcpMarks(as_tshark=as_tshark).feed(segments, Streams().feed(segments), copies)
    return [names_of(mask) for mask in marks.mask.tolist()]


def segments_between(packets: list[Packet]) -> Segments:
    return segments_of(
        [
            ((40_000, 80), (1, 2), side, seq, ack, flags, window, length, -1, 10**18 + ms * MILLISECOND)
            for side, flags, seq, ack, length, window, ms in packets
        ]
    )


LESSONS: dict[str, tuple[list[Packet], list[str]]] = {
    # The answer never came, so the same octets are sent again after the retransmission timer.
    "retransmission": (
        [*OPENED, (0, ACK, 101, 501, 10, 1000, 30), (0, ACK, 101, 501, 10, 1000, 330)],
        ["retransmission"],
    ),
    # Sent again although the ack of it had been seen: the ack was lost behind the capture point, or came too late.
    "spurious_retransmission": (
        [*OPENED, (0, ACK, 101, 501, 10, 1000, 30), (1, ACK, 501, 111, 0, 1000, 40), (0, ACK, 101, 501, 10, 1000, 50)],
        ["retransmission", "spurious_retransmission"],
    ),
    # Newer octets were there 1 ms ago: that is no timer, the packet was overtaken on its way.
    "out_of_order": (
        [*OPENED, (0, ACK, 111, 501, 10, 1000, 40), (0, ACK, 101, 501, 10, 1000, 41)],
        ["out_of_order"],
    ),
    # Three acks of the same number ask for the octet they name; the sender does not wait for its timer.
    "fast_retransmission": (
        [
            *OPENED,
            (0, ACK, 101, 501, 10, 1000, 30),
            (0, ACK, 111, 501, 10, 1000, 31),
            (1, ACK, 501, 101, 0, 1000, 40),
            (1, ACK, 501, 101, 0, 1000, 41),
            (1, ACK, 501, 101, 0, 1000, 42),
            (0, ACK, 101, 501, 10, 1000, 50),
        ],
        ["retransmission", "fast_retransmission"],
    ),
    "duplicate_ack": (
        [*OPENED, (1, ACK, 501, 101, 0, 1000, 40), (1, ACK, 501, 101, 0, 1000, 41)],
        ["duplicate_ack"],
    ),
    # Octets 101 to 110 were never seen here.
    "lost_segment": ([*OPENED, (0, ACK, 111, 501, 10, 1000, 30)], ["lost_segment"]),
    # ... but the other side has them: only the capture lost them.
    "ack_lost_segment": (
        [*OPENED, (0, ACK, 111, 501, 10, 1000, 30), (1, ACK, 501, 121, 0, 1000, 31)],
        ["ack_lost_segment"],
    ),
    # One below what the other side expects, on purpose: it must answer.
    "keep_alive": ([*OPENED, (0, ACK, 100, 501, 0, 1000, 75_000)], ["keep_alive"]),
    "keep_alive_ack": (
        [
            *OPENED,
            (1, ACK, 501, 101, 0, 1000, 30),
            (0, ACK, 100, 501, 0, 1000, 75_000),
            (1, ACK, 501, 101, 0, 1000, 75_010),
        ],
        ["keep_alive_ack"],
    ),
    "zero_window": ([*OPENED, (1, ACK, 501, 101, 0, 0, 30)], ["zero_window"]),
    # The receiver has no room; one octet finds out whether it has again.
    "zero_window_probe": (
        [*OPENED, (1, ACK, 501, 101, 0, 0, 30), (0, ACK, 101, 501, 1, 1000, 300)],
        ["zero_window_probe"],
    ),
    "zero_window_probe_ack": (
        [*OPENED, (1, ACK, 501, 101, 0, 0, 30), (0, ACK, 101, 501, 1, 1000, 300), (1, ACK, 501, 101, 0, 0, 310)],
        ["zero_window", "zero_window_probe_ack"],
    ),
    "window_update": (
        [*OPENED, (1, ACK, 501, 101, 0, 0, 30), (1, ACK, 501, 101, 0, 2000, 900)],
        ["window_update"],
    ),
    # The segment ends exactly where the announced window ends: nothing more may be sent.
    "window_full": (
        [*OPENED, (1, ACK, 501, 101, 0, 50, 30), (0, ACK, 101, 501, 50, 1000, 31)],
        ["window_full"],
    ),
    "reused_ports": ([*OPENED, (0, SYN, 9000, 0, 0, 1000, 60_000)], ["reused_ports"]),
}


@pytest.mark.parametrize("mark", LESSONS)
def test_the_last_packet_of_each_lesson_has_the_mark(mark: str) -> None:
    packets, expected = LESSONS[mark]
    assert mark in expected
    assert marks_of(packets)[-1] == expected
    assert marks_of(packets[:-1]) == marks_of(packets)[:-1], "what is said at a packet does not depend on later ones"


def test_every_mark_of_tshark_has_a_lesson() -> None:
    assert set(LESSONS) == set(TSHARK_MARKS)


def test_an_ordinary_connection_has_no_marks() -> None:
    talk = [*OPENED, (0, ACK, 101, 501, 10, 1000, 30), (1, ACK, 501, 111, 20, 1000, 40), (0, ACK, 111, 521, 0, 999, 50)]
    close = [
        (0, FIN | ACK, 111, 521, 0, 999, 60),
        (1, FIN | ACK, 521, 112, 0, 1000, 70),
        (0, ACK, 112, 522, 0, 999, 80),
    ]
    assert not any(marks_of(talk + close))


def test_a_refused_connection_has_no_marks() -> None:
    assert not any(marks_of([(0, SYN, 100, 0, 0, 1000, 0), (1, RST | ACK, 0, 101, 0, 0, 1)]))


def test_duplicate_acks_are_counted_from_the_packet_they_repeat() -> None:
    packets = [*OPENED, *[(1, ACK, 501, 101, 0, 1000, 40 + n) for n in range(3)]]
    segments = segments_between(packets)
    marks = TcpMarks().feed(segments, Streams().feed(segments))
    assert marks.duplicate_ack_number.tolist() == [0, 0, 0, 1, 2, 3]
    assert marks.duplicate_ack_frame.tolist() == [0, 0, 0, 2, 2, 2]


# Both SYNs cross; each side answers with its own SYN again, now with an ACK (RFC 9293 figure 8): legal and needed.
SIMULTANEOUS: list[Packet] = [
    (0, SYN, 100, 0, 0, 1000, 0),
    (1, SYN, 500, 0, 0, 1000, 1),
    (0, SYN | ACK, 100, 501, 0, 1000, 20),
    (1, SYN | ACK, 500, 101, 0, 1000, 21),
]


def test_a_simultaneous_open_sends_nothing_again() -> None:
    """tshark calls both SYN,ACKs retransmissions; we do not, unless asked to print what tshark prints."""
    assert marks_of(SIMULTANEOUS)[2:] == [["retransmission"], ["retransmission"]]
    assert marks_of(SIMULTANEOUS, as_tshark=False) == [[], [], [], []]


def test_a_syn_ack_repeated_after_a_simultaneous_open_was_sent_again() -> None:
    again = [*SIMULTANEOUS, (1, SYN | ACK, 500, 101, 0, 1000, 3000)]
    assert marks_of(again, as_tshark=False)[-1] == ["retransmission"]


def test_a_packet_captured_twice_was_sent_once() -> None:
    """A mirror port shows every packet twice: no retransmission, and no duplicate ack by its copy either."""
    data, ack = (0, ACK, 101, 501, 10, 1000, 30), (1, ACK, 501, 111, 0, 1000, 40)
    packets = [*OPENED, data, data, ack, ack, (1, ACK, 501, 111, 0, 1000, 50)]
    assert marks_of(packets)[3:] == [
        [],
        ["retransmission"],
        [],
        ["duplicate_ack"],
        ["duplicate_ack"],
    ]
    assert marks_of(packets, as_tshark=False, twice=(5, 7))[3:] == [
        [],
        ["captured_twice"],
        [],
        ["captured_twice"],
        ["duplicate_ack"],
    ]


def test_a_quoted_header_has_no_marks_and_moves_nothing() -> None:
    packets = [*OPENED, (0, ACK, 5000, 501, -1, 1000, 25), (0, ACK, 101, 501, 10, 1000, 30)]
    assert marks_of(packets)[3:] == [[], []]


def test_what_is_let_go_keeps_its_number() -> None:
    """With room for two streams the third pushes out the one idle longest; its next packet begins anew."""
    segments = segments_of(
        [((port, 80), (1, 2), 0, 100, 0, SYN, 1000, 0, -1, 10**18 + at) for at, port in enumerate((1, 2, 3, 1))]
    )
    streams, marks = Streams(), TcpMarks(most_open=2)
    told = []
    for at in range(4):
        part = segments.take(slice(at, at + 1))
        numbers = streams.feed(part)
        told.append((numbers.stream.tolist(), marks.feed(part, numbers).let_go.tolist()))
    assert told[2] == ([2], [0])
    assert told[3][0] == [0], "the SYN sent again is in stream 0 still"
    assert marks.let_go == 2
    assert marks.open == 2


# --- against tshark ---------------------------------------------------------------------------------------------------


def fed(segments: Segments, pieces: int) -> tuple[NDArray[np.uint16], dict[str, NDArray[np.int64]]]:
    """Masks, and fields by tshark's names, of segments cut into batches."""
    streams, analysis = Streams(), TcpMarks(as_tshark=True)
    parts: list[tuple[StreamNumbers, Marks]] = []
    for begin, end in cuts(len(segments), pieces, 1):
        part = segments.take(slice(begin, end))
        numbers = streams.feed(part)
        parts.append((numbers, analysis.feed(part, numbers)))
    scale = [np.where(marks.window_scale < 0, marks.window_scale, 1 << np.maximum(marks.window_scale, 0)) for _, marks
             in parts]  # fmt: skip
    fields = {
        "tcp.stream": [numbers.stream for numbers, _ in parts],
        "tcp.seq": [numbers.sequence for numbers, _ in parts],
        "tcp.ack": [numbers.acknowledgment for numbers, _ in parts],
        "tcp.nxtseq": [numbers.next_sequence for numbers, _ in parts],
        "tcp.window_size": [marks.window_size for _, marks in parts],
        "tcp.window_size_scalefactor": scale,
        "tcp.completeness": [marks.completeness() for _, marks in parts],
        "tcp.analysis.duplicate_ack_num": [marks.duplicate_ack_number for _, marks in parts],
        "tcp.analysis.duplicate_ack_frame": [marks.duplicate_ack_frame for _, marks in parts],
        "tcp.analysis.initial_rtt": [marks.initial_rtt_ns for _, marks in parts],
    }
    return np.concatenate([marks.mask for _, marks in parts]), {
        name: np.concatenate(values).astype(np.int64) for name, values in fields.items()
    }


LEFT_OUT = {
    "AH-IPcomp-IPv6.pcap": "half of its packets are compressed (IPComp), which our columns do not undo",
    "gre-aruba-amsdu.pcap": "two wireless frames in one packet (802.11 A-MSDU), which our columns do not open",
}
"""Captures whose TCP frames are others for tshark than for us."""


@needs_corpus
def test_marks_of_the_corpus_are_tsharks() -> None:
    """Precision and recall of each mark over every TCP packet; what differs is in marks_differences.md."""
    counts: dict[str, list[int]] = {name: [0, 0, 0] for name in TSHARK_MARKS}
    shares: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    found, lacking = references()
    for reference in found:
        mask, fields = fed(reference.segments, 5)
        for bit, name in enumerate(TSHARK_MARKS):
            want, got = reference.present(f"tcp.analysis.{name}"), (mask >> bit & 1).astype(bool)
            for at, number in enumerate((want, got & ~want, want & ~got)):
                counts[name][at] += int(number.sum())
        for name in ("tcp.stream", "tcp.window_size", "tcp.completeness"):
            have = reference.present(name)
            shares[name][0] += int((fields[name] == reference.numbers(name))[have].sum())
            shares[name][1] += int(have.sum())
    total = sum(len(reference.segments) for reference in found)
    print(f"\n{len(found)} captures, {total} TCP packets")
    left_out = {Path(path).name for path in lacking}
    for name in sorted(left_out):
        print(f"left out: {name}, {LEFT_OUT.get(name, 'unexplained')}")
    print(f"{'mark':24} {'tshark':>7} {'false +':>7} {'missed':>7} {'precision':>10} {'recall':>7}")
    low = []
    for name, (want, false, missed) in counts.items():
        precision, recall = ratio(want - missed, want - missed + false), ratio(want - missed, want)
        print(f"{name:24} {want:7} {false:7} {missed:7} {precision:10.4f} {recall:7.4f}")
        if min(precision, recall) < 0.995:
            low.append(name)
    for name, (equal, count) in shares.items():
        print(f"{name:24} equal {equal} of {count}: {equal / count:.4f}")
    assert not low
    assert shares["tcp.window_size"][0] == shares["tcp.window_size"][1]
    assert ratio(*shares["tcp.completeness"]) >= 0.994, "FTP data streams lack their SYN bit in tshark"
    assert left_out == set(LEFT_OUT)


def ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


@pytest.mark.parametrize("pieces", [1, 60])
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_hostile_packets_are_told_as_tshark_tells_them(tmp_path: Path, pieces: int) -> None:
    """Not one difference: in any mark, stream, relative number, window, completeness or duplicate count."""
    segments = hostile(12_000, seed=pieces)
    write_pcap(segments, tmp_path / "hostile.pcap")
    mask, fields = fed(segments, pieces)
    names = [f"tcp.analysis.{name}" for name in TSHARK_MARKS]
    answers = tshark_fields(tmp_path / "hostile.pcap", [*fields, *names])
    for bit, name in enumerate(TSHARK_MARKS):
        want = np.array([bool(text) for text in answers[f"tcp.analysis.{name}"]])
        got = (mask >> bit & 1).astype(bool)
        assert not np.flatnonzero(got != want).size, f"{name}: frames {np.flatnonzero(got != want)[:5] + 1}"
        assert want.any(), f"no {name} among the hostile packets: the generator is too tame"
    for name, got in fields.items():
        texts = answers[name]
        if name == "tcp.analysis.initial_rtt":
            want = np.array([round(float(text) * 1e9) if text else 0 for text in texts])
            wrong = [text != "" and abs(a - b) > 500 for text, a, b in zip(texts, got, want, strict=True)]
        else:
            wrong = [text != "" and int(text) != number for text, number in zip(texts, got, strict=True)]
        assert not any(wrong), f"{name}: frames {np.flatnonzero(wrong)[:5] + 1}"


def test_the_bits_have_their_names() -> None:
    assert names_of(int(Mark.LOST_SEGMENT | Mark.REUSED_PORTS)) == ["lost_segment", "reused_ports"]
    assert len(MARK_NAMES) == len(Mark) == 16
