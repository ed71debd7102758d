"""Conversations as typed columns, one value a conversation: what the library and ``flows --parquet`` hand on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffkit.analysis.flows.flow_parts import FlowPart

_FLOW = {
    "protocol": "string",
    "stream": "int64",
    "part": "int32",
    "start": "time",
    "duration_ns": "int64",
    "opened": "string",
    "closed": "string",
    "closed_by": "string",
    "midstream": "bool",
    "conn_state": "string",
    "history": "string",
    "handshake_ns": "int64",
    "handshake_server_ns": "int64",
    "silence_ns": "int64",
    "first_packet": "int64",
    "last_packet": "int64",
    "icmp_error": "string",
}

_END = {
    "address": "string",
    "port": "int32",
    "packets": "int64",
    "ip_bytes": "int64",
    "payload_bytes": "int64",
    "state": "string",
    "retransmissions": "int64",
    "out_of_order": "int64",
    "duplicate_acks": "int64",
    "zero_windows": "int64",
    "ack_least_ns": "int64",
    "ack_median_ns": "int64",
    "ack_greatest_ns": "int64",
    "mss": "int32",
    "window_scale": "int32",
    "sack_permitted": "bool",
    "timestamps": "bool",
}

KINDS = _FLOW | {f"{role}_{name}": kind for role in ("client", "server") for name, kind in _END.items()}
"""Name of each column -> its Arrow type ("time": nanoseconds since 1970); those of the ends are led by which it is."""


def rows(part: FlowPart) -> Iterator[tuple[Any, ...]]:
    """Yield the values of each conversation, in the order of the columns."""
    columns = part.told()
    return zip(*(columns[name].tolist() for name in KINDS), strict=True)
