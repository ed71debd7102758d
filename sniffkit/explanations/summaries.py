"""One packet in half a line, in the words of the wire: for ARP, ICMP, DNS and everything that is not made in bulk."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sniffkit.protocols.packet import Layer, Packet

_SHOWN = {"ip": "IPv4", "ipv6": "IPv6", "eth": "Ethernet", "icmpv6": "ICMPv6", "data": "Data"}


def summary_of(packet: Packet) -> tuple[str, str]:
    """Return the name of the protocol a packet is about and what it says; the text is not escaped yet."""
    for layer in packet.layers:
        if layer.protocol in ("icmp", "icmpv6"):  # what follows is only quoted
            return _SHOWN.get(layer.protocol, layer.protocol.upper()), SUMMARIES[layer.protocol](layer, packet)
    for layer in reversed(packet.layers):
        if layer.protocol in SUMMARIES:
            return _SHOWN.get(layer.protocol, layer.protocol.upper()), SUMMARIES[layer.protocol](layer, packet)
    told = [layer for layer in packet.layers if layer.protocol not in ("data", "trailer")]
    if not told:
        return "", f"{sum(layer.length for layer in packet.layers)} octets"
    name = told[-1].protocol
    return _SHOWN.get(name, name.upper()), " / ".join(layer.protocol for layer in told)


def _text(layer: Layer, id: str, missing: str = "?") -> str:
    found = layer.first(id)
    return missing if found is None or found.value is None else found.text


def _number(layer: Layer, id: str) -> int:
    found = layer.first(id)
    return found.value if found is not None and isinstance(found.value, int) else -1


def _arp(layer: Layer, packet: Packet) -> str:
    operation = _number(layer, "arp.opcode")
    sender, target = _text(layer, "arp.src.proto_ipv4"), _text(layer, "arp.dst.proto_ipv4")
    if operation == 1:
        if sender == target:
            return f"Announcement for {sender}"
        if sender == "0.0.0.0":
            return f"Who has {target}? (probe)"
        return f"Who has {target}? Tell {sender}"
    if operation == 2:
        return f"{sender} is at {_text(layer, 'arp.src.hw_mac')}"
    return f"Operation {operation}"


_ICMP_TYPES = {
    0: "Echo (ping) reply", 3: "Destination unreachable", 4: "Source quench", 5: "Redirect",
    8: "Echo (ping) request", 9: "Router advertisement", 10: "Router solicitation", 11: "Time exceeded",
    12: "Parameter problem", 13: "Timestamp request", 14: "Timestamp reply",
}  # fmt: skip
_UNREACHABLE = {0: "network", 1: "host", 2: "protocol", 3: "port", 4: "fragmentation needed", 13: "filtered"}
_ICMPV6_TYPES = {
    1: "Destination unreachable", 2: "Packet too big", 3: "Time exceeded", 4: "Parameter problem",
    128: "Echo (ping) request", 129: "Echo (ping) reply", 130: "Multicast listener query",
    131: "Multicast listener report", 132: "Multicast listener done", 133: "Router solicitation",
    134: "Router advertisement", 135: "Neighbor solicitation", 136: "Neighbor advertisement", 137: "Redirect",
    143: "Multicast listener report v2",
}  # fmt: skip
_UNREACHABLE_V6 = {0: "no route", 1: "filtered", 3: "address", 4: "port"}


def _icmp(layer: Layer, packet: Packet) -> str:
    kind, code = _number(layer, "icmp.type"), _number(layer, "icmp.code")
    text = _ICMP_TYPES.get(kind, f"Type {kind}, code {code}")
    if kind in (0, 8):
        return f"{text} id={_text(layer, 'icmp.ident')}, seq={_text(layer, 'icmp.seq')}"
    if kind == 3:
        text += f" ({_UNREACHABLE.get(code, f'code {code}')})"
    return text + _quoted(layer, packet)


def _icmpv6(layer: Layer, packet: Packet) -> str:
    kind, code = _number(layer, "icmpv6.type"), _number(layer, "icmpv6.code")
    text = _ICMPV6_TYPES.get(kind, f"Type {kind}, code {code}")
    if kind in (128, 129):
        return f"{text} id={_text(layer, 'icmpv6.echo.identifier')}, seq={_text(layer, 'icmpv6.echo.sequence_number')}"
    if kind == 135:
        return f"{text} for {_text(layer, 'icmpv6.nd.ns.target_address')}"
    if kind == 136:
        return f"{text} {_text(layer, 'icmpv6.nd.na.target_address')}"
    if kind == 1:
        text += f" ({_UNREACHABLE_V6.get(code, f'code {code}')})"
    return text + _quoted(layer, packet)


def _quoted(layer: Layer, packet: Packet) -> str:
    """Return what an ICMP error quotes, after a colon."""
    inner = packet.layers[packet.layers.index(layer) + 1 :]
    for one in inner:
        if one.protocol in ("tcp", "udp"):
            ports = f"{_text(one, f'{one.protocol}.srcport')} > {_text(one, f'{one.protocol}.dstport')}"
            return f": {one.protocol.upper()} {ports}"
    return ""


def _dns(layer: Layer, packet: Packet) -> str:
    response = _number(layer, "dns.flags.response") == 1
    operation = _OPERATIONS.get(_number(layer, "dns.flags.opcode"), "Query")
    heading = "Response" if response else operation
    if response and operation != "Query":
        heading = f"{operation} response"
    parts = [heading, _text(layer, "dns.id")]
    name, kind = layer.first("dns.qry.name"), layer.first("dns.qry.type")
    if kind is not None:
        parts.append(_record_type(kind.value))
    if name is not None:
        parts.append(name.text or "<root>")
    code = _number(layer, "dns.flags.rcode")
    if response and code > 0:
        parts.append(_RCODES.get(code, f"rcode {code}"))
    shown = 0
    for field in layer.fields:
        if response and field.id in ("dns.a", "dns.aaaa", "dns.cname", "dns.ns", "dns.ptr.domain_name") and field.text:
            if shown == 3:
                parts.append("...")
                break
            parts.append(f"{field.id.split('.')[1].upper()} {field.text}")
            shown += 1
    return " ".join(parts)


_OPERATIONS = {4: "Notify", 5: "Update"}
_RCODES = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
_TYPES = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV", 43: "DS",
    48: "DNSKEY", 64: "SVCB", 65: "HTTPS", 255: "ANY",
}  # fmt: skip


def _record_type(value: object) -> str:
    return _TYPES.get(value, f"TYPE{value}") if isinstance(value, int) else "?"


def _ports(protocol: str) -> Callable[[Layer, Packet], str]:
    def summary(layer: Layer, packet: Packet) -> str:
        if layer.first(f"{protocol}.dstport") is None:
            return f"Header cut after {layer.length} octets"
        return (
            f"{_text(layer, f'{protocol}.srcport')} > {_text(layer, f'{protocol}.dstport')} Len={layer.payload_length}"
        )

    return summary


def _internet(layer: Layer, packet: Packet) -> str:
    offset = _number(layer, "ip.frag_offset")
    if offset > 0 or _number(layer, "ip.flags.mf") == 1:
        return f"Fragment at octet {8 * max(offset, 0)} of id {_text(layer, 'ip.id')}"  # the field counts in eights
    return f"Protocol {_text(layer, 'ip.proto')}"


def _internet_6(layer: Layer, packet: Packet) -> str:
    header = packet.layer("ipv6.fraghdr")
    if header is not None and header.first("ipv6.fraghdr.ident") is not None:
        offset = 8 * max(_number(header, "ipv6.fraghdr.offset"), 0)
        return f"Fragment at octet {offset} of id {_text(header, 'ipv6.fraghdr.ident')}"
    return f"Next header {_text(layer, 'ipv6.nxt')}"


SUMMARIES: dict[str, Callable[[Layer, Packet], str]] = {
    "arp": _arp,
    "icmp": _icmp,
    "icmpv6": _icmpv6,
    "dns": _dns,
    "mdns": _dns,
    "llmnr": _dns,
    "udp": _ports("udp"),
    "tcp": _ports("tcp"),
    "ip": _internet,
    "ipv6": _internet_6,
}
"""What one packet says, by protocol; the innermost one that stands here speaks for the packet."""
