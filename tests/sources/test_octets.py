"""Octets come from files, pipes and standard input; whatever cannot be read is said when it is opened."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sniffkit.errors import ExitCode, NotACapture, NotPermitted
from sniffkit.sources import open_capture
from sniffkit.sources.octets import FileOctets, fill
from tests.sources.by_hand import interface, packet, pcap_header, pcap_record, read, section

PCAP = pcap_header() + pcap_record(b"one") + pcap_record(b"two")


@pytest.mark.parametrize("path", ["nowhere.pcap", "", "a\0b"])
def test_what_is_missing_is_not_a_capture(path: str) -> None:
    with pytest.raises(NotACapture) as refused:
        open_capture(path)
    assert refused.value.exit_code == ExitCode.NOT_A_CAPTURE


def test_a_directory_is_told_as_one(tmp_path: Path) -> None:
    with pytest.raises(NotACapture, match=r"capture\.directory"):
        open_capture(str(tmp_path))


def test_a_file_that_may_not_be_read_is_a_matter_of_permission(tmp_path: Path) -> None:
    """Root may read everything, so the question is asked as another user where it has to be."""
    path = tmp_path / "secret.pcap"
    path.write_bytes(PCAP)
    path.chmod(0)
    if os.geteuid():
        with pytest.raises(NotPermitted, match=r"capture\.not-permitted"):
            open_capture(str(path))
        return
    child = os.fork()
    if not child:
        outcome = 1
        try:
            os.seteuid(65534)
            open_capture(str(path))
        except (NotPermitted, NotACapture) as refused:
            outcome = 0 if refused.exit_code == ExitCode.NOT_PERMITTED else 2
        finally:
            os._exit(outcome)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)

    def write() -> None:
        with path.open("wb") as file:
            for place in range(len(PCAP)):  # octet by octet: no read may count on more
                file.write(PCAP[place : place + 1])
                file.flush()

    writer = threading.Thread(target=write)
    writer.start()
    source = open_capture(str(path))
    assert source.octets_total is None
    assert [each.octets for each in read(source)] == [b"one", b"two"]
    writer.join()


def test_standard_input_is_read_where_the_name_is_a_dash() -> None:
    program = (
        "from sniffkit.sources import open_capture\n"
        "for batch in open_capture('-'): print(*[batch.packet(row) for row in range(len(batch))])"
    )
    run = subprocess.run([sys.executable, "-c", program], input=PCAP, capture_output=True, check=True)
    assert run.stdout == b"b'one' b'two'\n"


@pytest.mark.parametrize(
    ("begin", "parts"),
    [
        (pcap_header(), [pcap_record(b"one"), pcap_record(b"two")]),
        (section() + interface(), [packet(b"one"), packet(b"two")]),
        (section() + interface() + packet(b"zero"), [packet(b"one"), packet(b"two")]),
    ],
    ids=["pcap", "pcapng", "pcapng with a packet at once"],
)
def test_packets_of_a_live_pipe_are_seen_when_they_come(begin: bytes, parts: list[bytes]) -> None:
    """``tcpdump -U -w - | sniffkit explain -``: nobody waits for the packet after the next."""
    reader, writer = os.pipe()
    os.write(writer, begin)
    source = open_capture(f"/dev/fd/{reader}")
    running = iter(source)
    if b"zero" in begin:
        assert next(running).packet(0) == b"zero"
    for part, octets in zip(parts, [b"one", b"two"], strict=True):
        os.write(writer, part)
        batch = next(running)
        assert [batch.packet(row) for row in range(len(batch))] == [octets]
    os.close(writer)
    assert list(running) == []
    os.close(reader)


def test_a_pipe_that_never_pauses_is_handed_over_all_the_same() -> None:
    """A packet every few milliseconds would fill a batch only after minutes."""
    ours, theirs = socket.socketpair()
    done = threading.Event()

    def trickle() -> None:
        while not done.wait(0.005):
            theirs.send(b"x")

    writer = threading.Thread(target=trickle)
    writer.start()
    try:
        stream = FileOctets(io.FileIO(ours.fileno(), closefd=False), None)
        begin = time.monotonic()
        count, ended = fill(stream, memoryview(bytearray(1 << 20)))
        assert 0 < count < 1000
        assert not ended
        assert time.monotonic() - begin < 5
    finally:
        done.set()
        writer.join()
        ours.close()
        theirs.close()


class FailingDisk(io.RawIOBase):
    """Gives some octets, then an input/output error."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def readinto(self, view: memoryview) -> int:
        if not self._octets:
            raise OSError(5, "Input/output error")
        count = min(len(view), len(self._octets))
        view[:count], self._octets = self._octets[:count], self._octets[count:]
        return count


def test_a_disk_that_fails_in_the_middle_is_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sniffkit.sources.open_octets", lambda path: FileOctets(FailingDisk(PCAP[:-1]), 1000))
    source = open_capture("failing.pcap")
    assert [each.octets for each in read(source)] == [b"one"]
    assert [(each.id, each.values["packet"], each.values["octet"]) for each in source.damage] == [
        ("capture.read-failed", 2, len(PCAP) - 1)
    ]
