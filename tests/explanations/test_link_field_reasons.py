"""Whom a frame means, whose MAC address it is, and what question or answer an ARP message holds."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Padding

from tests.explanations.reasons import reason, told

HOST, GATEWAY, VENDOR = "02:00:00:00:00:02", "02:00:00:00:00:01", "00:80:ad:07:a3:54"
EVERYONE, NOBODY = "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"


def frame(source: str, destination: str, **ends: str) -> Any:
    return Ether(src=source, dst=destination) / IP(**({"src": "10.0.0.2", "dst": "10.0.0.1"} | ends)) / UDP()


@pytest.mark.parametrize(
    ("mac", "said"),
    [
        (EVERYONE, "everyone on this link"),
        ("01:00:5e:00:00:fb", "IPv4 multicast"),
        ("33:33:00:00:00:01", "IPv6 multicast"),
        ("01:80:c2:00:00:00", "bridges do not forward"),
        ("01:00:0c:cc:cc:cc", "group address"),
        (NOBODY, "did not leave this machine"),
        (HOST, "set locally"),
        (VENDOR, "first 24 bits (00:80:ad)"),
    ],
)
def test_a_destination_is_one_a_group_or_everyone(mac: str, said: str) -> None:
    assert said in told("eth.dst", frame(GATEWAY, mac))


def test_a_frame_for_a_far_host_goes_to_the_router() -> None:
    """The IP destination is the server, the MAC destination is the gateway."""
    sentence = told("eth.dst", frame(HOST, GATEWAY, dst="93.184.216.34"))
    assert f"{GATEWAY} is most likely the router" in sentence
    assert "not 93.184.216.34" in sentence
    back = told("eth.src", frame(GATEWAY, HOST, src="93.184.216.34", dst="10.0.0.2"))
    assert "the router (gateway) passed the packet on" in back


def test_that_holds_behind_a_vlan_tag_too() -> None:
    tagged = Ether(src=HOST, dst=GATEWAY) / Dot1Q(vlan=7) / IP(src="10.0.0.2", dst="93.184.216.34") / UDP()
    assert "most likely the router" in told("eth.dst", tagged)


def test_a_vendor_is_named_where_it_is_known() -> None:
    assert "belong to CNET Technology" in told("eth.src", frame(VENDOR, HOST), vendor_eth_src="CNET Technology")


def test_a_group_cannot_send() -> None:
    assert "this is an error" in told("eth.src", frame("01:00:5e:00:00:01", HOST))


def test_type_or_length() -> None:
    assert told("eth.type", frame(HOST, GATEWAY)) == "0x0800: what follows is IPv4."
    assert reason("eth.type", Ether(type=0x1234) / bytes(50)) is None


def test_short_frames_are_padded() -> None:
    sentence = told("eth.padding", frame(HOST, GATEWAY) / Padding(bytes(18)))  # 14 + 20 + 8 + 18 = 60
    assert "the frame was padded by 18" in sentence


def test_vlan_tags() -> None:
    assert "belongs to VLAN 7" in told("vlan.id", Ether() / Dot1Q(vlan=7) / IP() / UDP())
    assert "names no VLAN" in told("vlan.id", Ether() / Dot1Q(vlan=0) / IP() / UDP())
    doubled = Ether(type=0x88A8) / Dot1AD(vlan=5) / Dot1Q(vlan=7) / IP() / UDP()
    assert "5 is the outer of two tags" in told("ieee8021ad.id", doubled)


# ARP


def request(**fields: str) -> Any:
    ends = {"hwsrc": HOST, "psrc": "10.0.0.2", "hwdst": NOBODY, "pdst": "10.0.0.1"} | fields
    return Ether(src=HOST, dst=EVERYONE) / ARP(op=1, **ends)


def reply(**fields: str) -> Any:
    ends = {"hwsrc": GATEWAY, "psrc": "10.0.0.1", "hwdst": HOST, "pdst": "10.0.0.2"} | fields
    return Ether(src=GATEWAY, dst=HOST) / ARP(op=2, **ends)


def test_a_question_leaves_open_what_it_asks_for() -> None:
    assert "All zeros: this is just what the request wants to find out" in told("arp.dst.hw_mac", request())
    assert "Who has 10.0.0.1?" in told("arp.dst.proto_ipv4", request())
    assert "introduces itself" in told("arp.src.hw_mac", request())
    assert told("arp.src.proto_ipv4", request()) == "10.0.0.2 asks."


def test_an_answer_fills_it_in() -> None:
    assert told("arp.src.hw_mac", reply()) == f"This is the answer: 10.0.0.1 is reached at {GATEWAY}."
    assert "the one who asked" in told("arp.dst.hw_mac", reply())
    assert "the one who asked" in told("arp.dst.proto_ipv4", reply())


def test_a_probe_has_no_address_of_its_own() -> None:
    assert "Does anybody use 10.0.0.1?" in told("arp.src.proto_ipv4", request(psrc="0.0.0.0"))


def test_an_announcement_asks_nobody() -> None:
    assert "nobody is asked" in told("arp.src.proto_ipv4", request(psrc="10.0.0.1"))


def test_an_answer_for_somebody_else_is_noticed() -> None:
    assert "proxy ARP" in told("arp.src.hw_mac", reply(hwsrc="02:00:00:00:00:09"))


def test_a_question_straight_to_its_target_checks_a_table() -> None:
    checked = Ether(src=HOST, dst=GATEWAY) / ARP(op=1, hwsrc=HOST, psrc="10.0.0.2", hwdst=GATEWAY, pdst="10.0.0.1")
    assert "still holds" in told("arp.dst.hw_mac", checked)
