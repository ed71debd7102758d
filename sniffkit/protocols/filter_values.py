"""Comparing a field's occurrences with a value, all at once: NumPy where the values are numbers or addresses."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sniffkit.protocols.field_types import Kind
from sniffkit.protocols.filter_literals import Network
from sniffkit.protocols.occurrences import Spans

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "all_eq": operator.eq, "!=": operator.ne, "any_ne": operator.ne,
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip


def compare(values: Any, kind: Kind, sign: str, other: Any) -> Mask:
    """Compare every value with one literal, bool (k,)."""
    import numpy as np

    test = OPERATORS[sign]
    if isinstance(values, Spans):
        return compare_octets(values, sign, other)
    if isinstance(other, Network):
        return compare_address(values, sign, other)
    if kind is Kind.TEXT:
        return of_each_text(values, lambda text: bool(test(text, other)))
    if kind is Kind.FLAG:
        found: Mask = np.asarray(test(values != 0, bool(other)), np.bool_)
        return found
    if values.dtype.kind == "u" and not 0 <= other <= np.iinfo(values.dtype).max:
        values = values.astype(np.float64) if other > np.iinfo(np.int64).max else values.astype(np.int64)
    found = np.asarray(test(values, other), np.bool_)
    return found


def compare_address(values: NDArray[Any], sign: str, other: Network) -> Mask:
    """Compare IPv4 (k,) or IPv6 (k, 2) addresses with an address or a network."""
    import numpy as np

    test = OPERATORS[sign]
    low = (1 << 64) - 1
    if other.bits == 32:
        found: Mask = np.asarray(test(values & np.uint32(other.mask), np.uint32(other.address & other.mask)))
        return found
    upper = values[:, 0] & np.uint64(other.mask >> 64)
    lower = values[:, 1] & np.uint64(other.mask & low)
    wanted = other.address & other.mask
    first, second = np.uint64(wanted >> 64), np.uint64(wanted & low)
    same: Mask = upper == first
    if sign in ("==", "all_eq"):
        same &= lower == second
        return same
    if sign in ("!=", "any_ne"):
        same &= lower == second
        return ~same
    strict = OPERATORS[sign[0]]
    found = np.asarray(strict(upper, first) | (same & test(lower, second)), np.bool_)
    return found


def compare_octets(values: Spans, sign: str, other: bytes) -> Mask:
    """Compare octets with octets: in order, a shorter one that is the beginning of a longer one comes first."""
    import numpy as np

    if sign in ("==", "all_eq", "!=", "any_ne"):
        same: Mask = values.length == len(other)
        if other and same.any():
            at = np.flatnonzero(same)
            window = values.buffer[values.start[at][:, None] + np.arange(len(other))]
            same[at] = (window == np.frombuffer(other, np.uint8)).all(axis=1)
        return same if sign in ("==", "all_eq") else ~same
    test = OPERATORS[sign]
    return np.array([test(values.octets(at), other) for at in range(len(values))], np.bool_)


def of_each_text(values: NDArray[Any], test: Callable[[str], bool]) -> Mask:
    """Test every text, equal ones once."""
    import numpy as np

    known: dict[str, bool] = {}
    found = []
    for text in values.tolist():
        if text not in known:
            known[text] = test(text)
        found.append(known[text])
    return np.array(found, np.bool_)


def contains(values: Any, kind: Kind, wanted: bytes) -> Mask:
    """Tell which values hold some octets somewhere."""
    import numpy as np

    if isinstance(values, Spans):
        return find_octets(values, wanted)
    if kind is Kind.TEXT:
        return of_each_text(values, lambda text: wanted in text.encode())
    if kind is Kind.MAC:
        return np.array([wanted in value.to_bytes(6) for value in values.tolist()], np.bool_)
    return np.array([wanted in value.tobytes() for value in values.astype(">u8")], np.bool_)


def find_octets(values: Spans, wanted: bytes) -> Mask:
    """Tell which spans hold some octets: their buffer is searched once, and each find is given to its spans."""
    import numpy as np

    if not wanted:
        return np.ones(len(values), np.bool_)
    text = values.buffer.tobytes()
    places: list[int] = []
    at = text.find(wanted)
    while at >= 0:
        places.append(at)
        at = text.find(wanted, at + 1)
    finds = np.array(places, np.int64)
    # the first find at or behind a span's start must end within the span
    following = np.searchsorted(finds, values.start)
    found = np.zeros(len(values), np.bool_)
    some = following < len(finds)
    found[some] = finds[following[some]] + len(wanted) <= (values.start + values.length)[some]
    return found


def matches(values: Any, search: Callable[[bytes], bool]) -> Mask:
    """Tell in which values a pattern is found."""
    import numpy as np

    if isinstance(values, Spans):
        return np.array([search(values.octets(at)) for at in range(len(values))], np.bool_)
    return of_each_text(values, lambda text: search(text.encode()))


def octets_of(values: Any, kind: Kind) -> Spans:
    """Return values of a kind that can be sliced as the octets they are."""
    import numpy as np

    if isinstance(values, Spans):
        return values
    if kind is Kind.TEXT:
        return Spans.of([text.encode() for text in values.tolist()])
    width = {Kind.MAC: 6, Kind.IPV4: 4, Kind.IPV6: 16}[kind]
    raw = np.ascontiguousarray(values.astype(">u8")).view(np.uint8).reshape(len(values), -1)[:, -width:]
    start = np.arange(len(values), dtype=np.int64) * width
    flat = np.concatenate([np.ascontiguousarray(raw).reshape(-1), np.zeros(1, np.uint8)])
    return Spans(flat, start, np.full(len(values), width, np.int64))


def sliced(values: Spans, parts: tuple[tuple[int, int], ...]) -> tuple[NDArray[np.int64], Spans]:
    """Return the octets of ``[...]`` of each value: which values are long enough, and their slices."""
    import numpy as np

    there = np.ones(len(values), np.bool_)
    begins, lengths = [], []
    for first, length in parts:
        begin = values.length + first if first < 0 else np.full(len(values), first)
        rest = values.length - begin
        there &= (begin >= 0) & (rest >= (1 if length < 0 else length))
        begins.append(begin)
        lengths.append(rest if length < 0 else np.full(len(values), length))
    at = np.flatnonzero(there)
    if len(parts) == 1:
        return at, Spans(values.buffer, (values.start + begins[0])[at], lengths[0][at])
    joined = [
        b"".join(
            values.octets(one)[int(begin[one]) : int(begin[one] + length[one])]
            for begin, length in zip(begins, lengths, strict=True)
        )
        for one in at.tolist()
    ]
    return at, Spans.of(joined)


def as_numbers(values: Spans) -> NDArray[np.uint64]:
    """Return octets as big-endian numbers; of more than eight the last eight count."""
    import numpy as np

    found = np.zeros(len(values), np.uint64)
    for back in range(8, 0, -1):
        has = values.length >= back
        place = np.where(has, values.start + values.length - back, 0)
        octet = np.where(has, values.buffer[place], 0).astype(np.uint64)
        found = (found << np.uint64(8)) | octet
    return found


def paired(
    one: tuple[NDArray[np.int64], Any], two: tuple[NDArray[np.int64], Any]
) -> tuple[NDArray[np.int64], Any, Any]:
    """Return every pair of two fields' values in the same packet: packets, left and right values."""
    import numpy as np

    (packets, left), (others, right) = one, two
    begin, end = np.searchsorted(others, packets), np.searchsorted(others, packets, side="right")
    count = end - begin
    which = np.repeat(np.arange(len(packets)), count)
    place = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(begin, count)
    return packets[which], left[which], right[place]


def widened(values: Any) -> Any:
    """Return unsigned numbers as signed ones, so that different widths compare by value."""
    import numpy as np

    return values.astype(np.int64) if values.dtype.kind == "u" and values.dtype.itemsize < 8 else values


def calculated(sign: str, packet: Any, left: Any, right: Any) -> tuple[Any, Any]:
    """Return a sum: packets and values; where something is divided by 0 there is no value."""
    import numpy as np

    if sign == "&":
        return packet, to_integers(left) & to_integers(right)
    one, two = to_integers(left), to_integers(right)
    if sign in "/%":
        good = np.broadcast_to(np.not_equal(two, 0), np.broadcast(one, two).shape)
        if packet is None:
            whole = 0 if not good else abs(int(one)) // abs(int(two)) * (-1 if (one < 0) != (two < 0) else 1)
            return None, whole if sign == "/" else int(one) - whole * int(two or 0)
        one, two = (np.broadcast_to(side, good.shape)[good] for side in (one, two))
        return packet[good], one // two if sign == "/" else np.fmod(one, two)
    operations: dict[str, Callable[[Any, Any], Any]] = {"+": np.add, "-": np.subtract, "*": np.multiply}
    if packet is None:
        return None, {"+": one + two, "-": one - two, "*": one * two}[sign]
    return packet, operations[sign](one, two)


def to_integers(values: Any) -> Any:
    """Return numbers wide enough to calculate with: int64 (k,), or a Python int cut to 64 bits."""
    import numpy as np

    if isinstance(values, int):
        return values if -(2**63) <= values < 2**63 else (values + 2**63) % 2**64 - 2**63
    return values.astype(np.int64)
