"""Resolves a name as a resolver does: from the servers of the root down, zone by zone (RFC 1034 section 5.3.3).

A walk yields what happens while it happens: the hop that begins, each question with its answer, how the hop ended.
Whatever the servers say, it comes to an end: a referral must lead nearer to the name, no name is looked up while it is
being looked up already, walks within walks go only so deep, and the number of questions is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from sniffkit.sources.resolver.asking import EDNS_SIZE, Asker, has_route, records_of, text_of
from sniffkit.sources.resolver.judging import MOST_ALIASES, Judgement, judge
from sniffkit.sources.resolver.trace import Asked, Event, Hop, HopEnded, Passed, ResolutionFailed, Result, Server
from sniffkit.sources.resolver.zones import Zone

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import dns.message
    import dns.name

    from sniffkit.sources.resolver.trace import Purpose, Security
    from sniffkit.sources.resolver.trust import Trust

DEEPEST = 6
"""Walks within walks: looking for a server's address may need another server's address, and so on."""

MOST_QUESTIONS = 100
MOST_LOOKED_UP = 5
"""Servers of one zone whose addresses are looked up: a zone may name many that do not exist, to make others work."""


MOST_SILENT = 5
"""Silent addresses of one zone: after so many the fault is on the way rather than at the servers."""
ASKED_AGAIN = 2
"""Silent addresses that are asked once more: UDP may lose a datagram."""


class OutOfQuestions(ResolutionFailed):
    """The number of questions is used up; unlike other failures it ends every walk."""


@dataclass(slots=True)
class Found:
    """What a walk found. security: what DNSSEC says of all that it stands on."""

    judgement: Judgement
    hop: Hop
    chain: list[dns.name.Name]
    security: Security = ""


@dataclass(slots=True)
class Limits:
    """What the user allows: questions altogether, families of addresses (4, 6), how to begin asking."""

    questions: int = MOST_QUESTIONS
    families: tuple[int, ...] = (4, 6)
    edns: bool = True
    tcp: bool = False


class Walk:
    """One resolution; iterate over ``run()``, then look at ``result``."""

    def __init__(
        self, name: str, kind: str, roots: list[Server], asker: Asker, limits: Limits, trust: Trust | None = None
    ) -> None:
        import dns.name
        import dns.rdatatype

        self._name, self._kind = dns.name.from_text(name), dns.rdatatype.from_text(kind)
        self._asker, self._limits, self._trust = asker, limits, trust
        self._zones = {dns.name.root: Zone(dns.name.root, roots, 0)}
        self._underway: list[tuple[dns.name.Name, int]] = []
        self._deaf_to_edns: set[str] = set()
        self._silent: set[str] = set()
        self._no_route: dict[int, bool] = {}
        self._passed: set[tuple[int, str]] = set()
        self._last_failure: ResolutionFailed | None = None
        self.hops: list[Hop] = []
        self.asked: list[Asked] = []
        self.result = Result(text_of(self._name), kind, chain=[text_of(self._name)])

    def run(self) -> Iterator[Event]:
        """Yield what happens, in order; ``result`` says at the end how it went."""
        result = self.result
        try:
            found = yield from self._resolve(self._name, self._kind, "question", 0, "")
        except ResolutionFailed as error:
            result.failure = error
        else:
            result.outcome = found.judgement.outcome
            result.chain = [text_of(name) for name in found.chain]
            result.records = found.hop.records
            result.negative_ttl = found.judgement.negative_ttl
            result.security = found.security
        result.bogus_hop = self._trust.bogus_hop if self._trust is not None else 0
        result.elapsed_ns = self._asker.spent_ns
        result.hops, result.questions = len(self.hops), len(self.asked)

    # walking

    def _resolve(
        self, name: dns.name.Name, kind: int, purpose: Purpose, depth: int, sought_for: str
    ) -> Generator[Event, None, Found]:
        """Walk for a question, aliases included."""
        chain, security = [name], "" if self._trust is None else "secure"
        while True:
            found = yield from self._descend(chain[-1], kind, purpose, depth, sought_for)
            chain += found.judgement.chain[1:]
            if found.security != "secure" and security != "bogus":
                security = found.security
            if found.judgement.outcome != "alias":
                return Found(found.judgement, found.hop, chain, security)  # type: ignore[arg-type]
            if len(set(chain)) < len(chain) or len(chain) > MOST_ALIASES:
                names = " → ".join(map(text_of, chain))
                raise ResolutionFailed("resolver.alias-loop", hop=found.hop.number, chain=names)
            purpose, sought_for = ("alias" if not depth else purpose), text_of(chain[-2])

    def _descend(
        self, name: dns.name.Name, kind: int, purpose: Purpose, depth: int, sought_for: str
    ) -> Generator[Event, None, Found]:
        """Go down from the nearest zone whose servers are known, until there is an answer or an alias."""
        import dns.rdatatype

        if (name, kind) in self._underway:
            names = " → ".join(text_of(each) for each, _ in [*self._underway, (name, kind)])
            raise ResolutionFailed("resolver.server-loop", hop=len(self.hops), chain=names)
        if depth > DEEPEST:
            names = " → ".join(text_of(each) for each, _ in [*self._underway, (name, kind)])
            raise ResolutionFailed("resolver.too-deep", hop=len(self.hops), depth=DEEPEST, chain=names)
        self._underway.append((name, kind))
        begins = True
        try:
            zone = self._nearest(name)
            while True:
                hop = Hop(
                    len(self.hops) + 1,
                    text_of(zone.name),
                    text_of(name),
                    dns.rdatatype.to_text(dns.rdatatype.RdataType.make(kind)),
                    purpose,
                    depth,
                    list(zone.servers),
                    zone.known_from,
                    begins,
                    sought_for,
                )
                self.hops.append(hop)
                yield hop
                message, judgement, answering = yield from self._ask_zone(hop, zone, name, kind)
                self._conclude(hop, judgement)
                yield HopEnded(hop)
                security: Security = ""
                if self._trust is not None:
                    security = yield from self._trust.check(self, hop, zone, message, judgement, answering)
                if judgement.outcome != "referral" or judgement.zone is None:
                    return Found(judgement, hop, [name], security)
                below = Zone(judgement.zone, judgement.servers, hop.number)
                if self._trust is not None:
                    self._trust.inherit(zone, below)
                zone = self._zones[judgement.zone] = below
                begins = False
        finally:
            self._underway.pop()

    def _nearest(self, name: dns.name.Name) -> Zone:
        while name not in self._zones:
            name = name.parent()
        return self._zones[name]

    def _conclude(self, hop: Hop, judgement: Judgement) -> None:
        hop.outcome, hop.negative_ttl = judgement.outcome, judgement.negative_ttl
        hop.chain = [text_of(each) for each in judgement.chain]
        hop.records = records_of(judgement.used)
        hop.outside = records_of(judgement.outside)
        hop.next_servers = judgement.servers
        hop.glue = sum(bool(server.addresses) for server in judgement.servers)
        if judgement.zone is not None:
            hop.leads_to = text_of(judgement.zone)
        elif judgement.target is not None:
            hop.leads_to = text_of(judgement.target)

    # asking a zone's servers

    def _ask_zone(
        self, hop: Hop, zone: Zone, name: dns.name.Name, kind: int
    ) -> Generator[Event, None, tuple[dns.message.Message, Judgement, Asked]]:
        """Try the zone's servers until one says something of use.

        First those whose address is known; then the addresses of others are looked up, one after the other; at last
        some of those that were silent are asked once more.
        """
        tried: set[str] = set()
        looked_up: set[str] = set()
        while True:
            for server, address in self._addresses(zone):
                if address in tried:
                    continue
                if len(silent_at(hop)) == MOST_SILENT:
                    yield Passed(hop.number, hop.depth, "resolver.passed.enough", server.name, reason=str(MOST_SILENT))
                    break
                tried.add(address)
                found = yield from self._try(hop, zone, (name, kind), (server, address), 1)
                if found is not None:
                    return found
            if not (yield from self._look_up_server(hop, zone, looked_up)):
                break
        again = silent_at(hop)[:ASKED_AGAIN]
        for server, address in self._addresses(zone):
            if address in again:
                again.remove(address)
                found = yield from self._try(hop, zone, (name, kind), (server, address), 2)
                if found is not None:
                    return found
        raise self._failed(hop, zone)

    def _try(
        self, hop: Hop, zone: Zone, question: tuple[dns.name.Name, int], whom: tuple[Server, str], turn: int
    ) -> Generator[Event, None, tuple[dns.message.Message, Judgement, Asked] | None]:
        """Ask one address; None where that is of no use."""
        import dns.rdatatype

        server, address = whom
        if reason := self._not_to_be_asked(address):
            if (hop.number, reason) not in self._passed:  # once for each hop, however many there are
                self._passed.add((hop.number, reason))
                yield Passed(hop.number, hop.depth, reason, server.name, address)
            return None
        message, asked = yield from self.question(hop, server, address, hop.name, hop.type, turn=turn)
        if message is None:
            return None
        judgement = judge(message, zone.name, question[0], dns.rdatatype.RdataType.make(question[1]))
        asked.verdict = judgement.useless or judgement.outcome
        asked.detail = judgement.detail
        yield asked
        if judgement.useless == "alias-loop":
            raise ResolutionFailed("resolver.alias-loop", hop=hop.number, chain=judgement.detail)
        return None if judgement.useless else (message, judgement, asked)

    def _addresses(self, zone: Zone) -> list[tuple[Server, str]]:
        """Return the addresses that are known: IPv4 first, those that were silent at an earlier hop last."""
        every = [(server, address) for server in zone.servers for address in server.addresses]
        families = self._limits.families
        wanted = [one for family in families for one in every if ip_address(one[1]).version == family]
        wanted += [one for one in every if ip_address(one[1]).version not in families]
        return sorted(wanted, key=lambda one: one[1] in self._silent)

    def _look_up_server(self, hop: Hop, zone: Zone, looked_up: set[str]) -> Generator[Event, None, bool]:
        """Find an address for a server of the zone that came without one; say whether there is one more to ask."""
        import dns.name
        import dns.rdatatype

        for server in zone.servers:
            if server.addresses or server.name in looked_up:
                continue
            if len(looked_up) == MOST_LOOKED_UP:
                yield Passed(hop.number, hop.depth, "resolver.passed.too-many", server.name, reason=str(MOST_LOOKED_UP))
                return False
            looked_up.add(server.name)
            name = dns.name.from_text(server.name)
            if name.is_subdomain(zone.name):
                # Only the zone itself could tell this address, and nobody can ask it without having the address.
                yield Passed(hop.number, hop.depth, "resolver.passed.glue-missing", server.name, reason=hop.zone)
                continue
            reason = "resolver.passed.no-address"
            for family in self._limits.families:
                kind = dns.rdatatype.A if family == 4 else dns.rdatatype.AAAA
                try:
                    found = yield from self._resolve(name, kind, "server-address", hop.depth + 1, hop.zone)
                except OutOfQuestions:
                    raise
                except ResolutionFailed as error:
                    self._last_failure, reason = error, "resolver.passed.not-found"
                    if (name, kind) in self._underway:
                        reason = "resolver.passed.circle"
                    elif hop.depth == DEEPEST:
                        reason = "resolver.passed.deep"
                    break
                server.addresses = [each.data for each in found.hop.records if each.type in ("A", "AAAA")]
                if server.addresses:
                    server.source = "looked-up"
                    return True
                if found.judgement.outcome == "nxdomain":
                    break
            yield Passed(hop.number, hop.depth, reason, server.name)
        return False

    def _not_to_be_asked(self, address: str) -> str:
        """Return why an address is left out, "" where it is asked."""
        parsed = ip_address(address)
        if parsed.is_multicast or parsed.is_unspecified or address == "255.255.255.255":
            return "resolver.passed.no-host"
        if parsed.version not in self._limits.families:
            return "resolver.passed.family"
        if parsed.version not in self._no_route:
            self._no_route[parsed.version] = not has_route(address)
        return "resolver.passed.no-route" if self._no_route[parsed.version] else ""

    def question(
        self, hop: Hop, server: Server, address: str, name: str, kind: str, *, turn: int = 1
    ) -> Generator[Event, None, tuple[dns.message.Message | None, Asked]]:
        """Ask one server, over TCP where UDP was cut short and without EDNS where that is not understood.

        What is of no use by itself (silence, a truncated answer) is yielded here; the last answer is the caller's.
        """
        transport, edns = ("tcp" if self._limits.tcp else "udp"), self._limits.edns
        why = ""
        while True:
            if len(self.asked) >= self._limits.questions:
                raise OutOfQuestions("resolver.out-of-questions", hop=hop.number, count=self._limits.questions)
            size = EDNS_SIZE if edns and address not in self._deaf_to_edns else 0
            asked = Asked(
                len(self.asked) + 1, hop.number, name, kind, server.name, address, server.port, server.source,
                transport, size, 0, why, turn,  # type: ignore[arg-type]
            )  # fmt: skip
            self.asked.append(asked)
            hop.asked.append(asked)
            message = self._asker.ask(asked)
            if message is None:
                if asked.failure == "timeout":
                    self._silent.add(address)
                yield asked
                return None, asked
            if "tc" in asked.flags and transport == "udp":
                asked.verdict, transport, why = "truncated", "tcp", "truncated"
            elif size and asked.rcode in ("FORMERR", "NOTIMP", "BADVERS"):
                self._deaf_to_edns.add(address)
                asked.verdict, why = "without-edns", "without-edns"
            else:
                return message, asked
            yield asked

    def _failed(self, hop: Hop, zone: Zone) -> ResolutionFailed:
        """Say why no server of the zone was of use."""
        if not hop.asked:
            inner = self._last_failure
            if inner is not None and inner.id in ("resolver.server-loop", "resolver.too-deep"):
                return inner
            return ResolutionFailed("resolver.no-address", hop=hop.number, zone=hop.zone, count=len(zone.servers))
        ends = {asked.verdict or asked.failure for asked in hop.asked} - {"truncated", "without-edns"}
        values = {"hop": hop.number, "zone": hop.zone, "count": len({asked.address for asked in hop.asked})}
        if ends <= {"timeout"} and any(asked.strays for asked in hop.asked):
            return ResolutionFailed("resolver.only-strays", **values)
        if hop.zone == "." and ends <= {"timeout", "unreachable"}:
            return ResolutionFailed("resolver.root-silent", hop=hop.number, count=values["count"])
        if ends <= {"timeout"}:
            return ResolutionFailed("resolver.silent", **values)
        if any(asked.transport == "tcp" and asked.why == "truncated" and asked.failure for asked in hop.asked):
            return ResolutionFailed("resolver.no-tcp", **values)
        if ends <= {"timeout", "refused-port", "unreachable", "tcp-closed", "garbled"}:
            return ResolutionFailed("resolver.unreachable", **values)
        lame = ends & {"lame-upward", "lame-empty", "not-authoritative", "refused"}
        if lame and hop.zone == ".":
            return ResolutionFailed("resolver.not-root", hop=hop.number, address=hop.asked[-1].address)
        if lame:
            return ResolutionFailed("resolver.lame", **values)
        return ResolutionFailed("resolver.no-use", **values, said=", ".join(sorted(end.upper() for end in ends)))


def silent_at(hop: Hop) -> list[str]:
    """Return the addresses that did not answer at a hop, each once, in the order they were asked."""
    return list(dict.fromkeys(asked.address for asked in hop.asked if asked.failure == "timeout"))
