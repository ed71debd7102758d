"""Exchanges as records for programs, exactly as the commands' ``--json`` promises them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sniffkit.analysis.dns.recursion import steps_not_seen, zone_asked
from sniffkit.protocols.dns_name import unicode_name

if TYPE_CHECKING:
    from sniffkit.analysis.dns.exchange import DnsExchange
    from sniffkit.analysis.neighbours.arp_table import ArpExchange
    from sniffkit.analysis.neighbours.discovery import NeighbourExchange
    from sniffkit.analysis.neighbours.host_tables import TableChange
    from sniffkit.protocols.dns_message import Record


def milliseconds(nanoseconds: int | None) -> float | None:
    """Return a duration in milliseconds, to the nanosecond."""
    return None if nanoseconds is None else nanoseconds / 1e6


def dns_record(exchange: DnsExchange) -> dict[str, Any]:
    """Return one question with its answers (``dns --json``)."""
    message = exchange.message
    queries, responses = exchange.query_packets, exchange.response_packets
    record: dict[str, Any] = {
        "id": exchange.id,
        "name": exchange.name,
        "type": exchange.type_name,
        "client": exchange.client,
        "server": exchange.server,
        "transport": exchange.transport,
        "query_packet": queries[0] if queries else None,
        "response_packet": responses[0] if responses else None,
        "query_packets": queries,
        "response_packets": responses,
        "rtt_ms": milliseconds(exchange.elapsed_ns),
        "rcode": exchange.rcode,
        "flags": exchange.flags,
        "answers": _records(message.answers) if message else [],
        "authority": _records(message.authorities) if message else [],
        "additional": _records(message.additionals) if message else [],
        "retransmissions": max(len(queries) - 1, 0),
        "protocol": exchange.family,
        "client_port": exchange.client_port,
        "server_port": exchange.server_port,
        "kind": exchange.kind or None,
        "asked_for": exchange.asked_for or None,
        "truncated": exchange.truncated or None,
        "asks": [helper.packet for helper in exchange.helpers],
        "zone": zone_asked(exchange) or None if exchange.asked_for else None,
        "steps_not_seen": steps_not_seen(exchange),
        "from_cache": exchange.from_cache,
        "unicode": unicode_name(exchange.name) or None,
        "edns": None,
    }
    if message and message.edns:
        edns = message.edns
        record["edns"] = {"udp_payload": edns.udp_payload, "version": edns.version, "do": edns.dnssec_ok}
    return record


def _records(records: list[Record]) -> list[dict[str, Any]]:
    from sniffkit.protocols.dns_data import type_name

    return [
        {"name": record.name, "type": type_name(record.type), "ttl": record.ttl, "data": record.data}
        for record in records
    ]


def arp_record(exchange: ArpExchange) -> dict[str, Any]:
    """Return one ARP exchange (``arp --json``); a reply that nobody asked for has no question."""
    question = exchange.question
    return {
        "kind": exchange.kind,
        "question": question
        and {
            "packet": question.packet,
            "sender_mac": question.sender_mac,
            "sender_ip": question.sender_ip,
            "target_ip": question.target_ip,
        },
        "answers": [
            {"packet": one.packet, "mac": one.mac, "ip": one.ip, "rtt_ms": milliseconds(one.elapsed_ns)}
            for one in exchange.answers
        ],
        "warnings": exchange.warnings,
        "protocol": "arp",
        "packet": exchange.packet,
        "question_packets": exchange.asked,
        "learned": _learned(exchange.changes),
    }


def _learned(changes: list[TableChange]) -> list[dict[str, Any]]:
    return [
        {"packet": change.packet, "host": change.host_mac, "ip": change.ip, "mac": change.mac}
        | ({"before": change.before} if change.before else {})
        for change in changes
    ]


_LIKE_ARP = {"duplicate-address-detection": "probe", "advertisement": "announcement"}
"""Kinds of neighbour discovery that ARP has a name for (``arp --json``); those about routers keep their own."""


def neighbour_record(exchange: NeighbourExchange) -> dict[str, Any]:
    """Return one exchange of IPv6 neighbour discovery in the same shape, ``protocol`` icmpv6."""
    question = {
        "packet": exchange.packet,
        "sender_mac": exchange.source_mac,
        "sender_ip": exchange.source,
        "target_ip": exchange.target,
    }
    return {
        "kind": _LIKE_ARP.get(exchange.kind, exchange.kind),
        "question": question if exchange.asked else None,
        "answers": [
            {"packet": one.packet, "mac": one.mac, "ip": one.ip, "rtt_ms": milliseconds(one.elapsed_ns)}
            for one in exchange.answers
        ],
        "warnings": exchange.warnings,
        "protocol": "icmpv6",
        "packet": exchange.packet,
        "question_packets": exchange.asked,
        "learned": _learned(exchange.changes),
    }
