"""A prepared batch on its way from one process to another: a short heading, then every column as plain octets.

Only what adding a batch needs travels, each column in the narrowest type that holds it: some 75 octets a segment.
"""

from __future__ import annotations

import pickle
import struct
from dataclasses import fields
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from sniffkit.analysis.endpoint_pairs import grown
from sniffkit.analysis.flows.prepared import Datagrams, Oddities, Prepared, TcpEnds
from sniffkit.analysis.flows.totals import Sums
from sniffkit.analysis.segments import Segments
from sniffkit.analysis.streams import StreamNumbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Column = NDArray[Any]

_HEADING = struct.Struct("<QQ")
_ALIGNED = 8

_SEGMENTS: dict[str, type[np.generic]] = {
    "row": np.int32, "time_ns": np.int64, "source_port": np.uint16, "destination_port": np.uint16,
    "sequence": np.uint32, "acknowledgment": np.uint32, "flags": np.uint16, "window": np.uint16,
    "length": np.int32, "captured": np.int32, "header_ok": np.bool_, "options_ok": np.bool_,
    "scale_shift": np.int16, "mss": np.int32, "sack_permitted": np.bool_,
}  # fmt: skip
_NUMBERS: dict[str, type[np.generic]] = {
    "stream": np.int32, "direction": np.uint8, "opened": np.bool_, "reused": np.bool_, "base": np.uint32,
    "other_base": np.uint32, "base_known": np.bool_, "sequence": np.uint32, "acknowledgment": np.uint32,
    "next_sequence": np.int64,
}  # fmt: skip
_DATAGRAMS = ("row", "stream", "answers")
_SUMS = tuple(field.name for field in fields(Sums))
"""Columns that travel and as what; here those of 32 bits are widened again."""


class TravelledEnds:
    """The ends of streams that another process numbers, added as they open."""

    def __init__(self) -> None:
        self._count = 0
        self._columns: list[NDArray[Any]] = [
            np.zeros((0, 2), np.uint64), np.zeros(0, np.uint16), np.zeros((0, 2), np.uint64), np.zeros(0, np.uint16)
        ]  # fmt: skip

    def add(self, ends: TcpEnds) -> None:
        """Add the next streams."""
        count = self._count + len(ends[0])
        for place, values in enumerate(ends):
            if count > len(self._columns[place]):
                self._columns[place] = grown(self._columns[place], max(1024, count + count // 4))
            self._columns[place][self._count : count] = values
        self._count = count

    def ends(self, streams: NDArray[np.int64]) -> TcpEnds:
        """Return the ends of streams."""
        return cast("TcpEnds", tuple(column[streams] for column in self._columns))


def write_batch(file: BinaryIO, prepared: Prepared, ends: list[TcpEnds], **rest: object) -> None:
    """Write a batch; ends: of the streams of TCP, UDP and echo that it opens; rest: anything small."""
    columns: dict[str, Any] = {}
    for name, dtype in _SEGMENTS.items():
        columns[f"segments.{name}"] = getattr(prepared.segments, name).astype(dtype, copy=False)
    for name, dtype in _NUMBERS.items():
        columns[f"numbers.{name}"] = getattr(prepared.numbers, name).astype(dtype, copy=False)
    for group, datagrams in (("udp", prepared.udp), ("echo", prepared.echo)):
        columns |= {f"{group}.{name}": getattr(datagrams, name) for name in _DATAGRAMS}
    for group, added in (("tcp", prepared.sums), ("udp", prepared.udp.sums), ("echo", prepared.echo.sums)):
        columns |= {f"{group}.sums.{name}": getattr(added, name) for name in _SUMS}
    again = np.flatnonzero(prepared.twice)
    columns |= {"octets": prepared.octets.astype(np.int32), "stamped": prepared.stamped}
    columns |= {"twice.at": again, "twice.number": prepared.twice[again]}
    if prepared.wanted is not None:
        columns["wanted"] = prepared.wanted
    for protocol, four in enumerate(ends):
        columns |= {f"ends.{protocol}.{place}": values for place, values in enumerate(four)}
    rest |= {"first": prepared.first, "packets": prepared.packets, "odd": prepared.odd}
    _write(file, columns, rest)


def write_word(file: BinaryIO, **rest: object) -> None:
    """Write something small without a batch."""
    _write(file, {}, rest)


def _write(file: BinaryIO, columns: dict[str, Column], rest: dict[str, object]) -> None:
    shapes = [(name, column.dtype.str, column.shape) for name, column in columns.items()]
    heading = pickle.dumps((shapes, rest))
    heading += bytes(-len(heading) % _ALIGNED)
    size = sum(column.nbytes + -column.nbytes % _ALIGNED for column in columns.values())
    file.write(_HEADING.pack(len(heading), size) + heading)
    for column in columns.values():
        if column.nbytes:
            file.write(np.ascontiguousarray(column).reshape(-1).view(np.uint8).data)
            file.write(bytes(-column.nbytes % _ALIGNED))
    file.flush()


def read_word(file: BinaryIO) -> tuple[dict[str, Column], dict[str, Any]] | None:
    """Return the columns and the small things that were written next; None at the end."""
    heading = file.read(_HEADING.size)
    if len(heading) < _HEADING.size:
        return None
    length, size = _HEADING.unpack(heading)
    shapes, rest = pickle.loads(file.read(length))  # from our own process: nobody else can write there
    octets = np.empty(size, np.uint8)
    if cast("Callable[[memoryview], int]", file.readinto)(octets.data) < size:  # type: ignore[attr-defined]
        return None
    columns, at = {}, 0
    for name, dtype, shape in shapes:
        count = int(np.prod(shape))
        columns[name] = np.frombuffer(octets.data, dtype, count, at).reshape(shape)
        at += columns[name].nbytes + -columns[name].nbytes % _ALIGNED
    return columns, rest


def batch_of(columns: dict[str, Column], rest: dict[str, Any]) -> tuple[Prepared, list[TcpEnds]]:
    """Return the batch that was written, and the ends of the streams that it opens."""

    def widened(group: str, names: dict[str, type[np.generic]]) -> dict[str, Any]:
        found = {name: columns[f"{group}.{name}"] for name in names}
        return {name: each.astype(np.int64) if each.dtype == np.int32 else each for name, each in found.items()}

    first, packets = rest["first"], rest["packets"]
    mine = widened("segments", _SEGMENTS)
    count = len(mine["row"])
    nobody = np.broadcast_to(np.zeros(1, np.uint64), (count, 2))
    segments = Segments(
        number=mine["row"] + first,
        source=nobody,
        destination=nobody,
        identification=np.broadcast_to(np.zeros(1, np.int32), count),
        checksum=np.broadcast_to(np.zeros(1, np.uint16), count),
        **(mine | {"mss": columns["segments.mss"]}),
    )
    twice = np.zeros(packets, np.int64)
    twice[columns["twice.at"]] = columns["twice.number"]
    odd: Oddities | None = rest["odd"]
    prepared = Prepared(
        first=first,
        packets=packets,
        segments=segments,
        numbers=StreamNumbers(**widened("numbers", _NUMBERS)),
        octets=columns["octets"].astype(np.int64),
        sums=_sums_of(columns, "tcp"),
        stamped=columns["stamped"],
        twice=twice,
        udp=_datagrams_of(columns, "udp"),
        echo=_datagrams_of(columns, "echo"),
        wanted=columns.get("wanted"),
        odd=odd,
    )
    ends = [cast("TcpEnds", tuple(columns[f"ends.{protocol}.{place}"] for place in range(4))) for protocol in range(3)]
    return prepared, ends


def _sums_of(columns: dict[str, Column], group: str) -> Sums:
    return Sums(*(columns[f"{group}.sums.{name}"] for name in _SUMS))


def _datagrams_of(columns: dict[str, Column], group: str) -> Datagrams:
    row, stream, answers = (columns[f"{group}.{name}"] for name in _DATAGRAMS)
    return Datagrams(row, stream, answers, _sums_of(columns, group))
