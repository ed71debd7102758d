"""A batch: many packets in one buffer, with one array entry a packet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GUARD = 256
"""Zero octets that every batch keeps after its last packet.

A header window gathered anywhere inside a packet then never leaves the buffer, so that gathering needs no bounds.
"""

NO_TIME = -(2**63)
"""``time_ns`` of a packet without a time stamp (a pcapng Simple Packet Block)."""


HEAD = 80
"""Octets of each packet that ``Heads`` has: Ethernet, IP and TCP with its usual options, and a VLAN tag or two."""


@dataclass(frozen=True, slots=True)
class Interface:
    """What a capture says of one of its interfaces."""

    link_type: int
    snap_length: int = 0
    name: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Heads:
    """The first HEAD octets of every packet of a batch once more, side by side.

    Packets are spread over megabytes: each time a header is looked at there it has to come from main memory, here it
    comes from the processor's cache.

    octets: uint8 (n, width), a packet a row; its first octet stands at ``before``
    offset: int64 (n,) where each packet begins in the batch's buffer
    """

    octets: NDArray[np.uint8]
    before: int
    offset: NDArray[np.int64]

    @classmethod
    def gather(cls, buffer: NDArray[np.uint8], offset: NDArray[np.int64], before: int = 0) -> Heads:
        """Copy them together, with what stands in the ``before`` octets before each packet."""
        import numpy as np

        width = before + HEAD
        both = pieces(buffer, offset - before if before else offset, width)
        return cls(both.view(np.uint8).reshape(len(offset), width), before, offset)

    def part(self, rows: slice) -> Heads:
        """Return the heads of some packets that follow each other."""
        return Heads(self.octets[rows], self.before, self.offset[rows])

    def stretch(self, distance: int, width: int) -> NDArray[np.void]:
        """Return the ``width`` octets that stand ``distance`` octets behind each packet's beginning: a view, (n,)."""
        import numpy as np

        found: NDArray[np.void] = np.ndarray(
            (len(self.octets),), f"V{width}", self.octets, self.before + distance, (self.octets.shape[1],)
        )
        return found

    def at(self, row: NDArray[np.int64], place: NDArray[np.int64], width: int) -> NDArray[np.void]:
        """Copy the ``width`` octets at each place in the batch's buffer, which lies in the head of packet ``row``."""
        moved = row * self.octets.shape[1] + self.before
        moved += place
        moved -= self.offset[row]
        return pieces(self.octets.reshape(-1), moved, width)


@dataclass(frozen=True, slots=True)
class Batch:
    """Some packets of a capture, in capture order.

    octets:    uint8 (size,) the packets' octets, at ``offset``; what stands between packets has no meaning;
               at least GUARD octets follow the last packet
    offset:    int64 (n,) where each packet begins in ``octets``
    captured:  int64 (n,) how many of its octets were captured
    length:    int64 (n,) how long it was on the wire
    time_ns:   int64 (n,) nanoseconds since 1970-01-01 UTC, or NO_TIME
    link_type: int32 (n,) LINKTYPE number (https://www.tcpdump.org/linktypes.html)
    interface: int32 (n,) number of the interface it was captured on, as tshark counts them
    first:     number of the first packet, counted from 1 over the whole capture
    heads:     the packets' first octets, where whoever read them has copied them together already
    """

    octets: NDArray[np.uint8]
    offset: NDArray[np.int64]
    captured: NDArray[np.int64]
    length: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    link_type: NDArray[np.int32]
    interface: NDArray[np.int32]
    first: int = 1
    heads: Heads | None = None

    def __len__(self) -> int:
        return len(self.offset)

    def head(self, count: int) -> Batch:
        """Return a batch of the first ``count`` packets; the octets are shared."""
        arrays = ("offset", "captured", "length", "time_ns", "link_type", "interface")
        heads = None if self.heads is None else self.heads.part(slice(count))
        return replace(self, heads=heads, **{name: getattr(self, name)[:count] for name in arrays})

    def packet(self, row: int) -> bytes:
        """Return the captured octets of the packet at ``row``."""
        start = int(self.offset[row])
        return self.octets[start : start + int(self.captured[row])].tobytes()


def pieces(octets: NDArray[np.uint8], offset: NDArray[np.int64], width: int) -> NDArray[np.void]:
    """Copy the ``width`` octets from each offset on, (m,): one memory copy a row, any alignment.

    Each must lie within ``octets``; the guard at a batch's end sees to that for every offset inside a packet. The type
    says nothing but the width: with fields NumPy would copy field by field, which takes four times as long.
    """
    import numpy as np

    everywhere: NDArray[np.void] = np.ndarray((len(octets) - width + 1,), f"V{width}", octets.data, 0, (1,))
    return everywhere[offset]
