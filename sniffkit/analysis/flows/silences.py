"""Silences: where a TCP conversation was silent for so long that what follows is told as its next part.

A conversation that is closed, or idle, takes room: after every so many packets it is looked for those whose silence is
long enough to let them go. Their next packet, if there is one, would begin another part anyway. Clocks that were set
while the capture ran (or that a damaged file makes up) must not change that, nor where a batch ends: a look takes
the *earliest* time of the packets since the look before it, so that no single time stamp ends everything; and what the
look would have let go is let go, even where the conversation goes on in the same batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.segments import FIN, RST
from sniffkit.analysis.streams import sorted_rows
from sniffkit.analysis.time_stamps import elapsed_ns
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.flows.stream_table import StreamTable
    from sniffkit.analysis.flows.totals import Sums
    from sniffkit.analysis.segments import Segments

CLOSED_NS = 60 * 10**9
"""A closed conversation is let go after this silence: as long as Linux keeps TIME-WAIT."""

IDLE_NS = 3600 * 10**9
"""An open conversation is let go after this silence (Zeek: 5 minutes, one hour for remote logins)."""

MOST_SILENCES = 1000
"""So many long silences of one conversation are looked at; after that it goes on as one part, however silent it is."""

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Looks:
    """The looks that fall into a batch.

    before: int64 (k,) number of the packet before which each is taken; clock_ns: int64 (k,) the time it goes by
    turned: packets after a look may have earlier times than it goes by, or none
    """

    before: NDArray[np.int64]
    clock_ns: NDArray[np.int64]
    turned: bool

    def silent(
        self, latest_ns: NDArray[np.int64], last: NDArray[np.int64], upto: NDArray[np.int64] | None = None
    ) -> NDArray[np.int64]:
        """Return how long conversations were silent at one of the looks after their last packets: int64 (m,).

        latest_ns, last: int64 (m,) time and number of that packet; upto: of the next packet, None: there is none
        """
        silent = np.full(len(last), 0)
        for before, clock in zip(self.before.tolist(), self.clock_ns.tolist(), strict=True):
            between = last < before if upto is None else (last < before) & (upto >= before)
            silent = np.maximum(silent, np.where(between, elapsed_ns(np.full(len(last), clock), latest_ns), 0))
        return silent


class LookOut:
    """Says when to look: between packets whose numbers lie in different multiples of ``every``."""

    def __init__(self, every: int) -> None:
        self.every = every
        self._stretch = -1
        self._least = _NEVER

    def begins(self, segments: Segments) -> bool:
        """Return whether a look comes before the first of these segments."""
        return self._stretch >= 0 and int(segments.number[0]) // self.every != self._stretch

    def feed(self, segments: Segments) -> Looks:
        """Return the looks before and between these segments."""
        stretch = segments.number // self.every
        start = np.flatnonzero(np.append(True, stretch[1:] != stretch[:-1]))
        timeless = segments.time_ns == NO_TIME
        some_timeless = bool(timeless.any())
        time = np.where(timeless, _NEVER, segments.time_ns) if some_timeless else segments.time_ns
        least = np.minimum.reduceat(time, start)
        names, clocks = stretch[start], least.copy()
        if int(names[0]) == self._stretch:
            clocks[0] = min(self._least, int(clocks[0]))
        else:
            names, clocks = np.append(self._stretch, names), np.append(self._least, clocks)
            least = np.append(_NEVER, least)
        self._stretch, self._least = int(names[-1]), int(clocks[-1])
        before, clocks = (names[:-1] + 1) * self.every, clocks[:-1]
        highest = np.maximum.accumulate(np.where(clocks == _NEVER, NO_TIME, clocks))
        known = clocks != _NEVER
        turned = some_timeless or bool((least[1:] < highest).any())
        return Looks(before[known], clocks[known], turned and bool(known.any()))


def silent_nowhere(table: StreamTable, added: Sums, count: int, looks: Looks) -> bool:
    """Return whether no stream was silent for CLOSED_NS before or within a batch, as far as its sums tell.

    count: segments of the batch; where some of them are in no sum, ``silences`` has to look
    """
    if looks.turned or int(added.packets.sum()) != count or (added.silence_ns >= CLOSED_NS).any():
        return False
    carried = table.has(added.stream)
    return not (elapsed_ns(added.first_ns[carried], table["latest_ns"][added.stream[carried]]) >= CLOSED_NS).any()


def silences(
    table: StreamTable, segments: Segments, stream: NDArray[np.int64], looks: Looks, counted: NDArray[np.uint16]
) -> tuple[NDArray[np.int64] | None, NDArray[np.int64]]:
    """Return how often each segment's stream was silent too long before it, and the silence right before it.

    int64 (m,) both; the silence is 0 where it is short, the first is None where all are. Too long: an hour, or a minute
    after a FIN or RST. counted: uint16, by stream, how many such silences there were in earlier batches
    """
    order = sorted_rows(stream)
    ordered, real = stream[order], segments.length[order] >= 0
    begins = np.append(True, ordered[1:] != ordered[:-1])
    start = np.flatnonzero(begins)
    of = np.cumsum(begins) - 1
    gap = np.zeros(len(order), np.int64)
    rows = order[real]  # headers quoted in ICMP errors break no silence
    if len(rows):
        gap[real] = _gaps(table, stream[rows], segments.time_ns[rows], segments.number[rows], looks)
    if not (gap >= CLOSED_NS).any():
        return None, gap
    closing = ((segments.flags[order] & (FIN | RST)) != 0) & real
    earlier = np.cumsum(closing) - closing
    closed = earlier > earlier[start][of]
    known = np.flatnonzero(table.has(ordered[start]))
    ending = np.zeros(len(start), np.bool_)
    ending[known] = table["ending"][ordered[start[known]]]
    closed |= ending[of]
    long = (gap >= IDLE_NS) | ((gap >= CLOSED_NS) & closed)
    more = np.maximum(MOST_SILENCES - counted[ordered[start]].astype(np.int64), 0)[of]
    turns = np.cumsum(long)
    turns -= (turns - long)[start][of]
    long &= turns <= more
    if not long.any():
        return None, gap
    turn, silent = np.empty(len(order), np.int64), np.empty(len(order), np.int64)
    turn[order] = np.minimum(turns, more)
    silent[order] = np.where(long, gap, 0)
    return turn, silent


def _gaps(
    table: StreamTable, stream: NDArray[np.int64], when: NDArray[np.int64], number: NDArray[np.int64], looks: Looks
) -> NDArray[np.int64]:
    """Return how long each packet's stream was silent before it, by its own times and by looks: int64 (m,).

    stream, when, number: int64 (m,) of packets sorted by stream, capture order within
    """
    first = np.append(True, stream[1:] != stream[:-1])
    start = np.flatnonzero(first)
    known = start[table.has(stream[start])]
    before, last = np.append(NO_TIME, when[:-1]), np.append(0, number[:-1])
    before[start] = NO_TIME
    before[known], last[known] = table["latest_ns"][stream[known]], table["last_packet"][stream[known]]
    for row in np.flatnonzero(~first & (before == NO_TIME)).tolist():
        before[row] = before[row - 1]  # the packet before has no time: what has one was heard before that
    gap = elapsed_ns(when, before)
    return np.maximum(gap, looks.silent(before, last, number)) if looks.turned else gap
