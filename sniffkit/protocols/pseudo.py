"""The checksum of TCP, UDP and ICMPv6: it also covers a pseudo-header of addresses, length and protocol number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.protocols.checksum import Checksum, internet_checksum

if TYPE_CHECKING:
    from sniffkit.protocols.packet import Packet, Reader


def addresses(packet: Packet) -> bytes | None:
    """Return the source and destination of the innermost IP header of a packet read so far, as octets."""
    import socket

    for layer in reversed(packet.layers[:-1]):
        if layer.protocol not in ("ip", "ipv6"):
            continue
        family = socket.AF_INET if layer.protocol == "ip" else socket.AF_INET6
        found = b""
        for side in ("src", "dst"):
            field = layer.first(f"{layer.protocol}.{side}")
            if field is None or not isinstance(field.value, str):
                return None
            found += socket.inet_pton(family, field.value)
        return found
    return None


def pseudo_header(both: bytes, protocol: int, length: int) -> bytes:
    """Build the pseudo-header (RFC 9293 section 3.1 for IPv4, RFC 8200 section 8.1 for IPv6)."""
    if len(both) == 8:
        return both + bytes((0, protocol)) + (length & 0xFFFF).to_bytes(2, "big")
    return both + length.to_bytes(4, "big") + bytes((0, 0, 0, protocol))


def checksum(reader: Reader, id: str, protocol: int, length: int) -> Checksum | None:
    """Return the layer's checksum and what it should be; ``expected`` None where not all of it was captured.

    length: octets that the checksum covers, header included.
    """
    field, both = reader.layer.first(id), addresses(reader.packet)
    if field is None or not isinstance(field.value, int):
        return None
    covered = reader.octets[reader.start : reader.start + length]
    not_computed = protocol == 17 and field.value == 0 and both is not None and len(both) == 8
    # a routing header changes the destination on the way: the pseudo-header holds the last one (RFC 8200 8.1)
    rerouted = any(layer.protocol == "ipv6.routing" for layer in reader.packet.layers)
    if len(covered) < length or both is None or reader.quoted or not_computed or rerouted:
        return Checksum(id, field.value, None)
    place = field.offset - reader.start
    zeroed = covered[:place] + b"\0\0" + covered[place + 2 :]
    pseudo = pseudo_header(both, protocol, length)
    expected = internet_checksum(pseudo + zeroed)
    if protocol == 17 and expected == 0:
        expected = 0xFFFF  # 0 means "not computed" (RFC 768)
    return Checksum(id, field.value, expected, 0xFFFF - internet_checksum(pseudo))


def verify(reader: Reader, id: str, protocol: int, length: int) -> None:
    """Compute the layer's checksum; note it where it does not fit."""
    result = reader.layer.checksum = checksum(reader, id, protocol, length)
    if result is not None and result.state == 0:
        reader.problem(f"{reader.layer.protocol}.checksum-bad", value=result.value, expected=result.expected)
