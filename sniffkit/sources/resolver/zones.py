"""A zone as a walk knows it: who serves it, who said so, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dns.name
    import dns.rrset

    from sniffkit.sources.resolver.trace import Security, Server


@dataclass(slots=True)
class Zone:
    """A zone whose servers are known.

    known_from: number of the hop that told them
    trust:      what DNSSEC says of the zone, "" as long as its keys were not looked at
    ds:         digests of its keys, signed by the parent
    keys:       its keys, once they are checked
    """

    name: dns.name.Name
    servers: list[Server]
    known_from: int
    trust: Security = ""
    ds: dns.rrset.RRset | None = None
    keys: dict[dns.name.Name, dns.rrset.RRset] = field(default_factory=dict)
