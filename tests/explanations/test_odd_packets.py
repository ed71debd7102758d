"""What is odd in a TCP or UDP packet is told under it, although such packets are listed in bulk."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from sniffkit.explanations.odd_packets import odd_packets
from sniffkit.protocols.columns import Columns
from sniffkit.sources import open_captures

TIMESTAMPS = bytes.fromhex("0101080a0000000100000002")


def datagram(protocol: int, content: bytes, total: int = 0, options: bytes = b"") -> bytes:
    length = total or 20 + len(options) + len(content)
    begin = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, 0, length, 1, 0, 64, protocol, 0)
    return begin + bytes((10, 0, 0, 2, 10, 0, 0, 9)) + options + content


def segment(words: int, options: bytes = b"", data: bytes = b"hello") -> bytes:
    return datagram(6, struct.pack("!HHIIBBHHH", 4000, 80, 1, 1, words << 4, 16, 100, 0, 0) + options + data)


def odd(packet: bytes, tmp_path: Path, length: int = 0) -> set[str]:
    """Return what is found odd in a packet on a raw IP link."""
    path = tmp_path / "made.pcap"
    record = struct.pack("<IIII", 1_700_000_000, 0, len(packet), max(length, len(packet)))
    path.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101) + record + packet)
    with open_captures([str(path)]) as source:
        (batch,) = source
        found = odd_packets(Columns(batch))
    return {problem.id for each in found.values() for layer in each.layers for problem in layer.problems}


@pytest.mark.parametrize(
    ("packet", "problem"),
    [
        (segment(4), "tcp.header-short"),
        (segment(0), "tcp.header-short"),
        (segment(15, b"\x01" * 4), "tcp.header-cut"),
        (segment(6, b"\x02\x00\x00\x00"), "tcp.option-length"),
        (segment(6, b"\x02\x28\x00\x00"), "tcp.option-length"),
        (segment(6, b"\x03\x04\x07\x00"), "tcp.option-length-odd"),
        (segment(6, b"\x03\x03\x20\x01"), "tcp.window-scale-large"),
        (datagram(17, struct.pack("!HHHH", 1, 2, 4, 0) + b"abcd"), "udp.length-short"),
        (datagram(17, struct.pack("!HHHH", 1, 2, 400, 0) + b"abcd"), "udp.length-beyond"),
        (datagram(17, struct.pack("!HHHH", 1, 2, 12, 0) + b"abcd", total=900), "ip.length-beyond"),
        (datagram(17, struct.pack("!HHHH", 1, 2, 12, 0) + b"abcd", options=b"\x07\x00\x04\x00"), "ip.option-length"),
    ],
)
def test_contradictions_are_found(packet: bytes, problem: str, tmp_path: Path) -> None:
    assert problem in odd(packet, tmp_path)


@pytest.mark.parametrize(
    "packet",
    [
        segment(5),
        segment(8, TIMESTAMPS),
        segment(10, b"\x02\x04\x05\xb4\x04\x02\x08\x0a" + bytes(8) + b"\x01\x03\x03\x07"),
        segment(8, b"\x01\x01\x05\x0a" + bytes(8)),
        datagram(17, struct.pack("!HHHH", 1, 2, 12, 0) + b"abcd"),
    ],
)
def test_ordinary_packets_are_not_read_one_by_one(packet: bytes, tmp_path: Path) -> None:
    assert not odd(packet, tmp_path)


def test_a_header_cut_by_the_snap_length_is_nobodys_lie(tmp_path: Path) -> None:
    assert not odd(segment(8, TIMESTAMPS)[:44], tmp_path, length=57)
