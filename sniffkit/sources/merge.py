"""Several captures read as one, packet by packet in the order of time.

The order is mergecap's: the next packet is always the earliest of those that come next in their files; of equal
times the file named first goes first. A packet that is older than the one before it in its own file therefore
follows that one at once. Only one batch of each file is held in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sniffkit.sources.batch import GUARD, NO_TIME, Batch, Interface
from sniffkit.sources.source import DAMAGE_TOLD, Source

ARRAYS = ("captured", "length", "time_ns", "link_type")


class Queue:
    """What was read of one file and is not handed out yet.

    batch: its packets; those from ``row`` on still wait
    keys:  int64 (n,) the latest time up to each packet: what decides when it is its turn
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.row = 0
        self.numbers: dict[tuple[int, Interface], int] = {}
        self.comments_told = 0
        self._latest = NO_TIME
        self.batch: Batch | None = None
        self.keys: NDArray[np.int64] = np.empty(0, np.int64)
        self.next_batch()

    def next_batch(self) -> None:
        """Read on: the packets of the next batch now wait, or ``batch`` is None at the end."""
        self.row = 0
        self.batch = next(iter(self.source), None)
        if self.batch is not None:
            times = self.batch.time_ns.copy()
            times[0] = max(int(times[0]), self._latest)
            self.keys = np.maximum.accumulate(times)
            self._latest = int(self.keys[-1])

    @property
    def first(self) -> int:
        """The number, in its own file, of the batch's first packet."""
        return self.batch.first if self.batch is not None else 1

    @property
    def last_key(self) -> int:
        """The key of the last packet read so far."""
        return int(self.keys[-1])

    def take(self, horizon: int, ties: bool) -> slice:
        """Take the packets with keys before ``horizon`` (and those at it, if ``ties``); return their rows."""
        stop = int(np.searchsorted(self.keys, horizon, "right" if ties else "left"))
        rows = slice(self.row, max(self.row, stop))
        self.row = rows.stop
        return rows


class MergedSource(Source):
    """Several sources as one; packets are numbered anew, interfaces stand one file's after the other's."""

    def __init__(self, sources: Sequence[Source]) -> None:
        super().__init__(", ".join(source.name for source in sources), "merged")
        self.sources = list(sources)

    @property
    def octets_read(self) -> int:
        """Octets read of all files."""
        return sum(source.octets_read for source in self.sources)

    @property
    def octets_total(self) -> int | None:
        """Octets of all files, None if one has no known end."""
        totals = [source.octets_total for source in self.sources]
        return None if None in totals else sum(total for total in totals if total is not None)

    def close(self) -> None:
        """Close all files."""
        for source in self.sources:
            source.close()

    def batches(self) -> Iterator[Batch]:
        """Yield the packets of all sources by time."""
        queues = [Queue(source) for source in self.sources]
        for queue in queues:
            for number, interface in enumerate(queue.source.interfaces):
                self._number(queue, number, interface)
        self._gather_news()
        waiting = [queue for queue in queues if queue.batch is not None]
        while waiting:
            # All that is earlier than the last packet read of any file is known by now, and can be put in order.
            limit = min(range(len(waiting)), key=lambda index: waiting[index].last_key)
            horizon = waiting[limit].last_key
            taken = [queue.take(horizon, index <= limit) for index, queue in enumerate(waiting)]
            yield self._join(waiting, taken)
            for queue in waiting:
                if queue.batch is not None and queue.row == len(queue.batch):
                    queue.next_batch()
            self._gather_news()
            waiting = [queue for queue in waiting if queue.batch is not None]
        for queue in queues:  # what was said of a capture behind its last packet
            for comment in queue.source.comments[queue.comments_told :]:
                self.note_comment(0, comment.text)

    def _join(self, queues: list[Queue], taken: list[slice]) -> Batch:
        """Make one batch of the ``taken`` rows of each queue."""
        octets: list[NDArray[np.uint8]] = []
        offset, key, interface = [], [], []
        columns: dict[str, list[NDArray[np.int64]]] = {name: [] for name in ARRAYS}
        size = 0
        for queue, rows in zip(queues, taken, strict=True):
            batch = queue.batch
            if batch is None or rows.start == rows.stop:
                continue
            begin = int(batch.offset[rows.start])
            end = int(batch.offset[rows.stop - 1] + batch.captured[rows.stop - 1])
            octets.append(batch.octets[begin:end])
            offset.append(batch.offset[rows] - begin + size)
            size += end - begin
            key.append(queue.keys[rows])
            interface.append(self._numbers(queue, batch.interface[rows]))
            for name, parts in columns.items():
                parts.append(getattr(batch, name)[rows])
        octets.append(np.zeros(GUARD, np.uint8))
        order = np.argsort(np.concatenate(key), kind="stable")
        self._tell_comments(queues, taken, order)
        captured, length, time_ns, link_type = (np.concatenate(columns[name])[order] for name in ARRAYS)
        joined = Batch(
            np.concatenate(octets),
            np.concatenate(offset)[order],
            captured,
            length,
            time_ns,
            link_type.astype(np.int32),
            np.concatenate(interface)[order],
            self.packets + 1,
        )
        self.packets += len(joined)
        return joined

    def _tell_comments(self, queues: list[Queue], taken: list[slice], order: NDArray[np.int64]) -> None:
        """Take over the comments on the packets that are handed out now, under their new numbers."""
        numbers = np.empty(len(order), np.int64)
        numbers[order] = np.arange(len(order)) + self.packets + 1
        before = 0
        for queue, rows in zip(queues, taken, strict=True):
            for comment in queue.source.comments[queue.comments_told :]:
                row = comment.packet - queue.first
                if row >= rows.stop:
                    break
                queue.comments_told += 1
                number = int(numbers[before + row - rows.start]) if row >= rows.start else 0
                self.note_comment(number, comment.text)
            before += rows.stop - rows.start

    def _number(self, queue: Queue, number: int, interface: Interface) -> int:
        """Return the number, over all files, of a file's interface."""
        known = queue.numbers.get((number, interface))
        if known is None:
            known = queue.numbers[number, interface] = len(self.interfaces)
            self.interfaces.append(interface)
        return known

    def _numbers(self, queue: Queue, interface: NDArray[np.int32]) -> NDArray[np.int32]:
        table = np.zeros(len(queue.source.interfaces), np.int32)
        for number in np.unique(interface).tolist():
            table[number] = self._number(queue, number, queue.source.interfaces[number])
        return table[interface]

    def _gather_news(self) -> None:
        """Make what the sources noted so far one list: damage, comments, names."""
        self.damage = [damage for source in self.sources for damage in source.damage]
        self.damage_untold = sum(source.damage_untold for source in self.sources)
        self.damage_untold += max(0, len(self.damage) - DAMAGE_TOLD)
        del self.damage[DAMAGE_TOLD:]
        for source in self.sources:
            for address, name in source.names.items():
                self.note_name(address, name)
