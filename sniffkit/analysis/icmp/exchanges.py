"""ICMP told, for IPv4 and IPv6: which reply answers which ping, and which packet an error is about.

Echo: RFC 792, RFC 4443 section 4. Errors: RFC 792, RFC 1122 section 3.2.2, RFC 4443 section 3.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.addresses import address_octets, ip_text, ipv4_text
from sniffkit.analysis.facts import Fact
from sniffkit.analysis.icmp.errors import ERROR_TYPES, ErrorPlace, error_fact
from sniffkit.analysis.icmp.quoted_packets import Found, QuotedPackets, packet_hashes
from sniffkit.analysis.open_questions import OpenQuestions, elapsed
from sniffkit.analysis.segments import ip_ends
from sniffkit.protocols.columns import PROTOCOLS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns

ECHO = {"icmp": (8, 0, "icmp.ident", "icmp.seq"), "icmpv6": (
    128, 129, "icmpv6.echo.identifier", "icmpv6.echo.sequence_number"
)}  # fmt: skip
"""Type of request and of reply, and the two fields that a reply repeats, by protocol."""

TRANSPORTS = {1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6", 132: "SCTP"}

HOP_LIMITS = (32, 64, 128, 255)
"""Hop limits that systems begin with: what is missing to the next of these are the routers passed."""

ERRORS_KEPT = 65_536


@dataclass(slots=True)
class EchoExchange:
    """A ping and its answer; ``elapsed_ns`` from the first sending to the first reply, None where one is missing."""

    client: str
    server: str
    identifier: int
    sequence: int
    request_packets: list[int] = field(default_factory=list)
    reply_packets: list[int] = field(default_factory=list)
    elapsed_ns: int | None = None
    asked_ns: int = 0
    last_ns: int = 0


@dataclass(slots=True)
class IcmpError:
    """An error message: its fact's id, who reports, what it quotes, and that packet's number (0: not found)."""

    packet: int
    id: str
    reporter: str
    quoted: str
    about: int
    elapsed_ns: int | None


class IcmpExchanges:
    """Fed batch by batch.

    counts: "requests", "replies", "unanswered", "unasked", and errors by fact id
    errors: the errors so far (the first 65,536)
    """

    def __init__(self, keep: bool = True) -> None:
        self.counts: Counter[str] = Counter()
        self.errors: list[IcmpError] = []
        self._keep = keep
        self._open: OpenQuestions[EchoExchange] = OpenQuestions(keep, self._leave)
        self._packets = QuotedPackets()
        self._introduced: set[str] = set()

    def feed(self, columns: Columns, twice: NDArray[Any] | None = None) -> dict[int, list[Fact]]:
        """Return the facts of a batch by row. ``twice``: (n,) true or non-zero for packets to pass over."""
        self._packets.feed(columns)
        facts: dict[int, list[Fact]] = {}
        for protocol in ECHO:
            if protocol in PROTOCOLS and len(columns.rows(protocol).row):
                self._echoes(columns, protocol, twice, facts)
                self._errors(columns, protocol, twice, facts)
        return facts

    def take(self) -> list[EchoExchange]:
        """Return the pings to which nothing can come any more, in order; call it between batches."""
        return self._open.take()

    def finish(self) -> list[EchoExchange]:
        """Return the pings that are left; call it after the last batch."""
        return self._open.finish()

    # Echo.

    def _echoes(
        self, columns: Columns, protocol: str, twice: NDArray[Any] | None, facts: dict[int, list[Fact]]
    ) -> None:
        asking, answering, identifier, sequence = ECHO[protocol]
        rows = columns.rows(protocol)
        at, identifiers = columns.sparse(identifier)
        numbered, sequences = columns.sparse(sequence)
        kind = columns[f"{protocol}.type"]
        number_of = dict(zip(numbered.tolist(), sequences.tolist(), strict=True))
        name_of = dict(zip(at.tolist(), identifiers.tolist(), strict=True))
        which = np.flatnonzero(((kind == asking) | (kind == answering)) & ~rows.quoted)
        source, destination, _ = ip_ends(columns, rows.parent[which], rows.parent_index[which])
        ends = zip(_texts(source), _texts(destination), strict=True)
        limits = _hop_limits(columns, rows.parent[which], rows.parent_index[which])
        for index, row, (sender, receiver), limit in zip(
            which.tolist(), rows.row[which].tolist(), ends, limits, strict=True
        ):
            if (twice is not None and twice[row]) or index not in number_of or index not in name_of:
                continue
            number, time_ns = row + columns.batch.first, int(columns.batch.time_ns[row])
            self._open.tick(time_ns)
            if kind[index] == asking:
                told = self._request(sender, receiver, name_of[index], number_of[index], number, time_ns)
            else:
                told = self._reply(sender, receiver, name_of[index], number_of[index], number, time_ns, limit)
            facts.setdefault(row, []).extend(told)

    def _request(
        self, client: str, server: str, identifier: int, sequence: int, number: int, time_ns: int
    ) -> list[Fact]:
        key = (client, server, identifier, sequence)
        exchange = self._open.find(key)
        values: dict[str, object] = {
            "client": client, "server": server, "identifier": identifier, "sequence": sequence,
        }  # fmt: skip
        self.counts["requests"] += 1
        if exchange is not None and not exchange.reply_packets:
            values |= {"number": exchange.request_packets[-1], "elapsed_ns": elapsed(time_ns, exchange.last_ns)}
            exchange.request_packets.append(number)
            exchange.last_ns = time_ns
            return [Fact("icmp.echo-request-again", "note", values)]
        exchange = EchoExchange(client, server, identifier, sequence, [number], asked_ns=time_ns, last_ns=time_ns)
        self._open.add(exchange, key, (client, identifier, sequence))
        return [Fact("icmp.echo-request", "lesson", values)]

    def _reply(
        self, server: str, client: str, identifier: int, sequence: int, number: int, time_ns: int, limit: int
    ) -> list[Fact]:
        exchange = self._open.find((client, server, identifier, sequence))
        values: dict[str, object] = {
            "client": client, "server": server, "identifier": identifier, "sequence": sequence,
        }  # fmt: skip
        elsewhere = exchange is None
        exchange = exchange or self._open.find((client, identifier, sequence))
        self.counts["replies"] += 1
        if exchange is None:
            self.counts["unasked"] += 1
            return [Fact("icmp.echo-reply-unasked", "note", values)]
        values |= {"number": exchange.request_packets[-1], "elapsed_ns": elapsed(time_ns, exchange.last_ns)}
        earlier = exchange.reply_packets[-1] if exchange.reply_packets else 0
        exchange.reply_packets.append(number)
        if elsewhere:
            return [Fact("icmp.echo-reply-elsewhere", "note", {**values, "asked": exchange.server})]
        if earlier:
            return [Fact("icmp.echo-reply-again", "note", {**values, "before": earlier})]
        exchange.elapsed_ns = elapsed(time_ns, exchange.asked_ns)
        return [Fact("icmp.echo-reply", "lesson", values), *self._hops(server, limit)]

    def _hops(self, server: str, limit: int) -> list[Fact]:
        """Say once of each end how many routers lie between it and here."""
        if server in self._introduced or len(self._introduced) > 4096:
            return []
        self._introduced.add(server)
        begun = next((start for start in HOP_LIMITS if start >= limit), 255)
        values = {"server": server, "limit": limit, "begun": begun, "hops": begun - limit}
        return [Fact("icmp.hops" if begun > limit else "icmp.no-hops", "note", values)]

    def _leave(self, exchange: EchoExchange) -> None:
        self.counts["unanswered"] += not exchange.reply_packets

    # Errors.

    def _errors(
        self, columns: Columns, protocol: str, twice: NDArray[Any] | None, facts: dict[int, list[Fact]]
    ) -> None:
        rows = columns.rows(protocol)
        kind, code = columns[f"{protocol}.type"], columns[f"{protocol}.code"]
        which = np.flatnonzero(np.isin(kind, ERROR_TYPES[protocol]) & ~rows.quoted)
        if not len(which):
            return
        source, _, _ = ip_ends(columns, rows.parent[which], rows.parent_index[which])
        reporters = _texts(source)
        quoted = self._quoted(columns, protocol, rows.row)
        extra = _extras(columns, protocol)
        batch = columns.batch
        for index, reporter in zip(which.tolist(), reporters, strict=True):
            row = int(rows.row[index])
            if twice is not None and twice[row]:
                continue
            number, time_ns = row + batch.first, int(batch.time_ns[row])
            names, found = quoted.get(index, ({"quoted": "?", "destination": "?", "port": 0}, None))
            place = ErrorPlace(protocol, int(kind[index]), int(code[index]))
            fact = error_fact(place, {"reporter": reporter, **names, **extra.get(index, {})})
            told = facts.setdefault(row, [])
            told.append(fact)
            self.counts[fact.id] += 1
            apart = None if found is None else elapsed(time_ns, found.time_ns)
            if found is None:
                told.append(Fact("icmp.quotes-unseen", "note", dict(names)))
            else:
                told.append(
                    Fact("icmp.quotes-packet", "lesson", {"number": found.number, "elapsed_ns": apart, **names})
                )
                if fact.id == "icmp.time-exceeded":
                    values = {"reporter": reporter, "number": found.number, "limit": found.hop_limit}
                    told.append(Fact("icmp.hop-found", "note", values))
            if self._keep and len(self.errors) < ERRORS_KEPT:
                about = found.number if found else 0
                self.errors.append(IcmpError(number, fact.id, reporter, str(names["quoted"]), about, apart))

    def _quoted(
        self, columns: Columns, protocol: str, packet_row: NDArray[np.int64]
    ) -> dict[int, tuple[dict[str, object], Found | None]]:
        """Return what the errors quote, by the error's index: who wrote to whom, and the packet if it was seen."""
        result: dict[int, tuple[dict[str, object], Found | None]] = {}
        for inner in ("ip", "ipv6"):
            rows = columns.rows(inner)
            at = np.flatnonzero((rows.parent == PROTOCOLS.index(protocol)) & rows.quoted)
            if not len(at):
                continue
            errors = rows.parent_index[at]
            usable, hashes = packet_hashes(columns, inner)
            numbers = (packet_row[errors] + columns.batch.first).tolist()
            found = self._packets.find(hashes[at], numbers)
            itself = np.full(len(at), PROTOCOLS.index(inner), np.int32)
            source, destination, _ = ip_ends(columns, itself, at)
            for index, error, sender, receiver, packet in zip(
                at.tolist(), errors.tolist(), _texts(source), _texts(destination), found, strict=True
            ):
                names = _ends_quoted(columns, inner, index, sender, receiver)
                result[error] = (names, packet if usable[index] else None)
        return result


def _ends_quoted(columns: Columns, inner: str, index: int, sender: str, receiver: str) -> dict[str, object]:
    """Describe a quoted packet: ``UDP 10.0.0.2:40000 → 10.0.0.1:5000``."""
    rows = columns.rows(inner)
    upper = int(columns["ip.proto" if inner == "ip" else "ipv6.nxt"][index])
    header = int(columns["ip.hdr_len"][index]) if inner == "ip" else 40
    name = TRANSPORTS.get(upper, f"IP {upper}")
    start = int(rows.offset[index]) + header
    port = 0
    if upper in (6, 17, 132) and rows.present[index] - header >= 4:
        ports = columns.batch.octets[start : start + 4].tobytes()
        port = int.from_bytes(ports[2:], "big")
        sender = f"{_bracketed(sender)}:{int.from_bytes(ports[:2], 'big')}"
        end = f"{_bracketed(receiver)}:{port}"
    else:
        end = receiver
    return {"quoted": f"{name} {sender} → {end}", "destination": receiver, "port": port}


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _texts(addresses: NDArray[np.uint64]) -> list[str]:
    return [ip_text(octets.tobytes()) for octets in address_octets(addresses)]


def _hop_limits(columns: Columns, parent: NDArray[np.int32], parent_index: NDArray[np.int64]) -> list[int]:
    limits = np.zeros(len(parent), np.int64)
    for protocol, field_id in (("ip", "ip.ttl"), ("ipv6", "ipv6.hlim")):
        here = parent == PROTOCOLS.index(protocol)
        limits[here] = columns[field_id][parent_index[here]]
    return [int(limit) for limit in limits]


def _extras(columns: Columns, protocol: str) -> dict[int, dict[str, object]]:
    """Return what some errors say besides: the MTU that fits, the better router."""
    extra: dict[int, dict[str, object]] = {}
    wanted = {"icmp": {"mtu": "icmp.mtu", "gateway": "icmp.redir_gw"}, "icmpv6": {"mtu": "icmpv6.mtu"}}[protocol]
    for name, field_id in wanted.items():
        index, values = columns.sparse(field_id)
        for at, value in zip(index.tolist(), values.tolist(), strict=True):
            extra.setdefault(at, {})[name] = ipv4_text(value) if name == "gateway" else value
    return extra
