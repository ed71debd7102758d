"""A header drawn as the RFCs draw it, 32 bits wide, but filled with the values of one packet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sniffkit.renderers.screen import FIELD_COLOURS, Screen, cells

if TYPE_CHECKING:
    from sniffkit.explanations.packet_view import FieldView, LayerView, PacketView

WIDTH = 32
"""Bits in a row."""

WHOLE_ROWS = 5
"""Rows that a field may fill (an IPv6 address fills 4); of longer ones the middle is left out."""

LETTERS = {
    "ip.version": "Version", "ip.hdr_len": "IHL", "ip.dsfield.dscp": "DSCP", "ip.dsfield.ecn": "ECN",
    "ip.flags.rb": "0", "ip.flags.df": "DF", "ip.flags.mf": "MF",
    "ipv6.version": "Version", "ipv6.tclass.dscp": "DSCP", "ipv6.tclass.ecn": "ECN",
    "tcp.hdr_len": "Data offset", "tcp.flags.res": "Rsrvd", "tcp.flags.ae": "AE", "tcp.flags.push": "PSH",
    "tcp.flags.reset": "RST", "vlan.priority": "PCP", "vlan.dei": "DEI",
    "dns.flags.response": "QR", "dns.flags.opcode": "Opcode", "dns.flags.authoritative": "AA",
    "dns.flags.truncated": "TC", "dns.flags.recdesired": "RD", "dns.flags.recavail": "RA", "dns.flags.z": "Z",
    "dns.flags.authenticated": "AD", "dns.flags.checkdisable": "CD", "dns.flags.rcode": "RCODE",
    "tcp.option_kind": "Kind", "tcp.option_len": "Length", "icmpv6.opt.type": "Type", "icmpv6.opt.length": "Length",
    "tcp.options.mss_val": "MSS", "tcp.options.wscale.shift": "Shift",
    "ip.ttl": "TTL", "ipv6.nxt": "Next hdr", "ipv6.hlim": "Hop limit", "arp.hw.size": "HLEN", "arp.proto.size": "PLEN",
    "dns.count.queries": "QDCOUNT", "dns.count.answers": "ANCOUNT", "dns.count.auth_rr": "NSCOUNT",
    "dns.count.add_rr": "ARCOUNT", "dns.resp.name": "NAME", "dns.resp.type": "TYPE", "dns.resp.len": "RDLENGTH",
}  # fmt: skip
"""The letters the RFCs write where a name does not fit, the same in every language; of others the id's last word."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of a field in one row: bits ``start`` to before ``end`` of the row; ``first``: where its value stands."""

    field: FieldView
    value: str
    start: int
    end: int
    first: bool

    @property
    def room(self) -> int:
        """Cells between the two walls."""
        return 2 * (self.end - self.start) - 1


class HeaderBox:
    """Draws the headers of packets as boxes."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen

    def draw(self, view: PacketView) -> None:
        """Draw a box for every layer that has fields with places."""
        colours = view.colours(FIELD_COLOURS)
        for layer in view.layers:
            rows = rows_of(layer, view.octets)
            if rows:
                lines = ["", self.screen.paint(f" {layer.name} · {layer.place}", "heading"), *_bit_numbers()]
                self.screen.write("\n".join([*lines, *self._box(rows, colours)]) + "\n")

    def _box(self, rows: list[list[Cell]], colours: dict[str, int]) -> list[str]:
        found = [_ruler([], rows[0])]
        for place, row in enumerate(rows):
            following = rows[place + 1] if place + 1 < len(rows) else []
            found += self._row(row, colours)
            if following and _left_out(row, following):
                found.append(f" /{'...':^63}/")
            found.append(_ruler(row, following))
        return found

    def _row(self, row: list[Cell], colours: dict[str, int]) -> list[str]:
        contents = [_content(cell) for cell in row]
        height = max(len(content) for content in contents)
        lines = []
        for at in range(height):
            line = " |"
            for cell, content in zip(row, contents, strict=True):
                above = (height - len(content)) // 2
                text = content[at - above] if above <= at < above + len(content) else ""
                before = (cell.room - cells(text)) // 2
                after = cell.room - cells(text) - before
                style = f"field-{colours[cell.field.mark]}" if cell.field.mark else "lesson"
                line += " " * before + self.screen.paint(text, style) + " " * after + "|"
            lines.append(line)
        return lines


def rows_of(layer: LayerView, octets: bytes) -> list[list[Cell]]:
    """Cut a layer's fields into rows of 32 bits; the middle of a very long field is left out."""
    rows: dict[int, list[Cell]] = {}
    fields = sorted((field for field in layer.fields if field.width and not field.parent), key=lambda each: each.start)
    reached = 0
    for field in fields:
        start, end = max(field.start - 8 * layer.start, reached), field.start + field.width - 8 * layer.start
        parts = [
            (row, max(start, row * WIDTH) - row * WIDTH, min(end, (row + 1) * WIDTH) - row * WIDTH)
            for row in _rows_between(start, end)
        ]
        value = _on_the_wire(field, octets)
        main = max(range(len(parts)), key=lambda place: (parts[place][2] - parts[place][1], -place), default=0)
        if len(parts) > 2 and end - start > WIDTH:
            full = [place for place, (_, first, last) in enumerate(parts) if last - first == WIDTH]
            main = full[(len(full) - 1) // 2] if full else main
        for place, (row, first, last) in enumerate(parts):
            rows.setdefault(row, []).append(Cell(field, value, first, last, place == main))
        reached = max(reached, end)
    return [rows[row] for row in sorted(rows)]


def _rows_between(start: int, end: int) -> list[int]:
    rows = list(range(start // WIDTH, (end + WIDTH - 1) // WIDTH)) if end > start else []
    return rows if len(rows) <= WHOLE_ROWS + 1 else [*rows[:2], *rows[-2:]]


def _left_out(row: list[Cell], following: list[Cell]) -> bool:
    """Tell whether rows of a long field are left out between two rows."""
    if row[-1].field is not following[0].field or row[-1].end != WIDTH:
        return False
    field = row[-1].field
    return field.width > (WHOLE_ROWS + 1) * WIDTH and row[0].field is field is following[-1].field


def _on_the_wire(field: FieldView, octets: bytes) -> str:
    """Return a field's value as its bits have it: a header length of 20 octets is 5×4."""
    if not field.value.isdecimal() or field.width > WIDTH or field.start + field.width > 8 * len(octets):
        return field.value
    end = field.start + field.width
    raw = int.from_bytes(octets[field.start // 8 : (end + 7) // 8], "big") >> -end % 8 & (1 << field.width) - 1
    times, rest = divmod(int(field.value), raw) if raw else (1, 0)
    return field.value if times < 2 or rest else f"{raw}×{times}"


def _content(cell: Cell) -> list[str]:
    """Return what stands in a cell: ``name = value`` in one line, or in several where it is narrow."""
    if not cell.first:
        return [""]
    field, value, room = cell.field, cell.value, cell.room
    letters = LETTERS.get(field.id) or field.id.rpartition(".")[2].replace("_", " ")
    for name in (field.name, letters):
        if cells(line := f"{name} = {value}") <= room:
            return [line]
    if field.width == 1:
        return [*(letters.upper() if letters.islower() else letters), value]
    if room >= 10:
        return [_cut(f"{letters} = {value}", room)]
    words = letters.split(" ") if cells(letters) > room else [letters]
    return [*(_cut(word, room) for word in words), _cut(value, room)]


def _cut(text: str, room: int) -> str:
    if cells(text) <= room:
        return text
    while text and cells(text) > room - 1:
        text = text[:-1]
    return f"{text}…" if text else ""


def _bit_numbers() -> list[str]:
    tens = " " + "".join(f" {bit // 10 if bit % 10 == 0 else ' '}" for bit in range(WIDTH))
    return [tens.rstrip(), " " + "".join(f" {bit % 10}" for bit in range(WIDTH))]


def _ruler(above: list[Cell], below: list[Cell]) -> str:
    """Draw the line between two rows; where a field goes on from one to the other, it is open."""
    over, under = _by_bit(above), _by_bit(below)
    line, before = " ", True
    for bit in range(WIDTH):
        here, there = over.get(bit), under.get(bit)
        drawn = (here is not None or there is not None) and here is not there
        wall = drawn or before or bit == 0 or _wall(over, bit) or _wall(under, bit)
        inside = here is not None or there is not None or over.get(bit - 1) or under.get(bit - 1)
        line += ("+" if wall and inside else " ") + ("-" if drawn else " ")
        before = drawn
    last = over.get(WIDTH - 1) or under.get(WIDTH - 1)
    return (line + ("+" if last else "")).rstrip()


def _wall(bits: dict[int, FieldView], bit: int) -> bool:
    return bits.get(bit) is not bits.get(bit - 1)


def _by_bit(row: list[Cell]) -> dict[int, FieldView]:
    return {bit: cell.field for cell in row for bit in range(cell.start, cell.end)}
