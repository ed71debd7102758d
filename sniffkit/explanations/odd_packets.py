"""Finds the few packets of a batch whose lengths or options contradict each other; only those are read one by one.

TCP and UDP packets are listed in bulk, so that what is odd in their headers would go unsaid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.endpoint_pairs import distinct
from sniffkit.explanations.problems import TOLD_BY_ANALYSIS
from sniffkit.protocols.packet import read_packet
from sniffkit.protocols.tcp_options import LENGTHS, OptionKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns
    from sniffkit.protocols.packet import Packet

_EXPECTED = np.zeros(256, np.int64)
for _kind, _octets in LENGTHS.items():
    _EXPECTED[int(_kind)] = _octets
_TIMESTAMPS_ONLY = 0x0101_080A
"""Two no-operations, then timestamps: the options of most segments, nothing odd in them."""


def odd_packets(columns: Columns) -> dict[int, Packet]:
    """Return the packets, by row, that carry TCP or UDP and whose headers say something that cannot be."""
    batch = columns.batch
    found = {}
    for row in distinct(np.concatenate([_tcp(columns), _udp(columns), _internet(columns)])).tolist():
        packet = read_packet(batch.packet(row), int(batch.link_type[row]), int(batch.length[row]))
        if any(problem.id not in TOLD_BY_ANALYSIS for layer in packet.layers for problem in layer.problems):
            found[row] = packet
    return found


def _whole(columns: Columns, row: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which packets were captured to the end; what is missing in the others is told once."""
    batch = columns.batch
    whole: NDArray[np.bool_] = batch.captured[row] >= batch.length[row]
    return whole


def _tcp(columns: Columns) -> NDArray[np.int64]:
    rows = columns.rows("tcp")
    header = columns["tcp.hdr_len"].astype(np.int64)
    in_error = np.isin(rows.row, np.concatenate([columns.rows("icmp").row, columns.rows("icmpv6").row]))  # quoted there
    odd = (header < 20) | ((rows.present < header) & _whole(columns, rows.row))
    start, limit = rows.offset + 20, rows.offset + np.minimum(header, rows.present)
    ordinary = header == 32
    octets, at = columns.batch.octets, start[ordinary]
    first = sum(octets[at + place].astype(np.int64) << 24 - 8 * place for place in range(4))
    ordinary[ordinary] = first == _TIMESTAMPS_ONLY
    index = np.flatnonzero((start < limit) & ~ordinary & (rows.present >= header))
    odd[_lying_options(octets, start, limit, index)] = True
    return rows.row[odd & ~in_error]


def _lying_options(
    octets: NDArray[np.uint8], start: NDArray[np.int64], limit: NDArray[np.int64], index: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return which of the headers at ``index`` hold an option whose length is impossible or not that of its kind."""
    lying = []
    at, limit = start[index], limit[index]
    while len(index):
        kind, length = octets[at].astype(np.int64), octets[at + 1].astype(np.int64)
        single = kind <= 1
        length[single] = 1
        expected = _EXPECTED[kind]
        wrong = ~single & ((length < 2) | (at + length > limit) | ((expected > 0) & (length != expected)))
        wrong |= (kind == OptionKind.WINDOW_SCALE) & (octets[at + 2] > 14)
        lying.append(index[wrong])
        at = at + length
        going = ~wrong & (kind != 0) & (at < limit)
        index, at, limit = index[going], at[going], limit[going]
    return np.concatenate(lying) if lying else np.empty(0, np.int64)


def _udp(columns: Columns) -> NDArray[np.int64]:
    rows = columns.rows("udp")
    length = columns["udp.length"].astype(np.int64)
    return rows.row[((length < 8) | (length > rows.length)) & ~rows.quoted]


def _internet(columns: Columns) -> NDArray[np.int64]:
    rows = columns.rows("ip")
    options = columns["ip.hdr_len"].astype(np.int64) > 20
    beyond = (columns["ip.len"].astype(np.int64) > rows.length) & _whole(columns, rows.row)
    return rows.row[(options | beyond) & ~rows.quoted]
