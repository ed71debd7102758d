"""A conversation as ``flows --json`` and ``--csv`` write it (CONTRACT: flows), and its verdict in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sniffkit.analysis.flows.verdicts import verdict

if TYPE_CHECKING:
    from sniffkit.analysis.flows.records import Flow, FlowEnd
    from sniffkit.explanations.catalogue import Catalogue


class FlowRecords:
    """Makes records of conversations in one language."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._between = " " if catalogue.language == "en" else ""
        self._said: dict[tuple[object, ...], str] = {}
        self._judged: dict[tuple[object, ...], tuple[list[str], str]] = {}

    def record(self, flow: Flow) -> dict[str, Any]:
        """Return a conversation as one JSON object."""
        tcp = flow.protocol == "tcp"
        ids, text = self._judge(flow)
        record: dict[str, Any] = {
            "protocol": flow.protocol,
            "stream": flow.stream,
            "conn_state": flow.conn_state,
            "history": flow.history,
            "client": _end(flow.client, tcp),
            "server": _end(flow.server, tcp),
            "start_epoch": epoch(flow.start_ns),
            "duration": None if flow.duration_ns is None else flow.duration_ns / 1e9,
            "handshake_rtt_ms": _ms(flow.handshake_ns),
            "handshake_server_ms": _ms(flow.handshake_server_ns),
            "handshake_client_ms": None
            if flow.handshake_ns is None or flow.handshake_server_ns is None
            else _ms(flow.handshake_ns - flow.handshake_server_ns),
            "opened": flow.opened,
            "closed": flow.closed,
            "closed_by": flow.closed_by,
            "midstream": flow.midstream,
            "part": flow.part,
            "first_packet": flow.first_packet,
            "last_packet": flow.last_packet,
            "longest_silence": flow.silence_ns / 1e9,
            "longest_silence_packet": flow.silence_packet or None,
            "verdict": ids,
            "text": text,
        }
        if flow.identifier is not None:
            record["identifier"] = flow.identifier
        return record

    def verdict(self, flow: Flow) -> str:
        """Return the verdict on a conversation in words."""
        return self._judge(flow)[1]

    def _judge(self, flow: Flow) -> tuple[list[str], str]:
        """Return the ids and the words of a verdict; those on orderly ends are remembered, most are of a kind."""
        client, server = flow.client, flow.server
        if flow.closed != "fin":
            return self._judge_anew(flow)
        key = (
            flow.opened, flow.closed_by, flow.course, client.state, server.state, client.retransmissions,
            server.retransmissions, client.out_of_order, server.out_of_order, client.zero_windows, server.zero_windows,
            client.payload_bytes + server.payload_bytes > 0, client.packets > 0, server.packets > 0,
        )  # fmt: skip
        found = self._judged.get(key)
        if found is None:
            if len(self._judged) > 10_000:
                self._judged.clear()
            found = self._judged[key] = self._judge_anew(flow)
        return found

    def _judge_anew(self, flow: Flow) -> tuple[list[str], str]:
        facts = verdict(flow)
        return [fact.id for fact in facts], self._between.join([self._say(fact.id, fact.values) for fact in facts])

    def _say(self, id: str, values: dict[str, object]) -> str:
        key = (id, *values.values())
        if key not in self._said:
            if len(self._said) > 10_000:
                self._said.clear()
            self._said[key] = self._catalogue.text(id, "text", **values)
        return self._said[key]


def _end(end: FlowEnd, tcp: bool) -> dict[str, Any]:
    """Return one end; the keys that only TCP has are left out of other protocols."""
    record: dict[str, Any] = {
        "address": end.address,
        "port": end.port,
        "packets": end.packets,
        "ip_bytes": end.ip_bytes,
        "payload_bytes": end.payload_bytes,
    }
    if tcp:
        answer = end.answer
        record |= {
            "state": end.state,
            "retransmissions": end.retransmissions,
            "fast_retransmissions": end.fast_retransmissions,
            "spurious_retransmissions": end.spurious_retransmissions,
            "out_of_order": end.out_of_order,
            "lost_segments": end.lost_segments,
            "duplicate_acks": end.duplicate_acks,
            "keep_alives": end.keep_alives,
            "zero_windows": end.zero_windows,
            "window_full": end.window_full,
            "mss": end.mss,
            "window_scale": end.window_scale,
            "sack_permitted": end.sack_permitted,
            "timestamps": end.timestamps,
            "ack_ms": None
            if answer is None
            else {
                "min": answer.least / 1e6,
                "median": answer.median / 1e6,
                "max": answer.greatest / 1e6,
                "count": answer.count,
            },
        }
    return record


def epoch(nanoseconds: int | None) -> str | None:
    """Write a time as tshark's frame.time_epoch: seconds with nine decimals."""
    if nanoseconds is None:
        return None
    sign = "-" if nanoseconds < 0 else ""
    seconds, rest = divmod(abs(nanoseconds), 10**9)
    return f"{sign}{seconds}.{rest:09d}"


def _ms(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e6


CSV_COLUMNS = (
    "protocol", "stream", "part", "client.address", "client.port", "server.address", "server.port", "start_epoch",
    "duration", "opened", "closed", "closed_by", "conn_state", "history", "client.state", "server.state",
    "client.packets", "server.packets", "client.ip_bytes", "server.ip_bytes", "client.payload_bytes",
    "server.payload_bytes", "handshake_rtt_ms", "handshake_server_ms", "handshake_client_ms", "client.ack_ms.median",
    "server.ack_ms.median", "client.retransmissions", "server.retransmissions", "client.out_of_order",
    "server.out_of_order", "client.zero_windows", "server.zero_windows", "longest_silence", "client.mss", "server.mss",
    "client.window_scale", "server.window_scale", "client.sack_permitted", "server.sack_permitted",
    "client.timestamps", "server.timestamps", "midstream", "text",
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
