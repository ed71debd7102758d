"""The recorder: takes packets off an interface, writes them down, and keeps them for whoever tells them.

It runs in a thread of its own, so that a slow terminal or a long explanation delays neither the interface nor the file.
What is not told yet waits in memory, up to a limit; past that the kernel's ring fills, and the kernel drops and counts.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.sources.batch import GUARD, Batch
from sniffkit.sources.recording import first_rows
from sniffkit.sources.source import BATCH_OCTETS

if TYPE_CHECKING:
    from sniffkit.sources.live import LiveSource
    from sniffkit.sources.recording import Recording

BACKLOG_OCTETS = 512 * 1024 * 1024
"""How much may wait to be told, three million short packets; never more than a quarter of the machine's memory."""

TAKEN_AT_ONCE = 65_536
"""Packets that are handed on together: longer batches cost no less a packet, and more memory."""

LOOK_UP = 0.1
"""Seconds after which the recorder looks whether it has been told to stop, even if no packet comes; the source's delay
where that is longer, for each look costs as much as some hundred packets."""

LEAST_LOOK = 0.01
"""Seconds a look takes at the end, when nothing has come by the time it should have."""

AFTERWARDS = 0.07
"""Seconds it goes on after being told to stop, besides the source's delay: what was captured before that is still in
the kernel's open block. What stands in the ring then is read all the same, however long the disk takes for it."""

MISSING_AWAITED = 1.0
"""Seconds it then waits for packets that the kernel has counted and not handed over: where all processors are busy its
timers are late."""


class Recorder:
    """Records until told to stop, until enough packets or seconds, or until the interface is gone.

    count, seconds: 0 for no limit; the seconds begin now: what the source captures until ``start`` is recorded too
    keep:    packets are kept for whoever takes them; without it they are only counted and written
    packets, octets: what was recorded so far (octets on the wire)
    waiting: packets not yet taken
    """

    def __init__(
        self,
        source: LiveSource,
        recording: Recording | None = None,
        *,
        count: int = 0,
        seconds: float = 0.0,
        keep: bool = True,
    ) -> None:
        self.source = source
        self.packets = self.octets = self.waiting = 0
        self.failure: BaseException | None = None
        self._recording = recording
        self._count = count
        self._seconds = seconds
        self._begin = time.monotonic()
        self.keep = keep
        self._stop_ns = 0
        self._queue: deque[Batch] = deque()
        self._queued_octets = 0
        self._waiting_since = 0.0
        self._most_waiting = min(BACKLOG_OCTETS, _memory() // 4)
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Record what came until now, and end. May be called from a signal handler."""
        if not self._stop_ns:
            self._stop_ns = time.time_ns()

    @property
    def stopping(self) -> bool:
        """Whether no more packets will be recorded than came until now."""
        return bool(self._stop_ns) or self._ended

    @property
    def finished(self) -> bool:
        """Whether everything was recorded and taken."""
        return self._ended and not self._queue

    @property
    def crowded(self) -> bool:
        """Whether half of what may wait is waiting: who takes them should hurry, or the kernel will have to drop."""
        return 2 * self._queued_octets > self._most_waiting

    def take(self, seconds: float, gather: float = 0.0) -> Batch | None:
        """Return what waits, as one batch; None where nothing came for so long, or nothing will come any more.

        gather: seconds for which packets are left to wait for more, unless a whole batch is there
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_due(gather), seconds):
                return None
            taken: list[Batch] = []
            octets = packets = 0
            while self._queue and (not taken or octets + self._queue[0].octets.nbytes <= BATCH_OCTETS):
                if taken and packets + len(self._queue[0]) > TAKEN_AT_ONCE:
                    break
                taken.append(self._queue.popleft())
                octets += taken[-1].octets.nbytes
                packets += len(taken[-1])
            self.waiting -= packets
            self._queued_octets -= octets
            self._changed.notify_all()
        return joined(taken) if taken else None

    def _is_due(self, gather: float) -> bool:
        """Return whether it is time to take what waits, or to see that nothing will come any more."""
        if self.stopping or not self._queue:
            return bool(self._queue) or self._ended
        whole = self.waiting >= TAKEN_AT_ONCE or self._queued_octets >= BATCH_OCTETS
        return whole or time.monotonic() - self._waiting_since >= gather

    def wait_until_written(self, seconds: float) -> None:
        """Wait until no packet is just being written, so that a process may end at once and leave a whole file."""
        self._writing.acquire(timeout=seconds)

    def _run(self) -> None:
        try:
            self._record()
        except BaseException as error:  # told by the thread that takes
            self.failure = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _look_at_the_clock(self) -> None:
        """Stop where the time is over, as of the moment when it was."""
        over = time.monotonic() - self._begin - self._seconds
        if self._seconds and over >= 0 and not self._stop_ns:
            self._stop_ns = time.time_ns() - int(over * 1e9)

    def _record(self) -> None:
        end = float("inf")
        while True:
            self._look_at_the_clock()
            if self._stop_ns and end == float("inf"):
                end = time.monotonic() + self.source.delay + AFTERWARDS
                self.source.hurry()
            left = min(max(LOOK_UP, self.source.delay), end - time.monotonic())
            if self._seconds:
                left = min(left, max(self._seconds - (time.monotonic() - self._begin), 0.001))
            over = left <= 0
            if over and self.source.through != "ring":  # where packets know no time there would be no end to it
                return
            batch = self.source.read(max(left, LEAST_LOOK if over else 0))
            if batch is None:
                if over and not (time.monotonic() - end < MISSING_AWAITED and self.source.missing > 0):
                    return
                if self.source.gone:
                    self.stop()
                continue
            whole = len(batch)
            self._look_at_the_clock()
            if self._stop_ns and self.source.through == "ring":
                late = np.flatnonzero(batch.time_ns > self._stop_ns)
                batch = first_rows(batch, int(late[0])) if len(late) else batch
            if self._count:
                batch = first_rows(batch, self._count - self.packets)
            self._put(batch)
            if len(batch) < whole or (self._count and self.packets >= self._count):
                return
            if self._recording is not None and self._recording.full:
                return

    def _put(self, batch: Batch) -> None:
        if not len(batch):
            return
        if self._recording is not None:
            with self._writing:
                self._recording.write(batch)
        self.packets += len(batch)
        self.octets += int(batch.length.sum())
        if not self.keep:
            return
        with self._changed:
            while self._queued_octets > self._most_waiting and not self._stop_ns:
                self._changed.wait(LOOK_UP)
            if not self._queue:
                self._waiting_since = time.monotonic()
            self._queue.append(batch)
            self._queued_octets += batch.octets.nbytes
            self.waiting += len(batch)
            self._changed.notify_all()


def _memory() -> int:
    """Return the memory of this machine in octets; plenty where nobody tells."""
    import os

    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 4 * BACKLOG_OCTETS


def joined(batches: list[Batch]) -> Batch:
    """Return some batches of one source as one: analysing a long batch costs less a packet."""
    if len(batches) == 1:
        return batches[0]
    lengths = [len(batch.octets) - GUARD for batch in batches[:-1]]
    moved = np.cumsum([0, *lengths])
    octets = [batch.octets[: len(batch.octets) - GUARD] for batch in batches[:-1]]
    return Batch(
        np.concatenate([*octets, batches[-1].octets]),
        np.concatenate([batch.offset + by for batch, by in zip(batches, moved.tolist(), strict=True)]),
        np.concatenate([batch.captured for batch in batches]),
        np.concatenate([batch.length for batch in batches]),
        np.concatenate([batch.time_ns for batch in batches]),
        np.concatenate([batch.link_type for batch in batches]),
        np.concatenate([batch.interface for batch in batches]),
        batches[0].first,
    )
