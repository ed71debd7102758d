"""What can be typed: one file a command, each of them thin."""

from __future__ import annotations

import sys


def run() -> None:
    """Run the command line; the exit codes are those of ``errors.ExitCode``."""
    from sniffkit.commands.application import application

    sys.exit(application())
