"""Captures packed with gzip, zstd, lz4, xz and bzip2 are read like others: told by their octets, not by the name."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pytest
import zstandard

from sniffkit.errors import NotACapture
from sniffkit.sources import open_capture
from tests.sources.by_hand import damage, interface, packet, pcap_header, pcap_record, read, read_octets, section


def zstd(octets: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(octets)


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstd,
    "lz4": lambda octets: lz4.frame.compress(octets, content_checksum=True),
    "xz": lzma.compress,
    "bzip2": lambda octets: bz2.compress(octets, 1),  # 100,000 octets at a time
}
PACKINGS = pytest.mark.parametrize("kind", PACK)

DRAW = random.Random(1)
PCAP = pcap_header() + b"".join(pcap_record(DRAW.randbytes(n % 300), n) for n in range(2000))
PCAPNG = section() + interface() + b"".join(packet(b"%d" % n, n) for n in range(500))


@PACKINGS
@pytest.mark.parametrize("octets", [PCAP, PCAPNG], ids=["pcap", "pcapng"])
def test_what_was_packed_comes_out(tmp_path: Path, kind: str, octets: bytes) -> None:
    plain, _ = read_octets(tmp_path, octets)
    for size in (100, 1 << 20):
        packets, source = read_octets(tmp_path, PACK[kind](octets), batch_octets=size)
        assert packets == plain
        assert source.compression == kind
        assert not source.damage
        assert source.octets_read == source.octets_total


@PACKINGS
def test_a_file_may_be_several_packed_ones(tmp_path: Path, kind: str) -> None:
    """``cat a.gz b.gz``, and what parallel packers write; zero octets behind are padding."""
    packed = b"".join(PACK[kind](PCAP[place : place + 9999]) for place in range(0, len(PCAP), 9999))
    packets, source = read_octets(tmp_path, packed + bytes(512))
    assert packets == read_octets(tmp_path, PCAP)[0]
    assert not source.damage


@PACKINGS
def test_a_packed_file_cut_short_gives_what_stands_before_the_cut(tmp_path: Path, kind: str) -> None:
    packed = PACK[kind](PCAP)
    packets, source = read_octets(tmp_path, packed[: len(packed) // 2])
    assert read_octets(tmp_path, PCAP)[0][: len(packets)] == packets
    assert [each.id for each in source.damage] == ["compressed.cut"]
    assert source.damage[0].values["compression"] == kind
    assert source.damage[0].values["packet"] == len(packets) + 1
    assert packets


@PACKINGS
def test_damage_within_is_told_and_never_raised(tmp_path: Path, kind: str) -> None:
    packed = bytearray(PACK[kind](PCAP))
    path = tmp_path / "capture"
    for place in range(6, len(packed), max(1, len(packed) // 40)):
        altered = bytes(packed[:place]) + bytes([packed[place] ^ 0x55]) + bytes(packed[place + 1 :])
        path.write_bytes(altered)
        try:
            source = open_capture(str(path))
        except NotACapture:  # the damage is in the first octets
            continue
        read(source)


def test_a_wrong_checksum_takes_no_packet_away(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(PCAP))
    packed[-5] ^= 1
    packets, source = read_octets(tmp_path, bytes(packed))
    assert packets == read_octets(tmp_path, PCAP)[0]
    assert damage(source) == [("compressed.damaged", 2001, len(PCAP))]


def test_what_stands_behind_the_packed_octets_is_told(tmp_path: Path) -> None:
    packets, source = read_octets(tmp_path, gzip.compress(PCAP) + b"something else")
    assert len(packets) == 2000
    assert [each.id for each in source.damage] == ["compressed.rest-unknown"]


@PACKINGS
def test_packed_octets_that_break_before_the_first_packet_are_no_capture(tmp_path: Path, kind: str) -> None:
    with pytest.raises(NotACapture, match=r"compressed\.(cut|damaged)"):
        read_octets(tmp_path, PACK[kind](PCAP)[:12])


def test_packed_twice_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotACapture) as refused:
        read_octets(tmp_path, gzip.compress(bz2.compress(PCAP)))
    assert (refused.value.id, refused.value.values["compression"]) == ("compressed.twice", "bzip2")


def test_packed_text_is_text(tmp_path: Path) -> None:
    with pytest.raises(NotACapture, match=r"capture\.text"):
        read_octets(tmp_path, gzip.compress(b"Not a capture at all, but a letter to a friend.\n"))


@PACKINGS
def test_a_bomb_costs_no_memory(tmp_path: Path, kind: str) -> None:
    """100 MB of zero octets pack into a few kilobytes."""
    path = tmp_path / "bomb"
    path.write_bytes(PACK[kind](pcap_header() + pcap_record(bytes(250_000)) * 400))
    assert path.stat().st_size < 1_000_000
    tracemalloc.start()
    try:
        with open_capture(str(path), batch_octets=1 << 20) as source:
            assert sum(len(batch) for batch in source) == 400
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


def test_a_zstd_window_of_gigabytes_is_refused(tmp_path: Path) -> None:
    """A frame header can ask for a window of up to 3.75 TB; it is refused before anything is allocated."""
    frame = bytes.fromhex("28b52ffd") + bytes([0x00, 0xF8]) + bytes(64)
    with pytest.raises(NotACapture, match=r"compressed\.damaged"):
        read_octets(tmp_path, frame)
