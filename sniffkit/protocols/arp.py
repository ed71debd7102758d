"""ARP: who has this IPv4 address, and at which hardware address."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from sniffkit.protocols.header import Field, Form, Header, hexadecimal
from sniffkit.protocols.protocol import Headers, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.protocols.packet import Reader


class Operation(IntEnum):
    """What an ARP message does (RFC 826; the others RFC 903, RFC 2390)."""

    REQUEST = 1
    REPLY = 2
    RARP_REQUEST = 3
    RARP_REPLY = 4
    INVERSE_REQUEST = 8
    INVERSE_REPLY = 9


ETHERNET = (1, 6)
"""Hardware types with MAC addresses: Ethernet, and IEEE 802 networks."""

FIXED = (
    Field("arp.hw.type", 16),
    hexadecimal("arp.proto.type", 16),
    Field("arp.hw.size", 8),
    Field("arp.proto.size", 8),
    Field("arp.opcode", 16),
)

START = Header("arp", "RFC 826", FIXED)

HEADER = Header(
    "arp",
    "RFC 826",
    (
        *FIXED,
        Field("arp.src.hw_mac", 48, Form.MAC),
        Field("arp.src.proto_ipv4", 32, Form.IPV4),
        Field("arp.dst.hw_mac", 48, Form.MAC),
        Field("arp.dst.proto_ipv4", 32, Form.IPV4),
    ),
)
"""ARP as all of us meet it, for Ethernet and IPv4; the columns know only this one."""


def read(reader: Reader) -> None:
    """Read the four addresses in the sizes that the message itself gives."""
    hardware, protocol = reader.value("arp.hw.size"), reader.value("arp.proto.size")
    promised = 8 + 2 * (hardware + protocol)
    present = reader.end - reader.start
    mac = hardware == 6 and reader.value("arp.hw.type") in ETHERNET
    ipv4 = protocol == 4 and reader.value("arp.proto.type") == 0x0800
    for side in ("src", "dst"):
        reader.add(f"arp.{side}.hw_mac" if mac else f"arp.{side}.hw", hardware, Form.MAC if mac else Form.OCTETS)
        name = f"arp.{side}.proto_ipv4" if ipv4 else f"arp.{side}.proto"
        reader.add(name, protocol, Form.IPV4 if ipv4 else Form.OCTETS)
    if present < promised:
        reader.problem("arp.header-cut", promised=promised, present=present, field="arp.hw.size")
    reader.bound(0)


def valid(headers: Headers) -> NDArray:  # type: ignore[type-arg]
    """Tell which messages have Ethernet and IPv4 addresses."""
    sizes = (headers.field("arp.hw.size") == 6) & (headers.field("arp.proto.size") == 4)
    kind = headers.field("arp.hw.type")
    ethernet = (kind == ETHERNET[0]) | (kind == ETHERNET[1])
    return sizes & ethernet & (headers.field("arp.proto.type") == 0x0800)  # type: ignore[no-any-return]


PROTOCOL = Protocol("arp", HEADER, {"eth.type": (0x0806, 0x8035)}, read, valid=valid, start=START, bounds_frame=True)
