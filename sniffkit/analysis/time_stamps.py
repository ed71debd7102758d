"""Differences between time stamps, which in a damaged capture may be further apart than 64 bits can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_NS = 2**63 - 1
"""Nanoseconds: 292 years. A time stamp is within as much of 1970, so two may be twice that apart."""


def elapsed_ns(later: NDArray[np.int64], earlier: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the time from one packet to another, below 0 where clocks were set back: int64 (m,).

    0 where either is NO_TIME; where two clocks are further apart than the 292 years that 64 bits hold, just these.
    """
    gap: NDArray[np.int64] = later - earlier
    timeless = (earlier == NO_TIME) | (later == NO_TIME)
    gap[timeless] = 0
    after = later > earlier
    around = np.flatnonzero(((gap > 0) != after) & ~timeless & (gap != 0))
    if len(around):
        gap[around] = np.where(after[around], MOST_NS, -MOST_NS)
    return gap
