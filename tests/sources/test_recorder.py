"""The recorder at its end: what came before the stop is recorded, however slow the disk, and nothing after it."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, cast

import numpy as np

from sniffkit.sources.batch import GUARD, Batch
from sniffkit.sources.capturing import Counters, Taken
from sniffkit.sources.interfaces import NetworkInterface
from sniffkit.sources.live import LiveSource
from sniffkit.sources.recorder import AFTERWARDS, Recorder

if TYPE_CHECKING:
    from sniffkit.sources.capturing import Capturing
    from sniffkit.sources.recording import Recording

BLOCKS, EACH = 5, 10
LATER_NS = 3_600 * 10**9


class FullRing:
    """A ring in which blocks stand ready; the last of them comes after the stop."""

    gone = ""

    def __init__(self) -> None:
        now = time.time_ns()
        self.blocks = deque([now] * BLOCKS + [now + LATER_NS])

    def take(self, seconds: float) -> Taken | None:
        """Return the next block."""
        if not self.blocks:
            time.sleep(seconds)
            return None
        rows = np.arange(EACH)
        octets = np.zeros(EACH + GUARD, np.uint8)
        return Taken(octets, rows, rows * 0 + 1, rows * 0 + 1, rows * 0 + self.blocks.popleft())

    def hurry(self) -> None:
        """Nothing rests."""

    def counters(self) -> Counters:
        """Nothing is counted."""
        return Counters(0, 0)

    def close(self) -> None:
        """Nothing is open."""


class SlowDisk:
    """A recording that stops the recorder with its first batch, and takes longer to write than the ending may."""

    full = False

    def __init__(self) -> None:
        self.recorder: Recorder | None = None
        self.packets = 0

    def write(self, batch: Batch) -> None:
        """Write the packets, slowly."""
        assert self.recorder
        self.recorder.stop()
        time.sleep(AFTERWARDS * 2)
        self.packets += len(batch)


def test_what_stands_in_the_ring_at_the_stop_is_recorded_however_long_the_disk_takes() -> None:
    interface = NetworkInterface(1, "eth0", 2, 1, 1, "ethernet")
    source = LiveSource(interface, cast("Capturing", FullRing()), "ring", 1, 262_144, delay=0.01)
    disk = SlowDisk()
    recorder = disk.recorder = Recorder(source, cast("Recording", disk))
    recorder.start()
    told = 0
    while not recorder.finished:
        batch = recorder.take(0.1)
        told += len(batch) if batch is not None else 0
    assert recorder.failure is None
    assert (disk.packets, recorder.packets, told) == (BLOCKS * EACH,) * 3
