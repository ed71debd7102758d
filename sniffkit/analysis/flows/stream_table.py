"""A table with one row a stream: totals and findings of conversations in compact columns.

A stream whose conversation was ended (closed, idle, let go) is put away, narrow, and its row is used again; if it goes
on it gets a fresh row as its next part. So the wide columns grow with the conversations open at the same time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.endpoint_pairs import distinct, grown
from sniffkit.analysis.flows.packed_rows import PackedRows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Places = int | NDArray[np.int64] | tuple[Any, ...]

Layout = Mapping[str, tuple[type[np.generic], int, int]]
"""Name of a column -> type, how many values a stream has in it, and what they begin with."""

MOST_PARTS = 65_535
"""Parts of a stream are counted up to here; those that come after it all have this number."""

AT_A_TIME = 4096
"""Rows handed out, and put away, together."""


class Column:
    """One column of a table, read and written by stream numbers: ``column[streams]``, ``column[streams, side]``."""

    __slots__ = ("_name", "_table")

    def __init__(self, table: StreamTable, name: str) -> None:
        self._table, self._name = table, name

    def __getitem__(self, at: Places) -> Any:
        return self._table.values[self._name][self._table.places(at)]

    def __setitem__(self, at: Places, values: Any) -> None:
        self._table.values[self._name][self._table.places(at)] = values


class Chosen:
    """The rows of some streams, looked up once for all columns: ``chosen[name]``."""

    __slots__ = ("_rows", "_table")

    def __init__(self, table: StreamTable, streams: NDArray[np.int64]) -> None:
        self._table, self._rows = table, table.places(streams).astype(np.int64)

    def __getitem__(self, name: str) -> Any:
        return self._table.values[name].take(self._rows, axis=0)

    def __setitem__(self, name: str, values: Any) -> None:
        self._table.values[name][self._rows] = values


class StreamTable:
    """Columns by stream number.

    count:  streams with a row, now or put away, are below this
    values: name -> array (rows,) or (rows, 2); ``Column`` finds a stream's row
    """

    def __init__(self, layout: Layout) -> None:
        self._layout: Layout = {**layout, "part": (np.uint16, 1, 1)}
        self.count = 0
        self.values: dict[str, NDArray[Any]] = {}
        for name, (dtype, width, _) in self._layout.items():
            self.values[name] = np.zeros((0, width) if width > 1 else 0, dtype)
        self._columns = {name: Column(self, name) for name in self._layout}
        self._row_of = np.zeros(0, np.int32)  # -1: none
        self._parts = np.zeros(0, np.uint16)
        self._free = np.zeros(0, np.int32)
        self._packed: list[PackedRows] = []
        self._waiting: list[tuple[NDArray[np.int64], dict[str, NDArray[Any]]]] = []
        self._waiting_count = 0

    def __getitem__(self, name: str) -> Column:
        return self._columns[name]

    def of(self, streams: NDArray[np.int64]) -> Chosen:
        """Return the rows of streams as they stand now: none of them may be put away meanwhile."""
        return Chosen(self, streams)

    def places(self, at: Places) -> Any:
        """Return the rows of streams; the second of a pair (the direction) stays."""
        if isinstance(at, tuple):
            return (self._row_of[at[0]], *at[1:])
        return self._row_of[at]

    def has(self, streams: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which streams have a row now: bool (k,)."""
        found = np.zeros(len(streams), np.bool_)
        known = np.flatnonzero(streams < len(self._row_of))
        found[known] = self._row_of[streams[known]] >= 0
        return found

    def begin(self, streams: NDArray[np.int64]) -> None:
        """Make rows for distinct streams that have none."""
        if not len(streams):
            return
        self.count = max(self.count, int(streams.max()) + 1)
        if self.count > len(self._row_of):
            size = max(1024, self.count + self.count // 8)
            self._row_of, self._parts = grown(self._row_of, size, -1), grown(self._parts, size)
        new = streams[self._row_of[streams] < 0]
        if not len(new):
            return
        if len(new) > len(self._free):
            size = len(self.values["part"])
            more = max(1024, size // 2, len(new))
            for name, (_, _, fill) in self._layout.items():
                self.values[name] = grown(self.values[name], size + more, fill)
            self._free = np.concatenate((self._free, np.arange(size + more - 1, size - 1, -1, dtype=np.int32)))
        rows, self._free = self._free[-len(new) :][::-1], self._free[: -len(new)]
        self._row_of[new] = rows  # a free row holds what columns begin with
        self.values["part"][rows] = np.minimum(self._parts[new], MOST_PARTS - 1) + np.uint16(1)

    def count_up(self, name: str, at: tuple[NDArray[np.int64], NDArray[np.int64]]) -> None:
        """Count one more in a column for each stream and direction; they may repeat."""
        np.add.at(self.values[name], self.places(at), 1)

    def put_away(self, streams: NDArray[np.int64]) -> None:
        """Keep the rows of distinct streams as they are; one that goes on begins its next part."""
        streams = streams[self.has(streams)]
        if not len(streams):
            return
        rows = self._row_of[streams]
        self._waiting.append((streams, {name: values[rows] for name, values in self.values.items()}))
        self._waiting_count += len(streams)
        self._parts[streams] = self.values["part"][rows]
        for name, (_, _, fill) in self._layout.items():
            self.values[name][rows] = fill
        self._row_of[streams] = -1
        self._free = np.concatenate((self._free, rows))
        if self._waiting_count >= AT_A_TIME:
            self._pack()

    def _pack(self) -> None:
        """Pack what waits, at most AT_A_TIME rows together."""
        if not self._waiting:
            return
        streams = np.concatenate([streams for streams, _ in self._waiting])
        columns = {name: np.concatenate([each[name] for _, each in self._waiting]) for name in self.values}
        for begin in range(0, len(streams), AT_A_TIME):
            some = slice(begin, begin + AT_A_TIME)
            self._packed.append(PackedRows(streams[some], {name: values[some] for name, values in columns.items()}))
        self._waiting, self._waiting_count = [], 0

    def parts(self) -> Iterator[tuple[NDArray[np.int64], dict[str, NDArray[Any]]]]:
        """Yield all rows, some thousands at a time: stream numbers, int64 (n,), ascending, parts in order; columns."""
        self._pack()
        open_now = np.flatnonzero(self._row_of >= 0)
        sizes = [len(rows.streams) for rows in self._packed]
        streams = np.concatenate([*(rows.streams for rows in self._packed), open_now.astype(np.int32)])
        begins = np.cumsum([0, *sizes])
        order = np.argsort(streams, kind="stable")  # parts were put away one after the other
        for begin in range(0, len(order), AT_A_TIME):
            at = order[begin : begin + AT_A_TIME]
            which = np.searchsorted(begins, at, side="right") - 1
            columns = {
                name: np.empty((len(at), *values.shape[1:]), values.dtype) for name, values in self.values.items()
            }
            for group in distinct(which).tolist():
                here = np.flatnonzero(which == group)
                rows = at[here] - begins[group]
                if group < len(self._packed):
                    some = self._packed[group].take(rows)
                else:
                    some = {name: values[self._row_of[open_now[rows]]] for name, values in self.values.items()}
                for name, values in some.items():
                    columns[name][here] = values
            yield streams[at].astype(np.int64), columns
