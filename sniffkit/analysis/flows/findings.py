"""What is worth looking at in a capture, the gravest first, each with packet numbers and the filter that shows them."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.addresses import address_octets, ip_text
from sniffkit.analysis.conversations import CLOSED
from sniffkit.analysis.facts import Fact
from sniffkit.analysis.flows.attempts import ANSWERED, REFUSED, SILENT, Attempts, Crowd
from sniffkit.analysis.flows.conversation_findings import SYN_ONLY, Reused, of_conversation, worth_a_look
from sniffkit.analysis.flows.event_packets import CLOCK_NS
from sniffkit.analysis.flows.finding_groups import ALONE, Finding, FindingGroups, in_brief
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from sniffkit.analysis.flows.event_packets import EventPackets
    from sniffkit.analysis.flows.flow_parts import FlowPart

    Parts = Callable[[], Iterable[FlowPart]]

WEIGHTS = {
    "flows.found.syn-flood": 98,
    "flows.found.half-open": 95,
    "flows.found.port-scan": 93,
    "flows.found.address-scan": 92,
    "flows.found.udp-scan": 91,
    "flows.found.vanished": 90,
    "flows.found.keep-alive-unanswered": 89,
    "flows.found.reused-open": 86,
    "flows.found.close-wait": 85,
    "flows.found.reset": 80,
    "flows.found.not-completed": 79,
    "flows.found.unanswered": 78,
    "flows.found.icmp-prohibited": 77.5,
    "flows.found.icmp-unreachable": 77,
    "flows.found.refused": 76,
    "flows.found.icmp-refused": 74,
    "flows.found.reset-opening": 73,
    "flows.found.icmp-too-big": 72,
    "flows.found.zero-window": 70,
    "flows.found.clock-back": 66,
    "flows.found.missed": 64,
    "flows.found.retransmission": 60,
    "flows.found.ip-checksum": 56,
    "flows.found.checksum": 55,
    "flows.found.udp-checksum": 54,
    "flows.found.udp-unanswered": 50,
    "flows.found.icmp-exceeded": 45,
    "flows.found.icmp-late": 40,
    "flows.found.out-of-order": 35,
    "flows.found.not-captured": 30,
    "flows.found.one-way": 28,
    "flows.found.echo-unanswered": 26,
    "flows.found.reused": 20,
    "flows.found.silence": 18,
    "flows.found.reset-closing": 15,
    "flows.found.captured-twice": 10,
    "flows.found.offload": 5,
    "flows.found.offload-perhaps": 4,
    "flows.found.offload-many": 4,
}
"""How grave a finding is; of equally grave ones that with the higher count comes first."""

WHOLE = frozenset({"flows.found.missed", "flows.found.one-way", "flows.found.captured-twice"})
"""What is told once where many conversations have it: it says how the capture was made, not what a server does."""

ENOUGH_WRONG = 3
"""Wrong checksums that make it certain that a network card fills them in, where a sender has no right ones."""


def gravest(
    parts: Parts, events: EventPackets, most: int | None = None, brief: bool = False
) -> tuple[list[Finding], int]:
    """Return the gravest findings, at most so many (None: all), and how many there are.

    parts: yields the conversations each time it is asked: first for what they are together, then one by one
    brief: a few of each kind alone, the others of that kind as one
    """
    events.settle()
    attempts = Attempts()
    for part in parts():
        attempts.feed(part)
    crowds, member = attempts.crowds()
    reused = _reused(parts, events)
    groups = FindingGroups(WHOLE)
    begin = 0
    for part in parts():
        look = worth_a_look(part, events) & ~member[begin : begin + len(part)]
        begin += len(part)
        if look.any():
            for flow in part.take(np.flatnonzero(look)).records():
                for finding in of_conversation(flow, events, reused):
                    groups.add(finding)
    found = sorted(chain(map(_of_crowd, crowds), groups, _of_capture(events)), key=_rank)
    if brief:
        found = sorted(in_brief(found), key=_rank)
    return found[:most], len(found)


def _rank(finding: Finding) -> tuple[float, bool, int, int]:
    stream = finding.flow.stream if finding.flow else -1
    return -WEIGHTS[finding.fact.id], finding.elsewhere, -finding.count, stream


def _of_crowd(crowd: Crowd) -> Finding:
    """Return the finding on conversations that are a flood or a scan."""
    client, server = _text(crowd.client), _text(crowd.server)
    values: dict[str, object] = {
        "count": crowd.count, "client": client, "server": server, "port": crowd.port, "sources": crowd.clients,
        "hosts": crowd.servers, "ports": crowd.ports, "lasted_ns": crowd.lasted_ns,
        "refused": crowd.endings[REFUSED], "silent": crowd.endings[SILENT], "answered": crowd.endings[ANSWERED],
    }  # fmt: skip
    family = "ipv6" if ":" in (client or server) else "ip"
    shows = [f"{family}.src == {client}" if client else "", f"{family}.dst == {server}" if server else ""]
    shows.append(f"tcp.dstport == {crowd.port}" if crowd.port is not None and crowd.kind != "udp-scan" else "")
    shows.append("udp" if crowd.kind == "udp-scan" else SYN_ONLY)
    if not client and server and crowd.port is not None:
        where: tuple[str, ...] = (f"[{server}]:{crowd.port}" if family == "ipv6" else f"{server}:{crowd.port}",)
    else:
        where = tuple(one for one in (client, server) if one)
    fact = Fact(f"flows.found.{crowd.kind}", "warning", values)
    return Finding(
        fact, crowd.count, crowd.first, " && ".join(one for one in shows if one), where=where,
        conversations=crowd.count,
    )  # fmt: skip


def _of_capture(events: EventPackets) -> Iterator[Finding]:
    """Yield what concerns no single conversation."""
    if events.backwards:
        values: dict[str, object] = {"count": events.backwards, "furthest_ns": events.furthest_ns}
        shows = f"frame.time_delta <= -{CLOCK_NS / 1e9:g}"
        fact = Fact("flows.found.clock-back", "warning", values)
        yield Finding(fact, events.backwards, tuple(events.backwards_first), shows)
    if events.ip_wrong:
        fact = Fact("flows.found.ip-checksum", "warning", {"count": events.ip_wrong})
        yield Finding(fact, events.ip_wrong, tuple(events.ip_first), "ip.checksum.status == 0")
    wrong = "(tcp.checksum.status == 0 || udp.checksum.status == 0)"
    senders = list(events.checksums.offloading())
    if len(senders) > ALONE:
        count = sum(count for _, count in senders)
        fact = Fact("flows.found.offload-many", "note", {"count": count, "senders": len(senders)})
        yield Finding(fact, count, (), wrong)
        return
    for (high, low), count in senders:
        address = _text(np.array([high, low], np.uint64))
        sure = count >= ENOUGH_WRONG
        source = "ipv6.src" if ":" in address else "ip.src"
        wrong_of: dict[str, object] = {"address": address, "count": count}
        fact = Fact("flows.found.offload" if sure else "flows.found.offload-perhaps", "note", wrong_of)
        yield Finding(fact, count, (), f"{source} == {address} && {wrong}", where=(address,))


def _text(address: NDArray[np.uint64] | None) -> str:
    return "" if address is None else ip_text(bytes(address_octets(address[np.newaxis])[0]))


def _reused(parts: Parts, events: EventPackets) -> dict[int, Reused]:
    """Return for each stream that uses the ports of an earlier one what that was."""
    wanted = events.streams_with("reused_ports")
    if not len(wanted):
        return {}
    rows = []
    for part in parts():
        if part.protocol == "tcp":
            columns = part.columns
            one, one_port, other, other_port = part.ends
            ends = np.stack([_end(one, one_port), _end(other, other_port)])
            names = columns["start_ns"], columns["latest_ns"], columns["closed"].astype(np.int64)
            rows.append((ends.min(axis=0), ends.max(axis=0), part.streams, columns["part"].astype(np.int64), *names))
    if not rows:
        return {}
    low, high, stream, number, start_ns, latest_ns, closed = (np.concatenate(each) for each in zip(*rows, strict=True))
    order = np.lexsort((number, stream, high, low))
    found: dict[int, Reused] = {}
    place = np.flatnonzero(np.isin(stream[order], wanted) & (number[order] == 1))
    for at in place[place > 0].tolist():
        mine, before = int(order[at]), int(order[at - 1])
        if low[mine] == low[before] and high[mine] == high[before]:
            known = start_ns[mine] != NO_TIME and latest_ns[before] != NO_TIME
            elapsed = int(start_ns[mine]) - int(latest_ns[before]) if known else None
            is_open = CLOSED[int(closed[before])] in ("open", "half")
            found[int(stream[mine])] = Reused(int(stream[before]), is_open, elapsed)
    return found


def _end(address: NDArray[np.uint64], port: NDArray[np.uint16]) -> NDArray[np.uint64]:
    """Return one number for each address and port, uint64 (n,), that is another one for other ends (nearly always)."""
    factor = np.uint64(0x9E3779B97F4A7C15)
    mixed: NDArray[np.uint64] = ((address[:, 0] * factor) ^ address[:, 1]) * factor + port.astype(np.uint64)
    return mixed
