"""Looking only at notable segments tells the same as looking at each: states, phases, steps and facts, at every packet.

The plain way, one segment after the other (``answers=True``), is the reference; the quick way passes over runs of
segments that change nothing but numbers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.capture import make
from sniffkit.analysis.captured_twice import CapturedTwice
from sniffkit.analysis.conversations import outcome_of
from sniffkit.analysis.segments import ACK, FIN, RST, SYN, Segments
from sniffkit.analysis.streams import Streams
from sniffkit.analysis.tcp.conversations import TcpConversations
from sniffkit.analysis.tcp.ends import End
from sniffkit.protocols.columns import Columns
from sniffkit.sources import open_capture
from tests.analysis.hostile_segments import hostile
from tests.analysis.reference import NEEDED, captures

LAST = ("last", "sent")
"""What only the plain way keeps: which packet an ack answers, and what a second capture would repeat."""


def both_ways(parts: list[tuple[Segments, np.ndarray]]) -> tuple[int, int]:
    """Feed the same segments both ways and compare everything; return how many there were and how many connections."""
    streams, plain, quick = Streams(), TcpConversations(), TcpConversations(answers=False)
    count = 0
    for segments, twice in parts:
        numbers = streams.feed(segments)
        one, other = plain.feed(segments, numbers, twice), quick.feed(segments, numbers, twice)
        np.testing.assert_array_equal(one.from_client, other.from_client)
        np.testing.assert_array_equal(one.phase, other.phase)
        np.testing.assert_array_equal(one.states, other.states)
        assert one.steps == other.steps
        assert one.told == other.told
        count += len(segments)
    assert set(plain.connections) == set(quick.connections)
    for stream, connection in plain.connections.items():
        again = quick.connections[stream]
        assert outcome_of(connection) == outcome_of(again)
        assert (connection.packets, connection.number) == (again.packets, again.number)
        assert connection.handshake == again.handshake
        for end, same in zip(connection.ends, again.ends, strict=True):
            for name in set(End.__slots__) - set(LAST):
                assert getattr(end, name) == getattr(same, name), (stream, name)
    return count, len(plain.connections)


def pieces(segments: Segments, size: int, seed: int, second_captures: float = 0) -> list[tuple[Segments, np.ndarray]]:
    """Cut segments into batches; some are said to be second captures of the packet before."""
    chance = np.random.default_rng(seed)
    parts = []
    for begin in range(0, len(segments), size):
        part = segments.take(slice(begin, begin + size))
        part = part.take(np.argsort(part.row, kind="stable"))
        repeats = chance.random(len(part)) < second_captures
        twice = np.zeros(begin + size + 1, np.int64)
        twice[part.row[repeats]] = part.number[repeats] - 1
        parts.append((part, twice))
    return parts


@pytest.mark.parametrize(("seed", "size", "life"), [(1, 20_000, 400), (2, 700, 400), (3, 5_000, 20), (4, 60, 60)])
def test_hostile_segments(seed: int, size: int, life: int) -> None:
    """Flags mixed at will, numbers around the wrap, time running backward."""
    count, _ = both_ways(pieces(hostile(20_000, seed, life=life), size, seed))
    assert count == 20_000


def test_hostile_segments_some_captured_twice() -> None:
    both_ways(pieces(hostile(10_000, 9), 1_500, 9, second_captures=0.05))


def orderly(count: int, seed: int) -> Segments:
    """Return conversations of a sane stack, now and then with something missing, repeated or out of place."""
    segments = hostile(count, seed, talks=30, life=60)
    chance = np.random.default_rng(seed)
    flags = np.where(chance.random(count) < 0.9, ACK, segments.flags).astype(np.uint16)
    for bit, share in ((FIN, 0.02), (RST, 0.005), (SYN, 0.01)):
        flags = np.where(chance.random(count) < share, flags | bit, flags).astype(np.uint16)
    return Segments(**{**{name: getattr(segments, name) for name in Segments.__slots__}, "flags": flags})


@pytest.mark.parametrize("seed", range(4))
def test_mostly_quiet_segments(seed: int) -> None:
    """Long runs, with a FIN, a RST or a SYN where nobody expects one."""
    both_ways(pieces(orderly(20_000, seed), 3_000, seed))


def parts_of(path: str, batch_octets: int = 1 << 23) -> list[tuple[Segments, np.ndarray]]:
    twice = CapturedTwice()
    parts = []
    with open_capture(path, batch_octets=batch_octets) as source:
        for batch in source:
            columns = Columns(batch)
            parts.append((Segments.from_columns(columns), twice.feed(columns)))
    return parts


def test_ordinary_traffic() -> None:
    """The capture of the benchmark in small: handshakes, losses, closes by FIN and RST, in several batches."""
    count, conversations = both_ways(parts_of(str(make(30_000)), 1 << 21))
    assert count > 25_000
    assert conversations > 300


def test_sample_captures() -> None:
    for path in sorted((Path(__file__).parents[3] / "captures").glob("*.pcap*")):
        both_ways(parts_of(str(path)))


@NEEDED
def test_corpus() -> None:
    """Captures that nobody here made: midstream, one direction, cut, damaged."""
    count = sum(both_ways(parts_of(path))[0] for _, path in captures("tcp"))
    assert count > 70_000
