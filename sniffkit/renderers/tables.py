"""Tables for other programs: CSV; Arrow and Parquet where pyarrow is installed (``pip install sniffkit[tables]``)."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from sniffkit.errors import UsageError

if TYPE_CHECKING:
    import pyarrow


def write_csv(stream: TextIO, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write rows of cells as CSV (RFC 4180, lines ended by a line feed); what needs quotes gets them."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows(rows)


def arrow_table(columns: Mapping[str, tuple[str, Sequence[Any]]]) -> pyarrow.Table:
    """Return columns as an Arrow table; each is (type as Arrow spells it, values), NumPy arrays are not copied.

    Raises UsageError where pyarrow is not installed.
    """
    try:
        import pyarrow
    except ImportError:
        raise UsageError("usage.no-pyarrow") from None
    arrays = {name: pyarrow.array(values, type=_type(kind)) for name, (kind, values) in columns.items()}
    return pyarrow.table(arrays)


def _type(kind: str) -> Any:
    import pyarrow

    return pyarrow.timestamp("ns", tz="UTC") if kind == "time" else pyarrow.type_for_alias(kind)


def write_parquet(table: pyarrow.Table, folder: str, name: str) -> Path:
    """Write a table as a dataset that DuckDB, Polars or Spark read as it is: one file in a folder; return its path."""
    import pyarrow.parquet

    Path(folder).mkdir(parents=True, exist_ok=True)
    path = Path(folder) / f"{name}.parquet"
    pyarrow.parquet.write_table(table, path)
    return path
