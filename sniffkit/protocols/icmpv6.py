"""ICMPv6: what ICMP and ARP do for IPv4 — errors, ping, and finding neighbours, routers and one's own address."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from sniffkit.protocols.header import Field, Form, Header, flag, hexadecimal, parent
from sniffkit.protocols.neighbour_options import read_options
from sniffkit.protocols.protocol import Carried, Headers, Messages, Protocol
from sniffkit.protocols.pseudo import verify

if TYPE_CHECKING:
    from sniffkit.protocols.packet import Reader


class Type(IntEnum):
    """ICMPv6 types (RFC 4443, RFC 4861, RFC 2710, RFC 3810)."""

    DESTINATION_UNREACHABLE = 1
    PACKET_TOO_BIG = 2
    TIME_EXCEEDED = 3
    PARAMETER_PROBLEM = 4
    ECHO_REQUEST = 128
    ECHO_REPLY = 129
    LISTENER_QUERY = 130
    LISTENER_REPORT = 131
    LISTENER_DONE = 132
    ROUTER_SOLICITATION = 133
    ROUTER_ADVERTISEMENT = 134
    NEIGHBOUR_SOLICITATION = 135
    NEIGHBOUR_ADVERTISEMENT = 136
    REDIRECT = 137
    LISTENER_REPORT_2 = 143


HEADER = Header(
    "icmpv6",
    "RFC 4443 section 2.1",
    (Field("icmpv6.type", 8), Field("icmpv6.code", 8), hexadecimal("icmpv6.checksum", 16)),
)


def shape(rfc: str, *fields: Field) -> Header:
    """Declare what follows the checksum in some types."""
    return Header("icmpv6", rfc, fields)


RESERVED = Field("icmpv6.reserved", 32, Form.OCTETS)
ECHO = shape("RFC 4443 section 4", hexadecimal("icmpv6.echo.identifier", 16), Field("icmpv6.echo.sequence_number", 16))
LISTENER = shape(
    "RFC 2710 section 3",
    Field("icmpv6.mld.maximum_response_delay", 16),
    Field("icmpv6.reserved", 16, Form.OCTETS),
    Field("icmpv6.mld.multicast_address", 128, Form.IPV6),
)
QUERY_2 = shape(
    "RFC 3810 section 5.1",
    Field("icmpv6.mld.maximum_response_code", 16),
    Field("icmpv6.reserved", 16, Form.OCTETS),
    Field("icmpv6.mld.multicast_address", 128, Form.IPV6),
    parent("icmpv6.mld.flag", 8, 2),
    Field("icmpv6.mld.flag.reserved", 4),
    flag("icmpv6.mld.flag.s"),
    Field("icmpv6.mld.flag.qrv", 3),
    Field("icmpv6.mld.qqi", 8),
    Field("icmpv6.mld.nb_sources", 16),
)
QUERY_2_OCTETS = 28
"""A listener query of at least this length is one of version 2 (RFC 3810 section 8.1)."""

MESSAGES = Messages(
    "icmpv6.type",
    {
        Type.DESTINATION_UNREACHABLE: shape("RFC 4443 section 3.1", RESERVED),
        Type.PACKET_TOO_BIG: shape("RFC 4443 section 3.2", Field("icmpv6.mtu", 32)),
        Type.TIME_EXCEEDED: shape("RFC 4443 section 3.3", RESERVED),
        Type.PARAMETER_PROBLEM: shape("RFC 4443 section 3.4", Field("icmpv6.pointer", 32)),
        Type.ECHO_REQUEST: ECHO,
        Type.ECHO_REPLY: ECHO,
        Type.LISTENER_QUERY: LISTENER,
        Type.LISTENER_REPORT: LISTENER,
        Type.LISTENER_DONE: LISTENER,
        Type.ROUTER_SOLICITATION: shape("RFC 4861 section 4.1", RESERVED),
        Type.ROUTER_ADVERTISEMENT: shape(
            "RFC 4861 section 4.2; RFC 4191 (preference)",
            Field("icmpv6.nd.ra.cur_hop_limit", 8),
            parent("icmpv6.nd.ra.flag", 8, 2),
            flag("icmpv6.nd.ra.flag.m"),
            flag("icmpv6.nd.ra.flag.o"),
            flag("icmpv6.nd.ra.flag.h"),
            Field("icmpv6.nd.ra.flag.prf", 2),
            flag("icmpv6.nd.ra.flag.p"),
            Field("icmpv6.nd.ra.flag.rsv", 2),
            Field("icmpv6.nd.ra.router_lifetime", 16),
            Field("icmpv6.nd.ra.reachable_time", 32),
            Field("icmpv6.nd.ra.retrans_timer", 32),
        ),
        Type.NEIGHBOUR_SOLICITATION: shape(
            "RFC 4861 section 4.3", RESERVED, Field("icmpv6.nd.ns.target_address", 128, Form.IPV6)
        ),
        Type.NEIGHBOUR_ADVERTISEMENT: shape(
            "RFC 4861 section 4.4",
            parent("icmpv6.nd.na.flag", 32, 8),
            flag("icmpv6.nd.na.flag.r"),
            flag("icmpv6.nd.na.flag.s"),
            flag("icmpv6.nd.na.flag.o"),
            Field("icmpv6.nd.na.flag.rsv", 29),
            Field("icmpv6.nd.na.target_address", 128, Form.IPV6),
        ),
        Type.REDIRECT: shape(
            "RFC 4861 section 4.5",
            RESERVED,
            Field("icmpv6.nd.rd.target_address", 128, Form.IPV6),
            Field("icmpv6.rd.na.destination_address", 128, Form.IPV6),
        ),
        Type.LISTENER_REPORT_2: shape(
            "RFC 3810 section 5.2",
            Field("icmpv6.reserved", 16, Form.OCTETS),
            Field("icmpv6.mldr.nb_mcast_records", 16),
        ),
    },
)


def read(reader: Reader) -> None:
    """Read what the type says follows; an error quotes a packet, neighbour discovery has options."""
    verify(reader, "icmpv6.checksum", 58, reader.wire_end - reader.start)
    kind = reader.value("icmpv6.type")
    if kind == Type.LISTENER_QUERY and reader.wire_end - reader.start >= QUERY_2_OCTETS:
        if reader.fixed(QUERY_2):
            for _ in range(reader.value("icmpv6.mld.nb_sources")):
                if reader.left < 16:
                    reader.problem("icmpv6.list-cut", field="icmpv6.mld.nb_sources")
                    break
                reader.add("icmpv6.mld.source_address", 16, Form.IPV6)
        return
    if reader.message(MESSAGES) is None:
        return
    if kind <= Type.PARAMETER_PROBLEM:
        if reader.left:
            reader.carry("ip.version", reader.octets[reader.at] >> 4, quoted=True)
    elif Type.ROUTER_SOLICITATION <= kind <= Type.REDIRECT:
        read_options(reader)
    elif kind == Type.LISTENER_REPORT_2:
        read_listener_records(reader)
    elif kind in (Type.ECHO_REQUEST, Type.ECHO_REPLY) and reader.left:
        reader.carry("icmp.payload", 8)


def read_listener_records(reader: Reader) -> None:
    """Read a report's records: which groups a host listens to, and to whom (RFC 3810 section 5.2.4)."""
    for _ in range(reader.value("icmpv6.mldr.nb_mcast_records")):
        if reader.left < 20:
            reader.problem("icmpv6.list-cut", field="icmpv6.mldr.nb_mcast_records")
            return
        reader.add("icmpv6.mldr.mar.record_type", 1)
        extra = 4 * (reader.add("icmpv6.mldr.mar.aux_data_len", 1) or 0)
        sources = reader.add("icmpv6.mldr.mar.nb_sources", 2) or 0
        reader.add("icmpv6.mldr.mar.multicast_address", 16, Form.IPV6)
        for _ in range(sources):
            if reader.left < 16:
                reader.problem("icmpv6.list-cut", field="icmpv6.mldr.mar.nb_sources")
                return
            reader.add("icmpv6.mldr.mar.source_address", 16, Form.IPV6)
        reader.add("icmpv6.mldr.mar.auxiliary_data", extra, Form.OCTETS)


def step(headers: Headers) -> list[Carried]:
    """Say which packets errors quote."""
    kind = headers.field("icmpv6.type")
    error = (kind >= 1) & (kind <= Type.PARAMETER_PROBLEM)
    if not error.any():
        return []
    return [Carried("ip.version", headers.octet(8) >> 4, 8, where=error, quoted=True)]


PROTOCOL = Protocol("icmpv6", HEADER, {"ip.proto": (58,)}, read, step, messages=MESSAGES)
