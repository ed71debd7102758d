"""Which packets are asked for: ``--packet 3,7-9`` or ``5-``, read into ranges of packet numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sniffkit.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NUMBER = re.compile(r"\s*([0-9]{1,15})\s*")


@dataclass(frozen=True, slots=True)
class Selection:
    """Packet numbers as ranges (first, last), both included; last None: to the end of the capture."""

    ranges: tuple[tuple[int, int | None], ...]

    @classmethod
    def read(cls, text: str) -> Selection:
        """Read ``3,7-9`` or ``5-``. Raises UsageError with the place where it goes wrong."""
        ranges: list[tuple[int, int | None]] = []
        place = 0
        while True:
            first, place = _number(text, place)
            last: int | None = first
            if text[place : place + 1] == "-":
                place += 1
                last = None
                if text[place:].strip() and text[place:].lstrip()[0] != ",":
                    begins = place
                    last, place = _number(text, place)
                    if last < first:
                        raise UsageError("usage.packets-order", value=text, place=begins, first=first, last=last)
            ranges.append((first, last))
            rest = text[place:].lstrip()
            if not rest:
                return cls(tuple(ranges))
            place = len(text) - len(rest)
            if rest[0] != ",":
                raise UsageError("usage.packets", value=text, place=place)
            place += 1

    @property
    def last(self) -> int | None:
        """The highest number asked for, None where a range goes on to the end."""
        return None if any(last is None for _, last in self.ranges) else max(last or 0 for _, last in self.ranges)

    def rows(self, first: int, count: int) -> NDArray[np.bool_]:
        """Return which of ``count`` packets, the first of which has number ``first``, are asked for: bool (count,)."""
        import numpy as np

        chosen = np.zeros(count, np.bool_)
        for begin, end in self.ranges:
            chosen[max(begin - first, 0) : count if end is None else max(end - first + 1, 0)] = True
        return chosen

    def missing(self, packets: int) -> int | None:
        """Return the first number asked for that a capture of so many packets does not have, None if all are there."""
        return min((begin for begin, _ in self.ranges if begin > packets), default=None)


def _number(text: str, place: int) -> tuple[int, int]:
    """Read a packet number at ``place``; return it and the place behind it."""
    found = _NUMBER.match(text, place)
    if found is None:
        raise UsageError("usage.packets", value=text, place=place + len(text[place:]) - len(text[place:].lstrip()))
    if int(found[1]) == 0:
        raise UsageError("usage.packet-zero", value=text, place=found.start(1))
    return int(found[1]), found.end()
