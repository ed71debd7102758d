"""What the capture itself says of each packet: its number, times, lengths, and which protocols it holds."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from sniffkit.protocols.columns import PROTOCOLS
from sniffkit.protocols.occurrences import Occurrences
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.protocols.batch_fields import BatchFields
    from sniffkit.protocols.columns import Columns
    from sniffkit.sources.batch import Batch

ENCAPSULATIONS = {
    0: 15, 1: 1, 8: 3, 9: 4, 10: 6, 12: 7, 14: 7, 50: 4, 101: 7, 104: 28, 105: 20, 107: 26, 108: 15, 113: 25, 127: 23,
    192: 97, 195: 104, 228: 129, 229: 130, 230: 127, 239: 141, 242: 180, 276: 210,
}  # fmt: skip
"""``frame.encap_type``, Wireshark's own number, by LINKTYPE number."""

UNKNOWN_ENCAPSULATION = -1


class FrameFields:
    """Reads ``frame.*``; carries the first and the last time from batch to batch."""

    def __init__(self, interface_ids: bool = True) -> None:
        self.interface_ids = interface_ids
        self._first = self._last = NO_TIME
        self._before: NDArray[np.int64] | None = None
        self._start = NO_TIME

    def feed(self, batch: Batch) -> None:
        """Begin the next batch."""
        import numpy as np

        if not len(batch):
            return
        if self._first == NO_TIME:
            self._first = int(batch.time_ns[0])
        last = self._last if self._last != NO_TIME else int(batch.time_ns[0])
        self._before = np.concatenate([[last], batch.time_ns[:-1]])
        self._last = int(batch.time_ns[-1])

    def occurrences(self, id: str, fields: BatchFields) -> Occurrences:
        """Return a field of every packet; KeyError if there is no such field."""
        import numpy as np

        batch = fields.batch
        every = np.arange(len(batch))
        values: Any
        if id == "frame.interface_id" and not self.interface_ids:
            every = every[:0]
            values = batch.interface[every]
        elif id in ("frame.time_epoch", "frame.time_relative", "frame.time_delta"):
            values = batch.time_ns
            if id == "frame.time_relative":
                values = values - self._first
            elif id == "frame.time_delta" and self._before is not None:
                values = values - self._before
            timed = batch.time_ns != NO_TIME
            every, values = every[timed], values[timed]
        elif id == "frame.encap_type":
            kinds, where = np.unique(batch.link_type, return_inverse=True)
            named = [ENCAPSULATIONS.get(kind, UNKNOWN_ENCAPSULATION) for kind in kinds.tolist()]
            values = np.array(named, np.int64)[where]
        elif id == "frame.protocols":
            values = protocol_chains(fields.columns)
        else:
            values = fields.columns[id]
        return Occurrences(every, values)


@cache
def chain_words() -> dict[str, str]:
    """Return what Wireshark writes in ``frame.protocols`` for a header, where it is not the protocol's name."""
    return {
        "eth": "eth:ethertype",
        "vlan": "vlan:ethertype",
        "ieee8021ad": "ieee8021ad:ethertype",
        "sll": "sll:ethertype",
        "sll2": "sll:ethertype",
    }


def protocol_chains(columns: Columns) -> NDArray[Any]:
    """Return ``frame.protocols`` as far as our tables read each packet, an object array of str (n,).

    Each packet's chain is a number that grows by one protocol a round; equal chains are written once.
    """
    import numpy as np

    count = len(columns.batch)
    packets, codes, depths = [], [], []
    for number, name in enumerate(PROTOCOLS[1:], 1):
        rows = columns.rows(name)
        if len(rows):
            packets.append(rows.row)
            codes.append(np.full(len(rows), number, np.int64))
            depths.append(rows.offset)
    chains = np.empty(count, object)
    chains[:] = ""
    if not packets:
        return chains
    packet, code, offset = np.concatenate(packets), np.concatenate(codes), np.concatenate(depths)
    order = np.lexsort((offset, packet))
    packet, code = packet[order], code[order]
    first = np.flatnonzero(np.diff(packet, prepend=-1))
    depth = np.arange(len(packet)) - np.repeat(first, np.diff(np.append(first, len(packet))))
    key = np.zeros(count, np.int64)
    written: list[tuple[str, ...]] = [()]
    known: dict[tuple[int, int], int] = {}
    for level in range(int(depth.max()) + 1):
        here = depth == level
        pairs, where = np.unique(key[packet[here]] * 256 + code[here], return_inverse=True)
        numbers = []
        for pair in pairs.tolist():
            before, word = pair >> 8, pair & 255
            if (before, word) not in known:
                known[before, word] = len(written)
                written.append((*written[before], PROTOCOLS[word]))
            numbers.append(known[before, word])
        key[packet[here]] = np.array(numbers)[where.reshape(-1)]
    words = np.array([":".join(chain_words().get(name, name) for name in chain) for chain in written], object)
    found: NDArray[Any] = words[key]
    return found
