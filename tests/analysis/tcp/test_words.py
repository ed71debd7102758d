"""Ordinary conversations are kept as the few segments that matter: few, however many packets they have."""

from __future__ import annotations

import pytest

from sniffkit.analysis.segments import ACK, FIN, SYN
from sniffkit.analysis.streams import Streams
from sniffkit.analysis.tcp.marks import TcpMarks
from sniffkit.analysis.tcp.words import TcpWords
from tests.analysis.hostile_segments import segments_of

Packet = tuple[int, int, int, int, int]  # side, flags, seq, ack, length

S: Packet = (0, SYN, 100, 0, 0)
SA: Packet = (1, SYN | ACK, 500, 101, 0)
A: Packet = (0, ACK, 101, 501, 0)
F: Packet = (0, FIN | ACK, 101, 501, 0)
G: Packet = (1, ACK, 501, 102, 0)


def kept(packets: list[Packet], size: int) -> int:
    """How many segments are kept of a conversation that is fed so many packets at a time."""
    streams, marks, words = Streams(), TcpMarks(), TcpWords()
    time = 1_600_000_000 * 10**9
    rows = [
        ((40_000, 80), (1, 2), side, sequence, ack, flags, 1000, length, -1, time + at * 10**6)
        for at, (side, flags, sequence, ack, length) in enumerate(packets)
    ]
    segments = segments_of(rows)
    for begin in range(0, len(rows), size):
        part = segments.take(slice(begin, begin + size))
        numbers = streams.feed(part)
        words.feed(part, numbers, marks.feed(part, numbers))
    events = words.events()
    return 0 if events is None else len(events)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_long_conversation_is_kept_as_its_beginning(size: int) -> None:
    """SYN, SYN,ACK, the third segment, the first data of the client and the first ack of the server."""
    talk = [(side, ACK, *((101 + at, 501) if side == 0 else (501, 102 + at)), 1 - side)
            for at in range(200) for side in (0, 1)]  # fmt: skip
    assert kept([S, SA, A, *talk], size) == 5


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(("before", "last"), [([], [S]), ([S], [SA]), ([S, SA, A], [F]), ([S, SA, A], [F, G])])
def test_what_comes_again_and_again_is_not_kept_each_time(before: list[Packet], last: list[Packet], size: int) -> None:
    """A SYN, SYN,ACK or FIN sent a few times is ordinary; of one sent forever nothing is kept any more."""
    assert kept([*before, *last * 3], size) == len(before) + 3 * len(last)
    assert kept([*before, *last * 40], size) == 0
