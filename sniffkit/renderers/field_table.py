"""Fields as a table of text, a line a packet: what ``tshark -T fields`` prints, written a batch at a time.

Each column is a block of characters of fixed width; the blocks are laid side by side and what fills them up is
deleted. A text too long for that leaves a mark in its place, and is put in afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from sniffkit.protocols.field_cells import PAD, cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.protocols.batch_fields import BatchFields
    from sniffkit.protocols.field_types import FieldType
    from sniffkit.protocols.occurrences import Occurrences

LATER = 0xFE
"""Marks the place of a text that is put in afterwards; no UTF-8 text holds this octet."""

WIDEST = 48


@dataclass(frozen=True, slots=True)
class Layout:
    """How a table looks (``-E``): one character each, ``quote`` may be empty.

    occurrence: "f", "l" or "a": of several values of a field in a packet the first, the last or all
    """

    header: bool = False
    separator: str = "\t"
    quote: str = ""
    occurrence: str = "a"
    aggregator: str = ","


class FieldTable:
    """Writes some fields of packets as lines."""

    def __init__(
        self, fields: Sequence[FieldType], layout: Layout, stream: IO[bytes], for_terminal: bool = False
    ) -> None:
        """Begin with the header line, if there is one.

        for_terminal: no control character of a packet is written as it is; otherwise tshark's octets are ours
        """
        self.fields, self.layout, self.stream = fields, layout, stream
        self._escapes = TERMINAL_ESCAPES if for_terminal else ESCAPES
        if layout.header:
            stream.write(layout.separator.join(field.id for field in fields).encode() + b"\n")

    def write(self, batch: BatchFields, wanted: NDArray[np.bool_] | None) -> None:
        """Write a line for each packet that is wanted (None: for all)."""
        import numpy as np

        rows = len(batch) if wanted is None else int(wanted.sum())
        if not rows:
            return
        line_of = None
        if wanted is not None and rows < len(batch):
            line_of = np.where(wanted, np.cumsum(wanted) - 1, -1)
        later: list[tuple[NDArray[np.int64], list[bytes]]] = []
        blocks = [self._block(batch.occurrences(field.id), field, rows, line_of, later) for field in self.fields]
        separator = np.full((1, 1), ord(self.layout.separator), np.uint8)
        widths: list[tuple[str, str]] = []
        for place, block in enumerate(blocks):
            widths.append((f"c{place}", f"V{block.shape[1]}"))
            widths.append((f"s{place}", "u1"))
        table = np.empty(rows, np.dtype(widths))
        for place, block in enumerate(blocks):
            table[f"c{place}"] = np.ascontiguousarray(block).view(f"V{block.shape[1]}").reshape(-1)
            table[f"s{place}"] = separator[0, 0] if place < len(blocks) - 1 else ord("\n")
        text = table.tobytes().translate(None, bytes((PAD,)))
        if later:
            text = self._put_in(text, later)
        self.stream.write(text)

    def _block(
        self, found: Occurrences, field: FieldType, rows: int, line_of: NDArray[np.int64] | None,
        later: list[tuple[NDArray[np.int64], list[bytes]]],
    ) -> NDArray[np.uint8]:  # fmt: skip
        """Return a column's characters, uint8 (rows, width); texts for which it has no room go to ``later``."""
        import numpy as np

        if line_of is not None:
            line = line_of[found.packet]
            chosen = np.flatnonzero(line >= 0)
            if len(chosen) < len(line):
                found, line = found.select(chosen), line[chosen]
        else:
            line = found.packet
        found, line, repeated = self._occurrence(found, line)
        made = cells(found, field)
        if repeated or isinstance(made, list):
            later.append(self._joined(made, line))
            block = np.full((rows, 1), PAD, np.uint8)
            block[later[-1][0], 0] = LATER
            return block
        if self.layout.quote:
            quote = np.full((len(made), 1), ord(self.layout.quote), np.uint8)
            made = np.concatenate([quote, made, quote], axis=1)
        later.append((line[:0], []))
        if len(made) == rows:
            return made
        width = made.shape[1]
        block = np.full((rows, width), PAD, np.uint8)
        # a row as one element: a memory copy each, several times faster than octet by octet
        block.view(f"V{width}").reshape(-1)[line] = np.ascontiguousarray(made).view(f"V{width}").reshape(-1)
        return block

    def _occurrence(self, found: Occurrences, line: NDArray[np.int64]) -> tuple[Occurrences, NDArray[np.int64], bool]:
        """Keep the occurrences that are printed; tell whether a packet still has several."""
        import numpy as np

        same = line[1:] == line[:-1]
        if not same.any():
            return found, line, False
        if self.layout.occurrence == "a":
            return found, line, True
        keep = ~np.concatenate([[False], same] if self.layout.occurrence == "f" else [same, [False]])
        at = np.flatnonzero(keep)
        return found.select(at), line[at], False

    def _joined(
        self, made: NDArray[np.uint8] | list[bytes], line: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], list[bytes]]:
        """Return the lines that have a text, ascending, and the text of each with all occurrences in it."""
        import numpy as np

        quote = self.layout.quote.encode()
        if not isinstance(made, list):
            pad = bytes((PAD,))
            made = [row.replace(pad, b"") for row in rows_of(made)]
        aggregator = self.layout.aggregator.encode()
        begins = np.flatnonzero(np.diff(line, prepend=-1))
        ends = [*begins[1:].tolist(), len(made)]
        texts = [
            quote + escaped(aggregator.join(made[begin:end]), self._escapes) + quote
            for begin, end in zip(begins.tolist(), ends, strict=True)
        ]
        return line[begins], texts

    def _put_in(self, text: bytes, later: list[tuple[NDArray[np.int64], list[bytes]]]) -> bytes:
        """Put texts at their marks: line by line, in a line column by column."""
        import numpy as np

        if not any(texts for _, texts in later):
            return text
        line = np.concatenate([lines for lines, _ in later])
        column = np.repeat(np.arange(len(later)), [len(lines) for lines, _ in later])
        flat = [one for _, texts in later for one in texts]
        pieces = text.split(bytes((LATER,)))
        woven = [b""] * (2 * len(flat) + 1)
        woven[0::2] = pieces
        woven[1::2] = [flat[at] for at in np.lexsort((column, line)).tolist()]
        return b"".join(woven)


def rows_of(block: NDArray[np.uint8]) -> list[bytes]:
    """Return the rows of a block."""
    width = block.shape[1]
    raw = block.tobytes()
    return [raw[at : at + width] for at in range(0, len(raw), width)]


def escaped(text: bytes, escapes: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Write what would break the table as tshark does: line end, tabulator ..."""
    for one, two in escapes:
        if one in text:
            text = text.replace(one, two)
    return text


ESCAPES = (
    (b"\a", b"\\a"), (b"\b", b"\\b"), (b"\f", b"\\f"), (b"\n", b"\\n"), (b"\r", b"\\r"), (b"\t", b"\\t"),
    (b"\v", b"\\v"),
)  # fmt: skip

TERMINAL_ESCAPES = (
    *ESCAPES,
    *((bytes((code,)), b"\\%03o" % code) for code in (*range(0x07), *range(0x0E, 0x20), 0x7F)),
    *((chr(code).encode(), b"\\%03o" % code) for code in range(0x80, 0xA0)),
)
"""A terminal obeys control characters, those above 0x7f too."""
