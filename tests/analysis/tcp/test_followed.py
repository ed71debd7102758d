"""Told or only counted, and in turn: the states of all conversations come out the same.

The reference tells every segment. Counted, ordinary conversations are not looked at until somebody asks.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.capture import make
from benchmarks.sender import connection
from sniffkit.analysis.captured_twice import CapturedTwice
from sniffkit.analysis.segments import Segments
from sniffkit.analysis.streams import Streams
from sniffkit.analysis.tcp.followed import FollowedConversations
from sniffkit.analysis.tcp.marks import TcpMarks
from sniffkit.protocols.columns import Columns
from sniffkit.sources import open_capture
from sniffkit.sources.writer import create_capture
from tests.analysis.frayed_segments import damaged
from tests.analysis.hostile_segments import hostile
from tests.analysis.reference import NEEDED, captures

SAMPLES = sorted((Path(__file__).parents[3] / "captures").glob("*.pcap*"))
Parts = list[tuple[Segments, np.ndarray]]


def compare(parts: Parts, *patterns: str) -> int:
    """Feed batches as each pattern has it (t told, c counted, again and again); return how many conversations."""
    streams, marks, reference = Streams(), TcpMarks(), FollowedConversations()
    others = {pattern: FollowedConversations() for pattern in patterns}
    for place, (segments, twice) in enumerate(parts):
        numbers = streams.feed(segments)
        marked = marks.feed(segments, numbers, twice[segments.row])
        one = reference.feed(segments, numbers, marked, twice)
        for pattern, other in others.items():
            told = pattern[place % len(pattern)] == "t"
            two = other.feed(segments, numbers, marked, twice, told=told)
            if not told:
                assert not len(two.states)
                continue
            np.testing.assert_array_equal(one.from_client, two.from_client)
            np.testing.assert_array_equal(one.phase, two.phase)
            np.testing.assert_array_equal(one.states, two.states)
            assert one.steps == two.steps
            assert one.told == two.told
    every = range(streams.count)
    for other in others.values():
        assert list(reference.standings(every)) == list(other.standings(every))
        assert reference.count() == other.count()
        assert set(reference.streams().tolist()) == set(other.streams().tolist())
        assert reference.open == other.open == len(other.streams())
    return sum(reference.count().values())


def cut(segments: Segments, size: int, second_captures: float = 0) -> Parts:
    chance = np.random.default_rng(size)
    parts = []
    for begin in range(0, len(segments), size):
        part = segments.take(slice(begin, begin + size))
        part = part.take(np.argsort(part.row, kind="stable"))
        twice = np.zeros(begin + size + 1, np.int64)
        repeats = chance.random(len(part)) < second_captures
        twice[part.row[repeats]] = part.number[repeats] - 1
        parts.append((part, twice))
    return parts


def read(path: str, batch_octets: int) -> Parts:
    twice = CapturedTwice()
    with open_capture(path, batch_octets=batch_octets) as source:
        columns = [Columns(batch) for batch in source]
    return [(Segments.from_columns(each), twice.feed(each)) for each in columns]


LARGEST = 3_000_000
"""Larger captures are left out, to keep the test short."""

PATTERNS = ("c", "tc", "cct", "ctttc")


def test_ordinary_traffic() -> None:
    """The capture of the benchmark in small: handshakes, losses, closes by FIN and RST."""
    assert compare(read(str(make(30_000)), 1 << 19), *PATTERNS) > 300


@pytest.mark.parametrize(("seed", "size", "life"), [(1, 5_000, 400), (3, 900, 20), (4, 60, 60)])
def test_hostile_segments(seed: int, size: int, life: int) -> None:
    """Flags mixed at will, numbers around the wrap, some captured twice."""
    compare(cut(hostile(8_000, seed, life=life), size, 0.02), *PATTERNS)


@pytest.mark.parametrize(("size", "seeds"), [(1, (1,)), (7, (0, 1, 2, 1339)), (60, range(6)), (10_000, range(6))])
def test_ordinary_conversations_a_little_damaged(size: int, seeds: Sequence[int]) -> None:
    """Old acks, resets in and outside the window, FINs twice: plausible enough to be kept as words for a while.

    In that of seed 1339 a RST comes after an ack that is older than the one before it. It is the newest ack that tells
    whether the RST has any force (RFC 9293 section 3.5.2), not the latest.
    """
    for seed in seeds:
        assert compare(cut(damaged(60, seed, at_once=8, repeated=3), size), *PATTERNS) > 40


def test_sample_captures_packet_by_packet() -> None:
    """Every scenario of the lab in batches of about one packet: the change falls between any two."""
    assert sum(compare(read(str(path), 64), *PATTERNS) for path in SAMPLES) > 40


@NEEDED
def test_corpus() -> None:
    """Captures that nobody here made: midstream, one direction, cut, damaged."""
    for _, path in captures("tcp"):
        if os.path.getsize(path) > LARGEST:
            continue
        compare(read(path, 1 << 17), *PATTERNS)


def test_who_was_let_go_stands_as_it_was(tmp_path: Path) -> None:
    """More conversations than are followed: the silent ones go, and what became of them stays known."""
    with create_capture(str(tmp_path / "a.pcap")) as file:
        for group in range(0, 2000, 100):
            told = [connection(number) for number in range(group, group + 100)]
            for frame in (frame for step in zip(*told, strict=True) for frame in step):
                file.write(frame, file.written)
    streams, marks, followed = Streams(), TcpMarks(), FollowedConversations(followed=500)
    for place, (segments, twice) in enumerate(read(str(tmp_path / "a.pcap"), 1 << 14)):
        numbers = streams.feed(segments)
        marked = marks.feed(segments, numbers, twice[segments.row])
        followed.feed(segments, numbers, marked, twice, told=place % 40 < 20)
        assert followed.open <= 500
    assert streams.count == 2000
    assert followed.let_go == 0, "none of them before it had closed"
    assert set(followed.count().values()) == {2000}
    assert len(followed.left()[0]) == 2000 - followed.open
