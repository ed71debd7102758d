"""IPv6 extension headers: options on the way, routes, fragments and authentication, each naming the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.protocols.header import Field, Form, Header, flag, hexadecimal
from sniffkit.protocols.protocol import Carried, Headers, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from sniffkit.protocols.packet import Reader

PAD_1, PAD_N, TUNNEL_LIMIT, ROUTER_ALERT, JUMBO, HOME_ADDRESS = 0, 1, 4, 5, 0xC2, 0xC9
SEGMENT_ROUTING = 4


def options_header(name: str, rfc: str) -> Header:
    """Declare a header of options: the next header, and its own length in 8 octets, not counting the first 8."""
    return Header(name, rfc, (Field(f"{name}.nxt", 8), Field(f"{name}.len", 8)))


HOP_BY_HOP = options_header("ipv6.hopopts", "RFC 8200 section 4.3")
DESTINATION = options_header("ipv6.dstopts", "RFC 8200 section 4.6")
ROUTING = Header(
    "ipv6.routing",
    "RFC 8200 section 4.4",
    (
        Field("ipv6.routing.nxt", 8),
        Field("ipv6.routing.len", 8),
        Field("ipv6.routing.type", 8),
        Field("ipv6.routing.segleft", 8),
    ),
)
FRAGMENT = Header(
    "ipv6.fraghdr",
    "RFC 8200 section 4.5",
    (
        Field("ipv6.fraghdr.nxt", 8),
        hexadecimal("ipv6.fraghdr.reserved_octet", 8),
        Field("ipv6.fraghdr.offset", 13),
        Field("ipv6.fraghdr.reserved_bits", 2),
        flag("ipv6.fraghdr.more"),
        hexadecimal("ipv6.fraghdr.ident", 32),
    ),
)
AUTHENTICATION = Header(
    "ah",
    "RFC 4302 section 2",
    (
        Field("ah.next_header", 8),
        Field("ah.length", 8),
        Field("ah.reserved", 16, Form.OCTETS),
        hexadecimal("ah.spi", 32),
        Field("ah.sequence", 32),
    ),
)


def finish(reader: Reader, length: int, following: str) -> bool:
    """Say what follows a header of ``length`` octets; return whether it is wholly there."""
    present = reader.end - reader.start
    whole = length <= present
    if not whole:
        reader.problem(f"{reader.layer.protocol}.header-cut", promised=length, present=present)
    elif reader.value(following) != 59:
        reader.carry("ip.proto", reader.value(following))
    return whole


def read_options_of(name: str) -> Callable[[Reader], None]:
    """Make the reader of a header of options."""

    def read(reader: Reader) -> None:
        length = 8 * (reader.value(f"{name}.len") + 1)
        reader.derive(f"{name}.len_oct", length, offset=reader.start + 1)
        read_options(reader, min(reader.start + length, reader.end))
        finish(reader, length, f"{name}.nxt")

    return read


def read_options(reader: Reader, end: int) -> None:
    """Read options up to ``end`` (RFC 8200 section 4.2)."""
    while reader.at < end:
        start = reader.at
        kind = reader.octets[start]
        reader.derive("ipv6.opt.type", kind, f"0x{kind:02x}", offset=start)
        reader.bits(
            1,
            ("ipv6.opt.type.action", 2, Form.DECIMAL),
            ("ipv6.opt.type.change", 1, Form.FLAG),
            ("ipv6.opt.type.rest", 5, Form.HEX),
        )
        if kind == PAD_1:
            continue
        if reader.at >= end:
            reader.problem("ipv6.option-cut", kind=kind, offset=start)
            return
        length = reader.add("ipv6.opt.length", 1) or 0
        if reader.at + length > end:
            reader.problem("ipv6.option-length", kind=kind, value=length, present=end - reader.at, offset=start)
            reader.add("ipv6.opt.unknown", end - reader.at, Form.OCTETS)
            return
        read_option(reader, kind, length, reader.at + length)


def read_option(reader: Reader, kind: int, length: int, end: int) -> None:
    """Read one option's value."""
    if kind == PAD_N:
        reader.add("ipv6.opt.padn", length, Form.OCTETS)
    elif kind == ROUTER_ALERT and length == 2:
        reader.add("ipv6.opt.router_alert", 2)
    elif kind == JUMBO and length == 4:
        reader.add("ipv6.opt.jumbo", 4)
    elif kind == TUNNEL_LIMIT and length == 1:
        reader.add("ipv6.opt.tel", 1)
    elif kind == HOME_ADDRESS and length == 16:
        reader.add("ipv6.opt.mipv6.home_address", 16, Form.IPV6)
    reader.add("ipv6.opt.unknown", end - reader.at, Form.OCTETS)


def read_routing(reader: Reader) -> None:
    """Read the route that is still to go, by its type."""
    length = 8 * (reader.value("ipv6.routing.len") + 1)
    reader.derive("ipv6.routing.len_oct", length, offset=reader.start + 1)
    end = min(reader.start + length, reader.end)
    kind = reader.value("ipv6.routing.type")
    if kind == 0:
        reader.add("ipv6.routing.src.reserved", min(4, end - reader.at), Form.OCTETS)
        name = "ipv6.routing.src.addr"
    elif kind == 2:
        reader.add("ipv6.routing.mipv6.reserved", min(4, end - reader.at), Form.OCTETS)
        name = "ipv6.routing.mipv6.home_address"
    elif kind == SEGMENT_ROUTING and end - reader.at >= 4:
        reader.add("ipv6.routing.srh.last_entry", 1)
        reader.add("ipv6.routing.srh.flags", 1, Form.HEX)
        reader.add("ipv6.routing.srh.tag", 2, Form.HEX)
        name = "ipv6.routing.srh.addr"
    else:
        name = ""
    while name and end - reader.at >= 16:
        reader.add(name, 16, Form.IPV6)
    reader.add("ipv6.routing.unknown_data", end - reader.at, Form.OCTETS)
    finish(reader, length, "ipv6.routing.nxt")


def read_fragment(reader: Reader) -> None:
    """Say what is carried, unless this is a piece from the middle of it."""
    offset, more = reader.value("ipv6.fraghdr.offset"), reader.value("ipv6.fraghdr.more")
    if offset or more:
        reader.problem("ipv6.fragment", offset=offset * 8, more=more)
    # as in IPv4, a first fragment shows what it carries only where it was cut and can never be put together
    if not offset and (not more or reader.end < reader.wire_end):
        reader.carry("ip.proto", reader.value("ipv6.fraghdr.nxt"), quoted=reader.quoted or bool(more))


def read_authentication(reader: Reader) -> None:
    """Read the check value; the length counts 4 octets, less two."""
    length = 4 * (reader.value("ah.length") + 2)
    if length < AUTHENTICATION.octets:
        reader.problem("ah.header-short", promised=length, least=AUTHENTICATION.octets, field="ah.length")
        return
    reader.add("ah.icv", min(reader.start + length, reader.end) - reader.at, Form.OCTETS)
    finish(reader, length, "ah.next_header")


def step_over(name: str) -> Callable[[Headers], list[Carried]]:
    """Make the step of a header whose length counts 8 octets."""

    def step(headers: Headers) -> list[Carried]:
        octets = 8 * (headers.field(f"{name}.len").astype("i8") + 1)
        return [Carried("ip.proto", headers.field(f"{name}.nxt"), octets)]

    return step


def step_fragment(headers: Headers) -> list[Carried]:
    """Say what unfragmented packets carry, and cut first fragments, which can't be put together (as tshark does)."""
    offset, more = headers.field("ipv6.fraghdr.offset"), headers.field("ipv6.fraghdr.more").astype(bool)
    following = headers.field("ipv6.fraghdr.nxt")
    whole = (offset == 0) & ~more
    cut_first = (offset == 0) & more & (headers.present < headers.length)
    return [
        Carried("ip.proto", following, FRAGMENT.octets, where=whole),
        Carried("ip.proto", following, FRAGMENT.octets, where=cut_first, quoted=True),
    ]


def step_authentication(headers: Headers) -> list[Carried]:
    """Say what each header authenticates."""
    octets = 4 * (headers.field("ah.length").astype("i8") + 2)
    return [Carried("ip.proto", headers.field("ah.next_header"), octets, where=octets >= AUTHENTICATION.octets)]


PROTOCOLS = (
    Protocol(
        "ipv6.hopopts", HOP_BY_HOP, {"ip.proto": (0,)}, read_options_of("ipv6.hopopts"), step_over("ipv6.hopopts")
    ),
    Protocol(
        "ipv6.dstopts", DESTINATION, {"ip.proto": (60,)}, read_options_of("ipv6.dstopts"), step_over("ipv6.dstopts")
    ),
    Protocol("ipv6.routing", ROUTING, {"ip.proto": (43,)}, read_routing, step_over("ipv6.routing")),
    Protocol("ipv6.fraghdr", FRAGMENT, {"ip.proto": (44,)}, read_fragment, step_fragment),
    Protocol("ah", AUTHENTICATION, {"ip.proto": (51,)}, read_authentication, step_authentication),
)
