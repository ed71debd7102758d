"""Which ends were met lately: a table of hashes that may say "perhaps" too often, and never wrongly "no"."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLOTS = 1 << 20
"""Places of the table; some tens of thousands of questions are open at once."""


class EndsMet:
    """For each slot the hash that fell on it last, with the number of its exchange.

    Where a hash pushes out another one the number of that stays in ``_pushed_out``, and all hashes of this slot count
    as met for as long as that exchange is open.
    """

    def __init__(self) -> None:
        self._number = np.full(SLOTS, -1, np.int64)
        self._hash = np.zeros(SLOTS, np.uint64)
        self._pushed_out = np.full(SLOTS, -1, np.int64)

    def since(self, hashes: NDArray[np.uint64], number: int) -> NDArray[np.bool_]:
        """Say which hashes may have been met with an exchange of this number or a later one, bool (m,)."""
        slots = _slots(hashes)
        found = (self._number[slots] >= number) & (self._hash[slots] == hashes)
        met: NDArray[np.bool_] = found | (self._pushed_out[slots] >= number)
        return met

    def add(self, hashes: NDArray[np.uint64], numbers: NDArray[np.int64]) -> None:
        """Take in hashes with the numbers of their exchanges, all above those of earlier calls."""
        slots = _slots(hashes)
        pushed = self._hash[slots] != hashes
        self._pushed_out[slots[pushed]] = self._number[slots[pushed]]
        self._hash[slots], self._number[slots] = hashes, numbers
        # several of them on one slot: whichever stays, the others are pushed out by it
        lost = (self._hash[slots] != hashes) | (self._number[slots] < numbers)
        np.maximum.at(self._pushed_out, slots[lost], numbers[lost])


def _slots(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    return (hashes & np.uint64(SLOTS - 1)).astype(np.int64)
