"""Protocols without a table of ours: Scapy reads them, in our shape, loaded only when one is met, and silently."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dot11 import Dot11, RadioTap
from scapy.layers.igmp import IGMP
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import LLC, SNAP, Ether
from scapy.layers.ntp import NTP
from scapy.layers.sctp import SCTP, SCTPChunkInit
from scapy.layers.snmp import SNMP
from scapy.layers.vrrp import VRRP
from scapy.packet import Packet as ScapyPacket

from sniffkit.protocols.beyond import LINKS, READ_BY_SCAPY, dissector, mac_vendor, read_rest
from sniffkit.protocols.packet import Packet, read_packet
from tests.protocols.batches import texts, uncovered

ETHER = Ether(dst="02:00:00:00:00:01", src="02:00:00:00:00:02")

MADE: dict[str, tuple[ScapyPacket, str, str]] = {
    "dhcp": (ETHER / IP() / UDP(sport=68, dport=67) / BOOTP(xid=7) / DHCP(options=[("message-type", 1), "end"]),
             "dhcp.xid", "7"),
    "ntp": (ETHER / IP() / UDP(sport=123, dport=123) / NTP(stratum=3), "ntp.stratum", "3"),
    "snmp": (ETHER / IP() / UDP(dport=161) / SNMP(community="public"), "snmp.community", ""),
    "igmp": (ETHER / IP() / IGMP(type=0x16, gaddr="224.0.0.251"), "igmp.gaddr", "224.0.0.251"),
    "sctp": (ETHER / IP() / SCTP(sport=9, dport=10) / SCTPChunkInit(), "sctp.sport", "9"),
    "vrrp": (ETHER / IP() / VRRP(vrid=5), "vrrp.vrid", "5"),
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_what_learners_meet_is_read_and_every_bit_is_in_a_field(name: str) -> None:
    made, field, text = MADE[name]
    raw = bytes(made)
    packet = read_packet(raw, 1, len(raw))
    assert [uncovered(layer) for layer in packet.layers] == [""] * len(packet.layers)
    assert packet.layer(name) is not None
    assert not text or texts(packet, field)[0] == text


def test_behind_a_layer_of_scapys_our_tables_go_on() -> None:
    raw = bytes(RadioTap() / Dot11(type=2) / LLC() / SNAP(code=0x0800) / IP(src="192.0.2.1") / TCP(dport=80))
    names = [layer.protocol for layer in read_packet(raw, 127, len(raw)).layers]
    assert names == ["radiotap", "wlan", "llc", "ip", "tcp"]


def test_every_number_has_a_dissector() -> None:
    for space, numbers in READ_BY_SCAPY.items():
        for number in numbers:
            assert dissector(space, number) is not None, (space, number)
    missing = [number for number in LINKS if dissector("link", number) is None]
    assert missing == []


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([(space, number) for space, numbers in READ_BY_SCAPY.items() for number in numbers]),
    st.binary(min_size=1, max_size=120),
)
def test_octets_that_make_no_sense_are_read_without_a_word(following: tuple[str, int], raw: bytes) -> None:
    packet = Packet()
    read_rest(packet, raw, 0, len(raw), following)
    assert packet.layers
    assert [uncovered(layer) for layer in packet.layers] == [""] * len(packet.layers)


def test_scapy_stays_unloaded_where_our_tables_suffice_and_says_nothing_where_not() -> None:
    code = """
import sys
from sniffkit.protocols.packet import read_packet
tcp = bytes.fromhex("020000000001020000000002080045000029000100004006f97dc0000201c633640201bb01bd"
                    "00000007000000095010200000000000ff")
read_packet(tcp, 1, len(tcp))
assert "scapy" not in sys.modules
read_packet(tcp[:23] + b"\\x02" + tcp[24:], 1, len(tcp))
assert "scapy" in sys.modules
"""
    done = subprocess.run([sys.executable, "-W", "default", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_maker_of_a_network_card() -> None:
    assert "Apple" in mac_vendor("3c:22:fb:12:34:56")
    assert mac_vendor("02:00:00:00:00:01") == ""  # somebody made it up
    assert mac_vendor("ff:ff:ff:ff:ff:ff") == ""
