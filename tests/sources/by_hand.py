"""Captures written octet by octet, so that a test shows exactly what the file says, true or not."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from sniffkit.sources import Source, open_capture

MICROSECONDS = 0xA1B2C3D4
NANOSECONDS = 0xA1B23C4D
KUZNETZOV = 0xA1B2CD34


@dataclass(frozen=True)
class Seen:
    """One packet as a reader hands it out."""

    octets: bytes
    length: int
    time_ns: int
    link_type: int = 1
    interface: int = 0


def pcap_header(
    order: str = "<", magic: int = MICROSECONDS, link_type: int = 1, version: tuple[int, int] = (2, 4)
) -> bytes:
    return struct.pack(order + "IHHiIII", magic, *version, 0, 0, 262144, link_type)


def pcap_record(
    octets: bytes,
    seconds: int = 1,
    fraction: int = 0,
    *,
    order: str = "<",
    length: int | None = None,
    more: bytes = b"",
) -> bytes:
    length = len(octets) if length is None else length
    return struct.pack(order + "IIII", seconds, fraction, len(octets), length) + more + octets


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    length = len(body) + 12
    return struct.pack(order + "II", kind, length) + body + struct.pack(order + "I", length)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


END = bytes(4)


def section(order: str = "<", options: bytes = b"", version: tuple[int, int] = (1, 0), length: int = -1) -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, *version, length) + options, order)


def interface(order: str = "<", link_type: int = 1, snap_length: int = 0, options: bytes = b"") -> bytes:
    return block(1, struct.pack(order + "HHI", link_type, 0, snap_length) + options, order)


def packet(
    octets: bytes,
    ticks: int = 0,
    *,
    order: str = "<",
    number: int = 0,
    length: int | None = None,
    captured: int | None = None,
    options: bytes = b"",
) -> bytes:
    """Return an Enhanced Packet Block."""
    captured = len(octets) if captured is None else captured
    length = len(octets) if length is None else length
    fixed = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, captured, length)
    return block(6, fixed + octets + bytes(-len(octets) % 4) + options, order)


def simple_packet(octets: bytes, length: int | None = None, order: str = "<") -> bytes:
    return block(3, struct.pack(order + "I", len(octets) if length is None else length) + octets, order)


def obsolete_packet(octets: bytes, ticks: int = 0, number: int = 0, order: str = "<") -> bytes:
    fixed = struct.pack(order + "HHIIII", number, 0xFFFF, ticks >> 32, ticks & 0xFFFFFFFF, len(octets), len(octets))
    return block(2, fixed + octets, order)


def read(source: Source) -> list[Seen]:
    """Return every packet of a source, and check what every batch promises."""
    seen: list[Seen] = []
    with source:
        for batch in source:
            assert batch.first == len(seen) + 1
            assert len(batch) > 0
            assert int((batch.offset + batch.captured).max()) + 256 <= len(batch.octets), "the guard is missing"
            seen += [
                Seen(
                    batch.packet(row),
                    int(batch.length[row]),
                    int(batch.time_ns[row]),
                    int(batch.link_type[row]),
                    int(batch.interface[row]),
                )
                for row in range(len(batch))
            ]
    assert source.packets == len(seen)
    return seen


def read_octets(directory: Path, octets: bytes, **options: int) -> tuple[list[Seen], Source]:
    """Write ``octets`` to a file, read it as a capture."""
    path = directory / "capture"
    path.write_bytes(octets)
    source = open_capture(str(path), **options)
    return read(source), source


def damage(source: Source) -> list[tuple[str, object, object]]:
    """Return the places of damage as (id, packet, octet)."""
    return [(each.id, each.values["packet"], each.values["octet"]) for each in source.damage]
