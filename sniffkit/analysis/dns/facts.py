"""What each DNS message means where it stands, as facts: for the packets that somebody reads about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.analysis.dns.exchange import NOTIFY, UPDATE
from sniffkit.analysis.dns.kinds import chain, referred_zone
from sniffkit.analysis.dns.messages import AUTHORITATIVE, RECURSION_AVAILABLE, RECURSION_DESIRED
from sniffkit.analysis.dns.recursion import steps_not_seen, zone_asked
from sniffkit.analysis.facts import Fact
from sniffkit.analysis.open_questions import elapsed
from sniffkit.protocols.dns_data import Type, rcode_name, type_name
from sniffkit.protocols.dns_name import both_ways

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sniffkit.analysis.dns.exchange import DnsExchange
    from sniffkit.protocols.dns_message import Message, Record

SHOWN = 3
"""How many records or names stand in one sentence; an ellipsis stands for the rest."""

USUAL_LIMITS = (64, 128, 255)
"""What systems write into the hop limit of a packet they send."""

WAYS_TOLD = 2
"""Of how many servers it is said how far away they are: the reader can tell the others himself."""

STEPS_SHOWN = 8
"""How many questions of a resolver are named at its answer."""

LONGEST_SHOWN = 255
"""How many signs of one record's data stand in a sentence; as long as a name may be."""

REMEMBERED = 4096
"""How many answers are remembered, to see a cached one again; the oldest go first."""


class DnsTeller:
    """Makes the facts; remembers which servers were introduced and what they answered last."""

    def __init__(self) -> None:
        self._introduced: set[tuple[str, str]] = set()
        self._located: set[str] = set()
        self._answers: dict[tuple[str, str, int], tuple[int, int, int]] = {}

    def asked(self, exchange: DnsExchange, before: DnsExchange | None) -> list[Fact]:
        """Tell a question that is asked for the first time.

        before: the same question of the same client to another server or under another id, if it stands open
        """
        values = _values(exchange)
        if not exchange.name:
            return []  # the name cannot be read: what is odd in the message says why
        if exchange.operation == NOTIFY:
            return [Fact("dns.notify", "lesson", values)]
        if exchange.operation == UPDATE:
            return [Fact("dns.update", "lesson", values)]
        if exchange.operation:
            return [Fact("dns.other-operation", "lesson", {**values, "operation": exchange.operation})]
        if exchange.family == "llmnr":
            return [Fact("dns.llmnr.query", "lesson", values)]
        if exchange.truncated:
            return [Fact("dns.query.after-truncation", "lesson", {**values, "number": exchange.truncated})]
        recursive = exchange.query_flags & RECURSION_DESIRED
        if exchange.type == Type.ANY:
            facts = [Fact("dns.query.any", "lesson", values)]
        else:
            facts = [Fact("dns.query.recursive" if recursive else "dns.query.iterative", "lesson", values)]
        if before is not None and not before.response_packets and before.server != exchange.server:
            values = {**values, "number": before.query_packets[-1], "other": before.server}
            facts.append(Fact("dns.query.other-server", "note", values))
        if exchange.asked_for:
            facts.append(Fact("dns.query.on-behalf", "note", {**values, "number": exchange.asked_for}))
        if exchange.part_of:
            found = {**values, "number": exchange.asked_for, "whole": both_ways(exchange.part_of)}
            facts.append(Fact("dns.query.minimised", "note", found))
        return facts

    def asked_again(self, exchange: DnsExchange, apart_ns: int | None) -> list[Fact]:
        """Tell a question that is sent once more."""
        sent = exchange.query_packets
        values = {**_values(exchange), "number": sent[-2], "first": sent[0], "times": len(sent)}
        return [Fact("dns.query.again", "lesson", {**values, "elapsed_ns": apart_ns})]

    def answered(self, exchange: DnsExchange, time_ns: int) -> list[Fact]:
        """Tell the first answer to a question."""
        message = exchange.message
        if message is None:
            return []
        answers = exchange.query_packets[-1]
        values = {**_values(exchange), "number": exchange.query_packets[0], "elapsed_ns": exchange.elapsed_ns}
        facts = [result(exchange)]
        if answers != exchange.query_packets[0]:
            facts.append(Fact("dns.response.after-repeats", "note", {**values, "times": len(exchange.query_packets)}))
        cached = self._from_cache(exchange, message, time_ns)
        facts += (not exchange.helpers and cached) or _rests_on(exchange, values)
        facts += self._introduce(exchange, values) + _hearsay(exchange, values)
        facts += [Fact("dns.message-damaged", "warning", dict(problem.values)) for problem in message.problems[:1]]
        return facts

    def way(self, server: str, limit: Callable[[], int]) -> list[Fact]:
        """Tell once of each of the first servers how many routers passed its answer on: its hop limit shows it."""
        if server in self._located or len(self._located) >= WAYS_TOLD:
            return []
        self._located.add(server)
        here = limit()
        begun = next((start for start in USUAL_LIMITS if here <= start), 0)
        if not here:
            return []
        if here == begun:
            return [Fact("dns.response.way-direct", "note", {"server": server, "limit": here})]
        values: dict[str, object] = {"server": server, "limit": here, "begun": begun, "hops": begun - here}
        return [Fact("dns.response.way", "note", values)]

    def answered_again(self, exchange: DnsExchange) -> list[Fact]:
        """Tell a second answer to the same question."""
        values = {**_values(exchange), "number": exchange.response_packets[-2], "question": exchange.query_packets[0]}
        return [Fact("dns.response.again", "note", values)]

    def question_differs(self, exchange: DnsExchange) -> list[Fact]:
        """Warn of an answer that fits the ends and the id of a question but not what it asked."""
        message = exchange.message
        answered = message.questions[0] if message is not None and message.questions else None
        values = {
            "asked": f"{exchange.name} {exchange.type_name}",
            "answered": f"{answered.name} {type_name(answered.type)}" if answered else "?",
            "number": exchange.query_packets[-1],
        }
        return [Fact("dns.response.question-differs", "warning", values)]

    def unasked(self, exchange: DnsExchange) -> list[Fact]:
        """Tell an answer to a question that was not seen."""
        values = _values(exchange)
        facts = [Fact("dns.response.unasked", "note", values)]
        if exchange.message is not None and exchange.message.answers:
            data = some([shown_data(record) for record in exchange.message.answers])
            facts.append(Fact("dns.response.data", "lesson", {**values, "data": data}))
        return facts

    def multicast_asked(self, exchange: DnsExchange) -> list[Fact]:
        """Tell a question by multicast."""
        return [Fact("dns.mdns.query", "lesson", _values(exchange))]

    def multicast(self, server: str, records: Sequence[Record], paired: Sequence[DnsExchange]) -> list[Fact]:
        """Tell a message by multicast with answers in it: to open questions, or to nobody's."""
        data = some([f"{record.name} {type_name(record.type)} {record.data}" for record in records])
        values: dict[str, object] = {"server": server, "data": data}
        if records and all(record.ttl == 0 for record in records):
            return [Fact("dns.mdns.goodbye", "lesson", values)]
        if not paired:
            return [Fact("dns.mdns.announcement", "lesson", values)]
        first = paired[0]
        values |= {"number": first.query_packets[-1], "elapsed_ns": first.elapsed_ns, "name": first.name}
        return [Fact("dns.mdns.response", "lesson", values)]

    def _from_cache(self, exchange: DnsExchange, message: Message, time_ns: int) -> list[Fact]:
        """Tell an answer whose time to live went down with the time since it was last heard: it was cached."""
        if not message.answers or (exchange.response_flags or 0) & AUTHORITATIVE:
            return []
        ttl = min(record.ttl for record in message.answers)
        key = (exchange.server, exchange.name.lower(), exchange.type)
        before = self._answers.pop(key, None)
        if len(self._answers) >= REMEMBERED:
            for old in list(self._answers)[: REMEMBERED // 2]:
                del self._answers[old]
        number = exchange.response_packets[0]
        self._answers[key] = (ttl, time_ns, number)
        apart = None if before is None else elapsed(time_ns, before[1])
        if before is None or apart is None or apart < 0:
            return []
        if ttl > before[0] or abs(before[0] - ttl - apart / 1e9) > 2 or before[0] == ttl:
            return []
        values = {**_values(exchange), "number": before[2], "before": before[0], "ttl": ttl, "elapsed_ns": apart}
        return [Fact("dns.response.from-cache", "note", values)]

    def _introduce(self, exchange: DnsExchange, values: dict[str, object]) -> list[Fact]:
        """Say once of each server whether it speaks for a zone or looks things up for others."""
        flags = exchange.response_flags or 0
        role = "own" if flags & AUTHORITATIVE else "resolver" if flags & RECURSION_AVAILABLE else ""
        if not role or exchange.family != "dns" or len(self._introduced) > REMEMBERED:
            return []
        if (exchange.server, role) in self._introduced:
            return []
        self._introduced.add((exchange.server, role))
        if role == "own":
            return [Fact("dns.response.authoritative", "note", values)]
        if exchange.helpers or exchange.from_cache:
            return [Fact("dns.response.resolver-at-work", "note", values)]
        return [Fact("dns.response.resolver", "note", values)]


def _hearsay(exchange: DnsExchange, values: dict[str, object]) -> list[Fact]:
    """Tell an answer of a server that neither speaks for the zone nor looks things up for others."""
    if exchange.family != "dns" or exchange.kind not in ("answer", "cname-chain"):
        return []
    if (exchange.response_flags or 0) & (AUTHORITATIVE | RECURSION_AVAILABLE):
        return []
    return [Fact("dns.response.hearsay", "note", values)]


def _rests_on(exchange: DnsExchange, values: dict[str, object]) -> list[Fact]:
    """Tell at a resolver's answer what it was made of, as far as the capture shows the resolver's own questions."""
    if exchange.from_cache:
        return [Fact("dns.response.asked-nobody", "note", values)]
    if not exchange.helpers:
        return []
    steps = [f"{helper.server} ({zone_asked(helper) or '?'})" for helper in exchange.helpers]
    more = ("…",) if len(steps) > STEPS_SHOWN else ()
    packets = (*(helper.packet for helper in exchange.helpers[:STEPS_SHOWN]), *more)
    found = {**values, "steps": " → ".join((*steps[:STEPS_SHOWN], *more)), "packets": packets}
    missing = steps_not_seen(exchange)
    if not missing:
        return [Fact("dns.response.rests-on", "note", found)]
    return [Fact("dns.response.rests-on-cache-too", "note", {**found, "zones": " / ".join(missing)})]


def facts_of(exchange: DnsExchange) -> list[Fact]:
    """Return what there is to say of a question at the end of a capture, its answers known."""
    values = _values(exchange)
    sent, answers = exchange.query_packets, exchange.response_packets
    if not sent:
        return [Fact("dns.mdns.announcement" if exchange.family == "mdns" else "dns.response.unasked", "note",
                     {**values, "data": _said(exchange)})]  # fmt: skip
    facts = []
    if exchange.asked_for:
        facts.append(Fact("dns.query.on-behalf", "note", {**values, "number": exchange.asked_for}))
    if not answers or exchange.message is None:
        if not exchange.name:  # the root's is "."
            facts.append(Fact("dns.query.unreadable", "warning", {**values, "number": sent[0]}))
        facts.append(Fact("dns.unanswered", "warning", {**values, "times": len(sent)}))
        return facts
    values |= {"number": sent[0], "elapsed_ns": exchange.elapsed_ns}
    if exchange.family == "mdns":
        facts.append(Fact("dns.mdns.response", "lesson", {**values, "data": _said(exchange)}))
    else:
        facts.append(result(exchange))
    if len(sent) > 1:
        facts.append(Fact("dns.response.after-repeats", "note", {**values, "times": len(sent)}))
    facts += _hearsay(exchange, values)
    if exchange.helpers:
        facts.append(Fact("dns.looked-up", "note", values))
    facts += [Fact("dns.message-damaged", "warning", dict(one.values)) for one in exchange.message.problems[:1]]
    return facts


def _said(exchange: DnsExchange) -> tuple[str, ...]:
    message = exchange.message
    records = message.answers if message is not None else []
    return some([f"{record.name} {type_name(record.type)} {record.data}" for record in records])


def _values(exchange: DnsExchange) -> dict[str, object]:
    return {
        "name": exchange.shown_name,
        "type": exchange.type_name,
        "client": exchange.client,
        "server": exchange.server,
    }


def shown_data(record: Record) -> str:
    """Return a record's data for people: a name in its own script too, and no more than the beginning of long data."""
    data = both_ways(record.data) if record.type in (Type.CNAME, Type.NS, Type.PTR, Type.DNAME) else record.data
    return data if len(data) <= LONGEST_SHOWN else data[:LONGEST_SHOWN] + "…"


def some(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the first few different texts, with ``…`` for more."""
    different = list(dict.fromkeys(texts))
    return (*different[:SHOWN], "…") if len(different) > SHOWN else tuple(different)


def result(exchange: DnsExchange) -> Fact:
    """Return the fact that says what the first response to a question amounts to; there must be one."""
    message = exchange.message
    if message is None:
        raise ValueError("a question without an answer has no result")
    values = _values(exchange) | {"number": exchange.query_packets[0], "elapsed_ns": exchange.elapsed_ns}
    match exchange.kind:
        case "answer" if exchange.type == Type.ANY:
            every = [f"{type_name(record.type)} {shown_data(record)}" for record in message.answers]
            return Fact("dns.response.any", "lesson", {**values, "data": some(every)})
        case "answer":
            data = [shown_data(record) for record in message.answers if record.type in (exchange.type, Type.CNAME)]
            values |= {"data": some(data or [shown_data(record) for record in message.answers])}
            return Fact("dns.response.answer", "lesson", values)
        case "cname-chain":
            names = chain(message)
            data = [shown_data(record) for record in message.answers if record.type == exchange.type]
            values |= {"chain": " → ".join(map(both_ways, names[:6])), "data": some(data)}
            return Fact("dns.response.cname-chain" if data else "dns.response.alias-only", "lesson", values)
        case "referral":
            zone, servers, glue = referred_zone(message)
            values |= {"zone": both_ways(zone), "servers": some(servers), "count": len(servers)}
            if not glue:
                return Fact("dns.response.referral", "lesson", values)
            values |= {"next": glue[0].name, "address": glue[0].data}
            return Fact("dns.response.referral-with-glue", "lesson", values)
        case "nxdomain":
            return Fact("dns.response.nxdomain", "lesson", values)
        case "nodata":
            return Fact("dns.response.nodata", "lesson", values)
        case "truncated":
            return Fact("dns.response.truncated", "lesson", values)
        case "servfail":
            return Fact("dns.response.servfail", "note", values)
        case "refused":
            return Fact("dns.response.refused", "note", values)
        case "lame":
            return Fact("dns.response.lame", "warning", values)
        case "formerr":
            return Fact("dns.response.formerr", "note", values)
        case "notimp":
            return Fact("dns.response.notimp", "note", values)
        case "done":
            return Fact("dns.response.done", "lesson", {**values, "rcode": rcode_name(message.rcode)})
        case _:
            return Fact("dns.response.other-error", "note", {**values, "rcode": rcode_name(message.rcode)})
