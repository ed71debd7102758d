"""What the writer writes is read back the same: packets, times to the nanosecond, lengths, interfaces."""

from __future__ import annotations

import shutil
import struct
import subprocess
from io import BytesIO
from pathlib import Path

import pytest

from sniffkit.errors import NotPermitted
from sniffkit.sources import open_capture
from sniffkit.sources.batch import Interface
from sniffkit.sources.writer import PcapngWriter, PcapWriter, create_capture

FRAME = bytes(range(60))
TIME_NS = 1_700_000_000_123_456_789


def read_back(path: Path) -> list[tuple[bytes, int, int, int]]:
    with open_capture(str(path)) as source:
        return [
            (batch.packet(row), int(batch.time_ns[row]), int(batch.length[row]), int(batch.interface[row]))
            for batch in source
            for row in range(len(batch))
        ]


@pytest.mark.parametrize("name", ["a.pcap", "a.pcapng"])
def test_a_packet_comes_back_as_it_was_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with create_capture(str(path)) as writer:
        writer.write(FRAME, TIME_NS)
        writer.write(FRAME[:33], TIME_NS + 1, length=1500)  # pcapng pads 33 octets to 36
        assert writer.written == 2
    assert read_back(path) == [(FRAME, TIME_NS, 60, 0), (FRAME[:33], TIME_NS + 1, 1500, 0)]
    assert path.stat().st_size == writer.octets_written


def test_microseconds_are_cut_and_not_rounded_up(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    with create_capture(str(path), nanoseconds=False) as writer:
        writer.write(FRAME, TIME_NS)
    assert read_back(path)[0][1] == 1_700_000_000_123_456_000


def test_the_snap_length_cuts_the_octets_and_keeps_the_length(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    with create_capture(str(path), snap_length=20) as writer:
        writer.write(FRAME, TIME_NS)
    assert read_back(path) == [(FRAME[:20], TIME_NS, 60, 0)]


def test_pcapng_names_its_interfaces(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    interfaces = [Interface(1, name="eth0", description="to the router"), Interface(101, name="tun0")]
    with create_capture(str(path), interfaces=interfaces) as writer:
        writer.write(FRAME, TIME_NS, interface=1)
    with open_capture(str(path)) as source:
        batches = list(source)
        assert [(each.name, each.link_type) for each in source.interfaces] == [("eth0", 1), ("tun0", 101)]
    assert batches[0].link_type.tolist() == [101]


def test_a_comment_is_kept_with_its_packet(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    with open(path, "wb") as file, PcapngWriter(file) as writer:
        writer.write(FRAME, TIME_NS)
        writer.write_comment(FRAME, TIME_NS, "这是重传")
    with open_capture(str(path)) as source:
        assert sum(len(batch) for batch in source) == 2
        assert [(each.packet, each.text) for each in source.comments] == [(2, "这是重传")]


@pytest.mark.parametrize("name", ["a.pcap", "a.pcapng"])
def test_a_batch_is_written_like_its_packets_one_by_one(tmp_path: Path, name: str) -> None:
    one_by_one, at_once = tmp_path / f"one-{name}", tmp_path / f"batch-{name}"
    with create_capture(str(one_by_one)) as writer:
        for number in range(5):
            writer.write(FRAME[: 30 + number], TIME_NS + number, length=60 + number)
    with open_capture(str(one_by_one)) as source, create_capture(str(at_once)) as writer:
        for batch in source:
            writer.write_batch(batch)
        assert writer.written == 5
    assert at_once.read_bytes() == one_by_one.read_bytes()


def test_after_a_flush_the_file_is_a_whole_capture(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    with create_capture(str(path)) as writer:
        writer.write(FRAME, TIME_NS)
        writer.flush()
        assert len(read_back(path)) == 1


def test_a_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotPermitted, match=r"writer\.cannot-create") as told:
        create_capture(str(tmp_path / "no such directory" / "a.pcap"))
    assert told.value.values["reason"] == "No such file or directory"


def test_the_first_error_is_not_hidden_by_a_full_disk() -> None:
    class FullDisk(BytesIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(KeyboardInterrupt), PcapWriter(FullDisk()):
        raise KeyboardInterrupt


def test_the_file_header_is_the_one_of_the_format() -> None:
    file = BytesIO()
    PcapWriter(file, link_type=101, snap_length=96)
    assert struct.unpack("<IHHiIII", file.getvalue()) == (0xA1B23C4D, 2, 4, 0, 0, 96, 101)


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("name", ["a.pcap", "a.pcapng"])
def test_tshark_reads_it_too(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with create_capture(str(path), interfaces=[Interface(1, name="eth0")]) as writer:
        writer.write(FRAME, TIME_NS, length=1500)
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.split() == ["1700000000.123456789", "1500"]
