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
from sniffkit.analysis.streams import sorted_rows
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

FEW = 16
"""So many senders are looked for one by one."""

Sender = tuple[int, int]

_IDS = {"tcp": "checksum.tcp-wrong", "udp": "checksum.udp-wrong"}

_ODD = np.uint64(0x9E3779B97F4A7C15)


class ChecksumFacts:
    """Fed batch by batch; ``bad`` counts the wrong ones, ``senders`` holds (right, wrong) by source address halves."""

    def __init__(self) -> None:
        self.bad = 0
        self.senders: dict[Sender, tuple[int, int]] = {}
        self._right: dict[Sender, int] = {}  # of senders without a wrong one so far, up to ENOUGH_GOOD

    def feed(self, columns: Columns, twice: NDArray[Any] | None = None) -> dict[int, list[Fact]]:
        """Return the facts of a batch by row."""
        told: dict[int, list[Fact]] = {}
        ip = columns.rows("ip")
        for row in ip.row[checksum_good(columns, "ip") == BAD].tolist():
            told.setdefault(row, []).append(Fact("checksum.ip-wrong", "warning"))
        parts = [(columns.rows(protocol), checksum_good(columns, protocol)) for protocol in _IDS]
        good = np.concatenate([each for _, each in parts])
        row = np.concatenate([rows.row for rows, _ in parts])
        source = np.concatenate([ip_ends(columns, rows.parent, rows.parent_index)[0] for rows, _ in parts])
        order = sorted_rows(row)  # TCP and UDP as they came: no packet is judged by later ones
        row, source, good = row[order], source[order], good[order]
        if self.senders or (good == BAD).any():
            for at in self._count(source, good).tolist():
                id = _IDS["tcp" if order[at] < len(parts[0][0].row) else "udp"]
                told.setdefault(int(row[at]), []).append(Fact(id, "warning"))
        self._remember(source[good == GOOD])
        return told

    def offloading(self) -> Iterator[tuple[Sender, int]]:
        """Yield the senders whose checksums are wrong because their card computes them, and how many are."""
        for sender, (right, wrong) in self.senders.items():
            if wrong > right and right < ENOUGH_GOOD:
                yield sender, wrong

    def _remember(self, source: NDArray[np.uint64]) -> None:
        """Count the right ones of senders that have had no wrong one: whether a later one is told hangs on them."""
        key = (source[:, 0] * _ODD) ^ source[:, 1]
        _, first, count = np.unique(key, return_index=True, return_counts=True)
        order = np.argsort(first)
        for sender, more in zip(map(tuple, source[first[order]].tolist()), count[order].tolist(), strict=True):
            known = self._right.get(sender)
            if sender not in self.senders and (known is not None or len(self._right) < SENDERS):
                self._right[sender] = min((known or 0) + more, ENOUGH_GOOD)

    def _count(self, source: NDArray[np.uint64], good: NDArray[np.int8]) -> NDArray[np.int64]:
        """Count by sender; return which wrong checksums are no offload, as far as is known at each: int64 (k,)."""
        wrong = good == BAD
        self.bad += int(wrong.sum())
        which = np.flatnonzero(wrong | (good == GOOD))
        open_still = [sender for sender, (right, _) in self.senders.items() if right < ENOUGH_GOOD]
        if len(open_still) <= FEW and not wrong.any():
            mine = np.zeros(len(source), np.bool_)
            for high, low in open_still:
                mine |= (source[:, 0] == high) & (source[:, 1] == low)
            which = np.flatnonzero(mine & (good == GOOD))
        if not len(which):
            return which
        order = which[np.lexsort((source[which, 1], source[which, 0]))]  # stable: capture order within a sender
        source, wrong = source[order], wrong[order]
        begins = np.flatnonzero(np.append(True, (source[1:] != source[:-1]).any(axis=1)))
        of = np.repeat(np.arange(len(begins)), np.diff(np.append(begins, len(order))))
        until = np.cumsum(~wrong)
        right_until = until - (until[begins] - ~wrong[begins])[of]
        rights, wrongs = (np.add.reduceat(each.astype(np.int64), begins) for each in (~wrong, wrong))
        before = np.zeros(len(begins), np.int64)
        first = np.minimum.reduceat(np.where(wrong, order, len(good)), begins)
        told = np.flatnonzero(wrongs) if not self.senders else np.arange(len(begins))
        names = dict(zip(told.tolist(), map(tuple, source[begins[told]].tolist()), strict=True))
        for at in told[np.argsort(first[told])].tolist():  # in the order of their first wrong ones
            sender = names[at]
            known = self.senders.get(sender)
            if known is None and not wrongs[at]:
                continue
            right, had = known or (self._right.get(sender, 0), 0)
            before[at] = right
            if known is not None or len(self.senders) < SENDERS:
                self._right.pop(sender, None)
                self.senders[sender] = (right + int(rights[at]), had + int(wrongs[at]))
        proven = wrong & (right_until + before[of] >= ENOUGH_GOOD)
        return np.sort(order[proven])
