"""Rights that `sniffkit live` gives up before it looks at a packet, and what it says where it has none."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.running_live import PYTHON, environment, live, packets_in
from tests.sources.network import ROOT, Cable, needs_namespaces, needs_real_root

pytestmark = [needs_namespaces, needs_real_root]

CAPTURES = ROOT / "captures"


@pytest.fixture(scope="module")
def cable() -> Iterator[Cable]:
    with Cable() as made:
        yield made


SAMPLES = ("http-exchange.pcapng", "dns-lookup.pcap", "ipv6-neighbour-discovery.pcapng", "vlan.pcap")
BEYOND = [
    bytes.fromhex("01005e000016 020000000001 0800 46c00020000040000102 0000 0a010001 e0000016 94040000")
    + bytes.fromhex("1100eeff 00000000"),
    bytes.fromhex("0180c200000e 020000000001 88cc 0207040200000000010403056574683006020078 0000"),
]
"""An IGMP report and an LLDP frame: what reads them is loaded late, if at all."""


def traffic() -> list[bytes]:
    from sniffkit.sources import open_capture

    found = list(BEYOND)
    for name in SAMPLES:
        with open_capture(str(CAPTURES / name)) as source:
            found += [batch.packet(row) for batch in source for row in range(len(batch))]
    return found


def status_of(process: int) -> dict[str, str]:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def every_task(process: int) -> Iterator[dict[str, str]]:
    for task in Path(f"/proc/{process}/task").iterdir():
        yield dict(line.partition(":")[::2] for line in (task / "status").read_text().splitlines())


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A folder with mode 0700 that holds the whole program, as an installation in root's home does."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    shutil.copytree(ROOT / "sniffkit", home / "sniffkit")
    return home


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder of the user nobody; pytest's own are closed to all but root."""
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, 65534, 65534)
        yield Path(folder)


def test_plain_root_stays_root_without_any_right(cable: Cable, tmp_path: Path, private: Path) -> None:
    """Run from a folder with mode 0700, with rotation, which needs the folder until the end."""
    rotation = ["-b", "filesize:2", "-w", "a.pcapng"]
    out = tmp_path / "out"
    options = {"cwd": private, "env": {"PYTHONPATH": str(private)}, "stdout": out.open("wb")}
    with live(cable.far, tmp_path, "in", *rotation, **options) as running:
        time.sleep(0.2)
        for task in every_task(running.process.pid):
            assert [int(task[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb", "CapBnd")] == [0] * 5
            assert task["NoNewPrivs"].strip() == "1"
        assert status_of(running.process.pid)["Uid"].split()[:2] == ["0", "0"]
        cable.send(traffic())
        time.sleep(0.4)
        running.process.send_signal(signal.SIGINT)
        running.process.wait(60)
    assert running.process.returncode == 0, running.said
    assert "[close 4/4]" in out.read_text()
    files = sorted(private.glob("a_*.pcapng"))
    assert len(files) > 2
    assert sum(packets_in(path) for path in files) == len(traffic())


def test_behind_sudo_it_becomes_the_user(cable: Cable, tmp_path: Path, private: Path, place: Path) -> None:
    """The program itself is out of the user's reach by then, and packets still call for all of it."""
    sudo = {"SUDO_UID": "65534", "SUDO_GID": "65534", "SUDO_USER": "nobody", "PYTHONPATH": str(private)}
    rotation = ["-b", "filesize:2", "-w", str(place / "a.pcap")]
    out = tmp_path / "out"
    options = {"cwd": place, "env": sudo, "stdout": out.open("wb")}
    with live(cable.far, tmp_path, "in", "--json", "-v", *rotation, **options) as running:
        assert "runs as nobody" in running.said
        time.sleep(0.2)
        for task in every_task(running.process.pid):
            assert task["Uid"].split() == ["65534"] * 4
            assert task["Gid"].split() == ["65534"] * 4
            assert int(task["CapPrm"], 16) == 0
        cable.send(traffic())
        time.sleep(0.5)
        running.process.send_signal(signal.SIGINT)
        running.process.wait(60)
    records = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert running.process.returncode == 0, running.said
    assert {"igmp", "dns", "http", "tcp", "icmpv6"} & {name for record in records for name in record["protocols"]}
    assert all(record["layers"] for record in records)
    files = list(place.iterdir())
    assert len(files) > 1
    assert {(path.stat().st_uid, path.stat().st_mode & 0o777) for path in files} == {(65534, 0o600)}


WITH_A_HOME = """
import pwd, sys
entry = list(pwd.getpwuid(65534))
entry[5] = sys.argv.pop(1)
pwd.getpwuid = lambda number: pwd.struct_passwd(entry)
sys.argv[0] = "sniffkit"
from sniffkit.commands.application import application
sys.exit(application())
"""
"""sniffkit on a machine where nobody has a home."""


def test_behind_sudo_the_user_is_told_once_what_may_be_captured(cable: Cable, tmp_path: Path, place: Path) -> None:
    """sudo sets HOME to root's, where the user can't leave a word for the next time."""
    sudo = {"SUDO_UID": "65534", "SUDO_GID": "65534", "SUDO_USER": "nobody", "XDG_STATE_HOME": "", "HOME": "/root"}
    program = ("-c", WITH_A_HOME, str(place), "live", "in", "-q")
    told = []
    for _ in range(2):
        with live(cable.far, tmp_path, env=sudo, program=program) as running:
            running.end()
        told.append("Capture only what you may" in running.said)
    assert told == [True, False]
    assert {path.stat().st_uid for path in place.rglob("*")} == {65534}


def test_behind_sudo_nothing_of_root_is_left_in_the_home_of_the_user(cable: Cable, tmp_path: Path, place: Path) -> None:
    """Where sudo leaves HOME as it was, Scapy would make folders there."""
    sudo = {
        "SUDO_UID": "65534",
        "SUDO_GID": "65534",
        "SUDO_USER": "nobody",
        "HOME": str(place),
        "PYTHONPATH": str(ROOT),
    }
    with live(cable.far, tmp_path, "in", "-q", "udp", env=sudo) as running:
        running.end()
    assert "runs as nobody" in running.said
    assert list(place.rglob("*")) == []


def test_where_the_user_may_not_write_it_stays_root_and_says_so(cable: Cable, tmp_path: Path, private: Path) -> None:
    sudo = {"SUDO_UID": "65534", "SUDO_GID": "65534", "SUDO_USER": "nobody"}
    with live(
        cable.far, tmp_path, "in", "-q", "-b", "files:2", "-b", "filesize:1000", "-w", "a.pcap", cwd=private, env=sudo
    ) as running:
        assert "nobody may not make files in ." in running.said
        assert int(status_of(running.process.pid)["CapEff"], 16) == 0
        running.end()


def test_without_permission_it_says_how_to_get_it(cable: Cable, tmp_path: Path) -> None:
    """The command is the one for this interpreter, with the same arguments."""
    program = (
        "import os, sys; sys.argv = ['-m', 'live', 'in', '-w', 'a b.pcap'];"
        "from sniffkit.commands.application import application; import sniffkit.sources.packet_ring, scapy.arch.common;"
        "from sniffkit.commands.provisions import load_everything; load_everything();"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534); sys.exit(application())"
    )
    with cable.far.inside():
        done = subprocess.run(
            [PYTHON, "-c", program], capture_output=True, text=True, env=environment(tmp_path), check=False, cwd="/"
        )
    assert done.returncode == 4, done.stderr
    assert f"sudo {PYTHON} -m sniffkit live in -w 'a b.pcap'" in done.stderr
    assert re.search(r"sudo setcap cap_net_raw\+eip \S+python", done.stderr)
    assert f"tcpdump -i in -U -w - | {PYTHON} -m sniffkit explain -" in done.stderr
