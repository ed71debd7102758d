"""Packets, octets, times and silences of streams: the part of ``flows`` that is the same for every protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.flows.stream_table import Layout, StreamTable
from sniffkit.analysis.streams import sorted_rows
from sniffkit.analysis.tcp.lanes import Groups
from sniffkit.protocols.columns import PROTOCOLS
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
}
"""By direction: packets, octets of IP datagrams, of payload. Times of the first, the newest and the latest packet; the
longest silence and the packet that ended it."""


def ip_octets(columns: Columns, rows: Rows) -> NDArray[np.int64]:
    """Return the octets of the datagram around each row, IP header included: int64 (m,).

    One that came in fragments counts with one header, as if it had come whole.
    """
    octets = rows.length.copy()
    for name, length in (("ip", "ip.hdr_len"), ("ipv6", "")):
        here = np.flatnonzero(rows.parent == PROTOCOLS.index(name))
        if len(here):
            above = rows.parent_index[here]
            header = rows.offset[here] - columns.rows(name).offset[above]
            far = np.flatnonzero(header > LONGEST_HEADER)  # put together, it lies behind the octets of the batch
            if len(far):
                header[far] = columns[length][above[far]] if length else LONGEST_HEADER
            octets[here] += header
    return octets


def grouped(stream: NDArray[np.int64], direction: NDArray[np.uint8]) -> Groups:
    """Sort packets by stream, capture order within."""
    order = sorted_rows(stream)
    ordered = stream[order]
    begins = np.ones(len(order), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=begins[1:])
    start = np.flatnonzero(begins)
    return Groups(order, start, np.cumsum(begins) - 1, ordered[start], direction[order] != 0)


def add_packets(
    table: StreamTable,
    groups: Groups,
    ip: NDArray[np.int64],
    payload: NDArray[np.int64],
    time_ns: NDArray[np.int64],
    number: NDArray[np.int64],
) -> None:
    """Add a batch's packets, arrays in the order that ``groups`` sorts, to the rows of their streams."""
    streams, order, start = groups.stream, groups.order, groups.start
    if not len(streams):
        return
    lane = 2 * groups.of + groups.second
    size = 2 * len(streams)
    table["packets"][streams] += np.bincount(lane, minlength=size).reshape(-1, 2).astype(np.uint32)
    for name, octets in (("ip_bytes", ip), ("payload_bytes", payload)):
        table[name][streams] += np.bincount(lane, octets[order], size).reshape(-1, 2).astype(np.int64)
    numbers = number[order]
    last = np.append(start[1:], len(order)) - 1
    new = table["first_packet"][streams] == 0
    table["first_packet"][streams[new]] = numbers[start[new]]
    table["last_packet"][streams] = numbers[last]
    _add_times(table, groups, time_ns[order], numbers, last)


def _add_times(
    table: StreamTable,
    groups: Groups,
    time: NDArray[np.int64],
    numbers: NDArray[np.int64],
    last: NDArray[np.int64],
) -> None:
    streams, start = groups.stream, groups.start
    before = np.empty_like(time)
    before[1:] = time[:-1]
    before[start] = table["latest_ns"][streams]
    gap = np.where((before == NO_TIME) | (time == NO_TIME), 0, time - before)
    longest = np.maximum.reduceat(gap, start)
    longer = longest > table["silence_ns"][streams]
    if longer.any():
        table["silence_ns"][streams[longer]] = longest[longer]
        at = np.flatnonzero((gap == longest[groups.of]) & longer[groups.of])[::-1]
        table["silence_packet"][streams[groups.of[at]]] = numbers[at]  # of equal ones the first stays
    known = np.maximum.reduceat(time, start)
    table["end_ns"][streams] = np.maximum(table["end_ns"][streams], known)
    table["latest_ns"][streams] = np.where(time[last] == NO_TIME, known, time[last])
    unset = table["start_ns"][streams] == NO_TIME
    table["start_ns"][streams[unset]] = time[start[unset]]
