"""The lab's classroom played before three captures at once: tcpdump's, one for programs, and one a person watches.

A scenario of each kind runs for real, one after the other, in one room: those that need no long timer of the kernel and
leave no traces for the next. (The frames of all of them are sent anew in tests/sources/test_live.py.)
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sniffkit.errors import NotPermitted
from sniffkit.lab.scenarios import find
from sniffkit.lab.stage import Stage
from sniffkit.lab.wire import Recording
from sniffkit.lab.world import Classroom
from sniffkit.sources import open_capture
from tests.sources.network import ROOT, needs_namespaces, real_root, tcpdump

pytestmark = [
    needs_namespaces,
    pytest.mark.skipif(
        not shutil.which("tcpdump") or not real_root(), reason="needs tcpdump, and root, as tcpdump changes its user"
    ),
]

PLAYED = (
    "http-exchange", "arp-ping", "handshake-close-4", "close-3-segment", "server-closes-first", "half-close-data",
    "simultaneous-close", "reset-by-abort", "refused-port", "simultaneous-open", "lost-segment", "out-of-order",
    "repeated-segment", "udp-question-answer", "udp-closed-port", "ipv6-neighbour-discovery", "arp-announcement",
    "vlan", "dns-lookup",
)  # fmt: skip
STEPS = {
    "handshake.syn", "handshake.syn-ack", "handshake.ack", "teardown.fin-1", "teardown.ack-1", "teardown.fin-2",
    "teardown.ack-2", "reset",
}  # fmt: skip
SOON = 0.25
COMMAND = [sys.executable, "-m", "sniffkit", "live", "eth0"]
READY = "The socket is open|This root counts"


class Nowhere:
    """A scenario wants to be recorded; here others do that."""

    written = 0

    def write(self, *_: object, **__: object) -> None: ...

    def flush(self) -> None: ...


@dataclass(frozen=True)
class Watched:
    """What the three captures had in the end: files, and the lines on the terminal with the time each was there."""

    by_tcpdump: Path
    by_programs: Path
    records: list[dict[str, Any]]
    by_person: Path
    lines: list[tuple[float, str]]


class Screen:
    """A terminal that notes when each line came."""

    def __init__(self) -> None:
        self._ours, self.theirs = pty.openpty()
        self._rest = b""
        self.lines: list[tuple[float, str]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while True:
            try:
                octets = os.read(self._ours, 65_536)
            except OSError:  # nobody has the other end any more
                return
            now = time.time()
            *whole, self._rest = (self._rest + octets).split(b"\n")
            for line in whole:
                shown = line.decode(errors="replace").rpartition("\r\x1b[K")[2].rstrip("\r")
                self.lines.append((now, re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", shown)))

    def wait_for(self, pattern: str, seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while not any(re.search(pattern, line) for _, line in self.lines):
            assert time.monotonic() < end, self.lines
            time.sleep(0.02)

    def close(self) -> None:
        os.close(self.theirs)
        self._thread.join(5)
        os.close(self._ours)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    folder = tmp_path_factory.mktemp("scenarios")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("SUDO_", "LC_", "COLUMNS"))}
    env |= {"LANG": "C.UTF-8", "XDG_STATE_HOME": str(folder), "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    files = [folder / name for name in ("tcpdump.pcap", "programs.pcapng", "person.pcap")]
    screen, said = Screen(), folder / "said"
    with Classroom(ask_arp=True, ipv6=True) as room, tcpdump(room.client, "eth0", files[0]), said.open("wb") as aside:
        command = [*COMMAND, "--json", "-w", str(files[1])]
        programs = room.client.start(command, stdout=subprocess.PIPE, stderr=aside, env=env)
        gathered: list[bytes] = []
        assert programs.stdout is not None
        reader = threading.Thread(target=lambda: gathered.extend(programs.stdout or ()))
        reader.start()
        ends = dict.fromkeys(("stdin", "stdout", "stderr"), screen.theirs)
        person = room.client.start([*COMMAND, "-w", str(files[2])], env=env, **ends)
        try:
            screen.wait_for(READY)
            while not re.search(READY, said.read_text()):
                assert programs.poll() is None, said.read_text()
                time.sleep(0.05)
            for name in PLAYED:
                scenario = find(name)
                assert scenario is not None
                room.line.clear()
                scenario.play(Stage(room, Recording(Nowhere(), scenario.at)))  # type: ignore[arg-type]
                room.line.settle()
                with contextlib.suppress(NotPermitted):  # a scenario's own host goes with its cable
                    room.router.ip("link del lan2")
            time.sleep(0.5)
        finally:
            for process in (programs, person):
                process.send_signal(signal.SIGINT)
                process.wait(20)
            reader.join(5)
            screen.close()
    assert (programs.returncode, person.returncode) == (0, 0)
    return Watched(files[0], files[1], [json.loads(line) for line in gathered], files[2], screen.lines)


def octets_of(path: Path) -> list[bytes]:
    with open_capture(str(path)) as source:
        return [batch.packet(row) for batch in source for row in range(len(batch))]


def explained(path: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "sniffkit", "explain", "-q", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, check=True, cwd=ROOT)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_packet_for_packet_what_tcpdump_captured(watched: Watched) -> None:
    one, other = octets_of(watched.by_tcpdump), octets_of(watched.by_programs)
    first = one.index(other[0])  # tcpdump was there a little earlier
    assert len(other) > 180
    # Where two processors hand over a packet each at the same moment, which comes first may differ.
    assert sorted(one[first : first + len(other)]) == sorted(other)
    moved = sum(a != b for a, b in zip(one[first:], other, strict=False))
    assert moved < 0.02 * len(other)


def test_states_and_steps_are_those_of_explain_on_the_saved_file(watched: Watched) -> None:
    assert watched.records == explained(watched.by_programs)
    found = {step for record in watched.records if record["tcp"] for step in record["tcp"]["steps"]}
    assert found == STEPS
    marks = {mark for record in watched.records if record["tcp"] for mark in record["tcp"]["marks"]}
    assert {"retransmission", "duplicate_ack"} <= marks


def test_a_person_sees_each_step_and_exchange_within_a_quarter_of_a_second(watched: Watched) -> None:
    """From the kernel's time stamp of the packet to its line on the terminal."""
    shown: dict[int, float] = {}
    for now, line in watched.lines:
        if found := re.match(r" *(\d+)  ", line):
            shown.setdefault(int(found[1]), now)
    waits = {}
    for record in explained(watched.by_person):
        step = record["tcp"] is not None and record["tcp"]["steps"]
        if step or {"arp", "dns"} & set(record["protocols"]):
            waits[record["number"]] = shown[record["number"]] - float(record["time_epoch"])
    assert len(waits) > 90
    late = {number: round(wait, 3) for number, wait in waits.items() if not 0 <= wait < SOON}
    assert len(late) <= len(waits) * 0.02, late  # a busy machine may be late once
