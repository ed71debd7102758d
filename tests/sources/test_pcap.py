"""A classic pcap: a file header, then a header before each packet. What the headers say is what comes out."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from sniffkit.errors import ExitCode, NotACapture
from sniffkit.sources import open_capture
from tests.sources.by_hand import (
    KUZNETZOV,
    MICROSECONDS,
    NANOSECONDS,
    Seen,
    damage,
    pcap_header,
    pcap_record,
    read,
    read_octets,
)

SECOND = 10**9


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("magic", "tick"), [(MICROSECONDS, 1000), (NANOSECONDS, 1)])
def test_the_magic_number_tells_byte_order_and_clock(tmp_path: Path, order: str, magic: int, tick: int) -> None:
    octets = pcap_header(order, magic, link_type=113)
    octets += pcap_record(b"first", 1_700_000_000, 123_456, order=order)
    octets += pcap_record(b"", 4_294_967_295, 999_999, order=order, length=60)
    packets, source = read_octets(tmp_path, octets)
    assert packets == [
        Seen(b"first", 5, 1_700_000_000 * SECOND + 123_456 * tick, 113),
        Seen(b"", 60, 4_294_967_295 * SECOND + 999_999 * tick, 113),
    ]
    assert (source.format, source.compression, source.damage) == ("pcap", "", [])
    assert source.interfaces[0].snap_length == 262144
    assert not source.interface_ids, "a pcap does not say on which interface a packet was captured"
    assert source.octets_read == source.octets_total == len(octets)


def test_kuznetzovs_format_has_eight_more_octets_a_packet(tmp_path: Path) -> None:
    more = struct.pack("<IHBB", 2, 0x0800, 0, 0)
    octets = pcap_header(magic=KUZNETZOV) + pcap_record(b"one", more=more) + pcap_record(b"two", 2, more=more)
    packets, _ = read_octets(tmp_path, octets)
    assert [each.octets for each in packets] == [b"one", b"two"]


def test_upper_bits_of_the_link_type_tell_of_the_check_sequence(tmp_path: Path) -> None:
    packets, _ = read_octets(tmp_path, pcap_header(link_type=0x4C000001) + pcap_record(b"frame"))
    assert packets[0].link_type == 1


@pytest.mark.parametrize("minor", [1, 2, 3])
def test_old_versions_have_the_two_lengths_the_other_way_round(tmp_path: Path, minor: int) -> None:
    record = struct.pack("<IIII", 1, 0, 60, 4) + b"octs"
    packets, source = read_octets(tmp_path, pcap_header(version=(2, minor)) + record * 2)
    assert packets == [Seen(b"octs", 60, SECOND)] * 2
    assert not source.damage


def test_an_impossible_fraction_moves_the_time_by_two_seconds_at_most(tmp_path: Path) -> None:
    """A fraction of a million microseconds or more is a lie; tshark takes it as 32 bits, and so do we."""
    octets = pcap_header() + pcap_record(b"a", 7, 1_000_000) + pcap_record(b"b", 7, 4_294_967_295)
    packets, _ = read_octets(tmp_path, octets)
    assert [each.time_ns for each in packets] == [8 * SECOND, 7 * SECOND - 1000]


def test_more_captured_than_there_was_is_let_pass(tmp_path: Path) -> None:
    packets, source = read_octets(tmp_path, pcap_header() + pcap_record(b"longer", length=2) * 3)
    assert packets == [Seen(b"longer", 2, SECOND)] * 3
    assert not source.damage


def test_a_length_that_no_wire_carries_is_told_as_tshark_tells_it(tmp_path: Path) -> None:
    packets, _ = read_octets(tmp_path, pcap_header() + pcap_record(b"x", length=2**32 - 1))
    assert packets[0].length == 2**31 - 1


def test_a_file_cut_anywhere_gives_the_whole_packets_before_the_cut(tmp_path: Path) -> None:
    octets = pcap_header() + pcap_record(b"first packet", 1) + pcap_record(b"second", 2)
    second = 24 + 16 + 12
    for cut in range(24, len(octets)):
        packets, source = read_octets(tmp_path, octets[:cut])
        assert len(packets) == (cut >= second)
        if cut in (24, second):
            assert not source.damage
            continue
        number, begin = (1, 24) if cut < second else (2, second)
        kind = "pcap.header-cut" if cut < begin + 16 else "pcap.packet-cut"
        assert damage(source) == [(kind, number, begin)]
        assert source.damage[0].exit_code == ExitCode.DAMAGED


@pytest.mark.parametrize("captured", [262_145, 2**31, 2**32 - 1])
def test_a_lie_of_gigabytes_is_damage_and_no_allocation(tmp_path: Path, captured: int) -> None:
    lie = struct.pack("<IIII", 1, 0, captured, captured)
    packets, source = read_octets(tmp_path, pcap_header() + pcap_record(b"true") + lie + bytes(400_000))
    assert len(packets) == 1
    assert damage(source) == [("pcap.captured-too-long", 2, 44)]


def test_the_longest_packet_passes_whatever_the_batch(tmp_path: Path) -> None:
    octets = pcap_header() + pcap_record(b"\x01" * 262_144) + pcap_record(b"after")
    packets, source = read_octets(tmp_path, octets, batch_octets=100)
    assert [len(each.octets) for each in packets] == [262_144, 5]
    assert not source.damage


def test_small_batches_and_large_ones_hold_the_same_packets(tmp_path: Path) -> None:
    octets = pcap_header() + b"".join(pcap_record(bytes([n]) * (n * 7 % 90), n, n) for n in range(200))
    whole, _ = read_octets(tmp_path, octets)
    for size in (1, 33, 500, 4096):
        assert read_octets(tmp_path, octets, batch_octets=size)[0] == whole


def test_an_earlier_batch_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(pcap_header() + b"".join(pcap_record(b"packet %03d" % n) for n in range(100)))
    batches = list(open_capture(str(path), batch_octets=200))
    assert len(batches) > 10
    told = [batch.packet(row) for batch in batches for row in range(len(batch))]
    assert told == [b"packet %03d" % n for n in range(100)]


def test_packets_without_octets_do_not_make_a_batch_without_end(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(pcap_header() + pcap_record(b"") * 200_000)
    with open_capture(str(path)) as source:
        counts = [len(batch) for batch in source]
    assert sum(counts) == 200_000
    assert max(counts) <= 131_072


def test_reading_goes_on_after_a_break(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(pcap_header() + pcap_record(bytes(100)) * 10)
    source = open_capture(str(path), batch_octets=300)
    for batch in source:
        assert len(batch) < 10
        break
    assert len(batch) + sum(len(later) for later in source) == 10


def test_a_capture_of_no_packets_is_a_capture(tmp_path: Path) -> None:
    packets, source = read_octets(tmp_path, pcap_header())
    assert packets == []
    assert not source.damage


@pytest.mark.parametrize("octets", range(1, 24))
def test_less_than_a_file_header_is_not_a_capture(tmp_path: Path, octets: int) -> None:
    with pytest.raises(NotACapture) as refused:
        read_octets(tmp_path, pcap_header()[:octets])
    assert refused.value.exit_code == ExitCode.NOT_A_CAPTURE
    if octets >= 4:
        assert refused.value.id == "capture.short"


def test_another_version_is_not_guessed_at(tmp_path: Path) -> None:
    with pytest.raises(NotACapture) as refused:
        read_octets(tmp_path, pcap_header(version=(1, 4)))
    assert (refused.value.id, refused.value.values["version"]) == ("pcap.version", "1.4")


def test_the_sample_helper_reads_what_a_source_gives(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(pcap_header() + pcap_record(b"x"))
    assert read(open_capture(str(path))) == [Seen(b"x", 1, SECOND)]
