"""Ethernet: the frame that carries everything else on a local network (Ethernet II, and IEEE 802.3 with a length)."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from sniffkit.protocols.header import Field, Form, Header, hexadecimal
from sniffkit.protocols.protocol import Carried, Headers, Protocol

if TYPE_CHECKING:
    from sniffkit.protocols.packet import Reader

SMALLEST_TYPE = 0x0600
"""Below, the field is not an EtherType: up to 1500 it is the length of an 802.3 frame (IEEE 802.3 section 3.2.6)."""

LARGEST_LENGTH = 1500


class EtherType(IntEnum):
    """What a frame carries (IEEE registration authority; RFC 9542)."""

    IPV4 = 0x0800
    ARP = 0x0806
    VLAN = 0x8100
    IPV6 = 0x86DD
    MPLS = 0x8847
    PPPOE_SESSION = 0x8864
    QINQ = 0x88A8


HEADER = Header(
    "eth",
    "IEEE 802.3 section 3.1.1; RFC 894",
    (Field("eth.dst", 48, Form.MAC), Field("eth.src", 48, Form.MAC), hexadecimal("eth.type", 16)),
)


def read(reader: Reader) -> None:
    """Say whether the last two octets are a type (what is carried) or a length (LLC follows)."""
    number = reader.value("eth.type")
    if number >= SMALLEST_TYPE:
        reader.carry("eth.type", number)
        return
    field = reader.layer.fields[-1]
    if number > LARGEST_LENGTH:
        field.id = "eth.invalid_lentype"
        reader.problem("eth.type-invalid", value=number)
        return
    field.id, field.text = "eth.len", str(number)
    if reader.at + number > reader.wire_end:
        reader.problem("eth.length-beyond", promised=number, present=reader.wire_end - reader.at)
    reader.carry("llc", 0, number)


def step(headers: Headers) -> list[Carried]:
    """Say what each frame carries."""
    number = headers.field("eth.type")
    typed = number >= SMALLEST_TYPE
    if typed.all():
        return [Carried("eth.type", number, 14)]
    return [
        Carried("eth.type", number, 14, where=typed),
        Carried("llc", 0, 14, number, where=number <= LARGEST_LENGTH),
    ]


PROTOCOL = Protocol(
    "eth",
    HEADER,
    {"link": (1,), "ethernet": (0,), "eth.type": (0x6558,), "erspan": (1,)},
    read,
    step,
    bounds_frame=True,
)
