"""ARP told: which reply answers which request, and what each host has in its ARP table after every packet.

Requests and replies: RFC 826. Probes and announcements: RFC 5227. Only what the capture shows is known; a table is
inferred from the messages its host must have read, as RFC 826 says it reads them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from sniffkit.analysis.addresses import BROADCAST, ipv4_text, link_ends, mac_text
from sniffkit.analysis.facts import Fact
from sniffkit.analysis.neighbours.arp_claims import ArpClaims, differs_from_frame
from sniffkit.analysis.neighbours.copies import Copies
from sniffkit.analysis.neighbours.gateway import Gateway
from sniffkit.analysis.neighbours.host_tables import HostTables, TableChange
from sniffkit.analysis.open_questions import OpenQuestions, elapsed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns

Kind = Literal["resolution", "probe", "announcement", "gratuitous", "unsolicited-reply"]

REQUEST, REPLY = 1, 2

AGAIN_NS = 10 * 10**9
"""A question asked again within this time, still unanswered, is the same question (Linux asks once a second)."""

TOGETHER_NS = 100_000_000
"""Whoever has the address that was asked for answers at once: so long after the first answer no other one belongs to
the question, which nobody is waiting with any more."""


@dataclass(slots=True)
class ArpQuestion:
    """An ARP request; ``broadcast`` false: sent to one station, to see whether it is still there."""

    packet: int
    sender_mac: str
    sender_ip: str
    target_ip: str
    broadcast: bool


@dataclass(slots=True)
class ArpAnswer:
    """An ARP reply; ``elapsed_ns`` since the last sending of the question, None where that is not known."""

    packet: int
    mac: str
    ip: str
    elapsed_ns: int | None


@dataclass(slots=True)
class ArpExchange:
    """A question with its answers, or a message that nobody asked for (``question`` None for replies)."""

    kind: Kind
    packet: int
    question: ArpQuestion | None
    asked: list[int] = field(default_factory=list)  # every sending of the question
    answers: list[ArpAnswer] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    changes: list[TableChange] = field(default_factory=list)
    last_ns: int = 0
    asked_ns: int = 0
    answered_ns: int = 0

    @property
    def packets(self) -> list[int]:
        """Every packet of the exchange."""
        return self.asked + [answer.packet for answer in self.answers]


@dataclass(frozen=True, slots=True)
class _Message:
    number: int
    time_ns: int
    vlan: int
    opcode: int
    mac: int
    ip: int
    target_mac: int
    target: int
    frame_source: int
    frame_destination: int

    @property
    def names(self) -> dict[str, object]:
        return {"address": ipv4_text(self.ip), "mac": mac_text(self.mac), "target": ipv4_text(self.target)}


class ArpTable:
    """Fed batch by batch.

    hosts:  what each host has in its table after the last packet
    counts: exchanges by kind, and "unanswered", "asked-again", "warnings"
    unanswered: the first few questions that stayed without an answer

    keep:  whether exchanges are kept for ``take`` and ``finish``
    after: the packet after which the tables are wanted (``hosts.then``)
    """

    def __init__(self, keep: bool = True, after: int | None = None) -> None:
        self.hosts = HostTables(after)
        self.counts: Counter[str] = Counter()
        self.unanswered: list[ArpExchange] = []
        self._claims = ArpClaims()
        self._open: OpenQuestions[ArpExchange] = OpenQuestions(keep, self._leave)
        self._copies = Copies()
        self._gateway = Gateway("ip")

    def feed(self, columns: Columns, twice: NDArray[Any] | None = None) -> dict[int, list[Fact]]:
        """Return the facts of a batch by row. ``twice``: (n,) true or non-zero for packets to pass over."""
        facts = self._messages(columns, twice) if len(columns.rows("arp").row) else {}
        further = self._gateway.feed(columns, self._claims.stations, twice)
        if further is not None:
            facts.setdefault(further[0], []).append(Fact("arp.through-gateway", "lesson", further[1]))
        return facts

    def _messages(self, columns: Columns, twice: NDArray[Any] | None) -> dict[int, list[Fact]]:
        rows = columns.rows("arp")
        facts: dict[int, list[Fact]] = {}
        source, destination, vlan = link_ends(columns, rows.parent, rows.parent_index)
        batch = columns.batch
        messages = zip(
            rows.row.tolist(),
            batch.time_ns[rows.row].tolist(),
            vlan.tolist(),
            columns["arp.opcode"].tolist(),
            columns["arp.src.hw_mac"].tolist(),
            columns["arp.src.proto_ipv4"].tolist(),
            columns["arp.dst.hw_mac"].tolist(),
            columns["arp.dst.proto_ipv4"].tolist(),
            source.tolist(),
            destination.tolist(),
            strict=True,
        )
        for row, time_ns, *values in messages:
            if twice is not None and twice[row]:
                continue
            message = _Message(row + batch.first, time_ns, *values)
            original = self._copies.original(tuple(values), message.number, time_ns, message.frame_source < 0)
            if original is not None:
                facts[row] = [Fact("frame.captured-twice", "note", {"number": original})]
                continue
            self._open.tick(time_ns)
            if message.opcode == REQUEST:
                facts.setdefault(row, []).extend(self._request(message))
            elif message.opcode == REPLY:
                facts.setdefault(row, []).extend(self._reply(message))
        return facts

    @property
    def first_open(self) -> int | None:
        """The first packet of the oldest exchange that is not handed out yet, None where all are."""
        oldest = self._open.oldest()
        return None if oldest is None else oldest.packet

    def take(self) -> list[ArpExchange]:
        """Return the exchanges to which nothing can come any more, in order; call it between batches."""
        return self._open.take()

    def finish(self) -> list[ArpExchange]:
        """Return the exchanges that are left; call it after the last batch."""
        return self._open.finish()

    # A request: a question, a probe or an announcement.

    def _request(self, message: _Message) -> list[Fact]:
        if message.ip == message.target:
            return self._announcement(message)
        kind: Kind = "resolution" if message.ip else "probe"
        key = (message.vlan, message.ip or ("probe", message.mac), message.target)
        exchange = self._open.find(key)
        apart = None if exchange is None else elapsed(message.time_ns, exchange.asked_ns)
        again = exchange is not None and not exchange.answers and (apart is None or apart <= AGAIN_NS)
        crossing = self._crossing_probe(message) if kind == "probe" else []
        if exchange is None or not again:
            keys = [key] if kind == "resolution" else [key, (message.vlan, "probed", message.target)]
            exchange = self._exchange(kind, message, self._question(message), *keys)
            facts = [_first_asked(kind, message)]
        else:
            exchange.asked.append(message.number)
            self.counts["asked-again"] += 1
            values: dict[str, object] = {
                "number": exchange.asked[-2],
                "first": exchange.packet,
                "times": len(exchange.asked),
            }
            values |= {**message.names, "elapsed_ns": apart}
            facts = [Fact("arp.request-again" if kind == "resolution" else "arp.probe-again", "lesson", values)]
        exchange.asked_ns = exchange.last_ns = message.time_ns
        facts += crossing
        if kind == "resolution":
            facts += self._claimed(message)
            facts += self._updated_by(message, exchange)
            if message.frame_destination not in (BROADCAST, -1):  # asked directly: its address was known already
                asked = mac_text(message.frame_destination)
                self._put(exchange, message, mac_text(message.mac), ipv4_text(message.target), asked, message.number)
        else:
            facts += differs_from_frame(message.mac, message.frame_source)
        facts += self._claims.ask(message.vlan, message.mac, message.target, message.time_ns)
        return self._warned(exchange, facts)

    def _crossing_probe(self, message: _Message) -> list[Fact]:
        """RFC 5227 section 2.1.1: a probe of another station for the same address is a conflict as well."""
        other = self._open.find((message.vlan, "probed", message.target))
        if other is None or other.question is None or other.question.sender_mac == mac_text(message.mac):
            return []
        apart = elapsed(message.time_ns, other.asked_ns)
        if other.answers or (apart is not None and apart > AGAIN_NS):
            return []
        values = {**message.names, "other": other.question.sender_mac, "number": other.asked[-1], "elapsed_ns": apart}
        return [Fact("arp.probe-crossed", "warning", values)]

    def _announcement(self, message: _Message) -> list[Fact]:
        key = (message.vlan, "announced", message.mac, message.ip)
        earlier = self._open.find(key)
        probe = self._open.find((message.vlan, ("probe", message.mac), message.ip))
        values = dict(message.names)
        if earlier is not None:
            values |= {"number": earlier.packet, "elapsed_ns": elapsed(message.time_ns, earlier.last_ns)}
            facts = [Fact("arp.announcement-again", "lesson", values)]
        elif probe is not None and not probe.answers:
            values |= {"number": probe.asked[-1], "elapsed_ns": elapsed(message.time_ns, probe.asked_ns)}
            facts = [Fact("arp.announcement-after-probe", "lesson", values)]
        else:
            facts = [Fact("arp.announcement", "lesson", values)]
        exchange = self._exchange("announcement", message, self._question(message), key)
        facts += self._claimed(message)
        facts += self._updated_by(message, exchange)
        return self._warned(exchange, facts)

    # A reply: an answer, or a message that nobody asked for.

    def _reply(self, message: _Message) -> list[Fact]:
        exchange = None
        if message.ip != message.target:
            asker = message.target or ("probe", message.target_mac)
            exchange = self._open.find((message.vlan, asker, message.ip))
        if exchange is None or not _awaits(exchange, message):
            return self._unasked(message, exchange)
        apart = elapsed(message.time_ns, exchange.asked_ns)
        mac = mac_text(message.mac)
        rival = any(answer.mac != mac for answer in exchange.answers)
        again = any(answer.mac == mac for answer in exchange.answers)
        if not exchange.answers:
            exchange.answered_ns = message.time_ns
        exchange.answers.append(ArpAnswer(message.number, mac, ipv4_text(message.ip), apart))
        exchange.last_ns = message.time_ns
        asker_text = exchange.question.sender_ip if exchange.question else ""
        values = {**message.names, "asker": asker_text, "number": exchange.asked[-1], "elapsed_ns": apart}
        if exchange.kind == "probe":
            facts = [Fact("arp.probe-answered", "warning", values)]
            _note(exchange.warnings, "arp.address-conflict")
        elif again:
            facts = [Fact("arp.reply-again", "note", values)]
        elif exchange.question is not None and self._confirms(exchange.question, message):
            facts = [Fact("arp.reply-directly", "lesson", values)]
        else:
            facts = [Fact("arp.reply", "lesson", values)]
        if message.frame_destination == BROADCAST:
            facts.append(Fact("arp.reply-to-all", "note", values))
        facts += self._claimed(message, rival)
        if exchange.kind == "resolution":
            facts += self._learned(message, exchange)
        return self._warned(exchange, facts)

    def _unasked(self, message: _Message, answered: ArpExchange | None) -> list[Fact]:
        """Tell a reply that no question waits for. answered: the question that was answered before, if there is one."""
        own = message.ip == message.target
        kind: Kind = "gratuitous" if own else "unsolicited-reply"
        exchange = self._exchange(kind, message, None, (message.vlan, kind, message.mac, message.ip, message.target))
        exchange.answers.append(ArpAnswer(message.number, mac_text(message.mac), ipv4_text(message.ip), None))
        if own:
            facts = [Fact("arp.gratuitous", "lesson", message.names)]
        elif answered is not None:
            values = {**message.names, "number": answered.asked[-1], "answer": answered.answers[0].packet}
            values["elapsed_ns"] = elapsed(message.time_ns, answered.answered_ns)
            facts = [Fact("arp.reply-too-late", "note", values)]
        else:
            facts = [Fact("arp.unsolicited-reply", "note", message.names)]
        facts += self._claimed(message)
        facts += self._updated_by(message, exchange)
        return self._warned(exchange, facts)

    # The tables of the hosts.

    def _claimed(self, message: _Message, rival: bool = False) -> list[Fact]:
        """Note that the sender says it has its address; tell what is odd about that."""
        self.hosts.name(message.vlan, mac_text(message.mac), ipv4_text(message.ip))
        facts = self._claims.claim(message.vlan, message.ip, message.mac, message.number, message.time_ns, rival)
        return facts + differs_from_frame(message.mac, message.frame_source)

    def _learned(self, message: _Message, exchange: ArpExchange) -> list[Fact]:
        """Tell what the asker learns from a reply, and what the asked one had learned from the question."""
        question = exchange.question
        if question is None or not message.ip:
            return []
        facts = []
        owner = self._put(exchange, message, mac_text(message.mac), question.sender_ip, question.sender_mac,
                          exchange.asked[-1])  # fmt: skip
        asker = self._put(exchange, message, question.sender_mac, ipv4_text(message.ip), mac_text(message.mac),
                          message.number)  # fmt: skip
        if asker is not None:
            facts.append(Fact("arp.table.replaced" if asker.before else "arp.table.learned", "note", asker.values))
        if owner is not None:
            facts.append(Fact("arp.table.owner-learned", "note", owner.values))
        return facts

    def _confirms(self, question: ArpQuestion, message: _Message) -> bool:
        """Whether a reply only says what the asker, who asked one station alone, has in its table already."""
        known = self.hosts.now.get((message.vlan, question.sender_mac), {}).get(ipv4_text(message.ip))
        return not question.broadcast and known is not None and known.mac == mac_text(message.mac)

    def _updated_by(self, message: _Message, exchange: ArpExchange) -> list[Fact]:
        """Tell which tables a message to everybody (or a reply nobody asked for) changes: RFC 826's merge."""
        facts = []
        ip, mac = ipv4_text(message.ip), mac_text(message.mac)
        to_all = message.frame_destination in (BROADCAST, -1)
        for host in self.hosts.holders(message.vlan, ip):
            if host == mac or not (to_all or host == mac_text(message.frame_destination)):
                continue
            change = self._put(exchange, message, host, ip, mac, message.number)
            if change is not None:
                facts.append(Fact("arp.table.replaced", "note", change.values))
        return facts

    def _put(
        self, exchange: ArpExchange, message: _Message, host: str, ip: str, mac: str, packet: int
    ) -> TableChange | None:
        change = self.hosts.put(message.vlan, host, ip, mac, packet, message.number)
        if change is not None:
            exchange.changes.append(change)
        return change

    # Exchanges.

    def _question(self, message: _Message) -> ArpQuestion:
        broadcast = message.frame_destination in (BROADCAST, -1)
        return ArpQuestion(
            message.number, mac_text(message.mac), ipv4_text(message.ip), ipv4_text(message.target), broadcast
        )

    def _exchange(self, kind: Kind, message: _Message, question: ArpQuestion | None, *keys: object) -> ArpExchange:
        asked = [] if question is None else [message.number]
        exchange = ArpExchange(kind, message.number, question, asked, last_ns=message.time_ns, asked_ns=message.time_ns)
        self._open.add(exchange, *keys)
        self.counts[kind] += 1
        return exchange

    def _warned(self, exchange: ArpExchange, facts: list[Fact]) -> list[Fact]:
        for fact in facts:
            if fact.level == "warning" or fact.id in ("arp.address-conflict", "arp.answer-changed"):
                _note(exchange.warnings, fact.id)
                self.counts["warnings"] += fact.level == "warning"
        return facts

    def _leave(self, exchange: ArpExchange) -> None:
        if exchange.kind == "resolution" and not exchange.answers:
            self.counts["unanswered"] += 1
            if len(self.unanswered) < 20:
                self.unanswered.append(exchange)


def _awaits(exchange: ArpExchange, message: _Message) -> bool:
    """Whether a reply can be an answer: the first, one beside it, or one more for a question that was sent again."""
    if not exchange.answers:
        return True
    apart = elapsed(message.time_ns, exchange.answered_ns)
    if apart is None or apart <= TOGETHER_NS:
        return True
    mac = mac_text(message.mac)
    return 0 < sum(answer.mac == mac for answer in exchange.answers) < len(exchange.asked)


def _first_asked(kind: Kind, message: _Message) -> Fact:
    if kind == "probe":
        return Fact("arp.probe", "lesson", message.names)
    if message.frame_destination in (BROADCAST, -1):
        return Fact("arp.request", "lesson", message.names)
    return Fact("arp.request-directly", "lesson", {**message.names, "asked_mac": mac_text(message.frame_destination)})


def _note(warnings: list[str], id: str) -> None:
    if id not in warnings:
        warnings.append(id)
