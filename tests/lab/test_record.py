"""The lab at work: scenarios played for real, as root and as nobody, leaving nothing behind."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from sniffkit.errors import UsageError
from sniffkit.lab import demo, frame
from sniffkit.sources import open_capture
from tests.captures.reading import frames

ROOT = Path(__file__).parents[2]
RECORD = [sys.executable, "-m", "sniffkit.lab.record"]

AS_NOBODY = """
import ctypes, os, sys
from sniffkit.lab import record
import sniffkit.sources.writer, http.server, threading
os.setgroups([]); os.setgid(65534); os.setuid(65534)
ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE: who changes its user may otherwise not write its own uid_map
sys.exit(record.main(sys.argv[1:]))
"""


@cache
def refusal() -> str:
    """Say why namespaces can't be made here, "" where they can."""
    program = "from sniffkit.lab import namespaces; namespaces.enter()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", cwd=ROOT, check=False)
    return done.stderr.splitlines()[-1] if done.returncode else ""


needs_namespaces = pytest.mark.skipif(bool(refusal()), reason=f"no network namespaces here: {refusal()}")


def story(path: Path) -> list[tuple[str, str]]:
    """Who sends what, packet by packet."""
    with open_capture(str(path)) as source:
        packets = [batch.packet(row) for batch in source for row in range(len(batch))]
    return [(each.source, each.kind) for each in map(frame.read, packets)]


def committed(name: str) -> list[tuple[str, str]]:
    return [(each.source, each.kind) for each in (frame.read(one.octets) for one in frames(name))]


@needs_namespaces
@pytest.mark.parametrize(
    "name",
    [
        "handshake-close-4",
        "simultaneous-close",
        "fin-again-in-time-wait",
        "refused-port",
        "old-duplicate-syn",
        "udp-lost",
        "arp-ping",
        "http-exchange",
        "ipv6-neighbour-discovery",
    ],
)
def test_a_scenario_tells_the_committed_story_again(tmp_path: Path, name: str) -> None:
    """Up to three tries: on a busy machine a program may come too late for the segment it should have been in."""
    for _ in range(3):
        done = subprocess.run(
            [*RECORD, str(tmp_path), name], capture_output=True, encoding="utf-8", cwd=ROOT, check=False, timeout=30
        )
        assert done.returncode == 0, done.stderr
        (made,) = tmp_path.iterdir()
        assert done.stdout == f"{made.name}\t{len(story(made))}\n"
        if story(made) == committed(made.name):
            return
    assert story(made) == committed(made.name)


@needs_namespaces
def test_the_vlan_is_on_every_frame(tmp_path: Path) -> None:
    subprocess.run([*RECORD, str(tmp_path), "vlan"], capture_output=True, cwd=ROOT, check=True, timeout=30)
    with open_capture(str(tmp_path / "vlan.pcap")) as source:
        tags = {batch.packet(row)[12:16] for batch in source for row in range(len(batch))}
    assert tags == {b"\x81\x00\x00\x0a"}


@needs_namespaces
@pytest.mark.skipif(os.geteuid() != 0, reason="already runs without root")
def test_it_needs_no_root() -> None:
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, "-", "refused-port"], capture_output=True, cwd=ROOT, check=False, timeout=30
    )
    if b"unshare(CLONE_NEWUSER)" in done.stderr or b"uid_map" in done.stderr:
        pytest.skip(f"this kernel lets only root make namespaces: {done.stderr.decode().strip()}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(bytes.fromhex("4d3cb2a1"))


def namespaces_of(process: int) -> set[str]:
    """Every network namespace a process is in or holds open, by its number."""
    held = set()
    for link in [*Path(f"/proc/{process}/fd").iterdir(), Path(f"/proc/{process}/ns/net")]:
        with contextlib.suppress(OSError):
            if (target := os.readlink(link)).startswith("net:"):
                held.add(target)
    return held


def every_namespace() -> Iterator[str]:
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                yield from namespaces_of(int(process.name))


@needs_namespaces
def test_nothing_is_left_after_kill_9() -> None:
    own = namespaces_of(os.getpid())
    with subprocess.Popen([*RECORD, "-", "unanswered-syn"], stdout=subprocess.PIPE, cwd=ROOT) as playing:
        assert playing.stdout is not None
        playing.stdout.read(24 + 16)  # the first SYN is out: the whole world stands
        made = namespaces_of(playing.pid) - own
        assert len(made) == 6  # its own, client, router, server, DNS server, wire
        playing.kill()
    assert not made & set(every_namespace())


@needs_namespaces
def test_an_interrupted_recording_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "unanswered-syn.pcap").write_bytes(b"an earlier one")
    with subprocess.Popen([*RECORD, str(tmp_path), "unanswered-syn"], cwd=ROOT, stdout=subprocess.DEVNULL) as playing:
        unfinished = tmp_path / ".unfinished-unanswered-syn.pcap"
        wait_until(lambda: unfinished.exists() and unfinished.stat().st_size > 24)
        playing.send_signal(2)  # Ctrl-C
        assert playing.wait(10) == 130
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"unanswered-syn.pcap": b"an earlier one"}


def wait_until(so: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end
        time.sleep(0.02)


@needs_namespaces
def test_the_lab_sees_no_interface_of_this_machine() -> None:
    program = (
        "import socket\n"
        "from sniffkit.lab import namespaces\n"
        "namespaces.enter()\n"
        "from sniffkit.lab.world import Classroom\n"
        "seen = {name for _, name in socket.if_nameindex()}\n"
        "with Classroom() as room:\n"
        "    for host in room.hosts:\n"
        "        with host.inside():\n"
        "            seen |= {name for _, name in socket.if_nameindex()}\n"
        "print(*sorted(seen))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, encoding="utf-8", cwd=ROOT, check=True, timeout=30
    )
    assert done.stdout.split() == ["eth0", "far", "lan", "lan0", "lan1", "lo", "near", "wan0"]


@needs_namespaces
def test_a_demo_hands_its_packets_over_while_they_are_made() -> None:
    with demo.start("handshake-close-4") as playing:
        assert playing.stdout is not None
        assert len(playing.stdout.read(24 + 16 + 74)) == 114  # the file's header and the SYN
        assert playing.poll() is None
        assert playing.stdout.read()
        assert playing.wait(10) == 0


def test_an_unknown_scenario_is_told_with_those_that_are() -> None:
    with pytest.raises(UsageError) as told:
        demo.start("handshake")
    assert told.value.id == "lab.unknown-scenario"
    assert "handshake-close-4" in str(told.value.values["known"])


def test_an_unknown_scenario_ends_with_2(tmp_path: Path) -> None:
    done = subprocess.run([*RECORD, str(tmp_path), "handshake"], capture_output=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


@needs_namespaces
def test_a_missing_program_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [*RECORD, str(tmp_path), "refused-port"],
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        env=os.environ | {"PATH": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 4
    assert "lab.program-missing" in done.stderr
    assert "iproute2" in done.stderr
