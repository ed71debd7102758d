"""What every command that reads captures does alike: which files, which language, and what was damaged."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

from sniffkit.commands.options import Argument, Option
from sniffkit.errors import ExitCode, UsageError
from sniffkit.explanations.language import LANGUAGES, Language, preferred_language

if TYPE_CHECKING:
    from sniffkit.sources import Source

Files = Annotated[list[str] | None, Argument(metavar="FILE...", help="files", show_default=False)]
Read = Annotated[list[str] | None, Option("-r", metavar="FILE", help="read")]
Verbose = Annotated[int, Option("-v", "--verbose", count=True, show_default=False, help="verbose-exchanges")]
Json = Annotated[bool, Option("--json", help="json-exchanges")]
Filter = Annotated[str | None, Option("-Y", metavar="FILTER", help="filter-exchanges")]
Lang = Annotated[str | None, Option("--lang", metavar="en|zh", help="lang")]
Color = Annotated[str, Option("--color", metavar="auto|always|never", help="color")]
NoNames = Annotated[bool, Option("-n", help="no-names", hidden=True)]


def chosen_files(files: list[str] | None, read: list[str] | None) -> list[str]:
    """Return the captures that were named, with and without ``-r``."""
    paths = [*(files or ()), *(read or ())]
    if not paths:
        raise UsageError("usage.no-file")
    return paths


def chosen_color(color: str) -> str:
    """Return what ``--color`` says."""
    if color not in ("auto", "always", "never"):
        raise UsageError("usage.color", value=color)
    return color


def chosen_language(lang: str | None) -> Language:
    """Return the language that ``--lang`` names, else that of the environment."""
    if lang is None:
        return preferred_language()
    for language in LANGUAGES:
        if lang == language:
            return language
    raise UsageError("usage.language", value=lang)


def collect_rarely() -> None:
    """Let Python look for cycles seldom: records by the ten thousand have none, and looking takes half the time."""
    import gc

    gc.freeze()
    gc.set_threshold(200_000, 20, 20)


def share_one_heap() -> None:
    """Let all threads take memory from one heap, before the second one begins.

    GNU's C library gives each thread its own; what one makes and another lets go leaves holes that nobody fills, a
    tenth of all memory. Other libraries have no such call, and no need of it.
    """
    import ctypes  # NumPy loads it anyway

    if sys.platform == "linux":
        with suppress(AttributeError, OSError):
            ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


_ARENA_MAX = -8
"""M_ARENA_MAX of malloc.h."""


def finish(source: Source) -> int:
    """Tell what was damaged in the capture, and return the exit code."""
    sys.stdout.flush()
    for damage in source.damage:
        from sniffkit.commands.complaint import complain

        complain(damage)
    return ExitCode.DAMAGED if source.damage else ExitCode.OK
