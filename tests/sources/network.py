"""Two hosts joined by a cable, for tests that capture: namespaces of their own, nothing of this machine in them."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from sniffkit.errors import NotPermitted
from sniffkit.lab import namespaces
from sniffkit.lab.host import Host
from sniffkit.lab.world import World
from sniffkit.sources.batch import Batch
from sniffkit.sources.interfaces import choose
from sniffkit.sources.live import LiveSource, open_live
from sniffkit.sources.privilege import in_user_namespace

ROOT = Path(__file__).parents[2]


@cache
def refusal() -> str:
    """Say why namespaces can't be made here, "" where they can."""
    if not sys.platform.startswith("linux"):
        return "needs Linux"
    child = os.fork()  # a refusal halfway leaves a process in a network it can't leave again
    if child == 0:
        made = 1
        with contextlib.suppress(NotPermitted):
            namespaces.create()
            made = 0
        os._exit(made)
    made = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return "needs root, or: unshare -Urn make test" if made else ""


def real_root() -> bool:
    """Whether this is the machine's root, with all its users, and not one of a user namespace."""
    return not refusal() and os.geteuid() == 0 and not in_user_namespace()


needs_real_root = pytest.mark.skipif(not real_root(), reason="a user namespace has only one user; needs root")
needs_namespaces = pytest.mark.skipif(bool(refusal()), reason=f"capturing {refusal()}")


class Cable(World):
    """Host ``near`` with the interface ``out``, host ``far`` with ``in``, addresses 10.1.0.1 and 10.1.0.2."""

    def __init__(self) -> None:
        super().__init__()
        try:
            self.near, self.far = self.host("near"), self.host("far")
            self.cable(self.near, "out", self.far, "in")
            for host, end, address in ((self.near, "out", "10.1.0.1"), (self.far, "in", "10.1.0.2")):
                host.ip(f"link set {end} mtu 9000", f"address add {address}/24 dev {end}")
            self.near.ip(f"neighbour replace 10.1.0.2 lladdr {mac_of(self.far, 'in')} dev out nud permanent")
            self.far.ip(f"neighbour replace 10.1.0.1 lladdr {mac_of(self.near, 'out')} dev in nud permanent")
        except BaseException:
            self.close()
            raise

    def send(self, frames: list[bytes]) -> None:
        """Send frames as they are from the near end, a little slower than a flood."""
        with self.near.inside():
            handle = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        with handle:
            handle.bind(("out", 0))
            for number, frame in enumerate(frames):
                handle.send(frame)
                if number % 64 == 63:
                    time.sleep(0.001)


def mac_of(host: Host, interface: str) -> str:
    with host.inside():
        return choose(interface).mac


def listening(host: Host, interface: str, **options: object) -> LiveSource:
    """Open an interface of a host."""
    with host.inside():
        return open_live(choose(interface), **options)  # type: ignore[arg-type]


def packets(source: LiveSource, count: int = 0, seconds: float = 3.0) -> list[bytes]:
    """Return the packets that come: so many, or what comes before nothing has come for 0.3 seconds."""
    return [batch.packet(row) for batch in batches(source, count, seconds) for row in range(len(batch))]


def batches(source: LiveSource, count: int = 0, seconds: float = 3.0) -> list[Batch]:
    found: list[Batch] = []
    end = time.monotonic() + seconds
    quiet = 0
    while time.monotonic() < end and quiet < 3 and not (count and sum(map(len, found)) >= count):
        batch = source.read(0.1)
        if batch is None:
            quiet += 1
        else:
            quiet = 0
            found.append(batch)
    return found


@contextlib.contextmanager
def tcpdump(host: Host, interface: str, path: Path, *options: str) -> Iterator[None]:
    """Let tcpdump write to ``path`` for as long as the body runs."""
    at_once = ("--immediate-mode", "-U", "-B", "32768")
    command = ["tcpdump", "-i", interface, "-w", str(path), "-Z", "root", *at_once, *options]
    process = host.start(command, stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        while b"listening on" not in (line := process.stderr.readline()):
            assert line, "tcpdump ended"
        yield
        time.sleep(0.3)
    finally:
        process.terminate()
        process.communicate(timeout=5)
