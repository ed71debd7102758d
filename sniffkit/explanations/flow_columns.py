"""Conversations as typed columns, one value a conversation: what the library and ``flows --parquet`` hand on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sniffkit.analysis.flows.records import Flow, FlowEnd

_FLOW: dict[str, tuple[str, Callable[[Flow], Any]]] = {
    "protocol": ("string", lambda flow: flow.protocol),
    "stream": ("int64", lambda flow: flow.stream),
    "part": ("int32", lambda flow: flow.part),
    "start": ("time", lambda flow: flow.start_ns),
    "duration_ns": ("int64", lambda flow: flow.duration_ns),
    "opened": ("string", lambda flow: flow.opened),
    "closed": ("string", lambda flow: flow.closed),
    "closed_by": ("string", lambda flow: flow.closed_by),
    "midstream": ("bool", lambda flow: flow.midstream),
    "conn_state": ("string", lambda flow: flow.conn_state),
    "history": ("string", lambda flow: flow.history),
    "handshake_ns": ("int64", lambda flow: flow.handshake_ns),
    "handshake_server_ns": ("int64", lambda flow: flow.handshake_server_ns),
    "silence_ns": ("int64", lambda flow: flow.silence_ns),
    "first_packet": ("int64", lambda flow: flow.first_packet),
    "last_packet": ("int64", lambda flow: flow.last_packet),
}

_END: dict[str, tuple[str, Callable[[FlowEnd], Any]]] = {
    "address": ("string", lambda end: end.address),
    "port": ("int32", lambda end: end.port),
    "packets": ("int64", lambda end: end.packets),
    "ip_bytes": ("int64", lambda end: end.ip_bytes),
    "payload_bytes": ("int64", lambda end: end.payload_bytes),
    "state": ("string", lambda end: end.state),
    "retransmissions": ("int64", lambda end: end.retransmissions),
    "out_of_order": ("int64", lambda end: end.out_of_order),
    "duplicate_acks": ("int64", lambda end: end.duplicate_acks),
    "zero_windows": ("int64", lambda end: end.zero_windows),
    "ack_least_ns": ("int64", lambda end: end.answer.least if end.answer else None),
    "ack_median_ns": ("int64", lambda end: end.answer.median if end.answer else None),
    "ack_greatest_ns": ("int64", lambda end: end.answer.greatest if end.answer else None),
    "mss": ("int32", lambda end: end.mss),
    "window_scale": ("int32", lambda end: end.window_scale),
    "sack_permitted": ("bool", lambda end: end.sack_permitted),
    "timestamps": ("bool", lambda end: end.timestamps),
}


KINDS = {name: kind for name, (kind, _) in _FLOW.items()} | {
    f"{role}_{name}": kind for role in ("client", "server") for name, (kind, _) in _END.items()
}
"""Name of each column -> its Arrow type ("time": nanoseconds since 1970)."""


def flow_columns(flows: Iterable[Flow]) -> dict[str, list[Any]]:
    """Return the columns of conversations; those of the ends begin with ``client_``, ``server_``."""
    every = list(flows)
    columns = {name: [read(flow) for flow in every] for name, (_, read) in _FLOW.items()}
    for role in ("client", "server"):
        ends = [getattr(flow, role) for flow in every]
        columns |= {f"{role}_{name}": [read(end) for end in ends] for name, (_, read) in _END.items()}
    return columns
