"""Regular expressions that take time in proportion to the text, whatever the pattern: no pattern can hang a filter.

Python's own engine tries one way after the other and can take longer than the universe has ("catastrophic
backtracking"). Here all ways are followed at once (Thompson 1968), and each set of places once met is remembered, so
that an octet costs one look-up. The price: no back-references and no look-around. Patterns without repetition cannot
run away and are left to Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from re import _constants as code  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

MOST_PLACES = 20_000
"""Places in one pattern, counted repetitions written out."""

MOST_REMEMBERED = 4_000
"""Sets of places remembered before they are forgotten all at once."""

WORD = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
DIGIT = frozenset(b"0123456789")
SPACE = frozenset(b" \t\n\r\f\v")
EVERY = frozenset(range(256))

LAST_LINE_END = 0x100 | 10
"""The line end that is the last octet of a text: ``$`` stands before it, too."""


class PatternError(Exception):
    """A pattern that cannot be read; ``args[0]`` says why, ``args[1]`` is the place or None."""


def compile_pattern(pattern: str) -> Callable[[bytes], bool]:
    """Return a function that tells whether a pattern is found in some octets; upper and lower case are the same.

    Raises PatternError.
    """
    octets = pattern.encode("latin-1") if pattern.isascii() else pattern.encode("utf-8")
    try:
        tree = _parser.parse(octets, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(getattr(error, "msg", "too large"), getattr(error, "pos", None)) from None
    if not repeats(tree):
        search = re.compile(octets, re.IGNORECASE).search
        return lambda text: search(text) is not None
    return Automaton(tree).search


def repeats(tree: Any) -> bool:
    """Tell whether a pattern has anything but plain characters, sets, groups and alternatives."""
    plain = (code.LITERAL, code.NOT_LITERAL, code.ANY, code.IN, code.AT)
    for operation, argument in tree:
        if operation in plain:
            continue
        if operation is code.SUBPATTERN and not repeats(argument[3]):
            continue
        if operation is code.BRANCH and len(argument[1]) < 50 and not any(repeats(branch) for branch in argument[1]):
            continue
        return True
    return False


class Automaton:
    """A pattern as places and the octets that lead from one to the next.

    step:  for each place the octets it accepts (and then goes to the place after it), or None
    empty: for each place where one can go without an octet, with what must hold there (an AT code) or None
    """

    def __init__(self, tree: Any) -> None:
        self.step: list[frozenset[int] | None] = []
        self.empty: list[list[tuple[int, Any]]] = []
        self.start = self.place()
        self.end = self.build(tree, self.start)
        self._known: dict[tuple[frozenset[int], int], frozenset[int]] = {}

    def place(self) -> int:
        """Make a place."""
        if len(self.step) >= MOST_PLACES:
            raise PatternError("too large", None)
        self.step.append(None)
        self.empty.append([])
        return len(self.step) - 1

    def build(self, tree: Any, at: int) -> int:
        """Add a pattern behind a place; return the place at its end."""
        for operation, argument in tree:
            at = self.one(operation, argument, at)
        return at

    def accept(self, octets: frozenset[int], at: int) -> int:
        """Add one octet of a set; what accepts always goes on to the place made right after it."""
        here, there = self.place(), self.place()
        self.empty[at].append((here, None))
        self.step[here] = octets
        return there

    def one(self, operation: Any, argument: Any, at: int) -> int:
        """Add one part of a pattern."""
        if operation is code.LITERAL:
            return self.accept(either_case({argument}), at)
        if operation is code.NOT_LITERAL:
            return self.accept(EVERY - either_case({argument}), at)
        if operation is code.ANY:
            return self.accept(EVERY - {10}, at)
        if operation is code.IN:
            return self.accept(members(argument), at)
        if operation is code.BRANCH:
            end = self.place()
            for branch in argument[1]:
                begin = self.place()
                self.empty[at].append((begin, None))
                self.empty[self.build(branch, begin)].append((end, None))
            return end
        if operation is code.SUBPATTERN:
            return self.build(argument[3], at)
        if operation in (code.MAX_REPEAT, code.MIN_REPEAT):
            least, most, repeated = argument
            return self.repeat(least, most, repeated, at)
        if operation is code.AT:
            end = self.place()
            self.empty[at].append((end, argument))
            return end
        raise PatternError(str(operation).lower(), None)

    def repeat(self, least: int, most: int, tree: Any, at: int) -> int:
        """Add a repetition, written out; without an upper limit the last one leads back."""
        for _ in range(least):
            at = self.build(tree, at)
        if most == code.MAXREPEAT:
            begin, end = self.place(), self.place()
            self.empty[at].append((begin, None))
            self.empty[begin].append((end, None))
            self.empty[self.build(tree, begin)].append((begin, None))
            return end
        end = self.place()
        for _ in range(most - least):
            self.empty[at].append((end, None))
            at = self.build(tree, at)
        self.empty[at].append((end, None))
        return end

    def spread(self, places: Iterable[int], before: int, after: int) -> frozenset[int]:
        """Return all places reached without an octet; before, after: the octets around, -1 at an end of the text."""
        found = set(places)
        waiting = list(found)
        while waiting:
            for there, condition in self.empty[waiting.pop()]:
                if there not in found and (condition is None or holds(condition, before, after)):
                    found.add(there)
                    waiting.append(there)
        return frozenset(found)

    def search(self, text: bytes) -> bool:
        """Tell whether the pattern is found in a text."""
        known = self._known
        places: frozenset[int] = frozenset()
        before = -1
        ends_a_line = text.endswith(b"\n")
        for after in (*text[:-1], LAST_LINE_END) if ends_a_line else text:
            # three things decide what follows: the places, the octet before (for \b and ^) and this one
            key = (places, before << 9 | after)
            following = known.get(key)
            if following is None:
                here = self.spread({*places, self.start}, before, after)
                if self.end in here:
                    following = frozenset({-1})
                else:
                    following = frozenset(at + 1 for at in here if after & 0xFF in (self.step[at] or ()))
                if len(known) > MOST_REMEMBERED:
                    known.clear()
                known[key] = following
            if -1 in following:
                return True
            places, before = following, after & 0xFF
        return self.end in self.spread({*places, self.start}, before, -1)


def holds(condition: Any, before: int, after: int) -> bool:
    r"""Tell whether ``^``, ``$`` or ``\b`` holds between two octets."""
    if condition in (code.AT_BEGINNING, code.AT_BEGINNING_STRING):
        return before < 0
    if condition is code.AT_END_STRING:
        return after < 0
    if condition is code.AT_END:
        return after in (-1, LAST_LINE_END)
    boundary = (before in WORD) != (after in WORD)
    return boundary if condition is code.AT_BOUNDARY else not boundary


def either_case(octets: Iterable[int]) -> frozenset[int]:
    """Return octets, letters in both cases."""
    return frozenset(other for octet in octets for other in (octet, *bytes((octet,)).swapcase()))


CATEGORIES = {
    code.CATEGORY_DIGIT: DIGIT, code.CATEGORY_NOT_DIGIT: EVERY - DIGIT,
    code.CATEGORY_SPACE: SPACE, code.CATEGORY_NOT_SPACE: EVERY - SPACE,
    code.CATEGORY_WORD: WORD, code.CATEGORY_NOT_WORD: EVERY - WORD,
}  # fmt: skip


def members(items: list[tuple[Any, Any]]) -> frozenset[int]:
    """Return the octets of ``[...]``."""
    found: set[int] = set()
    negated = False
    for operation, argument in items:
        if operation is code.NEGATE:
            negated = True
        elif operation is code.LITERAL:
            found |= either_case({argument})
        elif operation is code.RANGE:
            found |= either_case(range(argument[0], argument[1] + 1))
        else:
            found |= CATEGORIES[argument]
    return EVERY - found if negated else frozenset(found)
