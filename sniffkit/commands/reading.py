"""What every command that reads captures does alike: which files, which language, and what was damaged."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from sniffkit.commands.help import say
from sniffkit.errors import ExitCode, UsageError
from sniffkit.explanations.language import LANGUAGES, Language, preferred_language

if TYPE_CHECKING:
    from sniffkit.sources import Source

Files = Annotated[list[str] | None, typer.Argument(metavar="FILE...", help=say("files"), show_default=False)]
Read = Annotated[list[str] | None, typer.Option("-r", metavar="FILE", help=say("read"))]
Verbose = Annotated[int, typer.Option("-v", "--verbose", count=True, show_default=False, help=say("verbose-exchanges"))]
Json = Annotated[bool, typer.Option("--json", help=say("json-exchanges"))]
Filter = Annotated[str | None, typer.Option("-Y", metavar="FILTER", help=say("filter-exchanges"))]
Lang = Annotated[str | None, typer.Option("--lang", metavar="en|zh", help=say("lang"))]
Color = Annotated[str, typer.Option("--color", metavar="auto|always|never", help=say("color"))]
NoNames = Annotated[bool, typer.Option("-n", help=say("no-names"), hidden=True)]


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


def give_back_memory() -> None:
    """Give free memory back to the system, which GNU's C library does by itself only at the end of its heap."""
    import ctypes

    if sys.platform == "linux":
        with suppress(AttributeError, OSError):
            ctypes.CDLL(None).malloc_trim(0)


def finish(source: Source) -> int:
    """Tell what was damaged in the capture, and return the exit code."""
    sys.stdout.flush()
    for damage in source.damage:
        from sniffkit.commands.complaint import complain

        complain(damage)
    return ExitCode.DAMAGED if source.damage else ExitCode.OK
