"""The lab's classroom played before three captures at once: tcpdump's, one for programs, and one a person watches.

Scenarios run for real, one after the other, in four rooms. Those that wait for timers of the kernel, which are a second
long at least, wait for the first of them only. Left out are those about recordings more than about packets, and the DNS
world. (The frames of all of them are sent anew in tests/sources/test_live.py.)
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
from tests.commands.running_live import Nowhere, environment, explained
from tests.sources.network import needs_namespaces, real_root, tcpdump

pytestmark = [
    needs_namespaces,
    pytest.mark.skipif(
        not shutil.which("tcpdump") or not real_root(), reason="needs tcpdump, and root, as tcpdump changes its user"
    ),
]

PLAYED = {
    "in order": (
        "http-exchange", "arp-ping", "handshake-close-4", "close-3-segment", "server-closes-first", "half-close-data",
        "simultaneous-close", "reset-by-abort", "refused-port", "simultaneous-open", "udp-question-answer",
        "udp-closed-port", "ipv6-neighbour-discovery", "arp-announcement", "vlan", "dns-lookup",
    ),
    "with losses": (
        "lost-segment", "out-of-order", "repeated-segment", "fin-with-data", "fin-again-in-time-wait",
        "reset-data-unread", "peer-vanished", "syn-retransmitted", "synack-lost", "old-duplicate-syn", "half-open-peer",
        "sticky-nagle", "udp-lost", "timeout-retransmission", "zero-window", "fast-open",
    ),
    "with timers": ("port-reuse", "unanswered-syn", "keepalive"),
    "who has": ("arp-unanswered", "arp-proxy", "arp-duplicate", "arp-detection", "arp-spoofing"),
}  # fmt: skip
TIMER = 1.15
LONG_PAUSES = {"port-reuse": (TIMER, 0.0), "unanswered-syn": (TIMER,), "keepalive": (TIMER, TIMER)}
"""What is left of pauses of a second and more: the first SYN again, one keep-alive answered and one not."""

STEPS = {
    "handshake.syn", "handshake.syn-ack", "handshake.ack", "teardown.fin-1", "teardown.ack-1", "teardown.fin-2",
    "teardown.ack-2", "reset",
}  # fmt: skip
MARKS = {
    "with losses": {"retransmission", "duplicate_ack", "zero_window"},
    "with timers": {"reused_ports", "retransmission", "keep_alive", "keep_alive_ack"},
}
"""What is met at least."""

RETRY_MILLISECONDS = 300
"""A kernel asks for a MAC address three times; here it does so in a second."""

SOON = 0.25
COMMAND = [sys.executable, "-m", "sniffkit", "live", "eth0"]
READY = "The socket is open|This root counts"


@dataclass(frozen=True)
class Watched:
    """What was played, and what the three captures had in the end: files, and lines with the time each was there."""

    played: str
    folder: Path
    by_tcpdump: Path
    by_programs: Path
    records: list[dict[str, Any]]
    by_person: Path
    lines: list[tuple[float, str]]


class HastyStage(Stage):
    """A stage with other long pauses."""

    def __init__(self, *arguments: Any, pauses: tuple[float, ...]) -> None:
        super().__init__(*arguments)
        self._pauses = iter(pauses)

    def pause(self, seconds: float = 0.1) -> None:
        super().pause(next(self._pauses, seconds) if seconds > 1 else seconds)


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
                shown = re.split(r"\r\x1b\[[JK]", line.decode(errors="replace"))[-1].rstrip("\r")
                self.lines.append((now, re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", shown)))

    def wait_for(self, pattern: str, seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while not any(re.search(pattern, line) for _, line in self.lines):
            assert time.monotonic() < end, self.lines
            time.sleep(0.02)

    def close(self) -> None:
        os.close(self.theirs)
        self._thread.join(5)
        os.close(self._ours)


@pytest.mark.parametrize("played", PLAYED)
def test_scenarios_played_for_real(played: str, tmp_path: Path) -> None:
    watched = watch(played, tmp_path)
    has_packet_for_packet_what_tcpdump_captured(watched)
    has_the_states_and_steps_of_explain_on_the_saved_file(watched)
    shows_each_step_and_exchange_within_a_quarter_of_a_second(watched)


def watch(played: str, folder: Path) -> Watched:
    """Play scenarios while three captures run."""
    env = environment(folder, TERM="xterm")
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
            room.client.setting("net.ipv4.neigh.eth0.retrans_time_ms", RETRY_MILLISECONDS)
            for name in PLAYED[played]:
                scenario = find(name)
                assert scenario is not None
                room.line.clear()
                recording = Recording(Nowhere(), scenario.at)  # type: ignore[arg-type]
                scenario.play(HastyStage(room, recording, pauses=LONG_PAUSES.get(name, ())))
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
    return Watched(played, folder, files[0], files[1], [json.loads(line) for line in gathered], files[2], screen.lines)


def octets_of(path: Path) -> list[bytes]:
    with open_capture(str(path)) as source:
        return [batch.packet(row) for batch in source for row in range(len(batch))]


def has_packet_for_packet_what_tcpdump_captured(watched: Watched) -> None:
    one, other = octets_of(watched.by_tcpdump), octets_of(watched.by_programs)
    first = one.index(other[0])  # tcpdump was there a little earlier
    assert len(other) > 2 * len(PLAYED[watched.played])
    # Where two processors hand over a packet each at the same moment, which comes first may differ.
    assert sorted(one[first : first + len(other)]) == sorted(other)
    moved = sum(a != b for a, b in zip(one[first:], other, strict=False))
    assert moved < 0.02 * len(other)


def has_the_states_and_steps_of_explain_on_the_saved_file(watched: Watched) -> None:
    assert watched.records == explained(watched.folder, watched.by_programs)
    found = {step for record in watched.records if record["tcp"] for step in record["tcp"]["steps"]}
    marks = {mark for record in watched.records if record["tcp"] for mark in record["tcp"]["marks"]}
    if watched.played == "in order":
        assert found == STEPS
    assert marks >= MARKS.get(watched.played, set())


def shows_each_step_and_exchange_within_a_quarter_of_a_second(watched: Watched) -> None:
    """From the kernel's time stamp of the packet to its line on the terminal."""
    shown: dict[int, float] = {}
    for now, line in watched.lines:
        if found := re.match(r" *(\d+)  ", line):
            shown.setdefault(int(found[1]), now)
    waits = {}
    for record in explained(watched.folder, watched.by_person):
        step = record["tcp"] is not None and record["tcp"]["steps"]
        if step or {"arp", "dns"} & set(record["protocols"]):
            waits[record["number"]] = shown[record["number"]] - float(record["time_epoch"])
    assert len(waits) > len(PLAYED[watched.played])
    late = {number: round(wait, 3) for number, wait in waits.items() if not 0 <= wait < SOON}
    assert len(late) <= len(waits) * 0.02, late  # a busy machine may be late once
