"""What a packet says before any header is read: its time, its size, and whether all of it was captured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.endpoint_pairs import distinct
from sniffkit.analysis.facts import Fact
from sniffkit.protocols import find
from sniffkit.protocols.beyond import LINKS
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns

LARGEST_PLAIN = 1522
"""Octets of the largest ordinary Ethernet frame with one VLAN tag, as captures show it (IEEE 802.3, no checksum)."""


class FrameFacts:
    """Fed batch by batch.

    backwards:   packets earlier than the one before; large: packets larger than a frame can be
    earliest_ns: the earliest time stamp; None where no packet has one
    """

    def __init__(self) -> None:
        self.backwards = self.large = 0
        self.earliest_ns: int | None = None
        self._unread: set[int] = set()
        self._cut_told = False
        self._last = NO_TIME

    def feed(self, columns: Columns, twice: NDArray[Any] | None = None) -> dict[int, list[Fact]]:
        """Return the facts of a batch by row; what many packets share is told of the first."""
        batch = columns.batch
        told: dict[int, list[Fact]] = {}
        if not len(batch):
            return told
        known = batch.time_ns[batch.time_ns != NO_TIME]
        if len(known):
            earliest = int(known.min())
            self.earliest_ns = earliest if self.earliest_ns is None else min(earliest, self.earliest_ns)
        self._links(batch.link_type, told)
        before = np.append(self._last, batch.time_ns[:-1])
        back = np.flatnonzero((batch.time_ns < before) & (batch.time_ns != NO_TIME) & (before != NO_TIME))
        for row in back.tolist():
            by = int(before[row] - batch.time_ns[row])
            told.setdefault(row, []).append(Fact("frame.time-backwards", "warning", {"by_ns": by}))
        self.backwards += len(back)
        self._last = int(batch.time_ns[-1])
        large = np.flatnonzero((batch.length > LARGEST_PLAIN) & (batch.link_type == 1))
        if len(large) and not self.large:
            row = int(large[0])
            told.setdefault(row, []).append(Fact("frame.large", "note", {"octets": int(batch.length[row])}))
        self.large += len(large)
        cut = np.flatnonzero(batch.captured < batch.length)
        if len(cut) and not self._cut_told:
            self._cut_told = True
            row = int(cut[0])
            values: dict[str, object] = {"captured": int(batch.captured[row]), "length": int(batch.length[row])}
            told.setdefault(row, []).append(Fact("frame.cut", "note", values))
        return told

    def _links(self, link_type: NDArray[np.int32], told: dict[int, list[Fact]]) -> None:
        """Say of the first packet of a link that nobody here can read that it is shown as octets."""
        alike = bool((link_type == link_type[0]).all())  # nearly always: no need to sort them
        for number in (link_type[:1] if alike else distinct(link_type)).tolist():
            if number not in self._unread and find("link", number) is None and number not in LINKS:
                self._unread.add(number)
                row = int(np.flatnonzero(link_type == number)[0])
                told.setdefault(row, []).append(Fact("frame.link-unknown", "note", {"link_type": number}))
