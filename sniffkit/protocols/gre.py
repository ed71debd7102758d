"""GRE: a packet of nearly any protocol carried inside an IP packet, and mirrored frames in it (ERSPAN)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.protocols.header import Field, Form, Header, flag, hexadecimal, parent
from sniffkit.protocols.protocol import Carried, Headers, Protocol

if TYPE_CHECKING:
    from sniffkit.protocols.packet import Reader

MIRRORED, MIRRORED_3, REDIRECTED = 0x88BE, 0x22EB, 0x883E

HEADER = Header(
    "gre",
    "RFC 2784 section 2; RFC 2890 (key, sequence number); RFC 2637 (version 1)",
    (
        parent("gre.flags_and_version", 16, 4),
        flag("gre.flags.checksum"),
        flag("gre.flags.routing"),
        flag("gre.flags.key"),
        flag("gre.flags.sequence_number"),
        flag("gre.flags.strict_source_route"),
        Field("gre.flags.recursion_control", 3),
        flag("gre.flags.ack"),
        Field("gre.flags.reserved", 4),
        Field("gre.flags.version", 3),
        hexadecimal("gre.proto", 16),
    ),
)

ERSPAN = Header(
    "erspan",
    "draft-foschiano-erspan section 4.2 (type II)",
    (
        Field("erspan.version", 4),
        Field("erspan.vlan", 12),
        Field("erspan.cos", 3),
        Field("erspan.encap", 2),
        flag("erspan.truncated"),
        Field("erspan.spanid", 10),
        Field("erspan.reserved", 12),
        Field("erspan.index", 20),
    ),
)
ERSPAN_3 = Header(
    "erspan3",
    "draft-foschiano-erspan section 4.3 (type III)",
    (
        Field("erspan.version", 4),
        Field("erspan.vlan", 12),
        Field("erspan.cos", 3),
        Field("erspan.bso", 2),
        flag("erspan.truncated"),
        Field("erspan.spanid", 10),
        Field("erspan.timestamp", 32),
        Field("erspan.sgt", 16),
        flag("erspan.p"),
        Field("erspan.ft", 5),
        Field("erspan.hw", 6),
        flag("erspan.direction"),
        Field("erspan.gra", 2),
        flag("erspan.o"),
    ),
)


def read(reader: Reader) -> None:
    """Read the fields that the flags announce."""
    version = reader.value("gre.flags.version")
    protocol = reader.value("gre.proto")
    if reader.value("gre.flags.checksum") or reader.value("gre.flags.routing"):
        reader.add("gre.checksum", 2, Form.HEX)
        reader.add("gre.offset", 2)
    if reader.value("gre.flags.key"):
        if version == 1:
            reader.add("gre.key.payload_length", 2)
            reader.add("gre.key.call_id", 2)
        else:
            reader.add("gre.key", 4, Form.HEX)
    if reader.value("gre.flags.sequence_number"):
        reader.add("gre.sequence_number", 4)
    if version == 1 and reader.value("gre.flags.ack"):
        reader.add("gre.ack_number", 4)
    if reader.value("gre.flags.routing"):
        return  # source routes are obsolete (RFC 2784 section 5.2); tshark reads them, no one sends them
    if protocol == MIRRORED:
        reader.carry("erspan", 2 if reader.value("gre.flags.sequence_number") else 1)
    elif protocol == REDIRECTED:
        # a web cache redirection header of four octets may stand before the packet (WCCP version 2)
        if reader.left >= 4 and reader.octets[reader.at] >> 4 != 4:
            reader.add("gre.wccp.redirect_header", 4, Form.OCTETS)
        reader.carry("eth.type", 0x0800)
    else:
        reader.carry("eth.type", protocol)


def step(headers: Headers) -> list[Carried]:
    """Say what each tunnel carries."""
    import numpy as np

    flags, protocol = headers.field("gre.flags_and_version"), headers.field("gre.proto")
    routed = flags & 0x4000 != 0
    octets = 4 + 4 * (
        (flags & 0xC000 != 0).astype("i8")
        + (flags & 0x2000 != 0)
        + (flags & 0x1000 != 0)
        + ((flags & 0x0080 != 0) & (flags & 7 == 1))
    )
    mirrored = protocol == MIRRORED
    redirected = protocol == REDIRECTED
    octets += 4 * (redirected & (headers.octet(octets) >> 4 != 4))
    carried = np.where(redirected, np.uint16(0x0800), protocol)
    return [
        Carried("eth.type", carried, octets, where=~mirrored & ~routed),
        Carried("erspan", np.where(flags & 0x1000, 2, 1), octets, where=mirrored & ~routed),
    ]


def read_mirrored(reader: Reader) -> None:
    """After the header stands the mirrored frame."""
    reader.carry("ethernet", 0)


def step_mirrored(headers: Headers) -> list[Carried]:
    """After each header stands the mirrored frame."""
    return [Carried("ethernet", 0, headers.header.octets)]


def read_mirrored_3(reader: Reader) -> None:
    """After the header, and eight more octets where its last bit says so, stands the mirrored frame."""
    if reader.value("erspan.o"):
        reader.add("erspan.pid", 8, Form.OCTETS)
    if reader.value("erspan.ft") == 0:
        reader.carry("ethernet", 0)


def step_mirrored_3(headers: Headers) -> list[Carried]:
    """After each header stands the mirrored frame."""
    return [
        Carried("ethernet", 0, 12 + 8 * headers.field("erspan.o").astype("i8"), where=headers.field("erspan.ft") == 0)
    ]


# TEB (0x6558) is an Ethernet frame; 0x0000 in keepalives carries nothing
PROTOCOL = Protocol("gre", HEADER, {"ip.proto": (47,)}, read, step)
MIRROR = Protocol("erspan", ERSPAN, {"erspan": (2,)}, read_mirrored, step_mirrored)
MIRROR_3 = Protocol("erspan3", ERSPAN_3, {"eth.type": (MIRRORED_3,)}, read_mirrored_3, step_mirrored_3, layer="erspan")
