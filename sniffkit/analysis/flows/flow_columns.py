"""Conversations as columns, as they stand in the analysis: no record is made of any, so millions cost little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.conversations import CLOSED, CLOSED_BY, OPENED
from sniffkit.analysis.flows.analysis import SERVICES, FlowAnalysis, PairFlows, address_texts
from sniffkit.analysis.tcp.states import LABELS
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of texts: the text of each row is ``known[index]``, none where the index is -1."""

    index: NDArray[np.int64]
    known: Sequence[str | None]


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column of fixed width; missing: bool (n,) rows without a value, None where all have one."""

    values: NDArray[Any]
    missing: NDArray[np.bool_] | None = None


FlowColumns = dict[str, Texts | Numbers]


def flow_columns(analysis: FlowAnalysis) -> Iterator[FlowColumns]:
    """Yield all conversations as columns, some thousands of rows at a time, in the order of ``records``."""
    for streams, columns in analysis.tcp.table.parts():
        used = columns["packets"].any(axis=1)
        if used.any():
            yield _tcp(analysis, streams[used], {name: values[used] for name, values in columns.items()})
    for protocol, flows in (("udp", analysis.udp), ("icmp", analysis.icmp)):
        for streams, columns in flows.table.parts():
            used = columns["packets"].any(axis=1)
            if used.any():
                yield _pairs(protocol, flows, streams[used], {name: each[used] for name, each in columns.items()})


def _same(text: str | None, count: int) -> Texts:
    return Texts(np.full(count, -1 if text is None else 0), [text])


def _totals(protocol: str, streams: NDArray[np.int64], columns: dict[str, NDArray[Any]]) -> FlowColumns:
    timeless = columns["start_ns"] == NO_TIME
    timeless_or_none = timeless if timeless.any() else None
    lasted = np.maximum(np.where(timeless, 0, columns["end_ns"] - np.where(timeless, 0, columns["start_ns"])), 0)
    return {
        "protocol": _same(protocol, len(streams)),
        "stream": Numbers(streams),
        "part": Numbers(columns["part"].astype(np.int32)),
        "start": Numbers(columns["start_ns"], timeless_or_none),
        "duration_ns": Numbers(lasted, timeless_or_none),
    }


def _rest(columns: dict[str, NDArray[Any]]) -> FlowColumns:
    return {name: Numbers(columns[name]) for name in ("silence_ns", "first_packet", "last_packet")}


def _end(
    address: NDArray[np.uint64], port: NDArray[np.uint16], columns: dict[str, NDArray[Any]], side: NDArray[np.int64],
    ports: bool = True,
) -> FlowColumns:  # fmt: skip
    row = np.arange(len(side))
    found: FlowColumns = {
        "address": Texts(row, address_texts(address)),
        "port": Numbers(port.astype(np.int32), None if ports else np.ones(len(port), np.bool_)),
    }
    for name in ("packets", "ip_bytes", "payload_bytes"):
        found[name] = Numbers(columns[name][row, side].astype(np.int64))
    return found


_COUNTED = ("retransmissions", "out_of_order", "duplicate_acks", "zero_windows")
_TIMES = {"ack_least_ns": "answer_least", "ack_median_ns": "answer_median", "ack_greatest_ns": "answer_greatest"}


def _tcp(analysis: FlowAnalysis, streams: NDArray[np.int64], columns: dict[str, NDArray[Any]]) -> FlowColumns:
    words = analysis.tcp.outcomes.words
    row = np.arange(len(streams))
    unmeasured = columns["handshake_ns"] < 0
    zeek = columns["zeek"].astype(np.int64)
    found = (
        _totals("tcp", streams, columns)
        | {
            "opened": Texts(columns["opened"].astype(np.int64), OPENED),
            "closed": Texts(columns["closed"].astype(np.int64), CLOSED),
            "closed_by": Texts(columns["closed_by"].astype(np.int64), CLOSED_BY),
            "midstream": Numbers(columns["opened"] == OPENED.index("midstream")),
            "conn_state": Texts(zeek, [state for state, _ in words]),
            "history": Texts(zeek, [history for _, history in words]),
            "handshake_ns": Numbers(columns["handshake_ns"], unmeasured),
            "handshake_server_ns": Numbers(columns["handshake_server_ns"], unmeasured),
        }
        | _rest(columns)
    )
    one, one_port, other, other_port = analysis.tcp.ends.ends(streams)
    first = columns["client"].astype(np.int64)
    for role, side in (("client", first), ("server", 1 - first)):
        turned = side == 1
        address = np.where(turned[:, None], other, one)
        end = _end(address, np.where(turned, other_port, one_port), columns, side)
        end["state"] = Texts(columns["state"][row, side].astype(np.int64), LABELS)
        end |= {name: Numbers(columns[name][row, side].astype(np.int64)) for name in _COUNTED}
        silent = columns["answers"][row, side] == 0
        end |= {name: Numbers(columns[values][row, side], silent) for name, values in _TIMES.items()}
        unseen = columns["syn"][row, side] == 0
        for name in ("mss", "window_scale"):
            values = columns[name][row, side].astype(np.int32)
            end[name] = Numbers(values, unseen | (values < 0))
        end |= {name: Numbers(columns[name][row, side], unseen) for name in ("sack_permitted", "timestamps")}
        found |= {f"{role}_{name}": values for name, values in end.items()}
    return found


def _pairs(
    protocol: str, flows: PairFlows, streams: NDArray[np.int64], columns: dict[str, NDArray[Any]]
) -> FlowColumns:
    count = len(streams)
    one, one_port, other, other_port = flows.ends.ends(streams)
    turned = columns["turned"] | ((one_port < SERVICES) & (other_port >= SERVICES) if protocol == "udp" else False)
    first = turned.astype(np.int64)
    row = np.arange(count)
    asked, answered = columns["packets"][row, first] > 0, columns["packets"][row, 1 - first] > 0
    nothing = np.ones(count, np.bool_)
    how = np.where(asked & answered, 0, np.where(asked, 1, 2))
    found = (
        _totals(protocol, streams, columns)
        | {
            **{name: _same(None, count) for name in ("opened", "closed", "closed_by")},
            "midstream": Numbers(~nothing),
            "conn_state": Texts(how, ["SF", "S0", "SHR"]),
            "history": Texts(how, ["Dd", "D", "d"]),
            **{name: Numbers(np.zeros(count, np.int64), nothing) for name in ("handshake_ns", "handshake_server_ns")},
        }
        | _rest(columns)
    )
    for role, side in (("client", first), ("server", 1 - first)):
        back = side == 1
        address, port = np.where(back[:, None], other, one), np.where(back, other_port, one_port)
        end = _end(address, port, columns, side, ports=protocol == "udp")
        end["state"] = _same(None, count)
        end |= {name: Numbers(np.zeros(count, np.int64)) for name in _COUNTED}
        end |= {name: Numbers(np.zeros(count, np.int64), nothing) for name in _TIMES}
        end |= {name: Numbers(np.zeros(count, np.int32), nothing) for name in ("mss", "window_scale")}
        end |= {name: Numbers(~nothing, nothing) for name in ("sack_permitted", "timestamps")}
        found |= {f"{role}_{name}": values for name, values in end.items()}
    return found
