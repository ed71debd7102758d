"""The DNS world, running in a process of its own, in which tests run commands: as the client sees it, nobody else.

A program holds the world and does what it is told by lines of JSON; when the test's process ends, so does the world.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from sniffkit.lab.dns_servers import missing_programs

ROOT = Path(__file__).parents[2]

HOLDER = """
import json, os, subprocess, sys
from sniffkit.lab import namespaces
options = json.loads(sys.argv[1])
if options.pop("as_nobody", False):
    import ctypes
    import sniffkit.lab.dns_world, sniffkit.sources.writer, sniffkit.lab.record
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1)
namespaces.enter()
from sniffkit.lab.dns_world import DnsWorld
from sniffkit.lab.questions import dns_question
from sniffkit.lab.world import DNS
with DnsWorld(**options) as world:
    print(json.dumps({"anchor": world.anchor, "directory": world.directory}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "question" in asked:
            with world.client.udp(50000) as handle:
                handle.sendto(dns_question(7, asked["question"]), (DNS, 53))
                print(json.dumps(handle.recv(4096).hex()), flush=True)
            continue
        with world.client.inside():
            done = subprocess.run(asked["command"], capture_output=True, encoding="utf-8", env=os.environ | asked["environment"])
        print(json.dumps({"code": done.returncode, "out": done.stdout, "err": done.stderr}), flush=True)
"""  # noqa: E501 - a program in a text


@cache
def refusal() -> str:
    """Say why the world can't be made here, "" where it can."""
    missing = missing_programs()
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        return f"not installed: {', '.join(sorted(missing))} (apt-get install {packages})"
    program = "from sniffkit.lab import namespaces; namespaces.enter()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", cwd=ROOT, check=False)
    return f"no network namespaces here: {done.stderr.splitlines()[-1]}" if done.returncode else ""


@dataclass(frozen=True)
class Run:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def result(self) -> dict[str, Any]:
        return self.records[-1]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [record for record in self.records if record["kind"] == kind]


class RunningWorld:
    """The world; use it in ``with``. Options are DnsWorld's, and as_nobody: without root's rights."""

    def __init__(self, **options: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            cwd=ROOT,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        said = self.process.stdout.readline()
        self.error = "" if said else self.process.stderr.read()
        if said:
            self.anchor, self.directory = json.loads(said).values()

    def run(self, *command: str, **environment: str) -> Run:
        """Run a command on the client."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        asked = {"command": command, "environment": {"LANG": "C.UTF-8", **environment}}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return Run(**json.loads(self.process.stdout.readline()))

    def question(self, name: str) -> bytes:
        """Let the client ask its resolver for a name's address; return the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"question": name}) + "\n")
        self.process.stdin.flush()
        return bytes.fromhex(json.loads(self.process.stdout.readline()))

    def resolve(self, *arguments: str, root: str = "192.0.2.1", **environment: str) -> Run:
        """Run ``sniffkit resolve`` on the client, beginning at the world's root, with little patience."""
        command = [sys.executable, "-m", "sniffkit", "resolve", "--timeout", "0.4", "--root", root, *arguments]
        return self.run(*command, **environment)

    def __enter__(self) -> RunningWorld:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.communicate(timeout=20)
