"""The same packet captured twice (loopback, the ``any`` device, a mirror port): not a packet that was sent twice.

A stack that sends something again builds a new packet: another IP identification, mostly another time stamp option
and so another checksum. Two captures of one packet agree in all of it and stand close together in time. (A network that
doubles a packet looks the same from here.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.endpoint_pairs import distinct
from sniffkit.analysis.segments import ip_ends

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from sniffkit.analysis.segments import Segments
    from sniffkit.protocols.columns import Columns, Rows

WITH_IDENTIFICATION_NS = 50_000_000
"""How far apart two captures of a packet with an IP identification may be: below any retransmission timer."""

WITHOUT_IDENTIFICATION_NS = 1_000_000
"""The same where there is none (IPv6, or 0): acks that repeat each other on purpose must not be taken for one."""

DOUBLED_SHARE = 0.4
"""Where this share of the packets so far are certain second captures, everything is captured twice (at best half)."""

FARTHEST = 1024
"""The second capture of a packet is at most so many packets behind the first: so long each is remembered."""

COMPARED = 32
"""Octets of a datagram that are compared where no header vouches for them; DNS has its id in the first two."""

_UDP_HEADER, _WORD = 8, 8
_ODD = np.uint64(0x9E3779B97F4A7C15)


class CapturedTwice:
    """Finds second captures, batch by batch; what a packet is hangs on those before it, not on where a batch ends."""

    def __init__(self) -> None:
        self._hash = np.zeros(0, np.uint64)
        self._number = np.zeros(0, np.int64)
        self._time = np.zeros(0, np.int64)
        self._certain = self._packets = 0

    def feed(self, columns: Columns, segments: Segments | None = None) -> NDArray[np.int64]:
        """Return for each packet of the batch the number of the packet it repeats, or 0: int64 (n,).

        segments: of the batch, where they are there already
        """
        batch = columns.batch
        repeats = np.zeros(len(batch), np.int64)
        parts = [_hashes(columns, protocol, segments) for protocol in ("tcp", "udp", "icmp", "icmpv6")]
        row = np.concatenate([part[0] for part in parts])
        limit = np.concatenate([part[2] for part in parts])
        carried = len(self._hash)
        every = np.concatenate([self._hash, *(part[1] for part in parts)])
        numbers = np.concatenate((self._number, row + batch.first))
        times = np.concatenate((self._time, batch.time_ns[row]))
        certain = np.zeros(0, np.int64)
        later, earlier = _alike(every, numbers)
        mine = later >= carried
        if mine.any():
            later, earlier = later[mine], earlier[mine]
            at = later - carried
            apart, behind = times[later] - times[earlier], numbers[later] - numbers[earlier]
            near = (apart >= 0) & (apart <= np.abs(limit[at])) & (behind > 0) & (behind <= FARTHEST)
            sure = near & (limit[at] > 0)
            certain = np.sort(row[at[sure]])
            doubtful = np.flatnonzero(near & ~sure)
            if len(doubtful):
                near[doubtful] = self._all_doubled(row[at[doubtful]], certain, np.sort(row[limit > 0]))
            repeats[row[at[near]]] = numbers[earlier[near]]
        self._certain += len(certain)
        self._packets += int(np.count_nonzero(limit > 0))
        last = np.flatnonzero(numbers >= batch.first + len(batch) - FARTHEST)
        self._hash, self._number, self._time = every[last], numbers[last], times[last]
        return repeats

    def _all_doubled(
        self, row: NDArray[np.int64], certain: NDArray[np.int64], could_be: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Return whether, as far as the packets up to each of ``row`` tell, everything is captured twice: bool (k,).

        certain, could_be: int64, ascending, packets of the batch that are, and that could be, certain second captures
        """
        found = self._certain + np.searchsorted(certain, row, side="right")
        packets = self._packets + np.searchsorted(could_be, row, side="right")
        doubled: NDArray[np.bool_] = (found > 0) & (found >= DOUBLED_SHARE * packets)
        return doubled


def _alike(hashes: NDArray[np.uint64], number: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows with the same hash as another: each and the one before it by packet number, int64 (k,) each.

    The bare hashes are sorted first, which is quick, and mostly shows that there are no such rows.
    """
    ascending = np.sort(hashes)
    doubled = distinct(ascending[1:][ascending[1:] == ascending[:-1]])
    if not len(doubled):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    rows = np.flatnonzero(doubled.take(np.searchsorted(doubled, hashes), mode="clip") == hashes)
    rows = rows[np.argsort(number[rows], kind="stable")]
    rows = rows[np.argsort(hashes[rows], kind="stable")]
    same = hashes[rows[1:]] == hashes[rows[:-1]]
    return rows[1:][same], rows[:-1][same]


def _hashes(
    columns: Columns, protocol: str, segments: Segments | None
) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]]:
    """Return packet, hash of all that identifies it, and how far apart two captures may be, for each header.

    A negative distance: two such packets may also have been sent on purpose.
    """
    rows: Rows = columns.rows(protocol)
    if not len(rows.row):
        empty = np.zeros(0, np.int64)
        return empty, empty.astype(np.uint64), empty
    if protocol == "tcp" and segments is not None:
        source, destination, identification = segments.source, segments.destination, segments.identification
    else:
        source, destination, identification = ip_ends(columns, rows.parent, rows.parent_index)
    fields = {
        "tcp": ("tcp.srcport", "tcp.dstport", "tcp.seq_raw", "tcp.ack_raw", "tcp.flags", "tcp.window_size_value"),
        "udp": ("udp.srcport", "udp.dstport", "udp.length"),
    }.get(protocol, (f"{protocol}.type", f"{protocol}.code"))
    words: list[NDArray[np.generic]] = [columns[field] for field in (*fields, f"{protocol}.checksum")]
    words += [identification, rows.length]
    if protocol == "udp":  # without identification or checksum only what they say tells two answers apart
        words += _content(columns, rows, np.flatnonzero((identification <= 0) | (columns["udp.checksum"] == 0)))
    mixed = source[:, 0] * _ODD ^ destination[:, 0]  # nothing but 0 under IPv4
    for word in (source[:, 1], destination[:, 1], *_packed(words)):
        mixed ^= word
        mixed *= _ODD
        mixed ^= mixed >> np.uint64(31)
    limit = np.where(identification > 0, WITH_IDENTIFICATION_NS, WITHOUT_IDENTIFICATION_NS)
    if protocol == "tcp":  # a bare ack without identification may well be sent twice on purpose: not certain
        bare = (identification <= 0) & (rows.length <= columns["tcp.hdr_len"]) & ((columns["tcp.flags"] & 7) == 0)
        limit = np.where(bare, -limit, limit)
    return rows.row, mixed, limit


def _content(columns: Columns, rows: Rows, which: NDArray[np.int64]) -> Iterator[NDArray[np.uint64]]:
    """Yield the first octets that the datagrams ``which`` carry, eight to a number; 0 for all others."""
    octets = columns.batch.octets
    words = np.ndarray((len(octets) - _WORD + 1,), "<u8", octets.data, strides=(1,))
    left = rows.present[which] - _UDP_HEADER
    for step in range(0, COMPARED, _WORD):
        word = words[rows.offset[which] + _UDP_HEADER + step]
        missing = (_WORD - (left - step)).clip(0, _WORD).astype(np.uint64) * np.uint64(8)
        found = np.zeros(len(rows.row), np.uint64)
        found[which] = np.where(missing < 64, word << missing.clip(0, 63), 0)
        yield found


def _packed(words: Sequence[NDArray[np.generic]]) -> Iterator[NDArray[np.uint64]]:
    """Yield columns side by side in numbers of 64 bits, as many in one as there is room for."""
    number, room = np.zeros(len(words[0]), np.uint64), 64
    for word in words:
        bits = 8 * word.dtype.itemsize
        if bits > room:
            yield number
            number, room = np.zeros(len(word), np.uint64), 64
        room -= bits
        number |= word.view(f"u{word.dtype.itemsize}").astype(np.uint64) << np.uint64(room)
    yield number
