"""The verdict on a conversation: what became of it, and what went wrong on the way, as facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sniffkit.analysis.conversations import CLOSED, OPENED
from sniffkit.analysis.facts import Fact
from sniffkit.analysis.flows.flow_columns import Numbers, row_keys
from sniffkit.analysis.flows.icmp_errors import ERRORS
from sniffkit.analysis.flows.records import Flow

if TYPE_CHECKING:
    from sniffkit.analysis.flows.flow_columns import FlowColumns

End = Literal["client", "server"]

MOST_ALSO = 2
"""How many troubles a verdict names beside what became of the conversation."""

QUESTIONS = frozenset({53, 69, 88, 123, 161, 389, 443, 500, 853, 1812, 1813, 3478, 4500, 5060})
"""UDP ports that are asked something, so that silence means something: DNS, TFTP, Kerberos, NTP, SNMP, LDAP, QUIC, IKE,
DNS over QUIC, RADIUS, STUN, IKE through NAT, SIP."""

_UNANSWERED = frozenset(
    {
        "flows.vanished", "flows.vanished-keep-alive", "flows.reset-unanswered", "flows.reset-keep-alive",
        "flows.half-vanished", "flows.closed-vanished",
    }
)  # fmt: skip
"""Verdicts that say themselves what was sent again."""


def verdict(flow: Flow) -> list[Fact]:
    """Return what became of a conversation, then at most two things that went wrong in it."""
    if flow.protocol == "tcp":
        closing = _closing(flow)
        return [closing, *_troubles(flow, closing.id)[:MOST_ALSO]]
    asked, answered = flow.client.packets, flow.server.packets
    if flow.protocol == "icmp":
        if answered:
            return [Fact("flows.echo", "note", {"asked": asked, "answered": answered})]
        if is_group(flow.server.address):
            return [Fact("flows.echo-group", "note", {"asked": asked})]
        return [Fact("flows.echo-unanswered", "warning", {"asked": asked})]
    error = _error(flow)
    if asked and answered:
        return [Fact("flows.datagrams", "note", {"asked": asked, "answered": answered}), *error]
    if not asked and is_group(flow.client.address):
        return [Fact("flows.datagrams-group", "note", {"count": answered}), *error]
    if not asked:
        return [Fact("flows.datagrams-from-server", "note", {"count": answered}), *error]
    if flow.icmp_error == "refused":
        return [Fact("flows.datagrams-refused", "warning", {"port": flow.server.port})]
    if is_group(flow.server.address):
        return [Fact("flows.datagrams-group", "note", {"count": asked}), *error]
    if flow.server.port in QUESTIONS:
        return [Fact("flows.datagrams-unanswered", "warning", {"count": asked, "port": flow.server.port}), *error]
    return [Fact("flows.datagrams-one-way", "note", {"count": asked}), *error]


def is_group(address: str) -> bool:
    """Return whether an address means many: a group, or all hosts of a link (RFC 5771, RFC 4291, RFC 919)."""
    if ":" in address:
        return address.startswith("ff")
    return address == "255.255.255.255" or 224 <= int(address.partition(".")[0]) < 240


def verdict_keys(columns: FlowColumns, protocol: str) -> list[tuple[Any, ...]]:
    """Return what the verdict on each row depends on: rows that agree in it have the same verdict.

    Numbers that a verdict names only of some conversations (how long an unanswered one waited) are 0 in all others, so
    that these agree.
    """
    of: Any = {name: column.values if isinstance(column, Numbers) else column.index for name, column in columns.items()}
    asked, answered = of["client_packets"], of["server_packets"]
    if protocol != "tcp":
        one_way = answered == 0
        asking = np.isin(of["server_port"], list(QUESTIONS), kind="table")
        named = one_way & ((of["icmp_error"] == ERRORS.index("refused")) | asking)
        groups = np.zeros(len(asked), np.bool_)
        for role, lonely in (("server", np.flatnonzero(one_way)), ("client", np.flatnonzero(asked == 0))):
            if len(lonely):
                to: Any = columns[f"{role}_address"]
                texts = [to.known[at] for at in to.index[lonely].tolist()]
                known = {text: is_group(text) for text in set(texts)}
                groups[lonely] = [known[text] for text in texts]
        facts = (asked, answered, of["icmp_error"], np.where(named, of["server_port"], 0), groups)
        return [(protocol, *values) for values in zip(*(column.tolist() for column in facts), strict=True)]
    refused, unanswered = (of["opened"] == OPENED.index(word) for word in ("refused", "unanswered"))
    courses: Any = columns["course"]
    syn_again = np.array(["syn-again" in words for words in courses.known], np.bool_)[courses.index]
    reset, still_open = (of["closed"] == CLOSED.index(word) for word in ("reset", "open"))
    octets = of["client_payload_bytes"] + of["server_payload_bytes"]
    unanswered &= still_open
    duration: Any = columns["duration_ns"]
    waited = of["duration_ns"] if duration.missing is None else np.where(duration.missing, -1, of["duration_ns"])
    dependent = (
        np.where(refused, of["server_port"], 0),
        np.where(unanswered | syn_again, of["client_syns"], 0),
        np.where(unanswered, waited, 0),
        np.where(reset, octets, octets > 0),
        of["repeated_last"],
    )
    histories: Any = columns["history"]
    ended = np.array(["F" in history.upper() for history in histories.known], np.bool_)[histories.index] & reset
    kind, room = np.zeros(len(asked), np.int64), 1
    names = ("opened", "closed", "closed_by", "last_sender", "client_state", "server_state")
    for few in (*(of[name] for name in names), of["icmp_error"], asked > 0, answered > 0, ended):
        kind, room = kind + few * room, room * 16
    counts = [of[f"{role}_{name}"] for name in _COUNTED for role in ("client", "server")]
    return list(zip(row_keys((kind, *counts, *dependent)), columns["course"].tolist(), strict=True))


_COUNTED = ("retransmissions", "out_of_order", "zero_windows")


def _other(end: End) -> End:
    return "server" if end == "client" else "client"


def _closing(flow: Flow) -> Fact:
    """Return what became of a TCP conversation."""
    course, octets = flow.course, flow.client.payload_bytes + flow.server.payload_bytes
    end: End = "server" if flow.closed_by == "server" else "client"
    # Where one direction only was captured, nobody knows what was answered.
    unanswered = flow.repeated_last > 1 and bool(flow.client.packets and flow.server.packets)
    if flow.opened == "refused":
        return Fact("flows.refused", "warning", {"port": flow.server.port})
    if flow.opened == "unanswered" and flow.closed == "open":
        if not flow.client.syns:
            return Fact("flows.no-connection", "warning", {})
        waited: dict[str, object] = {"count": flow.client.syns, "waited_ns": flow.duration_ns}
        return Fact("flows.unanswered" if flow.client.syns < 2 else "flows.unanswered-again", "warning", waited)
    if flow.closed == "reset":
        ended = "F" in flow.history.upper()
        sent: dict[str, object] = {"end": end, "octets": octets}
        if unanswered and flow.last_sender == end:
            given_up: dict[str, object] = {"end": end, "receiver": _other(end), "count": flow.repeated_last}
            only_alive = _only_keep_alives(flow)
            return Fact("flows.reset-keep-alive" if only_alive else "flows.reset-unanswered", "warning", given_up)
        if end == "client" and flow.server.state == "LISTEN":
            return Fact("flows.reset-opening", "note", {})
        if ended:
            return Fact("flows.reset-closing", "note", sent)
        return Fact("flows.reset-data" if octets else "flows.reset-empty", "warning", sent)
    if flow.closed == "half":
        waiting: dict[str, object] = {"end": end, "receiver": _other(end), "count": flow.repeated_last}
        receiver = flow.server if end == "client" else flow.client
        if unanswered and flow.last_sender != end:
            return Fact("flows.half-vanished", "warning", waiting)
        heard = receiver.state == "CLOSE-WAIT" and flow.repeated_last <= 1
        return Fact("flows.half" if heard else "flows.half-unheard", "warning", waiting)
    if flow.closed == "open":
        if flow.opened == "handshake" and flow.server.state == "SYN-RECEIVED":
            lost = "third-segment-lost" in flow.course
            return Fact("flows.not-completed-lost" if lost else "flows.not-completed", "warning", {})
        if unanswered:
            gone: dict[str, object] = {
                "end": flow.last_sender,
                "receiver": _other(flow.last_sender),
                "count": flow.repeated_last,
            }
            return Fact("flows.vanished-keep-alive" if _only_keep_alives(flow) else "flows.vanished", "warning", gone)
        return Fact("flows.open-midstream" if flow.midstream else "flows.open", "note", {})
    if flow.closed_by == "both":
        return Fact("flows.closed-both", "note", {})
    closer: dict[str, object] = {"end": end, "receiver": _other(end)}
    if "last-ack-lost" in course:
        return Fact("flows.closed-last-ack-lost", "note", closer)
    if "fin-ack-lost" in course:
        return Fact("flows.closed-ack-lost", "note", closer)
    open_still = {flow.client.state, flow.server.state} & {"LAST-ACK", "CLOSE-WAIT", "FIN-WAIT-1", "CLOSING"}
    if open_still and unanswered:
        return Fact("flows.closed-vanished", "warning", closer | {"count": flow.repeated_last})
    if open_still:
        return Fact("flows.closed-unconfirmed", "note", closer)
    return Fact("flows.closed" if octets or flow.midstream else "flows.closed-empty", "note", closer)


def _only_keep_alives(flow: Flow) -> bool:
    """Return whether all that the last sender sent again were keep-alives."""
    return not (flow.client if flow.last_sender == "client" else flow.server).retransmissions


def _error(flow: Flow) -> list[Fact]:
    return [Fact(f"flows.also-icmp-{flow.icmp_error}", "warning", {})] if flow.icmp_error is not None else []


def _troubles(flow: Flow, closing: str) -> list[Fact]:
    """Return what went wrong, the gravest first; closing: id of what the verdict says before."""
    found = _error(flow)
    told = flow.repeated_last if closing in _UNANSWERED else 0  # so many repeats are explained by what is said of them
    told += closing in ("flows.closed-last-ack-lost", "flows.closed-ack-lost")
    if "half-open" in flow.course:
        found.append(Fact("flows.also-half-open", "warning", {}))
    again, order = flow.retransmissions, flow.client.out_of_order + flow.server.out_of_order
    if "third-segment-lost" in flow.course:
        told += 1
        if closing != "flows.not-completed-lost":
            found.append(Fact("flows.also-third-lost", "warning", {}))
    elif flow.opened in ("handshake", "simultaneous") and "syn-again" in flow.course:
        found.append(Fact("flows.also-syn-again", "warning", {}))
        told += max(flow.client.syns - 1, 1)
    for end in (flow.client, flow.server):
        if end.zero_windows:
            found.append(Fact("flows.also-zero-window", "warning", {"end": flow.role(end), "count": end.zero_windows}))
    if again > told and flow.opened not in ("unanswered", "refused") and not closing.startswith("flows.not-completed"):
        found.append(Fact("flows.also-again" if again > 1 else "flows.also-once-again", "note", {"count": again}))
    if order:
        found.append(Fact("flows.also-out-of-order", "note", {"count": order}))
    if flow.opened == "simultaneous":
        found.append(Fact("flows.also-simultaneous", "note", {}))
    if flow.midstream and flow.closed != "open":
        found.append(Fact("flows.also-midstream", "note", {}))
    if "syn-data" in flow.course:
        found.append(Fact("flows.also-syn-data", "note", {}))
    if "captured-twice" in flow.course:
        found.append(Fact("flows.also-captured-twice", "note", {}))
    if flow.opened != "unanswered" and not (flow.client.packets and flow.server.packets):
        found.append(Fact("flows.also-one-way", "note", {"end": "client" if flow.client.packets else "server"}))
    return found
