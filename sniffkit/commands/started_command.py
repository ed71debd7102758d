"""The command behind ``live ... -- COMMAND``: started with the user's own rights and surroundings, never left behind.

A capture that ends before its command asks it to end (SIGTERM) and, where it does not, ends it (SIGKILL).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from typing import IO, Any, NamedTuple

from sniffkit.errors import UsageError

PATIENCE = 3.0
"""Seconds the command has to end once the capture has ended."""

NO_PATIENCE = 0.3
"""The same after the second Ctrl-C."""


class Failure(NamedTuple):
    """What is to be said of a command that failed: the id of the sentence, and its values."""

    id: str
    values: dict[str, object]


class StartedCommand:
    """A running command."""

    def __init__(self, command: list[str], person: Any, *, keep: bool = False) -> None:
        """Start it, as the user who called sudo; what it prints goes where our own notes go if need be.

        keep: the screen belongs to a table, so what the command prints is kept until there is room for it

        Raises UsageError ``live.command-missing``.
        """
        from sniffkit.commands import GIVEN

        options: dict[str, Any] = {"env": GIVEN}
        if person is not None:
            groups = os.getgrouplist(person.name, person.group)
            options = {"user": person.user, "group": person.group, "extra_groups": groups}
            options["env"] = GIVEN | {"HOME": person.home}
        self.name = command[0]
        self._printed: IO[bytes] | None = None
        output: Any = None if sys.stdout.isatty() else sys.stderr
        if keep:
            self._printed = output = options["stderr"] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as it
        try:
            self._process = subprocess.Popen(command, stdout=output, **options)
        except OSError as error:
            raise UsageError("live.command-missing", command=self.name, reason=error.strerror) from error

    def show(self) -> None:
        """Write what it printed to standard output, where that was kept."""
        if self._printed is not None:
            sys.stdout.flush()
            self._printed.seek(0)
            shutil.copyfileobj(self._printed, sys.stdout.buffer)
            sys.stdout.buffer.flush()

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def end(self, at_once: bool = False) -> Failure | None:
        """End it if it still runs; return what is to be said where it had ended by itself, and not well."""
        if not self.ended:
            self._process.terminate()
            try:
                self._process.wait(NO_PATIENCE if at_once else PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            return None
        code = self._process.returncode
        if code < 0:  # as subprocess has it: the signal's number
            return Failure("live.command-killed", {"command": self.name, "signal": signal.Signals(-code).name})
        return Failure("live.command-failed", {"command": self.name, "code": code}) if code else None
