"""VLAN tags: four octets that say which virtual network a frame belongs to (802.1Q; 802.1ad for a provider's tag)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.protocols.header import Field, Header, flag, hexadecimal
from sniffkit.protocols.protocol import Carried, Headers, Protocol

if TYPE_CHECKING:
    from sniffkit.protocols.packet import Reader

SMALLEST_TYPE = 0x0600
LARGEST_LENGTH = 1500

HEADER = Header(
    "vlan",
    "IEEE 802.1Q section 9.6",
    (Field("vlan.priority", 3), flag("vlan.dei"), Field("vlan.id", 12), hexadecimal("vlan.etype", 16)),
)

SERVICE_HEADER = Header(
    "ieee8021ad",
    "IEEE 802.1Q section 9.6 (802.1ad)",
    (
        Field("ieee8021ad.priority", 3),
        flag("ieee8021ad.dei"),
        Field("ieee8021ad.id", 12),
        hexadecimal("ieee8021ah.etype", 16),
    ),
)


def read(reader: Reader) -> None:
    """Say what the tag stands before: a type, or a length with LLC after it."""
    number = reader.value("vlan.etype")
    if number >= SMALLEST_TYPE:
        reader.carry("eth.type", number)
        return
    if number > LARGEST_LENGTH:
        reader.problem("vlan.type-invalid", value=number)
        return
    field = reader.layer.fields[-1]
    field.id, field.text = "vlan.len", str(number)
    reader.carry("llc", 0, number)


def read_service(reader: Reader) -> None:
    """Say what the provider's tag stands before."""
    reader.carry("eth.type", reader.value("ieee8021ah.etype"))


def step(headers: Headers) -> list[Carried]:
    """Say what each tag stands before."""
    number = headers.field("vlan.etype")
    return [
        Carried("eth.type", number, 4, where=number >= SMALLEST_TYPE),
        Carried("llc", 0, 4, number.astype("i8"), where=number <= LARGEST_LENGTH),
    ]


def step_service(headers: Headers) -> list[Carried]:
    """Say what each provider's tag stands before."""
    return [Carried("eth.type", headers.field("ieee8021ah.etype"), 4)]


PROTOCOL = Protocol("vlan", HEADER, {"eth.type": (0x8100, 0x9100)}, read, step, bounds_frame=True)
SERVICE = Protocol("ieee8021ad", SERVICE_HEADER, {"eth.type": (0x88A8,)}, read_service, step_service)
