"""A resolution as records for programs (``resolve --json``): one JSON object a line, each with its ``kind``.

question  each question asked, once it is answered or given up: number, hop, depth (walks that it is within), zone whose
          servers are asked, name, type, server, address, port, transport, edns (octets offered, or null),
          known_by (how the server was known: hints, named, glue, looked-up), why (again, truncated, without-edns;
          null for a first try), time_epoch, rtt_ms, failure (timeout, refused-port, unreachable ...; or null), rcode,
          flags, size, answers, authority, additional (records as in ``dns --json``), verdict (referral, answer, alias,
          nxdomain, nodata, truncated, refused, lame-upward ...; or null), discarded (messages thrown away, and why)
hop       when a zone's servers have told what they know: hop, depth, purpose, zone, name, type, outcome, leads_to,
          servers (named by a referral, with addresses), not_believed (records from outside the zone)
passed    each server that is not asked: hop, why, server, address
proof     with ``--dnssec`` each link of the chain of trust: hop, what (anchor, keys, ds, no-ds, answer, nxdomain,
          nodata), zone, name, type, status (secure, insecure, bogus), key_tag, algorithm, expires, reason
compare   with ``--compare`` or ``--resolver``: hosts (lines of the hosts file), resolvers (asked as in ``question``)
result    always the last: name, type, outcome (answer, nxdomain, nodata, failed), chain (names that aliases led
          through), answers, negative_ttl, security, bogus_hop, hops, questions, elapsed_ms (waited in all),
          failure (id, hop ...; or null)

Keys may be added; these stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sniffkit.explanations.exchange_records import milliseconds
from sniffkit.explanations.record import epoch
from sniffkit.sources.resolver.trace import Asked, Hop, HopEnded, Passed, Proof

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sniffkit.sources.resolver.system import Opinion
    from sniffkit.sources.resolver.trace import Event, Record, Result


class ResolutionRecords:
    """Makes the records; a question is written when its hop is known, which is before it is asked."""

    def __init__(self) -> None:
        self._hops: dict[int, Hop] = {}

    def of(self, event: Event) -> Iterator[dict[str, Any]]:
        """Yield the records of one event."""
        match event:
            case Hop():
                self._hops[event.number] = event
            case Asked():
                yield self._asked(event)
            case HopEnded(hop):
                yield {
                    "kind": "hop",
                    "hop": hop.number,
                    "depth": hop.depth,
                    "purpose": hop.purpose,
                    "zone": hop.zone,
                    "name": hop.name,
                    "type": hop.type,
                    "outcome": hop.outcome,
                    "leads_to": hop.leads_to or None,
                    "servers": [{"name": each.name, "addresses": each.addresses} for each in hop.next_servers],
                    "not_believed": records(hop.outside),
                }
            case Passed():
                yield {
                    "kind": "passed",
                    "hop": event.hop,
                    "why": event.why.removeprefix("resolver.passed."),
                    "server": event.server,
                    "address": event.address or None,
                }
            case Proof():
                yield {
                    "kind": "proof",
                    "hop": event.hop,
                    "what": event.what,
                    "zone": event.zone,
                    "name": event.name,
                    "type": event.type,
                    "status": event.status,
                    "key_tag": event.key_tag or None,
                    "algorithm": event.algorithm or None,
                    "expires": event.expires or None,
                    "reason": event.reason or None,
                }

    def _asked(self, asked: Asked) -> dict[str, Any]:
        hop = self._hops[asked.hop]
        return {
            "kind": "question",
            "number": asked.number,
            "hop": asked.hop,
            "depth": hop.depth,
            "zone": hop.zone,
            **question(asked),
            "known_by": asked.source,
            "why": asked.why or ("again" if asked.turn > 1 else None),
            "verdict": asked.verdict or None,
            "discarded": [
                {"why": each.why, "expected": each.expected, "found": each.found, "from": each.source}
                for each in asked.strays
            ],
        }


def question(asked: Asked) -> dict[str, Any]:
    """Return what was asked of whom and what came back, with the keys that ``dns --json`` has."""
    return {
        "name": asked.name,
        "type": asked.type,
        "server": asked.server,
        "address": asked.address,
        "port": asked.port,
        "transport": asked.transport,
        "edns": asked.edns or None,
        "time_epoch": epoch(asked.sent_ns),
        "rtt_ms": milliseconds(asked.elapsed_ns),
        "failure": asked.failure or None,
        "rcode": asked.rcode or None,
        "flags": [flag for flag in asked.flags if flag != "qr"],
        "size": asked.size,
        "answers": records(asked.answers),
        "authority": records(asked.authority),
        "additional": records(asked.additional),
    }


def records(found: Sequence[Record]) -> list[dict[str, Any]]:
    """Return records as ``dns --json`` has them."""
    return [{"name": each.name, "type": each.type, "ttl": each.ttl, "data": each.data} for each in found]


def opinion_record(opinion: Opinion) -> dict[str, Any]:
    """Return what this machine says (``--compare``)."""
    return {
        "kind": "compare",
        "hosts": [{"address": address, "line": line} for address, line in opinion.hosts],
        "resolvers": [question(asked) for asked in opinion.asked],
    }


def result_record(result: Result) -> dict[str, Any]:
    """Return how it ended; always the last record."""
    failure = result.failure
    return {
        "kind": "result",
        "name": result.name,
        "type": result.type,
        "outcome": result.outcome,
        "chain": result.chain,
        "answers": records(result.records),
        "negative_ttl": result.negative_ttl or None,
        "security": result.security or None,
        "bogus_hop": result.bogus_hop or None,
        "hops": result.hops,
        "questions": result.questions,
        "elapsed_ms": milliseconds(result.elapsed_ns),
        "failure": None if failure is None else {"id": failure.id, **failure.values},
    }
