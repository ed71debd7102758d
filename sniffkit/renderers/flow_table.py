"""Conversations drawn as a table: as many columns as the screen has room for, the verdict below each line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from sniffkit.renderers.screen import cells

if TYPE_CHECKING:
    from sniffkit.explanations.flow_lines import FlowLine
    from sniffkit.renderers.screen import Screen

_GAP = "  "
_MARGIN = "    "


class FlowTable:
    """Draws lines of conversations."""

    def __init__(self, screen: Screen, headings: Sequence[str], right: Sequence[bool]) -> None:
        self._screen, self._headings, self._right = screen, headings, right

    def draw(self, lines: Callable[[], Iterable[FlowLine]]) -> None:
        """Draw all lines under one heading; they are asked for twice, first for their widths, so that none is kept."""
        widths = [0] * len(self._headings)
        for line in lines():
            widths = [max(width, cells(cell)) for width, cell in zip(widths, line.cells, strict=True)]
        # A column in which nothing stands is left out.
        widths = [max(width, cells(name)) if width else 0 for width, name in zip(widths, self._headings, strict=True)]
        shown = self._fitting(widths)
        paint, write = self._screen.paint, self._screen.write
        write(paint(self._row(self._headings, widths, shown), "heading") + "\n")
        for line in lines():
            write(self._row(line.cells, widths, shown) + "\n")
            for text in self._screen.wrapped(line.verdict, _MARGIN, _MARGIN):
                write(paint(text, "note") + "\n")
            for detail in line.details:
                for text in self._screen.wrapped(detail, _MARGIN, _MARGIN + "  "):
                    write(text + "\n")

    def _fitting(self, widths: list[int]) -> list[int]:
        """Return the columns to show: the first two always, then those with something in them, as many as fit."""
        room = self._screen.width
        places = [place for place in range(len(widths)) if place < 2 or widths[place]]
        if room is None:
            return places
        shown, used = places[:2], widths[0] + len(_GAP) + widths[1]
        for place in places[2:]:
            used += len(_GAP) + widths[place]
            if used > room:
                break
            shown.append(place)
        return shown

    def _row(self, row: Sequence[str], widths: list[int], shown: list[int]) -> str:
        parts = []
        for place in shown:
            space = " " * (widths[place] - cells(row[place]))
            parts.append(space + row[place] if self._right[place] else row[place] + space)
        return _GAP.join(parts).rstrip()
