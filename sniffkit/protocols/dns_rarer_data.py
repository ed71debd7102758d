"""What stands in records met less often, written as in a zone file: services, certificates, keys, places.

Every reader gets the message, and where the data begins and ends; None where the octets do not fit the type.
"""

from __future__ import annotations

from base64 import b32hexencode, b64encode
from collections.abc import Callable
from socket import AF_INET, AF_INET6, inet_ntop

from sniffkit.protocols.dns_name import name_text, read_name

CERTIFICATES = {
    1: "PKIX", 2: "SPKI", 3: "PGP", 4: "IPKIX", 5: "ISPKI", 6: "IPGP", 7: "ACPKIX", 8: "IACPKIX",
    253: "URI", 254: "OID",
}  # fmt: skip
"""Kinds of certificates (RFC 4398 section 2.1)."""

ALGORITHMS = {
    1: "RSAMD5", 2: "DH", 3: "DSA", 5: "RSASHA1", 6: "DSANSEC3SHA1", 7: "RSASHA1NSEC3SHA1", 8: "RSASHA256",
    10: "RSASHA512", 12: "ECCGOST", 13: "ECDSAP256SHA256", 14: "ECDSAP384SHA384", 15: "ED25519", 16: "ED448",
    252: "INDIRECT", 253: "PRIVATEDNS", 254: "PRIVATEOID",
}  # fmt: skip
"""Algorithms of keys and signatures (IANA, DNS security algorithm numbers)."""

SERVICE_KEYS = (
    "mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp", "key9",
    "docpath",
)  # fmt: skip
"""Parameters of a service (RFC 9460 section 14.3.2, RFC 9461, RFC 9540, RFC 9953) by their numbers."""

EQUATOR = 1 << 31
"""Latitude and longitude 0 in a LOC record (RFC 1876 section 2), counted in thousandths of a second of arc."""

SEA_LEVEL_CM = 10_000_000
"""Where the altitude of a LOC record counts from: 100,000 m below."""


def number(octets: bytes, at: int, size: int) -> int:
    """Return a number of so many octets; IndexError where they are not there."""
    if at + size > len(octets):
        raise IndexError
    return int.from_bytes(octets[at : at + size], "big")


def quoted(octets: bytes) -> str:
    """Write a character string (RFC 1035 section 5.1)."""
    return f'"{escaped_octets(octets)}"'


def escaped_octets(octets: bytes) -> str:
    """Return octets as a character string has them between its quotation marks."""
    return "".join(
        f"\\{chr(octet)}" if octet in b'"\\' else chr(octet) if 0x20 <= octet < 0x7F else f"\\{octet:03d}"
        for octet in octets
    )


def counted(octets: bytes, at: int, end: int) -> tuple[bytes, int]:
    """Read octets with their number before them; return them and the place behind; ValueError past the end."""
    after = at + 1 + octets[at]
    if after > end:
        raise ValueError
    return octets[at + 1 : after], after


def type_list(octets: bytes, at: int, end: int, name: Callable[[int], str]) -> list[str] | None:
    """Read the bit maps of record types (RFC 4034 section 4.1.2)."""
    found = []
    while at < end:
        if at + 2 > end or not 1 <= octets[at + 1] <= 32 or at + 2 + octets[at + 1] > end:
            return None
        window, length = octets[at], octets[at + 1]
        for index, octet in enumerate(octets[at + 2 : at + 2 + length]):
            found += [name(window << 8 | index << 3 | bit) for bit in range(8) if octet & 0x80 >> bit]
        at += 2 + length
    return found


def service_binding(octets: bytes, at: int, end: int) -> str | None:
    """Write SVCB and HTTPS: priority, target, parameters (RFC 9460 section 2.1)."""
    priority = number(octets, at, 2)
    target, at = read_name(octets, at + 2)
    parts, before = [str(priority), name_text(target)], -1
    while at < end:
        key, length = number(octets, at, 2), number(octets, at + 2, 2)
        if key <= before or at + 4 + length > end:
            return None
        said = _parameter(key, octets[at + 4 : at + 4 + length])
        if said is None:
            return None
        parts.append(service_key(key) + said)
        at, before = at + 4 + length, key
    return " ".join(parts)


def service_key(key: int) -> str:
    """Return the name of a parameter, ``key123`` for one without."""
    return SERVICE_KEYS[key] if key < len(SERVICE_KEYS) else f"key{key}"


def _parameter(key: int, value: bytes) -> str | None:
    """Write the value of a parameter with the equals sign before it."""
    match service_key(key):
        case "mandatory":
            if not value or len(value) % 2:
                return None
            keys = (int.from_bytes(value[at : at + 2], "big") for at in range(0, len(value), 2))
            return f'="{",".join(map(service_key, keys))}"'
        case "alpn" | "docpath":
            names, at = [], 0
            while at < len(value):
                one, at = counted(value, at, len(value))
                names.append(one.replace(b"\\", b"\\\\").replace(b",", b"\\,"))
            return f"={quoted(b','.join(names))}" if names else None if key == 1 else ""
        case "no-default-alpn" | "ohttp":
            return None if value else ""
        case "port":
            return f'="{int.from_bytes(value, "big")}"' if len(value) == 2 else None
        case "ipv4hint" | "ipv6hint":
            family, size = (AF_INET, 4) if key == 4 else (AF_INET6, 16)
            if not value or len(value) % size:
                return None
            return f'="{",".join(inet_ntop(family, value[at : at + size]) for at in range(0, len(value), size))}"'
        case "ech":
            return f'="{b64encode(value).decode()}"'
        case _:
            return f"={quoted(value)}" if value else ""


def naming_authority(octets: bytes, at: int, end: int) -> str | None:
    """Write NAPTR (RFC 3403 section 4.1)."""
    order, preference = number(octets, at, 2), number(octets, at + 2, 2)
    at += 4
    texts = []
    for _ in range(3):
        text, at = counted(octets, at, end)
        texts.append(quoted(text))
    labels, at = read_name(octets, at)
    return " ".join((str(order), str(preference), *texts, name_text(labels))) if at == end else None


def hashed_denial(octets: bytes, at: int, end: int, name: Callable[[int], str]) -> str | None:
    """Write NSEC3 (RFC 5155 section 3.3)."""
    salt, place = counted(octets, at + 4, end)
    following, place = counted(octets, place, end)
    types = type_list(octets, place, end, name)
    if types is None or not following:
        return None
    next_hash = b32hexencode(following).decode().rstrip("=").lower()
    return " ".join((_hashing(octets, at, salt), next_hash, *types))


def hashing(octets: bytes, at: int, end: int) -> str | None:
    """Write NSEC3PARAM (RFC 5155 section 4.3)."""
    salt, place = counted(octets, at + 4, end)
    return _hashing(octets, at, salt) if place == end else None


def _hashing(octets: bytes, at: int, salt: bytes) -> str:
    return f"{octets[at]} {octets[at + 1]} {number(octets, at + 2, 2)} {salt.hex() or '-'}"


def certificate(octets: bytes, at: int, end: int) -> str | None:
    """Write CERT (RFC 4398 section 2.2)."""
    kind, tag, algorithm = number(octets, at, 2), number(octets, at + 2, 2), number(octets, at + 4, 1)
    words = CERTIFICATES.get(kind, str(kind)), str(tag), ALGORITHMS.get(algorithm, str(algorithm))
    return " ".join((*words, b64encode(octets[at + 5 : end]).decode())) if end > at + 5 else None


def place_on_earth(octets: bytes, at: int, end: int) -> str | None:
    """Write LOC (RFC 1876 section 3): latitude, longitude, altitude, size, precision across and up."""
    if end - at != 16 or octets[at]:
        return None
    lengths = [_centimetres(octets[at + place]) for place in (1, 2, 3)]
    latitude, longitude, altitude = (number(octets, at + place, 4) for place in (4, 8, 12))
    if None in lengths or abs(latitude - EQUATOR) > 90 * 3_600_000 or abs(longitude - EQUATOR) > 180 * 3_600_000:
        return None
    where = _arc(latitude, "N", "S"), _arc(longitude, "E", "W"), f"{(altitude - SEA_LEVEL_CM) / 100:.2f}m"
    return " ".join((*where, *(f"{(length or 0) / 100:.2f}m" for length in lengths)))


def _centimetres(octet: int) -> int | None:
    base, power = octet >> 4, octet & 15
    return base * 10**power if base <= 9 and power <= 9 else None


def _arc(value: int, above: str, below: str) -> str:
    thousandths = abs(value - EQUATOR)
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60} {minutes % 60} {rest // 1000}.{rest % 1000:03d} {above if value > EQUATOR else below}"


def transaction_signature(octets: bytes, at: int, end: int, rcode: Callable[[int], str]) -> str | None:
    """Write TSIG (RFC 8945 section 4.2)."""
    algorithm, at = read_name(octets, at)
    signed, fudge, size = number(octets, at, 6), number(octets, at + 6, 2), number(octets, at + 8, 2)
    at += 10 + size
    original, error, more = (number(octets, at + place, 2) for place in (0, 2, 4))
    if at + 6 + more != end:
        return None
    mac = b64encode(octets[at - size : at]).decode() or '""'
    words = [name_text(algorithm), str(signed), str(fudge), str(size), mac, str(original), rcode(error), str(more)]
    return " ".join([*words, b64encode(octets[at + 6 : end]).decode()] if more else words)


def uniform_identifier(octets: bytes, at: int, end: int) -> str | None:
    """Write URI (RFC 7553 section 4)."""
    return (
        f"{number(octets, at, 2)} {number(octets, at + 2, 2)} {quoted(octets[at + 4 : end])}" if end > at + 4 else None
    )


def child_to_parent(octets: bytes, at: int, end: int, name: Callable[[int], str]) -> str | None:
    """Write CSYNC (RFC 7477 section 2.1)."""
    types = type_list(octets, at + 6, end, name)
    return None if types is None else " ".join((str(number(octets, at, 4)), str(number(octets, at + 4, 2)), *types))


def hexadecimal(*sizes: int) -> Callable[[bytes, int, int], str | None]:
    """Return what writes numbers of so many octets each, and the rest in hexadecimal digits."""

    def write(octets: bytes, at: int, end: int) -> str | None:
        words = []
        for size in sizes:
            words.append(str(number(octets, at, size)))
            at += size
        return " ".join((*words, octets[at:end].hex())) if end > at else None

    return write


def base64(octets: bytes, at: int, end: int) -> str | None:
    """Write all octets in base 64."""
    return b64encode(octets[at:end]).decode() if end > at else None


def hardware_address(size: int) -> Callable[[bytes, int, int], str | None]:
    """Return what writes EUI48 or EUI64 (RFC 7043)."""
    return lambda octets, at, end: octets[at:end].hex("-") if end - at == size else None
