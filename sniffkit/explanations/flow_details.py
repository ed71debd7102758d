"""All that is known of one conversation, in a few lines below its verdict: what ``flows -v`` adds to the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sniffkit.explanations.language import duration

if TYPE_CHECKING:
    from sniffkit.analysis.flows.records import Flow, FlowEnd
    from sniffkit.explanations.catalogue import Catalogue


def details(flow: Flow, begin_ns: int | None, catalogue: Catalogue) -> list[str]:
    """Return lines: when and how it ran, then what each end did and offered; times count from ``begin_ns``."""
    told = Details(catalogue)
    lines = [told.course(flow, begin_ns)]
    if flow.protocol == "tcp":
        lines += [told.end("client", flow.client, flow.server), told.end("server", flow.server, flow.client)]
    return lines


class Details:
    """Says single things in one language."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._comma = catalogue.text("flows.detail.between")

    def course(self, flow: Flow, begin_ns: int | None) -> str:
        """Return when a conversation began, how long its handshake took on either side, and its longest silence."""
        which = "packet" if flow.first_packet == flow.last_packet else "packets"
        parts = [self._say(which, first=flow.first_packet, last=flow.last_packet)]
        if flow.start_ns is not None and begin_ns is not None:
            parts.append(self._say("begins", after=f"{(flow.start_ns - begin_ns) / 1e9:.6f}"))
        if flow.handshake_ns is not None and flow.handshake_server_ns is not None:
            server = flow.handshake_server_ns
            times = {"whole": flow.handshake_ns, "server": server, "client": flow.handshake_ns - server}
            parts.append(self._say("handshake", **{name: self._time(value) for name, value in times.items()}))
        if flow.silence_packet:
            parts.append(self._say("silence", time=self._time(flow.silence_ns), packet=flow.silence_packet))
        return self._comma.join(parts)

    def end(self, role: str, end: FlowEnd, other: FlowEnd) -> str:
        """Return what an end did and what its SYN offered.

        Where the other end had closed its window, a keep-alive may have been a probe of it: many systems' look alike.
        """
        parts = [self._say(role, state=end.state, octets=end.payload_bytes)]
        if (answer := end.answer) is not None:
            times = {"least": answer.least, "median": answer.median, "greatest": answer.greatest}
            named = {name: self._time(value) for name, value in times.items()}
            parts.append(self._say("acks" if answer.count > 1 else "acks-once", count=answer.count, **named))
        counts = {
            "again": end.retransmissions,
            "fast": end.fast_retransmissions,
            "spurious": end.spurious_retransmissions,
            "order": end.out_of_order,
            "lost": end.lost_segments,
            "duplicate": end.duplicate_acks,
            "alive-or-probe" if other.zero_windows else "alive": end.keep_alives,
            "zero": end.zero_windows,
            "full": end.window_full,
        }
        for name, count in counts.items():
            if count:
                parts.append(self._say(name, count=count))
        if end.syns:
            parts.append(self._options(end))
        return self._comma.join(parts)

    def _options(self, end: FlowEnd) -> str:
        offered = [] if end.mss is None else [f"MSS {end.mss}"]
        if end.window_scale is not None:
            offered.append(self._say("scale", shift=end.window_scale))
        if end.sack_permitted:
            offered.append("SACK")
        if end.timestamps:
            offered.append(self._say("timestamps"))
        return (
            self._say("options", options=self._catalogue.text("flows.detail.and").join(offered))
            if offered
            else self._say("no-options")
        )

    def _say(self, name: str, **values: Any) -> str:
        return self._catalogue.text(f"flows.detail.{name}", **values)

    def _time(self, nanoseconds: int) -> str:
        return duration(nanoseconds, self._catalogue.language)
