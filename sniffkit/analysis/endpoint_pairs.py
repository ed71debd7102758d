"""Who talks to whom: every unordered pair of (address, port) gets a number once and keeps it for the capture.

The numbers stand in compact arrays (about 70 octets a pair), found again through a hash table that is probed for all
rows of a batch together. They are what remains of a conversation after its analysis was let go.
"""

from __future__ import annotations

import math
import mmap
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Number = TypeVar("Number", np.int32, np.int64, np.uint64)

_EMPTY = -1
_FILL = 3
"""The table has at least this many places a pair, so that most rows are found at the first probe."""

_OWN_PAGES = 1 << 18
"""Arrays from this many octets on that grow stand in pages of their own."""

_MAPPED = 0xFFFF
"""The upper 16 bits of an end's number where it is exact: those that stand before an IPv4 address mapped into IPv6."""

_FIRST_IPV4, _LAST_IPV4 = _MAPPED << 32, (_MAPPED << 32) + 0xFFFFFFFF
"""Lower half of the first and the last such address."""


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

    An end is one number of 64 bits: an IPv4 address with its port as they are, of an IPv6 address and port a hash.
    So ends under IPv4 need no second look, those under IPv6 are compared in full where their numbers agree.

    first, second:           uint64 (capacity, 2) the two addresses; ``first`` sent the pair's first packet
    first_port, second_port: uint16 (capacity,)
    """

    def __init__(self) -> None:
        self.count = 0
        self.first = np.zeros((0, 2), np.uint64)
        self.second = np.zeros((0, 2), np.uint64)
        self.first_port = np.zeros(0, np.uint16)
        self.second_port = np.zeros(0, np.uint16)
        self._lower = np.zeros(0, np.uint64)  # the two ends' numbers, the smaller one first
        self._upper = np.zeros(0, np.uint64)
        self._begun_by_upper = np.zeros(0, np.bool_)
        self._table = np.full(1024, _EMPTY, np.int32)
        # Odd random factors: nobody outside can choose addresses that all fall on one place of the table.
        # (From the system itself: the module ``secrets`` takes longer to load than most captures to read.)
        self._factors = [np.uint64(int.from_bytes(os.urandom(8), "big") | 1) for _ in range(4)]
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
        sender, wide = self._ends(source, source_port)
        receiver, wide_too = self._ends(destination, destination_port)
        lower, upper = np.minimum(sender, receiver), np.maximum(sender, receiver)
        hashes = self._hashes(lower, upper)
        pair = self._probe(hashes, lower, upper)
        by_upper = sender != lower
        opening = np.zeros(0, np.int64)
        missing = np.flatnonzero(pair == _EMPTY)
        if len(missing):
            like = _first_alike(hashes[missing], lower[missing], upper[missing])
            new = like == np.arange(len(like))
            pair[missing] = (known - 1 + np.cumsum(new))[like]
            opening = missing[new]
            self._append(source, destination, source_port, destination_port, opening)
            self._lower[known : self.count], self._upper[known : self.count] = lower[opening], upper[opening]
            self._begun_by_upper[known : self.count] = by_upper[opening]
            self._insert(np.arange(known, self.count), hashes[opening])
        swapped: NDArray[np.bool_] = by_upper != self._begun_by_upper[pair]
        if wide or wide_too:
            rows = np.flatnonzero(np.minimum(lower, upper) >> np.uint64(48) != _MAPPED)
            extra = self._compare(rows, source, destination, source_port, destination_port, pair, swapped)
            opening = np.concatenate((opening, extra))
        return FoundPairs(pair, swapped, known, opening)

    def _ends(self, address: NDArray[np.uint64], port: NDArray[np.uint16]) -> tuple[NDArray[np.uint64], bool]:
        """Return the number of each end, and whether one of them is a hash (multiply and fold, modulo 2^64)."""
        high, low = address[:, 0], address[:, 1]
        number = low << np.uint64(16)
        number |= port
        if not len(low) or not (high.any() or low.min() < _FIRST_IPV4 or low.max() > _LAST_IPV4):
            return number, False
        wide = np.flatnonzero((high != 0) | (low >> np.uint64(32) != _MAPPED))
        if len(wide):
            one, other, last, _ = self._factors
            mixed = high[wide] * one
            mixed ^= mixed >> np.uint64(29)
            mixed += low[wide]
            mixed *= other
            mixed ^= mixed >> np.uint64(32)
            mixed += port[wide]
            mixed *= last
            number[wide] = mixed >> np.uint64(1)  # the topmost bit tells it from an IPv4 address
        return number, len(wide) > 0

    def _hashes(self, lower: NDArray[np.uint64], upper: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return one well-mixed number for each pair of ends."""
        _, one, other, last = self._factors
        mixed = lower * one
        mixed ^= mixed >> np.uint64(32)
        mixed += upper
        mixed *= other
        mixed ^= mixed >> np.uint64(29)
        mixed *= last
        mixed ^= mixed >> np.uint64(32)
        return mixed

    def _probe(
        self, hashes: NDArray[np.uint64], lower: NDArray[np.uint64], upper: NDArray[np.uint64]
    ) -> NDArray[np.int64]:
        """Return the pair of each two ends, or _EMPTY."""
        mask = np.uint64(len(self._table) - 1)
        place = (hashes & mask).view(np.int64)
        pair = self._table.take(place).astype(np.int64)
        if self.count == 0:
            return pair
        differs = (self._lower[pair] != lower) | (self._upper[pair] != upper)
        other = np.flatnonzero(differs & (pair != _EMPTY))
        place = place[other]
        while len(other):
            place = (place + 1) & int(mask)
            found = self._table[place]
            pair[other] = found
            again = (self._lower[found] != lower[other]) | (self._upper[found] != upper[other])
            again &= found != _EMPTY
            other, place = other[again], place[again]
        return pair

    def _insert(self, pairs: NDArray[np.int64], hashes: NDArray[np.uint64]) -> None:
        """Put pairs that are not in the table yet into it."""
        if self.count * _FILL > len(self._table):
            size = len(self._table)
            while size < self.count * _FILL:
                size *= 2
            self._table = np.full(size, _EMPTY, np.int32)
            pairs = np.arange(self.count)
            hashes = self._hashes(self._lower[: self.count], self._upper[: self.count])
        mask = len(self._table) - 1
        place = (hashes & np.uint64(mask)).astype(np.int64)
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
        if end > len(self.first_port):
            size = max(1024, end + end // 2)
            self.first, self.second = grown(self.first, size), grown(self.second, size)
            self.first_port, self.second_port = grown(self.first_port, size), grown(self.second_port, size)
            self._lower, self._upper = grown(self._lower, size), grown(self._upper, size)
            self._begun_by_upper = grown(self._begun_by_upper, size)
        new = slice(self.count, end)
        self.first[new], self.second[new] = source[opening], destination[opening]
        self.first_port[new], self.second_port[new] = source_port[opening], destination_port[opening]
        self.count = end

    def _compare(
        self,
        rows: NDArray[np.int64],
        source: NDArray[np.uint64],
        destination: NDArray[np.uint64],
        source_port: NDArray[np.uint16],
        destination_port: NDArray[np.uint16],
        pair: NDArray[np.int64],
        swapped: NDArray[np.bool_],
    ) -> NDArray[np.int64]:
        """Compare ends whose numbers are hashes with those of the pairs found; return the rows of further pairs."""
        found = pair[rows]
        straight = (
            (source_port[rows] == self.first_port[found])
            & (destination_port[rows] == self.second_port[found])
            & same_address(source[rows], self.first[found])
            & same_address(destination[rows], self.second[found])
        )
        swapped[rows] = ~straight
        at = rows[~straight]
        backward = pair[at]
        same = (
            (source_port[at] == self.second_port[backward])
            & (destination_port[at] == self.first_port[backward])
            & same_address(source[at], self.second[backward])
            & same_address(destination[at], self.first[backward])
        )
        return self._separate(at[~same], source, destination, source_port, destination_port, pair, swapped)

    def keep(self, pairs: NDArray[np.int64]) -> None:
        """Forget all pairs but these, ascending, which are numbered anew in this order."""
        new = {old: number for number, old in enumerate(pairs.tolist())} if self._collided else {}
        self._collided = {ends: new[old] for ends, old in self._collided.items() if old in new}
        self.first, self.second = self.first[pairs], self.second[pairs]
        self.first_port, self.second_port = self.first_port[pairs], self.second_port[pairs]
        self._lower, self._upper = self._lower[pairs], self._upper[pairs]
        self._begun_by_upper = self._begun_by_upper[pairs]
        self.count = len(pairs)
        self._table = np.full(1024, _EMPTY, np.int32)
        self._insert(np.arange(self.count), self._hashes(self._lower, self._upper))

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


def _first_alike(hashes: NDArray[np.uint64], lower: NDArray[np.uint64], upper: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return for each row the first row with the same two ends: int64 (k,).

    All rows are put into a table of their own, from the last to the first, so that at each place the first one stays;
    rows that meet others there go through another table. That takes a tenth of sorting them.
    """
    first = np.arange(len(hashes))
    size = 1 << (2 * len(hashes)).bit_length()
    table = np.empty(size, np.int32)
    rows, shift = first[::-1], 0
    while len(rows):
        place = ((hashes[rows] >> np.uint64(shift)) & np.uint64(size - 1)).astype(np.int64)
        table[place] = rows
        winner = table[place]
        same = (lower[winner] == lower[rows]) & (upper[winner] == upper[rows])
        first[rows[same]] = winner[same]
        rows, shift = rows[~same], (shift + 11) % 44
    return first


def same_address(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which rows of two uint64 (m, 2) are equal; half by half, four times faster than along the rows."""
    same: NDArray[np.bool_] = (one[:, 0] == other[:, 0]) & (one[:, 1] == other[:, 1])
    return same


def grown(values: NDArray[Any], size: int, fill: int = 0) -> NDArray[Any]:
    """Return a copy with ``size`` entries, the new ones ``fill``."""
    shape = (size, *values.shape[1:])
    octets = math.prod(shape) * values.dtype.itemsize
    if octets < _OWN_PAGES:
        larger = np.zeros(shape, values.dtype)
    else:  # pages of its own: what is not used takes no room, and what is outgrown leaves no hole
        larger = np.frombuffer(mmap.mmap(-1, octets), values.dtype).reshape(shape)
    if fill:
        larger[len(values) :] = fill
    larger[: len(values)] = values
    return larger


def distinct(values: NDArray[Number]) -> NDArray[Number]:
    """Return each value once, ascending: ``np.unique`` without loading masked arrays for it, which takes 20 ms."""
    values = np.sort(values)
    first = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=first[1:])
    return values[first]


def in_both(some: NDArray[Number], others: NDArray[Number]) -> NDArray[Number]:
    """Return the values that two arrays share, ascending: ``np.intersect1d`` in the same way."""
    values = np.sort(np.concatenate((distinct(some), distinct(others))))
    twice: NDArray[np.bool_] = values[1:] == values[:-1]
    return values[1:][twice]
