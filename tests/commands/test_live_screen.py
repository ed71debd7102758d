"""`sniffkit live` on a terminal, read back from tmux: the line at the bottom, and the table of connections."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sniffkit.lab.stage import Stage, receive
from sniffkit.lab.wire import Recording
from sniffkit.lab.world import Classroom
from tests.commands.running_live import PYTHON, Nowhere, environment, packets_in, play
from tests.sources.network import needs_namespaces

pytestmark = needs_namespaces


@pytest.fixture(scope="module")
def room() -> Iterator[Classroom]:
    with Classroom(ask_arp=True) as made:
        yield made


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


def wait_for(screen: Any, pattern: str, seconds: float = 20.0) -> str:
    end = time.monotonic() + seconds
    while not re.search(pattern, shown := screen("capture-pane", "-p"), re.M):
        assert time.monotonic() < end, shown
        time.sleep(0.1)
    return str(shown)


def test_on_a_terminal_a_line_stands_below(room: Classroom, screen: Any) -> None:
    screen("send-keys", f"{PYTHON} -m sniffkit live eth0 --lang zh", "Enter")
    wait_for(screen, r"^00:\d\d  \d 个分组  \d/秒  丢弃 0  没有 TCP 连接$")
    play(room, "handshake-close-4")
    shown = wait_for(screen, r"^00:\d\d  1[1-9] 个分组 .* 丢弃 0  TIME-WAIT 1$")
    assert "四次挥手 4/4" in shown
    assert len(re.findall(r"^00:\d\d", shown, re.M)) == 1, "one status line, not a trail of them"
    screen("send-keys", "C-c")
    shown = wait_for(screen, "捕获 (1[1-9]) 个分组，过滤器收到 \\1 个，内核丢弃 0 个")
    assert re.search("小结：1[1-9] 个分组", shown)
    assert not re.search(r"^00:\d\d", shown, re.M)


def test_a_window_that_changes_its_size_leaves_nothing_behind(room: Classroom, screen: Any) -> None:
    """Made narrower, the terminal breaks the line at the bottom in two; both halves go. Lessons take the width."""
    screen("send-keys", f"clear; {PYTHON} -m sniffkit live eth0", "Enter")
    wait_for(screen, r"^00:\d\d  \d+ packets?")
    play(room, "handshake-close-4")
    wait_for(screen, r"^00:\d\d  1[1-9] packets +\d/s  0 dropped  TIME-WAIT 1$")
    screen("resize-window", "-x", "46", "-y", "30")
    shown = wait_for(screen, r"^00:\d\d  1[1-9] packets +\d/s  0 dropped$")
    assert not re.search(r"^(TIME-WAIT )?1$", shown, re.M)
    play(room, "refused-port")
    shown = wait_for(screen, r"^ +\[reset\]\n +client SYN-SENT → CLOSED\n +server LISTEN → CLOSED$")
    assert max(map(len, shown.splitlines())) <= 46
    screen("send-keys", "C-c")
    wait_for(screen, "packets? captured")


def test_without_colours_the_table_has_none(room: Classroom, screen: Any) -> None:
    screen("send-keys", f"clear; NO_COLOR=1 {PYTHON} -m sniffkit live eth0 --table", "Enter")
    wait_for(screen, r"^00:\d\d  \d+ packets?")
    assert "\x1b[" not in screen("capture-pane", "-p", "-e")
    screen("send-keys", "C-c")
    wait_for(screen, "packets? captured")


@pytest.mark.parametrize("options", ["--table", ""])
def test_a_terminal_without_chinese_gets_escapes_in_lines_that_fit(room: Classroom, screen: Any, options: str) -> None:
    """As on a console whose encoding has no Chinese: nothing fails, and no line is broken by the terminal."""
    command = f"{PYTHON} -m sniffkit live eth0 {options} --lang zh"
    screen("send-keys", f"clear; PYTHONIOENCODING=ascii {command}", "Enter")
    wait_for(screen, r"^00:\d\d  \d ")
    play(room, "refused-port")
    shown = wait_for(screen, r"^00:\d\d  [2-9] ")
    assert len(re.findall(r"^00:\d\d", shown, re.M)) == 1, "one line at the bottom, not a trail of them"
    assert "10.0.0.2:50000 -> 93.184.216.34:81" in screen("capture-pane", "-p", "-S", "-60")
    screen("send-keys", "C-c")
    wait_for(screen, "TCP 2")


def test_a_terminal_that_cannot_go_back_gets_no_table(room: Classroom, screen: Any) -> None:
    screen("send-keys", f"clear; TERM=dumb {PYTHON} -m sniffkit live eth0 --table; echo code $?", "Enter")
    assert "TERM=dumb" in wait_for(screen, "^code 2$")


@pytest.mark.parametrize("options", ["", "--table"])
def test_a_command_that_prints_and_a_line_that_stays_in_place_do_not_meet(
    room: Classroom, screen: Any, options: str
) -> None:
    """Its output is the terminal's while it runs, and then no line stands below; a table has the terminal to itself."""
    command = "sh -c 'for each in 1 2 3 4; do echo said $each; sleep 0.4; done'"
    screen("send-keys", f"clear; {PYTHON} -m sniffkit live eth0 {options} -- {command}", "Enter")
    shown = wait_for(screen, r"^\d packets? captured.*\n(said 1\n)?")
    shown = wait_for(screen, "^said 4$") if options else shown
    assert re.findall(r"^.*said.*$", shown, re.M)[-4:] == ["said 1", "said 2", "said 3", "said 4"]
    drawn = re.findall(r"^00:\d\d  \d packets?", shown, re.M)
    assert len(drawn) == (1 if options else 0)


def test_ctrl_z_gives_the_terminal_back_and_fg_goes_on(room: Classroom, screen: Any) -> None:
    screen("send-keys", f"clear; {PYTHON} -m sniffkit live eth0 --table", "Enter")
    wait_for(screen, r"^00:\d\d  \d+ packets?")
    assert screen("display", "-p", "#{cursor_flag}") == "0\n"
    screen("send-keys", "C-z")
    wait_for(screen, "Stopped")
    assert screen("display", "-p", "#{cursor_flag}") == "1\n", "the shell has its cursor"
    play(room, "refused-port")
    screen("send-keys", "clear; fg", "Enter")
    wait_for(screen, r"^closed 1\n +0  \S+ → 93.184.216.34:81 +CLOSED ?/ ?CLOSED")
    screen("send-keys", "C-c")
    wait_for(screen, "packets? captured")


def test_a_terminal_that_is_closed_leaves_the_whole_capture(room: Classroom, screen: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    screen("new-window", "sh")
    screen("send-keys", f"{PYTHON} -m sniffkit live eth0 -w {path}; echo ended > {tmp_path}/ended", "Enter")
    wait_for(screen, r"^00:\d\d  \d+ packets?")
    play(room, "refused-port")
    wait_for(screen, r"^00:\d\d  [2-9] packets")
    process = screen("list-panes", "-F", "#{pane_pid}").strip()
    children = Path(f"/proc/{process}/task/{process}/children")
    (running,) = children.read_text().split()
    screen("kill-window")
    end = time.monotonic() + 10
    while Path(f"/proc/{running}").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    assert packets_in(path) >= 2


def test_a_hang_up_that_somebody_sent_ends_with_the_summary(room: Classroom, screen: Any) -> None:
    screen("send-keys", f"clear; {PYTHON} -m sniffkit live eth0", "Enter")
    wait_for(screen, r"^00:\d\d  \d+ packets?")
    process = screen("list-panes", "-F", "#{pane_pid}").strip()
    (running,) = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    os.kill(int(running), signal.SIGHUP)
    wait_for(screen, r"^\d+ packets? captured")


def test_the_table_of_connections_stays_in_place(room: Classroom, screen: Any) -> None:
    """At 80 cells too a row has both ends, both states, the rate and the round-trip time."""
    screen("resize-window", "-x", "80", "-y", "24")
    screen("send-keys", f"clear; {PYTHON} -m sniffkit live eth0 --table", "Enter")
    wait_for(screen, r"^00:\d\d  \d+ packets?")
    client, server = Stage(room, Recording(Nowhere(), ())).connection()  # type: ignore[arg-type]
    ends = r"10\.0\.0\.2:50000 → 93\.184\.216\.34:80"
    wait_for(screen, rf"^open 1\n +0  {ends}  ESTAB/ESTAB +\S+ ms$")
    client.sendall(bytes(10_000))
    receive(server, 10_000)
    wait_for(screen, rf"^open 1\n +0  {ends}  ESTAB/ESTAB +\S+ k?B/s +\S+ ms$")
    client.close()
    wait_for(screen, rf"^closing 1\n +0  {ends}  FIN-WAIT-2/CLOSE-WAIT +")
    server.close()
    shown = wait_for(screen, rf"^TIME-WAIT 1 \(.*\)\n +0  {ends}  TIME-WAIT (60|59) s/CLOSED +")
    assert shown.count("50000 →") == 1
    screen("resize-window", "-x", "60", "-y", "20")
    shown = wait_for(screen, r"^TIME-WAIT 1 \(.*\)\n +0  …0\.2:50000 → \S+:80 +TIME-WAIT \d+ s/CLOSED")
    assert shown.count("50000 →") == 1, "nothing is left of the wider table"
    screen("send-keys", "C-c")
    wait_for(screen, "packets? captured")
