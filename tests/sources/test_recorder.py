"""The recorder at its end: what came before the stop is recorded, however slow the disk, and nothing after it."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

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


class LateTimer(FullRing):
    """A ring whose one block is handed over late: on a busy machine the kernel's timers are."""

    def __init__(self, seconds: float) -> None:
        self.blocks = deque([time.time_ns()])
        self._from = time.monotonic() + seconds

    def take(self, seconds: float) -> Taken | None:
        """Return the block once the timer has run."""
        if time.monotonic() < self._from:
            time.sleep(seconds)
            return None
        return super().take(seconds)

    def counters(self) -> Counters:
        """The kernel counts a packet when it comes, not when its block is handed over."""
        return Counters(EACH, 0)


@pytest.mark.parametrize(("late", "recorded"), [(AFTERWARDS * 3, EACH), (60.0, 0)])
def test_what_the_kernel_has_counted_is_awaited_for_a_while(
    late: float, recorded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sniffkit.sources.recorder.MISSING_AWAITED", 0.5)
    interface = NetworkInterface(1, "eth0", 2, 1, 1, "ethernet")
    recorder = Recorder(LiveSource(interface, cast("Capturing", LateTimer(late)), "ring", 1, 262_144, delay=0.01))
    recorder.start()
    recorder.stop()
    begin = time.monotonic()
    recorder.take(5.0)
    assert recorder.packets == recorded
    assert time.monotonic() - begin < 2.0


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
