"""Which fields there are and of which type: what ``fields`` can print and a display filter can ask for.

Most come from the header tables; here stand the others: fields that mean either of two (``tcp.port``), what the
capture itself says (``frame.*``), and those that only one packet at a time is read for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache

from sniffkit.protocols import REGISTER
from sniffkit.protocols.header import Field, Form


class Kind(Enum):
    """What a value is; the value of each is its name in messages (texts/filter.toml, ``filter.kind.…``)."""

    UNSIGNED = "unsigned"
    SIGNED = "signed"
    FLAG = "flag"
    MAC = "mac"
    IPV4 = "ipv4"
    IPV6 = "ipv6"
    OCTETS = "octets"
    TEXT = "text"
    TIME = "time"  # since 1970, int64 nanoseconds
    DURATION = "duration"  # int64 nanoseconds
    LABEL = "label"  # it is there or not, and has no value
    PROTOCOL = "protocol"  # there or not; its octets can be looked into


@dataclass(frozen=True, slots=True)
class FieldType:
    """One field: its id, the kind and width of its values, and the protocol whose headers carry it.

    digits: hexadecimal digits it is printed with, 0 where it is decimal
    names:  for a TEXT of ours, the values it can have (``tcp.phase``); empty where it can be any
    """

    id: str
    kind: Kind
    protocol: str
    bits: int = 32
    digits: int = 0
    names: tuple[str, ...] = ()


KIND_OF_FORM = {
    Form.DECIMAL: Kind.UNSIGNED,
    Form.HEX: Kind.UNSIGNED,
    Form.FLAG: Kind.FLAG,
    Form.MAC: Kind.MAC,
    Form.IPV4: Kind.IPV4,
    Form.IPV6: Kind.IPV6,
    Form.OCTETS: Kind.OCTETS,
}

EITHER = {
    "eth.addr": ("eth.dst", "eth.src"),
    "ip.addr": ("ip.src", "ip.dst"),
    "ipv6.addr": ("ipv6.src", "ipv6.dst"),
    "tcp.port": ("tcp.srcport", "tcp.dstport"),
    "udp.port": ("udp.srcport", "udp.dstport"),
}
"""Fields that mean either end, in the order in which Wireshark lists the ends."""

_MADE = (
    FieldType("frame.number", Kind.UNSIGNED, "frame"),
    FieldType("frame.time_epoch", Kind.TIME, "frame"),
    FieldType("frame.time_relative", Kind.DURATION, "frame"),
    FieldType("frame.time_delta", Kind.DURATION, "frame"),
    FieldType("frame.len", Kind.UNSIGNED, "frame"),
    FieldType("frame.cap_len", Kind.UNSIGNED, "frame"),
    FieldType("frame.interface_id", Kind.UNSIGNED, "frame"),
    FieldType("frame.encap_type", Kind.SIGNED, "frame", 16),
    FieldType("frame.protocols", Kind.TEXT, "frame"),
    FieldType("eth.len", Kind.UNSIGNED, "eth", 16),
    FieldType("vlan.len", Kind.UNSIGNED, "vlan", 16),
    FieldType("eth.invalid_lentype", Kind.UNSIGNED, "eth", 16, 4),
    FieldType("tcp.len", Kind.UNSIGNED, "tcp"),
    FieldType("tcp.payload", Kind.OCTETS, "tcp"),
    FieldType("udp.payload", Kind.OCTETS, "udp"),
    FieldType("tcp.options.sack_perm", Kind.OCTETS, "tcp"),
)
"""Fields that are computed for a whole batch and stand in no header table."""

_SINGLE = {
    (Kind.OCTETS, 0): """
        ah.icv dns.data dns.dnskey.public_key dns.ds.digest dns.opt.cookie.client dns.opt.cookie.server
        dns.opt.data dns.opt.padding dns.rrsig.signature dns.svcb.svcparam.value eth.padding eth.trailer
        geneve.options icmpv6.data icmpv6.mldr.mar.auxiliary_data icmpv6.opt.nonce ip.opt.padding
        ipv6.opt.padn ipv6.opt.unknown ipv6.routing.mipv6.reserved ipv6.routing.src.reserved
        ipv6.routing.srh.tag ipv6.routing.unknown_data sll.src.other tcp.options tcp.options.ao.mac
        tcp.options.experimental.data tcp.options.md5.digest tcp.options.tfo.cookie
        tcp.options.unknown.payload teredo.auth.conf teredo.auth.id teredo.auth.nonce teredo.auth.value""",
    (Kind.IPV4, 32): """
        dns.a icmp.router_address ip.empty_rt ip.opt.time_stamp_addr ip.rec_rt ip.src_rt sll.src.ipv4
        teredo.orig.addr""",
    (Kind.IPV6, 128): """
        dns.aaaa icmpv6.mld.source_address icmpv6.mldr.mar.multicast_address icmpv6.mldr.mar.source_address
        icmpv6.opt.prefix icmpv6.opt.rdnss ipv6.opt.mipv6.home_address ipv6.routing.mipv6.home_address
        ipv6.routing.src.addr ipv6.routing.srh.addr""",
    (Kind.UNSIGNED, 8): """
        dns.caa.flags dns.caa.tag_length dns.dnskey.algorithm dns.dnskey.protocol dns.ds.algorithm
        dns.ds.digest_type dns.hinfo.cpu_length dns.hinfo.os_length dns.resp.edns0_version
        dns.resp.ext_rcode dns.rrsig.algorithm dns.rrsig.labels dns.txt.length gtp.ext_hdr.length
        gtp.npdu_number icmp.length icmpv6.mld.flag icmpv6.mld.flag.qrv icmpv6.mld.flag.reserved
        icmpv6.mld.qqi icmpv6.mldr.mar.aux_data_len icmpv6.mldr.mar.record_type icmpv6.opt.length
        icmpv6.opt.prefix.flag icmpv6.opt.prefix.flag.reserved icmpv6.opt.prefix.length
        icmpv6.opt.route_info.flag icmpv6.opt.route_info.flag.reserved
        icmpv6.opt.route_info.flag.route_preference icmpv6.opt.type ip.opt.flag ip.opt.len ip.opt.overflow
        ip.opt.ptr ip.opt.type ip.opt.type.class ip.opt.type.number ipv6.opt.length ipv6.opt.tel
        ipv6.opt.type ipv6.opt.type.action ipv6.opt.type.rest ipv6.routing.srh.flags
        ipv6.routing.srh.last_entry llc.control.u_modifier_cmd llc.control.u_modifier_resp ppp.address
        ppp.control tcp.option_kind tcp.option_len tcp.options.ao.keyid tcp.options.ao.rnextkeyid
        tcp.options.sack.count teredo.auth.aulen teredo.auth.idlen""",
    (Kind.TEXT, 0): """
        dns.caa.tag dns.caa.value dns.cname dns.dname dns.hinfo.cpu dns.hinfo.os dns.mx.mail_exchange dns.ns
        dns.nsec.next_domain_name dns.opt.ext_error.extra_text dns.ptr.domain_name dns.qry.name
        dns.resp.name dns.rrsig.signature_expiration dns.rrsig.signature_inception dns.rrsig.signers_name
        dns.soa.mname dns.soa.rname dns.srv.target dns.svcb.targetname dns.txt icmpv6.opt.dnssl""",
    (Kind.UNSIGNED, 16): """
        dns.count.labels dns.count.prerequisites dns.count.updates dns.count.zones dns.dnskey.flags
        dns.ds.key_id dns.length dns.mx.preference dns.opt.code dns.opt.edns_tcp_keepalive.timeout
        dns.opt.ext_error.info_code dns.opt.len dns.qry.class dns.qry.name.len dns.qry.type dns.resp.class
        dns.resp.len dns.resp.type dns.resp.z dns.resp.z.reserved dns.rr.udp_payload_size dns.rrsig.key_tag
        dns.rrsig.type_covered dns.srv.port dns.srv.priority dns.srv.weight dns.svcb.svcparam.key
        dns.svcb.svcparam.value.length dns.svcb.svcpriority gre.checksum
        gre.key.call_id gre.key.payload_length gre.offset gtp.seq_number icmpv6.mld.maximum_response_code
        icmpv6.mld.nb_sources icmpv6.mldr.mar.nb_sources ip.opt.ra ipv6.opt.router_alert
        ipv6.routing.len_oct llc.cisco_pid llc.control.ftype llc.control.n_r llc.control.n_s
        llc.control.s_ftype llc.pid llc.type null.type ppp.protocol sll.ltype tcp.options.experimental.exid
        tcp.options.user_to_val tcp.options.wscale.multiplier teredo.orig.port""",
    (Kind.FLAG, 1): """
        dns.flags.conflict dns.flags.tentative dns.qry.qu dns.resp.cache_flush dns.resp.z.do
        icmpv6.mld.flag.s icmpv6.opt.prefix.flag.a icmpv6.opt.prefix.flag.l icmpv6.opt.prefix.flag.r
        ip.opt.type.copy ipv6.opt.type.change llc.control.f llc.control.p tcp.options.user_to_granularity""",
    (Kind.UNSIGNED, 32): """
        dns.resp.ttl dns.rrsig.original_ttl dns.soa.expire_limit dns.soa.minimum_ttl
        dns.soa.refresh_interval dns.soa.retry_interval dns.soa.serial_number eth.fcs gre.ack_number gre.key
        gre.sequence_number icmp.ident_le icmp.seq_le icmpv6.opt.advertisement_interval icmpv6.opt.dnssl.lifetime
        icmpv6.opt.mtu icmpv6.opt.prefix.preferred_lifetime icmpv6.opt.prefix.valid_lifetime
        icmpv6.opt.rdnss.lifetime icmpv6.opt.route_lifetime ip.opt.time_stamp ipv6.opt.jumbo llc.oui""",
    (Kind.LABEL, 0): """
        gre.wccp.redirect_header icmpv6.opt.padding icmpv6.opt.redirected_packet icmpv6.opt.reserved
        tcp.options.tfo.request teredo.auth teredo.orig""",
    (Kind.SIGNED, 32): "icmp.pref_level",
}
"""Fields that no column has: the packets that may carry them are read one by one."""

READ_SINGLY = frozenset({"sll", "sll2", "llc", "gre", "erspan3", "dns", "null"})
"""Protocols whose fixed header says what a field is called: all their fields are read one packet at a time."""

NAMED_AFTER = {"mdns": "dns", "llmnr": "dns", "sll2": "sll", "erspan3": "erspan", "ieee8021ah": "ieee8021ad"}
"""First words of ids, and layers, that belong to another protocol's headers."""


@cache
def field_types() -> dict[str, FieldType]:
    """Return every field that the octets or the capture itself give, by id."""
    found: dict[str, FieldType] = {}
    for protocol in REGISTER:
        for field in protocol.header.fields:
            found.setdefault(field.id, typed(field, protocol.name))
        for shape in protocol.messages.shapes.values() if protocol.messages else ():
            for field in shape.fields:
                found.setdefault(field.id, typed(field, protocol.name))
        for id, option in protocol.sparse.items():
            found.setdefault(id, FieldType(id, Kind.UNSIGNED, protocol.name, 8 * option.width))
    for field_type in _MADE:
        found[field_type.id] = field_type
    for (kind, bits), ids in _SINGLE.items():
        for id in ids.split():
            found.setdefault(id, FieldType(id, kind, protocol_word(id), bits))
    for id, (one, _) in EITHER.items():
        like = found[one]
        found[id] = FieldType(id, like.kind, like.protocol, like.bits, like.digits)
    return found


def typed(field: Field, protocol: str) -> FieldType:
    """Return the type of a field of a header table."""
    bits = field.bits or field.spans
    largest = ((1 << bits) - 1) * field.scale
    return FieldType(
        field.id, KIND_OF_FORM[field.form], protocol, max(8, -(-largest.bit_length() // 8) * 8),
        field.digits if field.form is Form.HEX else 0,
    )  # fmt: skip


def protocol_word(id: str) -> str:
    """Return the protocol that a field's id begins with."""
    names = {protocol.name for protocol in REGISTER}
    words = id.split(".")
    for count in range(len(words) - 1, 0, -1):
        name = ".".join(words[:count])
        if name in names:
            return name
    return NAMED_AFTER.get(words[0], words[0])


@cache
def protocol_names() -> frozenset[str]:
    """Return every word that stands for a protocol in a filter."""
    layers = {protocol.layer for protocol in REGISTER if protocol.layer}
    return frozenset({"frame", "mdns", "llmnr", *layers, *(protocol.name for protocol in REGISTER)} - {"sll2"})
