"""IPv6: like IPv4 with longer addresses, and with everything optional moved into headers of its own behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.protocols.header import Field, Form, Header, hexadecimal, parent
from sniffkit.protocols.protocol import Carried, Headers, Protocol

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from sniffkit.protocols.packet import Reader

HOP_BY_HOP, NO_NEXT_HEADER = 0, 59

HEADER = Header(
    "ipv6",
    "RFC 8200 section 3",
    (
        Field("ipv6.version", 4),
        parent("ipv6.tclass", 8, 8),
        Field("ipv6.tclass.dscp", 6),
        Field("ipv6.tclass.ecn", 2),
        hexadecimal("ipv6.flow", 20, 6),
        Field("ipv6.plen", 16),
        Field("ipv6.nxt", 8),
        Field("ipv6.hlim", 8),
        Field("ipv6.src", 128, Form.IPV6),
        Field("ipv6.dst", 128, Form.IPV6),
    ),
)


def read(reader: Reader) -> None:
    """Say what follows the fixed header, and how much of it."""
    version, length = reader.value("ipv6.version"), reader.value("ipv6.plen")
    if version != 6:
        reader.problem("ipv6.version-wrong", value=version, expected=6)
        return
    available = reader.wire_end - reader.at
    following = reader.value("ipv6.nxt")
    if length == 0 and (following == HOP_BY_HOP or available > 0xFFFF):
        # a jumbogram says its length in a hop-by-hop option (RFC 2675); offload leaves it 0 as well
        reader.problem("ipv6.length-zero", present=available)
        length = available
    elif length > available and not reader.quoted:
        reader.problem("ipv6.length-beyond", promised=length, present=available, field="ipv6.plen")
    if following == NO_NEXT_HEADER:
        reader.bound(length)
    else:
        reader.carry("ip.proto", following, length)


def valid(headers: Headers) -> NDArray[Any]:
    """Tell which headers say version 6."""
    six: NDArray[Any] = headers.first_octet() >> 4 == 6
    return six


def step(headers: Headers) -> list[Carried]:
    """Say what follows each header."""
    length, following = headers.field("ipv6.plen").astype("i8"), headers.field("ipv6.nxt")
    available = headers.length - HEADER.octets
    unsaid = (length == 0) & ((following == HOP_BY_HOP) | (available > 0xFFFF))
    length[unsaid] = available[unsaid]
    return [Carried("ip.proto", following, HEADER.octets, length)]


PROTOCOL = Protocol(
    "ipv6",
    HEADER,
    {"eth.type": (0x86DD,), "ip.proto": (41,), "ppp": (0x0057,), "ip.version": (6,)},
    read,
    step,
    valid,
    bounds_frame=True,
)
