"""Every occurrence of a field in a batch: in which packet, and with which value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Spans:
    """Values that are octets: where each lies in a buffer. start, length: int64 (k,)."""

    buffer: NDArray[np.uint8]
    start: NDArray[np.int64]
    length: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, index: Any) -> Spans:
        return Spans(self.buffer, self.start[index], self.length[index])

    def octets(self, at: int) -> bytes:
        """Return one value."""
        start = int(self.start[at])
        return self.buffer[start : start + int(self.length[at])].tobytes()

    def cut(self, first: NDArray[np.int64] | int, length: NDArray[np.int64] | int) -> Spans:
        """Return a part of each value."""
        import numpy as np

        return Spans(self.buffer, self.start + first, np.broadcast_to(np.asarray(length, np.int64), self.start.shape))

    @classmethod
    def of(cls, values: list[bytes]) -> Spans:
        """Return values that stand in no buffer yet."""
        import numpy as np

        length = np.array([len(value) for value in values], np.int64)
        return cls(np.frombuffer(b"".join(values) + b"\0", np.uint8), np.cumsum(length) - length, length)


@dataclass(frozen=True, slots=True)
class Occurrences:
    """A field in a batch.

    packet: int64 (k,) index of the packet, ascending; in a packet outermost first
    values: what the field's kind says: integers (k,) (MAC addresses uint64, IPv4 uint32, times int64 nanoseconds);
            IPv6 uint64 (k, 2); TEXT an object array of str; OCTETS and PROTOCOL ``Spans``; LABEL anything of length k
    texts:  the values as tshark prints them, where somebody has them already
    """

    packet: NDArray[np.int64]
    values: Any
    texts: list[str] | None = None

    def __len__(self) -> int:
        return len(self.packet)

    def select(self, index: NDArray[Any]) -> Occurrences:
        """Return the occurrences at ``index`` (positions)."""
        texts = None if self.texts is None else [self.texts[at] for at in index.tolist()]
        return Occurrences(self.packet[index], self.values[index], texts)


def nothing(values: Any = None) -> Occurrences:
    """Return a field that occurs nowhere."""
    import numpy as np

    return Occurrences(np.empty(0, np.int64), np.empty(0, np.uint8) if values is None else values)
