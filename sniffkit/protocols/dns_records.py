"""The data of DNS records, field by field, for the types met most; of others the octets (RFC 1035 section 3.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.protocols.dns_name import BadName, name_text, read_name
from sniffkit.protocols.header import Form

if TYPE_CHECKING:
    from sniffkit.protocols.packet import Reader

# what a type's data consists of: names as "name", integers by their octets, rest as "rest", counted text as "text"
SHAPES: dict[int, tuple[tuple[str, int | str, Form], ...]] = {
    1: (("dns.a", 4, Form.IPV4),),
    2: (("dns.ns", "name", Form.OCTETS),),
    5: (("dns.cname", "name", Form.OCTETS),),
    6: (
        ("dns.soa.mname", "name", Form.OCTETS),
        ("dns.soa.rname", "name", Form.OCTETS),
        ("dns.soa.serial_number", 4, Form.DECIMAL),
        ("dns.soa.refresh_interval", 4, Form.DECIMAL),
        ("dns.soa.retry_interval", 4, Form.DECIMAL),
        ("dns.soa.expire_limit", 4, Form.DECIMAL),
        ("dns.soa.minimum_ttl", 4, Form.DECIMAL),
    ),
    12: (("dns.ptr.domain_name", "name", Form.OCTETS),),
    13: (("dns.hinfo.cpu", "text", Form.OCTETS), ("dns.hinfo.os", "text", Form.OCTETS)),
    15: (("dns.mx.preference", 2, Form.DECIMAL), ("dns.mx.mail_exchange", "name", Form.OCTETS)),
    16: (("dns.txt", "texts", Form.OCTETS),),
    28: (("dns.aaaa", 16, Form.IPV6),),
    33: (
        ("dns.srv.priority", 2, Form.DECIMAL),
        ("dns.srv.weight", 2, Form.DECIMAL),
        ("dns.srv.port", 2, Form.DECIMAL),
        ("dns.srv.target", "name", Form.OCTETS),
    ),
    39: (("dns.dname", "name", Form.OCTETS),),
    43: (
        ("dns.ds.key_id", 2, Form.HEX),
        ("dns.ds.algorithm", 1, Form.DECIMAL),
        ("dns.ds.digest_type", 1, Form.DECIMAL),
        ("dns.ds.digest", "rest", Form.OCTETS),
    ),
    46: (
        ("dns.rrsig.type_covered", 2, Form.DECIMAL),
        ("dns.rrsig.algorithm", 1, Form.DECIMAL),
        ("dns.rrsig.labels", 1, Form.DECIMAL),
        ("dns.rrsig.original_ttl", 4, Form.DECIMAL),
        ("dns.rrsig.signature_expiration", 4, Form.DECIMAL),
        ("dns.rrsig.signature_inception", 4, Form.DECIMAL),
        ("dns.rrsig.key_tag", 2, Form.DECIMAL),
        ("dns.rrsig.signers_name", "name", Form.OCTETS),
        ("dns.rrsig.signature", "rest", Form.OCTETS),
    ),
    47: (("dns.nsec.next_domain_name", "name", Form.OCTETS),),
    48: (
        ("dns.dnskey.flags", 2, Form.HEX),
        ("dns.dnskey.protocol", 1, Form.DECIMAL),
        ("dns.dnskey.algorithm", 1, Form.DECIMAL),
        ("dns.dnskey.public_key", "rest", Form.OCTETS),
    ),
    64: (("dns.svcb.svcpriority", 2, Form.DECIMAL), ("dns.svcb.targetname", "name", Form.OCTETS)),
    65: (("dns.svcb.svcpriority", 2, Form.DECIMAL), ("dns.svcb.targetname", "name", Form.OCTETS)),
    257: (("dns.caa.flags", 1, Form.HEX), ("dns.caa.tag", "text", Form.OCTETS), ("dns.caa.value", "rest", Form.OCTETS)),
}

SERVICE_BINDINGS = (64, 65)
TEXT_LENGTHS = {
    "dns.txt": "dns.txt.length",
    "dns.hinfo.cpu": "dns.hinfo.cpu_length",
    "dns.hinfo.os": "dns.hinfo.os_length",
    "dns.caa.tag": "dns.caa.tag_length",
}
READABLE = ("dns.caa.value",)

COOKIE, KEEPALIVE, PADDING, EXTENDED_ERROR = 10, 11, 12, 15


def read_data(reader: Reader, kind: int, end: int, origin: int) -> None:
    """Read a record's data up to ``end``; what does not fit its type is left as octets."""
    for id, width, form in SHAPES.get(kind, ()):
        left = end - reader.at
        if width == "name":
            if not add_data_name(reader, id, end, origin):
                break
        elif width in ("text", "texts"):
            add_text(reader, id, end)
            while width == "texts" and reader.at < end:
                add_text(reader, id, end)
        elif width == "rest":
            reader.add(id, left, form)
            if id in READABLE:
                readable(reader)
        elif isinstance(width, int) and left >= width:
            reader.add(id, width, form)
        else:
            break
    if kind in SERVICE_BINDINGS:
        read_bindings(reader, end)
    reader.add("dns.data", end - reader.at, Form.OCTETS)


def add_data_name(reader: Reader, id: str, end: int, origin: int) -> bool:
    """Read a name within a record's data; return whether it is one and ends there."""
    labels, after = read_name(reader.octets[origin : reader.end], reader.at - origin)
    if origin + after > end:
        raise BadName("dns.record-length", reader.at - origin)
    reader.add(id, origin + after - reader.at, Form.OCTETS)
    field = reader.layer.fields[-1]
    field.value = name_text(labels)
    field.text = field.value if labels else "<Root>"
    return True


def add_text(reader: Reader, id: str, end: int) -> None:
    """Read a text behind its length octet."""
    if reader.at >= end:
        return
    length = reader.add(TEXT_LENGTHS[id], 1) or 0
    octets = min(length, end - reader.at)
    if octets:
        reader.add(id, octets, Form.OCTETS)
        readable(reader)


def readable(reader: Reader) -> None:
    """Make the last field's octets text."""
    field = reader.layer.fields[-1]
    if isinstance(field.value, bytes):
        field.value = field.text = field.value.decode("utf-8", "backslashreplace")


def read_bindings(reader: Reader, end: int) -> None:
    """Read the parameters of a service binding (RFC 9460 section 2.2)."""
    while end - reader.at >= 4:
        reader.add("dns.svcb.svcparam.key", 2)
        length = reader.add("dns.svcb.svcparam.value.length", 2) or 0
        reader.add("dns.svcb.svcparam.value", min(length, end - reader.at), Form.OCTETS)


def read_options(reader: Reader, end: int) -> None:
    """Read the options of EDNS (RFC 6891 section 6.1.2)."""
    while end - reader.at >= 4:
        code = reader.add("dns.opt.code", 2) or 0
        length = min(reader.add("dns.opt.len", 2) or 0, end - reader.at)
        stop = reader.at + length
        if code == COOKIE and length >= 8:
            reader.add("dns.opt.cookie.client", 8, Form.OCTETS)
            reader.add("dns.opt.cookie.server", stop - reader.at, Form.OCTETS)
        elif code == PADDING:
            reader.add("dns.opt.padding", length, Form.OCTETS)
        elif code == KEEPALIVE and length == 2:
            reader.add("dns.opt.edns_tcp_keepalive.timeout", 2)
        elif code == EXTENDED_ERROR and length >= 2:
            reader.add("dns.opt.ext_error.info_code", 2)
            reader.add("dns.opt.ext_error.extra_text", stop - reader.at, Form.OCTETS)
            readable(reader)
        reader.add("dns.opt.data", stop - reader.at, Form.OCTETS)
    reader.add("dns.data", end - reader.at, Form.OCTETS)
