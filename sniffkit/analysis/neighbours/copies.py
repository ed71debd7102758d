"""The same message twice within a blink: one frame captured at two places, or sent in a burst. It is one message.

ARP and neighbour discovery have no identification as IPv4 has, so only the time tells. Nobody asks again that soon:
Linux waits a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Hashable

BLINK_NS = 1_000_000
"""Less than this after a message an equal one is a copy of it."""

AT_MOST = 3
"""So many copies of one Ethernet frame are taken for such; with more of them a loop between switches is at work."""

_KEPT = 1024


class Copies:
    """Remembers the messages of the last blink."""

    def __init__(self) -> None:
        self._seen: dict[Hashable, tuple[int, int, int]] = {}

    def original(self, message: Hashable, number: int, time_ns: int, cooked: bool = False) -> int | None:
        """Return the number of the packet of which this one is a copy, None where it is none.

        cooked: captured on the ``any`` device, where each port of a bridge adds a copy
        """
        known = self._seen.get(message)
        if known is not None and NO_TIME not in (time_ns, known[1]):
            first, first_ns, copies = known
            if 0 <= time_ns - first_ns < BLINK_NS and (cooked or copies < AT_MOST):
                self._seen[message] = (first, first_ns, copies + 1)
                return first
        if len(self._seen) >= _KEPT:
            self._seen = {key: one for key, one in self._seen.items() if 0 <= time_ns - one[1] < BLINK_NS}
        if len(self._seen) < _KEPT:
            self._seen[message] = (number, time_ns, 0)
        return None
