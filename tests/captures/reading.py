"""Reads sample captures for the tests, apart from the program's own protocols: frames, checksums, ladders."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sniffkit.sources import open_capture

CAPTURES = Path(__file__).parents[2] / "captures"
CLIENTS = {bytes([10, 0, 0, 2]), bytes.fromhex("20010db8000000000000000000000002")}
TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
FLAGS = {0x02: "S", 0x01: "F", 0x04: "R", 0x08: "P", 0x10: "A"}


@dataclass(frozen=True)
class Frame:
    """One captured frame."""

    number: int
    octets: bytes
    length: int
    time_ns: int
    interface: str

    @property
    def ether(self) -> tuple[int, bytes]:
        """EtherType and what follows, a VLAN tag taken off."""
        start = 16 if self.octets[12:14] == b"\x81\x00" else 12
        return int.from_bytes(self.octets[start : start + 2], "big"), self.octets[start + 2 :]


@dataclass(frozen=True)
class Datagram:
    """What an IP header says, and its payload without padding."""

    protocol: int
    source: bytes
    destination: bytes
    payload: bytes
    header: bytes


def frames(name: str) -> Iterator[Frame]:
    with open_capture(str(CAPTURES / name)) as source:
        for batch in source:
            for row in range(len(batch)):
                yield Frame(
                    batch.first + row,
                    batch.packet(row),
                    int(batch.length[row]),
                    int(batch.time_ns[row]),
                    source.interfaces[int(batch.interface[row])].name,
                )
        assert not source.damage


def datagram(frame: Frame) -> Datagram | None:
    ether_type, octets = frame.ether
    if ether_type == 0x0800:
        header = octets[: (octets[0] & 15) * 4]
        whole = octets[: int.from_bytes(octets[2:4], "big")]
        return Datagram(octets[9], octets[12:16], octets[16:20], whole[len(header) :], header)
    if ether_type == 0x86DD:
        length = int.from_bytes(octets[4:6], "big")
        return Datagram(octets[6], octets[8:24], octets[24:40], octets[40 : 40 + length], octets[:40])
    return None


def ones_complement(octets: bytes) -> int:
    """The Internet checksum (RFC 1071); 0 over anything that carries a right one."""
    padded = octets + bytes(len(octets) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def wrong_checksums(frame: Frame) -> list[str]:
    """Name the checksums of a frame that don't verify."""
    carried = datagram(frame)
    if carried is None:
        return []
    wrong = []
    if len(carried.source) == 4 and ones_complement(carried.header):
        wrong.append("ip")
    length = len(carried.payload)
    if len(carried.source) == 4:
        pseudo = carried.source + carried.destination + struct.pack("!BBH", 0, carried.protocol, length)
    else:
        pseudo = carried.source + carried.destination + struct.pack("!I3xB", length, carried.protocol)
    above = pseudo if carried.protocol != ICMP else b""
    assert carried.protocol in (TCP, UDP, ICMP, ICMPV6), carried.protocol
    if ones_complement(above + carried.payload):
        wrong.append({TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPV6: "icmpv6"}[carried.protocol])
    return wrong


def ladder(name: str) -> str:
    """Draw the TCP segments of a capture: direction (> from the client), flags, seq:length, ack, both relative."""
    base: dict[tuple[bytes, int], int] = {}
    lines = []
    for frame in frames(name):
        carried = datagram(frame)
        if carried is None or carried.protocol != TCP:
            continue
        octets = carried.payload
        source, destination, seq, ack = struct.unpack_from("!HHII", octets)
        flags = octets[13]
        length = len(octets) - (octets[12] >> 4) * 4
        ours, theirs = (carried.source, source), (carried.destination, destination)
        if flags & 2:
            base[ours] = seq
        base.setdefault(ours, seq - 1)
        if flags & 16:
            base.setdefault(theirs, ack - 1)
        drawn = "".join(letter for bit, letter in FLAGS.items() if flags & bit)
        relative = (seq - base[ours]) % 2**32
        acknowledged = f" ack {(ack - base[theirs]) % 2**32}" if flags & 16 else ""
        direction = ">" if carried.source in CLIENTS else "<"
        lines.append(f"{direction} {drawn:<3} {relative}{f':{length}' if length else ''}{acknowledged}")
    return "\n".join(lines)
