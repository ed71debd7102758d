"""Neighbour discovery told: what ARP does for IPv4, and finding routers and a free address besides.

RFC 4861, RFC 4862. Solicitations are paired with advertisements; a solicitation from the unspecified address asks
whether an address is free (duplicate address detection).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from sniffkit.analysis.addresses import mac_number
from sniffkit.analysis.facts import Fact
from sniffkit.analysis.neighbours.copies import Copies
from sniffkit.analysis.neighbours.gateway import Gateway
from sniffkit.analysis.neighbours.host_tables import HostTables, TableChange
from sniffkit.analysis.neighbours.messages import NeighbourMessage, read_messages
from sniffkit.analysis.open_questions import OpenQuestions, elapsed
from sniffkit.protocols.icmpv6 import Type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns

Kind = Literal["resolution", "duplicate-address-detection", "advertisement", "router", "router-advertisement"]

UNSPECIFIED = "::"
ALL_NODES = "ff02::1"
AGAIN_NS = 10 * 10**9
RECENT_NS = 60 * 10**9
KEPT = 65_536


@dataclass(slots=True)
class NeighbourAnswer:
    """An advertisement that answers; ``elapsed_ns`` since the last sending of the question."""

    packet: int
    mac: str
    ip: str
    elapsed_ns: int | None


@dataclass(slots=True)
class NeighbourExchange:
    """A question with its answers, or an advertisement that nobody asked for (``asked`` empty).

    source, source_mac: who asks, or of an unasked advertisement who sends it
    target: the address asked for; of routers ""
    directly: asked by unicast, so the asker has the address in its cache and only checks it
    """

    kind: Kind
    packet: int
    source: str
    source_mac: str
    target: str
    directly: bool = False
    asked: list[int] = field(default_factory=list)
    answers: list[NeighbourAnswer] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    changes: list[TableChange] = field(default_factory=list)
    last_ns: int = 0
    asked_ns: int = 0

    @property
    def packets(self) -> list[int]:
        """Every packet of the exchange."""
        return self.asked + [answer.packet for answer in self.answers]


@dataclass(slots=True)
class _Claim:
    mac: str
    number: int
    time_ns: int


class NeighbourDiscovery:
    """Fed batch by batch; ``keep`` and ``after`` as in ``ArpTable``.

    hosts:   what each host has in its neighbour cache after the last packet
    routers: address -> MAC address of every router that advertised itself
    counts: exchanges by kind, and "unanswered", "asked-again", "warnings"
    """

    def __init__(self, keep: bool = True, after: int | None = None) -> None:
        self.hosts = HostTables(after)
        self.routers: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        self._claims: dict[tuple[int, str], _Claim] = {}
        self._stations: dict[tuple[int, int], dict[str, int]] = {}  # routers, for Gateway
        self._copies = Copies()
        self._gateway = Gateway("ipv6")
        self._open: OpenQuestions[NeighbourExchange] = OpenQuestions(keep, self._leave)

    def feed(self, columns: Columns, twice: NDArray[Any] | None = None) -> dict[int, list[Fact]]:
        """Return the facts of a batch by row. ``twice``: (n,) true or non-zero for packets to pass over."""
        facts: dict[int, list[Fact]] = {}
        for row, message in read_messages(columns, twice):
            content = (message.type, message.vlan, message.source, message.destination, message.frame_mac,
                       message.target, message.mac)  # fmt: skip
            original = self._copies.original(content, message.number, message.time_ns, not message.frame_mac)
            if original is not None:
                facts[row] = [Fact("frame.captured-twice", "note", {"number": original})]
                continue
            self._open.tick(message.time_ns)
            facts.setdefault(row, []).extend(self._tell(message))
        further = self._gateway.feed(columns, self._stations, twice)
        if further is not None:
            facts.setdefault(further[0], []).append(Fact("nd.through-gateway", "lesson", further[1]))
        return facts

    @property
    def first_open(self) -> int | None:
        """The first packet of the oldest exchange that is not handed out yet, None where all are."""
        oldest = self._open.oldest()
        return None if oldest is None else oldest.packet

    def take(self) -> list[NeighbourExchange]:
        """Return the exchanges to which nothing can come any more, in order; call it between batches."""
        return self._open.take()

    def finish(self) -> list[NeighbourExchange]:
        """Return the exchanges that are left; call it after the last batch."""
        return self._open.finish()

    def _tell(self, message: NeighbourMessage) -> list[Fact]:
        match message.type:
            case Type.NEIGHBOUR_SOLICITATION if message.source == UNSPECIFIED:
                return self._is_it_free(message)
            case Type.NEIGHBOUR_SOLICITATION:
                return self._solicitation(message)
            case Type.NEIGHBOUR_ADVERTISEMENT:
                return self._advertisement(message)
            case Type.ROUTER_SOLICITATION:
                return self._router_solicitation(message)
            case Type.ROUTER_ADVERTISEMENT:
                return self._router_advertisement(message)
            case Type.REDIRECT:
                ends: dict[str, object] = {"better": message.target, "destination": message.better}
                return [Fact("nd.redirect", "lesson", {"router": message.source, **ends})]
            case _:
                groups: dict[str, object] = {"source": message.source, "groups": ", ".join(message.groups[:4])}
                return [Fact("nd.listener-report", "lesson", groups)] if message.groups else []

    # Neighbours.

    def _solicitation(self, message: NeighbourMessage) -> list[Fact]:
        key = (message.vlan, message.source, message.target)
        exchange = self._open.find(key)
        values = _values(message)
        self.hosts.name(message.vlan, message.frame_mac, message.source)
        again = self._asked_again(exchange, message)
        if exchange is not None and again is not None:
            facts = [Fact("nd.solicitation-again", "lesson", values | again)]
        else:
            exchange = self._exchange("resolution", message, True, key)
            multicast = message.destination.startswith("ff")
            exchange.directly = not multicast
            facts = [Fact("nd.solicitation" if multicast else "nd.solicitation-directly", "lesson", values)]
        facts += self._claim(message, message.source, message.mac)
        if message.mac:
            facts += self._updated_by(exchange, message, message.source, message.mac)
        return self._warned(exchange, facts)

    def _is_it_free(self, message: NeighbourMessage) -> list[Fact]:
        key = (message.vlan, "free?", message.target)
        exchange = self._open.find(key)
        values = _values(message)
        again = self._asked_again(exchange, message)
        if exchange is not None and exchange.source_mac != message.frame_mac and again is not None:
            facts = [Fact("nd.address-wanted-twice", "warning", {**values, "other": exchange.source_mac} | again)]
        elif exchange is not None and again is not None:
            facts = [Fact("nd.is-it-free-again", "lesson", values | again)]
        else:
            exchange = self._exchange("duplicate-address-detection", message, True, key)
            facts = [Fact("nd.is-it-free", "lesson", values)]
        return self._warned(exchange, facts)

    def _asked_again(self, exchange: NeighbourExchange | None, message: NeighbourMessage) -> dict[str, object] | None:
        """Return what there is to say of a question that is still open, None where this one is a new question."""
        if exchange is None or exchange.answers:
            return None
        apart = elapsed(message.time_ns, exchange.asked_ns)
        if apart is not None and apart > AGAIN_NS:
            return None
        exchange.asked.append(message.number)
        exchange.asked_ns = exchange.last_ns = message.time_ns
        self.counts["asked-again"] += 1
        sent = exchange.asked
        return {"number": sent[-2], "first": sent[0], "times": len(sent), "elapsed_ns": apart}

    def _advertisement(self, message: NeighbourMessage) -> list[Fact]:
        values = _values(message)
        mac = message.mac or message.frame_mac
        learned: list[Fact] = []
        self.hosts.name(message.vlan, mac, message.target)
        free = self._open.find((message.vlan, "free?", message.target))
        exchange = self._open.find((message.vlan, message.destination, message.target))
        if free is not None and free.source_mac != message.frame_mac and not free.answers:
            exchange, facts = free, [Fact("nd.address-taken", "warning", values | self._answer(free, message, mac))]
        elif exchange is not None:
            again = bool(exchange.answers)
            more = self._answer(exchange, message, mac) | {"asker": exchange.source}
            if exchange.directly and not again:
                facts = [Fact("nd.advertisement-directly", "lesson", values | more)]
            else:
                facts = [Fact("nd.advertisement-again" if again else "nd.advertisement", "lesson", values | more)]
            learned = self._learned(exchange, message, mac)
        else:
            exchange = self._exchange("advertisement", message, False)
            exchange.answers.append(NeighbourAnswer(message.number, mac, message.target, None))
            if message.solicited:
                facts = [Fact("nd.advertisement-unasked", "note", values)]
            else:
                facts = [Fact("nd.advertisement-to-all", "lesson", values)]
        if message.router:
            self._router(message, message.target, mac)
        facts += self._claim(message, message.target, mac)
        if not learned and message.override:
            learned = self._updated_by(exchange, message, message.target, mac)
        return self._warned(exchange, facts + learned)

    def _answer(self, exchange: NeighbourExchange, message: NeighbourMessage, mac: str) -> dict[str, object]:
        apart = elapsed(message.time_ns, exchange.asked_ns)
        exchange.answers.append(NeighbourAnswer(message.number, mac, message.target, apart))
        exchange.last_ns = message.time_ns
        return {"number": exchange.asked[-1], "elapsed_ns": apart}

    def _claim(self, message: NeighbourMessage, address: str, mac: str) -> list[Fact]:
        """Note which MAC address an address is said to be at; say so where it was another one before."""
        if not mac or address == UNSPECIFIED:
            return []
        known = self._claims.get((message.vlan, address))
        if known is None and len(self._claims) >= KEPT:
            for key in list(self._claims)[: KEPT // 2]:
                del self._claims[key]
        self._claims[message.vlan, address] = _Claim(mac, message.number, message.time_ns)
        if known is None or known.mac == mac:
            return []
        apart = elapsed(message.time_ns, known.time_ns)
        values = {"address": address, "mac": mac, "other": known.mac, "number": known.number}
        recent = apart is None or apart <= RECENT_NS
        return [Fact("nd.address-conflict" if recent else "nd.answer-changed", "warning", values)]

    def _learned(self, exchange: NeighbourExchange, message: NeighbourMessage, mac: str) -> list[Fact]:
        """Tell what the asker learns from an advertisement, and what the asked one had learned from the question."""
        asker = (exchange.source_mac, exchange.source)
        owner = self._put(exchange, message, mac, asker[1], asker[0], exchange.asked[-1])
        since = exchange.asked[0] if exchange.directly else message.number
        change = self._put(exchange, message, asker[0], message.target, mac, since)
        facts = []
        if change is not None and (change.before or not exchange.directly):
            facts.append(Fact("nd.cache.replaced" if change.before else "nd.cache.learned", "note", change.values))
        if owner is not None:
            facts.append(Fact("nd.cache.owner-learned", "note", owner.values))
        return facts

    def _updated_by(self, exchange: NeighbourExchange, message: NeighbourMessage, address: str, mac: str) -> list[Fact]:
        """Tell which caches a message changes whose sender names itself; for those who got it (RFC 4861 section 7.2.5).

        A group reaches all who belong to it, which the packets do not show: that of all nodes only is taken to.
        """
        facts = []
        to_all = message.destination == ALL_NODES
        for host in self.hosts.holders(message.vlan, address):
            name = self.hosts.names.get((message.vlan, host), "")
            if host == mac or not (to_all or name == message.destination):
                continue
            change = self._put(exchange, message, host, address, mac, message.number)
            if change is not None:
                facts.append(Fact("nd.cache.replaced", "note", change.values))
        return facts

    def _put(
        self, exchange: NeighbourExchange, message: NeighbourMessage, host: str, ip: str, mac: str, packet: int
    ) -> TableChange | None:
        change = self.hosts.put(message.vlan, host, ip, mac, packet, message.number) if host and mac else None
        if change is not None:
            exchange.changes.append(change)
        return change

    # Routers.

    def _router_solicitation(self, message: NeighbourMessage) -> list[Fact]:
        key = (message.vlan, "router?", message.frame_mac)
        exchange = self._open.find(key)
        values = _values(message)
        again = self._asked_again(exchange, message)
        if exchange is not None and again is not None:
            return [Fact("nd.router-solicitation-again", "lesson", values | again)]
        self._exchange("router", message, True, key, (message.vlan, "router?"))
        return [Fact("nd.router-solicitation", "lesson", values)]

    def _router_advertisement(self, message: NeighbourMessage) -> list[Fact]:
        values = {"router": message.source, "lifetime": message.lifetime, "prefixes": ", ".join(message.prefixes[:4])}
        mac = message.mac or message.frame_mac
        asked = self._open.find((message.vlan, "router?"))
        apart = None if asked is None else elapsed(message.time_ns, asked.asked_ns)
        known = message.source in self.routers
        self._router(message, message.source, mac)
        if len(self.routers) < KEPT:
            self.routers[message.source] = mac
        if asked is not None and not asked.answers and (apart is None or apart <= AGAIN_NS):
            exchange = asked
            facts = [Fact("nd.router-answer", "lesson", values | self._answer(asked, message, mac))]
        else:
            exchange = self._exchange("router-advertisement", message, False)
            exchange.answers.append(NeighbourAnswer(message.number, mac, message.source, None))
            if message.lifetime:
                facts = [Fact("nd.router-advertisement", "lesson", values)]
            else:
                facts = [Fact("nd.router-no-default", "lesson", values)]
        if not known:
            if message.prefixes:
                facts.append(Fact("nd.prefixes", "note", values))
            if message.managed:
                facts.append(Fact("nd.use-dhcp", "note", values))
        return self._warned(exchange, facts + self._claim(message, message.source, mac))

    def _router(self, message: NeighbourMessage, address: str, mac: str) -> None:
        """Note that the station at ``mac`` calls itself a router."""
        if len(self._stations) < KEPT:
            self._stations.setdefault((message.vlan, mac_number(mac)), {}).setdefault(address, message.number)

    # Exchanges.

    def _exchange(self, kind: Kind, message: NeighbourMessage, question: bool, *keys: object) -> NeighbourExchange:
        exchange = NeighbourExchange(
            kind,
            message.number,
            message.source,
            message.frame_mac,
            message.target,
            asked=[message.number] if question else [],
            last_ns=message.time_ns,
            asked_ns=message.time_ns,
        )
        self._open.add(exchange, *keys)
        self.counts[kind] += 1
        return exchange

    def _warned(self, exchange: NeighbourExchange, facts: list[Fact]) -> list[Fact]:
        for fact in facts:
            if fact.level == "warning":
                self.counts["warnings"] += 1
                if fact.id not in exchange.warnings:
                    exchange.warnings.append(fact.id)
        return facts

    def _leave(self, exchange: NeighbourExchange) -> None:
        if exchange.kind in ("resolution", "router") and not exchange.answers:
            self.counts["unanswered"] += 1


def _values(message: NeighbourMessage) -> dict[str, object]:
    return {
        "source": message.source,
        "target": message.target,
        "group": message.destination,
        "mac": message.mac or message.frame_mac,
    }
