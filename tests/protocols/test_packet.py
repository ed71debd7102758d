"""One packet, every bit: whatever the octets are, each bit of a header is in one field and nothing raises."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Router_Alert, IPOption_RR
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
    RouterAlert,
)
from scapy.layers.l2 import ARP, GRE, LLC, SNAP, STP, Dot1AD, Dot1Q, Dot3, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet as ScapyPacket
from scapy.packet import Raw

from sniffkit.protocols.packet import DEEPEST, read_packet
from tests.protocols.batches import texts, uncovered

OPTIONS = [
    ("MSS", 1460), ("NOP", None), ("WScale", 7), ("SAckOK", b""), ("Timestamp", (1, 2)), (34, b"cookie88"),
]  # fmt: skip

ETHER = Ether(dst="02:00:00:00:00:01", src="02:00:00:00:00:02")
V4 = IP(src="192.0.2.1", dst="198.51.100.2", tos=0xB9, id=0x1234, flags="DF")
V6 = IPv6(src="2001:db8::1", dst="2001:db8::2", tc=0xB9, fl=0x12345)

SAMPLES: dict[str, ScapyPacket] = {
    "tcp with all options": ETHER / V4 / TCP(flags=0x1D2, seq=7, ack=9, options=OPTIONS) / b"hi",
    "sack": ETHER / V4 / TCP(flags="A", options=[("SAck", (600, 700, 800, 900)), (99, b"zz"), ("EOL", None)]),
    "md5, experiment": ETHER / V4 / TCP(options=[(19, b"0123456789abcdef"), (253, b"\xf9\x89abcd"), (254, b"\0\1x")]),
    "udp": ETHER / V4 / UDP(sport=4000, dport=4001) / b"abc",
    "ip options": ETHER / IP(options=[IPOption_Router_Alert(), IPOption_RR(routers=["1.2.3.4", "0.0.0.0"])]) / UDP(),
    "arp": ETHER / ARP(psrc="192.0.2.1", pdst="192.0.2.2"),
    "vlan": ETHER / Dot1Q(vlan=5, prio=3) / V4 / UDP(),
    "qinq": ETHER / Dot1AD(vlan=7) / Dot1Q(vlan=5) / V6 / TCP(),
    "stp": Dot3(dst="01:80:c2:00:00:00", src="02:00:00:00:00:02") / LLC() / STP(),
    "snap": Dot3(src="02:00:00:00:00:02") / LLC() / SNAP(code=0x0800) / V4 / UDP() / b"x",
    "ipv6 options": ETHER / V6 / IPv6ExtHdrHopByHop(options=[RouterAlert(), PadN(optdata=b"\0\0")]) / UDP(),
    "ipv6 route": ETHER / V6 / IPv6ExtHdrRouting(addresses=["::7"]) / IPv6ExtHdrDestOpt(options=[PadN()]) / TCP(),
    "ipv6 fragment": ETHER / V6 / IPv6ExtHdrFragment(id=77, m=1, offset=0, nh=17) / UDP() / (b"x" * 8),
    "ping": ETHER / V4 / ICMP(id=1, seq=258) / b"12345678",
    "too long": ETHER / V4 / ICMP(type=3, code=4, nexthopmtu=1400) / IP(len=100) / UDP(len=80),
    "ping 6": ETHER / V6 / ICMPv6EchoRequest(id=4, seq=5, data=b"xyz"),
    "solicitation": ETHER / V6 / ICMPv6ND_NS(tgt="fe80::2") / ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:01"),
    "advertisement": ETHER / V6 / ICMPv6ND_NA(tgt="fe80::2", R=1, S=1),
    "router": ETHER / V6 / ICMPv6ND_RA(M=1) / ICMPv6NDOptPrefixInfo(prefix="2001:db8::") / ICMPv6NDOptMTU(mtu=1280),
    "unreachable 6": ETHER / V6 / ICMPv6DestUnreach() / IPv6(src="::5", dst="::6") / UDP() / b"xxx",
    "mpls": Ether(type=0x8847) / MPLS(label=100, s=0) / MPLS(label=16, s=1) / V4 / UDP(),
    "gre": ETHER / V4 / GRE(key_present=1, key=5, seqnum_present=1, sequence_number=6) / V6 / TCP(),
    "vxlan": ETHER / V4 / UDP(dport=4789) / VXLAN(vni=99) / ETHER / V4 / TCP() / b"x",
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_each_bit_of_each_header_is_in_one_field(name: str) -> None:
    raw = bytes(SAMPLES[name])
    for length in range(len(raw) + 1):  # also cut at every octet, as a snap length would
        packet = read_packet(raw[:length], 1, len(raw))
        assert [uncovered(layer) for layer in packet.layers] == [""] * len(packet.layers)
    last = packet.layers[-1]
    assert last.offset + last.length + last.payload_length == len(raw)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_cut_packet_says_what_is_missing(name: str) -> None:
    raw = bytes(SAMPLES[name])
    whole = read_packet(raw, 1, len(raw))
    for layer in whole.layers:
        if layer.protocol in ("data", "trailer", "stp") or layer.length < 2:
            continue
        cut = read_packet(raw[: layer.offset + 1], 1, len(raw))
        assert any(problem.id.endswith("-cut") for problem in cut.layers[-1].problems), layer.protocol
        assert cut.layers[-1].length == 1


AS_SCAPY = [
    ("eth.dst", Dot3, "dst"), ("eth.src", Dot3, "src"), ("eth.len", Dot3, "len"),
    ("eth.dst", Ether, "dst"), ("eth.src", Ether, "src"), ("vlan.id", Dot1Q, "vlan"), ("vlan.priority", Dot1Q, "prio"),
    ("arp.opcode", ARP, "op"), ("arp.src.hw_mac", ARP, "hwsrc"), ("arp.dst.proto_ipv4", ARP, "pdst"),
    ("ip.version", IP, "version"), ("ip.len", IP, "len"), ("ip.ttl", IP, "ttl"), ("ip.proto", IP, "proto"),
    ("ip.frag_offset", IP, "frag"), ("ip.src", IP, "src"), ("ip.dst", IP, "dst"),
    ("ipv6.plen", IPv6, "plen"), ("ipv6.nxt", IPv6, "nh"), ("ipv6.hlim", IPv6, "hlim"), ("ipv6.src", IPv6, "src"),
    ("ipv6.fraghdr.offset", IPv6ExtHdrFragment, "offset"), ("ipv6.routing.segleft", IPv6ExtHdrRouting, "segleft"),
    ("icmp.type", ICMP, "type"), ("icmp.code", ICMP, "code"), ("icmp.seq", ICMP, "seq"),
    ("icmpv6.echo.sequence_number", ICMPv6EchoRequest, "seq"), ("icmpv6.nd.ns.target_address", ICMPv6ND_NS, "tgt"),
    ("icmpv6.opt.mtu", ICMPv6NDOptMTU, "mtu"), ("icmpv6.opt.prefix.length", ICMPv6NDOptPrefixInfo, "prefixlen"),
    ("tcp.srcport", TCP, "sport"), ("tcp.dstport", TCP, "dport"), ("tcp.seq_raw", TCP, "seq"),
    ("tcp.ack_raw", TCP, "ack"), ("tcp.window_size_value", TCP, "window"), ("tcp.urgent_pointer", TCP, "urgptr"),
    ("udp.srcport", UDP, "sport"), ("udp.length", UDP, "len"),
    ("mpls.label", MPLS, "label"), ("vxlan.vni", VXLAN, "vni"), ("gre.sequence_number", GRE, "sequence_number"),
]  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_our_values_are_scapys(name: str) -> None:
    raw = bytes(SAMPLES[name])
    scapy, packet = type(SAMPLES[name])(raw), read_packet(raw, 1, len(raw))
    compared = 0
    for ours, layer, theirs in AS_SCAPY:
        if scapy.haslayer(layer) and scapy.getlayer(layer).getfieldval(theirs) is not None:
            found = texts(packet, ours)
            if found:  # Scapy knows icmp.seq in every message, and reads what an error quotes under other names
                assert found[0] == str(scapy.getlayer(layer).getfieldval(theirs)), ours
                compared += 1
    assert compared >= 2
    assert not scapy.haslayer(TCP) or texts(packet, "tcp.flags")[0] == f"0x{int(scapy[TCP].flags):04x}"


LINKS = st.sampled_from([0, 1, 9, 12, 50, 101, 104, 105, 108, 113, 127, 228, 276, 99999, -1])


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200), LINKS, st.integers(-5, 2000))
@example(b"\xfe\x80", 113, 2)
def test_any_octets_on_any_link_are_read(raw: bytes, link: int, length: int) -> None:
    for layer in read_packet(raw, link, length).layers:
        assert not uncovered(layer)


MADE = [bytes(sample) for sample in SAMPLES.values()]


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(MADE),
    st.lists(st.tuples(st.integers(0, 150), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, 200),
)
def test_packets_that_lie_are_read(raw: bytes, lies: list[tuple[int, int]], keep: int) -> None:
    octets = bytearray(raw)
    for place, value in lies:
        octets[place % len(octets)] = value
    cut = bytes(octets[: max(keep, 14)])
    for layer in read_packet(cut, 1, len(raw)).layers:
        assert not uncovered(layer)


def problems(raw: bytes, length: int | None = None) -> dict[str, dict[str, object]]:
    packet = read_packet(raw, 1, len(raw) if length is None else length)
    return {problem.id: problem.values for layer in packet.layers for problem in layer.problems}


def test_lengths_that_cannot_be_are_problems_with_their_values() -> None:
    def ip(**fields: int) -> bytes:
        return bytes(ETHER / IP(**fields) / TCP())

    assert problems(ip(ihl=4))["ip.header-short"] == {"promised": 16, "least": 20, "field": "ip.hdr_len"}
    assert problems(ip(len=0))["ip.length-zero"] == {"present": 40}
    assert problems(ip(len=99))["ip.length-beyond"] == {"promised": 99, "present": 40, "field": "ip.len"}
    assert problems(ip(len=10))["ip.length-below-header"] == {"value": 10, "header": 20}
    assert "ip.checksum-bad" in problems(ip(chksum=1))
    short = bytes(ETHER / V4 / TCP(dataofs=4))
    assert problems(short)["tcp.header-short"] == {"promised": 16, "least": 20, "field": "tcp.hdr_len"}
    cut = bytes(ETHER / V4 / TCP(dataofs=10))
    assert problems(cut)["tcp.header-cut"] == {"promised": 40, "present": 20, "field": "tcp.hdr_len"}
    zero = bytes(ETHER / V4 / TCP(dataofs=6)) + b"\x08\0\0\0"
    zero = zero[:16] + struct.pack("!H", 44) + zero[18:]
    assert problems(zero)["tcp.option-length"] == {"kind": 8, "value": 0, "present": 4, "offset": 54}


def test_a_half_present_field_has_no_value_but_its_bits() -> None:
    raw = bytes(ETHER / V4 / TCP(seq=0x01020304))[: 34 + 6]
    layer = read_packet(raw, 1, 100).layers[-1]
    last = layer.fields[-1]
    assert (layer.protocol, layer.length) == ("tcp", 6)
    assert (last.id, last.value, last.offset, last.bits) == ("tcp.seq_raw", None, 38, 16)
    assert layer.problems[0].values == {"promised": 20, "present": 6}


def test_padding_behind_a_short_packet_is_a_layer_of_its_own() -> None:
    raw = bytes(ETHER / V4 / TCP()).ljust(60, b"\0")
    packet = read_packet(raw + b"\1\2\3\4", 1, 64)
    assert texts(packet, "eth.fcs") == ["0x01020304"]
    assert [layer.protocol for layer in packet.layers] == ["eth", "ip", "tcp", "trailer"]
    assert [(field.id, field.bits) for field in packet.layers[-1].fields] == [("eth.padding", 48), ("eth.fcs", 32)]
    assert texts(packet, "tcp.len") == ["0"]


def test_a_fragment_has_no_transport_layer_unless_it_can_never_be_put_together() -> None:
    later = read_packet(bytes(ETHER / IP(frag=185, proto=6) / Raw(b"x" * 40)), 1, 74)
    assert [layer.protocol for layer in later.layers] == ["eth", "ip", "data"]
    raw = bytes(ETHER / IP(flags="MF") / TCP() / Raw(b"x" * 8))
    first = read_packet(raw, 1, len(raw))
    assert [layer.protocol for layer in first.layers] == ["eth", "ip", "data"]
    cut = read_packet(raw[:-1], 1, len(raw))
    assert cut.layer("tcp") is not None
    assert not texts(cut, "tcp.len")


def test_endless_extension_headers_end() -> None:
    chain = b"\0\0\1\4\0\0\0\0" * 180
    raw = bytes(ETHER)[:12] + b"\x86\xdd" + bytes(IPv6(nh=0, plen=len(chain))) + chain
    packet = read_packet(raw, 1, len(raw))
    assert len(packet.layers) == DEEPEST
    assert packet.layers[-1].problems[-1].id == "packet.too-deep"
