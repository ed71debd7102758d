"""`sniffkit flows --jobs 2`: the same to the byte as one process, whatever is read; and an end to every misfortune."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from benchmarks.capture import make
from sniffkit.analysis.flows.shared_memory import SLOT_OCTETS, Line
from sniffkit.commands import flows, second_process
from sniffkit.errors import SniffkitError

CAPTURES = Path(__file__).parents[2] / "captures"
HTTP = CAPTURES / "http-exchange.pcapng"


def alike(sniffkit: Callable[..., Any], *arguments: object) -> Any:
    """Run with one job and with two; return the second run, which must be as the first."""
    one, two = (sniffkit("flows", "--jobs", jobs, *arguments) for jobs in (1, 2))
    assert (two.code, two.err) == (one.code, one.err)
    assert two.out == one.out
    return two


def test_many_batches(sniffkit: Callable[..., Any]) -> None:
    path = make(30_000)
    assert len(alike(sniffkit, "--json", path).out.splitlines()) > 500
    assert alike(sniffkit, "--findings", "--json", "-Y", "tcp.port == 443 && tcp.analysis.retransmission", path).out
    assert sniffkit("flows", "--json", "--jobs", 3, path).out == sniffkit("flows", "--json", path).out
    assert alike(sniffkit, "--json", "-Y", "tcp.port == 443", path).out
    assert len(alike(sniffkit, "--json", "--top", 3, "--sort", "bytes", path).out.splitlines()) == 3


@pytest.mark.parametrize("form", [["--json"], ["--findings", "--json"]])
def test_nothing_is_kept_of_memory_that_is_used_again(
    form: list[str], sniffkit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here every slot is made worthless as soon as it is given back; fifty batches go through four slots."""
    say = Line.say

    def spoiling(line: Line, rest: dict[str, Any], *more: Any) -> bool:
        if "free" in rest:
            line._slot(rest["free"], SLOT_OCTETS)[:] = 0xA5
        return say(line, rest, *more)

    monkeypatch.setattr(Line, "say", spoiling)
    monkeypatch.setattr(flows, "BATCH_OCTETS", 300_000)
    assert alike(sniffkit, *form, make(30_000)).out


def test_without_memory_to_share(sniffkit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Then everything goes through the pipe, and this process makes all records."""
    monkeypatch.setattr(second_process, "_shared_file", lambda: None)
    assert alike(sniffkit, "--json", make(30_000)).out
    assert alike(sniffkit, HTTP).out


@pytest.mark.parametrize("how", [["--csv"], ["--sort", "packets", "--top", "2", "--lang", "zh"], ["--findings"]])
def test_every_form(how: list[str], sniffkit: Callable[..., Any]) -> None:
    """Several files of both formats, ARP, UDP and echoes among them."""
    names = (
        "arp-ping.pcap",
        "udp-closed-port.pcap",
        "offload.pcap",
        "lost-segment.pcap",
        "ipv6-neighbour-discovery.pcapng",
    )
    assert alike(sniffkit, *how, HTTP, *(CAPTURES / name for name in names)).out


def test_compressed_and_damaged(sniffkit: Callable[..., Any], tmp_path: Path) -> None:
    """What is wrong with a capture is told in the same words, with the same exit code."""
    packed, cut = tmp_path / "a.pcapng.gz", tmp_path / "cut.pcap"
    packed.write_bytes(gzip.compress(HTTP.read_bytes()))
    cut.write_bytes((CAPTURES / "lost-segment.pcap").read_bytes()[:-5])
    assert alike(sniffkit, packed).code == 0
    damaged = alike(sniffkit, cut)
    assert (damaged.code, damaged.err.count("\n") >= 1) == (1, True)
    assert alike(sniffkit, tmp_path / "missing.pcap").code == 3
    assert alike(sniffkit, Path(__file__)).code == 3
    assert alike(sniffkit, "-Y", "tcp.prot == 1", HTTP).code == 2


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "sniffkit", "flows", "--jobs", "2", *map(str, arguments)]


def children(of: int) -> list[int]:
    """Return the processes that a process has started."""
    return [int(each) for each in Path(f"/proc/{of}/task/{of}/children").read_text().split()]


def test_standard_input() -> None:
    with HTTP.open("rb") as file:
        done = subprocess.run(command("--json", "-"), stdin=file, capture_output=True, check=True)
    plain = subprocess.run([*command("--json", HTTP), "--jobs", "1"], capture_output=True, check=True)
    assert done.stdout == plain.stdout != b""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at processes in /proc")
def test_a_killed_second_process_is_told_in_one_line() -> None:
    """As where memory runs out: no waiting without end, nothing of Python's own, nothing left behind."""
    reader, writer = os.pipe()
    process = subprocess.Popen(command("-"), stdin=reader, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    os.close(reader)
    os.write(writer, HTTP.read_bytes()[:2000])
    os.kill(child_of(process.pid), signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    os.close(writer)
    assert (process.returncode, out) == (1, "")
    assert err.splitlines()[0] == "sniffkit: the second process of --jobs ended before its work was done (SIGKILL)"
    assert "Traceback" not in err


def test_killed_while_both_make_records() -> None:
    with second_process.SecondProcess([str(HTTP)], None, False, 2, 1 << 20) as source:
        analysis, _, _ = flows.read_flows(source)
        source._process.kill()
        source._process.wait()
        with pytest.raises(SniffkitError) as raised:
            list(source.texts(analysis.parts(), lambda part: b"", "en"))
    assert (raised.value.id, raised.value.values) == ("usage.second-process", {"reason": "SIGKILL"})


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the memory of another process")
def test_no_memory_left_over_there() -> None:
    """The second process may take no more than it has when the first packets are read."""
    import resource

    reader, writer = os.pipe()
    process = subprocess.Popen(command("-"), stdin=reader, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    os.close(reader)
    capture = make(30_000).read_bytes()
    os.write(writer, capture[:1000])
    child = child_of(process.pid)
    sizes: list[int] = []
    while len(sizes) < 10 or len(set(sizes[-10:])) > 1:
        time.sleep(0.05)
        sizes.append(int(Path(f"/proc/{child}/statm").read_text().split()[0]) * resource.getpagesize())
    limit = sizes[-1] + 2_000_000  # a stack that may not grow at all ends a process with SIGSEGV
    resource.prlimit(child, resource.RLIMIT_AS, (limit, limit))
    with open(writer, "wb") as file, suppress(BrokenPipeError):
        file.write(capture[1000:])
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err.splitlines()[0] == "sniffkit: the second process of --jobs ended before its work was done (MemoryError)"
    assert "Traceback" not in err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at processes in /proc")
def test_ctrl_c_ends_both() -> None:
    reader, writer = os.pipe()
    process = subprocess.Popen(command("-"), stdin=reader, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    os.close(reader)
    os.write(writer, HTTP.read_bytes())
    child = child_of(process.pid)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    os.close(writer)
    assert (process.returncode, out, err) == (130, "", "")
    assert not Path(f"/proc/{child}").exists()


def child_of(pid: int) -> int:
    """Return the process that another starts, as soon as it is there."""
    for _ in range(600):
        if found := children(pid):
            return found[0]
        time.sleep(0.05)
    raise AssertionError("no second process")


def test_a_system_without_room_for_a_process(sniffkit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be done without."""
    plain = sniffkit("flows", HTTP)

    def refused(*arguments: object, **named: object) -> None:
        raise BlockingIOError

    monkeypatch.setattr(second_process.subprocess, "Popen", refused)
    assert sniffkit("flows", "--jobs", 2, HTTP) == plain
