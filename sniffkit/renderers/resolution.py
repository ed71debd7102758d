"""A resolution drawn as lines of text: the story paragraph by paragraph, then the tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.renderers.screen import Screen, cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sniffkit.explanations.resolution_story import Branch, Paragraph

_SIGNS = {"lesson": "· ", "note": "  ", "warning": "! "}
_LEAST_ASIDE = 2
DEEPEST = 4
"""Walks within walks are moved to the right so many times; deeper ones stand below each other."""

_ASCII = str.maketrans("├└─│", "|`-|")


class ResolutionText:
    """Draws on a screen."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def tell(self, paragraphs: Iterable[Paragraph]) -> None:
        """Draw paragraphs in order, and show them at once: the next may take seconds to come."""
        for paragraph in paragraphs:
            self._screen.write("\n".join(self._lines(paragraph)) + "\n")
        self._screen.stream.flush()

    def tree(self, heading: str, branches: Sequence[Branch]) -> None:
        """Draw the tree."""
        lines = ["", self._screen.paint(heading, "heading")]
        for branch in branches:
            lines += self._branch(branch, "", "")
        self._screen.write("\n".join(lines) + "\n")

    def _lines(self, paragraph: Paragraph) -> list[str]:
        screen, margin = self._screen, "    " * min(paragraph.depth, DEEPEST)
        text = paragraph.text
        if paragraph.style in _SIGNS:
            first = f"{margin}  {_SIGNS[paragraph.style]}"
            return [screen.paint(line, paragraph.style) for line in screen.wrapped(text, first, f"{margin}    ")]
        lines = screen.wrapped(text, margin, margin + "  ")
        if paragraph.aside:
            lines = self._with_aside(lines, paragraph.aside)
        painted = [screen.paint(line, paragraph.style) for line in lines]
        return painted if paragraph.style == "source" else ["", *painted]

    def _with_aside(self, lines: list[str], aside: str) -> list[str]:
        """Put a word at the right end, on a line of its own where there is no room."""
        width = self._screen.width
        if width is None:
            return [*lines[:-1], f"{lines[-1]}  {aside}"]
        left = width - cells(lines[-1]) - cells(aside)
        if left >= _LEAST_ASIDE:
            return [*lines[:-1], lines[-1] + " " * left + aside]
        return [*lines, " " * max(width - cells(aside), 0) + aside]

    def _branch(self, branch: Branch, mark: str, margin: str) -> list[str]:
        later = margin + ("│  " if branch.below else "   ")
        lines = self._screen.wrapped(branch.text, mark, later)
        if not self._screen.signs:
            lines = [line.translate(_ASCII) for line in lines]
        for place, each in enumerate(branch.below):
            turn, beside = ("└─ ", "   ") if place == len(branch.below) - 1 else ("├─ ", "│  ")
            lines += self._branch(each, margin + turn, margin + beside)
        return lines
