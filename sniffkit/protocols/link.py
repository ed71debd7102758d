"""Captures without Ethernet: bare IP packets, BSD loopback, and Linux's "cooked" header of the interface ``any``."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from sniffkit.protocols.header import Field, Form, Header, hexadecimal
from sniffkit.protocols.protocol import Carried, Headers, Protocol

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns
    from sniffkit.protocols.packet import Reader


class Family(IntEnum):
    """Address families in a null or loop header; IPv6 has another number in each BSD."""

    IPV4 = 2
    IPV6_LINUX = 10
    IPV6_NETBSD = 24
    IPV6_FREEBSD = 28
    IPV6_DARWIN = 30


IPV6_FAMILIES = (Family.IPV6_LINUX, Family.IPV6_NETBSD, Family.IPV6_FREEBSD, Family.IPV6_DARWIN)

RAW = Header("raw", "LINKTYPE_RAW", ())
NULL = Header("null", "LINKTYPE_NULL", (Field("null.family", 32),))

ADDRESS = (Field("sll.src.eth", 48, Form.MAC), Field("sll.unused", 16, Form.OCTETS))

COOKED_START = Header(
    "sll", "LINKTYPE_LINUX_SLL", (Field("sll.pkttype", 16), Field("sll.hatype", 16), Field("sll.halen", 16))
)
COOKED = Header("sll", COOKED_START.rfc, (*COOKED_START.fields, *ADDRESS, hexadecimal("sll.etype", 16)))
"""As it is with hardware addresses of 6 octets; the packet view reads the others too."""

COOKED_2_START = Header(
    "sll",
    "LINKTYPE_LINUX_SLL2",
    (
        hexadecimal("sll.etype", 16),
        Field("sll.unused", 16, Form.OCTETS),
        Field("sll.ifindex", 32),
        Field("sll.hatype", 16),
        Field("sll.pkttype", 8),
        Field("sll.halen", 8),
    ),
)
COOKED_2 = Header("sll", COOKED_2_START.rfc, (*COOKED_2_START.fields, Field("sll.address", 64, Form.OCTETS)))

LLC_IN_COOKED = 0x0004
SMALLEST_TYPE = 0x0600


def read_raw(reader: Reader) -> None:
    """Say which version of IP follows: its first four bits."""
    if reader.left:
        reader.carry("ip.version", reader.octets[reader.at] >> 4)


def step_raw(headers: Headers) -> list[Carried]:
    """Say which version of IP follows."""
    return [Carried("ip.version", headers.octet(0) >> 4, 0)]


def family_of(number: int) -> int:
    """Return the address family: written in the byte order of the machine that captured, small either way."""
    if number & 0xFFFF0000:
        number = int.from_bytes(number.to_bytes(4, "big"), "little")
    return number


def read_null(reader: Reader) -> None:
    """Say what the address family means."""
    family = family_of(reader.value("null.family"))
    field = reader.layer.fields[-1]
    field.value, field.text = family, str(family)
    if family > 1500:
        field.id, field.text = "null.type", f"0x{family & 0xFFFF:04x}"
        reader.carry("eth.type", family & 0xFFFF)
    elif family == Family.IPV4 or family in IPV6_FAMILIES:
        reader.carry("ip.version", 4 if family == Family.IPV4 else 6)


def families(columns: Columns) -> NDArray[Any]:
    """Return ``null.family`` as a number, uint32."""
    return _families(columns.window("null")["null.family/0"])


def _families(raw: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    number = raw.astype(np.uint32)
    return np.where(number & np.uint32(0xFFFF0000), number.byteswap(), number)


def step_null(headers: Headers) -> list[Carried]:
    """Say what each address family means."""
    import numpy as np

    family = _families(headers.field("null.family"))
    version = np.where(family == Family.IPV4, 4, np.where(np.isin(family, IPV6_FAMILIES), 6, 0))
    return [
        Carried("ip.version", version, 4),
        Carried("eth.type", family & np.uint32(0xFFFF), 4, where=(family > 1500) & (family < 1 << 16)),
    ]


def read_cooked(reader: Reader) -> None:
    """Read the sender's hardware address in its own length, and what follows (version 1)."""
    read_address(reader)
    number = reader.number(14, 2)
    typed = number >= SMALLEST_TYPE
    if reader.add("sll.etype" if typed else "sll.ltype", 2, Form.HEX) is None:
        reader.problem("sll.header-cut", promised=COOKED.octets, present=reader.end - reader.start)
    elif typed:
        reader.carry("eth.type", number)
    elif number == LLC_IN_COOKED:
        reader.carry("llc", 0)


def read_cooked_2(reader: Reader) -> None:
    """Read the sender's hardware address in its own length, and what follows (version 2)."""
    read_address(reader)
    number = reader.value("sll.etype")
    if reader.at < reader.start + COOKED_2.octets:
        reader.problem("sll.header-cut", promised=COOKED_2.octets, present=reader.end - reader.start)
    elif number >= SMALLEST_TYPE:
        reader.carry("eth.type", number)
    elif number == LLC_IN_COOKED:
        reader.carry("llc", 0)


def read_address(reader: Reader) -> None:
    """Read eight octets that hold an address of ``sll.halen`` octets."""
    length = min(reader.value("sll.halen"), 8)
    name, form = {6: ("sll.src.eth", Form.MAC), 4: ("sll.src.ipv4", Form.IPV4)}.get(
        length, ("sll.src.other", Form.OCTETS)
    )
    reader.add(name, length, form)
    reader.add("sll.unused", 8 - length, Form.OCTETS)


def step_cooked(headers: Headers) -> list[Carried]:
    """Say what follows each header (version 1)."""
    number = headers.field("sll.etype")
    return [
        Carried("eth.type", number, COOKED.octets, where=number >= SMALLEST_TYPE),
        Carried("llc", 0, COOKED.octets, where=number == LLC_IN_COOKED),
    ]


def step_cooked_2(headers: Headers) -> list[Carried]:
    """Say what follows each header (version 2)."""
    number = headers.field("sll.etype")
    return [
        Carried("eth.type", number, COOKED_2.octets, where=number >= SMALLEST_TYPE),
        Carried("llc", 0, COOKED_2.octets, where=number == LLC_IN_COOKED),
    ]


BARE = Protocol("raw", RAW, {"link": (12, 14, 101, 228, 229)}, read_raw, step_raw)
LOOPBACK = Protocol("null", NULL, {"link": (0, 108)}, read_null, step_null, derived={"null.family": families})
COOKED_PROTOCOL = Protocol("sll", COOKED, {"link": (113,)}, read_cooked, step_cooked, start=COOKED_START)
COOKED_2_PROTOCOL = Protocol(
    "sll2", COOKED_2, {"link": (276,)}, read_cooked_2, step_cooked_2, start=COOKED_2_START, layer="sll"
)
