"""Tables for other programs: CSV; Arrow and Parquet where pyarrow is installed (``pip install sniffkit[tables]``)."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO

from sniffkit.errors import SniffkitError, UsageError

if TYPE_CHECKING:
    from types import TracebackType

    import pyarrow

GROUP_ROWS = 1 << 17
"""Rows of a Parquet file that are written together (a row group): what a reader skips or reads at once."""

TIME = "time"
"""Beside Arrow's own names of types: nanoseconds since 1970, UTC."""


def write_csv(stream: TextIO, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write rows of cells as CSV (RFC 4180, lines ended by a line feed); what needs quotes gets them."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows(rows)


def arrow_table(kinds: Mapping[str, str], parts: Iterable[Mapping[str, Any]]) -> pyarrow.Table:
    """Return parts of a table, one below the other, as an Arrow table.

    kinds: name -> type as Arrow spells it, or TIME. Columns are NumPy arrays or sequences, ``Numbers`` or ``Texts``;
    arrays of that type without missing values are not copied.

    Raises UsageError where pyarrow is not installed.
    """
    arrow = _pyarrow()
    schema = _schema(kinds)
    return arrow.Table.from_batches([_batch(schema, part) for part in parts], schema)


class ParquetFile:
    """A dataset that DuckDB, Polars or Spark read as it is: one file in a folder, written part by part.

    Where the work is broken off, the file is taken away again.

    Raises UsageError where pyarrow is not installed, SniffkitError where nothing can be written there.
    """

    def __init__(self, kinds: Mapping[str, str], folder: str, name: str) -> None:
        _pyarrow()
        import pyarrow.parquet

        self._schema = _schema(kinds)
        self._held: list[Any] = []
        self._rows = 0
        self.path = Path(folder) / f"{name}.parquet"
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self._writer = pyarrow.parquet.ParquetWriter(self.path, self._schema)
        except OSError as error:
            raise SniffkitError("usage.output-failed", reason=f"{folder}: {error.strerror or error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        whole = False
        try:
            if kind is None:
                self._write_group()
            self._writer.close()
            whole = kind is None
        finally:
            if not whole:  # half a table must not stand there as if it were one
                self.path.unlink(missing_ok=True)

    def write(self, part: Mapping[str, Any]) -> None:
        """Add rows; every so many of them become a row group."""
        self._held.append(_batch(self._schema, part))
        self._rows += self._held[-1].num_rows
        if self._rows >= GROUP_ROWS:
            self._write_group()

    def _write_group(self) -> None:
        if self._held:
            import pyarrow

            self._writer.write_table(pyarrow.Table.from_batches(self._held, self._schema), row_group_size=self._rows)
            self._held, self._rows = [], 0


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise UsageError("usage.no-pyarrow") from None
    return pyarrow


def _schema(kinds: Mapping[str, str]) -> Any:
    import pyarrow

    time = pyarrow.timestamp("ns", tz="UTC")
    types = {name: time if kind == TIME else pyarrow.type_for_alias(kind) for name, kind in kinds.items()}
    return pyarrow.schema(list(types.items()))


def _batch(schema: Any, part: Mapping[str, Any]) -> Any:
    import pyarrow

    return pyarrow.record_batch([_array(part[field.name], field.type) for field in schema], schema=schema)


def _array(column: Any, type: Any) -> Any:
    """Return a column as an Arrow array; an array of fixed width without missing values shares its memory."""
    import pyarrow

    if hasattr(column, "known"):
        known = pyarrow.array(list(column.known), type=type)
        return known.take(pyarrow.array(column.index, mask=column.index < 0))
    if hasattr(column, "missing"):
        whole = column.missing is None or not column.missing.any()
        return pyarrow.array(column.values, type=type, mask=None if whole else column.missing)
    return pyarrow.array(column, type=type)
