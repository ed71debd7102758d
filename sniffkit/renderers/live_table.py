"""The connections as a table that stays in place and is drawn anew while packets come in (``live --table``)."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sniffkit.explanations.connection_table import LEFT_OUT
from sniffkit.renderers.screen import cells, cut, fitted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from rich.live import Live
    from rich.text import Text

    from sniffkit.explanations.connection_table import ConnectionTable, Forms
    from sniffkit.renderers.screen import Screen

STYLES = {"open": "green", "opening": "yellow", "closing": "magenta", "time-wait": "bright_black", "closed": "dim"}
"""Colour by stage; the stage stands above its rows as a word, too."""

GAP = 2
"""Cells between two columns."""

_TOGETHER, _DONE = "\x1b[?2026h", "\x1b[?2026l"
"""What comes between is shown at once, without flicker, by terminals that know this; the others pass it over."""

FRAME_LINES = 3
"""Lines that are no connection: headings, the status, one to spare."""


class LiveTable:
    """Use it in ``with``; ``draw`` replaces what is on the screen."""

    def __init__(self, screen: Screen) -> None:
        from rich.console import Console

        self._screen = screen
        # It asks the terminal for its size each time, so that a window may be made larger while packets come.
        self._console = Console(file=screen.stream, no_color=not screen.colour, highlight=False, markup=False)
        self._size = self._console.size
        self._live = self._new_live()
        self._lines: list[tuple[str, str]] = []

    @property
    def room(self) -> int:
        """How many lines fit on the screen: connections, and a heading for each stage."""
        return max(self._console.size.height - FRAME_LINES, 2)

    def draw(self, table: ConnectionTable, status: Sequence[Forms]) -> None:
        """Draw the table, with the status line below."""
        from rich.console import Group

        size = self._console.size
        if size != self._size:  # the terminal has moved the old lines about
            self._live.stop()
            self._console.clear()
            self._live, self._size = self._new_live(), size
            self._live.start()
            self._lines = []
        lines = drawn(table, size.width, self._screen.show)
        lines.append((fitted(status, size.width, self._screen.show), "bright_black"))
        if lines == self._lines:
            return
        self._lines = lines
        self._screen.stream.write(_TOGETHER)
        self._live.update(Group(*(self._text(line, style) for line, style in lines)), refresh=True)
        self._screen.stream.write(_DONE)
        self._screen.stream.flush()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Leave the terminal to others; afterwards the table goes on below what they wrote."""
        self._live.stop()
        yield
        self._live, self._lines = self._new_live(), []
        self._live.start()

    def _new_live(self) -> Live:
        from rich.live import Live

        return Live(console=self._console, auto_refresh=False, screen=False, vertical_overflow="crop")

    def _text(self, line: str, style: str) -> Text:
        from rich.text import Text

        return Text(line, style=style if self._screen.colour else "", no_wrap=True, overflow="crop")

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)


def drawn(table: ConnectionTable, width: int, show: Callable[[str], str] = str) -> list[tuple[str, str]]:
    """Return the lines of a table, and the Rich style of each, on a screen of ``width`` cells.

    show: writes a text with the signs that the screen has (Screen.show)
    """
    groups = tuple(replace(each, rows=_shown(each.rows, show)) for each in table.groups)
    (headings,) = _shown((table.headings,), show)
    table = replace(table, headings=headings, groups=groups)
    columns = _columns(table, width)
    lines = [(_line(table, table.headings, columns), "bold")]
    for group in table.groups:
        lines.append((cut(show(group.heading), width), f"bold {STYLES[group.stage]}"))
        lines += [(_line(table, row, columns), STYLES[group.stage]) for row in group.rows]
    return lines


def _shown(rows: Iterable[Iterable[Forms]], show: Callable[[str], str]) -> tuple[tuple[Forms, ...], ...]:
    return tuple(tuple(tuple(map(show, forms)) for forms in row) for row in rows)


def _line(table: ConnectionTable, row: Sequence[Forms], columns: dict[int, _Column]) -> str:
    parts = []
    for place, column in columns.items():
        forms = row[place][0 if place in table.stretched else min(column.form, len(row[place]) - 1) :]
        text = next((form for form in forms if cells(form) <= column.width), forms[-1])
        space = " " * (column.width - cells(text))
        parts.append(space + text if place in table.right else text + space)
    return (" " * GAP).join(parts).rstrip()


@dataclass(slots=True)
class _Column:
    """How wide a column is, and in which of their forms its cells are."""

    width: int
    form: int = 0


def _columns(table: ConnectionTable, width: int) -> dict[int, _Column]:
    """Return the columns that are drawn, narrowed step by step until they fit."""
    columns = {place: _Column(_width(table, place, 0)) for place in range(len(table.headings))}
    for place, form in table.narrowing:
        if _taken(columns) <= width:
            break
        if form == LEFT_OUT:
            del columns[place]
        else:
            columns[place] = _Column(_width(table, place, form), form)
    for place in table.stretched & columns.keys():
        left = max(width - _taken(columns), 0)
        columns[place].width = min(columns[place].width + left, _width(table, place, 0))
    return columns


def _width(table: ConnectionTable, place: int, form: int) -> int:
    found = [table.headings[place], *(row[place] for group in table.groups for row in group.rows)]
    found += table.least.get(place, ())
    return max(cells(forms[min(form, len(forms) - 1)]) for forms in found)


def _taken(columns: dict[int, _Column]) -> int:
    return sum(column.width for column in columns.values()) + GAP * (len(columns) - 1)
