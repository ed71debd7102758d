"""What is unusual in single segments and no state machine minds: urgent data, reserved bits, data after the own FIN."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.facts import Fact
from sniffkit.analysis.segments import FIN, RST, SYN, URG

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.segments import Segments
    from sniffkit.analysis.streams import StreamNumbers
    from sniffkit.protocols.columns import Columns

RESERVED = 0xE00
"""The three bits of ``Segments.flags`` that nobody has a use for yet (RFC 9293 section 3.1, RFC 9768)."""

KEPT = 65_536
"""FINs of so many directions are remembered; past that those of the oldest conversations are forgotten."""


class OddSegments:
    """Fed batch by batch."""

    def __init__(self) -> None:
        # Of each direction that sent a FIN, ascending by direction: one past the FIN, and the packet that carried it.
        self._direction = np.zeros(0, np.int64)
        self._end = np.zeros(0, np.uint32)
        self._number = np.zeros(0, np.int64)

    def feed(
        self, columns: Columns, segments: Segments, numbers: StreamNumbers, twice: NDArray[np.int64]
    ) -> dict[int, list[Fact]]:
        """Return the facts of a batch by packet. ``twice``: (n,) non-zero for packets to pass over."""
        facts: dict[int, list[Fact]] = {}
        plain = (twice[segments.row] == 0) & (segments.length >= 0)
        for at in np.flatnonzero((segments.flags & URG != 0) & plain).tolist():
            pointer = int(columns["tcp.urgent_pointer"][at])
            end = (int(numbers.sequence[at]) + pointer) & 0xFFFFFFFF
            values: dict[str, object] = {"pointer": pointer, "end": end, "octets": int(segments.length[at])}
            facts.setdefault(int(segments.row[at]), []).append(Fact("tcp.urgent-data", "note", values))
        for at in np.flatnonzero((segments.flags & RESERVED != 0) & plain).tolist():
            values = {"bits": f"{int(segments.flags[at] & RESERVED) >> 9:03b}"}
            facts.setdefault(int(segments.row[at]), []).append(Fact("tcp.reserved-bits", "warning", values))
        for at, octets, number in self._after_fin(segments, numbers, plain):
            values = {"octets": octets, "number": number}
            facts.setdefault(int(segments.row[at]), []).append(Fact("tcp.data-after-fin", "warning", values))
        return facts

    def _after_fin(
        self, segments: Segments, numbers: StreamNumbers, plain: NDArray[np.bool_]
    ) -> list[tuple[int, int, int]]:
        """Return index, octets beyond the FIN and the FIN's packet of segments with data beyond their sender's FIN."""
        direction = 2 * numbers.stream.astype(np.int64) + numbers.direction
        next_octet = segments.sequence + segments.length.astype(np.uint32)
        fins = np.flatnonzero((segments.flags & (FIN | SYN | RST) == FIN) & plain)
        known = len(self._direction)
        directions = np.concatenate((self._direction, direction[fins]))
        first, place = np.unique(directions, return_index=True)  # of a FIN sent again the first sending counts
        end = np.concatenate((self._end, next_octet[fins] + np.uint32(1)))[place]
        number = np.concatenate((self._number, segments.number[fins]))[place]
        found: list[tuple[int, int, int]] = []
        if len(first):
            data = np.flatnonzero((segments.length > 0) & (segments.flags & (SYN | RST) == 0) & plain)
            at = np.minimum(np.searchsorted(first, direction[data]), len(first) - 1)
            beyond = (next_octet[data] - end[at] + np.uint32(1)).view(np.int32)
            later = (first[at] == direction[data]) & (beyond > 0) & (segments.number[data] > number[at])
            for one in np.flatnonzero(later).tolist():
                octets = min(int(beyond[one]), int(segments.length[data[one]]))
                found.append((int(data[one]), octets, int(number[at[one]])))
        if len(fins) or known:
            self._direction, self._end, self._number = first[-KEPT:], end[-KEPT:], number[-KEPT:]
        return found
