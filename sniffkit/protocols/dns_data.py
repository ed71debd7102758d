"""What stands in a resource record, written as in a zone file: record types, their names, their data."""

from __future__ import annotations

import socket
from base64 import b64encode
from enum import IntEnum
from time import gmtime, strftime

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
    CDS = 59
    CDNSKEY = 60
    OPENPGPKEY = 61
    ZONEMD = 63
    SVCB = 64
    HTTPS = 65
    SPF = 99
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


_TYPE_NAMES = {kind.value: kind.name for kind in Type}
_RCODE_NAMES = {code.value: code.name for code in Rcode}


def type_name(kind: int) -> str:
    """Return the name of a type, ``TYPE1234`` for one without (RFC 3597)."""
    return _TYPE_NAMES.get(kind) or f"TYPE{kind}"


def rcode_name(code: int) -> str:
    """Return the name of a response code, ``RCODE12`` for one without."""
    return _RCODE_NAMES.get(code) or f"RCODE{code}"


def data_text(octets: bytes, at: int, end: int, kind: int) -> str:
    r"""Write a record's data; ``\# 4 0a000001`` (RFC 3597) where its type is unknown or its octets do not fit it."""
    try:
        text = _read(octets, at, end, kind)
    except (BadName, IndexError, ValueError):
        text = None
    if text is None:
        return f"\\# {end - at} {octets[at:end].hex()}".rstrip()
    return text


def _read(octets: bytes, at: int, end: int, kind: int) -> str | None:
    """Return the data in the presentation form of its type, None for a type without."""
    match kind:
        case Type.A if end - at == 4:
            return socket.inet_ntop(socket.AF_INET, octets[at:end])
        case Type.AAAA if end - at == 16:
            return socket.inet_ntop(socket.AF_INET6, octets[at:end])
        case Type.NS | Type.CNAME | Type.PTR | Type.DNAME:
            return _names(octets, at, end, 1)
        case Type.SOA:
            labels, place = read_name(octets, at)
            mailbox, place = read_name(octets, place)
            if place + 20 != end:
                return None
            numbers = [str(_number(octets, place + 4 * index, 4)) for index in range(5)]
            return " ".join((name_text(labels), name_text(mailbox), *numbers))
        case Type.MX | Type.AFSDB:
            return f"{_number(octets, at, 2)} {_names(octets, at + 2, end, 1)}"
        case Type.SRV:
            numbers = [str(_number(octets, at + 2 * index, 2)) for index in range(3)]
            return " ".join((*numbers, _names(octets, at + 6, end, 1)))
        case Type.RP:
            return _names(octets, at, end, 2)
        case Type.TXT | Type.SPF | Type.HINFO:
            return " ".join(_strings(octets, at, end))
        case Type.CAA:
            length = octets[at + 1]
            tag = octets[at + 2 : at + 2 + length].decode("ascii")
            return f"{octets[at]} {tag} {_quoted(octets[at + 2 + length : end])}"
        case Type.DS | Type.CDS if end - at > 4:
            return f"{_number(octets, at, 2)} {octets[at + 2]} {octets[at + 3]} {octets[at + 4 : end].hex()}"
        case Type.DNSKEY | Type.CDNSKEY | Type.KEY if end - at > 4:
            key = b64encode(octets[at + 4 : end]).decode()
            return f"{_number(octets, at, 2)} {octets[at + 2]} {octets[at + 3]} {key}"
        case Type.RRSIG | Type.SIG if end - at > 18:
            return _signature(octets, at, end)
        case Type.NSEC:
            labels, place = read_name(octets, at)
            return " ".join((name_text(labels), *_type_list(octets, place, end)))
        case _:
            return None


def _number(octets: bytes, at: int, size: int) -> int:
    if at + size > len(octets):
        raise IndexError
    return int.from_bytes(octets[at : at + size], "big")


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
        after = at + 1 + octets[at]
        if after > end:
            raise ValueError
        found.append(_quoted(octets[at + 1 : after]))
        at = after
    return found


def _quoted(octets: bytes) -> str:
    signs = (
        f"\\{chr(octet)}" if octet in b'"\\' else chr(octet) if 0x20 <= octet < 0x7F else f"\\{octet:03d}"
        for octet in octets
    )
    return f'"{"".join(signs)}"'


def _signature(octets: bytes, at: int, end: int) -> str:
    """Write an RRSIG (RFC 4034 section 3.2)."""
    labels, place = read_name(octets, at + 18)
    times = [strftime("%Y%m%d%H%M%S", gmtime(_number(octets, at + offset, 4))) for offset in (8, 12)]
    return " ".join(
        (
            type_name(_number(octets, at, 2)),
            str(octets[at + 2]),
            str(octets[at + 3]),
            str(_number(octets, at + 4, 4)),
            *times,
            str(_number(octets, at + 16, 2)),
            name_text(labels),
            b64encode(octets[place:end]).decode(),
        )
    )


def _type_list(octets: bytes, at: int, end: int) -> list[str]:
    """Read the bit maps of an NSEC record (RFC 4034 section 4.1.2)."""
    found = []
    while at + 2 <= end:
        window, length = octets[at], octets[at + 1]
        for index, octet in enumerate(octets[at + 2 : min(at + 2 + length, end)]):
            found += [type_name(window << 8 | index << 3 | bit) for bit in range(8) if octet & 0x80 >> bit]
        at += 2 + length
    return found
