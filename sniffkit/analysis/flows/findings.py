"""What is worth looking at in a capture: findings on single conversations, the gravest first, with packet numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.addresses import address_octets, ip_text
from sniffkit.analysis.checksum_facts import ChecksumFacts
from sniffkit.analysis.facts import Fact
from sniffkit.analysis.segments import FIN, RST, SYN
from sniffkit.analysis.tcp.mark_names import Mark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from sniffkit.analysis.flows.analysis import FedBatch
    from sniffkit.analysis.flows.records import Flow

SHOWN = 6
"""Packet numbers kept of a finding."""

LONG_SILENCE_NS = 5 * 10**9
"""A silence from here on is told."""

_KEPT = 1 << 19

KINDS: dict[str, Mark] = {
    "retransmission": Mark.RETRANSMISSION,
    "out_of_order": Mark.OUT_OF_ORDER,
    "zero_window": Mark.ZERO_WINDOW,
    "lost_segment": Mark.LOST_SEGMENT,
    "captured_twice": Mark.CAPTURED_TWICE,
}
_FLAGS = {"syn": SYN, "fin": FIN, "rst": RST}
_PLACES = {name: place for place, name in enumerate([*KINDS, *_FLAGS, "checksum", "udp-checksum", "udp-refused"])}

QUESTIONS = frozenset({53, 69, 88, 123, 161, 389, 443, 500, 853, 1812, 1813, 3478, 4500, 5060})
"""UDP ports that are asked something, so that silence means something: DNS, TFTP, Kerberos, NTP, SNMP, LDAP, QUIC, IKE,
DNS over QUIC, RADIUS, STUN, IKE through NAT, SIP."""

REFUSED = {4: "icmp.type == 3 && icmp.code == 3", 6: "icmpv6.type == 1 && icmpv6.code == 4"}

WEIGHTS = {
    "flows.found.half-open": 95,
    "flows.found.vanished": 90,
    "flows.found.close-wait": 85,
    "flows.found.reset": 80,
    "flows.found.unanswered": 78,
    "flows.found.refused": 76,
    "flows.found.udp-refused": 74,
    "flows.found.zero-window": 70,
    "flows.found.retransmission": 60,
    "flows.found.ip-checksum": 56,
    "flows.found.checksum": 55,
    "flows.found.udp-checksum": 54,
    "flows.found.udp-unanswered": 50,
    "flows.found.silence": 40,
    "flows.found.out-of-order": 35,
    "flows.found.not-captured": 30,
    "flows.found.one-way": 28,
    "flows.found.echo-unanswered": 26,
    "flows.found.captured-twice": 10,
    "flows.found.offload": 5,
}
"""How grave a finding is; of equally grave ones that with the higher count comes first."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth looking at.

    fact:    id and values of its sentence; count: how many packets show it, packets: the first of them
    filter:  the display filter that shows them in Wireshark
    """

    fact: Fact
    flow: Flow | None
    count: int
    packets: tuple[int, ...]
    filter: str


@dataclass(slots=True)
class EventPackets:
    """The first packets of each kind of event in each stream, fed batch by batch.

    ip_wrong, ip_first: how many IPv4 headers have a wrong checksum, and the first packets with one
    """

    checksums: ChecksumFacts = field(default_factory=ChecksumFacts)
    ip_wrong: int = 0
    ip_first: list[int] = field(default_factory=list)
    _keys: list[NDArray[np.int64]] = field(default_factory=list)
    _numbers: list[NDArray[np.int64]] = field(default_factory=list)
    _held: int = 0

    def feed(self, fed: FedBatch) -> None:
        """Add a batch."""
        segments, numbers = fed.prepared.segments, fed.prepared.numbers
        for name, mark in KINDS.items():
            at = np.flatnonzero((fed.marks & np.uint16(mark)) != 0)
            self._add(name, numbers.stream[at], segments.number[at])
        for name, flag in _FLAGS.items():
            at = np.flatnonzero((segments.flags & flag) != 0)
            self._add(name, numbers.stream[at], segments.number[at])
        if (odd := fed.prepared.odd) is not None:
            self._add("checksum", *odd.tcp_wrong)
            self._add("udp-checksum", *odd.udp_wrong)
            self._add("udp-refused", *odd.refused)
            self.ip_wrong += len(odd.ip_wrong)
            self.ip_first += odd.ip_wrong[: SHOWN - len(self.ip_first)].tolist()
        if self._held > _KEPT:
            self._prune()

    def of(self) -> dict[tuple[int, str], tuple[int, tuple[int, ...]]]:
        """Return how many packets each stream has of each kind, and the numbers of the first."""
        if not self._keys:
            return {}
        names = list(_PLACES)
        keys, numbers = np.concatenate(self._keys), np.concatenate(self._numbers)
        order = np.argsort(keys, kind="stable")
        keys, numbers = keys[order], numbers[order]
        start = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if len(keys) else np.zeros(0, np.int64)
        end = np.append(start[1:], len(keys))
        return {
            (key // len(names), names[key % len(names)]): (
                last - first,
                tuple(numbers[first : min(first + SHOWN, last)].tolist()),
            )
            for key, first, last in zip(keys[start].tolist(), start.tolist(), end.tolist(), strict=True)
        }

    def _add(self, name: str, stream: NDArray[np.int64], number: NDArray[np.int64]) -> None:
        if len(stream):
            self._keys.append(stream * len(_PLACES) + _PLACES[name])
            self._numbers.append(number)
            self._held += len(stream)

    def _prune(self) -> None:
        """Keep the first packets of each kind and stream only."""
        keys, numbers = np.concatenate(self._keys), np.concatenate(self._numbers)
        order = np.argsort(keys, kind="stable")
        keys, numbers = keys[order], numbers[order]
        start = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
        rank = np.arange(len(keys)) - np.repeat(start, np.diff(np.append(start, len(keys))))
        stays = rank < SHOWN
        self._keys, self._numbers, self._held = [keys[stays]], [numbers[stays]], 0


def findings(flows: Iterable[Flow], events: EventPackets) -> list[Finding]:
    """Return what is worth looking at, the gravest first."""
    return gravest(flows, events, None)[0]


def gravest(flows: Iterable[Flow], events: EventPackets, most: int | None) -> tuple[list[Finding], int]:
    """Return the gravest findings, at most so many (None: all), and how many there are; no more than those are kept."""
    packets = events.of()
    count = 0

    def every() -> Iterator[Finding]:
        nonlocal count
        for finding in chain((one for flow in flows for one in _of_flow(flow, packets)), _of_capture(events)):
            count += 1
            yield finding

    found = sorted(every(), key=_rank) if most is None else nsmallest(most, every(), key=_rank)
    return found, count


def _rank(finding: Finding) -> tuple[int, int, int]:
    return -WEIGHTS[finding.fact.id], -finding.count, finding.flow.stream if finding.flow else -1


def _of_capture(events: EventPackets) -> Iterator[Finding]:
    """Yield what concerns no single conversation."""
    for (high, low), count in events.checksums.offloading():
        address = ip_text(bytes(address_octets(np.array([[high, low]], np.uint64))[0]))
        fact = Fact("flows.found.offload", "note", {"address": address, "count": count})
        source = "ipv6.src" if ":" in address else "ip.src"
        wrong = "(tcp.checksum.status == 0 || udp.checksum.status == 0)"
        yield Finding(fact, None, count, (), f"{source} == {address} && {wrong}")
    if events.ip_wrong:
        fact = Fact("flows.found.ip-checksum", "warning", {"count": events.ip_wrong})
        yield Finding(fact, None, events.ip_wrong, tuple(events.ip_first), "ip.checksum.status == 0")


def _of_flow(flow: Flow, packets: dict[tuple[int, str], tuple[int, tuple[int, ...]]]) -> list[Finding]:
    """Return the findings on one conversation."""
    found: list[Finding] = []
    here = f"{flow.protocol}.stream == {flow.stream}"

    def add(fact: Fact, kind: str, filter: str, count: int = 0, shown: tuple[int, ...] = ()) -> None:
        counted, first = packets.get((flow.stream, kind), (0, ())) if kind else (0, ())
        found.append(Finding(fact, flow, count or counted or 1, shown or first, f"{here} && {filter}"))

    if flow.protocol == "icmp":
        if flow.client.packets and not flow.server.packets:
            fact = Fact("flows.found.echo-unanswered", "warning", {"count": flow.client.packets})
            shown = _ends(flow)
            filter = f"icmp.ident == {flow.identifier}"
            if ":" in flow.client.address:
                filter = f"icmpv6.echo.identifier == {flow.identifier}"
            found.append(Finding(fact, flow, flow.client.packets, shown, filter))
        return found
    if flow.protocol == "udp":
        if (flow.stream, "udp-refused") in packets:
            fact = Fact("flows.found.udp-refused", "warning", {"port": flow.server.port})
            add(fact, "udp-refused", REFUSED[6 if ":" in flow.client.address else 4])
        elif not flow.server.packets and flow.server.port in QUESTIONS and not _to_many(flow.server.address):
            fact = Fact("flows.found.udp-unanswered", "warning", {"count": flow.packets})
            found.append(Finding(fact, flow, flow.packets, _ends(flow), here))
        wrong, _ = packets.get((flow.stream, "udp-checksum"), (0, ()))
        if wrong:
            fact = Fact("flows.found.udp-checksum", "warning", {"count": wrong})
            add(fact, "udp-checksum", "udp.checksum.status == 0")
        return found
    if "half-open" in flow.course:
        add(Fact("flows.found.half-open", "warning", {}), "syn", "tcp.flags.syn == 1")
    if flow.repeated_last > 1 and flow.opened != "unanswered":
        values: dict[str, object] = {"end": flow.last_sender, "count": flow.repeated_last}
        add(Fact("flows.found.vanished", "warning", values), "retransmission", "tcp.analysis.retransmission")
    if flow.closed == "half":
        end = flow.server if flow.closed_by == "client" else flow.client
        if end.state == "CLOSE-WAIT":
            add(Fact("flows.found.close-wait", "warning", {"end": flow.role(end)}), "fin", "tcp.flags.fin == 1")
    if flow.opened == "refused":
        add(Fact("flows.found.refused", "warning", {"port": flow.server.port}), "rst", "tcp.flags.reset == 1")
    elif flow.closed == "reset":
        values = {"end": flow.closed_by or "client"}
        add(Fact("flows.found.reset", "warning", values), "rst", "tcp.flags.reset == 1")
    if flow.opened == "unanswered" and flow.closed == "open" and flow.client.syns:
        values = {"count": flow.client.syns}
        add(Fact("flows.found.unanswered", "warning", values), "syn", "tcp.flags.syn == 1")
    _of_segments(flow, add)
    wrong, _ = packets.get((flow.stream, "checksum"), (0, ()))
    if wrong:
        add(Fact("flows.found.checksum", "warning", {"count": wrong}), "checksum", "tcp.checksum.status == 0")
    twice, first = packets.get((flow.stream, "captured_twice"), (0, ()))
    if twice:
        frames = f"frame.number in {{{', '.join(map(str, first))}}}"
        add(Fact("flows.found.captured-twice", "note", {"count": twice}), "captured_twice", frames)
    if flow.silence_ns >= LONG_SILENCE_NS and flow.opened != "unanswered":
        values = {"silence_ns": flow.silence_ns}
        frame = f"frame.number == {flow.silence_packet}"
        add(Fact("flows.found.silence", "note", values), "", frame, 1, (flow.silence_packet,))
    if not (flow.client.packets and flow.server.packets) and flow.opened != "unanswered":
        end = flow.client if flow.client.packets else flow.server
        add(Fact("flows.found.one-way", "note", {"end": flow.role(end)}), "", "tcp", flow.packets, _ends(flow))
    return found


def _of_segments(flow: Flow, add: Callable[..., None]) -> None:
    """Add the findings that single segments of a TCP conversation make."""
    client, server = flow.client, flow.server
    half_open = "half-open" in flow.course  # then the SYN comes again and a new number follows, though nothing is lost

    def counted(one: int, other: int) -> dict[str, object]:
        return {"end": _whose(one, other), "count": one + other}

    if client.zero_windows or server.zero_windows:
        values = counted(client.zero_windows, server.zero_windows)
        add(Fact("flows.found.zero-window", "note", values), "zero_window", "tcp.analysis.zero_window")
    if flow.retransmissions > (client.syns - 1 if half_open else 0) and flow.opened != "unanswered":
        values = counted(client.retransmissions, server.retransmissions)
        add(Fact("flows.found.retransmission", "note", values), "retransmission", "tcp.analysis.retransmission")
    if client.out_of_order or server.out_of_order:
        values = counted(client.out_of_order, server.out_of_order)
        add(Fact("flows.found.out-of-order", "note", values), "out_of_order", "tcp.analysis.out_of_order")
    if client.lost_segments + server.lost_segments > half_open:
        values = counted(client.lost_segments, server.lost_segments)
        add(Fact("flows.found.not-captured", "note", values), "lost_segment", "tcp.analysis.lost_segment")


def _whose(client: int, server: int) -> str:
    """Return which end did something so often: a word of ``texts/words.toml``."""
    if client == server:
        return "both-ends"
    most = "client" if client > server else "server"
    return f"mostly-{most}" if client and server else f"only-{most}"


def _ends(flow: Flow) -> tuple[int, ...]:
    return (flow.first_packet,) if flow.first_packet == flow.last_packet else (flow.first_packet, flow.last_packet)


def _to_many(address: str) -> bool:
    """Return whether an address is that of a group, or looks like a broadcast address (RFC 919, RFC 5771, RFC 4291)."""
    if ":" in address:
        return address.startswith("ff")
    return int(address.partition(".")[0]) >= 224 or address.endswith(".255")
