"""The same packet captured twice (loopback, the ``any`` device, a mirror port): not a packet that was sent twice.

A stack that sends something again builds a new packet: another IP identification, mostly another time stamp option
and so another checksum. Two captures of one packet agree in all of it and stand close together in time. (A network that
doubles a packet looks the same from here.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.segments import ip_ends

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns, Rows

WITH_IDENTIFICATION_NS = 50_000_000
"""How far apart two captures of a packet with an IP identification may be: below any retransmission timer."""

WITHOUT_IDENTIFICATION_NS = 1_000_000
"""The same where there is none (IPv6, or 0): acks that repeat each other on purpose must not be taken for one."""

DOUBLED_SHARE = 0.4
"""Where this share of the packets are certain second captures, everything is captured twice (all doubled is 0.5)."""

_CARRIED = 256
_ODD = np.uint64(0x9E3779B97F4A7C15)


class CapturedTwice:
    """Finds second captures, batch by batch; remembers the last few packets of the batch before."""

    def __init__(self) -> None:
        self._hash = np.zeros(0, np.uint64)
        self._number = np.zeros(0, np.int64)
        self._time = np.zeros(0, np.int64)
        self._certain = self._packets = 0

    def feed(self, columns: Columns) -> NDArray[np.int64]:
        """Return for each packet of the batch the number of the packet it repeats, or 0: int64 (n,)."""
        count = len(columns.batch)
        repeats = np.zeros(count, np.int64)
        parts = [_hashes(columns, protocol) for protocol in ("tcp", "udp", "icmp", "icmpv6")]
        row = np.concatenate([part[0] for part in parts])
        mixed = np.concatenate([part[1] for part in parts])
        limit = np.concatenate([part[2] for part in parts])
        order = np.argsort(row, kind="stable")
        row, mixed, limit = row[order], mixed[order], limit[order]
        number = row + columns.batch.first
        time = columns.batch.time_ns[row]
        carried = len(self._hash)
        every = np.concatenate((self._hash, mixed))
        numbers = np.concatenate((self._number, number))
        times = np.concatenate((self._time, time))
        by_hash = np.argsort(every, kind="stable")
        same = every[by_hash][1:] == every[by_hash][:-1]
        if same.any():
            later, earlier = by_hash[1:][same], by_hash[:-1][same]
            mine = later >= carried
            later, earlier = later[mine], earlier[mine]
            apart = times[later] - times[earlier]
            near = (apart >= 0) & (apart <= np.abs(limit[later - carried])) & (numbers[later] != numbers[earlier])
            sure = near & (limit[later - carried] > 0)
            self._certain += int(sure.sum())
            self._packets += int((limit > 0).sum())
            if self._certain < DOUBLED_SHARE * self._packets:
                near = sure
            repeats[row[later[near] - carried]] = numbers[earlier[near]]
        self._hash, self._number, self._time = every[-_CARRIED:], numbers[-_CARRIED:], times[-_CARRIED:]
        return repeats


def _hashes(columns: Columns, protocol: str) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]]:
    """Return packet, hash of all that identifies it, and how far apart two captures may be, for each header.

    A negative distance: two such packets may also have been sent on purpose.
    """
    rows: Rows = columns.rows(protocol)
    if not len(rows.row):
        empty = np.zeros(0, np.int64)
        return empty, empty.astype(np.uint64), empty
    source, destination, identification = ip_ends(columns, rows.parent, rows.parent_index)
    words: list[NDArray[np.generic]] = [source[:, 0], source[:, 1], destination[:, 0], destination[:, 1]]
    words.append(rows.length)
    words.append(identification)
    fields = {
        "tcp": ("tcp.srcport", "tcp.dstport", "tcp.seq_raw", "tcp.ack_raw", "tcp.flags", "tcp.window_size_value"),
        "udp": ("udp.srcport", "udp.dstport", "udp.length"),
    }.get(protocol, (f"{protocol}.type", f"{protocol}.code"))
    words += [columns[field] for field in (*fields, f"{protocol}.checksum")]
    mixed = np.zeros(len(rows.row), np.uint64)
    for word in words:
        mixed = (mixed ^ word.astype(np.uint64)) * _ODD
        mixed ^= mixed >> np.uint64(31)
    limit = np.where(identification > 0, WITH_IDENTIFICATION_NS, WITHOUT_IDENTIFICATION_NS)
    if protocol == "tcp":  # a bare ack without identification may well be sent twice on purpose: not certain
        bare = (identification <= 0) & (rows.length <= columns["tcp.hdr_len"]) & ((columns["tcp.flags"] & 7) == 0)
        limit = np.where(bare, -limit, limit)
    return rows.row, mixed, limit
