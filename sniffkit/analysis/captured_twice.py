"""The same packet captured twice (loopback, the ``any`` device, a mirror port): not a packet that was sent twice.

A stack that sends something again builds a new packet: another IP identification, mostly another time stamp option
and so another checksum. Two captures of one packet agree in all of it and stand close together in time. (A network that
doubles a packet looks the same from here.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

PROTOCOLS = ("tcp", "udp", "icmp", "icmpv6")

_FIELDS = {
    "tcp": ("tcp.srcport", "tcp.dstport", "tcp.seq_raw", "tcp.ack_raw", "tcp.flags", "tcp.window_size_value"),
    "udp": ("udp.srcport", "udp.dstport", "udp.length"),
}
_TELLING = {"tcp": ("tcp.seq_raw",), "udp": ("udp.srcport", "udp.dstport")}
"""What tells most packets apart together with the identification and the checksum."""

_UDP_HEADER, _WORD = 8, 8
_ODD = np.uint64(0x9E3779B97F4A7C15)


class CapturedTwice:
    """Finds second captures, batch by batch; what a packet is hangs on those before it, not on where a batch ends."""

    def __init__(self) -> None:
        self._key = np.zeros(0, np.uint64)
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
        parts = [_Headers(columns, protocol, segments) for protocol in PROTOCOLS if len(columns.rows(protocol))]
        certain = np.zeros(0, np.int64)
        carried = len(self._key)
        keys = np.concatenate([self._key, *(part.key for part in parts)])
        alike = _doubled(keys)
        if len(alike) and alike[-1] >= carried:
            old = alike[: np.searchsorted(alike, carried)]
            chosen, begin = [], carried
            for part in parts:
                chosen.append(alike[slice(*np.searchsorted(alike, (begin, begin + len(part.key))))] - begin)
                begin += len(part.key)
            row = np.concatenate([part.row[which] for part, which in zip(parts, chosen, strict=True)])
            limit = np.concatenate([part.limit(which) for part, which in zip(parts, chosen, strict=True)])
            hashes = [part.hashes(which) for part, which in zip(parts, chosen, strict=True)]
            numbers = np.concatenate((self._number[old], row + batch.first))
            times = np.concatenate((self._time[old], batch.time_ns[row]))
            later, earlier = _alike(np.concatenate([self._hash[old], *hashes]), numbers)
            mine = later >= len(old)
            later, earlier = later[mine], earlier[mine]
            at = later - len(old)
            apart, behind = times[later] - times[earlier], numbers[later] - numbers[earlier]
            near = (apart >= 0) & (apart <= np.abs(limit[at])) & (behind > 0) & (behind <= FARTHEST)
            sure = near & (limit[at] > 0)
            certain = np.sort(row[at[sure]])
            doubtful = np.flatnonzero(near & ~sure)
            if len(doubtful):
                could_be = np.sort(np.concatenate([part.row[~part.bare] for part in parts]))
                near[doubtful] = self._all_doubled(row[at[doubtful]], certain, could_be)
            repeats[row[at[near]]] = numbers[earlier[near]]
        self._certain += len(certain)
        self._packets += sum(len(part.bare) - int(np.count_nonzero(part.bare)) for part in parts)
        self._remember(columns, parts)
        return repeats

    def _remember(self, columns: Columns, parts: list[_Headers]) -> None:
        """Keep what is to be known of the last packets when the next batch comes."""
        batch = columns.batch
        since = len(batch) - FARTHEST
        old = np.flatnonzero(self._number >= batch.first + since)
        last = [np.arange(np.searchsorted(part.row, since), len(part.row)) for part in parts]
        row = np.concatenate([old[:0], *(part.row[which] for part, which in zip(parts, last, strict=True))])
        keys = [part.key[which] for part, which in zip(parts, last, strict=True)]
        hashes = [part.hashes(which) for part, which in zip(parts, last, strict=True)]
        self._key = np.concatenate([self._key[old], *keys])
        self._hash = np.concatenate([self._hash[old], *hashes])
        self._number = np.concatenate((self._number[old], row + batch.first))
        self._time = np.concatenate((self._time[old], batch.time_ns[row]))

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


def _doubled(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the rows whose key another one has, too, ascending.

    The bare keys are sorted first, which is quick, and mostly shows that there are no such rows.
    """
    ascending = np.sort(keys)
    doubled = distinct(ascending[1:][ascending[1:] == ascending[:-1]])
    if not len(doubled):
        return np.zeros(0, np.int64)
    return np.flatnonzero(doubled.take(np.searchsorted(doubled, keys), mode="clip") == keys)


def _alike(hashes: NDArray[np.uint64], number: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows with the same hash as another: each and the one before it by packet number, int64 (k,) each."""
    rows = np.argsort(number, kind="stable")
    rows = rows[np.argsort(hashes[rows], kind="stable")]
    same = hashes[rows[1:]] == hashes[rows[:-1]]
    return rows[1:][same], rows[:-1][same]


class _Headers:
    """The headers of one protocol in a batch, arrays (m,).

    row:  int64, as in ``Rows``
    key:  uint64, some of what identifies a packet; few that are not alike have the same
    bare: bool, two such packets may also have been sent on purpose
    """

    def __init__(self, columns: Columns, protocol: str, segments: Segments | None) -> None:
        self._columns, self._protocol = columns, protocol
        rows = self._rows = columns.rows(protocol)
        if protocol == "tcp" and segments is not None:
            self._ends = segments.source, segments.destination
            self._identification = segments.identification
        else:
            *ends, self._identification = ip_ends(columns, rows.parent, rows.parent_index)
            self._ends = ends[0], ends[1]
        self.row = rows.row
        first, *more = _TELLING.get(protocol, (f"{protocol}.type",))
        self.key = columns[first].astype(np.uint64)
        words = [columns[field] for field in more]
        for word in (*words, self._identification.view(np.uint32), columns[f"{protocol}.checksum"]):
            self.key <<= np.uint64(16)
            self.key ^= word
        self.bare = np.zeros(len(self.row), np.bool_)
        if protocol == "tcp":  # a bare ack without identification may well be sent twice on purpose: not certain
            without = np.flatnonzero(self._identification <= 0)
            if len(without):
                header, flags = columns["tcp.hdr_len"][without], columns["tcp.flags"][without]
                self.bare[without] = (rows.length[without] <= header) & ((flags & 7) == 0)

    def limit(self, which: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how far apart in nanoseconds two captures may be; negative for ``bare`` ones."""
        identified = self._identification[which] > 0
        limit = np.where(identified, WITH_IDENTIFICATION_NS, WITHOUT_IDENTIFICATION_NS)
        return np.where(self.bare[which], -limit, limit)

    def hashes(self, which: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Return the hash of all that identifies each of these packets."""
        columns, protocol, rows = self._columns, self._protocol, self._rows
        source, destination = (end[which] for end in self._ends)
        identification = self._identification[which]
        fields = (*_FIELDS.get(protocol, (f"{protocol}.type", f"{protocol}.code")), f"{protocol}.checksum")
        words: list[NDArray[Any]] = [columns[field][which] for field in fields]
        words += [identification, rows.length[which]]
        if protocol == "udp":  # without identification or checksum only what they say tells two answers apart
            without = np.flatnonzero((identification <= 0) | (columns["udp.checksum"][which] == 0))
            for content in _content(columns, rows, which[without]):
                words.append(np.zeros(len(which), np.uint64))
                words[-1][without] = content
        mixed = source[:, 0] * _ODD ^ destination[:, 0]  # nothing but 0 under IPv4
        for word in (source[:, 1], destination[:, 1], *_packed(words)):
            mixed ^= word
            mixed *= _ODD
            mixed ^= mixed >> np.uint64(31)
        return mixed


def _content(columns: Columns, rows: Rows, at: NDArray[np.int64]) -> Iterator[NDArray[np.uint64]]:
    """Yield the first octets that the datagrams ``at`` carry, eight to a number."""
    octets = columns.batch.octets
    words = np.ndarray((len(octets) - _WORD + 1,), "<u8", octets.data, strides=(1,))
    left = rows.present[at] - _UDP_HEADER
    for step in range(0, COMPARED, _WORD):
        word = words[rows.offset[at] + _UDP_HEADER + step]
        missing = (_WORD - (left - step)).clip(0, _WORD).astype(np.uint64) * np.uint64(8)
        yield np.where(missing < 64, word << missing.clip(0, 63), 0)


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
