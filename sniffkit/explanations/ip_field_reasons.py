"""Why the fields of an IP header have the values they have here: sums of lengths, a guess at hops, kinds of address."""

from __future__ import annotations

from collections.abc import Callable

from sniffkit.explanations.asked_field import Asked, Reason, because
from sniffkit.protocols.addresses import AddressKind, address_kind

USUAL_STARTS = (64, 128, 255)
"""Hop counts that systems start from: Linux and macOS 64, Windows 128, many routers 255."""

FARTHEST = 40
"""Paths of more hops are rare: a larger difference is not told as a guess."""

ETHERNET_MTU = 1500

NEIGHBOUR_DISCOVERY = range(133, 138)
LISTENER_DISCOVERY = (130, 131, 132, 143)

FINER_KINDS = {
    AddressKind.MULTICAST: (
        ("all-nodes", "ff02::1/128"),
        ("all-routers", "ff02::2/128"),
        ("multicast-link", "ff02::/16"),
        ("multicast-link", "224.0.0.0/24"),
    ),
    AddressKind.GLOBAL: (
        ("nat64", "64:ff9b::/96"),
        ("global", "2000::/3"),
        ("reserved", "::/0"),
    ),
}
"""Ranges within a kind that have a use of their own (RFC 4291 section 2.7.1, RFC 5771, RFC 6052), narrower first."""


def kind_of_address(text: str) -> str:
    """Return what kind of address this is, a little finer than ``addresses.AddressKind``; "" where it is none."""
    from ipaddress import ip_address, ip_network

    try:
        kind = address_kind(text)
    except ValueError:
        return ""
    found = ip_address(text)
    finer = [(name, ip_network(network)) for name, network in FINER_KINDS.get(kind, ())]
    return next((name for name, network in finer if found.version == network.version and found in network), str(kind))


def address(asked: Asked) -> Reason | None:
    """Why an address: what kind it is (TEACHING: an address names an interface, and many are not unique)."""
    kind = kind_of_address(asked.field.text)
    return because(f"address.{kind}", address=asked.field.text) if kind else None


def header_length(asked: Asked) -> Reason | None:
    """Why ``ip.hdr_len``: 4-octet words, and how many of its octets are options."""
    octets = asked.number
    if octets < 20:
        return because("ip.header-length.short", words=octets // 4, octets=octets)
    if octets == 20:
        return because("ip.header-length.bare")
    return because("ip.header-length.options", words=octets // 4, octets=octets, options=octets - 20)


def congestion(asked: Asked) -> Reason | None:
    """Why the ECN bits (RFC 3168 section 5)."""
    if not asked.number:
        return None
    return because("ip.ecn.congested" if asked.number == 3 else "ip.ecn.capable")


def total_length(asked: Asked) -> Reason | None:
    """Why ``ip.len``: the sum of what the datagram holds, or a trace of segmentation offload."""
    header = asked.beside("ip.hdr_len")
    if asked.number == 0:
        present = asked.noted("ip.length-zero", "present")
        return because("ip.length.zero") if present is None else because("ip.length.zero-present", present=present)
    if header is None or asked.number < header:
        return None
    if asked.number > ETHERNET_MTU and asked.packet.layer("eth") is not None:
        return because("ip.length.large", length=asked.number)
    return length_sum(asked, header, asked.number - header)


def length_sum(asked: Asked, header: int, carried: int) -> Reason:
    """Return ``20 + 32 + 100 = 152`` for TCP, its like for UDP, else header and data."""
    inside = asked.inside()
    values = {"ip": header, "length": asked.number}
    fragment = asked.beside("ip.frag_offset") or asked.beside("ip.flags.mf")
    if inside is not None and not fragment:
        tcp = inside.first("tcp.hdr_len") if inside.protocol == "tcp" else None
        if tcp is not None and isinstance(tcp.value, int) and 20 <= tcp.value <= carried:
            return because("ip.length.tcp", **values, tcp=tcp.value, data=carried - tcp.value)
        if inside.protocol == "udp" and carried >= 8:
            return because("ip.length.udp", **values, data=carried - 8)
    return because("ip.length.other", **values, data=carried)


def payload_length(asked: Asked) -> Reason | None:
    """Why ``ipv6.plen``: everything after the fixed 40 octets."""
    inside = asked.inside()
    if asked.number == 0:
        jumbo = asked.packet.first("ipv6.opt.jumbo") is not None
        return because("ipv6.length.jumbo" if jumbo else "ipv6.length.zero")
    if asked.number + 40 > ETHERNET_MTU and asked.packet.layer("eth") is not None:
        return because("ip.length.large", length=asked.number + 40)
    tcp = inside.first("tcp.hdr_len") if inside is not None and inside.protocol == "tcp" else None
    if tcp is not None and isinstance(tcp.value, int) and 20 <= tcp.value <= asked.number:
        data = asked.number - tcp.value
        return because("ipv6.length.tcp", tcp=tcp.value, data=data, length=asked.number)
    return because("ipv6.length.other", length=asked.number, whole=asked.number + 40)


def identification(asked: Asked) -> Reason | None:
    """Why ``ip.id``: it matters to fragments only (RFC 6864)."""
    if asked.beside("ip.flags.mf") or asked.beside("ip.frag_offset"):
        return because("ip.identification.fragment", id=asked.field.text)
    if not asked.beside("ip.flags.df"):
        return because("ip.identification.whole")
    return because("ip.identification.atomic" if asked.number else "ip.identification.zero")


def dont_fragment(asked: Asked) -> Reason | None:
    """Why DF is set, or not."""
    return because("ip.dont-fragment.set" if asked.number else "ip.dont-fragment.off")


def more_fragments(asked: Asked) -> Reason | None:
    """Why MF is set, or why not on a later fragment."""
    if asked.number:
        return because("ip.more-fragments.set")
    return because("ip.more-fragments.last") if asked.beside("ip.frag_offset") else None


def fragment_offset(asked: Asked) -> Reason | None:
    """Why the fragment offset: units of 8 octets (RFC 791 section 3.1, RFC 8200 section 4.5)."""
    if asked.number:
        # tshark 4.0 prints IPv4's in units and IPv6's in units too; the header field has no scale
        return because("ip.fragment-offset", units=asked.number, octets=asked.number * 8)
    more = asked.beside("ip.flags.mf") or asked.beside("ipv6.fraghdr.more")
    return because("ip.fragment-offset.first" if more else "ip.fragment-offset.whole")


def reserved_bit(asked: Asked) -> Reason | None:
    """Why the reserved bit: only worth a word when it is set."""
    return because("ip.reserved-bit") if asked.number else None


def time_to_live(asked: Asked) -> Reason | None:
    """Why ``ip.ttl`` or ``ipv6.hlim``: the value systems start from, less the routers passed: a guess, told as one."""
    if asked.value is None:
        return None
    left = asked.number
    if left in (0, 1):
        return because("hops.zero" if left == 0 else "hops.one")
    if left in USUAL_STARTS:
        return because(f"hops.start-{left}")
    start = next((start for start in USUAL_STARTS if start > left), 0)
    if not start or start - left > FARTHEST:
        return because("hops.unusual", left=left)
    return because("hops.passed", left=left, start=start, hops=start - left)


def hop_limit(asked: Asked) -> Reason | None:
    """Why ``ipv6.hlim``: neighbour discovery demands 255 (RFC 4861 section 7.1), else as in IPv4."""
    place = next(place for place, layer in enumerate(asked.packet.layers) if layer is asked.layer)
    message = next((layer for layer in asked.packet.layers[place:] if layer.protocol == "icmpv6"), None)
    kind = message.first("icmpv6.type") if message is not None else None
    if kind is not None and kind.value in NEIGHBOUR_DISCOVERY:
        return because("hops.neighbour" if asked.number == 255 else "hops.neighbour-wrong", left=asked.number)
    if kind is not None and kind.value in LISTENER_DISCOVERY and asked.number == 1:
        return because("hops.listener")
    return time_to_live(asked)


def flow_label(asked: Asked) -> Reason | None:
    """Why the flow label is 0, or not (RFC 6437)."""
    return because("ipv6.flow.set" if asked.number else "ipv6.flow.zero")


IP_REASONS: dict[str, Callable[[Asked], Reason | None]] = {
    "ip.hdr_len": header_length,
    "ip.dsfield.ecn": congestion,
    "ip.len": total_length,
    "ip.id": identification,
    "ip.flags.rb": reserved_bit,
    "ip.flags.df": dont_fragment,
    "ip.flags.mf": more_fragments,
    "ip.frag_offset": fragment_offset,
    "ip.ttl": time_to_live,
    "ip.src": address,
    "ip.dst": address,
    "ipv6.tclass.ecn": congestion,
    "ipv6.flow": flow_label,
    "ipv6.plen": payload_length,
    "ipv6.hlim": hop_limit,
    "ipv6.src": address,
    "ipv6.dst": address,
    "ipv6.fraghdr.offset": fragment_offset,
}
