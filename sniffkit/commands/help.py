"""The words of ``--help``, in the reader's language, before any option has been read."""

from __future__ import annotations

import sys

from sniffkit.explanations.catalogue import read_texts
from sniffkit.explanations.language import LANGUAGES, Language, preferred_language

_given: list[str] | None = None


def remember(arguments: list[str]) -> None:
    """Note the arguments of this run, where they are not those of the process."""
    global _given  # noqa: PLW0603 - there is one command line at a time
    _given = arguments


def asked_language(arguments: list[str] | None = None) -> Language:
    """Return the language that ``--lang`` names among the arguments of this run, else that of the environment."""
    if arguments is None:
        arguments = sys.argv[1:] if _given is None else _given
    for place, word in enumerate(arguments):
        following = arguments[place + 1] if place + 1 < len(arguments) else ""
        value = word.partition("=")[2] if word.startswith("--lang=") else following if word == "--lang" else ""
        if value in LANGUAGES:
            return value
    return preferred_language()


def say(key: str) -> str:
    """Return a help text."""
    return str(read_texts("help")[f"help.{key}"]["text"][asked_language()])
