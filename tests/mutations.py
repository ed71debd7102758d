"""Captures with damages: packets lost, doubled, swapped, cut; flags, numbers, windows, times, single octets altered."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, replace
from pathlib import Path

from sniffkit.errors import SniffkitError
from sniffkit.sources import open_capture

SECOND = 10**9
AT_MOST = 200
"""Packets of one damaged capture."""


@dataclass(frozen=True)
class Packet:
    """A packet as it stands in a file."""

    octets: bytes
    length: int
    time_ns: int
    link_type: int


def packets_of(path: Path) -> list[Packet]:
    """Return the packets of a capture, as far as it can be read."""
    found: list[Packet] = []
    try:
        with open_capture(str(path)) as source:
            for batch in source:
                for at in range(len(batch)):
                    link_type, time_ns = int(batch.link_type[at]), int(batch.time_ns[at])
                    found.append(Packet(batch.packet(at), int(batch.length[at]), time_ns, link_type))
    except SniffkitError:
        pass
    return found


def damaged_packets(packets: list[Packet], chance: random.Random) -> list[Packet]:
    """Return some packets in a row with a few damages."""
    begin = chance.randrange(max(len(packets) - AT_MOST, 0) + 1)
    packets = packets[begin : begin + AT_MOST]
    for _ in range(chance.choice((1, 2, 4, 8, 20))):
        if packets:
            _damage(packets, chance)
    if chance.random() < 0.3:
        packets = [_without_identification(packet) for packet in packets]
    if chance.random() < 0.2:  # much of it captured twice
        share = chance.choice((0.5, 0.9, 1))
        apart = chance.choice((1_000, 50_000, 900_000))
        twice = [[one, replace(one, time_ns=one.time_ns + apart)][: 1 + (chance.random() < share)] for one in packets]
        packets = [one for both in twice for one in both]
    return packets


def _damage(packets: list[Packet], chance: random.Random) -> None:
    at = chance.randrange(len(packets))
    one = packets[at]
    match chance.randrange(12):
        case 0:
            del packets[at]
        case 1:
            packets.insert(min(len(packets), at + chance.choice((1, 1, 2, 5))), one)
        case 2:
            packets.insert(chance.randrange(len(packets)), packets.pop(at))
        case 3 if one.octets:
            octets = bytearray(one.octets)
            octets[chance.randrange(min(len(octets), 80))] = chance.randrange(256)
            packets[at] = replace(one, octets=bytes(octets))
        case 4:
            packets[at] = replace(one, octets=one.octets[: chance.randrange(len(one.octets) + 1)])
        case 5:
            by = chance.choice((1, -1)) * chance.choice((10**6, SECOND, 61 * SECOND, 3700 * SECOND))
            later = range(at, len(packets)) if chance.random() < 0.5 else (at,)
            for place in later:
                packets[place] = replace(packets[place], time_ns=packets[place].time_ns + by)
        case 6:
            packets[at] = replace(one, time_ns=chance.choice((0, 1, (2**32 - 1) * SECOND)))
        case _:
            packets[at] = replace(one, octets=_with_another_header(one.octets, chance))


def _with_another_header(octets: bytes, chance: random.Random) -> bytes:
    """Alter flags, a number, the window or the length of a TCP header under IPv4 and Ethernet."""
    if len(octets) < 54 or octets[12:14] != b"\x08\x00" or octets[23] != 6:
        return octets
    header = 14 + 4 * (octets[14] & 15)
    changed = bytearray(octets)
    if len(octets) < header + 20:
        return octets
    match chance.randrange(5):
        case 0:
            changed[header + 13] = chance.choice((0, 1, 2, 3, 4, 6, 16, 17, 18, 20, 24, 0x3F))
        case 1 | 2:
            place = header + chance.choice((4, 8))
            number = int.from_bytes(octets[place : place + 4], "big") + chance.choice(
                (1, -1, 10, -10, 1448, 2**30, 2**31)
            )
            changed[place : place + 4] = (number % 2**32).to_bytes(4, "big")
        case 3:
            changed[header + 14 : header + 16] = chance.choice((0, 1, 65_535)).to_bytes(2, "big")
        case 4:
            changed[header + 12] = chance.randrange(256)
    return bytes(changed)


def _without_identification(packet: Packet) -> Packet:
    octets = packet.octets
    if len(octets) < 34 or octets[12:14] != b"\x08\x00":
        return packet
    return replace(packet, octets=octets[:18] + bytes(2) + octets[20:])


def write_pcap(packets: list[Packet], path: Path) -> None:
    """Write the packets of the first one's link type, nanoseconds kept."""
    link_type = packets[0].link_type if packets else 1
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, link_type))
        for one in packets:
            if one.link_type == link_type:
                seconds, rest = divmod(max(one.time_ns, 0), SECOND)
                length = max(one.length, len(one.octets))
                file.write(struct.pack("<IIII", seconds % 2**32, rest, len(one.octets), length) + one.octets)


def write_pcapng(packets: list[Packet], path: Path, chance: random.Random) -> None:
    """Write packets with times as odd as pcapng allows: any resolution, any offset, 64 bits, or none at all."""

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

    link_type = packets[0].link_type if packets else 1
    options = struct.pack("<HHB3x", 9, 1, chance.choice((9, 9, 6, 0, 12, 18, 127, 0x80 | 32, 0x80 | 63)))
    if chance.random() < 0.4:
        options += struct.pack("<HHq", 14, 8, chance.choice((-(2**63), -(2**62), 2**62, -1, 10**10)))
    written = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    written += block(1, struct.pack("<HHI", link_type, 0, 0) + options + bytes(4))
    for one in packets:
        ticks = max(one.time_ns, 0)
        if chance.random() < 0.1:
            ticks = chance.choice((0, 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1))
        if chance.random() < 0.15:
            written += block(3, struct.pack("<I", len(one.octets)) + one.octets)
        elif one.link_type == link_type:
            length = max(one.length, len(one.octets))
            head = struct.pack("<IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(one.octets), length)
            written += block(6, head + one.octets)
    path.write_bytes(written)


def damaged_octets(octets: bytes, chance: random.Random) -> bytes:
    """Return a file with octets altered, left out and put in, and now and then its end cut off."""
    changed = bytearray(octets)
    for _ in range(chance.choice((1, 3, 10, 40))):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(6):
            case 0:
                del changed[at : at + chance.choice((1, 2, 100))]
            case 1:
                changed[at:at] = chance.randbytes(chance.choice((1, 4, 30)))
            case _:
                changed[at : at + 1] = chance.randbytes(1)
    return bytes(changed[: chance.randrange(len(changed) + 1)] if chance.random() < 0.3 else changed)


def damage(source: Path, path: Path, chance: random.Random) -> None:
    """Write a damaged copy of a capture."""
    way = chance.random()
    if way < 0.25:
        path.write_bytes(damaged_octets(source.read_bytes(), chance))
        return
    packets = damaged_packets(packets_of(source), chance)
    if way < 0.45:
        write_pcapng(packets, path, chance)
    else:
        write_pcap(packets, path)
