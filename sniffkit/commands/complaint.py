"""How an error is told: one line on standard error, and one with what to try."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sniffkit.commands.help import asked_language
from sniffkit.explanations.catalogue import Catalogue
from sniffkit.explanations.plain import escaped
from sniffkit.renderers.screen import Screen

if TYPE_CHECKING:
    from sniffkit.errors import SniffkitError


def complain(error: SniffkitError, arguments: list[str] | None = None) -> None:
    """Write what is wrong and what to try to standard error."""
    catalogue = Catalogue(asked_language(arguments if arguments is not None else sys.argv[1:]))
    values = {name: escaped(value) if isinstance(value, str) else value for name, value in error.values.items()}
    message = catalogue.text(error.id, "message", **values)
    hint = catalogue.find(error.id, "hint")
    screen = Screen.of(sys.stderr)
    screen.write(f"sniffkit: {message}\n")
    if hint:
        screen.write(f"          {catalogue.text(error.id, 'hint', **values)}\n")
