"""A prepared batch on its way from one process to another: its columns, taken apart and put together again.

Only what adding a batch needs travels, each column in the narrowest type that holds it: some 75 octets a segment.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from sniffkit.analysis.endpoint_pairs import grown
from sniffkit.analysis.flows.prepared import Datagrams, Prepared, TcpEnds
from sniffkit.analysis.flows.totals import Sums
from sniffkit.analysis.segments import Segments
from sniffkit.analysis.streams import StreamNumbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.flows.flow_parts import FlowPart
    from sniffkit.analysis.flows.shared_memory import TravellingColumns

    Column = NDArray[Any]

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
_SMALL = ("tcp_errors", "udp_errors", "odd")
_SUMS = tuple(field.name for field in fields(Sums) if field.init)
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


def batch_columns(prepared: Prepared, ends: list[TcpEnds]) -> tuple[TravellingColumns, dict[str, Any]]:
    """Return the columns of a batch, each with the type in which it travels, and what is small.

    ends: of the streams of TCP, UDP and echo that it opens
    """
    columns: TravellingColumns = {}
    for name, dtype in _SEGMENTS.items():
        columns[f"segments.{name}"] = getattr(prepared.segments, name), dtype
    for name, dtype in _NUMBERS.items():
        columns[f"numbers.{name}"] = getattr(prepared.numbers, name), dtype
    more: dict[str, Column] = {}
    for group, datagrams in (("udp", prepared.udp), ("echo", prepared.echo)):
        more |= {f"{group}.{name}": getattr(datagrams, name) for name in _DATAGRAMS}
    for group, added in (("tcp", prepared.added), ("udp", prepared.udp.sums), ("echo", prepared.echo.sums)):
        if added is not None:
            more |= {f"{group}.sums.{name}": getattr(added, name) for name in _SUMS}
    again = np.flatnonzero(prepared.twice)
    more |= {"twice.at": again, "twice.number": prepared.twice[again], "stamped": prepared.stamped}
    if prepared.wanted is not None:
        more["wanted"] = prepared.wanted
    for protocol, four in enumerate(ends):
        more |= {f"ends.{protocol}.{place}": four[place] for place in range(4)}
    columns |= {"octets": (prepared.octets, np.int32)}
    columns |= {name: (values, values.dtype) for name, values in more.items()}
    small = {name: getattr(prepared, name) for name in _SMALL}
    return columns, {"first": prepared.first, "packets": prepared.packets} | small


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
    prepared = Prepared(
        first=first,
        packets=packets,
        segments=segments,
        numbers=StreamNumbers(**widened("numbers", _NUMBERS)),
        octets=columns["octets"].astype(np.int64),
        added=_sums_of(columns, "tcp") if "tcp.sums.stream" in columns else None,
        stamped=columns["stamped"],
        twice=twice,
        udp=_datagrams_of(columns, "udp"),
        echo=_datagrams_of(columns, "echo"),
        wanted=columns.get("wanted"),
        **{name: rest[name] for name in _SMALL},
    )
    ends = [cast("TcpEnds", tuple(columns[f"ends.{protocol}.{place}"] for place in range(4))) for protocol in range(3)]
    return prepared, ends


def _sums_of(columns: dict[str, Column], group: str) -> Sums:
    return Sums(*(columns[f"{group}.sums.{name}"] for name in _SUMS))


def _datagrams_of(columns: dict[str, Column], group: str) -> Datagrams:
    row, stream, answers = (columns[f"{group}.{name}"] for name in _DATAGRAMS)
    return Datagrams(row, stream, answers, _sums_of(columns, group))


def part_columns(part: FlowPart) -> tuple[TravellingColumns, dict[str, Any]]:
    """Return the columns of some conversations, and what is small of them."""
    columns: dict[str, Column] = {f"columns.{name}": values for name, values in part.columns.items()}
    columns["streams"] = part.streams
    columns |= {f"ends.{place}": part.ends[place] for place in range(4)}
    travelling = {name: (values, values.dtype) for name, values in columns.items()}
    return travelling, {"protocol": part.protocol, "words": part.words}


def part_of(columns: dict[str, Column], rest: dict[str, Any]) -> FlowPart:
    """Return the conversations that were taken apart."""
    from sniffkit.analysis.flows.flow_parts import FlowPart  # only at the end: who prepares begins sooner

    mine = {name.removeprefix("columns."): each for name, each in columns.items() if name.startswith("columns.")}
    ends = cast("TcpEnds", tuple(columns[f"ends.{place}"] for place in range(4)))
    return FlowPart(rest["protocol"], columns["streams"], mine, ends, rest["words"])
