"""The options of commands as they are declared, and how a plain command line is read without Typer.

To load Typer and set up a command takes a fifth of a short run. Most command lines are plain: they name options in full
and give them values that fit. Whatever else is typed (``--help``, a mistake, ``-qv``, ``-c5``) Typer reads, which knows
all habits and says what is wrong.
"""

from __future__ import annotations

from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


class Option:
    """An option of a command; ``help`` is the key of its text in texts/help.toml, the rest is as in Typer."""

    def __init__(
        self,
        *names: str,
        help: str | None = None,
        metavar: str | None = None,
        min: float | None = None,
        max: float | None = None,
        **shown: bool,
    ) -> None:
        self.names = names
        self.help = help
        self.metavar = metavar
        self.min, self.max = min, max
        self.shown = shown
        self.count = shown.get("count", False)


class Argument(Option):
    """What stands on the command line without a name."""


class _NotPlain(Exception):
    """Typer shall read it."""


def plain_values(command: Callable[..., Any], words: Sequence[str]) -> dict[str, Any] | None:
    """Return the values that a plain command line gives to the parameters of a command, None where it is not plain."""
    asked: dict[str, tuple[str, Option, Any]] = {}
    positional: list[tuple[str, Any]] = []
    hints = get_type_hints(command, include_extras=True)
    hints.pop("return", None)
    for parameter, hint in hints.items():
        kind, option = get_args(hint)
        if isinstance(kind, UnionType):
            kind = next(one for one in get_args(kind) if one is not NoneType)
        if isinstance(option, Argument):
            positional.append((parameter, kind))
        for name in option.names:
            asked[name] = parameter, option, kind
    try:
        return _read(asked, positional, iter(words))
    except _NotPlain:
        return None


def _read(
    asked: dict[str, tuple[str, Option, Any]], positional: list[tuple[str, Any]], words: Iterator[str]
) -> dict[str, Any]:
    """Return the values by their parameters. Raises _NotPlain."""
    found: dict[str, Any] = {}
    standing: list[str] = []
    for word in words:
        if word == "-" or not word.startswith("-"):
            standing.append(word)
            continue
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if name not in asked:
            raise _NotPlain
        parameter, option, kind = asked[name]
        if kind is bool or option.count:
            if equals:
                raise _NotPlain
            found[parameter] = found.get(parameter, 0) + 1 if option.count else True
            continue
        value = value if equals else next(words, "-")
        if kind == list[str]:
            found.setdefault(parameter, []).append(_value(str, option, value))
        else:
            found[parameter] = _value(kind, option, value)
    for parameter, kind in positional:
        if standing and kind == list[str]:
            found[parameter], standing = standing, []
        elif standing:
            found[parameter] = standing.pop(0)
    if standing:
        raise _NotPlain
    return found


def _value(kind: Any, option: Option, text: str) -> Any:
    """Return the value of an option. Raises _NotPlain where that takes more than a look."""
    if text.startswith("-"):
        raise _NotPlain
    if kind is str:
        return text
    digits = text.replace(".", "", 1) if kind is float else text
    if not (digits.isascii() and digits.isdecimal() and len(digits) < _DIGITS):
        raise _NotPlain
    value = kind(text)
    if (option.min is not None and value < option.min) or (option.max is not None and value > option.max):
        raise _NotPlain
    return value


_DIGITS = 16
"""Longer numbers are not plain."""
