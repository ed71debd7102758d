"""The languages sniffkit speaks, and how numbers and durations are written in them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Literal, get_args

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


def preferred_language(environment: Mapping[str, str] = os.environ) -> Language:
    """Return the reader's language: SNIFFKIT_LANG, then the locale's (LC_ALL, LC_MESSAGES, LANG), else English."""
    for name in ("SNIFFKIT_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = environment.get(name, "").lower()
        if value:
            return "zh" if value.startswith("zh") else "en"
    return "en"


def duration(nanoseconds: int, language: Language) -> str:
    """Write a duration with three digits and the unit that fits: ``412 µs``, ``20.1 ms``, ``75.0 s``, ``2 h 3 min``."""
    if nanoseconds < 0:
        return f"-{duration(-nanoseconds, language)}"
    minutes, hours = ("min", "h") if language == "en" else ("分", "小时")
    seconds = nanoseconds / 1e9
    if seconds >= 3600:
        return f"{int(seconds // 3600)} {hours} {int(seconds % 3600 // 60)} {minutes}"
    if seconds >= 600:
        return f"{seconds / 60:.0f} {minutes}"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size * 0.9995:
            number = seconds / size
            return f"{number:.{2 if number < 9.995 else 1 if number < 99.95 else 0}f} {unit}"
    return f"{nanoseconds} ns"


_NOUNS = (
    "packets", "octets", "segments", "times", "servers", "files", "names", "addresses", "entries", "records", "routers",
    "others", "questions", "conversations", "connections", "characters", "parentheses", "layers", "bits",
)  # fmt: skip
_IRREGULAR = {"addresses": "address", "entries": "entry", "parentheses": "parenthesis"}
_VERBS = {"are": "is", "were": "was", "have": "has", "follow": "follows", "stand": "stands", "answer": "answers"}
_COUNTED = re.compile(rf"\{{(\w+)\}} ((?:more )?)({'|'.join(_NOUNS)})\b(?: ({'|'.join(_VERBS)})\b)?")


def counts(text: str) -> bool:
    """Return whether an English text says how many there are of something that may be one: ``{packets} packets``."""
    return _COUNTED.search(text) is not None


def in_the_singular(text: str, values: Mapping[str, object]) -> str:
    """Return an English text that is yet to be filled with its nouns as their numbers want them: ``1 packet``."""

    def chosen(found: re.Match[str]) -> str:
        name, more, noun, verb = found.groups()
        if str(values[name]) != "1":
            return found[0]
        singular = f"{{{name}}} {more}{_IRREGULAR.get(noun, noun.removesuffix('s'))}"
        return f"{singular} {_VERBS[verb]}" if verb else singular

    return _COUNTED.sub(chosen, text)
