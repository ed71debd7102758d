"""How much is told of each packet while more come than can be told: everything, a short form, or only how many.

A person is to see what happens now, so text gives way when it is some seconds late. A program would rather have every
packet late than not at all, so JSON gives way only when so much waits that memory would run out. What is lost for good
is told at once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import IntEnum


class Detail(IntEnum):
    """How much is told of each packet."""

    EXPLAINED = 0
    LINES = 1
    COUNTS = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """From which on packets are told in short, or only counted.

    lines, counts: packets waiting, or seconds behind
    ending:        packets waiting above which they are only counted once the capture is to end
    """

    lines: tuple[int, float]
    counts: tuple[int, float]
    ending: int


LATE_IS_FINE = float("inf")

FOR_PEOPLE = Limits((10_000, 1.0), (60_000, 2.5), 10_000)  # who wants to end does not want to wait
FOR_PROGRAMS = Limits((50_000, LATE_IS_FINE), (200_000, LATE_IS_FINE), 200_000)
"""200,000 packets are told as JSON in some 15 seconds."""

FEW = 500
"""So many packets are explained at once, however late they are: those that came while modules were being loaded."""

CAUGHT_UP = (1_000, 0.3)
CALM = 1.0
"""Below CAUGHT_UP for so many seconds, and everything is explained again."""


class Pace:
    """Decides batch by batch."""

    def __init__(self, limits: Limits) -> None:
        self.detail = Detail.EXPLAINED
        self._limits = limits
        self._calm_since = 0.0

    def decide(self, waiting: int, behind: float, *, crowded: bool, ending: bool) -> bool:
        """Decide how much is told from here on; return whether that is a change.

        waiting: packets not told yet; behind: seconds since the last of them was captured; crowded: memory is short
        """
        before, limits = self.detail, self._limits
        if waiting <= FEW and not before:
            behind = 0.0
        most = limits.ending if ending else limits.counts[0]
        if crowded or waiting > most or behind > limits.counts[1]:
            self.detail = Detail.COUNTS
        elif waiting > limits.lines[0] or behind > limits.lines[1]:
            self.detail = max(before, Detail.LINES)
        elif waiting > CAUGHT_UP[0] or behind > CAUGHT_UP[1]:
            self._calm_since = 0.0
        elif before:
            self._calm_since = self._calm_since or time.monotonic()
            if time.monotonic() - self._calm_since > CALM:
                self.detail = Detail.EXPLAINED
        if self.detail != before:
            self._calm_since = 0.0
        return self.detail != before


LOSSES_TOLD_EVERY = 1.0


class ToldLosses:
    """How many of the packets lost so far have been told: as soon as there are any, and then once a second at most."""

    def __init__(self) -> None:
        self._told = 0
        self._told_at = 0.0

    def due(self, total: int, now: float) -> int:
        """Return how many of ``total`` are to be told now; 0 where there are none, or it is too soon."""
        new = total - self._told
        if new <= 0 or now - self._told_at <= LOSSES_TOLD_EVERY:
            return 0
        self._told, self._told_at = total, now
        return new
