"""Who talks to whom: every unordered pair of (address, port) gets a number once and keeps it for the capture.

The numbers stand in compact arrays (about 60 octets a pair), found again through a hash table that is probed for all
rows of a batch together. They are what remains of a conversation after its analysis was let go.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EMPTY = -1
_FILL = 3
"""The table has at least this many places a pair, so that most rows are found at the first probe."""


@dataclass(frozen=True, slots=True)
class FoundPairs:
    """What ``EndpointPairs.look_up`` found for each row.

    pair:    int64 (m,) the pair's number
    swapped: bool (m,) the sender is the pair's second end
    known:   how many pairs there were before; numbers from here on are new
    opening: int64 (k,) for each new pair the row that brought it, in order of the new numbers
    """

    pair: NDArray[np.int64]
    swapped: NDArray[np.bool_]
    known: int
    opening: NDArray[np.int64]


class EndpointPairs:
    """Unordered pairs of (address, port), numbered from 0 in order of appearance.

    first, second:           uint64 (capacity, 2) the two addresses; ``first`` sent the pair's first packet
    first_port, second_port: uint16 (capacity,)
    """

    def __init__(self) -> None:
        self.count = 0
        self.first = np.zeros((0, 2), np.uint64)
        self.second = np.zeros((0, 2), np.uint64)
        self.first_port = np.zeros(0, np.uint16)
        self.second_port = np.zeros(0, np.uint16)
        self._hash = np.zeros(0, np.uint64)
        self._table = np.full(1024, _EMPTY, np.int32)
        # Odd random factors: nobody outside can choose addresses that all fall on one place of the table.
        self._factors = [np.uint64(secrets.randbits(64) | 1) for _ in range(4)]
        self._collided: dict[tuple[int, ...], int] = {}

    def look_up(
        self,
        source: NDArray[np.uint64],
        destination: NDArray[np.uint64],
        source_port: NDArray[np.uint16],
        destination_port: NDArray[np.uint16],
    ) -> FoundPairs:
        """Return the pair of each row; pairs not seen before get the next numbers in order of appearance."""
        known = self.count
        sender = self._mix(source, source_port)
        receiver = self._mix(destination, destination_port)
        hashes = (sender + receiver) * self._factors[3]  # a sum is the same both ways round
        hashes ^= hashes >> np.uint64(32)
        pair = self._probe(hashes)
        opening = np.zeros(0, np.int64)
        missing = np.flatnonzero(pair == _EMPTY)
        if len(missing):
            _, first, back = np.unique(hashes[missing], return_index=True, return_inverse=True)
            rank = np.empty(len(first), np.int64)
            rank[np.argsort(first)] = np.arange(len(first))
            pair[missing] = known + rank[back]
            opening = missing[np.sort(first)]
            self._append(source, destination, source_port, destination_port, opening)
            self._hash[known : self.count] = hashes[opening]
            self._insert(np.arange(known, self.count))
        straight = (
            (source_port == self.first_port[pair])
            & (destination_port == self.second_port[pair])
            & same_address(source, self.first[pair])
            & same_address(destination, self.second[pair])
        )
        swapped = ~straight
        at = np.flatnonzero(swapped)
        backward = pair[at]
        same = (
            (source_port[at] == self.second_port[backward])
            & (destination_port[at] == self.first_port[backward])
            & same_address(source[at], self.second[backward])
            & same_address(destination[at], self.first[backward])
        )
        if not same.all():
            extra = self._separate(at[~same], source, destination, source_port, destination_port, pair, swapped)
            opening = np.concatenate((opening, extra))
        return FoundPairs(pair, swapped, known, opening)

    def _mix(self, address: NDArray[np.uint64], port: NDArray[np.uint16]) -> NDArray[np.uint64]:
        """Return one well-mixed number for each end (multiply and fold, arithmetic modulo 2^64)."""
        upper, lower, last, _ = self._factors
        mixed = address[:, 0] * upper
        mixed ^= mixed >> np.uint64(29)
        mixed += address[:, 1]
        mixed *= lower
        mixed ^= mixed >> np.uint64(32)
        mixed += port
        mixed *= last
        mixed ^= mixed >> np.uint64(31)
        return mixed

    def _probe(self, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the pair with each hash, or _EMPTY."""
        mask = np.uint64(len(self._table) - 1)
        place = (hashes & mask).astype(np.int64)
        pair = self._table[place].astype(np.int64)
        if self.count == 0:
            return pair
        other = np.flatnonzero((pair != _EMPTY) & (self._hash[pair] != hashes))
        place = place[other]
        while len(other):
            place = (place + 1) & int(mask)
            found = self._table[place]
            pair[other] = found
            again = (found != _EMPTY) & (self._hash[found] != hashes[other])
            other, place = other[again], place[again]
        return pair

    def _insert(self, pairs: NDArray[np.int64]) -> None:
        """Put pairs whose hash is not in the table yet into it."""
        if self.count * _FILL > len(self._table):
            size = len(self._table)
            while size < self.count * _FILL:
                size *= 2
            self._table = np.full(size, _EMPTY, np.int32)
            pairs = np.arange(self.count)
        mask = len(self._table) - 1
        place = (self._hash[pairs] & np.uint64(mask)).astype(np.int64)
        while len(pairs):
            free = self._table[place] == _EMPTY
            self._table[place[free]] = pairs[free]
            left = self._table[place] != pairs  # of several at one place the last one stays there
            pairs, place = pairs[left], (place[left] + 1) & mask

    def _append(
        self,
        source: NDArray[np.uint64],
        destination: NDArray[np.uint64],
        source_port: NDArray[np.uint16],
        destination_port: NDArray[np.uint16],
        opening: NDArray[np.int64],
    ) -> None:
        end = self.count + len(opening)
        if end > len(self._hash):
            size = max(1024, end + end // 2)
            self.first, self.second = grown(self.first, size), grown(self.second, size)
            self.first_port, self.second_port = grown(self.first_port, size), grown(self.second_port, size)
            self._hash = grown(self._hash, size)
        new = slice(self.count, end)
        self.first[new], self.second[new] = source[opening], destination[opening]
        self.first_port[new], self.second_port[new] = source_port[opening], destination_port[opening]
        self.count = end

    def _separate(
        self,
        rows: NDArray[np.int64],
        source: NDArray[np.uint64],
        destination: NDArray[np.uint64],
        source_port: NDArray[np.uint16],
        destination_port: NDArray[np.uint16],
        pair: NDArray[np.int64],
        swapped: NDArray[np.bool_],
    ) -> NDArray[np.int64]:
        """Find the pairs of rows whose hash is that of another pair, one by one (about never); return new rows."""
        opening = []
        for row in rows.tolist():
            sender = (*source[row].tolist(), int(source_port[row]))
            receiver = (*destination[row].tolist(), int(destination_port[row]))
            number = self._collided.get(sender + receiver, _EMPTY)
            backward = self._collided.get(receiver + sender, _EMPTY)
            if number == backward == _EMPTY:
                number = self._collided[sender + receiver] = self.count
                at = np.array([row])
                self._append(source, destination, source_port, destination_port, at)
                opening.append(row)
            pair[row] = max(number, backward)
            swapped[row] = number == _EMPTY
        return np.array(opening, np.int64)


def same_address(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which rows of two uint64 (m, 2) are equal; half by half, four times faster than along the rows."""
    same: NDArray[np.bool_] = (one[:, 0] == other[:, 0]) & (one[:, 1] == other[:, 1])
    return same


def grown(values: NDArray[Any], size: int, fill: int = 0) -> NDArray[Any]:
    """Return a copy with ``size`` entries, the new ones ``fill``."""
    larger = np.full((size, *values.shape[1:]), fill, values.dtype)
    larger[: len(values)] = values
    return larger
