"""What -w writes: valid after every batch, in many files where that is asked for, cut back where the disk is full."""

from __future__ import annotations

import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sniffkit.errors import DamagedCapture, NotPermitted
from sniffkit.sources import open_capture
from sniffkit.sources.batch import GUARD, Batch, Interface
from sniffkit.sources.packed_records import Form, packed, record_sizes
from sniffkit.sources.recording import Recording, Rotation, first_rows, rows_from
from sniffkit.sources.writer import PcapngWriter, PcapWriter
from tests.sources.network import needs_real_root

ETHERNET = [Interface(1, 0, "eth0")]
TIME = 1_700_000_000_123_456_789


def batch_of(lengths: list[int], gap: int = 96, first: int = 1) -> Batch:
    """Packets of these lengths, told apart by their octets, with ``gap`` octets before each."""
    count = len(lengths)
    captured = np.array(lengths, np.int64)
    offset = np.cumsum(captured + gap) - captured
    octets = np.zeros(int((captured + gap).sum()) + GUARD, np.uint8)
    for row in range(count):
        octets[offset[row] : offset[row] + lengths[row]] = (first + row) % 251
    time = TIME + np.arange(count, dtype=np.int64)
    ones = np.ones(count, np.int32)
    return Batch(octets, offset, captured, captured + 5, time, ones, 0 * ones, first)


def read(*paths: Path) -> list[tuple[bytes, int, int]]:
    found = []
    for path in paths:
        with open_capture(str(path)) as source:
            for batch in source:
                found += [
                    (batch.packet(row), int(batch.length[row]), int(batch.time_ns[row])) for row in range(len(batch))
                ]
            assert not source.damage
    return found


def packed_batch(batch: Batch, form: Form) -> Batch:
    """The same packets as records of a file, one behind the other, as a live source hands them over."""
    time = batch.time_ns
    columns = (time // 1_000_000_000, time % 1_000_000_000, batch.captured, batch.length)
    told = np.stack(columns, axis=1).astype(np.uint32)
    octets, offset = packed(batch.octets.copy(), batch.offset, batch.captured, told, form)
    return replace(batch, octets=octets, offset=offset)


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
@pytest.mark.parametrize("lengths", [[60] * 100, list(range(1, 200)), [1, 0, 2, 3], [1500] * 50 + [61] * 50, [70_000]])
def test_packed_together_or_one_by_one_the_file_is_the_same(tmp_path: Path, lengths: list[int], form: Form) -> None:
    batch = batch_of(lengths)
    kind = PcapngWriter if form == "pcapng" else PcapWriter
    with kind(open(tmp_path / "a", "wb")) as writer:
        before = writer.octets_written
        writer.write_batch(batch)
        assert writer.octets_written - before == record_sizes(batch.captured, form).sum()
    together = packed_batch(batch, form)
    assert [together.packet(row) for row in range(len(batch))] == [batch.packet(row) for row in range(len(batch))]
    assert not together.octets[-GUARD:].any()
    for name, rotation in (("b", None), ("c", Rotation(octets=1 << 30))):
        recording = Recording(str(tmp_path / f"{name}.{form}"), ETHERNET, 262144, rotation=rotation, form=form)
        recording.write(first_rows(together, 2))
        recording.write(rows_from(together, 2))
        recording.close()
        options = {"interfaces": ETHERNET} if form == "pcapng" else {}
        with kind(open(tmp_path / "d", "wb"), **options) as writer:
            writer.write_batch(batch)
        assert Path(recording.newest).read_bytes() == (tmp_path / "d").read_bytes()


def test_a_batch_that_is_no_row_of_records_is_left_as_it_is(tmp_path: Path) -> None:
    batch = batch_of([60, 61, 62], gap=16)
    before = batch.octets.copy()
    recording = Recording(str(tmp_path / "a.pcap"), ETHERNET, 262144, form="pcapng")
    recording.write(batch)
    recording.close()
    assert [octets for octets, _, _ in read(tmp_path / "a.pcap")] == [batch.packet(row) for row in range(3)]
    assert (batch.octets == before).all()


def test_a_file_is_a_capture_after_every_batch(tmp_path: Path) -> None:
    for name in ("a.pcap", "a.pcapng"):
        recording = Recording(str(tmp_path / name), ETHERNET, 262144)
        assert read(tmp_path / name) == []
        for number in range(3):
            recording.write(batch_of([60, 70], first=2 * number + 1))
            assert len(read(tmp_path / name)) == 2 * number + 2
        recording.close()


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    Recording(str(tmp_path / "a.pcap"), ETHERNET, 262144).close()
    assert (tmp_path / "a.pcap").stat().st_mode & 0o777 == 0o600


def test_rotation_by_size_as_tshark_has_it(tmp_path: Path) -> None:
    """-b filesize:2 -b files:3: files of 2,000 octets, the last one in a file is the one that crosses the line."""
    recording = Recording(str(tmp_path / "a.pcap"), ETHERNET, 262144, rotation=Rotation(octets=2000, files=3))
    recording.write(batch_of([84] * 100))
    recording.close()
    assert (recording.files, recording.kept) == (5, 3)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert [name[:8] for name in names] == ["a_00003_", "a_00004_", "a_00005_"]
    assert [len(read(tmp_path / name)) for name in names] == [20, 20, 20]
    last = read(*(tmp_path / name for name in names))
    assert [octets[0] for octets, _, _ in last] == list(range(41, 101)), "the ring holds the end, nothing is missing"


def test_rotation_by_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("sniffkit.sources.recording.time.monotonic", lambda: now)
    recording = Recording(str(tmp_path / "a.pcapng"), ETHERNET, 262144, rotation=Rotation(seconds=2))
    for number in range(6):
        recording.write(batch_of([60], first=number + 1))
        now += 1
    recording.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert [len(read(tmp_path / name)) for name in names] == [2, 2, 2]


def test_tcpdumps_names(tmp_path: Path) -> None:
    """-C 1 counts on: a, a1, a2; with -W 2 it begins again: a0, a1."""
    for files, names in ((0, ["a", "a1", "a2"]), (2, ["a0", "a1"])):
        folder = tmp_path / str(files)
        folder.mkdir()
        rotation = Rotation("counted", octets=1000, files=files)
        recording = Recording(str(folder / "a"), ETHERNET, 262144, rotation=rotation)
        for number in range(3):
            recording.write(batch_of([984], first=number + 1))
        recording.close()
        assert sorted(path.name for path in folder.iterdir()) == names
    assert read(tmp_path / "2" / "a0")[0][0][0] == 3


def test_so_many_seconds_each_then_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """-G 1 -W 2: the name may hold the time, and after two files the capture is over."""
    now = 100.0
    monkeypatch.setattr("sniffkit.sources.recording.time.monotonic", lambda: now)
    rotation = Rotation("timed", seconds=1, files=2)
    recording = Recording(str(tmp_path / "a-%Y"), ETHERNET, 262144, rotation=rotation)
    for number in range(3):
        recording.write(batch_of([60], first=number + 1))
        now += 1
    recording.close()
    assert recording.full
    assert recording.files == 2
    (name,) = [path.name for path in tmp_path.iterdir()]
    assert name.startswith("a-2")


@pytest.mark.parametrize("name", ["a.pcap", "a.pcapng"])
def test_a_full_disk_leaves_a_whole_capture(tmp_path: Path, name: str) -> None:
    recording = Recording(str(tmp_path / name), ETHERNET, 262144)
    recording.write(batch_of([60] * 10))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
    try:
        with pytest.raises(DamagedCapture) as error:
            recording.write(batch_of([60] * 1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    recording.close()
    assert error.value.id == "live.write-failed"
    assert error.value.values["reason"] == "File too large"
    assert len(read(tmp_path / name)) == 10


def test_a_place_where_nothing_can_be_written() -> None:
    with pytest.raises(NotPermitted, match=r"writer\.cannot-create"):
        Recording("/no/such/folder/a.pcap", ETHERNET, 262144)


@needs_real_root
def test_files_belong_to_the_user_behind_sudo(tmp_path: Path) -> None:
    """A file that was there before keeps its owner: it might be /dev/null."""
    (tmp_path / "old.pcap").touch()
    for name, owner in (("new.pcap", 65534), ("old.pcap", 0)):
        Recording(str(tmp_path / name), ETHERNET, 262144, owner=(65534, 65534)).close()
        assert (tmp_path / name).stat().st_uid == owner


def test_root_without_its_rights_keeps_the_files_it_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rotation in a folder of root's goes on after the rights were given up, though no file can be given away."""

    def refuse(descriptor: int, user: int, group: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("sniffkit.sources.recording.os.fchown", refuse)
    recording = Recording(str(tmp_path / "a.pcap"), ETHERNET, 262144, owner=(65534, 65534))
    recording.write(batch_of([60, 60]))
    recording.close()
    assert len(read(tmp_path / "a.pcap")) == 2
