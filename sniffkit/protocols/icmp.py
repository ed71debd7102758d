"""ICMP: how IPv4 hosts and routers tell each other what went wrong, and how ``ping`` asks who is there."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from sniffkit.protocols.checksum import Checksum, internet_checksum
from sniffkit.protocols.header import Field, Form, Header, hexadecimal
from sniffkit.protocols.protocol import Carried, Headers, Messages, Protocol

if TYPE_CHECKING:
    from sniffkit.protocols.packet import Reader


class Type(IntEnum):
    """ICMP types (RFC 792; 9 and 10: RFC 1256; 17 and 18: RFC 950)."""

    ECHO_REPLY = 0
    DESTINATION_UNREACHABLE = 3
    SOURCE_QUENCH = 4
    REDIRECT = 5
    ECHO_REQUEST = 8
    ROUTER_ADVERTISEMENT = 9
    ROUTER_SOLICITATION = 10
    TIME_EXCEEDED = 11
    PARAMETER_PROBLEM = 12
    TIMESTAMP_REQUEST = 13
    TIMESTAMP_REPLY = 14
    INFORMATION_REQUEST = 15
    INFORMATION_REPLY = 16
    MASK_REQUEST = 17
    MASK_REPLY = 18


ERRORS = (
    Type.DESTINATION_UNREACHABLE,
    Type.SOURCE_QUENCH,
    Type.REDIRECT,
    Type.TIME_EXCEEDED,
    Type.PARAMETER_PROBLEM,
)
"""Messages that quote the packet they complain about."""

FRAGMENTATION_NEEDED = 4

HEADER = Header("icmp", "RFC 792", (Field("icmp.type", 8), Field("icmp.code", 8), hexadecimal("icmp.checksum", 16)))


def shape(*fields: Field) -> Header:
    """Declare what follows the checksum in some types."""
    return Header("icmp", "RFC 792", fields)


ASKED = (Field("icmp.ident", 16), Field("icmp.seq", 16))
UNUSED = shape(Field("icmp.unused", 32, Form.OCTETS))
TIMES = shape(
    *ASKED,
    Field("icmp.originate_timestamp", 32),
    Field("icmp.receive_timestamp", 32),
    Field("icmp.transmit_timestamp", 32),
)

MESSAGES = Messages(
    "icmp.type",
    {
        Type.ECHO_REPLY: shape(*ASKED),
        Type.ECHO_REQUEST: shape(*ASKED),
        Type.INFORMATION_REQUEST: shape(*ASKED),
        Type.INFORMATION_REPLY: shape(*ASKED),
        Type.DESTINATION_UNREACHABLE: UNUSED,
        (Type.DESTINATION_UNREACHABLE, FRAGMENTATION_NEEDED): shape(
            Field("icmp.unused", 16, Form.OCTETS), Field("icmp.mtu", 16)
        ),
        Type.SOURCE_QUENCH: UNUSED,
        Type.REDIRECT: shape(Field("icmp.redir_gw", 32, Form.IPV4)),
        Type.ROUTER_ADVERTISEMENT: shape(
            Field("icmp.num_addrs", 8), Field("icmp.addr_entry_size", 8), Field("icmp.lifetime", 16)
        ),
        Type.ROUTER_SOLICITATION: shape(Field("icmp.reserved", 32, Form.OCTETS)),
        Type.TIME_EXCEEDED: UNUSED,
        Type.PARAMETER_PROBLEM: shape(Field("icmp.pointer", 8), Field("icmp.unused", 24, Form.OCTETS)),
        Type.TIMESTAMP_REQUEST: TIMES,
        Type.TIMESTAMP_REPLY: TIMES,
        Type.MASK_REQUEST: shape(*ASKED, Field("icmp.address_mask", 32, Form.IPV4)),
        Type.MASK_REPLY: shape(*ASKED, Field("icmp.address_mask", 32, Form.IPV4)),
    },
    "icmp.code",
)

EXTENDED = shape(Field("icmp.unused", 8, Form.OCTETS), Field("icmp.length", 8), Field("icmp.unused", 16, Form.OCTETS))
EXTENDED_MTU = shape(Field("icmp.unused", 8, Form.OCTETS), Field("icmp.length", 8), Field("icmp.mtu", 16))
"""An error that says how long its quotation is, because something follows it (RFC 4884 section 4)."""


def read(reader: Reader) -> None:
    """Read what the type says follows; an error quotes a packet."""
    verify(reader)
    kind, code = reader.value("icmp.type"), reader.value("icmp.code")
    said = reader.number(5, 1) if kind in (3, 11, 12) and reader.left >= 4 else 0
    if said and kind != Type.PARAMETER_PROBLEM:
        with_mtu = kind == Type.DESTINATION_UNREACHABLE and code == FRAGMENTATION_NEEDED
        whole = reader.fixed(EXTENDED_MTU if with_mtu else EXTENDED)
    else:
        whole = reader.message(MESSAGES) is not None
    if not whole:
        return
    for name in ("icmp.ident", "icmp.seq"):
        found = reader.layer.first(name)
        if found is not None and isinstance(found.value, int):
            swapped = (found.value & 0xFF) << 8 | found.value >> 8
            reader.derive(f"{name}_le", swapped, offset=found.offset)
    if kind == Type.ROUTER_ADVERTISEMENT and reader.value("icmp.addr_entry_size") == 2:
        for _ in range(reader.value("icmp.num_addrs")):
            if reader.left < 8:
                break
            reader.add("icmp.router_address", 4, Form.IPV4)
            reader.add("icmp.pref_level", 4)
    if kind in ERRORS:
        if reader.left:
            reader.carry("ip.version", reader.octets[reader.at] >> 4, 4 * said or None, quoted=True)
    elif reader.left:
        reader.carry("icmp.payload", kind)


def verify(reader: Reader) -> None:
    """Compute the checksum, which covers the whole message (RFC 792); note it where it does not fit."""
    result = reader.layer.checksum = checksum(reader)
    if result is not None and result.state == 0:
        reader.problem("icmp.checksum-bad", value=result.value, expected=result.expected)


def checksum(reader: Reader) -> Checksum | None:
    """Return the checksum and what it should be; ``expected`` None where not all of the message was captured."""
    field = reader.layer.first("icmp.checksum")
    if field is None or not isinstance(field.value, int):
        return None
    message = reader.octets[reader.start : reader.wire_end]
    if len(message) < reader.wire_end - reader.start or reader.quoted:
        return Checksum("icmp.checksum", field.value, None)
    return Checksum("icmp.checksum", field.value, internet_checksum(message[:2] + b"\0\0" + message[4:]))


def step(headers: Headers) -> list[Carried]:
    """Say which packets errors quote."""
    import numpy as np

    kind = headers.field("icmp.type")
    error = np.isin(kind, ERRORS)
    if not error.any():
        return []
    return [Carried("ip.version", headers.octet(8) >> 4, 8, where=error, quoted=True)]


PROTOCOL = Protocol("icmp", HEADER, {"ip.proto": (1,)}, read, step, messages=MESSAGES)
