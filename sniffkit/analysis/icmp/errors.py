"""What each ICMP error means, by type and code, for IPv4 and IPv6 alike (RFC 792, RFC 1122, RFC 1812, RFC 4443)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sniffkit.analysis.facts import Fact

if TYPE_CHECKING:
    from collections.abc import Mapping

ERROR_TYPES = {"icmp": (3, 4, 5, 11, 12), "icmpv6": (1, 2, 3, 4)}
"""The types that quote a packet, by protocol."""


@dataclass(frozen=True, slots=True)
class ErrorPlace:
    """Protocol, type and code of an error."""

    protocol: str
    type: int
    code: int


def error_fact(place: ErrorPlace, values: Mapping[str, object]) -> Fact:
    """Return what an error means.

    values: reporter, quoted, destination, port; mtu and gateway where the message has them
    """
    known = {"mtu": 0, "gateway": "?", **values, "type": place.type, "code": place.code}
    match (place.protocol, place.type, place.code):
        case ("icmp", 3, 3) | ("icmpv6", 1, 4):
            return Fact("icmp.port-unreachable", "lesson", known)
        case ("icmp", 3, 1 | 7) | ("icmpv6", 1, 3):
            return Fact("icmp.host-unreachable", "lesson", known)
        case ("icmp", 3, 0 | 6) | ("icmpv6", 1, 0):
            return Fact("icmp.network-unreachable", "lesson", known)
        case ("icmp", 3, 2) | ("icmpv6", 4, 1):
            return Fact("icmp.protocol-unreachable", "lesson", known)
        case ("icmp", 3, 4):
            return Fact("icmp.fragmentation-needed", "lesson", known)
        case ("icmpv6", 2, _):
            return Fact("icmp.packet-too-big", "lesson", known)
        case ("icmp", 3, 9 | 10 | 13) | ("icmpv6", 1, 1 | 5 | 6):
            return Fact("icmp.prohibited", "lesson", known)
        case ("icmp", 3, _) | ("icmpv6", 1, _):
            return Fact("icmp.unreachable", "lesson", known)
        case ("icmp", 11, 1) | ("icmpv6", 3, 1):
            return Fact("icmp.reassembly-time-exceeded", "lesson", known)
        case ("icmp", 11, _) | ("icmpv6", 3, _):
            return Fact("icmp.time-exceeded", "lesson", known)
        case ("icmp", 5, _):
            return Fact("icmp.redirect", "lesson", known)
        case ("icmp", 4, _):
            return Fact("icmp.source-quench", "note", known)
        case _:
            return Fact("icmp.parameter-problem", "lesson", known)
