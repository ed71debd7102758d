"""An IP header explained: lengths that add up, hops as an honest guess, and what kind of address it is."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NS, IPv6
from scapy.layers.l2 import Ether

from tests.explanations.reasons import reason, told

ENDS = {"src": "10.0.0.2", "dst": "10.0.0.1"}


def test_the_total_length_is_a_sum() -> None:
    """20 + 32 + 100 = 152."""
    options = [("NOP", None), ("NOP", None), ("Timestamp", (1, 2))]
    sentence = told("ip.len", IP(**ENDS) / TCP(flags="A", options=options) / bytes(100))
    assert sentence == "20 (IP header) + 32 (TCP header) + 100 (data) = 152."
    assert told("ip.len", IP(**ENDS) / UDP() / bytes(5)) == "20 (IP header) + 8 (UDP header) + 5 (data) = 33."
    assert told("ip.len", IP(**ENDS) / ICMP()) == "20 (IP header) + 8 (what it carries) = 28."


def test_a_length_of_zero_is_left_to_the_card() -> None:
    sentence = told("ip.len", IP(**ENDS, len=0) / TCP(flags="A") / bytes(3000))
    assert "segmentation offload" in sentence
    assert "3040 octets" in sentence


def test_more_than_an_ethernet_frame_can_hold() -> None:
    assert "offload" in told("ip.len", Ether() / IP(**ENDS) / TCP(flags="A") / bytes(3000))


def test_the_header_length_counts_words() -> None:
    assert told("ip.hdr_len", IP(**ENDS) / UDP()) == "5 × 4 = 20 octets: no options."


def test_the_identification_matters_to_fragments_only() -> None:
    assert "has no use" in told("ip.id", IP(**ENDS, flags="DF", id=0) / UDP())
    assert "fills it in all the same" in told("ip.id", IP(**ENDS, flags="DF", id=7) / UDP())
    assert "0x0007" in told("ip.id", IP(**ENDS, flags="MF", id=7) / bytes(8))
    assert "A router may still do it" in told("ip.id", IP(**ENDS, id=7) / UDP())


def test_a_fragment_counts_in_units_of_eight_octets() -> None:
    assert "185 × 8 = 1480" in told("ip.frag_offset", IP(**ENDS, frag=185, proto=17) / bytes(8))
    assert "the first piece" in told("ip.frag_offset", IP(**ENDS, flags="MF", proto=17) / bytes(16))
    assert "the last piece" in told("ip.flags.mf", IP(**ENDS, frag=185, proto=17) / bytes(8))
    assert "the datagram is whole" in told("ip.frag_offset", IP(**ENDS) / UDP())


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (64, "no router has forwarded it yet"),
        (57, "64 - 57 = 7 routers"),
        (113, "128 - 113 = 15 routers"),
        (244, "255 - 244 = 11 routers"),
        (6, "probably chose another one"),
        (1, "next router will drop it"),
        (0, "must not be forwarded"),
    ],
)
def test_hops_are_guessed_and_told_as_a_guess(left: int, said: str) -> None:
    sentence = told("ip.ttl", IP(**ENDS, ttl=left) / UDP())
    assert said in sentence
    if "routers" in said:
        assert "most likely" in sentence


def test_neighbours_prove_by_255_that_they_are_neighbours() -> None:
    assert "comes from this link" in told("ipv6.hlim", IPv6(hlim=255) / ICMPv6ND_NS(tgt="fe80::1"))
    assert "drop this message" in told("ipv6.hlim", IPv6(hlim=254) / ICMPv6ND_NS(tgt="fe80::1"))
    assert "64 is what Linux" in told("ipv6.hlim", IPv6(hlim=64) / ICMPv6EchoRequest())


def test_an_ipv6_length_leaves_the_header_out() -> None:
    sentence = told("ipv6.plen", IPv6() / TCP(flags="A") / bytes(100))
    assert "20 (TCP header) + 100 (data) = 120" in sentence
    assert "40 octets are not counted" in sentence


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("192.168.1.7", "private (RFC 1918)"),
        ("100.64.0.1", "RFC 6598"),
        ("127.0.0.1", "never leaves this machine"),
        ("169.254.3.4", "link-local"),
        ("203.0.113.9", "examples in books"),
        ("224.0.0.251", "group of this link"),
        ("239.1.2.3", "multicast group"),
        ("255.255.255.255", "every host on this link"),
        ("0.0.0.0", "no address yet"),
        ("93.184.216.34", "public address"),
    ],
)
def test_ipv4_addresses_have_kinds(address: str, said: str) -> None:
    assert said in told("ip.dst", IP(src="10.0.0.2", dst=address) / UDP())


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("::1", "loopback"),
        ("fe80::1", "link-local"),
        ("fd00::1", "unique-local"),
        ("ff02::1", "all nodes"),
        ("ff02::2", "all routers"),
        ("ff02::fb", "group of this link"),
        ("ff02::1:ff00:1", "solicited-node"),
        ("2001:db8::1", "examples in books"),
        ("2606:2800:220::1", "public address"),
        ("64:ff9b::1.2.3.4", "NAT64"),
        ("::ffff:1.2.3.4", "IPv4 address in IPv6 dress"),
        ("2002:102:304::1", "6to4"),
        ("2001:0:1::1", "Teredo"),
        ("4000::1", "reserved"),
    ],
)
def test_ipv6_addresses_have_kinds(address: str, said: str) -> None:
    assert said in told("ipv6.dst", IPv6(src="fe80::9", dst=address) / UDP())


def test_a_mark_is_told_and_its_absence_is_not() -> None:
    assert "was congested" in told("ip.dsfield.ecn", IP(**ENDS, tos=3) / UDP())
    assert reason("ip.dsfield.ecn", IP(**ENDS, tos=0) / UDP()) is None
    assert reason("ip.flags.rb", IP(**ENDS) / UDP()) is None
