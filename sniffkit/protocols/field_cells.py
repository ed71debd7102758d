"""Values as text, a whole column at once: each value's characters in a row of fixed width, filled up with PAD.

The text is exactly what ``tshark -T fields`` prints. Numbers are cut into groups of four digits, each group looked
up in a table of all groups; so a million addresses take tens of milliseconds, and not one is handled by itself.
"""

from __future__ import annotations

import socket
from functools import cache
from typing import TYPE_CHECKING, Any

from sniffkit.protocols.field_types import FieldType, Kind
from sniffkit.protocols.occurrences import Occurrences, Spans

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Cells = NDArray[np.uint8]

PAD = 0xFF
"""Stands where a row is shorter than the widest; no UTF-8 text holds this octet."""

GROUP = 10_000
SECOND = 10**9
HEX = b"0123456789abcdef"


def cells(found: Occurrences, field: FieldType) -> Cells | list[bytes]:
    """Return the texts of a field's occurrences: uint8 (k, width), or a list where their lengths differ much."""
    import numpy as np

    values, kind = found.values, field.kind
    if not len(found):
        return np.empty((0, 1), np.uint8)
    if found.texts is not None:
        return [text.encode("utf-8", "replace") for text in found.texts]
    if isinstance(values, Spans):
        return [values.octets(at).hex().encode() for at in range(len(values))]
    if kind is Kind.TEXT:
        return [text.encode("utf-8", "replace") for text in values.tolist()]
    if kind is Kind.LABEL:
        return np.full((len(found), 1), ord("1"), np.uint8)
    if kind is Kind.FLAG:
        return np.where(values != 0, ord("1"), ord("0")).astype(np.uint8).reshape(-1, 1)
    if kind is Kind.MAC:
        return mac_addresses(values)
    if kind is Kind.IPV4:
        return ipv4_addresses(values)
    if kind is Kind.IPV6:
        return ipv6_addresses(values)
    if kind in (Kind.TIME, Kind.DURATION):
        return seconds(values)
    return hexadecimals(values, field.digits) if field.digits > 0 else decimals(values)


def text_of(found: Occurrences, field: FieldType) -> list[str]:
    """Return the texts of a field's occurrences one by one."""
    made = cells(found, field)
    if isinstance(made, list):
        return [text.decode() for text in made]
    pad = bytes((PAD,))
    return [row.tobytes().replace(pad, b"").decode() for row in made]


@cache
def digit_groups() -> NDArray[np.uint32]:
    """Return the characters of 0 to 9999, four octets each: with leading zeros, then without, then none at all."""
    import numpy as np

    number = np.arange(GROUP)
    digits = np.stack([number // 1000, number // 100 % 10, number // 10 % 10, number % 10], axis=1) + ord("0")
    whole = digits.astype(np.uint8)
    bare = whole.copy()
    for place, least in enumerate((1000, 100, 10)):
        bare[number < least, place] = PAD
    every = np.concatenate([whole, bare, np.full((1, 4), PAD, np.uint8)])
    return every.view(np.uint32).reshape(-1)


EMPTY_GROUP = 2 * GROUP


@cache
def small_numbers() -> NDArray[np.void]:
    """Return the characters of 0 to 65535, five octets each."""
    import numpy as np

    number = np.arange(1 << 16)
    digits = (np.stack([number // 10**place % 10 for place in (4, 3, 2, 1, 0)], axis=1) + ord("0")).astype(np.uint8)
    for place, least in enumerate((10_000, 1000, 100, 10)):
        digits[number < least, place] = PAD
    return digits.view("V5").reshape(-1)


def octet_rows(values: NDArray[Any]) -> Cells:
    """Return an array's memory as one row of octets an entry."""
    import numpy as np

    return np.ascontiguousarray(values).view(np.uint8).reshape(len(values), -1)


def decimals(values: NDArray[Any]) -> Cells:
    """Write integers."""
    import numpy as np

    if values.dtype.itemsize <= 2 and values.dtype.kind in "ub":
        return octet_rows(small_numbers()[values])
    if not len(values):
        return np.empty((0, 1), np.uint8)
    if values.dtype.kind == "i" and int(values.min()) < 0:
        sign = np.where(values < 0, ord("-"), PAD).astype(np.uint8).reshape(-1, 1)
        return np.concatenate([sign, decimals(np.abs(values).astype(np.uint64))], axis=1)
    largest = int(values.max())
    if largest < 1 << 16:
        return octet_rows(small_numbers()[values.astype(np.uint16)])
    groups = 1
    while largest >= GROUP**groups:
        groups += 1
    table = digit_groups()
    text = np.empty((len(values), groups), np.uint32)
    rest = values.astype(np.uint32) if largest < 1 << 32 else values.astype(np.uint64)
    for place in range(groups - 1, -1, -1):
        above = rest // rest.dtype.type(GROUP)
        index = (rest - above * rest.dtype.type(GROUP)).astype(np.int32)
        index += np.where(above == 0, np.int32(GROUP), np.int32(0))
        if place < groups - 1:
            index[rest == 0] = EMPTY_GROUP
        text[:, place] = table[index]
        rest = above
    return octet_rows(text)


def zero_filled(values: NDArray[Any], digits: int) -> Cells:
    """Write integers with leading zeros."""
    import numpy as np

    groups = -(-digits // 4)
    text = np.empty((len(values), groups), np.uint32)
    rest = values
    for place in range(groups - 1, -1, -1):
        above = rest // GROUP
        text[:, place] = digit_groups()[rest - above * GROUP]
        rest = above
    return octet_rows(text)[:, 4 * groups - digits :]


def seconds(values: NDArray[Any]) -> Cells:
    """Write nanoseconds as seconds with nine decimals."""
    import numpy as np

    if not len(values):
        return np.empty((0, 1), np.uint8)
    negative = values < 0
    size = np.abs(values)
    whole = size // SECOND
    parts = [decimals(whole), np.full((len(values), 1), ord("."), np.uint8), zero_filled(size - whole * SECOND, 9)]
    if negative.any():
        parts.insert(0, np.where(negative, ord("-"), PAD).astype(np.uint8).reshape(-1, 1))
    return np.concatenate(parts, axis=1)


@cache
def hexadecimal_pairs() -> Cells:
    """Return the two hexadecimal digits of each octet, (256, 2)."""
    import numpy as np

    digits = np.frombuffer(HEX, np.uint8)
    return np.stack([np.repeat(digits, 16), np.tile(digits, 16)], axis=1)


@cache
def hexadecimal_words() -> NDArray[np.uint32]:
    """Return the four hexadecimal digits of each number of 16 bits."""
    import numpy as np

    pairs = hexadecimal_pairs()
    both = np.concatenate([np.repeat(pairs, 256, axis=0), np.tile(pairs, (256, 1))], axis=1)
    return np.ascontiguousarray(both).view(np.uint32).reshape(-1)


def hexadecimals(values: NDArray[Any], digits: int) -> Cells:
    """Write integers as 0x and at least so many hexadecimal digits."""
    import numpy as np

    largest = int(values.max(initial=0))
    width = max(digits, -(-largest.bit_length() // 4))
    words = -(-width // 4)
    text = np.empty((len(values), words), np.uint32)
    rest = values if largest < 1 << 16 else values.astype(np.uint64)
    for place in range(words - 1, -1, -1):
        text[:, place] = hexadecimal_words()[rest & rest.dtype.type(0xFFFF) if words > 1 else rest]
        rest = rest >> rest.dtype.type(16) if words > 1 else rest
    made = octet_rows(text)[:, 4 * words - width :]
    if width > digits:
        # leading zeros only as far as the least number of digits asks for them
        made = made.copy()
        for place in range(width - digits):
            made[values < 1 << 4 * (width - 1 - place), place] = PAD
    begin = np.broadcast_to(np.frombuffer(b"0x", np.uint8), (len(values), 2))
    return np.concatenate([begin, made], axis=1)


@cache
def address_octets() -> NDArray[np.uint32]:
    """Return each octet of an IPv4 address as it stands before a dot, four characters."""
    import numpy as np

    rows = [f"{octet}.".encode().rjust(4, bytes((PAD,))) for octet in range(256)]
    return np.frombuffer(b"".join(rows), np.uint32)


def ipv4_addresses(values: NDArray[Any]) -> Cells:
    """Write IPv4 addresses, uint32 (k,)."""
    import numpy as np

    octets = octet_rows(values.astype(">u4"))
    return octet_rows(address_octets()[octets].astype(np.uint32))[:, :15]


def mac_addresses(values: NDArray[Any]) -> Cells:
    """Write MAC addresses, uint64 (k,)."""
    import numpy as np

    octets = octet_rows(values.astype(">u8"))[:, 2:]
    text = np.full((len(values), 6, 3), ord(":"), np.uint8)
    text[:, :, :2] = hexadecimal_pairs()[octets]
    return text.reshape(len(values), 18)[:, :17]


def ipv6_addresses(values: NDArray[Any]) -> Cells:
    """Write IPv6 addresses, uint64 (k, 2), as RFC 5952 says; each one that occurs is written once."""
    import numpy as np

    raw = np.ascontiguousarray(values.astype(">u8")).view("V16").reshape(-1)
    unique, where = np.unique(raw.view("S16") if not len(raw) else raw, return_inverse=True)
    texts = [socket.inet_ntop(socket.AF_INET6, one.tobytes()).encode() for one in unique]
    width = max(map(len, texts), default=1)
    made = np.frombuffer(b"".join(text.ljust(width, bytes((PAD,))) for text in texts), np.uint8)
    return made.reshape(len(texts), width)[where.reshape(-1)]
