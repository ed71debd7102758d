"""`sniffkit live` as it is typed: what is told, when, and how it ends. All traffic stays in namespaces of the tests."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from sniffkit.lab.host import Host
from sniffkit.lab.scenarios import find
from sniffkit.lab.stage import Stage
from sniffkit.lab.wire import Recording
from sniffkit.lab.world import Classroom
from sniffkit.sources import open_capture
from tests.sources.network import ROOT, Cable, needs_namespaces, needs_real_root

pytestmark = needs_namespaces

PYTHON = sys.executable
CAPTURES = ROOT / "captures"


class Nowhere:
    """A scenario wants to be recorded; here sniffkit does that."""

    written = 0

    def write(self, *_: object, **__: object) -> None: ...

    def flush(self) -> None: ...


@pytest.fixture(scope="module")
def room() -> Iterator[Classroom]:
    with Classroom(ask_arp=True) as made:
        yield made


@pytest.fixture(scope="module")
def cable() -> Iterator[Cable]:
    with Cable() as made:
        yield made


def play(room: Classroom, *names: str) -> None:
    for name in names:
        scenario = find(name)
        assert scenario is not None
        room.line.clear()
        scenario.play(Stage(room, Recording(Nowhere(), scenario.at)))  # type: ignore[arg-type]
        room.line.settle()


def environment(folder: Path, **more: str) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("SUDO_", "LC_", "COLUMNS"))}
    return plain | {"LANG": "C.UTF-8", "XDG_STATE_HOME": str(folder / "state"), "PYTHONPATH": str(ROOT)} | more


class Live:
    """A running `sniffkit live`; what it says on standard error is read up to the line that it captures."""

    def __init__(self, host: Host, folder: Path, *arguments: str, **options: Any) -> None:
        self._said = open(folder / "stderr", "wb+")  # noqa: SIM115 - lives as long as the process
        env = environment(folder, **options.pop("env", {}))
        command = [PYTHON, *options.pop("program", ("-m", "sniffkit", "live", *arguments))]
        options.setdefault("stdout", subprocess.PIPE)
        self.process = host.start(command, stderr=self._said, env=env, **options)

    def wait_for(self, pattern: str, seconds: float = 60.0) -> None:
        """Wait until it has said something on standard error."""
        end = time.monotonic() + seconds
        while not re.search(pattern, self.said):
            assert self.process.poll() is None, self.said
            assert time.monotonic() < end, self.said
            time.sleep(0.02)

    @property
    def said(self) -> str:
        return os.pread(self._said.fileno(), 1 << 20, 0).decode()

    @property
    def out(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout

    def end(self, number: int = signal.SIGINT) -> str:
        """Send a signal; return the rest of standard output."""
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=60)
        return out.decode()


@contextlib.contextmanager
def live(host: Host, folder: Path, *arguments: str, **options: Any) -> Iterator[Live]:
    running = Live(host, folder, *arguments, **options)
    try:
        running.wait_for("The socket is open|This root counts")
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.communicate()


def explained(folder: Path, path: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [PYTHON, "-m", "sniffkit", "explain", "-q", "--json", str(path)],
        capture_output=True,
        env=environment(folder),
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def packets_in(path: Path) -> int:
    with open_capture(str(path)) as source:
        return sum(len(batch) for batch in source)


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


def test_it_lasts_as_long_as_the_command(room: Classroom, tmp_path: Path) -> None:
    program = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'hi', ('10.0.0.53', 9))"
    command = ["-q", "-c", "100", "udp port 9", "-i", "1", "--", PYTHON, "-c", program]
    with live(room.client, tmp_path, *command) as running:
        out, _ = running.process.communicate(timeout=60)
    assert running.process.returncode == 0
    assert "Summary: one packet" in out.decode()


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


def test_when_more_comes_than_can_be_told_it_says_so_and_counts_everything(cable: Cable, tmp_path: Path) -> None:
    frame = bytes.fromhex("020000000002 020000000001 0806 0001 0800 06 04 0001") + bytes(20)
    with cable.near.inside():
        import socket

        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    with sender, live(cable.far, tmp_path, "in", "-v") as running:
        sender.bind(("out", 0))
        reader = subprocess.Popen(["cat"], stdin=running.out, stdout=subprocess.DEVNULL)
        for _ in range(40_000):
            sender.send(frame)
        running.wait_for("More packets come than can be")
        running.process.send_signal(signal.SIGINT)
        running.process.wait(60)
        reader.wait(5)
    assert "40,000 packets captured, 40,000 received by the filter, 0 dropped" in running.said


def run(host: Host, folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    with host.inside():
        return subprocess.run(
            [PYTHON, "-m", "sniffkit", *arguments],
            capture_output=True,
            text=True,
            env=environment(folder, **env),
            check=False,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )


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
        (["in", "--table"], "--table draws on a terminal"),
        (["in", "-Y", "tcp.prt == 80"], "          tcp.prt == 80\n          ^~~~~~~\n"),
        (["in", "-q", "-Y", "arp"], "with -q no packet is told"),
        (["in", "--only", "udp"], "--only does not know udp"),
        (["in", "-f", "tcp", "udp"], "two capture filters"),
    ],
)
def test_what_is_wrong_before_anything_is_opened(sniffkit: Any, arguments: list[str], told: str) -> None:
    done = sniffkit("live", *arguments)
    assert told in done.err
    assert done.code == 2


def test_interfaces_are_listed_in_both_languages(cable: Cable, tmp_path: Path) -> None:
    english = run(cable.far, tmp_path, "interfaces").stdout
    assert re.search(r"1  in +running +9,000  virtual card \(veth\), as containers have it +10\.1\.0\.2/24", english)
    assert run(cable.far, tmp_path, "live", "-D").stdout == english
    assert "虚拟网卡（veth）" in run(cable.far, tmp_path, "interfaces", "--lang", "zh").stdout
    first = json.loads(run(cable.far, tmp_path, "interfaces", "--json").stdout.splitlines()[0])
    assert (first["name"], first["kind"], first["addresses"]) == ("in", "veth", ["10.1.0.2/24"])


# Rights

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
    shutil.copytree(ROOT / "sniffkit", home / "sniffkit", ignore=shutil.ignore_patterns("__pycache__"))
    return home


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder of the user nobody; pytest's own are closed to all but root."""
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, 65534, 65534)
        yield Path(folder)


@needs_real_root
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


@needs_real_root
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


@needs_real_root
def test_where_the_user_may_not_write_it_stays_root_and_says_so(cable: Cable, tmp_path: Path, private: Path) -> None:
    sudo = {"SUDO_UID": "65534", "SUDO_GID": "65534", "SUDO_USER": "nobody"}
    with live(
        cable.far, tmp_path, "in", "-q", "-b", "files:2", "-b", "filesize:1000", "-w", "a.pcap", cwd=private, env=sudo
    ) as running:
        assert "nobody may not make files in ." in running.said
        assert int(status_of(running.process.pid)["CapEff"], 16) == 0
        running.end()


@needs_real_root
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


# On a terminal


@pytest.fixture
def screen(room: Classroom, tmp_path: Path) -> Iterator[Any]:
    """A terminal of 100 cells and 30 lines on the client."""
    if not shutil.which("tmux"):
        pytest.skip("tmux is not installed")
    tmux = ["tmux", "-f", "/dev/null", "-S", str(tmp_path / "tmux")]

    def do(*arguments: str) -> str:
        return subprocess.run([*tmux, *arguments], capture_output=True, text=True, check=True).stdout

    env = environment(tmp_path, TERM="screen-256color")
    with room.client.inside():
        subprocess.run([*tmux, "new-session", "-d", "-x", "100", "-y", "30", "sh"], env=env, check=True)
    try:
        yield do
    finally:
        do("kill-server")


def wait_for(screen: Any, pattern: str, seconds: float = 60.0) -> str:
    end = time.monotonic() + seconds
    while not re.search(pattern, shown := screen("capture-pane", "-p"), re.M):
        assert time.monotonic() < end, shown
        time.sleep(0.1)
    return str(shown)


def test_on_a_terminal_a_line_stands_below(room: Classroom, screen: Any) -> None:
    screen("send-keys", f"{PYTHON} -m sniffkit live eth0 --lang zh", "Enter")
    wait_for(screen, r"^00:\d\d  0 个分组  0 个/秒  丢弃 0 个  没有 TCP 连接$")
    play(room, "handshake-close-4")
    shown = wait_for(screen, r"^00:\d\d  1[1-9] 个分组 .* 丢弃 0 个  TIME-WAIT 1$")
    assert "四次挥手 4/4" in shown
    assert len(re.findall(r"^00:\d\d", shown, re.M)) == 1, "one status line, not a trail of them"
    screen("send-keys", "C-c")
    shown = wait_for(screen, "捕获 (1[1-9]) 个分组，过滤器收到 \\1 个，内核丢弃 0 个")
    assert re.search("小结：1[1-9] 个分组", shown)
    assert not re.search(r"^00:\d\d", shown, re.M)


def test_the_table_of_connections_stays_in_place(room: Classroom, screen: Any) -> None:
    screen("send-keys", f"clear; {PYTHON} -m sniffkit live eth0 --table", "Enter")
    wait_for(screen, r"^00:\d\d  0 packets")
    client, server = Stage(room, Recording(Nowhere(), ())).connection()  # type: ignore[arg-type]
    shown = wait_for(screen, r"10\.0\.0\.2:50000 → 93\.184\.216\.34:80 +ESTABLISHED +ESTABLISHED")
    assert shown.count("ESTABLISHED") == 2
    client.close()
    wait_for(screen, r"10\.0\.0\.2:50000 → 93\.184\.216\.34:80 +FIN-WAIT-2 +CLOSE-WAIT")
    server.close()
    shown = wait_for(screen, r"10\.0\.0\.2:50000 → 93\.184\.216\.34:80 +TIME-WAIT +CLOSED")
    assert shown.count("50000 →") == 1
    screen("send-keys", "C-c")
    wait_for(screen, "packets captured")
