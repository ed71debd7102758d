"""The packet blocks of a pcapng section, read all at once: where each packet begins, its lengths, its time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.sources.batch import NO_TIME, Interface, pieces
from sniffkit.sources.pcapng_blocks import Block, Clock
from sniffkit.sources.source import DAMAGE_TOLD, MAX_CAPTURED, MAX_LENGTH

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENHANCED_LEAST = 32
"""Octets of an Enhanced (or obsolete) Packet Block around its packet; the last 4 are behind it."""

SIMPLE_LEAST = 16


@dataclass(slots=True)
class Section:
    """What the packets of a section need to know of it."""

    order: str
    interfaces: list[Interface] = field(default_factory=list)
    clocks: list[Clock] = field(default_factory=list)


@dataclass(slots=True)
class Packets:
    """Packets of one section that stand in one buffer; the arrays are those of a Batch.

    options: int64 (n,) where the options of each packet's block begin
    end:     int64 (n,) where they end at the latest
    """

    interfaces: list[Interface]
    offset: NDArray[np.int64]
    captured: NDArray[np.int64]
    length: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    link_type: NDArray[np.int32]
    interface: NDArray[np.int32]
    options: NDArray[np.int64]
    end: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Refused:
    """A packet block that contradicts itself: its row among the packet blocks, an error id and values."""

    row: int
    id: str
    values: dict[str, object]


def layout(order: str) -> np.dtype[np.void]:
    """Return the first 28 octets of an Enhanced Packet Block (RFC draft, section 4.3) as a structured type."""
    names = ["kind", "block", "interface", "high", "low", "captured", "length"]
    return np.dtype([(name, order + "u4") for name in names])


def headers(buffer: NDArray[np.uint8], starts: NDArray[np.int64], order: str) -> NDArray[np.void]:
    """Return the first 28 octets of the blocks at ``starts``, (n,) of ``layout``, whatever their alignment."""
    kind = layout(order)
    return pieces(buffer, starts, kind.itemsize).view(kind)


def read_packets(
    section: Section, starts: NDArray[np.int64], header: NDArray[np.void], known: NDArray[np.int64]
) -> tuple[Packets, list[Refused], int]:
    """Read the packet blocks at ``starts``; return their packets, the first refused blocks, how many were refused.

    starts: int64 (n,)
    header: (n,) of ``layout``, the blocks' first octets
    known:  int64 (n,) how many interfaces were described before each block
    """
    kind = header["kind"]
    block = header["block"].astype(np.int64)
    interface = header["interface"].astype(np.int64)
    captured = header["captured"].astype(np.int64)
    length = header["length"].astype(np.int64)
    around = np.full(len(starts), ENHANCED_LEAST, np.int64)
    simple = kind == Block.SIMPLE_PACKET
    if (kind != Block.ENHANCED_PACKET).any():
        obsolete = kind == Block.OBSOLETE_PACKET  # interface and drop count share the 32 bits
        interface[obsolete] = interface[obsolete] & 0xFFFF if section.order == "<" else interface[obsolete] >> 16
        around[simple] = SIMPLE_LEAST
        length[simple] = interface[simple]
        snap_length = section.interfaces[0].snap_length if section.interfaces else 0
        captured[simple] = np.minimum(length[simple], snap_length or 2**32)
        interface[simple] = 0
    good = (captured <= np.minimum(block - around, MAX_CAPTURED)) & (interface < known)
    refused = [] if good.all() else _refusals(~good, block, around, captured, interface, known)
    ticks = header["high"].astype(np.uint64) << np.uint64(32) | header["low"]
    if not good.all():
        starts, captured, length, interface = starts[good], captured[good], length[good], interface[good]
        block, around, ticks, simple = block[good], around[good], ticks[good], simple[good]
    offset = starts + around - 4
    link_types = np.array([each.link_type for each in section.interfaces] or [0], np.int32)
    packets = Packets(
        section.interfaces,
        offset,
        captured,
        np.minimum(length, MAX_LENGTH),
        np.where(simple, NO_TIME, _times(section.clocks, interface, ticks)),
        link_types[interface],
        interface.astype(np.int32),
        offset + (captured + 3 & ~3),
        starts + block - 4,
    )
    return packets, refused, len(good) - int(np.count_nonzero(good))


def _times(clocks: list[Clock], interface: NDArray[np.int64], ticks: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return nanoseconds, int64 (n,), each packet's ticks read with its interface's clock."""
    if len(set(clocks)) == 1:
        return clocks[0].nanoseconds(ticks)
    times = np.empty(len(ticks), np.int64)
    for number in np.unique(interface).tolist():
        rows = interface == number
        times[rows] = clocks[number].nanoseconds(ticks[rows])
    return times


def _refusals(
    bad: NDArray[np.bool_],
    block: NDArray[np.int64],
    around: NDArray[np.int64],
    captured: NDArray[np.int64],
    interface: NDArray[np.int64],
    known: NDArray[np.int64],
) -> list[Refused]:
    """Say of the first bad rows what is wrong with them."""
    refused = []
    for row in np.flatnonzero(bad)[:DAMAGE_TOLD].tolist():
        room = int(block[row] - around[row])
        values: dict[str, object]
        if room < 0:
            id, values = "pcapng.block-short", {"length": int(block[row]), "needed": int(around[row])}
        elif captured[row] > MAX_CAPTURED:
            id, values = "pcapng.captured-too-long", {"captured": int(captured[row]), "limit": MAX_CAPTURED}
        elif captured[row] > room:
            id, values = "pcapng.packet-exceeds-block", {"captured": int(captured[row]), "room": room}
        else:
            id = "pcapng.interface-unknown"
            values = {"interface": int(interface[row]), "interfaces": int(known[row])}
        refused.append(Refused(row, id, values))
    return refused
