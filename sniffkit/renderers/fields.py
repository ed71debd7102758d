"""A packet field by field: each layer under its heading, each field with its octets, its value and its reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.renderers.screen import FIELD_COLOURS, Screen, cells

if TYPE_CHECKING:
    from sniffkit.explanations.lesson import Note
    from sniffkit.explanations.packet_view import FieldView, LayerView, PacketView

WIDEST = 100
"""Cells after which text is broken even on a wider screen: longer lines are hard to follow with the eye."""

_MARGIN = "      "
_STEP = "  "


class FieldList:
    """Draws the fields of packets."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self._room = min(screen.width or WIDEST, WIDEST)

    def draw(self, view: PacketView) -> None:
        """Draw every layer of a packet."""
        colours = view.colours(FIELD_COLOURS)
        for layer in view.layers:
            self.screen.write("\n".join(["", *self._layer(layer, colours)]) + "\n")

    def _layer(self, layer: LayerView, colours: dict[str, int]) -> list[str]:
        found = [self._heading(layer)]
        if layer.what:
            found += self._text(layer.what, _MARGIN, "")
        octets = max((len(_octets(field)) for field in layer.fields), default=0)
        for field in layer.fields:
            found += self._field(field, colours, octets)
        for note in layer.notes:
            found += self._note(note)
        return found

    def _heading(self, layer: LayerView) -> str:
        parts = [part for part in (layer.protocol, layer.place, layer.rfc.partition(";")[0]) if part]
        while cells(line := " · ".join([f"── {layer.name}", *parts]) + " ") > self._room - 2 and parts:
            parts.pop()
        return self.screen.paint(line + "─" * (self._room - cells(line)), "heading")

    def _field(self, field: FieldView, colours: dict[str, int], octets: int) -> list[str]:
        style = f"field-{colours[field.mark]}" if field.mark else "dim"
        indent = _STEP * field.depth
        margin = _MARGIN + indent
        bits = f"{field.bits}  " if field.bits else ""
        found = self._flowing(
            [
                (f" {' ' if field.shares_mark else field.mark or ' '}  ", style),
                (f"{_octets(field):<{octets}}  {indent}", "dim"),
                (bits, style),
                (field.name if field.name != field.id else "", "heading"),
                (f"  {field.id}" if field.name != field.id else field.id, "dim"),
                (f" = {field.value}" if field.value else "", style),
                *((f" · {more}", "") for more in (field.meaning, field.aside) if more),
            ],
            margin + _STEP,
        )
        if field.what:
            found += self._text(field.what, margin, "dim")
        if field.why:
            found += self._text(field.why, margin, "", "→ ")
        return found

    def _flowing(self, parts: list[tuple[str, str]], margin: str) -> list[str]:
        """Set parts of a line one after the other, going on in the next line before a part that does not fit."""
        lines, used = [""], 0
        for text, style in parts:
            if self.screen.width is not None and used + cells(text) > self._room:
                pieces = self.screen.wrapped(text.strip(), "", margin, self._room - cells(margin))
                lines += [margin + self.screen.paint(piece.strip(), style or "lesson") for piece in pieces]
                used = cells(margin) + cells(pieces[-1].strip())
                continue
            lines[-1] += self.screen.paint(text, style or "lesson")
            used += cells(text)
        return lines

    def _note(self, note: Note) -> list[str]:
        return self._text(note.text, _MARGIN, note.level, "! " if note.level == "warning" else "· ")

    def _text(self, text: str, margin: str, style: str, sign: str = "") -> list[str]:
        lines = self.screen.wrapped(text, margin + sign, margin + " " * cells(sign), self._room)
        return [self.screen.paint(line, style) if style else line for line in lines]


def _octets(field: FieldView) -> str:
    """Return the octets a field touches, ``34–35``."""
    if not field.width:
        return ""
    first, last = field.start // 8, (field.start + field.width - 1) // 8
    return str(first) if first == last else f"{first}–{last}"
