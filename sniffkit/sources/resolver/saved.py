"""Saves a resolution as a capture: its messages in packets that are made here.

The messages, their times, addresses and ports are those that were sent and received. What stands around them is made
up: Ethernet addresses, IP identifiers, and for TCP the handshake, the sequence numbers and the close, each with the
time of the message it belongs to. A real capture needs rights that a resolution does not.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sniffkit.sources.resolver.trace import Asked
    from sniffkit.sources.writer import Writer

CLIENT_MAC, GATEWAY_MAC = bytes.fromhex("020000000002"), bytes.fromhex("020000000001")
UDP, TCP = 17, 6
FIN, SYN, PSH, ACK = 1, 2, 8, 16
SEGMENT = 1220
"""Octets of data in a made-up segment: fits any MTU, with IPv6 too (RFC 8200 section 5)."""

NOTE = "made by sniffkit resolve from the messages: times and messages are real, packets around them are not"


def save(asked: Sequence[Asked], writer: Writer) -> None:
    """Write every question and answer, in the order of their times."""
    packets = sorted((packet for each in asked for packet in packets_of(each)), key=lambda packet: packet[0])
    comment = getattr(writer, "write_comment", None)
    for number, (time_ns, octets) in enumerate(packets):
        if number == 0 and comment is not None:
            comment(octets, time_ns, NOTE)
        else:
            writer.write(octets, time_ns)


def packets_of(asked: Asked) -> Iterator[tuple[int, bytes]]:
    """Yield time and octets of each packet of one exchange."""
    if not asked.client:
        return
    there = (asked.client, asked.client_port), (asked.address, asked.port)
    back = there[1], there[0]
    came_ns = asked.sent_ns + (asked.elapsed_ns or 0)
    if asked.transport == "udp":
        yield asked.sent_ns, _udp(*there, asked.query)
        if asked.response:
            yield came_ns, _udp(*back, asked.response)
        return
    question, answer = _framed(asked.query), _framed(asked.response)
    yield asked.sent_ns, _tcp(*there, 0, 0, SYN)
    yield asked.sent_ns, _tcp(*back, 0, 1, SYN | ACK)
    yield asked.sent_ns, _tcp(*there, 1, 1, ACK)
    yield asked.sent_ns, _tcp(*there, 1, 1, PSH | ACK, question)
    if not asked.response:
        return
    after = 1 + len(question)
    for start in range(0, len(answer), SEGMENT):
        part = answer[start : start + SEGMENT]
        last = start + SEGMENT >= len(answer)
        yield came_ns, _tcp(*back, 1 + start, after, (PSH if last else 0) | ACK, part)
    end = 1 + len(answer)
    yield came_ns, _tcp(*there, after, end, FIN | ACK)
    yield came_ns, _tcp(*back, end, after + 1, FIN | ACK)
    yield came_ns, _tcp(*there, after + 1, end + 1, ACK)


def _framed(message: bytes) -> bytes:
    """Put the length before a message, as TCP needs it (RFC 1035 section 4.2.2)."""
    return struct.pack("!H", len(message)) + message


def _udp(source: tuple[str, int], destination: tuple[str, int], payload: bytes) -> bytes:
    header = struct.pack("!HHHH", source[1], destination[1], 8 + len(payload), 0)
    return _frame(source, destination, UDP, header + payload, 6)


def _tcp(
    source: tuple[str, int], destination: tuple[str, int], seq: int, ack: int, flags: int, payload: bytes = b""
) -> bytes:
    header = struct.pack("!HHIIBBHHH", source[1], destination[1], seq, ack, 0x50, flags, 0xFFFF, 0, 0)
    return _frame(source, destination, TCP, header + payload, 16)


def _frame(source: tuple[str, int], destination: tuple[str, int], protocol: int, body: bytes, at: int) -> bytes:
    """Put a datagram or segment into IP and Ethernet; its checksum is written at octet ``at``."""
    six = ":" in source[0]
    family = socket.AF_INET6 if six else socket.AF_INET
    ends = socket.inet_pton(family, source[0]) + socket.inet_pton(family, destination[0])
    pseudo = ends + (struct.pack("!I3xB", len(body), protocol) if six else struct.pack("!BBH", 0, protocol, len(body)))
    checksum = _checksum(pseudo + body) or (0xFFFF if protocol == UDP else 0)
    body = body[:at] + struct.pack("!H", checksum) + body[at + 2 :]
    # The client is the end with the higher port here: servers have 53.
    macs = GATEWAY_MAC + CLIENT_MAC if source[1] > destination[1] else CLIENT_MAC + GATEWAY_MAC
    if six:
        return macs + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + ends + body
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0x4000, 64, protocol, 0) + ends
    header = header[:10] + struct.pack("!H", _checksum(header)) + header[12:]
    return macs + b"\x08\x00" + header + body


def _checksum(octets: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = octets + bytes(len(octets) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(~total & 0xFFFF)
