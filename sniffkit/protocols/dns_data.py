"""What stands in a resource record, written as in a zone file: record types, their names, their data."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from enum import IntEnum
from socket import AF_INET, AF_INET6, inet_ntop
from time import gmtime, strftime

from sniffkit.protocols import dns_rarer_data as rarer
from sniffkit.protocols.dns_name import BadName, name_text, read_name


class Type(IntEnum):
    """Record types met in practice (IANA, DNS parameters); unknown ones stay the number."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    NULL = 10
    PTR = 12
    HINFO = 13
    MX = 15
    TXT = 16
    RP = 17
    AFSDB = 18
    SIG = 24
    KEY = 25
    AAAA = 28
    LOC = 29
    SRV = 33
    NAPTR = 35
    KX = 36
    CERT = 37
    DNAME = 39
    OPT = 41
    DS = 43
    SSHFP = 44
    RRSIG = 46
    NSEC = 47
    DNSKEY = 48
    DHCID = 49
    NSEC3 = 50
    NSEC3PARAM = 51
    TLSA = 52
    SMIMEA = 53
    CDS = 59
    CDNSKEY = 60
    OPENPGPKEY = 61
    CSYNC = 62
    ZONEMD = 63
    SVCB = 64
    HTTPS = 65
    SPF = 99
    EUI48 = 108
    EUI64 = 109
    TKEY = 249
    TSIG = 250
    IXFR = 251
    AXFR = 252
    ANY = 255
    URI = 256
    CAA = 257


class Rcode(IntEnum):
    """Response codes (RFC 6895)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    YXDOMAIN = 6
    YXRRSET = 7
    NXRRSET = 8
    NOTAUTH = 9
    NOTZONE = 10
    BADVERS = 16
    BADCOOKIE = 23


_SELDOM_MET = {
    3: "MD", 4: "MF", 7: "MB", 8: "MG", 9: "MR", 11: "WKS", 14: "MINFO", 19: "X25", 20: "ISDN", 21: "RT", 22: "NSAP",
    23: "NSAP-PTR", 26: "PX", 27: "GPOS", 30: "NXT", 38: "A6", 42: "APL", 45: "IPSECKEY", 55: "HIP", 56: "NINFO",
    66: "DSYNC", 67: "HHIT", 68: "BRID", 103: "UNSPEC", 104: "NID", 105: "L32", 106: "L64", 107: "LP", 128: "NXNAME",
    253: "MAILB", 254: "MAILA", 258: "AVC", 260: "AMTRELAY", 261: "RESINFO", 262: "WALLET", 32768: "TA", 32769: "DLV",
}  # fmt: skip
"""Types of which only the name is known here (IANA, DNS parameters)."""

_TYPE_NAMES = {kind.value: kind.name for kind in Type} | _SELDOM_MET
_RCODE_NAMES = {code.value: code.name for code in Rcode}


def type_name(kind: int) -> str:
    """Return the name of a type, ``TYPE1234`` for one without (RFC 3597)."""
    return _TYPE_NAMES.get(kind) or f"TYPE{kind}"


def rcode_name(code: int) -> str:
    """Return the name of a response code, ``RCODE12`` for one without."""
    return _RCODE_NAMES.get(code) or f"RCODE{code}"


def data_text(octets: bytes, at: int, end: int, kind: int) -> str:
    r"""Write a record's data; ``\# 4 0a000001`` (RFC 3597) where its type is unknown or its octets do not fit it."""
    read = _READERS.get(kind)
    if read is not None:
        try:
            text = read(octets, at, end)
        except (BadName, IndexError, ValueError, OSError):  # OSError: an address of another length
            text = None
        if text is not None:
            return text
    return f"\\# {end - at} {octets[at:end].hex()}".rstrip()


def _ipv4(octets: bytes, at: int, end: int) -> str:
    return inet_ntop(AF_INET, octets[at:end])


def _ipv6(octets: bytes, at: int, end: int) -> str:
    return inet_ntop(AF_INET6, octets[at:end])


def _name(octets: bytes, at: int, end: int) -> str:
    return _names(octets, at, end, 1)


def _start_of_authority(octets: bytes, at: int, end: int) -> str | None:
    labels, place = read_name(octets, at)
    mailbox, place = read_name(octets, place)
    if place + 20 != end:
        return None
    numbers = [str(rarer.number(octets, place + 4 * index, 4)) for index in range(5)]
    return " ".join((name_text(labels), name_text(mailbox), *numbers))


def _preference_and_name(octets: bytes, at: int, end: int) -> str:
    return f"{rarer.number(octets, at, 2)} {_names(octets, at + 2, end, 1)}"


def _service(octets: bytes, at: int, end: int) -> str:
    numbers = [str(rarer.number(octets, at + 2 * index, 2)) for index in range(3)]
    return " ".join((*numbers, _names(octets, at + 6, end, 1)))


def _two_names(octets: bytes, at: int, end: int) -> str:
    return _names(octets, at, end, 2)


def _texts(octets: bytes, at: int, end: int) -> str:
    return " ".join(_strings(octets, at, end))


def _certification(octets: bytes, at: int, end: int) -> str:
    tag, place = rarer.counted(octets, at + 1, end)
    return f"{octets[at]} {rarer.escaped_octets(tag)} {rarer.quoted(octets[place:end])}"


def _delegation(octets: bytes, at: int, end: int) -> str | None:
    if end - at <= 4:
        return None
    return f"{rarer.number(octets, at, 2)} {octets[at + 2]} {octets[at + 3]} {octets[at + 4 : end].hex()}"


def _key(octets: bytes, at: int, end: int) -> str | None:
    if end - at <= 4:
        return None
    key = b64encode(octets[at + 4 : end]).decode()
    return f"{rarer.number(octets, at, 2)} {octets[at + 2]} {octets[at + 3]} {key}"


def _next_secure(octets: bytes, at: int, end: int) -> str | None:
    labels, place = read_name(octets, at)
    types = rarer.type_list(octets, place, end, type_name)
    return None if types is None else " ".join((name_text(labels), *types))


def _names(octets: bytes, at: int, end: int, count: int) -> str:
    """Return ``count`` names that fill the data exactly."""
    names = []
    for _ in range(count):
        labels, at = read_name(octets, at)
        names.append(name_text(labels))
    if at != end:
        raise ValueError
    return " ".join(names)


def _strings(octets: bytes, at: int, end: int) -> list[str]:
    """Return the character strings of the data, each in quotation marks."""
    found = []
    while at < end:
        text, at = rarer.counted(octets, at, end)
        found.append(rarer.quoted(text))
    return found


def _signature(octets: bytes, at: int, end: int) -> str | None:
    """Write an RRSIG (RFC 4034 section 3.2)."""
    if end - at <= 18:
        return None
    labels, place = read_name(octets, at + 18)
    times = [strftime("%Y%m%d%H%M%S", gmtime(rarer.number(octets, at + offset, 4))) for offset in (8, 12)]
    return " ".join(
        (
            type_name(rarer.number(octets, at, 2)),
            str(octets[at + 2]),
            str(octets[at + 3]),
            str(rarer.number(octets, at + 4, 4)),
            *times,
            str(rarer.number(octets, at + 16, 2)),
            name_text(labels),
            b64encode(octets[place:end]).decode(),
        )
    )


def _hashed_denial(octets: bytes, at: int, end: int) -> str | None:
    return rarer.hashed_denial(octets, at, end, type_name)


def _child_to_parent(octets: bytes, at: int, end: int) -> str | None:
    return rarer.child_to_parent(octets, at, end, type_name)


def _transaction_signature(octets: bytes, at: int, end: int) -> str | None:
    return rarer.transaction_signature(octets, at, end, rcode_name)


_READERS: dict[int, Callable[[bytes, int, int], str | None]] = {
    Type.A: _ipv4,
    Type.AAAA: _ipv6,
    Type.NS: _name,
    Type.CNAME: _name,
    Type.PTR: _name,
    Type.DNAME: _name,
    Type.SOA: _start_of_authority,
    Type.MX: _preference_and_name,
    Type.AFSDB: _preference_and_name,
    Type.SRV: _service,
    Type.RP: _two_names,
    Type.TXT: _texts,
    Type.SPF: _texts,
    Type.HINFO: _texts,
    Type.CAA: _certification,
    Type.DS: _delegation,
    Type.CDS: _delegation,
    Type.DNSKEY: _key,
    Type.CDNSKEY: _key,
    Type.KEY: _key,
    Type.RRSIG: _signature,
    Type.SIG: _signature,
    Type.NSEC: _next_secure,
    Type.KX: _preference_and_name,
    Type.NAPTR: rarer.naming_authority,
    Type.CERT: rarer.certificate,
    Type.LOC: rarer.place_on_earth,
    Type.SSHFP: rarer.hexadecimal(1, 1),
    Type.DHCID: rarer.base64,
    Type.NSEC3: _hashed_denial,
    Type.NSEC3PARAM: rarer.hashing,
    Type.TLSA: rarer.hexadecimal(1, 1, 1),
    Type.SMIMEA: rarer.hexadecimal(1, 1, 1),
    Type.OPENPGPKEY: rarer.base64,
    Type.CSYNC: _child_to_parent,
    Type.ZONEMD: rarer.hexadecimal(4, 1, 1),
    Type.SVCB: rarer.service_binding,
    Type.HTTPS: rarer.service_binding,
    Type.EUI48: rarer.hardware_address(6),
    Type.EUI64: rarer.hardware_address(8),
    Type.TSIG: _transaction_signature,
    Type.URI: rarer.uniform_identifier,
}
"""How each type's data is written; what has no reader here is written as octets."""
