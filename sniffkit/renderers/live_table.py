"""The connections as a table that stays in place and is drawn anew while packets come in (``live --table``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sniffkit.renderers.screen import cells

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from rich.table import Table as RichTable

    from sniffkit.explanations.lesson import Table
    from sniffkit.renderers.screen import Screen

STYLES = {"open": "green", "opening": "yellow", "closing": "magenta", "time-wait": "bright_black", "closed": "dim"}
"""Colour by stage; the stage stands in the row as a word, too."""

GAP = 3
"""Cells between two columns."""

FRAME_LINES = 4
"""Lines that are no connection: headings, the line under them, the status, one to spare."""


class LiveTable:
    """Use it in ``with``; ``draw`` replaces what is on the screen."""

    def __init__(self, screen: Screen) -> None:
        from rich.console import Console
        from rich.live import Live

        self._screen = screen
        self._console = Console(
            file=screen.stream, no_color=not screen.colour, width=screen.width, highlight=False, markup=False
        )
        self._live = Live(console=self._console, auto_refresh=False, screen=False, vertical_overflow="crop")

    @property
    def room(self) -> int:
        """How many connections fit on the screen."""
        return max(self._console.size.height - FRAME_LINES, 1)

    @property
    def width(self) -> int:
        """Cells in a line."""
        return self._console.size.width

    def draw(self, table: Table, stages: Sequence[str], given_up: Sequence[int], status: Sequence[str]) -> None:
        """Draw rows of the given stages, with the status line below; ``given_up``: columns to do without if need be."""
        from rich.console import Group
        from rich.text import Text

        below = Text(self._screen.show("  ".join(status)), style="bright_black", no_wrap=True, overflow="ellipsis")
        self._live.update(Group(self._drawn(table, stages, given_up), below), refresh=True)

    def _drawn(self, table: Table, stages: Sequence[str], given_up: Sequence[int]) -> RichTable:
        from rich import box
        from rich.table import Table as RichTable
        from rich.text import Text

        drawn = RichTable(
            box=box.SIMPLE_HEAD if self._screen.signs else box.ASCII2,
            pad_edge=False,
            padding=(0, 1),
            show_edge=False,
        )
        columns = self._fitting(table, given_up)
        for place in columns:
            heading = table.headings[place]
            justify: Literal["left", "right"] = "right" if place in table.right else "left"
            drawn.add_column(Text(self._screen.show(heading)), justify=justify, no_wrap=True, overflow="ellipsis")
        for row, stage in zip(table.rows, stages, strict=True):
            drawn.add_row(*(Text(self._screen.show(row[place])) for place in columns), style=STYLES[stage])
        return drawn

    def _fitting(self, table: Table, given_up: Sequence[int]) -> list[int]:
        """Return the columns that fit on a line of the screen."""
        rows = (table.headings, *table.rows)
        widths = [max(cells(row[place]) for row in rows) for place in range(len(table.headings))]
        columns = list(range(len(widths)))
        for place in given_up:
            if sum(widths[each] + GAP for each in columns) <= self._console.size.width:
                break
            columns.remove(place)
        return columns

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)
