"""Commands whose ``--help`` is in the reader's language to the last heading; Typer's own words are English."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

from sniffkit.commands.help import asked_language, say

HEADINGS = {
    "Usage: ": "heading.usage",
    "Arguments:": "heading.arguments",
    "Options:": "heading.options",
    "Commands:": "heading.commands",
    "Show this message and exit.": "help",
}
"""What Typer writes, and which help text stands for it."""


def spoken(text: str) -> str:
    """Return a help page with Typer's words in the reader's language."""
    if asked_language() == "en":
        return text
    for english, key in HEADINGS.items():
        text = text.replace(english, say(key))
    return text


class SpokenCommand(TyperCommand):
    """A command with such a page."""

    def get_help(self, ctx: Any) -> str:
        """Return the help page."""
        return spoken(super().get_help(ctx))


class SpokenGroup(TyperGroup):
    """The program itself with such a page."""

    def get_help(self, ctx: Any) -> str:
        """Return the help page."""
        for parameter in self.params:
            if parameter.name in ("install_completion", "show_completion"):  # Typer's own options
                parameter.help = say(parameter.name.replace("_", "-"))  # type: ignore[attr-defined]
        return spoken(super().get_help(ctx))
