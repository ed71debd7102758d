"""What stands in a stream of JSON where packets are not told one by one: how many were skipped, and how many lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sniffkit.explanations.record import epoch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.sources.batch import Batch


class SkippedPackets:
    """Gathers packets that are captured, analysed and written, but of which only counts are told.

    packets: so many since ``take`` was last asked
    """

    def __init__(self) -> None:
        self.packets = 0
        self._octets = self._matching = 0
        self._first = self._last = 0
        self._first_ns = self._last_ns = 0

    def add(self, batch: Batch, wanted: NDArray[np.bool_] | None, begin: int = 0) -> None:
        """Count the packets of a batch from row ``begin`` on; ``wanted``: which of them the display filter means."""
        if begin >= len(batch):
            return
        if not self.packets:
            self._first, self._first_ns = batch.first + begin, int(batch.time_ns[begin])
        self._last, self._last_ns = batch.first + len(batch) - 1, int(batch.time_ns[-1])
        self.packets += len(batch) - begin
        self._octets += int(batch.length[begin:].sum())
        self._matching += len(batch) - begin if wanted is None else int(wanted[begin:].sum())

    def take(self) -> dict[str, Any]:
        """Return the record, and begin anew.

        first, last, packets: numbers of the packets, and how many; octets: on the wire; matching: packets that would
        have been told, those that the display filter means; time_epoch, last_time_epoch: of the first and the last
        """
        record = {
            "type": "skipped",
            "first": self._first,
            "last": self._last,
            "packets": self.packets,
            "matching": self._matching,
            "octets": self._octets,
            "time_epoch": epoch(self._first_ns),
            "last_time_epoch": epoch(self._last_ns),
        }
        self.packets = self._octets = self._matching = 0
        return record


def lost_record(packets: int, total: int) -> dict[str, Any]:
    """Return the record of packets that the kernel dropped: they have no numbers and were never seen."""
    return {"type": "dropped", "packets": packets, "total": total}


def lost_on_arrival_record(packets: int, total: int) -> dict[str, Any]:
    """Return the record of packets that the interface lost before the kernel could hand them to anybody."""
    return {"type": "lost", "packets": packets, "total": total}
