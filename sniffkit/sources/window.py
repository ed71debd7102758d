"""A window: the stretch of a capture that stands in memory, moved forward from batch to batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sniffkit.sources.batch import GUARD
from sniffkit.sources.octets import Octets, fill

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Window:
    """Some octets of a stream in a buffer of their own.

    buffer: uint8 (size + GUARD,)
    filled: how many octets of the stream stand in it
    start:  where in the (decompressed) file its first octet stands
    ended:  whether the stream has no octets after these
    """

    def __init__(self, stream: Octets, prefix: bytes, size: int, start: int = 0) -> None:
        self._stream = stream
        self._prefix = prefix  # what was read to recognise the format comes first
        self._size = size
        self.start = start
        self.filled = 0
        self.ended = False
        self._room = size  # for octets, in the next buffer
        self._rest = np.empty(0, np.uint8)  # what is carried over into it
        self.buffer = self._rest

    def read(self) -> None:
        """Read on behind what is there, until the buffer is full, the stream ends or a pipe pauses.

        The buffer is made only now: by now the batch before may have let go of its own, which then is used again and
        stands in the processor's cache still.
        """
        if not len(self.buffer):
            self.buffer = np.empty(self._room + GUARD, np.uint8)
            self.buffer[: self.filled] = self._rest
        room = len(self.buffer) - GUARD
        if self._prefix:
            first, self._prefix = self._prefix[: room - self.filled], self._prefix[room - self.filled :]
            self.buffer[self.filled : self.filled + len(first)] = np.frombuffer(first, np.uint8)
            self.filled += len(first)
            if self._stream.total is None:
                return  # these octets are there now; who knows when a pipe has more
        if self.filled < room and not self.ended:
            count, self.ended = fill(self._stream, self.buffer.data[self.filled : room])
            self.filled += count

    def advance(self, used: int, need: int = 0) -> NDArray[np.uint8]:
        """Go on behind the first ``used`` octets in a new buffer with room for ``need``; return the old one.

        What was not used is carried over; in the old buffer it is made GUARD zero octets. The old buffer now
        belongs to the batch that is made of it; the new one is there after the next ``read``.
        """
        old = self.buffer
        self._rest = old[used : self.filled].copy()
        self._room = max(self._size, need, len(self._rest))
        self.buffer = np.empty(0, np.uint8)
        old[used : used + GUARD] = 0
        self.start += used
        self.filled = len(self._rest)
        return old
