"""Options of neighbour discovery: link-layer addresses, prefixes, the MTU, DNS servers (RFC 4861 section 4.6)."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from sniffkit.protocols.header import Form

if TYPE_CHECKING:
    from sniffkit.protocols.packet import Reader


class OptionKind(IntEnum):
    """Neighbour discovery option types."""

    SOURCE_LINK_ADDRESS = 1
    TARGET_LINK_ADDRESS = 2
    PREFIX = 3
    REDIRECTED_PACKET = 4
    MTU = 5
    ADVERTISEMENT_INTERVAL = 7  # RFC 6275 section 7.3
    NONCE = 14  # RFC 3971 section 5.3.2
    ROUTE = 24  # RFC 4191 section 2.3
    DNS_SERVERS = 25  # RFC 8106 section 5.1
    DNS_SEARCH_LIST = 31  # RFC 8106 section 5.2


def read_options(reader: Reader) -> None:
    """Read options to the end of the message; each says its length in 8 octets."""
    while reader.left:
        start = reader.at
        kind = reader.add("icmpv6.opt.type", 1) or 0
        if not reader.left:
            reader.problem("icmpv6.option-cut", kind=kind, offset=start)
            return
        units = reader.add("icmpv6.opt.length", 1) or 0
        if units == 0 or start + 8 * units > reader.end:
            reader.problem("icmpv6.option-length", kind=kind, value=8 * units, present=reader.end - start, offset=start)
            reader.add("icmpv6.data", reader.left, Form.OCTETS)
            return
        read_option(reader, kind, start + 8 * units)


def read_option(reader: Reader, kind: int, end: int) -> None:
    """Read one option's value."""
    left = end - reader.at
    if kind in (OptionKind.SOURCE_LINK_ADDRESS, OptionKind.TARGET_LINK_ADDRESS):
        side = "src" if kind == OptionKind.SOURCE_LINK_ADDRESS else "target"
        reader.add(f"icmpv6.opt.{side}_linkaddr", min(left, 6), Form.MAC)
        reader.add("icmpv6.opt.padding", end - reader.at, Form.OCTETS)
    elif kind == OptionKind.PREFIX and left == 30:
        reader.add("icmpv6.opt.prefix.length", 1)
        octet = reader.octets[reader.at]
        reader.derive("icmpv6.opt.prefix.flag", octet, f"0x{octet:02x}", offset=reader.at)
        reader.bits(
            1,
            ("icmpv6.opt.prefix.flag.l", 1, Form.FLAG),
            ("icmpv6.opt.prefix.flag.a", 1, Form.FLAG),
            ("icmpv6.opt.prefix.flag.r", 1, Form.FLAG),
            ("icmpv6.opt.prefix.flag.reserved", 5, Form.DECIMAL),
        )
        reader.add("icmpv6.opt.prefix.valid_lifetime", 4)
        reader.add("icmpv6.opt.prefix.preferred_lifetime", 4)
        reader.add("icmpv6.opt.reserved", 4, Form.OCTETS)
        reader.add("icmpv6.opt.prefix", 16, Form.IPV6)
    elif kind == OptionKind.MTU and left == 6:
        reader.add("icmpv6.opt.reserved", 2, Form.OCTETS)
        reader.add("icmpv6.opt.mtu", 4)
    elif kind == OptionKind.ADVERTISEMENT_INTERVAL and left == 6:
        reader.add("icmpv6.opt.reserved", 2, Form.OCTETS)
        reader.add("icmpv6.opt.advertisement_interval", 4)
    elif kind == OptionKind.NONCE:
        reader.add("icmpv6.opt.nonce", left, Form.OCTETS)
    elif kind == OptionKind.REDIRECTED_PACKET and left >= 6:
        reader.add("icmpv6.opt.reserved", 6, Form.OCTETS)
        reader.add("icmpv6.opt.redirected_packet", end - reader.at, Form.OCTETS)
    elif kind == OptionKind.ROUTE and left >= 6:
        read_route(reader, end)
    elif kind == OptionKind.DNS_SERVERS and left >= 6:
        reader.add("icmpv6.opt.reserved", 2, Form.OCTETS)
        reader.add("icmpv6.opt.rdnss.lifetime", 4)
        while end - reader.at >= 16:
            reader.add("icmpv6.opt.rdnss", 16, Form.IPV6)
    elif kind == OptionKind.DNS_SEARCH_LIST and left >= 6:
        reader.add("icmpv6.opt.reserved", 2, Form.OCTETS)
        reader.add("icmpv6.opt.dnssl.lifetime", 4)
        read_names(reader, end)
    reader.add("icmpv6.data", end - reader.at, Form.OCTETS)


def read_route(reader: Reader, end: int) -> None:
    """Read a route that the router recommends itself for; the prefix is cut to the octets it needs."""
    reader.add("icmpv6.opt.prefix.length", 1)
    octet = reader.octets[reader.at]
    reader.derive("icmpv6.opt.route_info.flag", octet, f"0x{octet:02x}", offset=reader.at)
    reader.bits(
        1,
        ("icmpv6.opt.route_info.flag.reserved", 3, Form.DECIMAL),
        ("icmpv6.opt.route_info.flag.route_preference", 2, Form.DECIMAL),
        ("icmpv6.opt.route_info.flag.reserved", 3, Form.DECIMAL),
    )
    reader.add("icmpv6.opt.route_lifetime", 4)
    octets = min(end - reader.at, 16)
    if octets == 16:
        reader.add("icmpv6.opt.prefix", 16, Form.IPV6)
    elif octets:
        reader.add("icmpv6.opt.prefix", octets, Form.OCTETS)


def read_names(reader: Reader, end: int) -> None:
    """Read domain names as sequences of labels, without compression (RFC 8106 section 5.2)."""
    while reader.at < end and reader.octets[reader.at]:
        start, place, labels = reader.at, reader.at, []
        while place < end and reader.octets[place]:
            size = reader.octets[place]
            labels.append(reader.octets[place + 1 : min(place + 1 + size, end)])
            place += 1 + size
        reader.add("icmpv6.opt.dnssl", min(place + 1, end) - start, Form.OCTETS)
        field = reader.layer.fields[-1]
        field.value = field.text = ".".join(label.decode("ascii", "backslashreplace") for label in labels)
    reader.add("icmpv6.opt.padding", end - reader.at, Form.OCTETS)
