"""The world the text goes to: is it a terminal, how wide, with colour, and which signs can it show."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TextIO

STYLES = {
    "number": "bright_black",
    "time": "bright_black",
    "source": "cyan",
    "destination": "cyan",
    "protocol": "bold blue",
    "step": "bold green",
    "state": "yellow",
    "lesson": "",
    "note": "bright_black",
    "warning": "bold red",
    "fold": "bright_black italic",
    "heading": "bold",
    "dim": "bright_black",
    "field-0": "cyan",
    "field-1": "yellow",
    "field-2": "green",
    "field-3": "magenta",
    "field-4": "bright_blue",
}
"""Rich styles by what a text is; colour never speaks alone, every line says the same without it."""

FIELD_COLOURS = 5
"""Neighbouring fields take these in turn: ``field-0`` to ``field-4``; their marks say the same."""

GAP = "  "
"""Stands between the parts of a line."""

_NO_BREAK = "\u00a0"
_NO_START = "，。；：！？、）》”’,.;:!?) " + _NO_BREAK
_NO_END = "（《“‘("
_EAST_ASIAN = re.compile(r"[\u2e80-\U0010ffff]")
_AFTER_BLANKS = re.compile(rf"(?<= )(?=[^{re.escape(_NO_START)}])")
_TOGETHER = re.compile(
    r"(?<=\d) (?=(?:ns|µs|ms|s|min|h|MB|KB|[+×=−])(?![A-Za-z]))|(?<=[+×=−]) (?=\d)|(?<=[Ff]igure) (?=\d)|(?<=图) (?=\d)"
)
"""Blanks inside a sum, or between a number and what it counts in."""

_WIDE = re.compile(r"[^ -~·×µ→↔│┃├└─╌⋯…–—“”‘’]")
"""A sign that may take more or less than one cell."""

_SPELLED = {
    "→": "->", "↔": "<->", "│": "|", "┃": "|", "─": "-", "·": "-", "–": "-", "—": "-", "…": "...", "⋯": "...",
    "×": "x", "µ": "u", "“": '"', "”": '"', "‘": "'", "’": "'",
    "├": "|", "└": "`", "╌": ".",
}  # fmt: skip
ASCII = str.maketrans(_SPELLED)
"""How signs are spelled where the encoding has none."""


@dataclass(frozen=True, slots=True)
class Screen:
    """Where text goes.

    width:  cells in a line, or None where lines are not wrapped (a pipe, a file)
    colour: whether styles are written as escape sequences
    signs:  whether the encoding has arrows and lines; otherwise they are spelled in ASCII
    """

    stream: TextIO
    width: int | None = None
    colour: bool = False
    signs: bool = True

    @classmethod
    def of(cls, stream: TextIO, colour: str = "auto", environment: Mapping[str, str] = os.environ) -> Screen:
        """Return what ``stream`` can show. colour: auto, always or never."""
        terminal = stream.isatty()
        dumb = environment.get("TERM") == "dumb"
        forced = bool(environment.get("FORCE_COLOR") or environment.get("CLICOLOR_FORCE", "0") not in ("", "0"))
        allowed = not environment.get("NO_COLOR") and not dumb and (terminal or forced)
        width = _width(stream, environment)
        return cls(stream, width, colour == "always" or (colour == "auto" and allowed), _has_signs(stream) and not dumb)

    def resized(self) -> Screen:
        """Return the screen as wide as its terminal is now."""
        width = _width(self.stream, os.environ)
        return self if width == self.width else replace(self, width=width)

    def paint(self, text: str, style: str) -> str:
        """Return ``text`` in one of STYLES."""
        if not self.colour or not STYLES[style]:
            return text
        begin, end = _escape_codes(STYLES[style])
        return f"{begin}{text}{end}"

    def wrapped(self, text: str, first: str = "", later: str = "", room: int | None = None) -> list[str]:
        """Break a text into lines of the screen's width, or of ``room`` cells where that is less.

        first, later: what the first and the other lines begin with. Chinese breaks between any two characters.
        """
        if self.width is None:
            return [first + text]
        text, first, later = self.show(text), self.show(first), self.show(later)  # "->" is wider than the arrow
        room = self.width if room is None else min(room, self.width)
        if cells(first) + cells(text) <= room:
            return [(first + text.replace(_NO_BREAK, " ")).rstrip()]
        lines, line = [], first
        used, empty = cells(first), True
        for word in _words(_kept_together(text), max(room - cells(later), 8)):
            piece = word.replace(_NO_BREAK, " ")
            if used + cells(word.rstrip()) > room and not empty:
                lines.append(line.rstrip())
                line, used = later, cells(later)
                piece = piece.lstrip()
            line += piece
            used += cells(piece)
            empty = False
        return [*lines, line.rstrip()]

    def show(self, text: str) -> str:
        """Return ``text`` with signs the stream has; what its encoding cannot show becomes an escape."""
        shown = text if self.signs else text.translate(ASCII)
        encoding = self.stream.encoding or "utf-8"
        if shown.isascii() or encoding.lower().startswith("utf"):
            return shown
        return shown.encode(encoding, "backslashreplace").decode(encoding)

    def write(self, text: str) -> None:
        """Write ``text``; what the encoding cannot show is written as an escape, never an error."""
        text = self.show(text)
        try:
            self.stream.write(text)
        except UnicodeEncodeError:
            encoding = self.stream.encoding or "ascii"
            self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding))

    def note(self, text: str, style: str = "dim") -> None:
        """Write a text in lines of the screen's width."""
        self.write("".join(self.paint(line, style) + "\n" for line in self.wrapped(text)))


def _width(stream: TextIO, environment: Mapping[str, str]) -> int | None:
    if environment.get("COLUMNS", "").isdigit() and int(environment["COLUMNS"]) > 0:
        return max(int(environment["COLUMNS"]), 40)
    try:
        return max(os.get_terminal_size(stream.fileno()).columns, 40) if stream.isatty() else None
    except (OSError, ValueError):  # a terminal that is gone, a stream that is closed
        return None


def _has_signs(stream: TextIO) -> bool:
    try:
        "→│┃├└╌·⋯µ×–".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


_codes: dict[str, tuple[str, str]] = {}


def _escape_codes(style: str) -> tuple[str, str]:
    if style not in _codes:
        from rich.color import ColorSystem
        from rich.style import Style

        before, _, after = Style.parse(style).render("\0", color_system=ColorSystem.STANDARD).partition("\0")
        _codes[style] = (before, after)
    return _codes[style]


def cells(text: str) -> int:
    """Return how many terminal cells ``text`` takes: a Chinese character takes two."""
    if text.isascii() or not _WIDE.search(text):
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def cut(text: str, room: int) -> str:
    """Return as much of ``text`` as has room in so many cells."""
    if cells(text) <= room:
        return text
    from rich.cells import set_cell_size

    return set_cell_size(text, room)


def fitted(parts: Sequence[tuple[str, ...]], room: int, show: Callable[[str], str] = str) -> str:
    """Return parts, each given in forms from long to short, as one line that has room in so many cells.

    Where the shortest forms are too long as well, the last parts are left out. show: see Screen.show
    """
    for form in range(max(map(len, parts), default=0)):
        line = show(GAP.join(forms[min(form, len(forms) - 1)] for forms in parts))
        if cells(line) <= room:
            return line
    shortest = [forms[-1] for forms in parts]
    while len(shortest) > 1 and cells(show(GAP.join(shortest))) > room:
        shortest.pop()
    return cut(show(GAP.join(shortest)), room)


def _kept_together(text: str) -> str:
    """Return the text with another sign for blanks at which nobody breaks a line: ``20.5 ms``, ``1 + 1 = 2``."""
    return _TOGETHER.sub(_NO_BREAK, text)


def _words(text: str, longest: int) -> Iterator[str]:
    """Cut a text where a line may break: after spaces and between Chinese characters, never before a closing sign.

    longest: cells of the longest piece; a word without a place to break is cut there
    """
    if not _EAST_ASIAN.search(text):
        for piece in _AFTER_BLANKS.split(text):
            yield from (piece[place : place + longest] for place in range(0, len(piece), longest))
        return
    word, size = "", 0
    for character in text:
        wide = ord(character) >= 0x2E80
        may_break = bool(word) and (wide or ord(word[-1]) >= 0x2E80 or word[-1] == " ")
        if (may_break and character not in _NO_START and word[-1] not in _NO_END) or size >= longest:
            yield word
            word, size = "", 0
        word += character
        size += 1 + wide
    if word:
        yield word


def stdout() -> TextIO:
    """Return standard output as it is now (tests replace it)."""
    return sys.stdout
