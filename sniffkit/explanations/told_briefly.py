"""Facts as notes, in full while they are new and in one sentence after that: a lesson is not given twenty times.

That sentence is the brief form of the text; where it has none, the first sentence of a lesson, and a note is left out.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from sniffkit.explanations.lesson import Note
from sniffkit.explanations.plain import safe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sniffkit.analysis.facts import Fact
    from sniffkit.explanations.catalogue import Catalogue

IN_FULL = 2
"""How many times a lesson is given in full."""

_FIRST_SENTENCE = re.compile(r".+?(?:。|(?<! no)(?<!\bNo)\.(?= [A-Z{]))")


class ToldBriefly:
    """Puts facts into words and remembers how often each was told.

    unfolded: always in full
    """

    def __init__(self, catalogue: Catalogue, unfolded: bool = False) -> None:
        self._catalogue = catalogue
        self._unfolded = unfolded
        self._told: Counter[str] = Counter()
        self._short: dict[str, str] = {}

    def notes(self, facts: Iterable[Fact]) -> tuple[Note, ...]:
        """Return the notes of one packet; a warning is always given in full."""
        found = []
        for fact in facts:
            brief = self.is_known(fact.id) and fact.level != "warning"
            if brief and fact.level == "note" and self._catalogue.find(fact.id, "brief") is None:
                continue
            self._told[fact.id] += 1
            text = self.sentence(fact.id) if brief else self._catalogue.text(fact.id)
            found.append(Note(fact.id, fact.level, self._catalogue.filled(text, **safe(fact.values))))
        return tuple(found)

    def is_known(self, id: str) -> bool:
        """Say whether a lesson was given in full as often as it needs."""
        return self._told[id] >= IN_FULL and not self._unfolded

    def sentence(self, id: str) -> str:
        """Return the one sentence that is left of a lesson, its blanks not filled in."""
        if id not in self._short:
            self._short[id] = self._catalogue.find(id, "brief") or first_sentence(self._catalogue.text(id))
        return self._short[id]


def first_sentence(text: str) -> str:
    """Return the first sentence of a text, all of it where it has only one."""
    found = _FIRST_SENTENCE.match(text)
    return found[0] if found else text


def seconds(time_ns: int, first_ns: int | None) -> str:
    """Write when a packet came, in seconds since the first one, as every listing of ours has it."""
    from sniffkit.sources.batch import NO_TIME

    if first_ns is None or time_ns == NO_TIME:
        return "-"
    apart = time_ns - first_ns
    return f"{'-' if apart < 0 else ''}{abs(apart) // 10**9}.{abs(apart) % 10**9 // 1000:06d}"
