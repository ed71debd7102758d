"""Ports, checksums, and the fields of UDP, ICMP and DNS messages, each with the reason for its value."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NS, ICMPv6PacketTooBig, IPv6

from tests.explanations.reasons import reason, told

ENDS = {"src": "10.0.0.2", "dst": "10.0.0.1"}


# Ports


def test_a_port_is_the_servers_or_the_clients() -> None:
    segment = IP(**ENDS) / TCP(sport=50000, dport=80)
    assert told("tcp.dstport", segment, sender="client") == (
        "The server's port: HTTP, web in clear text. 80 is a system port."
    )
    assert "50000 is in IANA's dynamic range" in told("tcp.srcport", segment, sender="client")


@pytest.mark.parametrize(
    ("port", "said"),
    [(1023, "below 1024"), (40000, "IANA's user range (1024 to 49151)"), (49152, "dynamic range (49152 to 65535)")],
)
def test_clients_take_ports_where_their_system_likes(port: int, said: str) -> None:
    """Textbooks say that dynamic ports begin at 1024; IANA says 49152, Linux 32768."""
    assert said in told("udp.srcport", IP(**ENDS) / UDP(sport=port, dport=53), sender="client")


def test_without_roles_a_port_is_only_a_number() -> None:
    assert "Usually DNS" in told("udp.dstport", IP(**ENDS) / UDP(sport=50000, dport=53))
    assert "probably a client's" in told("udp.srcport", IP(**ENDS) / UDP(sport=50000, dport=53))
    assert "81 is a system port" in told("tcp.dstport", IP(**ENDS) / TCP(dport=81))


def test_a_server_may_listen_anywhere() -> None:
    assert "our table knows no service" in told("tcp.dstport", IP(**ENDS) / TCP(dport=4321), sender="client")


def test_a_service_belongs_to_a_protocol() -> None:
    """TFTP is UDP 69; TCP 69 is nothing."""
    assert "TFTP" in told("udp.dstport", IP(**ENDS) / UDP(dport=69))
    assert "TFTP" not in told("tcp.dstport", IP(**ENDS) / TCP(dport=69))


# Checksums


def test_checksums_are_computed_again() -> None:
    segment = IP(**ENDS) / TCP(flags="A") / b"data"
    assert "pseudo-header" in told("tcp.checksum", segment)
    assert told("ip.checksum", segment) == "Computed again over the header: it fits."
    assert "whole message" in told("icmp.checksum", IP(**ENDS) / ICMP())


def test_a_wrong_checksum_names_the_right_one() -> None:
    sentence = told("tcp.checksum", IP(**ENDS) / TCP(flags="A", chksum=0x1234))
    assert "0x1234 here" in sentence
    assert "offload" in sentence


def test_a_checksum_left_to_the_card_is_no_error() -> None:
    assert "no error" in told("tcp.checksum", IP(**ENDS) / TCP(flags="A", chksum=0x1234), checksum_tcp="offload")
    # addresses 0a00 0002 0a00 0001, protocol 6 and length 20: their sum, not yet complemented
    assert "pseudo-header alone" in told("tcp.checksum", IP(**ENDS) / TCP(flags="A", chksum=0x141D))


def test_what_was_not_captured_cannot_be_checked() -> None:
    assert "Cannot be checked" in told("udp.checksum", IP(**ENDS) / UDP(chksum=7), checksum_udp="unchecked")


def test_udp_over_ipv4_may_go_without() -> None:
    assert "allows" in told("udp.checksum", IP(**ENDS) / UDP(chksum=0))


# UDP, ICMP


def test_a_datagram_has_eight_octets_of_header() -> None:
    assert told("udp.length", IP(**ENDS) / UDP() / bytes(5)) == "8 (header) + 5 (data) = 13."
    assert "error" in told("udp.length", IP(**ENDS) / UDP(len=7))


def test_a_ping_is_known_again_by_identifier_and_number() -> None:
    asked, answered = IP(**ENDS) / ICMP(type=8, id=26, seq=3), IP(**ENDS) / ICMP(type=0, id=26, seq=3)
    assert "chosen by this ping" in told("icmp.ident", asked)
    assert "Number 3" in told("icmp.seq", asked)
    assert "copied" in told("icmp.ident", answered)
    sentence = told("icmp.seq", answered, acked_packet=5, acked_rtt_ns=412_000)
    assert "packet 5" in sentence
    assert "412 µs" in sentence
    assert "Number 3" in told("icmpv6.echo.sequence_number", IPv6() / ICMPv6EchoRequest(seq=3))


def test_a_code_means_something_within_its_type() -> None:
    quoted = IP(**ENDS) / UDP(dport=9)
    assert "port unreachable" in told("icmp.code", IP(**ENDS) / ICMP(type=3, code=3) / quoted)
    assert "only one case" in told("icmp.code", IP(**ENDS) / ICMP(type=8))
    assert reason("icmp.code", IP(**ENDS) / ICMP(type=8, code=9)) is None


def test_too_large_says_how_large_is_right() -> None:
    quoted = IP(**ENDS, flags="DF") / TCP()
    sentence = told("icmp.mtu", IP(**ENDS) / ICMP(type=3, code=4, nexthopmtu=1400) / quoted)
    assert "1400 - 40 = 1360" in sentence
    assert "1280 - 60 = 1220" in told("icmpv6.mtu", IPv6() / ICMPv6PacketTooBig(mtu=1280) / IPv6())


@pytest.mark.parametrize(
    ("source", "destination", "said"),
    [
        ("fe80::9", "ff02::1:ff00:1", "Which MAC address belongs to fe80::1?"),
        ("fe80::9", "fe80::1", "still there"),
        ("::", "ff02::1:ff00:1", "duplicate address detection"),
    ],
)
def test_a_neighbour_is_sought_checked_or_feared(source: str, destination: str, said: str) -> None:
    assert said in told(
        "icmpv6.nd.ns.target_address", IPv6(src=source, dst=destination, hlim=255) / ICMPv6ND_NS(tgt="fe80::1")
    )


# DNS


def question(**flags: Any) -> Any:
    return IP(**ENDS) / UDP(sport=50000, dport=53) / DNS(id=0x1234, qd=DNSQR(qname="www.example.com"), **flags)


def answer(**parts: Any) -> Any:
    message = DNS(id=0x1234, qr=1, qd=DNSQR(qname="www.example.com"), **parts)
    return IP(**ENDS) / UDP(sport=53, dport=50000) / message


ADDRESS = DNSRR(rrname="www.example.com", type="A", ttl=300, rdata="93.184.216.34")
SERVERS = DNSRR(rrname="com", type="NS", ttl=172800, rdata="a.gtld-servers.net")


def test_an_id_is_chosen_and_copied() -> None:
    assert "0x1234 was chosen at random" in told("dns.id", question())
    assert "copied from the question" in told("dns.id", answer(an=ADDRESS))


def test_who_is_to_do_the_searching() -> None:
    assert "a host asks its resolver" in told("dns.flags.recdesired", question(rd=1))
    assert "what you know yourself" in told("dns.flags.recdesired", question(rd=0))
    assert "searches for nobody" in told("dns.flags.recavail", answer(an=ADDRESS, ra=0))


def test_the_root_refers_and_does_not_forward() -> None:
    referral = answer(ns=SERVERS)
    assert "a referral" in told("dns.flags.authoritative", referral)
    assert "servers in the authority part" in told("dns.flags.rcode", referral)
    assert "servers in the authority part" in told("dns.count.answers", referral)


def test_no_such_name_is_not_no_such_type() -> None:
    assert "does not exist" in told("dns.flags.rcode", answer(rcode=3))
    assert "the name exists" in told("dns.flags.rcode", answer())
    assert "does not mean that the name does not exist" in told("dns.flags.rcode", answer(rcode=2))


def test_answers_are_the_zones_own_or_passed_on() -> None:
    assert "its own data" in told("dns.flags.authoritative", answer(an=ADDRESS, aa=1))
    assert "cache" in told("dns.flags.authoritative", answer(an=ADDRESS, ra=1))


def test_a_record_may_be_kept_for_a_while() -> None:
    assert "for 300 s" in told("dns.resp.ttl", answer(an=ADDRESS))
