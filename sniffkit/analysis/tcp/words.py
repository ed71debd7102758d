"""Ordinary TCP conversations told by their *word*: two in which the same happened in the same order end alike.

A word has one sign for each segment that can change a state of either end, or write a letter of Zeek's history: SYN,
FIN, RST, the first of each side that acknowledges all it can, first data, first bare ack, the first repeat. Everything
else about numbers is checked in columns; a conversation in which anything is out of the ordinary is given up (all its
segments are then looked at). The state machines are asked once for each word, with the first conversation that has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.endpoint_pairs import distinct, grown
from sniffkit.analysis.segments import ACK, FIN, RST, SYN
from sniffkit.analysis.tcp.gaps import UNENDING
from sniffkit.analysis.tcp.mark_names import Mark
from sniffkit.analysis.tcp.missing_octets import still_missing
from sniffkit.analysis.tcp.word_events import BEGUN, Events, WordRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.segments import Segments
    from sniffkit.analysis.streams import StreamNumbers
    from sniffkit.analysis.tcp.marks import Marks

_GIVEN_UP = 2

_ROOM = 32_768
"""So many events (50 octets each), and a quarter of the others, are kept before it is looked whether anybody can still
ask for them."""

_ODD = int(
    Mark.ACK_LOST_SEGMENT | Mark.KEEP_ALIVE | Mark.ZERO_WINDOW | Mark.ZERO_WINDOW_PROBE | Mark.CAPTURED_TWICE
)  # fmt: skip
"""A segment after a gap (``lost_segment``) is not among them: a gap that is filled before it is acknowledged and before
the batch ends leaves no trace."""


class TcpWords:
    """Fed batch by batch; keeps the events of ordinary conversations until they are asked for and forgotten."""

    def __init__(self) -> None:
        self._seen = np.zeros(0, np.uint16)
        self._repeats = np.zeros((0, 2), np.uint16)
        self._parts: list[Events] = []
        self._gone = False
        self._room = _ROOM

    def feed(
        self, segments: Segments, numbers: StreamNumbers, marks: Marks
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Take what is ordinary of a batch.

        Returns of which streams, as ``marks.by_stream`` has them, all segments must be looked at, bool (g,), and the
        streams given up in this batch, ascending: what was kept of them (``of``) comes before those segments.
        """
        highest = int(numbers.stream.max()) + 1
        if highest > len(self._seen):
            size = max(1024, highest + highest // 2)
            self._seen, self._repeats = grown(self._seen, size), grown(self._repeats, size)
        groups = marks.by_stream()
        seen = self._seen[groups.stream]
        first = groups.order[groups.start]
        begun, given_up = (seen & BEGUN) != 0, (seen & _GIVEN_UP) != 0
        begins = ~begun & numbers.opened[first] & ((segments.flags[first] & (SYN | ACK | FIN | RST)) == SYN)
        look = given_up | _odd_groups(segments, numbers, marks) | ~(begun | begins)
        columns, placed = marks.lanes()
        if columns is not None and len(placed.stream):
            at = slice(None) if placed is groups else np.searchsorted(groups.stream, placed.stream)
            rows = WordRows(columns, seen[at], self._repeats[placed.stream])
            look[at] |= rows.odd()
            kept = rows.events(segments, placed.stream, ~look[at])
            if len(kept):
                self._parts.append(kept)
            self._repeats[placed.stream] = rows.repeats_after()
            seen[at] = rows.seen_after()
        new = look & begun & ~given_up
        self._gone |= bool(new.any())
        self._seen[groups.stream] = np.where(look, np.uint16(BEGUN | _GIVEN_UP), seen)
        return look, groups.stream[new]

    def events(self) -> Events | None:
        """Return everything that is kept, sorted by stream; None where that is nothing."""
        if self._gone or len(self._parts) > 1:
            parts, self._parts, kept = self._parts[::-1], [], []
            while parts:  # one leaves before the next is copied
                part = parts.pop()
                kept.append(part.take(np.flatnonzero(self._is_kept(part.stream))) if self._gone else part)
            self._parts, self._gone = [Events.joined(kept)] if kept else [], False
        return self._parts[0] if self._parts else None

    def of(self, streams: NDArray[np.int64]) -> Events:
        """Return what was kept of streams, given up or not, sorted by stream."""
        wanted = np.zeros(len(self._seen), np.bool_)
        wanted[streams] = True
        chosen = [(part, np.flatnonzero(wanted[part.stream])) for part in self._parts]
        some = [part.take(at) for part, at in chosen if len(at)]
        return Events.joined(some) if some else self._parts[0].take(np.zeros(0, np.int64))

    def forget(self, streams: NDArray[np.int64]) -> None:
        """Let go of streams; one that goes on begins anew, in its middle, and is looked at."""
        streams = streams[streams < len(self._seen)]
        self._seen[streams] = 0
        self._repeats[streams] = 0
        self._gone = True

    def give_up(self, streams: NDArray[np.int64]) -> None:
        """Take nothing of streams from now on: somebody else looks at all their segments."""
        self._seen[streams] = BEGUN | _GIVEN_UP
        self._gone = True

    def kept(self, among: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Return the streams (of those ``among``, or all) whose events are kept, ascending."""
        if among is None:
            return np.flatnonzero((self._seen & (BEGUN | _GIVEN_UP)) == BEGUN)
        among = among[among < len(self._seen)]
        return among[self._is_kept(among)]

    def make_small(self) -> None:
        """Let go of the events that nobody can ask for any more, once there may be enough of them."""
        if self._gone and sum(map(len, self._parts)) > self._room:
            self.events()
            self._room = _ROOM + sum(map(len, self._parts)) * 5 // 4

    def keep(self, streams: NDArray[np.int64]) -> None:
        """Let go of all streams but these, ascending, which are numbered anew in this order."""
        self._gone = True
        self.events()
        size = len(self._seen)
        known = streams[streams < size]
        self._seen, self._repeats = self._seen[known], self._repeats[known]
        for part in self._parts:
            part.stream = np.searchsorted(streams, part.stream)

    def _is_kept(self, streams: NDArray[np.int64]) -> NDArray[np.bool_]:
        kept: NDArray[np.bool_] = (self._seen[streams] & (BEGUN | _GIVEN_UP)) == BEGUN
        return kept


def _with_open_gap(marks: Marks) -> NDArray[np.int64]:
    """Return the streams of the batch in which something is missing at its end."""
    columns, placed = marks.lanes()
    if columns is None:
        return np.zeros(0, np.int64)
    lag = columns.edge_lag
    if not len(lag.lane):
        return lag.lane
    lanes = distinct(lag.lane)
    lacking = np.concatenate((lag.lane[lag.until == UNENDING], lanes[still_missing(columns, lanes)]))
    streams: NDArray[np.int64] = placed.stream[lacking >> 1]
    return streams


def _odd_groups(segments: Segments, numbers: StreamNumbers, marks: Marks) -> NDArray[np.bool_]:
    """Return which streams have a segment that marks or numbers call out of the ordinary: bool (g,)."""
    groups, (_, placed) = marks.by_stream(), marks.lanes()
    odd = np.zeros(len(groups.stream), np.bool_)
    if placed is not groups:  # headers of unknown length and second captures have no place in a lane
        left = np.bincount(groups.of, minlength=len(odd))
        left[np.searchsorted(groups.stream, placed.stream)] -= np.bincount(placed.of, minlength=len(placed.stream))
        odd |= left > 0
    segment = (((marks.mask & np.uint16(_ODD)) != 0) | (numbers.reused & ~numbers.opened)).nonzero()[0]
    nothing = (numbers.acknowledgment == 0).nonzero()[0]  # confirmed, not even the SYN
    nothing = nothing[(segments.flags[nothing] & (SYN | RST)) == 0]
    streams = np.concatenate((numbers.stream[segment], numbers.stream[nothing], _with_open_gap(marks)))
    odd[np.searchsorted(groups.stream, streams)] = True
    odd[marks.groups_told_singly()] = True
    return odd
