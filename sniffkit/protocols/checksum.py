"""The Internet checksum: 16-bit words added in one's complement (RFC 1071), for one header or for all of a batch."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GOOD, BAD, UNKNOWN = 1, 0, -1
"""Unknown: not all octets that it covers were captured, or it was not computed at all (UDP over IPv4, value 0)."""

SHORT = 64
"""Stretches of up to so many octets are added word by word, all of a length together: in a third of the time."""

FEW_LONG = 8
"""That is worth while where no more than one stretch in so many is longer."""


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

    start, length: (m,), at least four octets of the buffer follow each stretch. Result (m,) uint32, folded to 16 bits.

    Where nearly all are short, those are gathered; else all are added in one pass over the buffer's own words. Both in
    this machine's byte order: where a stretch begins at an odd octet of the pass, or the machine puts the low octet
    first, the sum comes out with its two octets swapped, and is swapped back at the end (RFC 1071 section 2, B).
    """
    import numpy as np

    if not len(start):
        return np.zeros(0, np.uint32)
    is_long = length > SHORT
    long = np.flatnonzero(is_long)
    if FEW_LONG * len(long) < len(start):
        total = np.zeros(len(start), np.uint32)
        if len(long):
            total[long] = _long_sums(octets, start[long], length[long])
        words = np.where(is_long | (length <= 0), 0, (length + 3) // 4)
        for count in (np.flatnonzero(np.bincount(words)[1:]) + 1).tolist():
            rows = np.flatnonzero(words == count)
            total[rows] = _gathered_sums(octets, start[rows], count, length[rows] & 3)
        return total
    return _long_sums(octets, start, length)


def _long_sums(octets: NDArray[np.uint8], start: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Add stretches of any length in one pass over the buffer."""
    import numpy as np

    little = sys.byteorder == "little"
    odd = ((start & 1) == 1) & (length > 0)
    begin, left = start + odd, length - odd
    totals = segment_sums(octets[: len(octets) // 2 * 2].view(np.uint16), begin // 2, left // 2)
    index = np.flatnonzero(odd)
    totals[index] += octets[start[index]].astype(np.uint64) << np.uint64(8 if little else 0)
    index = np.flatnonzero(left & 1)
    totals[index] += octets[(begin + left - 1)[index]].astype(np.uint64) << np.uint64(0 if little else 8)
    folded = fold(totals)
    return np.where(odd ^ little, _swapped(folded), folded)


def short_sums(octets: NDArray[np.uint8], start: NDArray[np.int64], length: int) -> NDArray[np.uint32]:
    """Add the 16-bit words of many stretches of the same ``length``, a multiple of four: (m,) uint32, folded."""
    return _gathered_sums(octets, start, length // 4)


def _gathered_sums(
    octets: NDArray[np.uint8], start: NDArray[np.int64], count: int, left: NDArray[np.int64] | None = None
) -> NDArray[np.uint32]:
    """Add many stretches of ``count`` words of 32 bits, of the last only ``left`` octets (0 for all): (m,), folded.

    A word of 32 bits counts as much as the two that it is made of: 2**16 is 1 in one's complement.
    """
    import numpy as np

    form = np.dtype(f"V{4 * count}")
    everywhere: NDArray[np.void] = np.ndarray((max(len(octets) - 4 * count + 1, 0),), form, octets, strides=(1,))
    words = everywhere[start].view(np.uint32).reshape(len(start), count)
    if left is not None and left.any():
        ends = bytes(-(column < size) & 0xFF for size in (4, 1, 2, 3) for column in range(4))
        words[:, -1] &= np.frombuffer(ends, np.uint32)[left]
    totals = words[:, 0].astype(np.uint64)
    for column in range(1, count):
        totals += words[:, column]
    folded = fold(totals)
    return _swapped(folded) if sys.byteorder == "little" else folded


def _swapped(sums: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Exchange the two octets of each sum."""
    import numpy as np

    return (sums >> np.uint32(8)) | ((sums & np.uint32(0xFF)) << np.uint32(8))


def segment_sums(words: NDArray[Any], first: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Sum ``count`` words from ``first`` on, (m,); stretches may overlap and be empty, one word follows the last."""
    import numpy as np

    low, high = int(first.min()), int((first + count).max())
    bounds = np.empty(2 * len(first), np.int64)
    bounds[0::2], bounds[1::2] = first - low, first + count - low
    totals: NDArray[np.uint64] = np.add.reduceat(words[low : high + 1], bounds, dtype=np.uint64)[0::2]
    totals[count == 0] = 0
    return totals


def fold(total: NDArray[Any]) -> NDArray[np.uint32]:
    """Fold sums of words to 16 bits, (m,)."""
    import numpy as np

    total = total.astype(np.uint64)
    for _ in range(3):
        total = (total & np.uint64(0xFFFF)) + (total >> np.uint64(16))
    return total.astype(np.uint32)
