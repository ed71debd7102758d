"""What the lab's wire reads of a frame: enough to know "the first SYN,ACK of the server" when it comes by.

Headers: RFC 791 (IPv4), RFC 8200 (IPv6), RFC 9293 (TCP), RFC 826 (ARP), IEEE 802.1Q (VLAN tag).
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

ARP = 0x0806
IPV4 = 0x0800
IPV6 = 0x86DD
VLAN = 0x8100
ICMP_NUMBERS = (1, 58)
TCP = 6
UDP = 17
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10

KINDS = ("any", "ARP", "ICMP", "UDP", "SYN", "SYN,ACK", "RST", "FIN", "data", "ACK", "other")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its octets, its kind (one of KINDS) and the IP address it comes from ("" without IP)."""

    octets: bytes
    kind: str
    source: str = ""


def read(octets: bytes) -> Frame:
    """Tell what a frame is. A FIN with data is a FIN; "ACK" is a segment that does nothing but acknowledge."""
    (ether_type,) = struct.unpack_from("!H", octets, 12)
    if ether_type == ARP:
        return Frame(octets, "ARP")
    if ether_type == IPV4 and len(octets) >= 34:
        protocol, source = octets[23], str(ipaddress.IPv4Address(octets[26:30]))
        start = 14 + (octets[14] & 15) * 4
        end = 14 + int.from_bytes(octets[16:18], "big")
    elif ether_type == IPV6 and len(octets) >= 54:
        protocol, source = octets[20], str(ipaddress.IPv6Address(octets[22:38]))
        start = 54
        end = 54 + int.from_bytes(octets[18:20], "big")
    else:
        return Frame(octets, "other")
    if protocol == TCP and len(octets) >= start + 20:
        payload = end - start - (octets[start + 12] >> 4) * 4
        return Frame(octets, segment_kind(octets[start + 13], payload), source)
    if protocol == UDP:
        return Frame(octets, "UDP", source)
    return Frame(octets, "ICMP" if protocol in ICMP_NUMBERS else "other", source)


def segment_kind(flags: int, payload: int) -> str:
    """Name a TCP segment by the first that fits of RST, SYN, SYN,ACK, FIN, data, ACK."""
    if flags & RST:
        return "RST"
    if flags & SYN:
        return "SYN,ACK" if flags & ACK else "SYN"
    if flags & FIN:
        return "FIN"
    return "data" if payload > 0 else "ACK"


def tag(octets: bytes, vlan: int, priority: int = 0) -> bytes:
    """Put an 802.1Q tag between the addresses and the EtherType."""
    return octets[:12] + struct.pack("!HH", VLAN, priority << 13 | vlan) + octets[12:]
