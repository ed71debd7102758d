"""What stands in a resource record, written as in a zone file: record types, their names, their data."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from enum import IntEnum
from socket import AF_INET, AF_INET6, inet_ntop
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
    numbers = [str(_number(octets, place + 4 * index, 4)) for index in range(5)]
    return " ".join((name_text(labels), name_text(mailbox), *numbers))


def _preference_and_name(octets: bytes, at: int, end: int) -> str:
    return f"{_number(octets, at, 2)} {_names(octets, at + 2, end, 1)}"


def _service(octets: bytes, at: int, end: int) -> str:
    numbers = [str(_number(octets, at + 2 * index, 2)) for index in range(3)]
    return " ".join((*numbers, _names(octets, at + 6, end, 1)))


def _two_names(octets: bytes, at: int, end: int) -> str:
    return _names(octets, at, end, 2)


def _texts(octets: bytes, at: int, end: int) -> str:
    return " ".join(_strings(octets, at, end))


def _certification(octets: bytes, at: int, end: int) -> str:
    length = octets[at + 1]
    tag = octets[at + 2 : at + 2 + length].decode("ascii")
    return f"{octets[at]} {tag} {_quoted(octets[at + 2 + length : end])}"


def _delegation(octets: bytes, at: int, end: int) -> str | None:
    if end - at <= 4:
        return None
    return f"{_number(octets, at, 2)} {octets[at + 2]} {octets[at + 3]} {octets[at + 4 : end].hex()}"


def _key(octets: bytes, at: int, end: int) -> str | None:
    if end - at <= 4:
        return None
    key = b64encode(octets[at + 4 : end]).decode()
    return f"{_number(octets, at, 2)} {octets[at + 2]} {octets[at + 3]} {key}"


def _next_secure(octets: bytes, at: int, end: int) -> str:
    labels, place = read_name(octets, at)
    return " ".join((name_text(labels), *_type_list(octets, place, end)))


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


def _signature(octets: bytes, at: int, end: int) -> str | None:
    """Write an RRSIG (RFC 4034 section 3.2)."""
    if end - at <= 18:
        return None
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
}
"""How each type's data is written; what has no reader here is written as octets."""
