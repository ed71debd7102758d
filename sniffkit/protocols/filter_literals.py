"""What a literal of a display filter means, by the kind of the field it is compared with."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from sniffkit.errors import UsageError
from sniffkit.protocols.display_filter_tree import Literal
from sniffkit.protocols.field_types import FieldType, Kind

NUMBERS = (Kind.UNSIGNED, Kind.SIGNED, Kind.FLAG)
TIMES = (Kind.TIME, Kind.DURATION)
OCTETS = (Kind.OCTETS, Kind.PROTOCOL)

INTEGER = re.compile(r"-?(0[xX][0-9a-fA-F]+|0[bB][01]+|\d+)")
HEX_OCTETS = re.compile(r"[0-9a-fA-F]{1,2}([:.-][0-9a-fA-F]{1,2})*|([0-9a-fA-F]{2})+")

NANOSECONDS = 10**9


@dataclass(frozen=True, slots=True)
class Network:
    """An address, or all that begin with its first bits: address and mask as integers of ``bits`` bits."""

    address: int
    mask: int
    bits: int


def value_of(literal: Literal, like: FieldType, expression: str) -> Any:
    """Return what a literal means: int, Network, bytes or str; raise UsageError where it is no such value.

    Numbers are ints (flags 0 or 1, times nanoseconds), MAC addresses ints, IP addresses Networks.
    """
    kind = like.kind
    if kind in NUMBERS:
        return number(literal, like, expression)
    if kind in TIMES:
        return nanoseconds(literal, like, expression)
    if kind is Kind.MAC:
        return mac(literal, like, expression)
    if kind is Kind.IPV4 or kind is Kind.IPV6:
        return network(literal, like, expression)
    if kind in OCTETS:
        return octets(literal, like, expression)
    if kind is Kind.TEXT:
        return text(literal, like, expression)
    wrong("filter.not-comparable", literal, like, expression)


def wrong(id: str, literal: Literal, like: FieldType, expression: str, **more: object) -> NoReturn:
    """Say that a literal does not fit the field it is compared with."""
    raise UsageError(
        id, value=expression, place=literal.start, width=literal.end - literal.start, field=like.id,
        found=literal.text, **more,
    )  # fmt: skip


def number(literal: Literal, like: FieldType, expression: str) -> int:
    """Read a number in any of C's notations, a character, or True and False for a flag."""
    if literal.char and literal.quoted is not None:
        return ord(literal.quoted)
    if literal.quoted is not None:
        wrong("filter.text-for-number", literal, like, expression)
    if like.kind is Kind.FLAG and literal.text in ("True", "TRUE", "False", "FALSE"):
        return int(literal.text in ("True", "TRUE"))
    if not INTEGER.fullmatch(literal.text):
        if re.fullmatch(r"[A-Za-z][\w-]*", literal.text) and like.id.endswith("port"):
            wrong("filter.name-for-port", literal, like, expression)
        if like.kind is Kind.FLAG:
            wrong("filter.no-flag", literal, like, expression)
        wrong("filter.no-number", literal, like, expression)
    bare = literal.text.lstrip("-").lower()
    octal = re.fullmatch(r"0[0-7]+", bare) is not None
    if bare.isdecimal() and len(bare) > 1 and bare[0] == "0" and not octal:
        wrong("filter.no-number", literal, like, expression)
    value = int(bare, 8) if octal else int(bare, 0) if len(bare) < 70 else 1 << 300
    if like.kind is Kind.FLAG:
        return int(value != 0)
    negative = literal.text.startswith("-")
    largest = (1 << like.bits) - 1 if like.kind is Kind.UNSIGNED else (1 << (like.bits - 1)) - 1
    if value > largest + negative:
        wrong("filter.too-large", literal, like, expression, largest=largest)
    return -value if negative else value


def nanoseconds(literal: Literal, like: FieldType, expression: str) -> int:
    """Read seconds with or without a fraction."""
    try:
        if literal.quoted is None and re.fullmatch(r"-?(\d+(\.\d*)?|\.\d+)", literal.text) and len(literal.text) < 40:
            return int(Decimal(literal.text) * NANOSECONDS)
    except (InvalidOperation, ValueError):
        pass
    wrong("filter.no-seconds", literal, like, expression)


def mac(literal: Literal, like: FieldType, expression: str) -> int:
    """Read a MAC address."""
    found = octets_in(literal.text) if literal.quoted is None else None
    if found is None or len(found) != 6:
        wrong("filter.no-mac", literal, like, expression)
    return int.from_bytes(found)


def network(literal: Literal, like: FieldType, expression: str) -> Network:
    """Read an IPv4 or IPv6 address, with or without the length of a prefix."""
    bits, family = (32, socket.AF_INET) if like.kind is Kind.IPV4 else (128, socket.AF_INET6)
    address, slash, length = literal.text.partition("/")
    try:
        value = int.from_bytes(socket.inet_pton(family, address if literal.quoted is None else ""))
        prefix = int(length) if slash else bits
        if prefix > bits:
            raise ValueError
    except (OSError, ValueError):
        wrong("filter.no-ipv4" if like.kind is Kind.IPV4 else "filter.no-ipv6", literal, like, expression)
    return Network(value, ((1 << prefix) - 1) << (bits - prefix), bits)


def octets(literal: Literal, like: FieldType, expression: str) -> bytes:
    """Read octets: 02:00:5e, 0x0200, or the characters of a string."""
    if literal.quoted is not None:
        return in_octets(literal.quoted)
    found = octets_in(literal.text)
    if found is None and re.fullmatch(r"0[xX][0-9a-fA-F]{1,60}", literal.text):
        digits = literal.text[2:]
        found = bytes.fromhex(digits.rjust(len(digits) + len(digits) % 2, "0"))
    if found is None:
        wrong("filter.no-octets", literal, like, expression)
    return found


def octets_in(text: str) -> bytes | None:
    """Return the octets that hexadecimal digits say, with or without signs between them."""
    if not HEX_OCTETS.fullmatch(text):
        return None
    if not re.search("[:.-]", text):
        return bytes.fromhex(text.rjust(len(text) + len(text) % 2, "0"))
    return bytes(int(part, 16) for part in re.split("[:.-]", text))


def in_octets(said: str) -> bytes:
    r"""Return the octets of a string; a character from \x80 to \xff is that octet, others are UTF-8."""
    return b"".join(bytes((ord(one),)) if ord(one) < 256 else one.encode("utf-8", "replace") for one in said)


def text(literal: Literal, like: FieldType, expression: str) -> str:
    """Read a text; where a field has fixed values, it must be one of them."""
    said = literal.text if literal.quoted is None else literal.quoted
    if like.names and said not in like.names:
        exact = {name.lower(): name for name in like.names}.get(said.lower())
        if exact is None:
            wrong("filter.no-such-value", literal, like, expression, names=", ".join(like.names))
        return exact
    return said


__all__ = ["NUMBERS", "OCTETS", "TIMES", "Network", "in_octets", "value_of"]
