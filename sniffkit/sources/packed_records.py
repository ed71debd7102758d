"""A batch turned into the records of a capture file in one go, without work per packet in Python.

The header of each record is written into the gap before its packet, for all packets at once, and the file gets slices
of the batch's own buffer. That needs gaps wide enough, which the packet ring leaves; a batch without them is written
packet by packet (``Writer.write_batch``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sniffkit.sources.batch import NO_TIME
from sniffkit.sources.ring_packets import at_each, put_each

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.sources.batch import Batch

PCAP = np.dtype([("seconds", "<u4"), ("fraction", "<u4"), ("captured", "<u4"), ("length", "<u4")])
ENHANCED = np.dtype(
    [
        ("type", "<u4"), ("size", "<u4"), ("interface", "<u4"), ("high", "<u4"), ("low", "<u4"), ("captured", "<u4"),
        ("length", "<u4"),
    ]
)  # fmt: skip
SIZE = np.dtype("<u4")
ENHANCED_PACKET_BLOCK = 6

WORTH_A_GROUP = 40
"""Records of one size are copied together where there are so many of them on average; else one by one."""

ROOM_BEFORE = ENHANCED.itemsize
ROOM_BEHIND = 3 + SIZE.itemsize
"""pcapng fills up to a multiple of four and says the block's size once more."""


def record_sizes(batch: Batch, pcapng: bool) -> NDArray[np.int64]:
    """Return how many octets each packet takes in the file, (n,)."""
    if pcapng:
        return ENHANCED.itemsize + (batch.captured + 3 & ~3) + SIZE.itemsize
    return PCAP.itemsize + batch.captured


def has_room(batch: Batch) -> bool:
    """Whether the gaps between the packets are wide enough for their records."""
    if not batch.octets.flags.writeable or not len(batch):
        return False
    end = batch.offset + batch.captured
    return bool(
        batch.offset[0] >= ROOM_BEFORE
        and (batch.offset[1:] - end[:-1] >= ROOM_BEFORE + ROOM_BEHIND).all()
        and len(batch.octets) - int(end[-1]) >= ROOM_BEHIND
    )


def packed_records(batch: Batch, pcapng: bool) -> bytes | memoryview:
    """Return the records of all packets (nanoseconds); what stands between the packets of the batch is overwritten."""
    time = np.where(batch.time_ns == NO_TIME, 0, batch.time_ns)
    header = np.zeros(len(batch), ENHANCED if pcapng else PCAP)
    header["captured"] = batch.captured
    header["length"] = batch.length
    sizes = record_sizes(batch, pcapng)
    if pcapng:
        header["type"] = ENHANCED_PACKET_BLOCK
        header["size"] = sizes
        header["interface"] = batch.interface
        header["high"] = time >> 32
        header["low"] = time & 0xFFFFFFFF
        put_each(batch.octets, np.zeros(len(batch), "V3"), batch.offset + batch.captured)
        put_each(batch.octets, sizes.astype(SIZE), batch.offset + (batch.captured + 3 & ~3))
    else:
        header["seconds"], header["fraction"] = np.divmod(time, 1_000_000_000)
    begin = batch.offset - header.dtype.itemsize
    put_each(batch.octets, header, begin)
    different, which = np.unique(sizes, return_inverse=True)
    if len(different) * WORTH_A_GROUP > len(batch):
        view = batch.octets.data
        return b"".join([view[at:end] for at, end in zip(begin.tolist(), (begin + sizes).tolist(), strict=True)])
    records = np.empty(int(sizes.sum()), np.uint8)
    places = np.cumsum(sizes) - sizes
    for group, size in enumerate(different.tolist()):
        rows = np.flatnonzero(which == group) if len(different) > 1 else slice(None)
        put_each(records, at_each(batch.octets, np.dtype(f"V{size}"), begin[rows]), places[rows])
    return records.data
