"""What a resolver did to answer a question, as a tree: whom it asked, what each said, and which steps were not seen.

RFC 1034 section 5.3.3: from the root down, each server names those that know more, until one has the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.analysis.dns.facts import result
from sniffkit.analysis.dns.kinds import lies_below
from sniffkit.analysis.dns.recursion import DEEPEST, steps_not_seen, zone_asked
from sniffkit.explanations.lesson import Branch, Note
from sniffkit.explanations.plain import safe
from sniffkit.protocols.dns_data import Type

if TYPE_CHECKING:
    from sniffkit.analysis.dns.exchange import DnsExchange
    from sniffkit.explanations.catalogue import Catalogue


class DnsTree:
    """Makes branches of what was asked for the sake of a question."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def branches(self, exchange: DnsExchange, depth: int = 0) -> tuple[Branch, ...]:
        """Return the steps below a question in order, () where it needed none or none were seen."""
        if exchange.from_cache:
            return (Branch(self._say("dns.tree.from-cache", server=exchange.server), seen=False),)
        if not exchange.helpers or depth == DEEPEST:
            return ()
        missing = steps_not_seen(exchange)
        found: list[Branch] = []
        for helper in exchange.helpers:
            below = zone_asked(helper).lower()
            before = [zone for zone in missing if below and lies_below(below, zone)]
            missing = [zone for zone in missing if zone not in before]
            if before:
                found.append(self._not_seen(before, exchange))
            found.append(self._step(helper, depth))
        if exchange.response_packets:
            found.append(self._answered(exchange))
        return tuple(found)

    def _step(self, exchange: DnsExchange, depth: int) -> Branch:
        """Return one question of the resolver with what came back."""
        values = {
            "server": exchange.server,
            "role": self._role(zone_asked(exchange)),
            "name": exchange.shown_name,
            "type": exchange.type_name,
            "number": tuple(exchange.query_packets[:4]),
            "answer": tuple(exchange.response_packets[:4]),
        }
        more = self._say("dns.tree.over-tcp") if exchange.transport == "tcp" else ""
        if exchange.name == "." and exchange.type == Type.NS:
            more += self._say("dns.tree.priming")
        if exchange.part_of:
            more += self._say("dns.tree.minimised", whole=exchange.part_of)
        if not exchange.response_packets or exchange.message is None:
            head = self._say("dns.tree.asked", **values) + more
            said = Note("dns.tree.unanswered", "warning", self._say("dns.tree.unanswered"))
            return Branch(head, (said,))
        head = self._say("dns.tree.asked-answered", **values, elapsed_ns=exchange.elapsed_ns)
        fact = result(exchange)
        text = self._say(fact.id.replace("dns.response.", "dns.tree."), **fact.values)
        note = Note(fact.id, "note" if fact.level == "lesson" else fact.level, text)
        return Branch(head + more, (note,), self.branches(exchange, depth + 1))

    def _not_seen(self, zones: list[str], exchange: DnsExchange) -> Branch:
        comma = self._catalogue.text("dns.tree.and")
        roles = comma.join(self._role(zone) for zone in zones)
        return Branch(self._say("dns.tree.not-seen", zones=roles, server=exchange.server), seen=False)

    def _answered(self, exchange: DnsExchange) -> Branch:
        number = exchange.response_packets[0]
        values = {"number": number, "client": exchange.client, "server": exchange.server, "rcode": exchange.rcode}
        return Branch(self._say("dns.tree.passed-on", **values, elapsed_ns=exchange.elapsed_ns))

    def _role(self, zone: str) -> str:
        """Say what a server that serves a zone is called."""
        if not zone:
            return self._catalogue.text("dns.tree.zone.unknown")
        level = "root" if zone == "." else "top" if "." not in zone else "own"
        return self._say(f"dns.tree.zone.{level}", zone=zone)

    def _say(self, key: str, **values: object) -> str:
        return self._catalogue.filled(self._catalogue.text(key), **safe(values))
