"""A conversation as ``flows --json`` and ``--csv`` write it (CONTRACT: flows), and its verdict in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sniffkit.analysis.flows.flow_columns import Numbers, Texts
from sniffkit.analysis.flows.verdicts import verdict, verdict_keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sniffkit.analysis.flows.flow_columns import FlowColumns
    from sniffkit.analysis.flows.flow_parts import FlowPart
    from sniffkit.explanations.catalogue import Catalogue


class Epochs(Numbers):
    """A column of times in nanoseconds since 1970, told as tshark's frame.time_epoch."""

    def tolist(self) -> list[str | None]:
        """Return the text of each row."""
        return list(map(epoch, super().tolist()))


class Sometimes(NamedTuple):
    """A column of objects; there: bool (n,) the rows that have one."""

    members: dict[str, Numbers]
    there: NDArray[np.bool_]

    def tolist(self) -> list[dict[str, Any] | None]:
        """Return the object of each row."""
        return [one if there else None for one, there in zip(objects(self.members), self.there.tolist(), strict=True)]


Column = Texts | Numbers | Sometimes
Record = dict[str, "Column | Record"]
"""Objects, one a row: name of each member -> its values."""

Verdict = tuple[list[str], str]
"""The ids of its facts, and what they say in words."""


class FlowRecords:
    """Makes records of conversations in one language."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._between = " " if catalogue.language == "en" else ""
        self._said: dict[tuple[object, ...], str] = {}
        self._judged: dict[tuple[Any, ...], Verdict] = {}

    def columns(self, part: FlowPart) -> Record:
        """Return the columns of the conversations' JSON objects, in the order of their keys."""
        columns: Any = part.told()
        which, verdicts = self._judge(part, columns)
        handshake, to_server = columns["handshake_ns"], columns["handshake_server_ns"]
        ended_by = columns["silence_packet"].values
        record: Record = {
            "protocol": columns["protocol"],
            "stream": columns["stream"],
            "conn_state": columns["conn_state"],
            "history": columns["history"],
            "client": _end(columns, "client", part.protocol == "tcp"),
            "server": _end(columns, "server", part.protocol == "tcp"),
            "start_epoch": Epochs(columns["start"].values, columns["start"].missing),
            "duration": columns["duration_ns"] / 1e9,
            "handshake_rtt_ms": handshake / 1e6,
            "handshake_server_ms": to_server / 1e6,
            "handshake_client_ms": Numbers(handshake.values - to_server.values, handshake.missing) / 1e6,
            "opened": columns["opened"],
            "closed": columns["closed"],
            "closed_by": columns["closed_by"],
            "midstream": columns["midstream"],
            "part": columns["part"],
            "icmp_error": columns["icmp_error"],
            "first_packet": columns["first_packet"],
            "last_packet": columns["last_packet"],
            "longest_silence": columns["silence_ns"] / 1e9,
            "longest_silence_packet": Numbers(ended_by, ended_by == 0),
            "verdict": Texts(which, [ids for ids, _ in verdicts]),
            "text": Texts(which, [text for _, text in verdicts]),
        }
        if part.protocol == "icmp":
            record["identifier"] = columns["identifier"]
        return record

    def records(self, part: FlowPart) -> Iterator[dict[str, Any]]:
        """Yield each conversation as one JSON object."""
        return objects(self.columns(part))

    def verdicts(self, part: FlowPart) -> list[str]:
        """Return the verdict on each conversation in words."""
        which, verdicts = self._judge(part, part.told())
        return [verdicts[at][1] for at in which.tolist()]

    def _judge(self, part: FlowPart, columns: FlowColumns) -> tuple[NDArray[np.int64], list[Verdict]]:
        """Return which verdict each conversation has, int64 (n,), and the verdicts.

        They are remembered by what they depend on, for most are of a kind.
        """
        if len(self._judged) > 10_000:
            self._judged.clear()
        keys = verdict_keys(columns, part.protocol)
        row_of = dict(zip(keys, range(len(keys)), strict=True))
        number = dict(zip(row_of, range(len(row_of)), strict=True))
        new = {key: row for key, row in row_of.items() if key not in self._judged}
        for key, flow in zip(new, part.take(list(new.values())).records(), strict=True):
            facts = verdict(flow)
            text = self._between.join([self._say(fact.id, fact.values) for fact in facts])
            self._judged[key] = [fact.id for fact in facts], text
        which = np.fromiter(map(number.__getitem__, keys), np.int64, len(keys))
        return which, [self._judged[key] for key in row_of]

    def _say(self, id: str, values: dict[str, object]) -> str:
        key = (id, *values.values())
        if key not in self._said:
            if len(self._said) > 10_000:
                self._said.clear()
            self._said[key] = self._catalogue.text(id, "text", **values)
        return self._said[key]


_END = ("address", "port", "packets", "ip_bytes", "payload_bytes")
_TCP_END = (
    "state", "retransmissions", "fast_retransmissions", "spurious_retransmissions", "out_of_order", "lost_segments",
    "duplicate_acks", "keep_alives", "zero_windows", "window_full", "mss", "window_scale", "sack_permitted",
    "timestamps",
)  # fmt: skip

_PROMISED = ("state", "retransmissions", "mss", "window_scale", "sack_permitted")
"""Keys of an end that every record has (CONTRACT), null where there is no TCP."""

FEW = frozenset(
    {"conn_state", "history", *_TCP_END, "opened", "closed", "closed_by", "midstream", "part", "icmp_error"}
)
"""Columns in which the same values come again and again."""


def _end(columns: Any, role: str, tcp: bool) -> Record:
    """Return one end of each conversation; other protocols have only those keys of TCP's that every record has."""
    record: Record = {name: columns[f"{role}_{name}"] for name in _END}
    if tcp:
        record |= {name: columns[f"{role}_{name}"] for name in _TCP_END}
        times = {
            "min": columns[f"{role}_ack_least_ns"] / 1e6,
            "median": columns[f"{role}_ack_median_ns"] / 1e6,
            "max": columns[f"{role}_ack_greatest_ns"] / 1e6,
            "count": columns[f"{role}_answers"],
        }
        record["ack_ms"] = Sometimes(times, times["count"].values != 0)
    else:
        nothing = Texts(np.zeros(len(columns[f"{role}_packets"].values), np.int64), [None])
        record |= dict.fromkeys(_PROMISED, nothing)
    return record


def objects(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield an object for each row of columns; its keys are their names."""
    names = tuple(record)
    columns = [objects(column) if isinstance(column, dict) else column.tolist() for column in record.values()]
    # One at a time, to be written and forgotten: thousands together leave the processor's cache.
    return (dict(zip(names, values)) for values in zip(*columns))  # noqa: B905 - to check costs as much again


def epoch(nanoseconds: int | None) -> str | None:
    """Write a time as tshark's frame.time_epoch: seconds with nine decimals."""
    if nanoseconds is None:
        return None
    digits = f"{abs(nanoseconds):010d}"
    return f"{'-' if nanoseconds < 0 else ''}{digits[:-9]}.{digits[-9:]}"


CSV_COLUMNS = (
    "protocol", "stream", "part", "client.address", "client.port", "server.address", "server.port", "start_epoch",
    "duration", "opened", "closed", "closed_by", "conn_state", "history", "client.state", "server.state",
    "client.packets", "server.packets", "client.ip_bytes", "server.ip_bytes", "client.payload_bytes",
    "server.payload_bytes", "handshake_rtt_ms", "handshake_server_ms", "handshake_client_ms", "client.ack_ms.median",
    "server.ack_ms.median", "client.retransmissions", "server.retransmissions", "client.out_of_order",
    "server.out_of_order", "client.zero_windows", "server.zero_windows", "longest_silence", "client.mss", "server.mss",
    "client.window_scale", "server.window_scale", "client.sack_permitted", "server.sack_permitted",
    "client.timestamps", "server.timestamps", "midstream",
    "icmp_error", "text",
)  # fmt: skip
"""Columns of ``--csv``: paths into the JSON object."""


def cell(record: dict[str, Any], path: str) -> str:
    """Return what stands at a path of a record, as text: nothing for null, 1 and 0 for true and false."""
    value: Any = record
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return str(int(value))
    return "" if value is None else str(value)
