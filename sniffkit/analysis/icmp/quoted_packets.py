"""Which packet an ICMP error quotes: the last packets of a capture, found again by what errors repeat of them.

An error quotes the IP header and at least 8 octets after it (RFC 792, RFC 4443 section 2.4). On the way hop limit and
checksums change, and a network card may fill in a checksum after the capture saw the packet; these take no part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.segments import ip_ends
from sniffkit.protocols.columns import PROTOCOLS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns, Rows

REMEMBERED = 131_072
"""How many packets back a quoted one is found."""

ICMP, UDP, ICMPV6 = 1, 17, 58
_ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Found:
    """A packet that an error quotes: its number, time, and the hop limit it had where it was captured."""

    number: int
    time_ns: int
    hop_limit: int


class QuotedPackets:
    """Remembers IP headers batch by batch; ``find`` looks among them, those of the last batch included."""

    def __init__(self) -> None:
        self._hash = np.zeros(0, np.uint64)
        self._number = np.zeros(0, np.int64)
        self._time = np.zeros(0, np.int64)
        self._limit = np.zeros(0, np.uint8)
        self._kept: list[tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]] = []
        self._count = 0

    def feed(self, columns: Columns) -> None:
        """Remember the packets of a batch."""
        batch = columns.batch
        for protocol, limit in (("ip", "ip.ttl"), ("ipv6", "ipv6.hlim")):
            rows = columns.rows(protocol)
            usable, hashes = packet_hashes(columns, protocol)
            at = np.flatnonzero(usable & ~rows.quoted)
            if not len(at):
                continue
            row = rows.row[at]
            self._kept.append((hashes[at], row + batch.first, batch.time_ns[row], columns[limit][at]))
            self._count += len(at)
        while self._count > REMEMBERED and len(self._kept) > 2:
            self._count -= len(self._kept.pop(0)[0])
        if len(self._kept) > 64:  # a live source hands out small batches
            self._kept = [tuple(np.concatenate(parts) for parts in zip(*self._kept, strict=True))]  # type: ignore[list-item]

    def find(self, hashes: NDArray[np.uint64], numbers: list[int]) -> list[Found | None]:
        """Return for each hash of a quoted header the last such packet before the packet with that number."""
        seen: dict[int, list[Found]] = {}
        for kept, number, time_ns, limit in self._kept:
            for at in np.flatnonzero(np.isin(kept, hashes)).tolist():
                found = Found(int(number[at]), int(time_ns[at]), int(limit[at]))
                seen.setdefault(int(kept[at]), []).append(found)
        result: list[Found | None] = []
        for value, before in zip(hashes.tolist(), numbers, strict=True):
            earlier = [found for found in seen.get(value, ()) if found.number < before]
            result.append(max(earlier, key=lambda found: found.number) if earlier else None)
        return result


def packet_hashes(columns: Columns, protocol: str) -> tuple[NDArray[np.bool_], NDArray[np.uint64]]:
    """Return for each IP header, quoted or not, whether enough of its packet is there, and a hash of what stays.

    protocol: "ip" or "ipv6"; result bool (m,) and uint64 (m,). Later fragments hold no transport header: they don't
    count.
    """
    rows: Rows = columns.rows(protocol)
    octets = columns.batch.octets
    count = len(rows.row)
    itself = np.full(count, PROTOCOLS.index(protocol), np.int32)
    source, destination, identification = ip_ends(columns, itself, np.arange(count))
    if protocol == "ip":
        header = columns["ip.hdr_len"].astype(np.int64)
        upper = columns["ip.proto"].astype(np.uint64)
        first = columns["ip.frag_offset"] == 0
    else:
        header = np.full(count, 40, np.int64)
        upper = columns["ipv6.nxt"].astype(np.uint64)
        first = np.ones(count, np.bool_)
    usable = first & (rows.present - header >= 8)
    start = np.where(usable, rows.offset + header, 0)
    carried = np.ascontiguousarray(octets[start[:, None] + np.arange(8)]).view(">u4").astype(np.uint64).reshape(-1, 2)
    ports = np.where((upper == ICMP) | (upper == ICMPV6), carried[:, 0] & np.uint64(0xFFFF0000), carried[:, 0])
    rest = np.where(upper == UDP, carried[:, 1] & np.uint64(0xFFFF0000), carried[:, 1])
    mixed = upper
    for word in (source[:, 0], source[:, 1], destination[:, 0], destination[:, 1], identification, ports, rest):
        mixed = (mixed ^ word.astype(np.uint64)) * _ODD
        mixed ^= mixed >> np.uint64(31)
    return usable, mixed
