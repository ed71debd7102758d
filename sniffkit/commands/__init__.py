"""What can be typed: one file a command, each of them thin."""

from __future__ import annotations

import os
import sys

GIVEN = dict(os.environ)
"""The environment as it was given: what is set in it here is not for programs that a user lets be started."""


def run() -> None:
    """Run the command line; the exit codes are those of ``errors.ExitCode``."""
    # NumPy's OpenBLAS would start a thread for every processor, and nothing here multiplies matrices.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from sniffkit.commands.application import application

    for name in ("stdout", "stderr"):  # closed by the caller (``>&-``): there is nobody to tell anything
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    _end(application())


def _end(code: int) -> None:
    """End the process at once: Python takes 25 ms and more to free modules and arrays one by one."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        sys.exit(code)  # Python says what it cannot write
    if _measured():  # whoever measures has something to write yet
        sys.exit(code)
    os._exit(code)


def _measured() -> bool:
    """Return whether a profiler, a debugger or a coverage tool is at work (from Python 3.12 on also by PEP 669)."""
    monitoring = getattr(sys, "monitoring", None)
    tools = any(monitoring.get_tool(number) for number in range(6)) if monitoring else False
    return bool(sys.getprofile() or sys.gettrace() or tools)
