"""A resolution told while it happens: each hop, each question, what came back, why it goes on as it does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sniffkit.analysis.facts import Fact
from sniffkit.explanations.language import duration
from sniffkit.explanations.plain import escaped
from sniffkit.explanations.told_briefly import ToldBriefly
from sniffkit.sources.resolver.trace import Asked, Hop, HopEnded, Passed, Proof

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sniffkit.analysis.facts import Level
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.sources.resolver.system import Opinion
    from sniffkit.sources.resolver.trace import Event, Result

SHOWN = 3
"""How many records or names stand in one sentence; an ellipsis stands for the rest."""

LONGEST = 200
"""Signs of a record's data that are shown."""

_BETWEEN_CHINESE = re.compile(r"(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])")
"""Texts have a blank beside each name, which is Latin but for the root's."""

SPOKEN = ("referral", "answer", "alias", "nxdomain", "nodata")
"""Verdicts that end a hop: told when the hop has ended, with all it led to."""

LAME = ("refused", "lame-upward", "lame-empty", "not-authoritative")
"""Verdicts on a server that does not serve the zone it was asked for."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A piece of the story. aside: what stands at the right end of the line; depth: walks that it is within."""

    text: str
    style: Literal["heading", "step", "lesson", "note", "warning", "source"]
    depth: int = 0
    aside: str = ""


@dataclass(slots=True)
class Branch:
    """One line of the tree, and what hangs below it."""

    text: str
    below: list[Branch]


class ResolutionStory:
    """Tells the events of one walk.

    verbose: every lesson in full, and every record of each answer
    timeout: seconds that each question waits for its answer
    """

    def __init__(self, catalogue: Catalogue, *, verbose: bool = False, timeout: float = 2.0) -> None:
        self._catalogue = catalogue
        self._verbose = verbose
        self._timeout_ns = int(timeout * 1e9)
        self._briefly = ToldBriefly(catalogue, verbose)
        self._hops: list[Hop] = []
        self._at = 0
        self._tops: list[Hop] = []
        self._below: dict[int, list[Hop]] = {}
        self._last: dict[int, Hop] = {}

    def heading(self, name: str, kind: str, unicode: str) -> Iterator[Paragraph]:
        """Yield what stands at the top."""
        say = self._catalogue.text
        yield Paragraph(say("resolver.heading", name=escaped(name), type=kind), "heading")
        if unicode:
            yield from self._tell(0, Fact("resolver.heading.unicode", "lesson", {"name": name, "unicode": unicode}))

    def tell(self, event: Event) -> Iterator[Paragraph]:
        """Yield what there is to say of one event."""
        match event:
            case Hop():
                yield from self._hop(event)
            case Asked():
                yield from self._asked(event)
            case HopEnded():
                yield from self._ended(event.hop)
            case Passed():
                values = {"server": event.server, "address": event.address, "reason": event.reason}
                yield from self._tell(event.depth, Fact(event.why, "warning", dict(values)))
            case Proof():
                yield from self._proof(event)

    # hops

    def _hop(self, hop: Hop) -> Iterator[Paragraph]:
        self._hops.append(hop)
        self._at = hop.number
        self._place(hop)
        values: dict[str, Any] = {
            "hop": hop.number,
            "zone": escaped(hop.zone),
            "name": escaped(hop.name),
            "type": hop.type,
        }
        key = "resolver.hop.root" if hop.zone == "." else "resolver.hop.zone"
        yield Paragraph(self._catalogue.text(key, **values), "step", hop.depth)
        if not hop.begins:
            return
        told = {**values, "sought_for": hop.sought_for, "known_from": hop.known_from}
        facts = [Fact(f"resolver.begin.{hop.purpose}", "lesson", dict(told))]
        if hop.known_from:
            facts.append(Fact("resolver.begin.nearest", "lesson", dict(told)))
        yield from self._tell(hop.depth, *facts)

    def _place(self, hop: Hop) -> None:
        """Hang a hop below the one that led to it."""
        before = self._last.get(hop.depth)
        if hop.begins or before is None:
            above = self._last.get(hop.depth - 1)
            (self._below.setdefault(above.number, []) if above is not None else self._tops).append(hop)
        else:
            self._below.setdefault(before.number, []).append(hop)
        self._last[hop.depth] = hop

    def _ended(self, hop: Hop) -> Iterator[Paragraph]:
        asked = next((each for each in reversed(hop.asked) if each.verdict == hop.outcome), hop.asked[-1])
        values = self._values(asked, hop)
        facts: list[Fact] = []
        if hop.outcome == "referral":
            facts = self._referral(hop, values)
        elif hop.outcome == "answer":
            data = [each.data for each in hop.records if hop.type in (each.type, "ANY")]
            values |= {"data": some(data), "chain": " → ".join(hop.chain)}
            values["ttl"] = min((each.ttl for each in hop.records), default=0)
            by_alias = len(hop.chain) > 1
            facts = [
                Fact("resolver.answer.answer-by-alias" if by_alias else "resolver.answer.answer", "lesson", values)
            ]
        elif hop.outcome == "alias":
            facts = [Fact("resolver.answer.alias", "lesson", {**values, "chain": " → ".join(hop.chain)})]
        else:
            facts = [Fact(f"resolver.answer.{hop.outcome}", "lesson", {**values, "ttl": hop.negative_ttl})]
        yield from self._tell(hop.depth, *facts)

    def _referral(self, hop: Hop, values: dict[str, object]) -> list[Fact]:
        names = [server.name for server in hop.next_servers]
        addressed = [server for server in hop.next_servers if server.addresses]
        values |= {"servers": some(names), "zone": hop.leads_to}
        facts = [Fact("resolver.answer.referral", "lesson", dict(values))]
        if addressed:
            inside = [each for each in addressed if within(each.name, hop.leads_to)]
            glue = some([f"{each.name} {', '.join(each.addresses[:2])}" for each in addressed])
            told: dict[str, object] = {**values, "glue": glue, "server": (inside or addressed)[0].name}
            facts.append(Fact("resolver.answer.glue" if inside else "resolver.answer.addresses", "lesson", told))
        else:
            facts.append(Fact("resolver.answer.no-glue", "lesson", dict(values)))
        if hop.outside:
            record = hop.outside[0]
            told = {"record": f"{record.name} {record.type} {record.data}", "zone": hop.zone}
            facts.append(Fact("resolver.answer.outside", "warning", told))
        return facts

    # questions

    def _asked(self, asked: Asked) -> Iterator[Paragraph]:
        say, hop = self._catalogue.text, self._hops[asked.hop - 1]
        if self._at != hop.number:
            self._at = hop.number
            yield Paragraph(
                say("resolver.hop.back", hop=hop.number, zone=escaped(self._zone(hop.zone))), "step", hop.depth
            )
        server = escaped(asked.server) or ""
        address = asked.address if asked.port == 53 else f"{asked.address} port {asked.port}"
        line = say(
            "resolver.line",
            name=escaped(asked.name),
            type=asked.type,
            server=server,
            address=f"({address})" if server else address,
            transport=asked.transport.upper(),
        )
        time = say("resolver.line.no-answer") if asked.elapsed_ns is None else ""
        if asked.elapsed_ns is not None:
            time = duration(asked.elapsed_ns, self._catalogue.language)
        yield Paragraph(" ".join(line.split()), "source", hop.depth, time)
        values = self._values(asked, hop)
        facts = [*self._why(asked, hop, values), *self._strays(asked)]
        if asked.failure == "timeout" and asked.strays:
            facts.append(Fact("resolver.failure.only-strays", "warning", values))
        elif asked.failure:
            level: Level = "warning"
            facts.append(Fact(f"resolver.failure.{asked.failure}", level, values))
        elif hop.zone == "." and asked.verdict in LAME:
            facts.append(Fact("resolver.answer.not-root", "warning", values))
        elif asked.verdict not in SPOKEN:
            level = "lesson" if asked.verdict in ("truncated", "without-edns", "keys", "digest") else "warning"
            facts.append(Fact(f"resolver.answer.{asked.verdict}", level, values))
        yield from self._tell(hop.depth, *facts)
        if self._verbose:
            yield from self._records(asked, hop.depth)

    def _why(self, asked: Asked, hop: Hop, values: dict[str, object]) -> Iterator[Fact]:
        """Yield why this server, and why in this way."""
        if asked.verdict in ("keys", "digest"):
            return
        if asked.why:
            yield Fact(f"resolver.why.{asked.why}", "lesson", values)
            return
        if asked.turn > 1:
            yield Fact("resolver.why.again", "lesson", values)
            return
        others = {each.address for each in hop.asked if each.number < asked.number}
        key: str = "next" if others and asked.source != "looked-up" else asked.source
        if key == "glue" and len(hop.servers) == 1:
            key = "only"
        yield Fact(f"resolver.why.{key}", "lesson", values)
        if asked.number == 1:
            yield Fact("resolver.asked.iterative" if asked.edns else "resolver.asked.iterative-plain", "lesson", values)
            if asked.name.strip(".").count("."):
                top = asked.name.rpartition(".")[2]
                yield Fact("resolver.asked.whole-name", "lesson", {"top": top})

    def _strays(self, asked: Asked) -> Iterator[Fact]:
        for stray in asked.strays:
            values = {"expected": stray.expected, "found": stray.found, "source": stray.source}
            yield Fact(f"resolver.stray.{stray.why}", "warning", dict(values))

    def _records(self, asked: Asked, depth: int) -> Iterator[Paragraph]:
        for section, records in (
            ("answer", asked.answers), ("authority", asked.authority), ("additional", asked.additional)
        ):  # fmt: skip
            for record in records:
                text = f"{record.name} {record.ttl} {record.type} {record.data}"
                name = self._catalogue.text(f"dns.section.{section}")
                told = self._catalogue.text("dns.section", section=name, record=escaped(text[:LONGEST]))
                yield Paragraph(told, "note", depth)

    def _values(self, asked: Asked, hop: Hop) -> dict[str, object]:
        return {
            "name": hop.name,
            "type": hop.type,
            "zone": self._zone(hop.zone),
            "server": asked.server or asked.address,
            "address": asked.address,
            "port": asked.port,
            "transport": asked.transport.upper(),
            "count": len(asked.answers) if asked.verdict == "keys" else len(hop.servers),
            "known_from": hop.known_from,
            "edns": asked.edns,
            "size": asked.size,
            "rcode": asked.rcode,
            "detail": self._zone(asked.detail),
            "timeout_ns": self._timeout_ns,
        }

    # DNSSEC

    def _proof(self, proof: Proof) -> Iterator[Paragraph]:
        values: dict[str, object] = {
            "zone": self._zone(proof.zone),
            "name": self._zone(proof.name),
            "type": proof.type,
            "key_tag": proof.key_tag,
            "algorithm": proof.algorithm,
            "expires": proof.expires,
        }
        if proof.status == "bogus":
            broken = Fact(f"resolver.proof.bogus.{proof.reason}", "warning", values)
            if proof.reason == "no-digest-fits" and proof.zone == ".":
                broken = Fact("resolver.proof.bogus.no-anchor-fits", "warning", values)
            yield from self._tell(proof.depth, broken)
        elif proof.what == "ds" and proof.status == "insecure":
            yield from self._tell(proof.depth, Fact("resolver.proof.ds-unusable", "lesson", values))
        else:
            yield from self._tell(proof.depth, Fact(f"resolver.proof.{proof.what}", "lesson", values))

    # the end

    def result(self, result: Result) -> Iterator[Paragraph]:
        """Yield how it ended."""
        say = self._catalogue.text
        data = [each.data for each in result.records if result.type in (each.type, "ANY")]
        values: dict[str, object] = {
            "name": result.chain[-1] if result.outcome in ("nxdomain", "nodata") else result.name,
            "type": result.type,
            "data": some(data),
            "chain": " → ".join(result.chain),
        }
        key = result.outcome
        if key == "answer" and len(result.chain) > 1:
            key = "answer-by-alias"  # type: ignore[assignment]
        shown = {name: escaped(str(value)) for name, value in values.items()}
        yield Paragraph(say(f"resolver.result.{key}", **shown), "heading")
        counts = say(
            "resolver.result.counts", hops=result.hops, questions=result.questions, elapsed_ns=result.elapsed_ns
        )
        yield Paragraph(counts, "note")
        if result.security and result.failure is None:
            level: Level = "warning" if result.security == "bogus" else "lesson"
            yield from self._tell(0, Fact(f"resolver.result.{result.security}", level, {}))

    def tree(self) -> tuple[str, list[Branch]]:
        """Return the walk as a tree, with its heading."""
        return self._catalogue.text("resolver.tree.heading"), [self._branch(hop) for hop in self._tops]

    def _branch(self, hop: Hop) -> Branch:
        say = self._catalogue.text
        asked = hop.asked[-1] if hop.asked else None
        useful = next((each for each in hop.asked if each.verdict in SPOKEN), asked)
        zone = escaped(self._zone(hop.zone))
        outcome = hop.outcome or "failed"
        data = self._catalogue.listed(some([each.data for each in hop.records if hop.type in (each.type, "ANY")]))
        end = say(f"resolver.tree.{outcome}", target=escaped(hop.leads_to), data=escaped(data))
        known = useful is not None and useful.elapsed_ns is not None
        text = say(
            "resolver.tree.server",
            zone=zone,
            server=escaped((useful.server or useful.address) if useful is not None else ""),
            elapsed=duration(useful.elapsed_ns, self._catalogue.language) if known else "",  # type: ignore[union-attr, arg-type]
        )
        parts = [text.strip().rstrip(":："), "→", end]
        if hop.begins and (hop.purpose != "question"):
            parts.insert(0, f"[{say('resolver.tree.sought', name=escaped(hop.name), type=hop.type)}]")
        in_vain = len({each.address for each in hop.asked if each.verdict not in SPOKEN} - _of(useful))
        if in_vain and hop.outcome:
            parts.append(say("resolver.tree.tried", count=in_vain))
        return Branch(" ".join(parts), [self._branch(each) for each in self._below.get(hop.number, [])])

    def compare(self, result: Result, opinion: Opinion) -> Iterator[Paragraph]:
        """Yield what this machine's hosts file and resolver say, beside what the walk found."""
        yield Paragraph(self._catalogue.text("resolver.compare.heading"), "heading")
        for address, line in opinion.hosts[:SHOWN]:
            yield from self._tell(0, Fact("resolver.compare.hosts", "lesson", {"address": address, "line": line}))
        if not opinion.hosts:
            yield from self._tell(0, Fact("resolver.compare.no-hosts", "lesson", {"name": result.name}))
        if opinion.none:
            yield from self._tell(0, Fact("resolver.compare.none", "warning", {}))
        for asked in opinion.asked:
            if asked.failure in ("timeout", "refused-port", "unreachable", "tcp-closed", "garbled"):
                yield from self._tell(0, Fact("resolver.compare.silent", "warning", {"address": asked.address}))
        if opinion.answered is not None:
            yield from self._tell(0, *opinion_facts(result, opinion.answered))

    def _zone(self, name: str) -> str:
        """Return a zone's name; the root is called so, a dot alone is easily overlooked."""
        return self._catalogue.text("resolver.root") if name == "." else name

    def _tell(self, depth: int, *facts: Fact) -> Iterator[Paragraph]:
        for note in self._briefly.notes(facts):
            yield Paragraph(_BETWEEN_CHINESE.sub("", note.text), note.level, depth)


def opinion_facts(result: Result, asked: Asked) -> list[Fact]:
    """Return what there is to say of the resolver's answer."""
    data = sorted(each.data for each in asked.answers if each.type == result.type)
    values: dict[str, object] = {"address": asked.address, "elapsed_ns": asked.elapsed_ns, "rcode": asked.rcode}
    ours = sorted(each.data for each in result.records if each.type == result.type)
    if data != ours or (asked.rcode == "NXDOMAIN") != (result.outcome == "nxdomain"):
        return [Fact("resolver.compare.different", "warning", {**values, "data": some(data) or "–"})]
    if not data:
        return [Fact("resolver.compare.same-negative", "lesson", values)]
    facts = [Fact("resolver.compare.same", "lesson", {**values, "data": some(data)})]
    left = min(each.ttl for each in asked.answers if each.type == result.type)
    whole = min((each.ttl for each in result.records if each.type == result.type), default=left)
    told: dict[str, object] = {"left": left, "ttl": whole, "age": whole - left}
    facts.append(Fact("resolver.compare.cached" if left < whole else "resolver.compare.fresh", "lesson", told))
    return facts


def _of(asked: Asked | None) -> set[str]:
    return {asked.address} if asked is not None else set()


def within(name: str, zone: str) -> bool:
    """Say whether a name lies in a zone."""
    return zone == "." or name.lower() == zone.lower() or name.lower().endswith(f".{zone.lower()}")


def some(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the first few texts, each at most so long, with ``…`` for more."""
    shown = [text if len(text) <= LONGEST else text[:LONGEST] + "…" for text in texts[:SHOWN]]
    return (*shown, "…") if len(texts) > SHOWN else tuple(shown)
