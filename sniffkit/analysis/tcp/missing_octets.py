"""Missing octets: which directions still lack something at the end of a batch, whatever their marks say.

Wireshark's edge (``gaps``) moves on with the first segment that begins at a gap, though more may be missing behind it.
Here every octet counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.tcp.marks_columns import LaneColumns


def still_missing(columns: LaneColumns, lanes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which of ``lanes``, int64 (k,) ascending, lack octets below the highest they sent: bool (k,).

    What earlier batches left is taken for whole up to the highest number they saw.
    """
    wanted = np.zeros(len(columns.lanes.head), np.bool_)
    wanted[lanes] = True
    rows = np.flatnonzero(columns.sends & columns.lanes.spread(wanted))
    if not len(rows):
        return np.zeros(len(lanes), np.bool_)
    lane = columns.lanes.lane[rows]
    first = np.append(True, lane[1:] != lane[:-1])
    known = columns.next[columns.lanes.head[lane]]
    base = np.where(known != 0, known, columns.sequence[rows[first]][np.cumsum(first) - 1])
    begin = (columns.sequence[rows] - base).view(np.int32).astype(np.int64)
    end = (columns.end[rows] - base).view(np.int32).astype(np.int64)
    shift = lane << 34
    order = np.argsort(begin + shift, kind="stable")  # quick, for nearly all are in order
    lane, begin, end = lane[order], begin[order], end[order]
    reached = np.maximum.accumulate(np.maximum(end, 0) + shift) - shift
    before = np.append(0, reached[:-1])
    before[first] = 0  # sorted by lane as before
    missing = np.zeros(len(wanted), np.bool_)
    missing[lane[begin > before]] = True
    return missing[lanes]
