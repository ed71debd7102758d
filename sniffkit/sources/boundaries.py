"""Finds where records begin in a buffer, each telling where the next one does: the one loop over every packet.

Two ways, one result. ``follow`` goes from record to record. ``follow_in_lanes`` guesses a record's beginning at many
places of the buffer, lets all of them go forward together in NumPy, and is believed only where each lane lands
exactly on the next lane's beginning: since the first lane is right, all are.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LANE = 48 * 1024
"""Octets of a lane: about a hundred packets of common size. Measured: 32 to 64 KiB do not differ much."""

LEAST_LANES = 16
"""With fewer lanes than these the loop is as fast."""

MOST_LANES = 480
"""For 500 numbers or more NumPy lets go of Python's lock; to get it back can take longer than a step does."""

STEPS = 24
"""Records that all lanes go forward before it is looked which have arrived."""


@dataclass(frozen=True, slots=True)
class Chain:
    """How records follow each other: the next begins ``around`` octets plus the length at ``at`` further on.

    order: "<" or ">", the byte order of the length, 32 bits
    least: a smaller length stops the walk
    """

    order: str
    at: int
    around: int
    least: int = 0

    def lengths(self, buffer: NDArray[np.uint8]) -> NDArray[np.uint32]:
        """Return a view of ``buffer`` that has, for a record at any position, its length."""
        return np.ndarray((len(buffer) - self.at - 3,), self.order + "u4", buffer, self.at, (1,))


@dataclass(frozen=True, slots=True)
class Guess:
    """What a record's beginning looks like: ``pattern`` matches from ``place`` octets into it.

    A pattern that begins with octets that are the same in all records is found fastest.
    """

    pattern: re.Pattern[bytes]
    place: int


def follow(buffer: NDArray[np.uint8], position: int, filled: int, chain: Chain) -> tuple[list[int], int]:
    """Return where whole records begin, from ``position`` on, and where one begins that is not whole or not sane."""
    unpack = struct.Struct(chain.order + "I").unpack_from
    view = buffer.data
    at, around, least = chain.at, chain.around, chain.least
    last = filled - max(around, at + 4)
    starts: list[int] = []
    append = starts.append
    while position <= last:
        (length,) = unpack(view, position + at)
        following = position + around + length
        if following > filled or length < least:
            break
        append(position)
        position = following
    return starts, position


def find_records(
    buffer: NDArray[np.uint8], position: int, filled: int, chain: Chain, guess: Guess | None = None
) -> tuple[NDArray[np.int64], int]:
    """Return what ``follow`` does, as int64 (n,), in lanes where that succeeds."""
    starts: list[int] = []
    lanes = np.empty(0, np.int64)
    if guess and filled - position >= (LEAST_LANES + 1) * LANE:
        # The first stretch shows whether records go on at all; guessing for nothing would be dear.
        starts, position = follow(buffer, position, position + LANE, chain)
        if _goes_on(buffer, position, filled, chain):
            met = follow_in_lanes(buffer, position, filled, chain, guess)
            if met is not None:
                lanes, position = met
    rest, position = follow(buffer, position, filled, chain)
    return np.concatenate((np.array(starts, np.int64), lanes, np.array(rest, np.int64))), position


def _goes_on(buffer: NDArray[np.uint8], position: int, filled: int, chain: Chain) -> bool:
    (length,) = struct.unpack_from(chain.order + "I", buffer.data, position + chain.at)
    return length >= chain.least and position + chain.around + int(length) <= filled


def follow_in_lanes(
    buffer: NDArray[np.uint8], position: int, filled: int, chain: Chain, guess: Guess
) -> tuple[NDArray[np.int64], int] | None:
    """Return what ``follow`` returns for all but the last stretch of the buffer, or None where lanes do not meet."""
    begins = [position]
    lane = max(LANE, (filled - position) // MOST_LANES)
    search, octets = guess.pattern.search, buffer.data
    for place in range(position + lane, filled - lane, lane):
        found = search(octets, place + guess.place, place + lane)
        if found is not None:
            begins.append(found.start() - guess.place)
    if len(begins) < LEAST_LANES:
        return None
    lengths, around, end = chain.lengths(buffer), np.array(chain.around), np.array(filled)
    here, goal = np.array(begins[:-1], np.int64), np.array(begins[1:], np.int64)
    met: list[NDArray[np.int64]] = []
    for _ in range(0, lane // 64, STEPS):  # a lane of hardly anything but headers: the loop is faster
        paths = np.empty((STEPS + 1, len(here)), np.int64)
        paths[0] = here
        for here, following in pairwise(paths):
            np.add(here, lengths[here], out=following)
            np.add(following, around, out=following)
            np.minimum(following, end, out=following)
        before = paths[:-1] < goal
        met.append(paths[:-1][before])
        arrived = paths[-1] >= goal
        at = np.count_nonzero(before, axis=0)
        if (paths[at, np.arange(len(goal))] != goal)[arrived].any():
            return None
        if arrived.all():
            break
        here, goal = paths[-1][~arrived], goal[~arrived]
    else:
        return None
    starts = np.sort(np.concatenate(met))
    if chain.least and (lengths[starts] < chain.least).any():
        return None
    return starts, begins[-1]
