"""Clocks of any resolution, and options of any kind, give what exact arithmetic gives, and never fail."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sniffkit.sources.batch import NO_TIME
from sniffkit.sources.pcapng_blocks import LATEST, Clock, find_block, options, read_interface, read_names
from tests.sources.by_hand import interface, option, packet, section


@given(
    st.integers(0, 255),
    st.integers(-(2**63), 2**63 - 1) | st.integers(-(10**10), 10**10),
    st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=5),
)
@example(6, 0, [2**64 - 1])
@example(9, 0, [2**63 - 1, 2**63, 1_700_000_000_123_456_789])
@example(0, 0, [9223372036, 9223372037])
@example(0x8A, -5, [2**64 - 1, 0, 1023])
@example(0, 2**62, [2**62])
@settings(max_examples=300, deadline=None)
def test_a_clock_counts_as_exactly_as_whole_numbers_do(resolution: int, offset: int, ticks: list[int]) -> None:
    per_second = 2 ** (resolution - 128) if resolution >= 128 else 10**resolution
    exact = [offset * 10**9 + tick * 10**9 // per_second for tick in ticks]
    # What no int64 holds is clamped; where the seconds alone are too early, it is told as the earliest time.
    wanted = [LATEST if each > LATEST else each for each in exact]
    got = Clock(resolution, offset).nanoseconds(np.array(ticks, np.uint64)).tolist()
    earliest = -9223372036 * 10**9
    assert [g if g >= earliest else None for g in got] == [w if w >= earliest else None for w in wanted]
    assert NO_TIME not in got


@given(st.binary(max_size=60), st.sampled_from("<>"))
def test_options_of_any_octets_end(octets: bytes, order: str) -> None:
    for code, value in options(octets, 0, order):
        assert code
        assert value in octets


@given(st.binary(max_size=80))
def test_blocks_of_any_octets_are_read_without_failing(octets: bytes) -> None:
    read_interface(bytes(16) + octets + bytes(4), "<")
    read_names(bytes(8) + octets + bytes(4), ">")


def test_an_option_longer_than_its_block_is_left_out() -> None:
    lie = option(2, b"eth0") + b"\x03\x00\xff\xff"
    told, clock, _ = read_interface(interface(options=lie), "<")
    assert (told.name, told.description, clock) == ("eth0", "", Clock())


def test_the_next_block_is_found_by_both_its_ends() -> None:
    """A beginning alone is not believed, except where the end is still to be read."""
    begin_only = packet(b"octets")[:-4] + bytes(4)
    octets = b"\x01\x02\x03" + begin_only + section(">") + packet(b"octets")
    buffer = np.frombuffer(octets + bytes(256), np.uint8)
    section_at = 3 + len(begin_only)
    assert find_block(buffer, 0, len(octets), "<", True) == section_at
    assert find_block(buffer, section_at + 1, len(octets), "", True) is None, "only sections tell their byte order"
    last = section_at + 28
    assert find_block(buffer, section_at + 1, len(octets), "<", True) == last
    assert find_block(buffer, section_at + 1, len(octets) - 1, "<", True) is None
    assert find_block(buffer, section_at + 1, len(octets) - 1, "<", False) == last
