"""Wrong checksums, and whether they are wrong at all: where a host's all are, its network card fills them in later.

A capture taken on the sending machine sees packets before the card has computed their checksums (offload). So a wrong
checksum is told of a packet only when its sender has had right ones before; a sender with none, or about none, is
told once, in the summary.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.facts import Fact
from sniffkit.analysis.segments import ip_ends
from sniffkit.protocols.checksum import BAD, GOOD
from sniffkit.protocols.checksums import checksum_good

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns

ENOUGH_GOOD = 3
"""Right checksums that prove a sender computes them itself. Linux does so for the ACK it sends out of TIME-WAIT even
where the card does it for all others."""

SENDERS = 10_000
"""How many senders are remembered."""

Sender = tuple[int, int]


class ChecksumFacts:
    """Fed batch by batch; ``bad`` counts the wrong ones, ``senders`` holds (right, wrong) by source address halves."""

    def __init__(self) -> None:
        self.bad = 0
        self.senders: dict[Sender, tuple[int, int]] = {}

    def feed(self, columns: Columns, twice: NDArray[Any] | None = None) -> dict[int, list[Fact]]:
        """Return the facts of a batch by row."""
        told: dict[int, list[Fact]] = {}
        ip = columns.rows("ip")
        for row in ip.row[checksum_good(columns, "ip") == BAD].tolist():
            told.setdefault(row, []).append(Fact("checksum.ip-wrong", "warning"))
        for protocol, id in (("tcp", "checksum.tcp-wrong"), ("udp", "checksum.udp-wrong")):
            good = checksum_good(columns, protocol)
            if (good == BAD).any():
                for row in self._bad(columns, protocol, good):
                    told.setdefault(row, []).append(Fact(id, "warning"))
            elif self.senders and len(good):
                self._count_good(columns, protocol, good)
        return told

    def offloading(self) -> Iterator[tuple[Sender, int]]:
        """Yield the senders whose checksums are wrong because their card computes them, and how many are."""
        for sender, (right, wrong) in self.senders.items():
            if wrong > right and right < ENOUGH_GOOD:
                yield sender, wrong

    def _count_good(self, columns: Columns, protocol: str, good: NDArray[np.int8]) -> None:
        """Count right checksums of senders that have had wrong ones (others need no memory)."""
        rows = columns.rows(protocol)
        source, _, _ = ip_ends(columns, rows.parent, rows.parent_index)
        for sender, (right, wrong) in list(self.senders.items()):
            if right < ENOUGH_GOOD:
                mine = (source[:, 0] == sender[0]) & (source[:, 1] == sender[1]) & (good == GOOD)
                self.senders[sender] = (right + int(mine.sum()), wrong)

    def _bad(self, columns: Columns, protocol: str, good: NDArray[np.int8]) -> Iterator[int]:
        """Yield the packets whose wrong checksum is no offload, as far as is known when each is reached."""
        rows = columns.rows(protocol)
        source, _, _ = ip_ends(columns, rows.parent, rows.parent_index)
        wrong_at = np.flatnonzero(good == BAD)
        self.bad += len(wrong_at)
        for high, low in {(int(high), int(low)) for high, low in source[wrong_at].tolist()}:
            mine = (source[:, 0] == high) & (source[:, 1] == low)
            right, wrong = self.senders.get((high, low), (0, 0))
            right_until = right + np.cumsum(mine & (good == GOOD))
            if len(self.senders) < SENDERS or (high, low) in self.senders:
                self.senders[high, low] = (int(right_until[-1]), wrong + int((mine & (good == BAD)).sum()))
            proven = mine & (good == BAD) & (right_until >= ENOUGH_GOOD)
            yield from rows.row[proven].tolist()
