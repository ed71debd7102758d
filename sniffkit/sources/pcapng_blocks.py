"""What stands inside a pcapng block: options, an interface and its clock, names of addresses, comments.

Format: draft-ietf-opsawg-pcapng. Whatever a block promises and does not hold is left out; nothing here fails.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.sources.batch import NO_TIME, Interface

if TYPE_CHECKING:
    from numpy.typing import NDArray

BYTE_ORDER_MAGIC = 0x1A2B3C4D


SECTION_MAGIC = b"\x0a\x0d\x0d\x0a"
"""A section's first four octets, the same in both byte orders."""

SOUGHT = 1024 * 1024
"""After damage, blocks no longer than this are looked for."""


class Block(IntEnum):
    """Block types that are read, or at least known (draft-ietf-opsawg-pcapng, section 11.1)."""

    INTERFACE = 1
    OBSOLETE_PACKET = 2
    SIMPLE_PACKET = 3
    NAMES = 4
    STATISTICS = 5
    ENHANCED_PACKET = 6
    JOURNAL = 9
    SECRETS = 10
    CUSTOM = 0x0BAD
    CUSTOM_NOT_COPIED = 0x40000BAD
    SECTION = 0x0A0D0D0A


class Option(IntEnum):
    """Codes of options; those from 2 on depend on the block they stand in."""

    END = 0
    COMMENT = 1
    INTERFACE_NAME = 2
    INTERFACE_DESCRIPTION = 3
    TIME_RESOLUTION = 9
    TIME_OFFSET = 14


KNOWN = np.array([each for each in Block if each != Block.SECTION], np.uint32)

FIXED = {  # where a block's options begin, counted from the block's first octet
    Block.SECTION: 24,
    Block.INTERFACE: 16,
    Block.STATISTICS: 20,
}

SECOND = 10**9
LATEST = 2**63 - 1
"""``time_ns`` of a time stamp past the year 2262, as much as an int64 of nanoseconds holds."""

MICROSECONDS = 6
"""A clock's resolution where the interface does not give one: 10**-6 s."""

FEW = 64
"""So few blocks with options are walked one by one, more of them together."""


@dataclass(frozen=True, slots=True)
class Clock:
    """How an interface counts time: 10**-resolution s, or 2**-(resolution - 128) s from 128 on; plus ``offset`` s."""

    resolution: int = MICROSECONDS
    offset: int = 0

    def nanoseconds(self, ticks: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return nanoseconds since 1970, int64 (n,), of ``ticks``, uint64 (n,); what does not fit is clamped."""
        exponent = self.resolution & 0x7F
        binary = self.resolution >= 0x80
        if not binary and exponent <= 9 and not self.offset:
            factor = 10 ** (9 - exponent)
            if not len(ticks) or int(ticks.max()) <= LATEST // factor:
                exact: NDArray[np.int64] = ticks.astype(np.int64) * factor
                return exact
        if binary and exponent <= 34:  # 2**34 * 10**9 still fits 64 bits
            seconds = ticks >> np.uint64(exponent)
            rest = ticks & np.uint64((1 << exponent) - 1)
            fraction = rest * np.uint64(SECOND) >> np.uint64(exponent)
        elif not binary and exponent <= 19:
            units = np.uint64(10**exponent)
            seconds = ticks // units
            fraction = ticks % units
            if exponent <= 9:
                fraction = fraction * np.uint64(10 ** (9 - exponent))
            else:
                fraction = fraction // np.uint64(10 ** (exponent - 9))
        else:  # nobody's clock is so fine; Python's integers have no end
            per_second = 2**exponent if binary else 10**exponent
            whole = [tick * SECOND // per_second for tick in ticks.tolist()]
            seconds = np.array([each // SECOND for each in whole], np.uint64)
            fraction = np.array([each % SECOND for each in whole], np.uint64)
        offset = max(-(2**62), min(self.offset, 2**62))
        total = np.minimum(seconds, np.uint64(2**62 - 1)).astype(np.int64) + offset
        most = LATEST // SECOND
        nanoseconds: NDArray[np.int64] = np.clip(total, -most, most) * SECOND + fraction.astype(np.int64)
        nanoseconds[total > most] = LATEST
        nanoseconds[(total == most) & (fraction > LATEST % SECOND)] = LATEST
        nanoseconds[total < -most] = NO_TIME + 1
        return nanoseconds


def byte_order(octets: bytes | memoryview, position: int = 0) -> str:
    """Return "<" or ">" for a Section Header Block at ``position``, "" where its byte-order magic is wrong."""
    for order in "<>":
        if struct.unpack_from(order + "I", octets, position + 8)[0] == BYTE_ORDER_MAGIC:
            return order
    return ""


def options(block: bytes, position: int, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield the (code, value) of the options that begin at ``position`` and end 4 octets before the block's end."""
    unpack = struct.Struct(order + "HH").unpack_from
    end = len(block) - 4
    while position + 4 <= end:
        code, length = unpack(block, position)
        value = block[position + 4 : position + 4 + length]
        if code == Option.END or position + 4 + length > end:
            return
        yield code, value
        position += 4 + (length + 3 & ~3)


def text(value: bytes) -> str:
    """Return a UTF-8 string; other octets show as U+FFFD."""
    return value.split(b"\0", 1)[0].decode("utf-8", "replace")


def read_interface(block: bytes, order: str) -> tuple[Interface, Clock, list[str]]:
    """Return what an Interface Description Block says, its clock, and its comments."""
    link_type, _, snap_length = struct.unpack_from(order + "HHI", block, 8)
    name = description = ""
    resolution, offset = MICROSECONDS, 0
    comments = []
    for code, value in options(block, FIXED[Block.INTERFACE], order):
        if code == Option.INTERFACE_NAME:
            name = text(value)
        elif code == Option.INTERFACE_DESCRIPTION:
            description = text(value)
        elif code == Option.TIME_RESOLUTION and value:
            resolution = value[0]
        elif code == Option.TIME_OFFSET and len(value) == 8:
            (offset,) = struct.unpack(order + "q", value)
        elif code == Option.COMMENT:
            comments.append(text(value))
    return Interface(link_type, snap_length, name, description), Clock(resolution, offset), comments


def read_names(block: bytes, order: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the (address, name) pairs of a Name Resolution Block, and its comments."""
    pairs = []
    position = 8
    end = len(block) - 4
    while position + 4 <= end:
        kind, length = struct.unpack_from(order + "HH", block, position)
        value = block[position + 4 : position + 4 + length]
        position += 4 + (length + 3 & ~3)
        if kind == 0 or position > end:
            break
        size = {1: 4, 2: 16}.get(kind)
        if size and length > size:
            address = str(ipaddress.ip_address(value[:size]))
            pairs += [(address, text(name)) for name in value[size:].split(b"\0") if name]
    return pairs, read_comments(block, position, order)


def read_comments(block: bytes, position: int, order: str) -> list[str]:
    """Return the comments among the options that begin at ``position``."""
    return [text(value) for code, value in options(block, position, order) if code == Option.COMMENT]


def rows_with_comments(
    buffer: NDArray[np.uint8], position: NDArray[np.int64], end: NDArray[np.int64], order: str
) -> list[int]:
    """Return which rows have a comment among their options; the options stand from ``position`` to ``end``.

    All rows take one option a step, so that captures where each packet has some option stay fast.
    """
    layout = np.dtype([("code", order + "u2"), ("length", order + "u2")])
    header = np.ndarray((len(buffer) - 3,), layout, buffer, 0, (1,))
    found: list[int] = []
    row = np.flatnonzero(position + 4 <= end)
    position, end = position[row], end[row]
    while len(row) > FEW:
        option = header[position]
        code = option["code"]
        found += row[code == Option.COMMENT].tolist()
        position = position + 4 + (option["length"].astype(np.int64) + 3 & ~3)
        going = (code != Option.COMMENT) & (code != Option.END) & (position + 4 <= end)
        row, position, end = row[going], position[going], end[going]
    for start, stop, number in zip(position.tolist(), end.tolist(), row.tolist(), strict=True):
        if read_comments(buffer[start : stop + 4].tobytes(), 0, order):
            found.append(number)
    return sorted(found)


def find_block(buffer: NDArray[np.uint8], position: int, filled: int, order: str, ended: bool) -> int | None:
    """Return where, from ``position`` on, something stands that looks like a block of a known type.

    Its length has to be sane and to stand at its end too; where its end is not in the buffer and more octets come,
    the beginning has to do. Without an ``order`` only sections are looked for: they tell their own.
    """
    span = 1024
    while position + 12 <= filled:
        stop = min(position + span, filled - 11)
        words = buffer[position : stop + 7]
        kind = np.ndarray((stop - position,), (order or "<") + "u4", words, 0, (1,))
        length = np.ndarray((stop - position,), (order or "<") + "u4", words, 4, (1,))
        likely = np.isin(kind, KNOWN) & (length >= 12) & (length <= SOUGHT) & (length & 3 == 0)
        if not order:
            likely[:] = False
        for row in np.flatnonzero(likely | (kind == Block.SECTION)).tolist():
            if _looks_whole(buffer[:filled].data, position + row, order, ended):
                return position + row
        position = stop
        span = min(span * 4, 1 << 18)
    return None


def _looks_whole(view: memoryview, position: int, order: str, ended: bool) -> bool:
    if bytes(view[position : position + 4]) == SECTION_MAGIC:
        order = byte_order(view, position)
    if not order:
        return False
    (length,) = struct.unpack_from(order + "I", view, position + 4)
    if length < 12 or length > SOUGHT or length & 3:
        return False
    if position + length > len(view):
        return not ended
    return bytes(view[position + 4 : position + 8]) == bytes(view[position + length - 4 : position + length])
