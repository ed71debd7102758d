"""What can be typed: one file a command, each of them thin."""

from __future__ import annotations

import os
import sys


def run() -> None:
    """Run the command line; the exit codes are those of ``errors.ExitCode``."""
    from sniffkit.commands.application import application

    for name in ("stdout", "stderr"):  # closed by the caller (``>&-``): there is nobody to tell anything
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    sys.exit(application())
