"""The line at the bottom of the terminal that is drawn again and again while a capture runs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from sniffkit.renderers.screen import Screen, fitted

if TYPE_CHECKING:
    from collections.abc import Sequence

_ERASE = "\r\x1b[J"
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


class StatusLine:
    """Stands on standard error below what standard output shows; ``clear`` it before writing there.

    shown: whether there is a terminal to draw it on; without one nothing is ever written
    """

    def __init__(self, color: str = "auto") -> None:
        self._screen = Screen.of(sys.stderr, color)
        # Behind a pipe (| less, | grep) somebody else writes on the terminal, at places we don't know.
        piped = not sys.stdout.isatty() and _is_pipe(sys.stdout)
        self.shown = sys.stderr.isatty() and not piped and os.environ.get("TERM") != "dumb"
        self._drawn = False
        self._text = ""

    def draw(self, parts: Sequence[tuple[str, ...]]) -> None:
        """Draw the parts, each in the longest of its forms that has room beside the others."""
        if not self.shown:
            return
        text = fitted(parts, self._width() - 1, self._screen.show)
        if self._drawn and text == self._text:
            return
        self._text = text
        sys.stdout.flush()
        # The cursor waits at the line's begin, hidden: a window made narrower breaks the line in two, and from there
        # on all of it is erased.
        self._screen.write(f"{_HIDE_CURSOR}{_ERASE}{self._screen.paint(text, 'dim')}\r")
        sys.stderr.flush()
        self._drawn = True

    def spoiled(self) -> None:
        """Take note that the terminal wrote ``^C`` where the line stands: it goes with the line."""
        self._drawn, self._text = self.shown, ""

    def clear(self) -> None:
        """Take the line away."""
        if self._drawn:
            sys.stderr.write(_ERASE + _SHOW_CURSOR)
            sys.stderr.flush()
            self._drawn = False

    def _width(self) -> int:
        try:
            return os.get_terminal_size(sys.stderr.fileno()).columns
        except OSError:
            return self._screen.width or 80


def _is_pipe(stream: object) -> bool:
    import stat

    try:
        return stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)  # type: ignore[attr-defined]
    except (OSError, ValueError, AttributeError):
        return False
