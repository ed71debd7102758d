"""What frames say by themselves: clocks set back, sizes no wire carries, packets cut short; and wrong checksums."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from sniffkit.analysis.capture import CaptureAnalysis
from sniffkit.sources import open_capture

CAPTURES = Path(__file__).parents[2] / "captures"


def told(name: str, batch_octets: int = 8 << 20) -> tuple[CaptureAnalysis, list[tuple[int, str]]]:
    """Return the analysis of a sample and (packet, id) of every fact that is not TCP's."""
    analysis = CaptureAnalysis()
    found = []
    for batch in open_capture(str(CAPTURES / name), batch_octets=batch_octets):
        facts = analysis.feed(batch)
        for row, several in facts.told.items():
            found += [(batch.first + row, fact.id) for fact in several]
    return analysis, sorted(found)


@pytest.mark.parametrize("batch_octets", [1 << 10, 8 << 20])
def test_a_clock_set_back_is_told_where_it_happens(batch_octets: int) -> None:
    analysis, found = told("clock-set-back.pcap", batch_octets)
    backwards = [number for number, id in found if id == "frame.time-backwards"]
    assert len(backwards) == analysis.frames.backwards == 1


def test_the_earliest_time_is_known_when_the_clock_was_set_back() -> None:
    analysis, _ = told("clock-set-back.pcap")
    assert analysis.frames.earliest_ns == analysis.first_ns


def test_a_link_that_nobody_reads_is_told_once(tmp_path: Path) -> None:
    """Link type 147 is one of those left to users: what its octets mean is agreed on privately."""
    record = struct.pack("<IIII", 1_700_000_000, 0, 4, 4) + b"abcd"
    path = tmp_path / "user.pcap"
    path.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 147) + record * 3)
    _, found = told(str(path))
    assert found == [(1, "frame.link-unknown")]


def test_frames_larger_than_any_wire_carries_are_told_once() -> None:
    analysis, found = told("offload.pcap")
    assert analysis.frames.large > 1
    assert [id for _, id in found].count("frame.large") == 1


def test_cut_packets_are_told_once_and_counted() -> None:
    analysis, found = told("snap-length.pcap")
    assert [id for _, id in found].count("frame.cut") == 1
    assert analysis.cut > 1


def test_checksums_left_to_the_card_are_no_damage() -> None:
    """All packets of the client have wrong checksums: nothing is said of any of them, the summary names the client."""
    analysis, found = told("offload.pcap")
    assert not [id for _, id in found if id.startswith("checksum.")]
    ((sender, wrong),) = analysis.checksums.offloading()
    assert sender == (0, 0xFFFF_0A00_0002)  # ::ffff:10.0.0.2
    assert wrong == 11


def test_one_wrong_checksum_among_right_ones_is_damage(tmp_path: Path) -> None:
    octets = bytearray((CAPTURES / "sticky-nagle.pcap").read_bytes())
    octets[-1] ^= 0x55  # the last octet of the last packet
    path = tmp_path / "damaged.pcap"
    path.write_bytes(octets)
    analysis = CaptureAnalysis()
    ids = [
        fact.id
        for batch in open_capture(str(path))
        for several in analysis.feed(batch).told.values()
        for fact in several
    ]
    assert ids == ["checksum.tcp-wrong"]
    assert not list(analysis.checksums.offloading())
