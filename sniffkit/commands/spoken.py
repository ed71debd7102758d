"""Commands whose ``--help`` is in the reader's language to the last heading; Typer's own words are English."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup

from sniffkit.commands.help import asked_language, say

HEADINGS = {
    "Usage: ": "heading.usage",
    "Arguments:": "heading.arguments",
    "Options:": "heading.options",
    "Commands:": "heading.commands",
    "Show this message and exit.": "help",
    "[default: ": "heading.default",
}
"""What Typer writes, and which help text stands for it."""

DESCRIPTIONS = 30
"""Cells of the widest left column; what is wider has its description below."""


LEAST, NARROW = 30, 50
"""Cells of the narrowest page, and of those whose left column is narrower, too."""


def spoken(text: str) -> str:
    """Return a help page with Typer's words in the reader's language."""
    if asked_language() == "en":
        return text
    for english, key in HEADINGS.items():
        text = text.replace(english, say(key))
    return text


def fit(formatter: Any) -> None:
    """Let a page fit the terminal: Typer makes none narrower than 50 and counts characters, not cells."""
    room = shutil.get_terminal_size().columns - 2
    if asked_language() != "en" or room < formatter.width:
        formatter.width = min(formatter.width, max(room, LEAST))
        count_cells(formatter)


def count_cells(formatter: Any) -> None:
    """Let a page be broken by terminal cells, of which a Chinese character takes two: Typer counts characters."""
    from sniffkit.renderers.screen import Screen, cells

    def lines(text: str, room: int) -> list[str]:
        return Screen(sys.stdout, width=room).wrapped(text)

    def write_text(text: str) -> None:
        indent = " " * formatter.current_indent
        paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
        broken = [
            "\n".join(indent + line for line in lines(each, formatter.width - len(indent))) for each in paragraphs
        ]
        formatter.write("\n\n".join(broken) + "\n")

    def write_dl(rows: Sequence[tuple[str, str]], col_max: int = DESCRIPTIONS, col_spacing: int = 2) -> None:
        widest = col_max if formatter.width >= NARROW else formatter.width // 3
        left = min(max(cells(name) for name, _ in rows), widest) + col_spacing
        margin = " " * (formatter.current_indent + left)
        for name, description in rows:
            begin = " " * formatter.current_indent + name
            begin = begin.ljust(len(margin)) if cells(name) <= left - col_spacing else f"{begin}\n{margin}"
            broken = lines(spoken(description), formatter.width - len(margin))
            formatter.write((begin + f"\n{margin}".join(broken)).rstrip() + "\n")

    formatter.write_text, formatter.write_dl = write_text, write_dl


class SpokenCommand(TyperCommand):
    """A command with such a page.

    examples: what may be typed, and the help text that says what it does
    """

    examples: Sequence[tuple[str, str]] = ()

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write what the command does, then the examples."""
        super().format_help_text(ctx, formatter)
        if self.examples:
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_dl([(typed, say(key)) for typed, key in self.examples])

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page."""
        fit(formatter)
        super().format_help(ctx, formatter)

    def get_help(self, ctx: Any) -> str:
        """Return the help page."""
        return spoken(super().get_help(ctx))


class SpokenGroup(TyperGroup):
    """The program itself with such a page."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page."""
        fit(formatter)
        super().format_help(ctx, formatter)

    def get_help(self, ctx: Any) -> str:
        """Return the help page."""
        for parameter in self.params:
            if parameter.name in ("install_completion", "show_completion"):  # Typer's own options
                parameter.help = say(parameter.name.replace("_", "-"))  # type: ignore[attr-defined]
        return spoken(super().get_help(ctx))
