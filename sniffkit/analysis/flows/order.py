"""In which order conversations are told: by their numbers, or the most of something first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.flows.flow_columns import FlowColumns
    from sniffkit.analysis.flows.flow_parts import FlowPart

Told = TypeVar("Told")
Keys = tuple["NDArray[Any]", ...]


def _by_start(columns: FlowColumns) -> Keys:
    start, first_packet = _numbers(columns, "start"), _numbers(columns, "first_packet")
    timeless: Any = getattr(columns["start"], "missing", None)
    return np.zeros(len(start), np.bool_) if timeless is None else timeless, start, first_packet


def _most(name: str) -> Callable[[FlowColumns], Keys]:
    return lambda columns: (-np.maximum(_numbers(columns, name), 0),)


def _most_of_both(name: str) -> Callable[[FlowColumns], Keys]:
    return lambda columns: (-_numbers(columns, f"client_{name}") - _numbers(columns, f"server_{name}"),)


def _numbers(columns: FlowColumns, name: str) -> Any:
    return getattr(columns[name], "values", None)


ORDERS: dict[str, Callable[[FlowColumns], Keys] | None] = {
    "stream": None,
    "start": _by_start,
    "packets": _most_of_both("packets"),
    "bytes": _most_of_both("ip_bytes"),
    "duration": _most("duration_ns"),
    "rtt": _most("handshake_ns"),
    "retransmissions": _most_of_both("retransmissions"),
    "silence": _most("silence_ns"),
}
"""Name -> what is compared, the first thing first; equal ones stay in the order of their numbers."""


def in_order(
    parts: Callable[[], Iterable[FlowPart]],
    told: Callable[[FlowPart], Iterable[Told]],
    order: str = "stream",
    top: int | None = None,
) -> Iterator[Told]:
    """Yield what ``told`` makes of each conversation, in order, of the first ``top`` only.

    Where they are not told by their numbers, ``parts`` is asked twice: only those are made that are wanted.
    """
    compared = ORDERS[order]
    if compared is None:
        yield from islice((one for part in parts() for one in told(part)), top)
        return
    keys = [compared(part.told()) for part in parts()]
    if not keys:
        return
    columns = [np.concatenate(column) for column in zip(*keys, strict=True)]
    chosen = np.lexsort(columns[::-1])[:top]
    place = np.full(len(columns[0]), -1)
    place[chosen] = np.arange(len(chosen))
    found: list[Any] = [None] * len(chosen)
    begin = 0
    for part in parts():
        places = place[begin : begin + len(part)]
        begin += len(part)
        rows = np.flatnonzero(places >= 0)
        if not len(rows):
            continue
        for at, one in zip(places[rows].tolist(), told(part.take(rows)), strict=True):
            found[at] = one
    yield from found
