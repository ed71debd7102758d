"""PPP and PPPoE: two ends on a line of their own, or as if they were, across an Ethernet (and Cisco's HDLC)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.protocols.header import Field, Form, Header, hexadecimal
from sniffkit.protocols.protocol import Carried, Headers, Protocol

if TYPE_CHECKING:
    from sniffkit.protocols.packet import Reader

FRAMED = 0xFF03
"""HDLC's address "all stations" and control "unnumbered information" before PPP's protocol (RFC 1662)."""

PPPOE = Header(
    "pppoes",
    "RFC 2516 section 4",
    (
        Field("pppoe.version", 4),
        Field("pppoe.type", 4),
        hexadecimal("pppoe.code", 8),
        hexadecimal("pppoe.session_id", 16),
        Field("pppoe.payload_length", 16),
    ),
)
PPP = Header("ppp", "RFC 1661 section 2", (hexadecimal("ppp.protocol", 16),))
NOTHING = Header("ppp", PPP.rfc, ())
CISCO = Header(
    "chdlc",
    "LINKTYPE_C_HDLC",
    (hexadecimal("chdlc.address", 8), hexadecimal("chdlc.control", 8), hexadecimal("chdlc.protocol", 16)),
)


KEEPALIVE = 0x8035
"""Cisco's own addresses and keepalives (SLARP), under a number that elsewhere means reverse ARP."""


def read_pppoe(reader: Reader) -> None:
    """Bound the payload by PPPoE's own length."""
    length, available = reader.value("pppoe.payload_length"), reader.wire_end - reader.at
    if length > available:
        reader.problem("pppoe.length-beyond", promised=length, present=available, field="pppoe.payload_length")
    if reader.value("pppoe.code") == 0:
        reader.carry("ppp.frame", 0, length)
    else:
        reader.bound(length)


def step_pppoe(headers: Headers) -> list[Carried]:
    """Say what each session frame carries."""
    length = headers.field("pppoe.payload_length").astype("i8")
    return [Carried("ppp.frame", 0, PPPOE.octets, length, headers.field("pppoe.code") == 0)]


def read(reader: Reader) -> None:
    """Read address and control where they are there, and the protocol, which may be compressed to one octet."""
    if reader.number(0, 2) == FRAMED:
        reader.add("ppp.address", 1, Form.HEX)
        reader.add("ppp.control", 1, Form.HEX)
    if not reader.left:
        reader.problem("ppp.header-cut", promised=2, present=reader.end - reader.start)
        return
    octets = 1 if reader.octets[reader.at] & 1 else 2
    protocol = reader.add("ppp.protocol", octets, Form.HEX, digits=4)
    if protocol is not None:
        reader.carry("ppp", protocol)


def step(headers: Headers) -> list[Carried]:
    """Say what each frame carries."""
    import numpy as np

    at = np.where(headers.word(0) == FRAMED, 2, 0)
    first = headers.octet(at)
    compressed = first & 1 == 1
    protocol = np.where(compressed, first, headers.word(at))
    return [Carried("ppp", protocol, at + np.where(compressed, 1, 2))]


def read_cisco(reader: Reader) -> None:
    """Say what follows: an EtherType."""
    if reader.value("chdlc.protocol") != KEEPALIVE:
        reader.carry("eth.type", reader.value("chdlc.protocol"))


def step_cisco(headers: Headers) -> list[Carried]:
    """Say what follows each header."""
    number = headers.field("chdlc.protocol")
    return [Carried("eth.type", number, CISCO.octets, where=number != KEEPALIVE)]


SESSION = Protocol("pppoes", PPPOE, {"eth.type": (0x8864,)}, read_pppoe, step_pppoe, bounds_frame=True)
PROTOCOL = Protocol("ppp", NOTHING, {"ppp.frame": (0,), "link": (9, 50), "eth.type": (0x880B,)}, read, step)
CISCO_HDLC = Protocol("chdlc", CISCO, {"link": (104,)}, read_cisco, step_cisco)
