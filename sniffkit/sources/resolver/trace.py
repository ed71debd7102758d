"""What happens while a name is resolved, as facts: hops, questions, answers, proofs, and why it stopped.

Names are written in presentation form without the final dot (the root is "."), times in nanoseconds, addresses as
text. Sentences about these facts stand in explanations/texts/resolver.toml.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sniffkit.errors import SniffkitError

Purpose = Literal["question", "alias", "server-address"]
"""Why a walk is made: the name that was asked, the target of its alias, or a server that came without address."""

Source = Literal["hints", "named", "glue", "looked-up"]
"""How a server's address is known: built in, named by the user, sent along with the referral, or looked up."""

Outcome = Literal["", "answer", "alias", "referral", "nxdomain", "nodata", "failed"]

Security = Literal["", "secure", "insecure", "bogus"]
"""What DNSSEC says (RFC 4033 section 5); "" where nobody asked."""


class ResolutionFailed(SniffkitError):
    """A resolution that ended without an answer: at which hop, and why. Exit code 1."""


@dataclass(frozen=True, slots=True)
class Record:
    """One resource record: ``www.example.com 300 A 93.184.216.34``."""

    name: str
    ttl: int
    type: str
    data: str


@dataclass(slots=True)
class Server:
    """A server of a zone: its name ("" where only an address was given), its addresses, how those are known."""

    name: str
    addresses: list[str]
    source: Source
    port: int = 53


@dataclass(frozen=True, slots=True)
class Stray:
    """A datagram that came while an answer was awaited and was thrown away.

    why: "wrong-id", "wrong-address", "wrong-question", "not-a-response" or "garbled"
    expected, found: what differs; of "garbled" what dnspython calls the damage ("" without a header) and the octets
    """

    why: str
    expected: str
    found: str
    source: str


@dataclass(slots=True)
class Asked:
    """One question sent to one address, and what came of it.

    number:  of all questions of this resolution, from 1
    failure: "" with an answer, else "timeout", "refused-port", "unreachable", "tcp-closed" or "garbled"
    verdict: what the answer is worth to the walk: an Outcome, "truncated", "without-edns", or why it is of no use
    edns:    the size of datagram offered by EDNS, 0 without
    """

    number: int
    hop: int
    name: str
    type: str
    server: str
    address: str
    port: int
    source: Source
    transport: Literal["udp", "tcp"]
    edns: int
    sent_ns: int
    why: str = ""
    turn: int = 1
    elapsed_ns: int | None = None
    failure: str = ""
    verdict: str = ""
    detail: str = ""
    strays: list[Stray] = field(default_factory=list)
    rcode: str = ""
    flags: tuple[str, ...] = ()
    size: int = 0
    peer_edns: int = 0
    answers: list[Record] = field(default_factory=list)
    authority: list[Record] = field(default_factory=list)
    additional: list[Record] = field(default_factory=list)
    client: str = ""
    client_port: int = 0
    query: bytes = b""
    response: bytes = b""


@dataclass(slots=True)
class Hop:
    """One zone asked about one name: its servers are tried until one of them says something of use.

    known_from: number of the hop that told this zone's servers, 0 for the root
    depth:      0 for the question itself, one more for each walk that serves another walk
    """

    number: int
    zone: str
    name: str
    type: str
    purpose: Purpose
    depth: int
    servers: list[Server]
    known_from: int
    begins: bool
    """Whether a walk begins here."""
    sought_for: str = ""
    """The zone whose server is looked up (purpose server-address), or the alias that led here."""
    outcome: Outcome = ""
    leads_to: str = ""
    """The zone of a referral, the target of an alias."""
    next_servers: list[Server] = field(default_factory=list)
    glue: int = 0
    """How many of those came with an address that is believed."""
    outside: list[Record] = field(default_factory=list)
    """Addresses that came along and are not believed: they lie outside the zone of who sends them."""
    chain: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    negative_ttl: int = 0
    asked: list[Asked] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class HopEnded:
    """A hop has its outcome."""

    hop: Hop


@dataclass(frozen=True, slots=True)
class Passed:
    """A server that is not asked, or whose address could not be found; ``why`` is an id of resolver.toml."""

    hop: int
    depth: int
    why: str
    server: str
    address: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """One step of the chain of trust: what was checked, with which key, and what follows.

    what:   "anchor", "keys", "ds", "no-ds", "answer", "nxdomain", "nodata"
    reason: "" where it holds, else an id of resolver.toml
    """

    hop: int
    depth: int
    what: str
    zone: str
    name: str
    type: str
    status: Security
    key_tag: int = 0
    algorithm: str = ""
    expires: str = ""
    reason: str = ""
    detail: str = ""


Event = Hop | Asked | HopEnded | Passed | Proof


@dataclass(slots=True)
class Result:
    """How it ended; ``failure`` is None where there is an answer, which may be that there is none."""

    name: str
    type: str
    outcome: Outcome = "failed"
    chain: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    hops: int = 0
    questions: int = 0
    elapsed_ns: int = 0
    negative_ttl: int = 0
    security: Security = ""
    bogus_hop: int = 0
    """The hop at which a signature did not hold, 0 where none was wrong."""
    failure: ResolutionFailed | None = None
