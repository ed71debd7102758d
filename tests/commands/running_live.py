"""A running `sniffkit live` for tests: on hosts of their own, read and ended like one that a person started."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from sniffkit.lab.host import Host
from sniffkit.lab.scenarios import find
from sniffkit.lab.stage import Stage
from sniffkit.lab.wire import Recording
from sniffkit.lab.world import Classroom
from sniffkit.sources import open_capture
from tests.sources.network import ROOT

PYTHON = sys.executable
NOT_OURS = ("SUDO_", "LC_", "COLUMNS", "PYTHONDONTWRITEBYTECODE")
"""Not handed on; without the last every start would compile all modules anew, where they are not compiled yet."""


class Nowhere:
    """A scenario wants to be recorded; here sniffkit does that."""

    written = 0

    def write(self, *_: object, **__: object) -> None: ...

    def flush(self) -> None: ...


def play(room: Classroom, *names: str) -> None:
    for name in names:
        scenario = find(name)
        assert scenario is not None
        room.line.clear()
        scenario.play(Stage(room, Recording(Nowhere(), scenario.at)))  # type: ignore[arg-type]
        room.line.settle()


def environment(folder: Path, **more: str) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
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
        return out.decode() if out is not None else ""


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
