"""Packets packed one behind the other as the records of a capture file, without work per packet in Python.

The header of each record is written into the room before its packet, for all packets at once, and the records are then
copied together. The result is at once what goes to the file and the buffer of a batch: one copy for both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sniffkit.sources.batch import GUARD

if TYPE_CHECKING:
    from numpy.typing import NDArray

Form = Literal["pcap", "pcapng"]

PCAP = np.dtype([("seconds", "<u4"), ("fraction", "<u4"), ("captured", "<u4"), ("length", "<u4")])
ENHANCED = np.dtype(
    [
        ("type", "<u4"), ("size", "<u4"), ("interface", "<u4"), ("high", "<u4"), ("low", "<u4"), ("captured", "<u4"),
        ("length", "<u4"),
    ]
)  # fmt: skip
PIECE = np.dtype(np.complex128)
"""The plain type of 16 octets, as many as a record's header of pcap has. Where such pieces stand at multiples of 8 they
are read and written five times as fast as other octets."""

PIECES_AT = 8

FEW_SIZES = 12
"""Packets of so many different sizes are copied size by size."""

SIZE = np.dtype("<u4")
ENHANCED_PACKET_BLOCK = 6

BEFORE: dict[Form, int] = {"pcap": PCAP.itemsize, "pcapng": ENHANCED.itemsize}
"""Octets of a record before its packet."""


def record_sizes(captured: NDArray[np.int64], form: Form) -> NDArray[np.int64]:
    """Return how many octets each packet takes in the file, (n,)."""
    if form == "pcapng":  # filled up to a multiple of four, and the size once more
        return ENHANCED.itemsize + (captured + 3 & ~3) + SIZE.itemsize
    return PCAP.itemsize + captured


def packed(
    octets: NDArray[np.uint8],
    offset: NDArray[np.int64],
    captured: NDArray[np.int64],
    times_and_lengths: NDArray[np.uint32],
    form: Form,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the records of all packets (nanoseconds, interface 0) and where in them each packet begins.

    octets:            28 octets before each packet are free and are written over
    times_and_lengths: (n, 4) seconds, nanoseconds, octets captured, octets on the wire
    The records are followed by GUARD zero octets, as a batch has it.
    """
    sizes = record_sizes(captured, form)
    begin = offset - BEFORE[form]
    if form == "pcap":  # its header is these four numbers
        headers = np.ascontiguousarray(times_and_lengths, "<u4")
        if (begin & PIECES_AT - 1).any():
            put_each(octets, headers.view(PCAP).reshape(-1), begin)
        else:
            _pieces(octets)[begin // PIECES_AT] = headers.view(PIECE).reshape(-1)
        records, places = together(octets, begin, sizes)
        return records, places + PCAP.itemsize
    seconds, nanoseconds = (times_and_lengths[:, column].astype(np.int64) for column in (0, 1))
    time = seconds * 1_000_000_000 + nanoseconds
    header = np.zeros(len(offset), ENHANCED)
    header["type"] = ENHANCED_PACKET_BLOCK
    header["size"] = sizes
    header["high"] = time >> 32
    header["low"] = time & 0xFFFFFFFF
    header["captured"], header["length"] = times_and_lengths[:, 2], times_and_lengths[:, 3]
    put_each(octets, header, begin)
    records, places = together(octets, begin, sizes - SIZE.itemsize, behind=SIZE.itemsize)
    put_each(records, sizes.astype(SIZE), places + sizes - SIZE.itemsize)
    places += ENHANCED.itemsize
    for filling in (1, 2, 3):  # what stood behind the packet is nobody's business
        rows = np.flatnonzero((-captured & 3) == filling)
        put_each(records, np.zeros(len(rows), f"V{filling}"), places[rows] + captured[rows])
    return records, places


def together(
    octets: NDArray[np.uint8], begin: NDArray[np.int64], sizes: NDArray[np.int64], behind: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Copy pieces of a buffer together, ``behind`` octets left between them; return them and where each begins.

    Where there are but a few sizes, pieces of the same size are copied together. Else those of 2^k to 2^(k+1) octets
    are, the first 2^k octets of each and the last 2^k: so a dozen groups are enough for pieces of any size.
    """
    ends = np.cumsum(sizes + behind)
    places = ends - (sizes + behind)
    whole = np.empty((int(ends[-1]) if len(ends) else 0) + GUARD, np.uint8)
    whole[-GUARD:] = 0
    if not len(sizes):
        return whole, places
    least, most = int(sizes.min()), int(sizes.max())
    if least == most:
        put_each(whole, at_each(octets, np.dtype(f"V{most}"), begin), places)
        return whole, places
    present = np.flatnonzero(np.bincount(sizes - least))
    if len(present) <= FEW_SIZES:
        for size in (present + least).tolist():
            rows = np.flatnonzero(sizes == size)
            put_each(whole, at_each(octets, np.dtype(f"V{size}"), begin[rows]), places[rows])
        return whole, places
    for power in range(least.bit_length() - 1, most.bit_length()):
        rows = np.flatnonzero(sizes >> power == 1)
        if len(rows):
            form, source, target = np.dtype(f"V{1 << power}"), begin[rows], places[rows]
            put_each(whole, at_each(octets, form, source), target)
            rest = sizes[rows] - (1 << power)
            put_each(whole, at_each(octets, form, source + rest), target + rest)
    return whole, places


def at_each(octets: NDArray[np.uint8], form: np.dtype[Any], places: NDArray[np.int64]) -> NDArray[Any]:
    """Return what stands at each place, read as ``form``: a copy, (n,)."""
    found: NDArray[Any] = _anywhere(octets, form)[places]
    return found


def pieces_at(octets: NDArray[np.uint8], places: NDArray[np.int64]) -> NDArray[np.complex128]:
    """Return the 16 octets at each place, a multiple of 8: (n,)."""
    found: NDArray[np.complex128] = _pieces(octets)[places // PIECES_AT]
    return found


def _pieces(octets: NDArray[np.uint8]) -> NDArray[np.complex128]:
    """Return a view that has, for a piece at any multiple of 8, that piece."""
    return np.ndarray((max(len(octets) // PIECES_AT - 1, 0),), PIECE, octets.data, 0, (PIECES_AT,))


def put_each(octets: NDArray[np.uint8], records: NDArray[Any], places: NDArray[np.int64]) -> None:
    """Write one record at each place."""
    _anywhere(octets, records.dtype)[places] = records


def _anywhere(octets: NDArray[np.uint8], form: np.dtype[Any]) -> NDArray[Any]:
    """Return a view that has, for a record of ``form`` at any octet, that record."""
    return np.ndarray((max(len(octets) - form.itemsize + 1, 0),), form, octets.data, 0, (1,))
