"""The wire knows a segment by its kind: the first SYN,ACK, the FIN of the server."""

from __future__ import annotations

import pytest

from sniffkit.lab import frame
from tests.captures.reading import frames


@pytest.mark.parametrize(
    ("flags", "payload", "kind"),
    [
        (0x02, 0, "SYN"),
        (0x02, 41, "SYN"),  # Fast Open
        (0x12, 0, "SYN,ACK"),
        (0x10, 0, "ACK"),
        (0x18, 41, "data"),
        (0x11, 0, "FIN"),
        (0x19, 8, "FIN"),  # with data
        (0x14, 0, "RST"),
        (0x04, 0, "RST"),
    ],
)
def test_a_segment_is_named_by_what_it_does(flags: int, payload: int, kind: str) -> None:
    assert frame.segment_kind(flags, payload) == kind


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("refused-port.pcap", ["SYN", "RST"]),
        ("dns-lookup.pcap", ["UDP"] * 4),
        ("arp-ping.pcap", ["ARP", "ARP", "ICMP", "ICMP", "ICMP", "ICMP"]),
        (
            "ipv6-neighbour-discovery.pcapng",
            ["ICMP"] * 4 + ["SYN", "SYN,ACK", "ACK", "data", "ACK", "data", "ACK", "FIN", "ACK", "FIN", "ACK"],
        ),
    ],
)
def test_frames_of_the_samples_are_named(name: str, kinds: list[str]) -> None:
    assert [frame.read(each.octets).kind for each in frames(name)] == kinds


def test_a_frame_says_where_it_comes_from() -> None:
    addresses = [frame.read(each.octets).source for each in frames("dns-lookup.pcap")]
    assert addresses == ["10.0.0.2", "10.0.0.53"] * 2
    assert frame.read(next(frames("arp-ping.pcap")).octets).source == ""


@pytest.mark.parametrize("length", [14, 20, 33, 40, 53])
def test_a_frame_cut_anywhere_is_no_error(length: int) -> None:
    whole = next(frames("handshake-close-4.pcap")).octets
    assert frame.read(whole[:length]).kind in frame.KINDS


def test_a_tag_stands_before_the_ether_type() -> None:
    untagged = next(frames("arp-ping.pcap")).octets
    tagged = frame.tag(untagged, 10, priority=5)
    assert tagged[:12] == untagged[:12]
    assert tagged[12:16].hex() == "8100a00a"
    assert tagged[16:] == untagged[12:]
