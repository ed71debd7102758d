"""Records are found in lanes only where that gives exactly what going from one to the next gives."""

from __future__ import annotations

import random
import re
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffkit.sources import boundaries
from sniffkit.sources.boundaries import Chain, Guess, find_records, follow, follow_in_lanes

PCAP = Chain("<", 8, 16)
SECONDS = Guess(re.compile(re.escape(struct.pack("<I", 1_700_000_000)[2:]) + rb".{7}\0.{3}\0", re.DOTALL), 2)


@pytest.fixture(autouse=True)
def _short_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundaries, "LANE", 1024)


def records(seed: int, count: int, *, longest: int = 200, lies: bool = False) -> np.ndarray:
    """Return pcap records in a buffer with a guard; with lies, packets carry what looks like records."""
    draw = random.Random(seed)
    parts = []
    for number in range(count):
        octets = draw.randbytes(draw.randrange(longest))
        if lies and number % 3 == 0:
            octets = struct.pack("<IIII", 1_700_000_000, 1, draw.randrange(60), 60) * draw.randrange(8)
        parts.append(struct.pack("<IIII", 1_700_000_000 + number // 50, number, len(octets), len(octets)) + octets)
    whole = b"".join(parts)[: -draw.randrange(1, 16)]  # the last packet is cut
    return np.frombuffer(whole + bytes(256), np.uint8).copy()


def by_loop(buffer: np.ndarray, filled: int, chain: Chain = PCAP) -> tuple[list[int], int]:
    return follow(buffer, 0, filled, chain)


@pytest.mark.parametrize("seed", range(10))
def test_lanes_find_what_the_loop_finds(seed: int) -> None:
    buffer = records(seed, 600)
    filled = len(buffer) - 256
    met = follow_in_lanes(buffer, 0, filled, PCAP, SECONDS)
    assert met is not None, "on common records the lanes do meet"
    starts, position = find_records(buffer, 0, filled, PCAP, SECONDS)
    assert (starts.tolist(), position) == by_loop(buffer, filled)


@pytest.mark.parametrize("seed", range(10))
def test_packets_that_carry_records_do_not_mislead(seed: int) -> None:
    buffer = records(seed, 600, lies=True)
    filled = len(buffer) - 256
    starts, position = find_records(buffer, 0, filled, PCAP, SECONDS)
    assert (starts.tolist(), position) == by_loop(buffer, filled)


def test_a_broken_record_in_the_middle_stops_both_ways_alike() -> None:
    buffer = records(1, 600)
    filled = len(buffer) - 256
    middle = by_loop(buffer, filled)[0][300]
    buffer[middle + 8 : middle + 12] = 0xFF
    starts, position = find_records(buffer, 0, filled, PCAP, SECONDS)
    assert (starts.tolist(), position) == by_loop(buffer, filled)
    assert position == middle


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_the_octets_both_ways_agree(data: st.DataObject) -> None:
    boundaries.LANE = 64
    order = data.draw(st.sampled_from("<>"))
    chain = data.draw(st.sampled_from([Chain(order, 8, 16), Chain(order, 4, 0, 12), Chain(order, 12, 24)]))
    lengths = data.draw(st.lists(st.sampled_from([0, 1, 5, 12, 16, 28, 60]), min_size=60, max_size=300))
    octets = bytearray()
    for length in lengths:
        record = bytearray(max(chain.around + length, chain.at + 4))
        struct.pack_into(order + "I", record, chain.at, length)
        octets += record
    for place in data.draw(st.lists(st.integers(0, len(octets) - 1), max_size=3)):
        octets[place] = data.draw(st.integers(0, 255))
    buffer = np.frombuffer(bytes(octets) + bytes(256), np.uint8).copy()
    guess = Guess(re.compile(re.escape(bytes(octets[:1]))), 0)
    starts, position = find_records(buffer, 0, len(octets), chain, guess)
    assert (starts.tolist(), position) == follow(buffer, 0, len(octets), chain)


def test_lanes_that_arrive_early_wait_for_none() -> None:
    """Small packets first, then large ones: the lanes over these are done after a few steps."""
    small, large = records(1, 600, longest=100), records(2, 150, longest=300)
    _, used = by_loop(small, len(small) - 256)
    buffer = np.concatenate((small[:used], large))
    filled = len(buffer) - 256
    assert follow_in_lanes(buffer, 0, filled, PCAP, SECONDS) is not None
    starts, position = find_records(buffer, 0, filled, PCAP, SECONDS)
    assert (starts.tolist(), position) == by_loop(buffer, filled)


def test_a_large_buffer_has_longer_lanes_not_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundaries, "MOST_LANES", 20)
    buffer = records(3, 900)
    filled = len(buffer) - 256
    seen: list[int] = []
    find = SECONDS.pattern

    class Counted:
        def search(self, *where: object) -> re.Match[bytes] | None:
            seen.append(1)
            return find.search(*where)  # type: ignore[call-overload, no-any-return]

    met = follow_in_lanes(buffer, 0, filled, PCAP, Guess(Counted(), 2))  # type: ignore[arg-type]
    assert met is not None
    assert filled > 40 * 1024
    assert len(seen) <= 20
    assert met[0].tolist() == [start for start in by_loop(buffer, filled)[0] if start < met[1]]


def test_a_few_records_are_not_worth_lanes() -> None:
    buffer = records(1, 20)
    assert follow_in_lanes(buffer, 0, len(buffer) - 256, PCAP, SECONDS) is None
