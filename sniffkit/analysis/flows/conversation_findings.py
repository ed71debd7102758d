"""What is worth looking at in one conversation, and which conversations have anything of the kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.conversations import CLOSED, OPENED
from sniffkit.analysis.facts import Fact, Level
from sniffkit.analysis.flows.event_packets import SHOWN, EventPackets
from sniffkit.analysis.flows.finding_groups import Finding
from sniffkit.analysis.flows.icmp_errors import ERRORS
from sniffkit.analysis.flows.verdicts import QUESTIONS, is_group
from sniffkit.analysis.tcp.outcomes import COURSE
from sniffkit.analysis.tcp.states import LABELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sniffkit.analysis.flows.flow_parts import FlowPart
    from sniffkit.analysis.flows.records import Flow

LONG_SILENCE_NS = 5 * 10**9
"""A silence from here on is told."""

SYN_ONLY = "tcp.flags.syn == 1 && tcp.flags.ack == 0"

_ICMP_FILTERS = {
    "refused": ("icmp.type == 3 && icmp.code == 3", "icmpv6.type == 1 && icmpv6.code == 4"),
    "unreachable": ("icmp.type == 3", "icmpv6.type == 1"),
    "prohibited": ("icmp.type == 3", "icmpv6.type == 1"),
    "too-big": ("icmp.type == 3 && icmp.code == 4", "icmpv6.type == 2"),
    "exceeded": ("icmp.type == 11", "icmpv6.type == 3"),
}
"""By what an ICMP error says: the filter that shows it, over IPv4 and over IPv6."""


def worth_a_look(part: FlowPart, events: EventPackets) -> NDArray[np.bool_]:
    """Return which conversations may have findings: bool (n,); only of those are records made."""
    columns = part.columns
    one_way = np.asarray(~columns["packets"].all(axis=1))
    if part.protocol == "icmp":
        return one_way
    found: NDArray[np.bool_] = events.among(part.protocol, part.streams)
    if part.protocol == "udp":
        return found | one_way
    found |= one_way | (columns["silence_ns"] >= LONG_SILENCE_NS) | (columns["repeated_last"] > 1)
    found |= (columns["course"] & (1 << COURSE.index("half-open"))) != 0
    found |= np.isin(columns["closed"], [CLOSED.index("half"), CLOSED.index("reset")])
    found |= np.isin(columns["opened"], [OPENED.index("unanswered"), OPENED.index("refused")])
    found |= (columns["state"] == LABELS.index("SYN-RECEIVED")).any(axis=1)
    return found


@dataclass(frozen=True, slots=True)
class Reused:
    """An earlier conversation whose ports a later one uses.

    before: its stream; open: it was not closed; elapsed_ns: from its last packet to the new SYN, None if not known
    """

    before: int
    open: bool
    elapsed_ns: int | None


def of_conversation(flow: Flow, events: EventPackets, reused: dict[int, Reused]) -> Iterator[Finding]:
    """Yield the findings on one conversation; reused: by stream, what had its ports before."""
    found = ConversationFindings(flow, events)
    if flow.protocol == "icmp":
        yield from found.of_echo()
    elif flow.protocol == "udp":
        yield from found.of_datagrams()
    else:
        yield from found.of_opening(reused.get(flow.stream) if flow.part == 1 else None)
        yield from found.of_ending()
        yield from found.of_segments()
        yield from found.of_capture()


class ConversationFindings:
    """Says what stands out in one conversation; packet numbers come from ``events``."""

    def __init__(self, flow: Flow, events: EventPackets) -> None:
        self._flow, self._events = flow, events
        self._six = ":" in flow.client.address

    def of_echo(self) -> Iterator[Finding]:
        """Yield what there is to say of ICMP echo."""
        flow = self._flow
        if flow.client.packets and not flow.server.packets and not _means_many(flow.server.address):
            ident, address = ("icmpv6.echo.identifier", "ipv6") if self._six else ("icmp.ident", "ip")
            shows = f"{ident} == {flow.identifier} && {address}.dst == {flow.server.address}"
            yield self._finding(
                "flows.found.echo-unanswered", "warning", shows, _ends(flow), flow.client.packets,
                count=flow.client.packets,
            )  # fmt: skip

    def of_datagrams(self) -> Iterator[Finding]:
        """Yield what there is to say of UDP."""
        flow = self._flow
        yield from self._errors("udp")
        asked = flow.client.packets and not flow.server.packets and flow.server.port in QUESTIONS
        if asked and flow.icmp_error is None and not _means_many(flow.server.address):
            yield self._finding(
                "flows.found.udp-unanswered", "warning", "", _ends(flow), flow.packets, count=flow.packets
            )
        yield from self._of_kind("udp-checksum", "flows.found.udp-checksum", "warning", "udp.checksum.status == 0")

    def of_opening(self, reused: Reused | None) -> Iterator[Finding]:
        """Yield what went wrong with the handshake."""
        flow = self._flow
        count, again = self._of("syn")
        syns = (flow.first_packet, *again)[:SHOWN]
        if "half-open" in flow.course:
            yield self._finding("flows.found.half-open", "warning", SYN_ONLY, syns, 1 + count)
        elif reused is not None:
            _, shown = self._of("reused_ports")
            yield self._finding(
                "flows.found.reused-open" if reused.open else "flows.found.reused",
                "warning" if reused.open else "note", "tcp.analysis.reused_ports", shown, 1,
                before=reused.before, elapsed_ns=reused.elapsed_ns,
            )  # fmt: skip
        yield from self._errors("tcp")
        if flow.opened == "refused":
            _, shown = self._of("rst")
            reset = "tcp.flags.reset == 1"
            yield self._finding("flows.found.refused", "warning", reset, shown, 1, port=flow.server.port)
        elif flow.opened == "unanswered" and flow.closed == "open" and flow.client.syns and flow.icmp_error is None:
            sent = flow.client.syns
            yield self._finding("flows.found.unanswered", "warning", SYN_ONLY, syns, sent, count=sent)
        elif flow.opened == "handshake" and flow.closed == "open" and flow.server.state == "SYN-RECEIVED":
            sent = max(flow.server.syns, 1)
            _, tried = self._of("tried")
            shown = tuple(sorted({flow.first_packet, *tried}))[:SHOWN]
            yield self._finding("flows.found.not-completed", "warning", "", shown, sent, count=sent)

    def of_ending(self) -> Iterator[Finding]:
        """Yield how it came to no good end."""
        flow = self._flow
        both_seen = flow.client.packets and flow.server.packets
        completed = both_seen and flow.opened != "unanswered" and flow.server.state != "SYN-RECEIVED"
        fallen_silent = flow.repeated_last > 1 and completed
        if fallen_silent:
            yield self._fallen_silent()
        if flow.closed == "half":
            end = flow.server if flow.closed_by == "client" else flow.client
            if end.state == "CLOSE-WAIT":
                _, shown = self._of("fin")
                role = flow.role(end)
                yield self._finding("flows.found.close-wait", "warning", "tcp.flags.fin == 1", shown, 1, end=role)
        if flow.closed == "reset" and flow.opened != "refused" and not fallen_silent:
            _, shown = self._of("rst")
            opening = flow.closed_by == "client" and flow.server.state == "LISTEN"
            closing = "F" in flow.history.upper()
            yield self._finding(
                "flows.found.reset-opening" if opening
                else "flows.found.reset-closing" if closing else "flows.found.reset",
                "note" if closing and not opening else "warning",
                "tcp.flags.reset == 1", shown, 1, end=flow.closed_by or "client",
            )  # fmt: skip

    def _fallen_silent(self) -> Finding:
        """Return that an end did not answer what was sent again and again."""
        flow = self._flow
        end = flow.client if flow.last_sender == "client" else flow.server
        _, shown = self._of("tried")
        shown = shown[-flow.repeated_last :]
        alive = not end.retransmissions
        shows = "tcp.analysis.keep_alive" if alive else "(tcp.analysis.retransmission || tcp.analysis.keep_alive)"
        if shown and flow.repeated_last <= SHOWN:
            shows += f" && frame.number >= {shown[0]}"
        count = flow.repeated_last
        return self._finding(
            "flows.found.keep-alive-unanswered" if alive else "flows.found.vanished",
            "warning", shows, shown, count, end=flow.last_sender, count=count,
        )  # fmt: skip

    def of_segments(self) -> Iterator[Finding]:
        """Yield what single segments show."""
        flow = self._flow
        client, server = flow.client, flow.server
        half_open = "half-open" in flow.course  # then the SYN comes again and a new number follows, with nothing lost
        at_end = flow.repeated_last if flow.repeated_last > 1 else 0  # told already, of the end
        begun = flow.opened != "unanswered" and (flow.closed != "open" or server.state != "SYN-RECEIVED")
        if client.zero_windows or server.zero_windows:
            yield self._of_ends("zero_windows", "zero_window", "flows.found.zero-window")
        if begun and flow.retransmissions > max(client.syns - 1 if half_open else 0, at_end):
            yield self._of_ends("retransmissions", "retransmission", "flows.found.retransmission")
        if client.out_of_order or server.out_of_order:
            yield self._of_ends("out_of_order", "out_of_order", "flows.found.out-of-order")
        # A gap that is filled later is told by what fills it.
        gaps = sum(max(end.lost_segments - end.out_of_order - end.retransmissions, 0) for end in (client, server))
        if gaps > half_open:
            yield self._of_ends("lost_segments", "lost_segment", "flows.found.not-captured")
        yield from self._of_kind("checksum", "flows.found.checksum", "warning", "tcp.checksum.status == 0")
        if flow.silence_ns >= LONG_SILENCE_NS and begun and not at_end:
            shown = (flow.silence_packet,)
            yield self._finding("flows.found.silence", "note", None, shown, 1, silence_ns=flow.silence_ns)

    def of_capture(self) -> Iterator[Finding]:
        """Yield what says more of how the packets were captured than of the conversation."""
        flow = self._flow
        if "half-open" not in flow.course:  # else it acknowledges what the earlier connection sent
            yield from self._of_kind(
                "ack_lost_segment", "flows.found.missed", "warning", "tcp.analysis.ack_lost_segment"
            )
        yield from self._of_kind("captured_twice", "flows.found.captured-twice", "note", None)
        if not (flow.client.packets and flow.server.packets) and flow.opened != "unanswered":
            role = flow.role(flow.client if flow.client.packets else flow.server)
            yield self._finding("flows.found.one-way", "note", "", _ends(flow), flow.packets, end=role)

    def _errors(self, protocol: str) -> Iterator[Finding]:
        """Yield what ICMP errors said."""
        for error in ERRORS:
            if error is not None:
                count, shown = self._of(f"{protocol}-{error}", any_time=True)
                if count and error == "refused" and self._flow.server.packets:  # an answer that came too late, say
                    shows = _ICMP_FILTERS[error][self._six]
                    yield self._finding("flows.found.icmp-late", "warning", shows, shown, count, count=count)
                elif count:
                    yield self._finding(
                        f"flows.found.icmp-{error}", "warning", _ICMP_FILTERS[error][self._six], shown, count,
                        count=count, port=self._flow.server.port,
                    )  # fmt: skip

    def _of_kind(self, kind: str, id: str, level: Level, shows: str | None) -> Iterator[Finding]:
        count, shown = self._of(kind)
        if count:
            yield self._finding(id, level, shows, shown, count, count=count)

    def _of(self, kind: str, any_time: bool = False) -> tuple[int, tuple[int, ...]]:
        """Return how many packets of a kind this conversation has, or this part of it, and some of them.

        any_time: the packets are not of the conversation but speak of it, and are told with its first part
        """
        flow = self._flow
        count, shown = self._events.of(flow.stream, kind)
        if any_time:
            return (count, shown) if flow.part == 1 else (0, ())
        mine = tuple(number for number in shown if flow.first_packet <= number <= flow.last_packet)
        return (count, shown) if len(mine) == len(shown) else (len(mine), mine)

    def _of_ends(self, counted: str, kind: str, id: str) -> Finding:
        """Return a finding on something that either end does so often."""
        of_client, of_server = (getattr(end, counted) for end in (self._flow.client, self._flow.server))
        _, shown = self._of(kind)
        count = of_client + of_server
        return self._finding(
            id, "note", f"tcp.analysis.{kind}", shown, count, end=_whose(of_client, of_server), count=count
        )

    def _finding(
        self, id: str, level: Level, shows: str | None, packets: tuple[int, ...], counted: int, **values: object
    ) -> Finding:
        if not packets:  # of a conversation of which no more were kept
            packets, shows = _ends(self._flow), "" if shows else shows
        return Finding(Fact(id, level, values), counted, packets, shows, self._flow)


def _whose(client: int, server: int) -> str:
    """Return which end did something so often: a word of ``texts/words.toml``."""
    if client == server:
        return "both-ends"
    most = "client" if client > server else "server"
    return f"mostly-{most}" if client and server else f"only-{most}"


def _ends(flow: Flow) -> tuple[int, ...]:
    return (flow.first_packet,) if flow.first_packet == flow.last_packet else (flow.first_packet, flow.last_packet)


def _means_many(address: str) -> bool:
    """Return whether an address is a group's, or, in most networks, that of all hosts (RFC 919)."""
    return is_group(address) or address.endswith(".255")
