"""Rows of a table that nobody changes any more, kept narrow: a column in which all are alike costs next to nothing.

A flood of connection attempts leaves a row for each, and nearly all of their columns are the same: what is left are
some ten octets a row in place of three hundred.
"""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RELATIVE = {
    "end_ns": "start_ns",
    "latest_ns": "end_ns",
    "last_packet": "first_packet",
    "silence_packet": "first_packet",
}
"""Columns kept as the difference to another one, which stands before them."""

_NARROW = (np.uint8, np.uint16, np.uint32)


class PackedRows:
    """Some rows of all columns; ``streams``, int32 (n,), says whose they are."""

    def __init__(self, streams: NDArray[np.int64], columns: dict[str, NDArray[Any]]) -> None:
        self.streams = streams.astype(np.int32)
        self._columns: dict[str, tuple[NDArray[Any], NDArray[Any] | None]] = {}
        for name, values in columns.items():
            other = RELATIVE.get(name)
            self._columns[name] = _packed(values if other is None else values - columns[other])
        self._move_together()

    def _move_together(self) -> None:
        """Move all columns into pages of their own: they stay to the end, and would cut what is free into pieces."""
        room = sum(-(-more.nbytes // 8) for _, more in self._columns.values() if more is not None) * 8
        if not room:
            return
        pages, at = np.frombuffer(mmap.mmap(-1, room), np.uint8), 0
        for name, (base, more) in self._columns.items():
            if more is not None:
                place = pages[at : at + more.nbytes].view(more.dtype).reshape(more.shape)
                place[:] = more
                self._columns[name] = base, place
                at += -(-more.nbytes // 8) * 8

    def take(self, which: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Return the columns of the rows ``which`` as they were."""
        columns = {}
        for name, (base, more) in self._columns.items():
            if more is None:
                columns[name] = np.broadcast_to(base, (len(which), *base.shape)).copy()
            else:
                columns[name] = base + more[which].astype(base.dtype)
        for name, other in RELATIVE.items():
            if name in columns:
                columns[name] += columns[other]
        return columns


def _packed(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return what all rows have in common, and what each has above that (None: nothing)."""
    first = np.array(values[0])  # a copy: a view would keep all rows
    if (values == first).all():
        return first, None
    if values.dtype == np.bool_:
        return np.zeros_like(first), values
    least = values.min(axis=0)
    span = int((values.max(axis=0).astype(object) - least.astype(object)).max() if values.ndim > 1 else _span(values))
    for dtype in _NARROW:
        if span <= np.iinfo(dtype).max and np.dtype(dtype).itemsize < values.dtype.itemsize:
            return least, (values - least).astype(dtype)
    return np.zeros_like(first), values


def _span(values: NDArray[Any]) -> int:
    return int(values.max()) - int(values.min())
