"""Which field stands within which, and by which letter each can be found in the hex dump."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import cycle
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffkit.protocols.packet import FieldValue, Layer

LETTERS = ascii_lowercase + ascii_uppercase
"""Marks in order; a packet of more than 52 fields begins again, so its equal marks stand far apart."""


@dataclass(slots=True)
class Nested:
    """A field in its place.

    depth: 0, 1 inside a parent, 2 inside a parent inside a parent
    mark:  its letter; the fields inside a parent of some bits (``tcp.flags``) share the parent's; "" for derived values
    start, end: the bits from the packet's first on that it covers, a parent those of its fields; equal for derived ones
    """

    field: FieldValue
    depth: int = 0
    mark: str = ""
    start: int = 0
    end: int = 0


def nested(layer: Layer, letters: Iterator[str]) -> list[Nested]:
    """Return a layer's fields, each with its depth and mark; ``letters`` goes on from layer to layer."""
    found: list[Nested] = []
    within, group, group_until = range(0), None, 0
    for place, field in enumerate(layer.fields):
        start = field.offset * 8 + field.bit
        entry = Nested(field, start=start, end=start + field.bits)
        entry.depth = int(start in within)
        if group is not None and field.bits and start < group_until:
            entry.depth, entry.mark = group.depth + 1, group.mark
            group.end = max(group.end, entry.end)
        elif field.bits:
            entry.mark = next(letters)
        elif whole := _octets_below(layer, place):
            entry.end = start + whole * 8
            within = range(start, entry.end)
        elif bits := _bits_below(layer, place):
            entry.mark = next(letters)
            group, group_until = entry, start + bits
        found.append(entry)
    return found


def letters() -> Iterator[str]:
    """Return the marks of one packet."""
    return cycle(LETTERS)


def _octets_below(layer: Layer, place: int) -> int:
    """Return how many octets a parent such as ``tcp.options`` holds, which are fields of their own; 0 for others."""
    field, below = layer.fields[place], _next_on_wire(layer, place)
    if not isinstance(field.value, bytes) or below is None or (below.offset, below.bit) != (field.offset, field.bit):
        return 0
    return len(field.value)


def _bits_below(layer: Layer, place: int) -> int:
    """Return how many bits a parent such as ``tcp.flags`` holds, 0 for what is no parent."""
    field, below = layer.fields[place], _next_on_wire(layer, place)
    if below is None or below.bits >= 32 or (below.offset, below.bit) != (field.offset, field.bit):
        return 0
    if field.id in _spans():
        return _spans()[field.id]
    bits = 0
    for inner in layer.fields[place + 1 :]:
        if not inner.id.startswith(f"{field.id}.") or not inner.bits:
            break
        bits += inner.bits
    return bits


def _next_on_wire(layer: Layer, place: int) -> FieldValue | None:
    following = layer.fields[place + 1] if place + 1 < len(layer.fields) else None
    return following if following is not None and following.bits else None


@cache
def _spans() -> dict[str, int]:
    """Return how many bits each parent of the header tables holds."""
    from sniffkit.protocols import REGISTER

    spans = {}
    for protocol in REGISTER:
        shapes = protocol.messages.shapes.values() if protocol.messages is not None else ()
        for header in (protocol.header, protocol.start, *shapes):
            spans.update({each.id: each.spans for each in (header.fields if header is not None else ()) if each.spans})
    return spans
