"""Fields as typed columns, a row a packet: what ``fields --parquet DIR`` writes.

Numbers stay numbers, flags are true or false, times are ``timestamp[ns, UTC]`` and durations int64 nanoseconds;
addresses and all else are text as ``fields`` prints it. Of several values in a packet the first stands in the row (the
last with ``-E occurrence=l``), and where a packet has none there is null.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sniffkit.protocols.field_cells import text_of
from sniffkit.protocols.field_types import Kind
from sniffkit.protocols.occurrences import Occurrences, Spans

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.protocols.batch_fields import BatchFields
    from sniffkit.protocols.field_types import FieldType

_KINDS = {Kind.FLAG: "bool", Kind.LABEL: "bool", Kind.TIME: "time", Kind.DURATION: "int64", Kind.SIGNED: "int64"}
_LOOKED_UP = (Kind.MAC, Kind.IPV4, Kind.IPV6)
"""Kinds with few different values: each is written as text once."""


@dataclass(frozen=True, slots=True)
class _Values:
    values: NDArray[Any]
    missing: NDArray[np.bool_] | None


@dataclass(frozen=True, slots=True)
class _Texts:
    index: NDArray[np.int64]
    known: list[str]


def arrow_kind(field: FieldType) -> str:
    """Return the Arrow type of a field."""
    if field.kind is Kind.UNSIGNED:
        return "uint64" if field.bits > 63 else "int64"
    return _KINDS.get(field.kind, "string")


class FieldColumns:
    """Makes columns of some fields of packets; ``kinds`` are their Arrow types ("time": nanoseconds since 1970)."""

    def __init__(self, fields: Sequence[FieldType], occurrence: str) -> None:
        self._fields, self._last = fields, occurrence == "l"
        self.kinds = {field.id: arrow_kind(field) for field in fields}

    def columns(self, batch: BatchFields, wanted: NDArray[np.bool_] | None) -> dict[str, Any]:
        """Return a row for each packet that is wanted (None: for all)."""
        import numpy as np

        rows = np.arange(len(batch)) if wanted is None else np.flatnonzero(wanted)
        found = {field: batch.occurrences(field.id) for field in self._fields}
        return {field.id: self._column(each, field, rows) for field, each in found.items()}

    def _column(self, found: Occurrences, field: FieldType, rows: NDArray[np.int64]) -> Any:
        import numpy as np

        packet = found.packet
        place = np.searchsorted(packet, rows, side="right") - 1 if self._last else np.searchsorted(packet, rows)
        at = np.clip(place, 0, max(len(packet) - 1, 0))
        there = packet[at] == rows if len(packet) else np.zeros(len(rows), np.bool_)
        kind = arrow_kind(field)
        if kind == "string":
            return _texts(found.select(at[there]), field, there)
        if field.kind is Kind.LABEL:
            return _Values(there, ~there)
        dtype = {"bool": np.bool_, "uint64": np.uint64}.get(kind, np.int64)
        values: NDArray[Any] = np.zeros(len(rows), dtype)
        if there.any():
            values[there] = np.asarray(found.values)[at[there]].astype(dtype)
        return _Values(values, None if there.all() else ~there)


def _texts(found: Occurrences, field: FieldType, there: NDArray[np.bool_]) -> _Texts:
    """Return texts, each different address only once."""
    import numpy as np

    index = np.full(len(there), -1)
    values = found.values
    if field.kind not in _LOOKED_UP or found.texts is not None or isinstance(values, Spans) or not len(found):
        index[there] = np.arange(len(found))
        return _Texts(index, text_of(found, field) if len(found) else [])
    whole = np.ascontiguousarray(values)
    key = (
        whole
        if whole.ndim == 1 and whole.dtype.kind != "V"
        else whole.view(f"V{whole.nbytes // len(whole)}").reshape(-1)
    )
    _, first, back = np.unique(key if key.dtype.kind != "V" else key.view(f"S{key.dtype.itemsize}"), True, True)
    index[there] = back.reshape(-1)
    return _Texts(index, text_of(found.select(first), field))
