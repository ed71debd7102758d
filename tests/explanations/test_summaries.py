"""One packet in half a line: what the words say is what the fields say."""

from __future__ import annotations

import struct

from sniffkit.explanations.summaries import summary_of
from sniffkit.protocols.packet import read_packet

RAW_IP = 101


def test_a_fragment_stands_at_an_octet_although_the_field_counts_in_eights() -> None:
    addresses = bytes((10, 0, 0, 2, 10, 0, 0, 9))
    datagram = struct.pack("!BBHHHBBH", 0x45, 0, 28, 7, 125, 64, 17, 0) + addresses + bytes(8)
    assert summary_of(read_packet(datagram, RAW_IP, 28)) == ("IPv4", "Fragment at octet 1000 of id 0x0007")


def test_a_fragment_of_ipv6_is_told_like_one_of_ipv4() -> None:
    packet = (
        struct.pack("!IHBB", 0x6000_0000, 16, 44, 64) + bytes(32) + struct.pack("!BBHI", 17, 0, 8 << 3, 7) + bytes(8)
    )
    assert summary_of(read_packet(packet, RAW_IP, 56)) == ("IPv6", "Fragment at octet 64 of id 0x00000007")


def test_a_header_cut_before_its_ports_has_none() -> None:
    datagram = struct.pack("!BBHHHBBH", 0x45, 0, 21, 7, 0, 64, 6, 0) + bytes(8) + b"\x00"
    assert summary_of(read_packet(datagram, RAW_IP, 21)) == ("TCP", "Header cut after 1 octets")
