"""A table with one row a stream: totals and findings of conversations in compact columns that grow with the streams.

A stream whose conversation was ended (closed, idle, let go) and goes on gets a fresh row under the same number; the old
row is kept aside as an earlier part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.endpoint_pairs import grown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Layout = Mapping[str, tuple[type[np.generic], int, int]]
"""Name of a column -> type, how many values a stream has in it, and what they begin with."""

AT_A_TIME = 4096
"""Rows handed out together."""


class StreamTable:
    """Columns by stream number.

    count: rows in use; columns: name -> array (capacity,) or (capacity, 2), of which the first ``count`` rows count
    """

    def __init__(self, layout: Layout) -> None:
        self._layout: Layout = {**layout, "part": (np.uint16, 1, 1), "ended": (np.bool_, 1, 0)}
        self.count = 0
        self.columns: dict[str, NDArray[Any]] = {}
        self._earlier: list[tuple[NDArray[np.int64], dict[str, NDArray[Any]]]] = []
        for name, (dtype, width, _) in self._layout.items():
            self.columns[name] = np.zeros((0, width) if width > 1 else 0, dtype)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    def count_up(self, name: str, at: tuple[NDArray[np.int64], NDArray[np.int64]]) -> None:
        """Count one more in a column for each stream and direction; they may repeat."""
        np.add.at(self.columns[name], at, 1)

    def begin(self, streams: NDArray[np.int64]) -> None:
        """Make rows for distinct streams; the ones that were ended begin their next part."""
        if not len(streams):
            return
        self.count = max(self.count, int(streams.max()) + 1)
        if self.count > len(self.columns["part"]):
            size = max(1024, self.count + self.count // 8)
            for name, (_, _, fill) in self._layout.items():
                self.columns[name] = grown(self.columns[name], size, fill)
        again = streams[self.columns["ended"][streams]]
        if len(again):
            self._earlier.append((again, {name: values[again] for name, values in self.columns.items()}))
            for name, (_, _, fill) in self._layout.items():
                if name != "part":
                    self.columns[name][again] = fill
            self.columns["part"][again] += np.uint16(1)

    def parts(self) -> Iterator[tuple[NDArray[np.int64], dict[str, NDArray[Any]]]]:
        """Yield all rows, some thousands at a time: stream numbers, int64 (n,), ascending, parts in order; columns."""
        count = sum(len(streams) for streams, _ in self._earlier)
        streams = np.concatenate([*(streams for streams, _ in self._earlier), np.arange(self.count)])
        none = {name: values[:0] for name, values in self.columns.items()}
        parts = [none, *(each for _, each in self._earlier)]
        earlier = {name: np.concatenate([each[name] for each in parts]) for name in self.columns}
        part = np.concatenate([earlier["part"], self.columns["part"][: self.count]])
        order = np.lexsort((part, streams)) if count else np.arange(self.count)
        for begin in range(0, len(order), AT_A_TIME):
            at = order[begin : begin + AT_A_TIME]
            is_earlier = at < count
            columns = {}
            for name, values in self.columns.items():
                columns[name] = values[np.maximum(at - count, 0)]
                if is_earlier.any():
                    columns[name][is_earlier] = earlier[name][at[is_earlier]]
            yield streams[at], columns
