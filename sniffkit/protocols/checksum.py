"""The Internet checksum: 16-bit words added in one's complement (RFC 1071), for one header or for all of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GOOD, BAD, UNKNOWN = 1, 0, -1
"""Unknown: not all octets that it covers were captured, or it was not computed at all (UDP over IPv4, value 0)."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """A checksum as it stands in a packet, and what it should be (None where that cannot be known).

    partial: the sum of the pseudo-header alone, which a system leaves in the field for its network card to complete
    """

    id: str
    value: int
    expected: int | None
    partial: int | None = None

    @property
    def state(self) -> int:
        """GOOD, BAD or UNKNOWN."""
        if self.expected is None:
            return UNKNOWN
        # 0x0000 and 0xffff are both zero in one's complement (RFC 1624 section 3)
        return GOOD if self.value % 0xFFFF == self.expected % 0xFFFF else BAD

    @property
    def unfinished(self) -> bool:
        """True where the sender's network card was yet to fill it in when the packet was captured (offload)."""
        return self.state == BAD and self.value == self.partial


def internet_checksum(octets: bytes) -> int:
    """Return the one's complement of the one's complement sum of the 16-bit words of ``octets`` (RFC 1071)."""
    # 2**16 is 1 modulo 65535, so the whole buffer read as one number has the same remainder as the sum of its words
    total = int.from_bytes(octets + b"\0" * (len(octets) % 2), "big")
    remainder = total % 0xFFFF
    return 0xFFFF - (remainder or (0xFFFF if total else 0))


def sums(octets: NDArray[np.uint8], start: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Add the 16-bit words of many stretches of a buffer, each padded with a zero octet to whole words.

    start, length: (m,). Result (m,) uint32, folded once more by whoever adds to it.
    """
    import numpy as np

    result = np.zeros(len(start), np.uint64)
    if not len(start):
        return result.astype(np.uint32)
    for parity in (0, 1):
        chosen = np.flatnonzero(((start & 1) == parity) & (length > 0))
        if not len(chosen):
            continue
        # both parities read the buffer as words, one of them beginning an octet later
        words = octets[parity : parity + (len(octets) - parity) // 2 * 2].view(">u2")
        first = (start[chosen] - parity) // 2
        whole = length[chosen] // 2
        totals = segment_sums(words, first, whole)
        odd = np.flatnonzero(length[chosen] & 1)
        if len(odd):
            last = octets[(start[chosen] + length[chosen] - 1)[odd]].astype(np.uint64)
            totals[odd] += last << np.uint64(8)
        result[chosen] = totals
    for _ in range(3):
        result = (result & np.uint64(0xFFFF)) + (result >> np.uint64(16))
    return result.astype(np.uint32)


def segment_sums(words: NDArray[Any], first: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Sum ``count`` words from ``first`` on, (m,); stretches may overlap and be empty."""
    import numpy as np

    low, high = int(first.min()), int((first + count).max())
    bounds = np.empty(2 * len(first), np.int64)
    bounds[0::2], bounds[1::2] = first - low, first + count - low
    # a word of zero at the end lets a stretch end where the words do
    padded = np.zeros(high - low + 1, np.uint64)
    padded[:-1] = words[low:high]
    totals: NDArray[np.uint64] = np.add.reduceat(padded, bounds)[0::2]
    totals[count == 0] = 0
    return totals


def fold(total: NDArray[Any]) -> NDArray[np.uint32]:
    """Fold sums of words to 16 bits, (m,)."""
    import numpy as np

    total = total.astype(np.uint64)
    for _ in range(3):
        total = (total & np.uint64(0xFFFF)) + (total >> np.uint64(16))
    return total.astype(np.uint32)
