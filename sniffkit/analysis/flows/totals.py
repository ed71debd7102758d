"""Packets, octets, times and silences of streams: the part of ``flows`` that is the same for every protocol."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.flows.stream_table import Layout, StreamTable
from sniffkit.analysis.time_stamps import elapsed_ns
from sniffkit.protocols.columns import PROTOCOLS
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.tcp.lanes import Groups
    from sniffkit.protocols.columns import Columns, Rows

LONGEST_HEADER = 60
"""An IPv4 header has at most so many octets (RFC 791 section 3.1)."""

TOTALS: Layout = {
    "packets": (np.uint32, 2, 0),
    "ip_bytes": (np.int64, 2, 0),
    "payload_bytes": (np.int64, 2, 0),
    "start_ns": (np.int64, 1, NO_TIME),
    "end_ns": (np.int64, 1, NO_TIME),
    "latest_ns": (np.int64, 1, NO_TIME),
    "silence_ns": (np.int64, 1, 0),
    "silence_packet": (np.int64, 1, 0),
    "first_packet": (np.int64, 1, 0),
    "last_packet": (np.int64, 1, 0),
    "error": (np.uint8, 1, 0),
}
"""By direction: packets, octets of IP datagrams, of payload. Times of the first, the newest and the latest packet; the
longest silence and the packet that ended it. error: what an ICMP error said of it, the last one (``ERRORS``)."""


def ip_octets(columns: Columns, rows: Rows) -> NDArray[np.int64]:
    """Return the octets of the datagram around each row, IP header included: int64 (m,).

    One that came in fragments counts with one header, as if it had come whole.
    """
    octets = rows.length.copy()
    for name, length in (("ip", "ip.hdr_len"), ("ipv6", "")):
        parent = rows.parent == PROTOCOLS.index(name)
        if not parent.any():
            continue
        here = slice(None) if parent.all() else np.flatnonzero(parent)
        above = rows.parent_index[here]
        header = rows.offset[here] - columns.rows(name).offset[above]
        if header.max() > LONGEST_HEADER:  # put together, it lies behind the octets of the batch
            far = np.flatnonzero(header > LONGEST_HEADER)
            header[far] = columns[length][above[far]] if length else LONGEST_HEADER
        octets[here] += header
    return octets


@dataclass(slots=True)
class Sums:
    """What a batch adds to each stream, one entry a stream; times are NO_TIME where packets have none.

    stream: int64 (g,); packets, ip_bytes, payload_bytes: int64 (g, 2) by direction
    first, last: int64 (g,) packet numbers
    first_ns, last_ns, newest_ns: int64 (g,) the first and the last time that a packet has, and the highest
    first_timed: int64 (g,) number of the packet of ``first_ns``
    silence_ns, silence_packet: int64 (g,) the longest time between two packets of the batch and what ended it
    groups: the packets sorted by stream, None where they were added up in another process
    """

    stream: NDArray[np.int64]
    packets: NDArray[np.int64]
    ip_bytes: NDArray[np.int64]
    payload_bytes: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    first_ns: NDArray[np.int64]
    last_ns: NDArray[np.int64]
    newest_ns: NDArray[np.int64]
    first_timed: NDArray[np.int64]
    silence_ns: NDArray[np.int64]
    silence_packet: NDArray[np.int64]
    groups: Groups | None = field(default=None, init=False)


def sums(
    groups: Groups,
    ip: NDArray[np.int64],
    payload: NDArray[np.int64],
    time_ns: NDArray[np.int64],
    number: NDArray[np.int64],
) -> Sums:
    """Add up a batch's packets, arrays in the order that ``groups`` sorts."""
    order, start = groups.order, groups.start

    def total(values: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.add.reduceat(values, start) if len(start) else values

    def by_direction(values: NDArray[np.int64]) -> NDArray[np.int64]:
        second = total(values * groups.second)
        return np.stack((total(values) - second, second), axis=1)

    time, last = time_ns[order], groups.last
    first_timed, last_timed = start, last
    before = np.append(NO_TIME, time)[:-1]
    before[start] = NO_TIME
    if (timeless := time == NO_TIME).any():
        first_timed, last_timed, before = _timed(groups, timeless, time)
    gap = elapsed_ns(time, before)
    longest = np.maximum.reduceat(gap, start) if len(start) else gap
    ended = np.zeros(len(start), np.int64)
    at = np.flatnonzero((gap == longest[groups.of]) & (gap > 0))[::-1]
    ended[groups.of[at]] = number[order[at]]  # of equal ones the first stays
    newest = np.maximum.reduceat(time, start) if len(start) else time
    told = Sums(
        groups.stream,
        by_direction(np.ones(len(order), np.int64)),
        by_direction(ip[order]),
        by_direction(payload[order]),
        number[order[start]],
        number[order[last]],
        time[first_timed],
        time[last_timed],
        newest,
        number[order[first_timed]],
        longest,
        ended,
    )
    told.groups = groups
    return told


def _timed(
    groups: Groups, timeless: NDArray[np.bool_], time: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and the last row of each stream that has a time (the first if none has), int64 (g,).

    And the time of the row before each that has one, NO_TIME where there is none: int64 (m,).
    """
    row, none = np.arange(len(time)), len(time)
    first = np.minimum.reduceat(np.where(timeless, none, row), groups.start)
    first = np.where(first == none, groups.start, first)
    latest = np.maximum.accumulate(np.where(timeless, -1, row))  # or of a stream before, which does not count
    last = np.maximum(latest[groups.last], groups.start)
    earlier = np.append(-1, latest)[:-1]
    before = np.where(earlier >= groups.start[groups.of], time[earlier], NO_TIME)
    return first, last, before


def add_sums(table: StreamTable, added: Sums) -> None:
    """Add what a batch brings to the rows of its streams."""
    streams = added.stream
    if not len(streams):
        return
    rows = table.of(streams)
    rows["packets"] += added.packets.astype(np.uint32)
    rows["ip_bytes"] += added.ip_bytes
    rows["payload_bytes"] += added.payload_bytes
    new = rows["first_packet"] == 0
    table["first_packet"][streams[new]] = added.first[new]
    rows["last_packet"] = added.last
    before = rows["latest_ns"]
    waited = elapsed_ns(added.first_ns, before)
    inside = added.silence_ns > waited
    silence = np.where(inside, added.silence_ns, waited)
    longer = silence > rows["silence_ns"]
    if longer.any():
        table["silence_ns"][streams[longer]] = silence[longer]
        table["silence_packet"][streams[longer]] = np.where(inside, added.silence_packet, added.first_timed)[longer]
    rows["end_ns"] = np.maximum(rows["end_ns"], added.newest_ns)
    rows["latest_ns"] = np.where(added.last_ns == NO_TIME, before, added.last_ns)
    unset = rows["start_ns"] == NO_TIME
    table["start_ns"][streams[unset]] = added.first_ns[unset]
