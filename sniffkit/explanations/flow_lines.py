"""Conversations as lines of a table: cells under headings, and the verdict below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sniffkit.explanations.flow_details import details
from sniffkit.explanations.flow_record import FlowRecords
from sniffkit.explanations.language import duration
from sniffkit.explanations.outcome_words import closed_words, opened_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffkit.analysis.flows.flow_parts import FlowPart
    from sniffkit.analysis.flows.records import Flow, FlowEnd
    from sniffkit.explanations.catalogue import Catalogue

COLUMNS = (
    "stream", "ends", "packets", "bytes", "lasted", "rtt", "again", "opened", "closed", "state", "zeek", "start",
    "answer", "payload", "silence", "mss",
)  # fmt: skip
"""Columns of the table; where there is no room for all, the first ones are shown."""

RIGHT = frozenset({"packets", "bytes", "lasted", "rtt", "again", "start", "answer", "payload", "silence", "mss"})
"""Columns whose cells stand flush right."""


_OPENING = frozenset({"SYN-SENT", "SYN-RECEIVED"})
"""States of an end whose handshake has not come to its end."""


@dataclass(frozen=True, slots=True)
class FlowLine:
    """A conversation: one cell a column, what became of it, and where more is asked for all the rest."""

    cells: tuple[str, ...]
    verdict: str
    details: tuple[str, ...] = ()


class FlowLines:
    """Makes lines in one language; times count from ``begin_ns``. verbose: with all details."""

    def __init__(self, catalogue: Catalogue, begin_ns: int | None, verbose: bool = False) -> None:
        self._catalogue, self._begin_ns, self._verbose = catalogue, begin_ns, verbose
        self._records = FlowRecords(catalogue)
        self.headings = tuple(catalogue.text(f"flows.column.{name}") for name in COLUMNS)

    def lines(self, part: FlowPart) -> Iterator[FlowLine]:
        """Yield each conversation as a line."""
        return map(self._line, part.records(), self._records.verdicts(part))

    def _line(self, flow: Flow, verdict: str) -> FlowLine:
        client, server = flow.client, flow.server
        tcp = flow.protocol == "tcp"
        part = f".{flow.part}" if flow.part > 1 else ""
        cells = {
            "stream": f"{flow.protocol} {flow.stream}{part}",
            "ends": f"{end_text(client)} → {end_text(server)}",
            "packets": f"{client.packets}/{server.packets}",
            "bytes": f"{client.ip_bytes}/{server.ip_bytes}",
            "lasted": self._time(flow.duration_ns) if flow.packets > 1 else "–",
            "rtt": self._time(flow.handshake_ns),
            "again": str(flow.retransmissions) if tcp else "",
            "opened": self._opened(flow),
            "closed": self._closed(flow),
            "zeek": f"{flow.conn_state} {flow.history}",
            "state": f"{client.state} / {server.state}" if tcp else "",
            "start": self._start(flow.start_ns),
            "answer": "/".join(self._time(end.answer.median) if end.answer else "-" for end in (client, server))
            if client.answer or server.answer
            else "",
            "payload": f"{client.payload_bytes}/{server.payload_bytes}",
            "silence": self._time(flow.silence_ns) if flow.silence_packet else "–",
            "mss": f"{client.mss or '-'}/{server.mss or '-'}" if tcp else "",
        }
        more = details(flow, self._begin_ns, self._catalogue) if self._verbose else ()
        return FlowLine(tuple(cells[name] for name in COLUMNS), verdict, tuple(more))

    def _opened(self, flow: Flow) -> str:
        completed = _OPENING.isdisjoint((flow.client.state, flow.server.state))
        return opened_words(flow.opened, completed, self._catalogue) if flow.opened else ""

    def _closed(self, flow: Flow) -> str:
        if not flow.opened or not flow.closed:
            return ""
        return closed_words(flow.opened, flow.closed, flow.closed_by, self._catalogue)

    def _time(self, nanoseconds: int | None) -> str:
        return "" if nanoseconds is None else duration(nanoseconds, self._catalogue.language)

    def _start(self, start_ns: int | None) -> str:
        if start_ns is None or self._begin_ns is None:
            return ""
        return f"{(start_ns - self._begin_ns) / 1e9:.3f}"


def end_text(end: FlowEnd) -> str:
    """Write an end: address and port, an IPv6 address in brackets (RFC 3986 section 3.2.2)."""
    if end.port is None:
        return end.address
    return f"[{end.address}]:{end.port}" if ":" in end.address else f"{end.address}:{end.port}"
