"""Signals that a running capture answers: to end it, to tell its counters, to let it rest for a while (Ctrl-Z)."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import Self

ENDING = ("SIGINT", "SIGTERM", "SIGHUP")
"""Ctrl-C, kill, and a terminal that was closed."""

COUNTERS = ("SIGUSR1", "SIGINFO")
RESTING = "SIGTSTP"

LEFT_ALONE = ("SIGHUP", "SIGTSTP")
"""Whoever started us may have switched these off for good: nohup, a shell without jobs."""


class Signals:
    """Use it in ``with``: the handlers of before come back at the end.

    end:      called at each signal that ends, in the middle of whatever runs
    counters: somebody asked for the counters; to be set back by whoever tells them
    resting:  somebody pressed Ctrl-Z; ``rest`` does what was asked for, once the screen is tidy
    """

    def __init__(self, end: Callable[[], None]) -> None:
        self.counters = self.resting = False
        self._end = end
        self._before: dict[int, Any] = {}
        self._terminals = [number for number in (1, 2) if os.isatty(number)]

    def rest(self) -> None:
        """Stop as the terminal's user wants it; returns when the shell lets us go on (fg)."""
        self.resting = False
        handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, handler)

    def __enter__(self) -> Self:
        answers = dict.fromkeys(ENDING, self._stop) | dict.fromkeys(COUNTERS, self._ask) | {RESTING: self._pause}
        for name, handler in answers.items():
            number = getattr(signal, name, None)
            if number is None or (name in LEFT_ALONE and signal.getsignal(number) is signal.SIG_IGN):
                continue
            self._before[number] = signal.signal(number, handler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if number == getattr(signal, "SIGHUP", None):
            self._nobody_reads()
        self._end()

    def _nobody_reads(self) -> None:
        """Let what is still written go nowhere where the terminal is gone: the capture is to be closed in order."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for number in self._terminals:
            if not os.isatty(number):
                os.dup2(nowhere, number)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.counters = True

    def _pause(self, number: int, frame: FrameType | None) -> None:
        self.resting = True
