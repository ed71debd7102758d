"""`sniffkit live` as it is typed: what is told, when, and how it ends. All traffic stays in namespaces of the tests."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from sniffkit.commands import started_command
from sniffkit.commands.started_command import StartedCommand
from sniffkit.lab.world import Classroom
from sniffkit.sources import open_capture
from tests.commands.running_live import PYTHON, Live, explained, live, packets_in, play, run
from tests.sources.network import Cable, needs_namespaces

pytestmark = needs_namespaces


@pytest.fixture(scope="module")
def room() -> Iterator[Classroom]:
    with Classroom(ask_arp=True) as made:
        yield made


@pytest.fixture(scope="module")
def cable() -> Iterator[Cable]:
    with Cable() as made:
        yield made


FALLBACK = """
import sys
from sniffkit.sources import live
live._open_ring = lambda *_, **__: None
sys.argv[0] = "sniffkit"
from sniffkit.commands.application import application
sys.exit(application())
"""
"""sniffkit on a system that has no packet ring."""


def test_where_there_is_no_packet_ring_it_says_so_and_tells_the_same(cable: Cable, tmp_path: Path) -> None:
    """Through Scapy's sockets, as on macOS and Windows: the fallback is said, the counters know of no drops."""
    path, frames = tmp_path / "a.pcapng", [bytes.fromhex("020000000002 020000000001 88b5") + bytes(60)] * 5
    command = ["live", "in", "--json", "-w", str(path)]
    with live(cable.far, tmp_path, program=["-c", FALLBACK, *command]) as running:
        assert "because this system has no packet ring" in running.said
        cable.send(frames)
        time.sleep(0.5)
        records = [json.loads(line) for line in running.end().splitlines()]
    assert [record["length"] for record in records] == [74] * 5
    assert records == explained(tmp_path, path)
    assert "5 packets captured" in running.said
    assert "drops are not counted on this system" in running.said


def test_a_display_filter_picks_what_is_told_and_nothing_else(room: Classroom, tmp_path: Path) -> None:
    """What it doesn't mean is captured, analysed and written all the same."""
    path = tmp_path / "a.pcapng"
    arguments = ["--json", "-Y", "tcp.flags.fin == 1 && tcp.srcport == 80", "-w", str(path)]
    with live(room.client, tmp_path, "eth0", *arguments) as running:
        play(room, "handshake-close-4", "dns-lookup")
        records = [json.loads(line) for line in running.end().splitlines()]
    every = explained(tmp_path, path)
    assert [record["tcp"]["steps"] for record in records] == [["teardown.fin-2"]]
    assert records[0] in every
    assert records[0]["tcp"]["server"] == ["CLOSE-WAIT", "LAST-ACK"]
    assert f"{len(every)} packets captured" in running.said
    assert len(every) > 12


def test_ctrl_c_tells_the_counters_and_the_summary(room: Classroom, tmp_path: Path) -> None:
    with live(room.client, tmp_path, "eth0", "tcp", "port", "80") as running:
        play(room, "handshake-close-4", "udp-question-answer")
        out = running.end(signal.SIGTERM)
    assert running.process.returncode == 0
    assert "[handshake 3/3]" in out
    assert "[close 4/4]" in out
    found = re.search(r"Summary: (\d+) packets", out)  # 11, but a busy kernel joins or repeats some
    assert found
    assert "TIME-WAIT / CLOSED" in out
    assert "--conversation" not in out, "an option of explain, which reads files"
    assert f"{found[1]} packets captured, {found[1]} received by the filter, 0 dropped by the kernel" in running.said
    assert "UDP" not in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_in_order_from_its_first_line_on(room: Classroom, tmp_path: Path, number: int) -> None:
    """Modules are still being loaded and rights given up while it says that it captures."""
    path = tmp_path / "a.pcap"
    running = Live(room.client, tmp_path, "eth0", "-w", str(path))
    running.wait_for("Capturing on")
    running.end(number)
    assert running.process.returncode == 0, running.said
    assert "packets captured" in running.said
    assert packets_in(path) >= 0


def test_the_second_ctrl_c_ends_at_once_and_leaves_a_capture(cable: Cable, tmp_path: Path) -> None:
    """Nobody reads standard output, so telling hangs; the file has everything all the same."""
    path = tmp_path / "a.pcap"
    with live(cable.far, tmp_path, "in", "-v", "-w", str(path)) as running:
        cable.send([bytes.fromhex("020000000002 020000000001 88b5") + bytes(100)] * 3000)
        time.sleep(0.5)
        running.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert running.process.poll() is None
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(3) == 130
    assert packets_in(path) == 3000


def test_counters_on_request(cable: Cable, tmp_path: Path) -> None:
    with live(cable.far, tmp_path, "in", "-q") as running:
        time.sleep(0.2)
        running.process.send_signal(signal.SIGUSR1)
        running.wait_for("0 packets captured, 0 received")
        assert running.process.poll() is None
        running.end()


def test_a_command_has_the_environment_that_was_given(cable: Cable, tmp_path: Path) -> None:
    command = ["--", "sh", "-c", "echo threads: $OPENBLAS_NUM_THREADS >&2"]
    with live(cable.far, tmp_path, "in", "-q", *command, env={"OPENBLAS_NUM_THREADS": "7"}) as running:
        running.process.communicate(timeout=60)
    assert "threads: 7" in running.said


def test_it_lasts_as_long_as_the_command(room: Classroom, tmp_path: Path) -> None:
    program = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'hi', ('10.0.0.53', 9))"
    command = ["-q", "-c", "100", "udp port 9", "-i", "1", "--", PYTHON, "-c", program]
    with live(room.client, tmp_path, *command) as running:
        out, _ = running.process.communicate(timeout=60)
    assert running.process.returncode == 0
    assert "Summary: one packet" in out.decode()


def test_quiet_json_is_one_object_at_the_end(cable: Cable, tmp_path: Path) -> None:
    frames = [bytes.fromhex("020000000002 020000000001 88b5") + bytes(50)] * 10
    with live(cable.far, tmp_path, "in", "-q", "--json") as running:
        cable.send(frames)
        (record,) = [json.loads(line) for line in running.end().splitlines()]
    assert record.pop("seconds") > 0
    assert record == {
        "type": "counters",
        "captured": 10,
        "octets": 640,
        "received": 10,
        "dropped": 0,
        "lost": 0,
        "protocols": {"Ethernet": 10},
    }


STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("process", os.getpid(), file=sys.stderr, flush=True)
time.sleep(60)
"""


def test_the_second_ctrl_c_leaves_no_command_behind(cable: Cable, tmp_path: Path) -> None:
    """Nobody reads standard output, so telling hangs; the command does not listen to signals that ask."""
    with live(cable.far, tmp_path, "in", "-v", "--", PYTHON, "-c", STUBBORN) as running:
        running.wait_for("process [0-9]+")
        (number,) = re.findall("process ([0-9]+)", running.said)
        cable.send([bytes.fromhex("020000000002 020000000001 88b5") + bytes(100)] * 3000)
        time.sleep(0.5)
        running.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(3) == 130
    assert not Path(f"/proc/{number}").exists()


def test_a_command_that_will_not_end_is_ended_when_the_capture_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(started_command, "PATIENCE", 0.2)
    command = StartedCommand([PYTHON, "-c", STUBBORN], None)
    time.sleep(0.3)
    assert not command.ended
    assert command.end() is None
    assert command.ended


def test_a_command_that_a_signal_ended_is_told_so(cable: Cable, tmp_path: Path) -> None:
    with live(cable.far, tmp_path, "in", "-q", "--", "sh", "-c", "kill -9 $$") as running:
        running.wait_for("sh was ended by SIGKILL.")
        running.process.communicate(timeout=60)
    assert running.process.returncode == 0


def test_count_and_duration(cable: Cable, tmp_path: Path) -> None:
    frames = [bytes.fromhex("020000000002 020000000001 88b5") + bytes(50 + number) for number in range(10)]
    path = tmp_path / "a.pcap"
    with live(cable.far, tmp_path, "in", "-q", "-c", "4", "-w", str(path)) as running:
        cable.send(frames)
        running.process.communicate(timeout=60)
    with open_capture(str(path)) as source:
        assert [length for batch in source for length in batch.length.tolist()] == [64, 65, 66, 67]
    assert "Capture only what you may" in running.said
    begin = time.monotonic()
    with live(cable.far, tmp_path, "in", "-q", "--duration", "0.5") as running:
        running.process.communicate(timeout=60)
        assert time.monotonic() - begin > 0.5
    assert running.process.returncode == 0
    assert "Capture only what you may" not in running.said, "that is said once"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_help_begins_with_examples(sniffkit: Any, language: str) -> None:
    page = sniffkit("live", "--help", "--lang", language).out
    examples = re.findall(r"^  sniffkit live .*?  \S", page, re.M)
    assert len(examples) == 5
    assert page.index(examples[-1]) < page.index("[INTERFACE] [FILTER...] [-- COMMAND...]\n   ")


def test_what_may_be_captured_stands_in_the_help(sniffkit: Any) -> None:
    assert "Capture only what you may" in " ".join(sniffkit("live", "--help").out.split())


def test_the_capture_to_standard_output(room: Classroom, tmp_path: Path) -> None:
    """`-w -`: octets there, everything said elsewhere."""
    with live(room.client, tmp_path, "eth0", "-w", "-", "tcp") as running:
        play(room, "handshake-close-4")
        running.process.send_signal(signal.SIGINT)
        octets, _ = running.process.communicate(timeout=60)
    (tmp_path / "b.pcap").write_bytes(octets)
    steps = [step for record in explained(tmp_path, tmp_path / "b.pcap") for step in record["tcp"]["steps"]]
    assert (steps[0], steps[-1]) == ("handshake.syn", "teardown.ack-2")
    assert "[handshake 3/3]" in running.said


def test_an_interface_that_goes_away_ends_with_the_summary(tmp_path: Path) -> None:
    with Cable() as cable, live(cable.far, tmp_path, "in") as running:
        cable.send([bytes.fromhex("020000000002 020000000001 88b5") + bytes(50)])
        time.sleep(0.3)
        cable.near.ip("link del out")
        out, _ = running.process.communicate(timeout=60)
    assert running.process.returncode == 1
    assert "Summary: one packet" in out.decode()
    assert "in is gone: Network is down" in running.said


def test_a_full_disk_ends_with_a_clear_line(cable: Cable, tmp_path: Path) -> None:
    import resource

    path = tmp_path / "a.pcap"
    full = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))}
    with live(cable.far, tmp_path, "in", "-q", "-w", str(path), **full) as running:
        cable.send([bytes.fromhex("020000000002 020000000001 88b5") + bytes(50)] * 3)
        time.sleep(0.3)
        cable.send([bytes.fromhex("020000000002 020000000001 88b5") + bytes(50)] * 100)
        running.process.communicate(timeout=60)
    assert running.process.returncode == 1
    assert "writing" in running.said
    assert "Traceback" not in running.said
    assert packets_in(path) in (3, 103 - 100)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["eth9"], 4, "there is no interface eth9 here. There are: 1 in, 2 lo, 3 any"),
        (["in", "tcp", "prot", "80"], 2, "          tcp prot 80\n              ^\n"),
        (["in", "--", "no-such-program"], 2, "cannot be run"),
        (["in", "-w", "/no/such/folder/a.pcap"], 4, "cannot be written"),
    ],
)
def test_what_can_be_typed_wrong(cable: Cable, tmp_path: Path, arguments: list[str], code: int, told: str) -> None:
    done = run(cable.far, tmp_path, "live", *arguments)
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == code


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["in", "-b", "size:3", "-w", "a.pcap"], "size:3 is no rule"),
        (["in", "-b", "filesize:3"], "needs a first one"),
        (["in", "-b", "files:3", "-w", "a.pcap"], "but not when to go on"),
        (["in", "-W", "3", "-w", "a.pcap"], "but not when to go on"),
        (["in", "--duration", "0"], "--duration wants a number from 0.001 on, not 0"),
        (["in", "--duration", "nan"], "--duration wants a number from 0.001 on, not nan"),
        (["in", "--duration", "ten"], "--duration wants a number from 0.001 on, not ten"),
        (["in", "--table"], "--table draws on a terminal"),
        (["in", "-Y", "tcp.prt == 80"], "          tcp.prt == 80\n          ^~~~~~~\n"),
        (["in", "-q", "-Y", "arp"], "with -q no packet is told"),
        (["in", "--only", "udp"], "--only does not know udp"),
        (["in", "-f", "tcp", "udp"], "two capture filters"),
        (["in", "-q", "--json", "-Y", "arp"], "with -q no packet is told"),
        (["in", "-w", "a.pcap.gz"], "Write a.pcap, or let gzip compress: -w - | gzip > a.pcap.gz"),
        (["in", "-w", "a.pcapng.zst"], "Write a.pcapng, or let zstd compress"),
    ],
)
def test_what_is_wrong_before_anything_is_opened(sniffkit: Any, arguments: list[str], told: str) -> None:
    done = sniffkit("live", *arguments)
    assert told in done.err
    assert done.code == 2


def test_interfaces_are_listed_in_both_languages(cable: Cable, tmp_path: Path) -> None:
    english = run(cable.far, tmp_path, "interfaces").stdout
    assert re.search(r"1  in +running +9,000  virtual cable \(veth\) +10\.1\.0\.2/24", english)
    assert run(cable.far, tmp_path, "live", "-D").stdout == english
    assert "虚拟网线（veth）" in run(cable.far, tmp_path, "interfaces", "--lang", "zh").stdout
    first = json.loads(run(cable.far, tmp_path, "interfaces", "--json").stdout.splitlines()[0])
    assert (first["name"], first["kind"], first["addresses"]) == ("in", "veth", ["10.1.0.2/24"])
    assert json.loads(run(cable.far, tmp_path, "live", "-D", "--json").stdout.splitlines()[0]) == first


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_narrow_terminal_gets_a_narrow_help_page(sniffkit: Any, language: str) -> None:
    lines = sniffkit("live", "--help", "--lang", language, width=44).out.splitlines()
    assert max(map(cell_len, lines)) <= 44
