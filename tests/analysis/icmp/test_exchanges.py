"""Pings find their answers, and errors the packet they are about."""

from __future__ import annotations

from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6PacketTooBig, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from sniffkit.analysis.icmp.exchanges import IcmpExchanges
from tests.analysis.messages import ids, one, sentences, told, told_of_file

ROOT = Path(__file__).parents[3]
LINK = Ether(src="02:00:00:00:00:0a", dst="02:00:00:00:00:0b")
A, B, ROUTER = "10.0.0.1", "10.9.0.1", "10.0.0.254"


def ping(sequence: int, reply: bool = False, ttl: int = 64, to: str = B) -> bytes:
    source, destination = (to, A) if reply else (A, to)
    return bytes(
        LINK / IP(src=source, dst=destination, ttl=ttl) / ICMP(type=0 if reply else 8, id=77, seq=sequence) / b"abc"
    )


def error(about: Packet, type: int, code: int, reporter: str = ROUTER, **more: object) -> bytes:
    """An ICMP error that quotes the IP header of ``about`` and 8 octets, hop limit spent."""
    quoted = bytearray(bytes(about[IP])[:28])
    quoted[8] = 0
    return bytes(LINK / IP(src=reporter, dst=A) / ICMP(type=type, code=code, **more) / bytes(quoted))


def datagram(port: int = 33434, ttl: int = 64, id: int = 5) -> Packet:
    return LINK / IP(src=A, dst=B, ttl=ttl, id=id) / UDP(sport=40000, dport=port) / b"hello"


def test_a_reply_answers_the_ping_with_its_number() -> None:
    exchanges = IcmpExchanges()
    facts = told(exchanges, [ping(1), ping(2), ping(2, reply=True, ttl=57), ping(1, reply=True, ttl=57)])
    assert one(facts, 3, "icmp.echo-reply")["number"] == 2
    assert one(facts, 4, "icmp.echo-reply")["elapsed_ns"] == 3_000_000
    assert one(facts, 3, "icmp.hops") == {"server": B, "limit": 57, "begun": 64, "hops": 7}
    assert "icmp.hops" not in ids(facts, 4)  # said once
    assert [(e.sequence, e.request_packets, e.reply_packets) for e in exchanges.finish()] == [
        (1, [1], [4]),
        (2, [2], [3]),
    ]
    sentences(facts)


def test_pings_lost_repeated_doubled_and_unasked() -> None:
    exchanges = IcmpExchanges()
    facts = told(
        exchanges,
        [(0, ping(1)), (1, ping(1)), (1.1, ping(1, reply=True)), (1.2, ping(1, reply=True)), (2, ping(9, reply=True))],
    )
    assert [ids(facts, number)[0] for number in range(1, 6)] == [
        "icmp.echo-request",
        "icmp.echo-request-again",
        "icmp.echo-reply",
        "icmp.echo-reply-again",
        "icmp.echo-reply-unasked",
    ]
    told(exchanges, [ping(50)])
    exchanges.finish()
    assert exchanges.counts["unanswered"] == 1
    sentences(facts)


def test_a_ping_to_all_is_answered_by_each_under_its_own_name() -> None:
    facts = told(IcmpExchanges(), [ping(1, to="10.9.0.255"), ping(1, reply=True)])
    assert one(facts, 2, "icmp.echo-reply-elsewhere")["asked"] == "10.9.0.255"
    sentences(facts)


def test_ping_over_ipv6() -> None:
    ends = {"src": "2001:db8::1", "dst": "2001:db8::2"}
    back = {"src": "2001:db8::2", "dst": "2001:db8::1"}
    facts = told(
        IcmpExchanges(),
        [
            bytes(LINK / IPv6(**ends) / ICMPv6EchoRequest(id=7, seq=3)),
            bytes(LINK / IPv6(**back) / ICMPv6EchoReply(id=7, seq=3)),
        ],
    )
    assert one(facts, 2, "icmp.echo-reply")["server"] == "2001:db8::2"
    sentences(facts)


def test_a_closed_port_is_told_of_the_very_datagram() -> None:
    """Two equal datagrams differ in their identification, by which the right one is found."""
    first, second = datagram(id=5), datagram(id=6)
    exchanges = IcmpExchanges()
    facts = told(exchanges, [bytes(first), bytes(second), error(first, 3, 3, reporter=B)])
    assert ids(facts, 3) == ["icmp.port-unreachable", "icmp.quotes-packet"]
    assert one(facts, 3, "icmp.port-unreachable")["port"] == 33434
    quotes = one(facts, 3, "icmp.quotes-packet")
    assert (quotes["number"], quotes["elapsed_ns"]) == (1, 2_000_000)
    assert quotes["quoted"] == f"UDP {A}:40000 → {B}:33434"
    assert [(e.packet, e.about, e.reporter) for e in exchanges.errors] == [(3, 1, B)]
    sentences(facts)


def test_the_quoted_packet_may_be_in_an_earlier_batch() -> None:
    facts = told(IcmpExchanges(), [bytes(datagram()), ping(1), error(datagram(), 3, 3)], size=1)
    assert one(facts, 3, "icmp.quotes-packet")["number"] == 1


def test_a_packet_that_was_never_captured() -> None:
    facts = told(IcmpExchanges(), [error(datagram(), 3, 1)])
    assert ids(facts, 1) == ["icmp.host-unreachable", "icmp.quotes-unseen"]
    sentences(facts)


def test_traceroute_learns_each_router() -> None:
    probe = datagram(ttl=2)
    facts = told(IcmpExchanges(), [bytes(probe), error(probe, 11, 0)])
    assert one(facts, 2, "icmp.hop-found")["limit"] == 2
    sentences(facts)


def test_a_checksum_left_to_the_network_card_does_not_hide_the_packet() -> None:
    """The capture saw the datagram before its checksum was filled in, the error quotes what left the card."""
    sent = LINK / IP(src=A, dst=B, id=9) / UDP(sport=1, dport=2, chksum=0x1234) / b"x"
    left = LINK / IP(src=A, dst=B, id=9) / UDP(sport=1, dport=2) / b"x"
    facts = told(IcmpExchanges(), [bytes(sent), error(left, 3, 3)])
    assert one(facts, 2, "icmp.quotes-packet")["number"] == 1


ERRORS = [
    (3, 0, "icmp.network-unreachable"),
    (3, 2, "icmp.protocol-unreachable"),
    (3, 4, "icmp.fragmentation-needed"),
    (3, 13, "icmp.prohibited"),
    (3, 5, "icmp.unreachable"),
    (11, 1, "icmp.reassembly-time-exceeded"),
    (4, 0, "icmp.source-quench"),
    (12, 0, "icmp.parameter-problem"),
]


@pytest.mark.parametrize(("type", "code", "id"), ERRORS)
def test_every_error_has_its_meaning(type: int, code: int, id: str) -> None:
    about = LINK / IP(src=A, dst=B) / TCP(sport=1000, dport=80)
    facts = told(IcmpExchanges(), [bytes(about), error(about, type, code)])
    assert ids(facts, 2)[0] == id
    sentences(facts)


def test_errors_that_say_what_would_do() -> None:
    about = datagram()
    facts = told(
        IcmpExchanges(), [bytes(about), error(about, 3, 4, nexthopmtu=1400), error(about, 5, 1, gw="10.0.0.253")]
    )
    assert one(facts, 2, "icmp.fragmentation-needed")["mtu"] == 1400
    assert one(facts, 3, "icmp.redirect")["gateway"] == "10.0.0.253"
    sentences(facts)


def test_errors_of_ipv6() -> None:
    about = IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP(sport=1, dport=2) / b"x"
    reporter = IPv6(src="2001:db8::ff", dst="2001:db8::1")
    facts = told(
        IcmpExchanges(),
        [
            bytes(LINK / about),
            bytes(LINK / reporter / ICMPv6DestUnreach(code=4) / bytes(about)),
            bytes(LINK / reporter / ICMPv6PacketTooBig(mtu=1280) / bytes(about)),
        ],
    )
    assert ids(facts, 2) == ["icmp.port-unreachable", "icmp.quotes-packet"]
    assert one(facts, 2, "icmp.quotes-packet")["quoted"] == "UDP [2001:db8::1]:1 → [2001:db8::2]:2"
    assert one(facts, 3, "icmp.packet-too-big")["mtu"] == 1280
    sentences(facts)


def test_an_error_whose_quotation_is_cut_short() -> None:
    whole = error(datagram(), 3, 3)
    for length in range(36, len(whole)):
        facts = told(IcmpExchanges(), [bytes(datagram()), whole[:length]])
        sentences(facts)


@pytest.mark.parametrize(("name", "id"), [("udp-closed-port", "icmp.quotes-packet"), ("arp-ping", "icmp.echo-reply")])
def test_the_samples_of_the_lab(name: str, id: str) -> None:
    path = ROOT / "captures" / f"{name}.pcap"
    if not path.exists():
        pytest.skip(f"captures/{name}.pcap is not recorded yet")
    facts = told_of_file(IcmpExchanges(), str(path))
    assert any(id in ids(facts, number) for number in facts)
    sentences(facts)
