"""DNS questions that may still be answered: numbered in order, found again by their keys, let go of when they are old.

Whether a question can still be found depends only on what came before in the capture, never on when memory was freed:
so the analyser that goes message by message and the one that works in columns say the same.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from sniffkit.analysis.open_questions import LINGER_NS, MOST
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from sniffkit.analysis.dns.exchange import DnsExchange

EARLIEST = NO_TIME + LINGER_NS
"""The clock before any packet had a time; an age taken from it fits 64 bits."""


class OpenExchanges:
    """Exchanges by number, which is their place in the order of first packets.

    clock:  latest time met so far, so that a clock set back makes nothing old
    opened: how many exchanges were opened so far
    leave:  is told every exchange that is let go of
    """

    def __init__(self, leave: Callable[[DnsExchange], None]) -> None:
        self.clock = EARLIEST
        self.opened = 0
        self._leave = leave
        self._open: dict[Hashable, DnsExchange] = {}
        self._queue: list[tuple[int, DnsExchange, tuple[Hashable, ...]]] = []

    def __len__(self) -> int:
        return len(self._queue)

    def tick(self, time_ns: int) -> None:
        """Let the clock go on."""
        self.clock = max(self.clock, time_ns)

    def find(self, key: Hashable) -> DnsExchange | None:
        """Return the newest exchange under a key if it can still be answered."""
        exchange = self._open.get(key)
        return exchange if exchange is not None and self.lives(exchange) else None

    def lives(self, exchange: DnsExchange) -> bool:
        """Say whether something may still come that belongs to an exchange."""
        return exchange.place >= self.opened - MOST and self.clock - exchange.heard_ns <= LINGER_NS

    def add(self, exchange: DnsExchange, *keys: Hashable) -> None:
        """Open an exchange; an older one under the same key is found no more, yet still handed out in its turn."""
        exchange.place, exchange.heard_ns = self.opened, self.clock
        self.opened += 1
        self.restore(exchange, *keys)

    def restore(self, exchange: DnsExchange, *keys: Hashable) -> None:
        """Put back an exchange that has its number already."""
        for key in keys:
            self._open[key] = exchange
        heapq.heappush(self._queue, (exchange.place, exchange, keys))

    def let_go(self, before: int) -> list[DnsExchange]:
        """Let go, in order, of the exchanges numbered below ``before`` up to the first that may still change."""
        return self._leaving(before, old_only=True)

    def finish(self) -> list[DnsExchange]:
        """Let go of everything."""
        return self._leaving(self.opened, old_only=False)

    def kept(self, first: int) -> list[DnsExchange]:
        """Return those numbered from ``first`` on to which something may still come."""
        return [exchange for place, exchange, _ in self._queue if place >= first]

    def first(self) -> int:
        """Return the number of the first exchange that is kept; ``opened`` where there is none."""
        return self._queue[0][0] if self._queue else self.opened

    def _leaving(self, before: int, old_only: bool) -> list[DnsExchange]:
        gone = []
        while self._queue and self._queue[0][0] < before:
            if old_only and self.lives(self._queue[0][1]):
                break
            _, exchange, keys = heapq.heappop(self._queue)
            for key in keys:
                if self._open.get(key) is exchange:
                    del self._open[key]
            self._leave(exchange)
            gone.append(exchange)
        return gone
