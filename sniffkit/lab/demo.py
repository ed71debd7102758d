"""Plays one scenario in a process of its own and hands its capture over while it is being made."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from sniffkit.lab.record import known

if TYPE_CHECKING:
    from subprocess import Popen


def start(name: str) -> Popen[bytes]:
    """Begin a scenario; its standard output is the capture, packet by packet, and ends when the scenario ends.

    The process moves into namespaces of its own, so this one keeps its network, threads and rights. Read it as a
    capture file (``/dev/fd/N``) and ``wait`` for it; exit code and standard error are those of
    ``python -m sniffkit.lab.record``. Raises UsageError ``lab.unknown-scenario``.
    """
    known(name)
    command = [sys.executable, "-m", "sniffkit.lab.record", "-", name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
