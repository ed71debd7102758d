"""The octets of a packet in hexadecimal, sixteen a row, and under each row the marks of the fields they belong to."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from sniffkit.renderers.screen import FIELD_COLOURS, Screen

if TYPE_CHECKING:
    from sniffkit.explanations.packet_view import FieldView, PacketView

ROW = 16

SHOWN_PAYLOAD = 256
"""Octets behind the last field that are shown before the rest is only counted."""

_MARGIN = 8
"""Cells before a row's first octet: the offset and some space."""


class HexDump:
    """Draws the octets of packets.

    whole: show all of a long payload
    ascii: show the characters beside the octets
    """

    def __init__(self, screen: Screen, *, whole: bool = False, ascii: bool = True) -> None:
        self.screen = screen
        self._whole = whole
        self._ascii = ascii

    def draw(self, view: PacketView) -> None:
        """Draw a packet's octets with the marks of its fields."""
        fields = marked_fields(view)
        colours = view.colours(FIELD_COLOURS)
        styles = ["dim"] * len(view.octets)
        for field in reversed(fields):
            first, last = touched(field)
            styles[first : last + 1] = [f"field-{colours[field.mark]}"] * (min(last + 1, len(styles)) - first)
        headers = max((touched(field)[1] + 1 for field in fields), default=0)
        end = len(view.octets) if self._whole else min(len(view.octets), headers + SHOWN_PAYLOAD)
        lines = [""]
        for start in range(0, end, ROW):
            lines.append(self._octets(view.octets[start : min(start + ROW, end)], start, styles))
            lines += self._marks([field for field in fields if in_row(field, start)], start, colours)
        for rest in (view.more.format(count=len(view.octets) - end) if end < len(view.octets) else "", view.missing):
            if rest:
                lines.append(" " * _MARGIN + self.screen.paint(f"⋯ {rest}", "dim"))
        self.screen.write("\n".join(lines) + "\n")

    def plain(self, octets: bytes) -> None:
        """Draw octets without marks (tcpdump's -x and -X)."""
        styles = ["dim"] * len(octets)
        for start in range(0, len(octets), ROW):
            self.screen.write(self._octets(octets[start : start + ROW], start, styles) + "\n")

    def _octets(self, octets: bytes, start: int, styles: list[str]) -> str:
        row = [(f"{octet:02x}", styles[start + place]) for place, octet in enumerate(octets)]
        line = self.screen.paint(f"  {start:04x}  ", "dim") + self._painted(
            [(" " * (column(place) - (column(place - 1) + 2 if place else 0)) + text, style)
             for place, (text, style) in enumerate(row)]
        )  # fmt: skip
        if not self._ascii:
            return line
        letters = [(chr(octet) if 32 <= octet < 127 else ".", styles[start + at]) for at, octet in enumerate(octets)]
        return line + " " * (column(ROW) - column(len(octets) - 1) - 1) + self._painted(letters)

    def _painted(self, parts: list[tuple[str, str]]) -> str:
        """Join parts; neighbours of one style are painted together."""
        return "".join(
            self.screen.paint("".join(text for text, _ in run), style)
            for style, run in groupby(parts, key=lambda part: part[1])
        )

    def _marks(self, fields: list[FieldView], start: int, colours: dict[str, int]) -> list[str]:
        """Draw what stands under a row, ``a──── b─ cd``; a third field in one octet stands in a line of its own."""
        lines: list[list[tuple[str, str]]] = []
        for field in fields:
            first, last = columns_of(field, start)
            line = next((line for line in lines if all(cell[0] == " " for cell in line[first : last + 1])), None)
            if line is None:
                line = [(" ", "dim")] * column(ROW)
                lines.append(line)
            style = f"field-{colours[field.mark]}"
            line[first : last + 1] = [(field.mark, style)] + [("─", style)] * (last - first)
        ends = [max(at for at, cell in enumerate(line) if cell[0] != " ") + 1 for line in lines]
        return [" " * _MARGIN + self._painted(line[:end]) for line, end in zip(lines, ends, strict=True)]


def marked_fields(view: PacketView) -> list[FieldView]:
    """Return the fields that have octets and a mark of their own, in wire order, as far as they were captured."""
    fields = [
        field
        for layer in view.layers
        for field in layer.fields
        if field.mark and field.width and not field.shares_mark and field.start < 8 * len(view.octets)
    ]
    return sorted(fields, key=lambda field: field.start)


def touched(field: FieldView) -> tuple[int, int]:
    """Return the first and the last octet a field touches."""
    return field.start // 8, (field.start + field.width - 1) // 8


def in_row(field: FieldView, start: int) -> bool:
    """Tell whether a field touches an octet of the row that begins at ``start``."""
    first, last = touched(field)
    return first < start + ROW and last >= start


def column(place: int) -> int:
    """Return the cell where the octet at ``place`` of a row begins; there is a gap in the middle."""
    return 3 * place + (place >= ROW // 2)


def columns_of(field: FieldView, start: int) -> tuple[int, int]:
    """Return the first and last cell of a field's mark under the row that begins at ``start``.

    A field that begins or ends within an octet leaves one of the octet's two cells to its neighbour.
    """
    first, last = touched(field)
    begin, end = column(max(first - start, 0)), column(min(last - start, ROW - 1)) + 1
    if first >= start and field.start % 8:
        begin += 1
    if last < start + ROW and (field.start + field.width) % 8:
        end -= 1
    return begin, max(begin, end)
