"""A direction's octets put back in order, and the messages with a length before them that stand in it."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from sniffkit.analysis.tcp import stream
from sniffkit.analysis.tcp.prefixed_messages import PrefixedMessages, StreamMessage, dns_streams
from sniffkit.analysis.tcp.stream import Chunk, Direction
from sniffkit.protocols.columns import Columns
from tests.protocols.batches import batch_of

CLIENT, SERVER = ("10.0.0.2", 40000), ("10.0.0.53", 53)
START = 2**32 - 700
"""So near its end that the sequence numbers begin again at 0 in every test."""


def segment(offset: int, octets: bytes = b"", flags: str = "A", ack: int = 0, *, back: bool = False) -> bytes:
    """Return a segment of the client (or back, of the server); offset: 0 is the SYN, 1 the first octet."""
    (src, sport), (dst, dport) = (SERVER, CLIENT) if back else (CLIENT, SERVER)
    numbers = {"seq": (START + offset) % 2**32, "ack": (START + ack) % 2**32}
    return bytes(Ether() / IP(src=src, dst=dst) / TCP(sport=sport, dport=dport, flags=flags, **numbers) / octets)


def messages(*batches: Iterable[bytes], cut: int = 65535) -> list[tuple[int, StreamMessage]]:
    """Return every message and the number of the packet that completed it, from batch after batch."""
    streams, found, first = dns_streams(), [], 1
    for packets in batches:
        octets = list(packets)
        batch = replace(batch_of([one[:cut] for one in octets], lengths=[len(one) for one in octets]), first=first)
        columns = Columns(batch)
        for index, message in streams.feed(columns, np.arange(len(columns.rows("tcp")))):
            if message.at >= 0:
                assert batch.octets[message.at : message.at + len(message.octets)].tobytes() == message.octets
            found.append((first + int(columns.rows("tcp").row[index]), message))
        first += len(octets)
    return found


def prefixed(*bodies: bytes) -> bytes:
    return b"".join(len(body).to_bytes(2, "big") + body for body in bodies)


ONE, TWO, THREE = b"one" * 20, b"two" * 500, b"three" * 9
ALL = prefixed(ONE, TWO, THREE)


def said(found: list[tuple[int, StreamMessage]]) -> list[bytes]:
    return [message.octets for _, message in found]


def test_several_messages_in_one_segment_and_one_message_over_several() -> None:
    found = messages([segment(0, flags="S"), segment(1, ALL[:900]), segment(901, ALL[900:])])
    assert said(found) == [ONE, TWO, THREE]
    assert [packet for packet, _ in found] == [2, 3, 3]
    assert [message.packets for _, message in found] == [(2,), (2, 3), (3,)]
    assert [message.at >= 0 for _, message in found] == [True, False, True]


def test_the_prefix_itself_may_be_cut_in_two() -> None:
    assert said(messages([segment(0, flags="S"), segment(1, ALL[:1])], [segment(2, ALL[1:])])) == [ONE, TWO, THREE]


def test_a_late_segment_completes_what_waited_for_it() -> None:
    parts = segment(0, flags="S"), segment(901, ALL[900:]), segment(1, ALL[:900])
    found = messages(parts)
    assert said(found) == [ONE, TWO, THREE]
    assert {packet for packet, _ in found} == {3}
    assert found[1][1].packets == (3, 2)
    assert said(messages(parts[:2], parts[2:])) == [ONE, TWO, THREE]


def test_a_retransmission_says_nothing_twice() -> None:
    """Also one that is cut otherwise than the first time."""
    parts = (
        segment(0, flags="S"),
        segment(1, ALL[:900]),
        segment(1, ALL[:900]),
        segment(501, ALL[500:]),
        segment(1, ALL),
    )
    assert said(messages(parts)) == [ONE, TWO, THREE]


def test_what_the_other_side_has_and_the_capture_lacks_is_given_up() -> None:
    """The segment with the end of TWO is never seen; the server acknowledges it: what follows is told, TWO is not."""
    begin, rest = prefixed(ONE, TWO), prefixed(THREE)
    ahead = segment(1 + len(begin), rest)
    parts = [segment(0, flags="S"), segment(1, begin[:900]), ahead]
    assert said(messages(parts)) == [ONE]
    acknowledged = segment(1, flags="A", ack=1 + len(begin + rest), back=True)
    found = messages([*parts, acknowledged])
    assert said(found) == [ONE, THREE]
    assert [packet for packet, _ in found] == [2, 4]


def test_no_message_is_invented_behind_a_gap() -> None:
    """The octets behind the gap are the middle of a message: nothing says so, and nothing is told."""
    behind = segment(1 + 700, ALL[700:1200])
    acknowledged = segment(1, flags="A", ack=1 + 1200, back=True)
    assert said(messages([segment(0, flags="S"), segment(1, ALL[:500]), behind, acknowledged])) == [ONE]


@pytest.mark.parametrize("begin", [0, 300])
def test_a_capture_that_begins_in_the_middle(begin: int) -> None:
    """From the first segment on where that begins with a message; else from the first one that does."""
    parts = [segment(1 + begin, ALL[begin:900]), segment(901, ALL[900:]), segment(1 + len(ALL), prefixed(ONE))]
    assert said(messages(parts)) == ([ONE, TWO, THREE] if begin == 0 else []) + [ONE]


def test_octets_that_the_snap_length_cut_off_are_not_there() -> None:
    found = messages([segment(0, flags="S"), segment(1, prefixed(TWO)), segment(1503, prefixed(ONE))], cut=114)
    assert [(message.octets, message.length) for _, message in found] == [(TWO[:58], 1500), (ONE[:58], 60)]


def test_the_same_ends_again_are_another_connection() -> None:
    again = [segment(50_000, flags="S"), segment(50_001, prefixed(THREE))]
    assert said(messages([segment(0, flags="S"), segment(1, ALL[:900]), *again])) == [ONE, THREE]


@settings(max_examples=150, deadline=None)
@given(some.lists(some.integers(12, 1600), min_size=1, max_size=6), some.randoms(use_true_random=False))
def test_any_cuts_in_any_order_with_any_repeats_say_the_same(sizes: list[int], chance: random.Random) -> None:
    bodies = [chance.randbytes(size) for size in sizes]
    stream_of = prefixed(*bodies)
    cuts = sorted({0, len(stream_of), *(chance.randrange(len(stream_of)) for _ in range(chance.randrange(12)))})
    parts = [segment(1 + begin, stream_of[begin:end]) for begin, end in pairwise(cuts)]
    parts += [chance.choice(parts) for _ in range(chance.randrange(3))]
    chance.shuffle(parts)
    size = chance.randrange(1, 5)
    batches = [parts[at : at + size] for at in range(0, len(parts), size)]
    assert said(messages([segment(0, flags="S")], *batches)) == bodies


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred connections each hold half a message; only the latest are kept, and each counts what it holds."""
    monkeypatch.setattr(stream, "MOST_OCTETS", 20_000)
    streams = dns_streams()
    half = prefixed(bytes(2000))[:1500]
    packets = [
        bytes(Ether() / IP(src="10.0.0.2", dst="10.0.0.53") / TCP(sport=port, dport=53, seq=1, flags="A") / half)
        for port in range(1024, 1124)
    ]
    columns = Columns(batch_of(packets))
    assert list(streams.feed(columns, np.arange(100))) == []
    assert streams.waiting <= 20_000


def test_an_acknowledgment_gives_up_no_more_than_it_covers() -> None:
    """The server has the first message, which the capture lacks; the second is only late, the third waits for it."""
    one, two = 1 + len(prefixed(ONE)), 1 + len(prefixed(ONE, TWO))
    late = segment(one, prefixed(TWO))
    found = messages([segment(0, flags="S"), segment(two, prefixed(THREE)), segment(0, ack=one, back=True), late])
    assert said(found) == [TWO, THREE]
    assert {packet for packet, _ in found} == {4}


def test_a_message_kept_over_the_end_of_a_batch_lies_in_no_batch() -> None:
    """Begun in the middle, the first message counts only when the second one ends where a segment ends."""
    both = prefixed(ONE, TWO)
    found = messages([segment(1, both[:200])], [segment(201, both[200:])])
    assert said(found) == [ONE, TWO]
    assert [message.at for _, message in found] == [-1, -1]


def test_very_small_segments_take_neither_time_nor_memory() -> None:
    """Octet by octet: in order, behind a gap, and with most octets cut off."""
    body = prefixed(bytes(60_000))
    reader = PrefixedMessages()
    reader.begin()
    found = [message for at, octet in enumerate(body) for message in reader.feed(Chunk(bytes([octet]), 1, at, at))]
    assert [len(message.packets) for message in found] == [60_002]
    cut = [Chunk(body[:2], 2, 0, 0), *(Chunk(b"x" * (at & 1), 1, at, at) for at in range(60_000))]
    assert [len(message.octets) for chunk in cut for message in reader.feed(chunk)] == [0]
    assert reader.waiting == 0
    direction = Direction(PrefixedMessages())
    direction.open(0)
    for at in range(60_000):
        assert not list(direction.add(2 * at + 9, Chunk(b"", 1, at, at)))
        assert direction.waiting <= stream.MOST_HELD
