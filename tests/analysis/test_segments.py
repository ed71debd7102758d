"""Segments are what the columns hold, one row a TCP header."""

from __future__ import annotations

import struct

import numpy as np

from sniffkit.analysis.segments import ACK, SYN, Segments
from sniffkit.protocols.columns import Columns
from sniffkit.sources.batch import GUARD, Batch

ETHERNET = bytes(12)
TCP_SYN = struct.pack("!HHIIHHHH", 40_000, 80, 100, 0, 8 << 12 | SYN, 64_240, 0x1234, 0) + bytes(
    (2, 4, 5, 180, 4, 2, 1, 3, 3, 7, 0, 0)
)
TCP_DATA = struct.pack("!HHIIHHHH", 80, 40_000, 500, 101, 5 << 12 | ACK, 1000, 0, 0)


def ipv4(payload: bytes, length: int | None = None) -> bytes:
    size = 20 + (len(payload) if length is None else length)
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, size, 0xBEEF, 0, 64, 6, 0, bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
    )
    return ETHERNET + b"\x08\x00" + header + payload


def ipv6(payload: bytes) -> bytes:
    header = (
        struct.pack("!IHBB", 6 << 28, len(payload), 6, 64) + bytes(15) + b"\x01" + b"\xfe\x80" + bytes(13) + b"\x02"
    )
    return ETHERNET + b"\x86\xdd" + header + payload


def segments_of_packets(packets: list[tuple[bytes, int]]) -> Segments:
    """Each packet: its captured octets, and how long it was on the wire."""
    octets = b"".join(packet for packet, _ in packets) + bytes(GUARD)
    captured = np.array([len(packet) for packet, _ in packets], np.int64)
    count = len(packets)
    batch = Batch(
        octets=np.frombuffer(octets, np.uint8),
        offset=np.cumsum(captured) - captured,
        captured=captured,
        length=np.array([length for _, length in packets], np.int64),
        time_ns=np.arange(count) * 1000,
        link_type=np.ones(count, np.int32),
        interface=np.zeros(count, np.int32),
        first=11,
    )
    return Segments.from_columns(Columns(batch))


def test_header_and_options() -> None:
    segments = segments_of_packets([(ipv4(TCP_SYN), 66)])
    assert segments.number.tolist() == [11]
    assert (segments.source_port.tolist(), segments.destination_port.tolist()) == ([40_000], [80])
    assert (segments.sequence.tolist(), segments.flags.tolist(), segments.window.tolist()) == ([100], [SYN], [64_240])
    assert (segments.mss.tolist(), segments.scale_shift.tolist()) == ([1460], [7])
    assert segments.sack_permitted.tolist() == [True]
    assert (segments.identification.tolist(), segments.checksum.tolist()) == ([0xBEEF], [0x1234])
    assert segments.length.tolist() == [0]


def test_addresses_stand_side_by_side_in_one_form() -> None:
    segments = segments_of_packets([(ipv4(TCP_DATA), 54), (ipv6(TCP_DATA), 74)])
    assert [hex(half) for half in segments.source[0].tolist()] == ["0x0", "0xffff0a000001"]
    assert [hex(half) for half in segments.source[1].tolist()] == ["0x0", "0x1"]
    assert [hex(half) for half in segments.destination[1].tolist()] == ["0xfe80000000000000", "0x2"]
    assert segments.identification.tolist() == [0xBEEF, -1]


def test_the_length_is_that_on_the_wire_and_never_padding() -> None:
    padded = ipv4(TCP_DATA) + bytes(6)
    cut = ipv4(TCP_DATA, length=20 + 1000)
    segments = segments_of_packets([(padded, 60), (cut, 14 + 20 + 1020)])
    assert segments.length.tolist() == [0, 1000]
    assert segments.captured.tolist() == [0, 0]


def test_a_header_longer_than_its_datagram_has_an_unknown_length() -> None:
    lying = TCP_DATA[:12] + bytes((0xF0,)) + TCP_DATA[13:]
    assert segments_of_packets([(ipv4(lying), 54)]).length.tolist() == [-1]


def test_taking_some_keeps_their_order() -> None:
    segments = segments_of_packets([(ipv4(TCP_DATA), 54)] * 3)
    assert segments.take(np.array([2, 0])).number.tolist() == [13, 11]
    assert len(segments.take(slice(1, None))) == 2
