"""A plain command line is read without Typer, and to the same values: where it is not plain, Typer reads it.

Whatever may be typed is put together at random from what each command declares, and from mistakes.
"""

from __future__ import annotations

import random
from functools import wraps
from importlib import import_module
from inspect import signature
from typing import Any, get_type_hints

import pytest
import typer

from sniffkit.commands.by_typer import with_typers_options
from sniffkit.commands.options import plain_values

PLAIN = ["arp", "dns", "explain", "fields", "flows", "interfaces", "resolve"]
"""All commands but ``live``, which takes a filter's words and a command behind ``--``."""

VALUES = ["tcp", "a.pcap", "-", "", "3", "0", "-1", "1.5", "nan", " 5", "1_0", "٣", "--", "-x", "=", "9" * 20, "zh"]
"""What may stand behind an option or alone: what is meant, and what is not."""


def command_of(name: str) -> Any:
    return getattr(import_module(f"sniffkit.commands.{name}"), name)


def read_by_typer(command: Any, words: list[str]) -> dict[str, Any] | None:
    """Return the values that Typer gives to a command, None where it finds a mistake."""
    given: dict[str, Any] = {}

    @wraps(command)
    def instead(**values: Any) -> None:
        given.update(values)

    app = typer.Typer(context_settings={"help_option_names": ["-h", "--help"]})
    app.command()(with_typers_options(instead))
    try:
        app(words, standalone_mode=False)
    except typer.TyperException:
        return None
    return given or None


def read_plainly(command: Any, words: list[str]) -> dict[str, Any] | None:
    """Return the values of a plain command line, with those that stay as they are."""
    values = plain_values(command, words)
    stay = {name: each.default for name, each in signature(command).parameters.items()}
    return None if values is None else stay | values


def names_of(command: Any) -> list[str]:
    hints = get_type_hints(command, include_extras=True).values()
    return [name for hint in hints for option in getattr(hint, "__metadata__", ()) for name in option.names]


@pytest.mark.parametrize("name", PLAIN)
def test_what_is_plain_is_read_as_typer_reads_it(name: str) -> None:
    command, chance = command_of(name), random.Random(name)
    names = names_of(command)
    plain = 0
    for _ in range(60):
        words = []
        for _ in range(chance.randrange(5)):
            option, value = chance.choice(names), chance.choice(VALUES)
            words += chance.choice([[option], [option, value], [option, value], [f"{option}={value}"], [value]])
        found = read_plainly(command, words)
        if found is not None:
            plain += 1
            assert read_by_typer(command, words) == found, words
    assert plain > 10


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--top", "0"],
        ["--top", "many"],
        ["--top"],
        ["-vn"],
        ["-Ytcp"],
        ["--json=1"],
        ["--", "-a"],
        ["--jsno"],
    ],
)
def test_habits_and_mistakes_are_left_to_typer(words: list[str]) -> None:
    assert plain_values(command_of("flows"), ["a.pcap", *words]) is None


def test_what_people_type_most_is_plain() -> None:
    words = ["a.pcap", "b.pcap", "--json", "-Y", "tcp.port == 80", "--top=3", "--lang", "zh"]
    assert plain_values(command_of("flows"), words) == {
        "files": ["a.pcap", "b.pcap"],
        "json": True,
        "display_filter": "tcp.port == 80",
        "top": 3,
        "lang": "zh",
    }
