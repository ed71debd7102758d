"""What an answer is worth to a walk: an answer, an alias, a referral, "no such thing", or no use at all.

RFC 1034 section 5.3.3 (the resolver's algorithm), RFC 2181 section 5.4.1 (what may be believed), RFC 2308 (negative
answers). A server speaks only for names in the zone it was asked for: what it says of others is not believed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sniffkit.sources.resolver.asking import text_of
from sniffkit.sources.resolver.trace import Server

if TYPE_CHECKING:
    import dns.message
    import dns.name
    import dns.rdatatype
    import dns.rrset

    from sniffkit.sources.resolver.trace import Outcome

IN = 1
"""The class Internet; records of any other class have no place in an answer."""

MOST_ALIASES = 16
"""Aliases followed one after the other (most resolvers allow 8 to 17)."""

MOST_SERVERS = 32
"""Servers of one zone that are taken from a referral; the root has 13."""


@dataclass(slots=True)
class Judgement:
    """What was found.

    useless: "" or why the answer is of no use: "servfail", "refused", "formerr", "notimp", "other-error",
             "lame-upward", "lame-empty", "not-authoritative", "alias-loop"
    used:    the record sets that the outcome stands on, for DNSSEC
    """

    outcome: Outcome = "failed"
    useless: str = ""
    detail: str = ""
    chain: list[dns.name.Name] = field(default_factory=list)
    target: dns.name.Name | None = None
    zone: dns.name.Name | None = None
    servers: list[Server] = field(default_factory=list)
    outside: list[dns.rrset.RRset] = field(default_factory=list)
    used: list[dns.rrset.RRset] = field(default_factory=list)
    negative_ttl: int = 0


def judge(
    message: dns.message.Message, zone: dns.name.Name, name: dns.name.Name, kind: dns.rdatatype.RdataType
) -> Judgement:
    """Say what the answer of a server of ``zone`` to the question (name, kind) amounts to."""
    import dns.flags
    import dns.rcode
    import dns.rdatatype

    rcode = message.rcode()
    if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        word = dns.rcode.to_text(rcode).lower()
        known = word if word in ("servfail", "refused", "formerr", "notimp") else "other-error"
        return Judgement(useless=known, detail=dns.rcode.to_text(rcode))
    authoritative = bool(message.flags & dns.flags.AA)
    found = _follow(message, zone, name, kind)
    if found is not None:
        return found if authoritative or found.useless else Judgement(useless="not-authoritative")
    delegated = _delegation(message)
    soa = any(rrset.rdtype == dns.rdatatype.SOA for rrset in message.authority)
    if delegated is not None and not soa and rcode == dns.rcode.NOERROR:
        below = delegated.name.is_subdomain(zone) and delegated.name != zone and name.is_subdomain(delegated.name)
        if below:
            return _referral(message, zone, delegated)
        if not authoritative:
            return Judgement(useless="lame-upward", detail=text_of(delegated.name))
    if not authoritative:
        return Judgement(useless="lame-empty")
    outcome: Outcome = "nxdomain" if rcode == dns.rcode.NXDOMAIN else "nodata"
    return Judgement(outcome, chain=[name], negative_ttl=_negative_ttl(message))


def _follow(
    message: dns.message.Message, zone: dns.name.Name, name: dns.name.Name, kind: dns.rdatatype.RdataType
) -> Judgement | None:
    """Follow aliases through the answer section as far as it may be believed; None where nothing is of the name."""
    import dns.rdatatype

    sets = {(each.name, each.rdtype): each for each in message.answer if each.rdclass == IN}
    chain, at = [name], name
    used: list[dns.rrset.RRset] = []
    while at.is_subdomain(zone):
        if kind == dns.rdatatype.ANY:
            everything = [each for each in message.answer if each.name == at]
            if everything:
                return Judgement("answer", chain=chain, used=everything)
        answer = sets.get((at, kind))
        if answer is not None:
            return Judgement("answer", chain=chain, used=[*used, answer])
        alias = sets.get((at, dns.rdatatype.CNAME))
        if alias is None:
            break
        used += [each for each in message.answer if each.rdtype == dns.rdatatype.DNAME and at.is_subdomain(each.name)]
        used.append(alias)
        at = alias[0].target
        if at in chain or len(chain) > MOST_ALIASES:
            return Judgement(useless="alias-loop", detail=" → ".join(text_of(each) for each in [*chain, at]))
        chain.append(at)
    return Judgement("alias", chain=chain, used=used, target=at) if len(chain) > 1 else None


def _delegation(message: dns.message.Message) -> dns.rrset.RRset | None:
    import dns.rdatatype

    return next((each for each in message.authority if (each.rdclass, each.rdtype) == (IN, dns.rdatatype.NS)), None)


def _referral(message: dns.message.Message, zone: dns.name.Name, delegated: dns.rrset.RRset) -> Judgement:
    """Return where a referral leads; addresses outside the sender's zone are set aside."""
    import dns.rdatatype

    names = [rdata.target for rdata in delegated][:MOST_SERVERS]
    glue: dict[dns.name.Name, list[str]] = {name: [] for name in names}
    outside = []
    for rrset in message.additional:
        if rrset.rdclass != IN or rrset.rdtype not in (dns.rdatatype.A, dns.rdatatype.AAAA) or rrset.name not in glue:
            continue
        if rrset.name.is_subdomain(zone):
            glue[rrset.name] += [rdata.address for rdata in rrset]
        else:
            outside.append(rrset)
    servers = [Server(text_of(name), addresses, "glue") for name, addresses in glue.items()]
    return Judgement("referral", zone=delegated.name, servers=servers, outside=outside)


def _negative_ttl(message: dns.message.Message) -> int:
    """Return how long "there is none" may be kept (RFC 2308 section 5), 0 without SOA."""
    import dns.rdatatype

    for rrset in message.authority:
        if (rrset.rdclass, rrset.rdtype) == (IN, dns.rdatatype.SOA):
            return int(min(rrset.ttl, rrset[0].minimum))
    return 0
