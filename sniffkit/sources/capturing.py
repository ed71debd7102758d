"""What every way to capture has in common: packets taken a few at a time, counters, and an end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Counters(NamedTuple):
    """What the kernel counted.

    received: packets that passed the filter; dropped: those of them it had no room for (None: not known)
    lost:     packets that the interface lost on arrival, before any filter
    """

    received: int
    dropped: int | None
    lost: int = 0


class Taken(NamedTuple):
    """Columns of some packets just taken; see ``Batch``."""

    octets: NDArray[np.uint8]
    offset: NDArray[np.int64]
    captured: NDArray[np.int64]
    length: NDArray[np.int64]
    time_ns: NDArray[np.int64]


class Capturing(Protocol):
    """A way to capture."""

    @property
    def gone(self) -> str:
        """Why the interface is gone, "" while it is there."""
        ...

    def take(self, seconds: float) -> Taken | None:
        """Return packets, None where none came for so long."""
        ...

    def hurry(self) -> None:
        """Hand out from now on what there is at once."""
        ...

    def counters(self) -> Counters:
        """Return what was counted so far."""
        ...

    def close(self) -> None:
        """Stop."""
        ...
