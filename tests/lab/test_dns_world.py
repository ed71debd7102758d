"""The DNS world of the lab: real servers in namespaces, as root and as nobody, gone without a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sniffkit.lab import dns_zones, frame
from sniffkit.lab.workplace import clear_abandoned
from sniffkit.sources import open_capture
from tests.captures.reading import frames
from tests.lab.running_world import ROOT, RunningWorld, refusal

pytestmark = pytest.mark.skipif(bool(refusal()), reason=refusal())

RECORD = [sys.executable, "-m", "sniffkit.lab.record"]


def story(path: Path) -> list[tuple[str, str]]:
    """Who sends what. The resolver may choose either of a zone's two servers."""
    with open_capture(str(path)) as source:
        packets = [batch.packet(row) for batch in source for row in range(len(batch))]
    return [(one_of_two(each.source), each.kind) for each in map(frame.read, packets)]


def one_of_two(address: str) -> str:
    return dns_zones.SCHOOL if address == dns_zones.SCHOOL_2 else address


@pytest.mark.parametrize("name", ["dns-client", "dns-resolver", "dns-from-the-root", "dns-signed", "dns-faults"])
def test_a_scenario_tells_the_committed_story_again(tmp_path: Path, name: str) -> None:
    committed = [
        (one_of_two(each.source), each.kind) for each in (frame.read(f.octets) for f in frames(f"{name}.pcap"))
    ]
    for _ in range(3):  # on a busy machine an acknowledgement may be sent alone or ride on data
        done = subprocess.run(
            [*RECORD, str(tmp_path), name], capture_output=True, encoding="utf-8", cwd=ROOT, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        if story(tmp_path / f"{name}.pcap") == committed:
            return
    assert story(tmp_path / f"{name}.pcap") == committed


def test_a_resolver_that_checks_signatures_agrees_with_the_zones() -> None:
    """unbound as judge: what the lab signs is secure, what it breaks is SERVFAIL; `resolve` must agree."""
    with RunningWorld(validating=True) as world:
        found = {}
        for name in (
            "www.school.test",
            "nobody.school.test",
            "www.plain.test",
            "www.expired.test",
            "www.stranger.test",
        ):
            run = world.resolve("--json", name, "--anchor", world.anchor, "--resolver", "10.0.0.53")
            found[name] = (run.of_kind("compare")[0]["resolvers"][-1]["rcode"], run.result["security"])
    assert found == {
        "www.school.test": ("NOERROR", "secure"),
        "nobody.school.test": ("NXDOMAIN", "secure"),
        "www.plain.test": ("NOERROR", "insecure"),
        "www.expired.test": ("SERVFAIL", "bogus"),
        "www.stranger.test": ("SERVFAIL", "bogus"),
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="already runs without root")
def test_it_needs_no_root() -> None:
    with RunningWorld(as_nobody=True) as world:
        if "unshare(CLONE_NEWUSER)" in world.error or "uid_map" in world.error:
            pytest.skip(f"this kernel lets only root make namespaces: {world.error.splitlines()[-1]}")
        assert not world.error
        assert world.question("www.school.test").endswith(bytes([203, 0, 113, 80]))


def servers_of(directory: str) -> list[int]:
    """The server programs that run with files of this world."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if directory in (process / "cmdline").read_text():
                    found.append(int(process.name))
            except OSError:
                continue
    return found


def wait_until(so: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_no_server_outlives_the_world() -> None:
    with RunningWorld() as world:
        assert len(servers_of(world.directory)) >= 6  # five of zones, one resolver
    wait_until(lambda: not servers_of(world.directory))
    assert not Path(world.directory).exists()


def test_no_server_outlives_kill_9() -> None:
    with RunningWorld() as world:
        assert servers_of(world.directory)
        world.process.send_signal(signal.SIGKILL)
    wait_until(lambda: not servers_of(world.directory))
    clear_abandoned()  # as the next run does
    assert not Path(world.directory).exists()


def test_nothing_leads_out() -> None:
    """From the client only the world's own addresses can be reached: no default route beyond its router."""
    with RunningWorld() as world:
        run = world.resolve("--json", "www.school.test", root="198.41.0.4")
    assert run.code == 1
    assert run.result["failure"]["id"] == "resolver.root-silent"


def test_a_missing_server_is_named(tmp_path: Path) -> None:
    """Found by the path the program has, and in /usr/sbin where servers stand: so the path is made useless there."""
    program = (
        "import sys\n"
        "from sniffkit.lab import dns_servers, record\n"
        "dns_servers.find = lambda program: None if program == 'nsd' else '/bin/true'\n"
        "sys.exit(record.main(sys.argv[1:]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), "dns-client"],
        capture_output=True, encoding="utf-8", cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 4
    assert "lab.program-missing" in done.stderr
    assert "nsd" in done.stderr
