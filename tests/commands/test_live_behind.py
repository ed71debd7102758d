"""`sniffkit live` while more packets come than it can tell: shorter, then counts only, and it says so."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sniffkit.commands.giving_way import FOR_PEOPLE, FOR_PROGRAMS, Detail, Pace, ToldLosses
from tests.commands.running_live import live, packets_in
from tests.sources.network import Cable, needs_namespaces

pytestmark = needs_namespaces


@pytest.fixture(scope="module")
def cable() -> Iterator[Cable]:
    with Cable() as made:
        yield made


QUESTION = bytes.fromhex("020000000002 020000000001 0806 0001 0800 06 04 0001") + bytes(20)


def flood(cable: Cable, frames: list[bytes], times: int) -> None:
    """Send frames as fast as they go."""
    with cable.near.inside():
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    with sender:
        sender.bind(("out", 0))
        for _ in range(times):
            for frame in frames:
                sender.send(frame)


def test_when_more_comes_than_can_be_told_it_says_so_and_counts_everything(cable: Cable, tmp_path: Path) -> None:
    with live(cable.far, tmp_path, "in", "-v") as running:
        reader = subprocess.Popen(["cat"], stdin=running.out, stdout=subprocess.DEVNULL)
        flood(cable, [QUESTION], 40_000)
        running.wait_for("More packets come than can be")
        running.process.send_signal(signal.SIGINT)
        running.process.wait(60)
        reader.wait(5)
    assert "40,000 packets captured, 40,000 received by the filter, 0 dropped" in running.said


SMALL_LIMITS = """
import sys
from sniffkit.commands import giving_way
giving_way.FOR_PROGRAMS = giving_way.Limits((300, float("inf")), (3000, float("inf")), 3000)
sys.argv[0] = "sniffkit"
from sniffkit.commands.application import application
sys.exit(application())
"""
"""sniffkit on a machine with little patience: it gives way at 3,000 packets that wait instead of 200,000."""


def test_in_json_what_is_only_counted_has_a_record_of_its_own(cable: Cable, tmp_path: Path) -> None:
    """Every packet that the filter means is told or counted, none twice, in order; the file has all packets."""
    path, out = tmp_path / "a.pcap", tmp_path / "out"
    command = ["live", "in", "--json", "-v", "-w", str(path), "-Y", "frame.len == 42"]
    options = {"program": ["-c", SMALL_LIMITS, *command], "stdout": out.open("wb")}
    with live(cable.far, tmp_path, **options) as running:
        flood(cable, [QUESTION, QUESTION + bytes(18)], 500)
        running.wait_for("without layers and notes from here on")
        flood(cable, [QUESTION, QUESTION + bytes(18)], 9_500)
        running.wait_for("only counted from here on")
        running.wait_for("Caught up: from packet 20,?001 on")
        cable.send([QUESTION])
        time.sleep(0.2)
        running.end()
    records = [json.loads(line) for line in out.read_bytes().splitlines()]
    skipped = [record for record in records if record.get("type") == "skipped"]
    told = [record["number"] for record in records if "type" not in record]
    assert told == sorted(told)
    assert told[-1] == 20_001
    for record in skipped:
        assert record["packets"] == record["last"] - record["first"] + 1
        assert not [number for number in told if record["first"] <= number <= record["last"]]
        assert 0 <= record["octets"] - 42 * record["packets"] <= 18 * (record["packets"] + 1) / 2
    assert len(told) + sum(record["matching"] for record in skipped) == 10_001
    brief = [record["number"] for record in records if "type" not in record and "layers" not in record]
    assert brief, "before it only counted, layers and notes were left out"
    assert "20,001 packets captured, 20,001 received by the filter, 0 dropped" in running.said
    assert packets_in(path) == 20_001


def test_people_are_told_what_happens_now_and_programs_everything() -> None:
    """At 20,000 packets or two seconds late a person gets lines; a program waits until much more is due."""
    for limits, detail in ((FOR_PEOPLE, Detail.LINES), (FOR_PROGRAMS, Detail.EXPLAINED)):
        for waiting, behind in ((20_000, 0.0), (5_000, 2.0)):
            pace = Pace(limits)
            pace.decide(waiting, behind, crowded=False, ending=False)
            assert pace.detail == detail
    pace = Pace(FOR_PROGRAMS)
    assert pace.decide(300_000, 20.0, crowded=False, ending=False)
    assert pace.detail == Detail.COUNTS


def test_a_few_packets_are_explained_however_late_they_are() -> None:
    """Loading the modules takes a second or two on a slow machine; three packets that came meanwhile are no hurry."""
    pace = Pace(FOR_PEOPLE)
    assert not pace.decide(3, 4.0, crowded=False, ending=True)
    assert pace.detail == Detail.EXPLAINED


def test_packets_that_fill_the_memory_are_counted_however_few_they_are() -> None:
    """Of offloaded packets, 64 kB each, some thousand are enough."""
    pace = Pace(FOR_PROGRAMS)
    assert pace.decide(4_000, 0.1, crowded=True, ending=False)
    assert pace.detail == Detail.COUNTS


def test_each_lost_packet_is_told_once_and_no_oftener_than_once_a_second() -> None:
    losses = ToldLosses()
    told = [losses.due(total, now) for total, now in ((0, 10.0), (5, 10.0), (9, 10.5), (9, 11.1), (9, 20.0))]
    assert told == [0, 5, 0, 4, 0]
