"""DNS field by field: every octet of a message is in one field, and the values are those of dnspython."""

from __future__ import annotations

import dns.message
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from sniffkit.protocols.packet import Packet, read_packet
from tests.protocols.batches import texts, uncovered


def answer() -> bytes:
    message = dns.message.make_response(dns.message.make_query("www.example.com", "A", use_edns=0, want_dnssec=True))
    message.id = 0x1234
    for text in (
        "www.example.com. 60 IN CNAME a.example.com.", "a.example.com. 60 IN A 192.0.2.1",
        "a.example.com. 60 IN AAAA 2001:db8::1", "example.com. 5 IN MX 10 mx.example.com.",
        'example.com. 5 IN TXT "abc" "de;f"', "_s._tcp.example.com. 5 IN SRV 1 2 80 h.example.com.",
        "example.com. 5 IN CAA 0 issue ca.example.net", "example.com. 5 IN HTTPS 1 . alpn=h2",
    ):  # fmt: skip
        name, ttl, _, kind, data = text.split(" ", 4)
        message.answer.append(dns.rrset.from_text(name, int(ttl), "IN", kind, data))
    soa = "m.example.com. r.example.com. 7 1 2 3 4"
    message.authority.append(dns.rrset.from_text("example.com.", 9, "IN", "SOA", soa))
    return message.to_wire()


def read(payload: bytes, port: int = 53, transport: type[UDP | TCP] = UDP) -> Packet:
    raw = bytes(Ether() / IP() / transport(sport=port, dport=40000) / Raw(payload))
    return read_packet(raw, 1, len(raw))


def test_every_octet_is_in_a_field_and_the_values_are_those_of_the_records() -> None:
    packet = read(answer())
    layer = packet.layer("dns")
    assert layer is not None
    assert uncovered(layer) == ""
    assert layer.problems == []
    assert layer.length == len(answer())
    for id, expected in {
        "dns.id": ["0x1234"], "dns.flags.response": ["1"], "dns.count.answers": ["8"],
        "dns.qry.name": ["www.example.com"], "dns.qry.type": ["1"], "dns.cname": ["a.example.com"],
        "dns.a": ["192.0.2.1"], "dns.aaaa": ["2001:db8::1"], "dns.mx.preference": ["10"], "dns.txt": ["abc", "de;f"],
        "dns.srv.target": ["h.example.com"], "dns.srv.port": ["80"], "dns.soa.serial_number": ["7"],
        "dns.caa.tag": ["issue"], "dns.svcb.targetname": ["<Root>"], "dns.resp.z.do": ["0"],
    }.items():  # fmt: skip
        assert texts(packet, id) == expected, id


@pytest.mark.parametrize("transport", [UDP, TCP])
def test_a_message_cut_anywhere_says_so(transport: type[UDP | TCP]) -> None:
    whole = answer()
    for length in range(12, len(whole)):
        cut = whole[:length] if transport is UDP else length.to_bytes(2, "big") + whole[:length]
        layer = read(cut, 53, transport).layer("dns")
        assert layer is not None
        assert uncovered(layer) == ""
        assert layer.problems, length


def test_over_tcp_the_length_stands_before_the_message() -> None:
    whole = answer()
    packet = read(len(whole).to_bytes(2, "big") + whole, 53, TCP)
    assert texts(packet, "dns.length") == [str(len(whole))]
    assert texts(packet, "dns.a") == ["192.0.2.1"]
    part = read(len(whole).to_bytes(2, "big") + whole[:50], 53, TCP).layer("dns")
    assert part is not None
    assert part.problems[0].id == "dns.message-in-segments"


def test_the_same_bits_mean_something_else_in_mdns_and_llmnr() -> None:
    packet = read(bytes.fromhex("000084000000000100000000 0161 00 0001 8001 0000000a 0004 c0000201"), 5353)
    assert packet.layer("mdns") is not None
    assert (texts(packet, "dns.resp.cache_flush"), texts(packet, "dns.resp.class")) == (["1"], ["0x0001"])
    packet = read(bytes.fromhex("000004000001000000000000 0161 00 0001 0001"), 5355)
    assert packet.layer("llmnr") is not None
    assert texts(packet, "dns.flags.conflict") == ["1"]


def test_names_that_point_in_circles_end() -> None:
    layer = read(bytes.fromhex("000001000001000000000000 c00c 0001 0001")).layer("dns")
    assert layer is not None
    assert uncovered(layer) == ""
    assert layer.problems[0].id == "dns.name-loop"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6))
def test_messages_that_lie_are_read(tail: bytes, lies: list[tuple[int, int]]) -> None:
    octets = bytearray(answer() + tail)
    for place, value in lies:
        octets[place % len(octets)] = value
    for layer in read(bytes(octets)).layers:
        assert uncovered(layer) == ""
