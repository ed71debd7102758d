"""How a TCP conversation opened and closed, in two words each: what tables of conversations have in their cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sniffkit.explanations.catalogue import Catalogue


def opened_words(opened: str, completed: bool, catalogue: Catalogue) -> str:
    """Return how a conversation opened; completed: the handshake came to its end."""
    begun = opened == "handshake" and not completed
    return catalogue.text("summary.opened.incomplete" if begun else f"summary.opened.{opened}")


def closed_words(opened: str, closed: str, closed_by: str | None, catalogue: Catalogue) -> str:
    """Return how a conversation closed, and who closed it."""
    say = catalogue.text
    if closed == "fin" and closed_by is not None:
        return say("summary.closed.at-once" if closed_by == "both" else "summary.closed.first", end=closed_by)
    never = opened == "unanswered" and closed == "open"
    words = say("summary.closed.never" if never else f"summary.closed.{closed}")
    return say("summary.by", how=words, end=closed_by) if closed_by in ("client", "server") else words
