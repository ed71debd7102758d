"""A resolver at work: whose question another question serves, which zone each step asks, and which steps were not seen.

RFC 1034 section 5.3.3 (the resolver's algorithm), RFC 9156 (it may ask for less than the whole name). A capture at the
resolver shows both sides; what it does not show, the resolver knew from its cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.analysis.dns.kinds import lies_below, referred_zone
from sniffkit.analysis.dns.messages import AUTHORITATIVE
from sniffkit.protocols.dns_data import Type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sniffkit.analysis.dns.exchange import DnsExchange

DEEPEST = 8
"""A resolver may be asked by a resolver that is asked; further down than this nothing is told."""


def asked_for(name: str, working: Sequence[DnsExchange]) -> DnsExchange | None:
    """Return the question for whose sake somebody asks for a name who works on all of ``working``; None if none fits.

    The name is that of the question, or one above it, or one its answers so far lead to (aliases, names of servers).
    What fits no name belongs to the only question that is open, if there is only one.
    """
    fitting = [other for other in working if lies_below(other.name, name)]
    if not fitting and len(working) > 1:
        fitting = [other for other in working if any(_mentions(helper, name) for helper in other.helpers)]
    if fitting:
        return max(fitting, key=lambda other: other.place)
    return working[0] if len(working) == 1 else None


def _mentions(exchange: DnsExchange, name: str) -> bool:
    """Say whether an answer names a name as the target of an alias or as a server."""
    message = exchange.message
    if message is None:
        return False
    return any(
        record.type in (Type.CNAME, Type.NS) and record.data.lower() == name.lower()
        for record in (*message.answers, *message.authorities)
    )


def zone_asked(exchange: DnsExchange) -> str:
    """Return the zone that a step asks about: as an earlier referral said, else by the answer; "" if unknown."""
    if exchange.zone:
        return exchange.zone
    message = exchange.message
    if message is None:
        return ""
    if exchange.kind == "referral":
        zone, _, _ = referred_zone(message)
        return above(zone)
    if (exchange.response_flags or 0) & AUTHORITATIVE:
        if exchange.type == Type.NS and exchange.kind == "answer":
            return exchange.name
        owners = [record.name for record in message.authorities if record.type in (Type.SOA, Type.NS)]
        return owners[0] if owners else ""
    return ""


def above(name: str) -> str:
    """Return the name one label up; the root's is the root."""
    return name.partition(".")[2] or "." if name != "." else "."


def steps_not_seen(exchange: DnsExchange) -> list[str]:
    """Return the zones that a resolver must have known already when it looked up a question, from the root down.

    Between the root and the first zone that it asks there is at least the top level domain.
    """
    seen: set[str] = set()
    missing: list[str] = []
    walks: list[str] = []
    for helper in exchange.helpers:
        zone = zone_asked(helper).lower()
        name = helper.name.lower()
        priming = name == "." and helper.type == Type.NS
        if not priming and not any(lies_below(walk, name) or lies_below(name, walk) for walk in walks):
            walks.append(name)
            if zone:
                missing += [one for one in _zones_above(zone) if one not in seen and one not in missing]
        if zone and not priming:
            seen.add(zone)
        if helper.kind == "referral" and helper.message is not None:
            seen.add(referred_zone(helper.message)[0].lower())
    return missing


def _zones_above(zone: str) -> list[str]:
    """Return the zones that surely lie above one: the root, and the top level domain."""
    if zone == ".":
        return []
    top = zone.rpartition(".")[2]
    return ["."] if top == zone else [".", top]
