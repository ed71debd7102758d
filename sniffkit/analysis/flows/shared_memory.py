"""Words between two processes: small ones go through a pipe, columns stand in memory that both of them see.

The memory is a few slots of equal size. Whoever has a slot fills it and says so through the pipe; the other one uses it
and gives it back. What is too large for a slot goes through the pipe, as everything does where there is no such memory.
"""

from __future__ import annotations

import mmap
import os
import pickle
import select
import struct
from dataclasses import dataclass
from io import FileIO
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TravellingColumns = dict[str, tuple["NDArray[Any]", Any]]
"""Columns by name, each with the type in which it travels."""

SLOTS = 4
"""How many slots there are: one is filled, one is used, two wait."""

SLOT_OCTETS = 8 << 20
"""How large each is; memory is taken only where something was written."""

_HEADING = struct.Struct("<qQQ")
_NO_SLOT = -1
_ALIGNED = 8


@dataclass(frozen=True, slots=True)
class Word:
    """What was said: columns, and anything small; slot: where the columns stand, to be given back (None: nowhere)."""

    columns: dict[str, NDArray[Any]]
    rest: dict[str, Any]
    slot: int | None


class Line:
    """One end of the line between two processes.

    reading, writing: descriptors of pipes, None where there is none that way
    shared: descriptor of a file which both have open, to be laid into memory. Raises MemoryError where there is no room
    """

    def __init__(self, reading: int | None, writing: int | None, shared: int | None) -> None:
        self._reading = FileIO(os.devnull if reading is None else reading, "r", closefd=reading is None)
        self._writing = FileIO(os.devnull if writing is None else writing, "w", closefd=writing is None)
        self._memory: NDArray[np.uint8] | None = None
        if shared is not None:
            try:
                os.truncate(shared, SLOTS * SLOT_OCTETS)
                self._memory = np.frombuffer(mmap.mmap(shared, SLOTS * SLOT_OCTETS), np.uint8)
            except OSError as error:
                raise MemoryError from error

    @property
    def shares(self) -> bool:
        """Whether there is memory that both see."""
        return self._memory is not None

    def say(self, rest: dict[str, Any], columns: TravellingColumns | None = None, slot: int | None = None) -> bool:
        """Say something small, and columns, in the slot if they fit; return whether it was used.

        Raises BrokenPipeError where nobody listens any more.
        """
        travelling = [(name, column, np.dtype(dtype)) for name, (column, dtype) in (columns or {}).items()]
        heading = pickle.dumps(([(name, dtype.str, column.shape) for name, column, dtype in travelling], rest))
        size = _rounded(len(heading)) + sum(_rounded(column.size * dtype.itemsize) for _, column, dtype in travelling)
        used = slot is not None and self._memory is not None and size <= SLOT_OCTETS
        octets = self._slot(slot, size) if used else np.empty(size, np.uint8)
        octets[: len(heading)] = np.frombuffer(heading, np.uint8)
        at = _rounded(len(heading))
        for _, column, dtype in travelling:
            there = np.ndarray(column.shape, dtype, octets, at)
            np.copyto(there, column, casting="unsafe")  # who says it knows that the narrower type holds it
            at += _rounded(there.nbytes)
        self._send(_HEADING.pack(slot if used else _NO_SLOT, len(heading), size))
        if not used:
            self._send(octets.data)
        return used

    def hear(self) -> Word | None:
        """Return what is said next, None where the other end is gone."""
        beginning = bytearray(_HEADING.size)
        if not self._receive(memoryview(beginning)):
            return None
        slot, length, size = _HEADING.unpack(beginning)
        if slot == _NO_SLOT:
            octets = np.empty(size, np.uint8)
            if not self._receive(octets.data):
                return None
        else:
            octets = self._slot(slot, size)
        shapes, rest = pickle.loads(octets[:length].data)  # from our own process: nobody else can write there
        columns, at = {}, _rounded(length)
        for name, dtype, shape in shapes:
            column = columns[name] = np.ndarray(shape, np.dtype(dtype), octets, at)
            at += _rounded(column.nbytes)
        return Word(columns, rest, None if slot == _NO_SLOT else slot)

    def heard(self) -> bool:
        """Return whether something has been said that was not heard yet, or the other end is gone."""
        waiting = select.poll()
        waiting.register(self._reading, select.POLLIN)
        return bool(waiting.poll(0))

    def _slot(self, slot: int | None, size: int) -> NDArray[np.uint8]:
        assert self._memory is not None
        assert slot is not None
        return self._memory[slot * SLOT_OCTETS : slot * SLOT_OCTETS + size]

    def _send(self, octets: bytes | memoryview) -> None:
        rest = memoryview(octets)
        while rest:
            rest = rest[self._writing.write(rest) :]

    def _receive(self, room: memoryview) -> bool:
        while room:
            count = self._reading.readinto(room)
            if not count:
                return False
            room = room[count:]
        return True


def _rounded(octets: int) -> int:
    return octets + -octets % _ALIGNED
