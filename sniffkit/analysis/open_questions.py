"""Questions that may still be answered: found again by their keys, let go in order once they are old or too many."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from sniffkit.analysis.time_stamps import MOST_NS
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

LINGER_NS = 60 * 10**9
"""How long after its last packet a question can still be answered, in the capture's own time."""

MOST = 65_536
"""How many questions are kept at once; past that the oldest is let go, answered or not."""


class Record(Protocol):
    """What an analyser keeps of one question; ``last_ns`` is the time of the last packet that belongs to it."""

    last_ns: int


R = TypeVar("R", bound=Record)


class OpenQuestions(Generic[R]):
    """Records in order of their first packet.

    keep:  what is let go is handed out by ``take``; without it memory stays bounded
    leave: is told every record that is let go, to count it
    """

    def __init__(
        self,
        keep: bool = True,
        leave: Callable[[R], None] | None = None,
        linger_ns: int = LINGER_NS,
        most: int = MOST,
    ) -> None:
        self._keep = keep
        self._leave = leave
        self._linger_ns = linger_ns
        self._most = most
        self._open: dict[Hashable, R] = {}
        self._order: deque[tuple[R, tuple[Hashable, ...]]] = deque()
        self._gone: list[R] = []

    def __len__(self) -> int:
        return len(self._order)

    def find(self, key: Hashable) -> R | None:
        """Return the newest record under a key."""
        return self._open.get(key)

    def oldest(self) -> R | None:
        """Return the record that is let go next, None where none is kept."""
        return self._order[0][0] if self._order else None

    def add(self, record: R, *keys: Hashable) -> None:
        """Open a record; an older one under the same key is found no more, yet still handed out in its turn."""
        for key in keys:
            self._open[key] = record
        self._order.append((record, keys))

    def tick(self, time_ns: int) -> None:
        """Let go of what is too old at this time; a clock set back, or no time at all, makes nothing old."""
        order = self._order
        while order and (len(order) > self._most or time_ns - order[0][0].last_ns > self._linger_ns):
            self._let_go()

    def take(self) -> list[R]:
        """Return the records let go since the last call, in order of their first packet."""
        gone, self._gone = self._gone, []
        return gone

    def finish(self) -> list[R]:
        """Let go of everything; return what ``take`` would."""
        while self._order:
            self._let_go()
        return self.take()

    def _let_go(self) -> None:
        record, keys = self._order.popleft()
        for key in keys:
            if self._open.get(key) is record:
                del self._open[key]
        if self._leave is not None:
            self._leave(record)
        if self._keep:
            self._gone.append(record)


def elapsed(later_ns: int, earlier_ns: int) -> int | None:
    """Return nanoseconds between two packets, at most MOST_NS either way; None where one has no time stamp."""
    return None if NO_TIME in (later_ns, earlier_ns) else min(max(later_ns - earlier_ns, -MOST_NS), MOST_NS)
