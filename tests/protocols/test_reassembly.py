"""Fragments become datagrams again, in any order, and never more of them are kept than there is room for."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from sniffkit.protocols.columns import Columns
from sniffkit.protocols.reassembly import Fragment, Reassembler
from tests.protocols.batches import batch_of

DATA = bytes(range(256)) * 12


def part(place: int, octets: bytes, more: bool, key: int = 1) -> Fragment:
    return Fragment(key, place, more, octets, 0, 0, 17)


def test_the_fragment_that_completes_the_datagram_carries_its_ports() -> None:
    whole = IP(src="10.0.0.1", dst="10.0.0.2", id=7) / UDP(sport=1000, dport=2000) / Raw(DATA)
    pieces = [bytes(Ether() / piece) for piece in fragment(whole, fragsize=1400)]
    assert len(pieces) == 3
    for order in itertools.permutations(pieces):
        reassembler = Reassembler()
        found = [Columns(batch_of([piece]), reassembler) for piece in order]  # each in a batch of its own
        assert [len(columns.rows("udp")) for columns in found] == [0, 0, 1]
        assert found[2]["udp.dstport"].tolist() == [2000]
        assert found[2].rows("udp").length.tolist() == [8 + len(DATA)]


def test_ipv6_fragments_are_put_together() -> None:
    whole = IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrFragment(id=9) / UDP(sport=7, dport=9) / Raw(DATA)
    pieces = [bytes(Ether() / piece) for piece in fragment6(whole, 1280)]
    columns = Columns(batch_of(pieces[::-1]), Reassembler())
    assert columns.rows("udp").row.tolist() == [len(pieces) - 1]
    assert columns["udp.srcport"].tolist() == [7]


def test_without_a_reassembler_nothing_is_put_together() -> None:
    whole = IP(src="10.0.0.1", dst="10.0.0.2", id=7) / UDP() / Raw(DATA)
    columns = Columns(batch_of([bytes(Ether() / piece) for piece in fragment(whole, fragsize=1400)]))
    assert len(columns.rows("udp")) == 0


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 40)), max_size=8), st.randoms())
def test_overlaps_and_repeats_change_nothing(cuts: list[tuple[int, int]], chance: object) -> None:
    text = bytes(range(100))
    parts = [part(start, text[start : start + length], True) for start, length in cuts]
    parts += [part(0, text[:50], True), part(48, text[48:], False)]
    chance.shuffle(parts)  # type: ignore[attr-defined]
    reassembler = Reassembler()
    whole = [found.octets for one in parts if (found := reassembler.add(one)) is not None]
    assert whole[0] == text


def test_what_is_kept_is_bounded() -> None:
    reassembler = Reassembler(most_octets=10_000)
    for key in range(1000):
        assert reassembler.add(part(0, bytes(100), True, key)) is None
    assert reassembler.let_go >= 900
    assert reassembler._held <= 10_000


def test_a_fragment_beyond_the_largest_datagram_is_passed_over() -> None:
    reassembler = Reassembler()
    assert reassembler.add(part(65_528, bytes(100), False)) is None
    assert reassembler._held == 0
