"""How an error is told: one line on standard error, the place where it is known, and one line with what to try."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any

from sniffkit.commands.help import asked_language
from sniffkit.errors import UsageError
from sniffkit.explanations.catalogue import Catalogue
from sniffkit.explanations.plain import escaped, safe
from sniffkit.renderers.screen import Screen, cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sniffkit.errors import SniffkitError

_NAME = "sniffkit: "
_MARGIN = " " * len(_NAME)

_WRITTEN = ("live.write-failed", "writer.cannot-create")
"""Errors whose file is one that is written."""


def complain(error: SniffkitError, arguments: list[str] | None = None) -> None:
    """Write what is wrong and what to try to standard error; a caret stands under the place where that is known."""
    catalogue = Catalogue(asked_language(arguments))
    values = safe(error.values)
    if values.get("file") == "-":
        values["file"] = catalogue.text(f"words.standard-{'output' if error.id in _WRITTEN else 'input'}")
    screen = Screen.of(sys.stderr)
    lines = _lines(screen, catalogue.text(error.id, "message", **values), _NAME)
    place, value = error.values.get("place"), error.values.get("value")
    if isinstance(place, int) and isinstance(value, str):
        width = error.values.get("width")
        marked = escaped(value[place : place + width]) if isinstance(width, int) else ""
        caret = "^" + "~" * max(cells(marked) - 1, 0)
        lines += [_MARGIN + escaped(value), _MARGIN + " " * cells(escaped(value[:place])) + caret]
    if catalogue.find(error.id, "hint"):
        lines += _lines(screen, catalogue.text(error.id, "hint", **values), _MARGIN)
    screen.write("\n".join(lines) + "\n")


def _lines(screen: Screen, text: str, first: str) -> list[str]:
    """Return a text in the terminal's width; whatever else reads standard error gets it as it is.

    A line of its own that stands further in is a command to copy: only the terminal breaks it.
    """
    if not sys.stderr.isatty():
        return [first + text]
    found: list[str] = []
    for place, line in enumerate(text.split("\n")):
        if line.startswith(_MARGIN + "  "):
            found.append(line)
        else:
            found += screen.wrapped(
                line.removeprefix(_MARGIN) if place else line, first if not place else _MARGIN, _MARGIN
            )
    return found


def wrong_command(name: str, commands: Iterable[str]) -> UsageError:
    """Return what is wrong with a command's name that is none of ``commands``."""
    known = sorted(commands)
    if os.path.exists(name):
        return UsageError("usage.file-for-command", command=name)
    if nearest := _nearest(name, known):
        return UsageError("usage.no-such-command-near", command=name, nearest=nearest)
    return UsageError("usage.no-such-command", command=name, commands=tuple(known))


def wrong_option(error: Any, arguments: Sequence[str]) -> UsageError:
    """Put what Typer complains of into an error of ours, which is told in the reader's language.

    error: a TyperException; its kinds are known by name and attributes only, since Typer keeps their classes to itself
    """
    command = next((f"{word} " for word in arguments if not word.startswith("-")), "")
    help = f"sniffkit {command}--help"
    kind, option = type(error).__name__, str(getattr(error, "option_name", ""))
    said = str(error.format_message()).rstrip(".")
    if kind == "NoSuchOption":
        nearest = _nearest(option, getattr(error, "possibilities", None) or [])
        if nearest:
            return UsageError("usage.no-such-option-near", option=option, nearest=nearest)
        return UsageError("usage.no-such-option", option=option, help=help)
    if kind == "BadOptionUsage":
        if "not take a value" in said:
            return UsageError("usage.value-unwanted", option=option, help=help)
        return UsageError("usage.value-missing", option=option, help=help)
    if kind == "BadParameter" and getattr(error, "param", None) is not None:
        return _wrong_value(error.param, str(error.message), help)
    return UsageError("usage.other", problem=said, help=help)


def _wrong_value(parameter: Any, said: str, help: str) -> UsageError:
    """Return what is wrong with an option's value; ``said``: how Typer puts it, with the value in it."""
    quoted = re.search(r"'([^']*)'", said)
    value = quoted[1] if quoted else said.split(" ", 1)[0]
    option = max(parameter.opts, key=len)
    least, most = getattr(parameter.type, "min", None), getattr(parameter.type, "max", None)
    if str(parameter.type.name).startswith("float") and least is not None:
        if most is None or quoted:
            return UsageError("usage.number-small", option=option, value=value, least=least)
        return UsageError("usage.number-between", option=option, value=value, least=least, most=most)
    if str(parameter.type.name).startswith("int"):
        if quoted or least is None:
            return UsageError("usage.not-a-number", option=option, value=value)
        return UsageError("usage.number-small", option=option, value=value, least=least)
    return UsageError("usage.bad-value", option=option, value=value, wanted=str(parameter.metavar), help=help)


def _nearest(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(known), 1, 0.6)), "")
