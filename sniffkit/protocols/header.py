"""How a header is declared: its fields in wire order, once, from which both readers derive.

``packet.read_packet`` reads every bit of one header, ``columns.Columns`` gathers the headers of a whole batch; neither
knows an offset that does not come from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Form(Enum):
    """How ``tshark -T fields`` prints a value."""

    DECIMAL = "decimal"
    HEX = "hexadecimal"  # 0x and zeros up to Field.digits
    FLAG = "flag"  # 1 or 0
    MAC = "mac"
    IPV4 = "ipv4"
    IPV6 = "ipv6"
    OCTETS = "octets"  # hexadecimal digits without 0x


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a header.

    id:     Wireshark's display-filter name
    bits:   width on the wire; 0 for a parent such as ``tcp.flags``, which stands before the fields it holds
    form:   how the value is printed
    digits: least number of hexadecimal digits (tshark pads to the width of its own variable, not of the field)
    scale:  what one unit on the wire means (``ip.hdr_len`` counts 4 octets)
    spans:  for a parent, how many of the following bits are its value
    """

    id: str
    bits: int
    form: Form = Form.DECIMAL
    digits: int = 0
    scale: int = 1
    spans: int = 0


def flag(id: str) -> Field:
    """Declare a field of one bit."""
    return Field(id, 1, Form.FLAG)


def hexadecimal(id: str, bits: int, digits: int = 0) -> Field:
    """Declare a field that tshark prints as 0x....; digits are those of its width unless given."""
    return Field(id, bits, Form.HEX, digits or (bits + 3) // 4)


def parent(id: str, spans: int, digits: int = 0) -> Field:
    """Declare a parent: no bits of its own, the value of the next ``spans`` bits; hexadecimal if digits are given."""
    return Field(id, 0, Form.HEX if digits else Form.DECIMAL, digits, spans=spans)


@dataclass(frozen=True, slots=True)
class Place:
    """A field at its place: ``start`` and ``width`` in bits from the first bit of the header."""

    field: Field
    start: int
    width: int

    @property
    def first_octet(self) -> int:
        """The first octet the field touches."""
        return self.start // 8

    @property
    def octets(self) -> int:
        """How many octets the field touches."""
        return (self.start + self.width + 7) // 8 - self.start // 8

    @property
    def shift(self) -> int:
        """How far the octets it touches, read as one number, are shifted right to get its value."""
        return -(self.start + self.width) % 8


@dataclass(frozen=True)
class Header:
    """A fixed header: a protocol's name, the RFC that draws it, and its fields in wire order."""

    protocol: str
    rfc: str
    fields: tuple[Field, ...]

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Every field with its bits, in the order of declaration."""
        places, start = [], 0
        for field in self.fields:
            places.append(Place(field, start, field.bits or field.spans))
            start += field.bits
        return tuple(places)

    @cached_property
    def plan(self) -> tuple[tuple[str, int, int, int, Form, int, int, int, int, int], ...]:
        """What reading a whole header needs of each field, so that nothing is computed twice.

        id, shift from the header's end, mask, scale, form, digits, octets touched, first octet, bit in it, bits
        """
        total = 8 * self.octets
        return tuple(
            (
                place.field.id,
                total - place.start - place.width,
                (1 << place.width) - 1,
                place.field.scale,
                place.field.form,
                place.field.digits,
                place.octets,
                place.start // 8,
                place.start % 8,
                place.field.bits,
            )
            for place in self.places
        )

    @cached_property
    def octets(self) -> int:
        """Length of the fixed header."""
        return sum(field.bits for field in self.fields) // 8

    @cached_property
    def place(self) -> dict[str, Place]:
        """The place of a field by its id, the first place of reserved bits that stand in several."""
        return {place.field.id: place for place in reversed(self.places)}

    @cached_property
    def dtype(self) -> np.dtype[np.void]:
        """The header as a NumPy record: for each field the octets it touches, as big-endian words.

        A width that NumPy has no integer for (3 or 6 octets) is kept as several words ``id/0``, ``id/1``. Fields that
        share an octet overlap; the record is only read.
        """
        import numpy as np

        names: list[str] = []
        formats: list[object] = []
        offsets: list[int] = []
        for place in self.place.values():
            at = place.first_octet
            for part, width in enumerate(words(place)):
                names.append(f"{place.field.id}/{part}")
                formats.append(f">u{width}" if width in (1, 2, 4, 8) else ("u1", (width,)))
                offsets.append(at)
                at += width
        return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": self.octets})

    def column(self, window: NDArray[np.void], id: str) -> NDArray[np.generic]:
        """Return one field of gathered headers.

        window: (m,) of ``dtype``. Result (m,) of the smallest unsigned type that holds the value; a MAC address is a
        uint64; an IPv6 address is (m, 2) uint64, high half first; octets longer than 8 are (m, width) uint8.
        """
        import numpy as np

        place = self.place[id]
        parts = words(place)
        values = window[f"{id}/0"]
        if place.field.form is Form.IPV6:
            halves = np.empty((len(window), 2), np.uint64)
            halves[:, 0], halves[:, 1] = values, window[f"{id}/1"]
            return halves
        if parts[0] not in (1, 2, 4, 8):
            return values
        if len(parts) > 1:
            values = values.astype(np.uint64)
            for part, width in enumerate(parts[1:], 1):
                values = (values << np.uint64(8 * width)) | window[f"{id}/{part}"]
        else:
            values = values.astype(f"u{parts[0]}")
        kind = values.dtype.type
        if place.shift:
            values = values >> kind(place.shift)
        if place.width % 8 or place.shift:
            values = values & kind((1 << place.width) - 1)
        if place.field.scale > 1:
            largest = ((1 << place.width) - 1) * place.field.scale
            values = values.astype(np.min_scalar_type(largest)) * np.min_scalar_type(largest).type(place.field.scale)
        return values


def words(place: Place) -> tuple[int, ...]:
    """Cut the octets a field touches into widths that NumPy has integers for; long ones stay whole."""
    octets = place.octets
    if place.field.form is Form.IPV6:
        return (8, 8)
    if octets > 8:
        return (octets,)
    return {1: (1,), 2: (2,), 3: (1, 2), 4: (4,), 5: (1, 4), 6: (2, 4), 7: (1, 2, 4), 8: (8,)}[octets]


def show(form: Form, number: int, octets: int = 0, digits: int = 0) -> tuple[int | str | bytes, str]:
    """Return a field's value and the text tshark prints for it; ``number`` is big-endian, ``octets`` its width."""
    if form is Form.DECIMAL:
        return number, str(number)
    if form is Form.HEX:
        return number, f"0x{number:0{digits}x}"
    if form is Form.FLAG:
        return number, "1" if number else "0"
    raw = number.to_bytes(octets, "big")
    if form is Form.OCTETS:
        return raw, raw.hex()
    text = raw.hex(":") if form is Form.MAC else address_text(raw)
    return text, text


def address_text(raw: bytes) -> str:
    """Write an IPv4 (4 octets) or IPv6 (16 octets) address as tshark does (RFC 5952)."""
    import socket

    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)
