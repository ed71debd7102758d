"""The Internet checksum (RFC 1071): of one buffer, and of many stretches of one at once."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.utils import checksum as scapy_checksum

from sniffkit.protocols.checksum import BAD, GOOD, UNKNOWN, Checksum, internet_checksum, sums


def test_the_example_of_rfc_1071() -> None:
    # section 3: 0001 f203 f4f5 f6f7 add up to ddf2
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2


@given(st.binary(max_size=300))
def test_it_is_scapys(octets: bytes) -> None:
    assert internet_checksum(octets) % 0xFFFF == scapy_checksum(octets) % 0xFFFF


def test_both_zeros_are_right() -> None:
    assert Checksum("ip.checksum", 0, 0xFFFF).state == GOOD
    assert Checksum("ip.checksum", 1, 2).state == BAD
    assert Checksum("ip.checksum", 1, None).state == UNKNOWN


@settings(max_examples=200)
@given(st.binary(min_size=1, max_size=200), st.lists(st.tuples(st.integers(0, 199), st.integers(0, 90)), max_size=8))
def test_many_stretches_at_once_odd_ones_and_overlapping_ones_too(
    octets: bytes, stretches: list[tuple[int, int]]
) -> None:
    cut = [(at % len(octets), min(length, len(octets) - at % len(octets))) for at, length in stretches]
    buffer = np.frombuffer(octets + bytes(256), np.uint8)
    for some in (cut, cut + [(0, 1)] * 80):  # and where nearly all are short
        starts = np.array([at for at, _ in some], np.int64)
        lengths = np.array([length for _, length in some], np.int64)
        expected = [0xFFFF - internet_checksum(octets[at : at + length]) for at, length in some]
        assert [int(one) % 0xFFFF for one in sums(buffer, starts, lengths)] == [one % 0xFFFF for one in expected]
