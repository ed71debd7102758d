"""Ordinary TCP conversations told by their *word*: two in which the same happened in the same order end alike.

A word has one sign for each segment that can change a state of either end, or write a letter of Zeek's history: SYN,
FIN, RST, the first of each side that acknowledges all it can, first data, first bare ack, the first repeat. Everything
else about numbers is checked in columns; a conversation in which anything is out of the ordinary is given up (all its
segments are then looked at). The state machines are asked once for each word, with the first conversation that has it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.endpoint_pairs import grown
from sniffkit.analysis.segments import ACK, FIN, RST, SYN
from sniffkit.analysis.streams import sorted_rows
from sniffkit.analysis.tcp.gaps import UNENDING
from sniffkit.analysis.tcp.mark_names import Mark
from sniffkit.analysis.tcp.missing_octets import still_missing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.segments import Segments
    from sniffkit.analysis.streams import StreamNumbers
    from sniffkit.analysis.tcp.lanes import Groups
    from sniffkit.analysis.tcp.marks import Marks

_BEGUN, _GIVEN_UP = 1, 2
_FULL, _DATA, _BARE, _FIN, _RST = 4, 16, 64, 256, 1024
"""Bits kept of a stream; the last five for direction 0, the next bit each for direction 1: an ack of everything since
the latest SYN, FIN or RST; data; a bare ack; a FIN; a RST."""

_ODD = int(
    Mark.ACK_LOST_SEGMENT | Mark.KEEP_ALIVE | Mark.ZERO_WINDOW | Mark.ZERO_WINDOW_PROBE | Mark.CAPTURED_TWICE
)  # fmt: skip
"""A segment after a gap (``lost_segment``) is not among them: a gap that is filled before it is acknowledged and before
the batch ends leaves no trace."""
_NEAR = 1 << 29
_MOST_REPEATS = 9
"""With more than this a conversation is given up: Zeek's T is written again at the tenth."""


@dataclass(slots=True)
class Events:
    """The segments that words are made of, columns (k,) by stream, in capture order within.

    own, other: highest sequence number sent before, by its sender and by the other side
    latest_ack, latest_window: of the other side's latest segment before
    sign:       what stands in the word; in_word: False for repeats after the first
    """

    stream: NDArray[np.int64]
    number: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    side: NDArray[np.uint8]
    flags: NDArray[np.uint16]
    sequence: NDArray[np.uint32]
    acknowledgment: NDArray[np.uint32]
    length: NDArray[np.int64]
    window: NDArray[np.uint16]
    scale: NDArray[np.int16]
    own: NDArray[np.uint32]
    other: NDArray[np.uint32]
    latest_ack: NDArray[np.uint32]
    latest_window: NDArray[np.uint32]
    sign: NDArray[np.uint8]
    in_word: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.stream)

    def take(self, which: NDArray[Any]) -> Events:
        """Return the events at ``which``."""
        return Events(*(getattr(self, field.name)[which] for field in fields(self)))

    @classmethod
    def joined(cls, parts: list[Events]) -> Events:
        """Return events one after the other, sorted by stream."""
        whole = cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))
        return whole.take(sorted_rows(whole.stream))


class TcpWords:
    """Fed batch by batch; keeps the events of ordinary conversations until they are asked for and forgotten."""

    def __init__(self) -> None:
        self._seen = np.zeros(0, np.uint16)
        self._repeats = np.zeros((0, 2), np.uint16)
        self._parts: list[Events] = []
        self._gone = False

    def feed(
        self, segments: Segments, numbers: StreamNumbers, marks: Marks
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Take what is ordinary of a batch.

        Returns which segments must be looked at, bool (m,), and the streams given up in this batch, ascending: what was
        kept of them (``of``) comes before their segments of the batch.
        """
        count = len(segments)
        highest = int(numbers.stream.max()) + 1
        if highest > len(self._seen):
            size = max(1024, highest + highest // 2)
            self._seen, self._repeats = grown(self._seen, size), grown(self._repeats, size)
        groups = marks.by_stream()
        rows = _Rows(segments, numbers, marks, groups, self._seen[groups.stream], self._repeats[groups.stream])
        begun = (rows.seen & _BEGUN) != 0
        given_up = (rows.seen & _GIVEN_UP) != 0
        begins = ~begun & numbers.opened[groups.order[groups.start]] & rows.pure_syn[groups.start]
        odd = np.logical_or.reduceat(rows.odd(), groups.start) | np.isin(groups.stream, _with_open_gap(marks))
        look = given_up | odd | ~(begun | begins)
        new = look & begun & ~given_up
        self._gone |= bool(new.any())
        kept = rows.events(~look)
        if len(kept):
            self._parts.append(kept)
        seen = rows.seen_after()
        self._seen[groups.stream] = np.where(look, np.uint16(_BEGUN | _GIVEN_UP), seen)
        self._repeats[groups.stream] = rows.repeats_after()
        looked_at = np.zeros(count, np.bool_)
        looked_at[groups.order] = look[groups.of]
        return looked_at, groups.stream[new]

    def events(self) -> Events | None:
        """Return everything that is kept, sorted by stream; None where that is nothing."""
        if not self._parts:
            return None
        if len(self._parts) > 1 or self._gone:
            every = Events.joined(self._parts)
            self._parts, self._gone = [every.take(np.flatnonzero(self._is_kept(every.stream)))], False
        return self._parts[0]

    def of(self, streams: NDArray[np.int64]) -> Events:
        """Return what was kept of streams, given up or not, sorted by stream."""
        wanted = np.zeros(len(self._seen), np.bool_)
        wanted[streams] = True
        return Events.joined([part.take(np.flatnonzero(wanted[part.stream])) for part in self._parts])

    def forget(self, streams: NDArray[np.int64]) -> None:
        """Let go of streams; one that goes on begins anew, in its middle, and is looked at."""
        streams = streams[streams < len(self._seen)]
        self._seen[streams] = 0
        self._repeats[streams] = 0
        self._gone = True

    def give_up(self, streams: NDArray[np.int64]) -> None:
        """Take nothing of streams from now on: somebody else looks at all their segments."""
        self._seen[streams] = _BEGUN | _GIVEN_UP
        self._gone = True

    def kept(self, among: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Return the streams (of those ``among``, or all) whose events are kept, ascending."""
        if among is None:
            return np.flatnonzero((self._seen & (_BEGUN | _GIVEN_UP)) == _BEGUN)
        among = among[among < len(self._seen)]
        return among[self._is_kept(among)]

    def make_small(self) -> None:
        """Let go of the events that nobody can ask for any more, part by part: little more memory is needed for it."""
        if self._gone:
            parts = (part.take(np.flatnonzero(self._is_kept(part.stream))) for part in self._parts)
            self._parts, self._gone = [part for part in parts if len(part)], False

    def _is_kept(self, streams: NDArray[np.int64]) -> NDArray[np.bool_]:
        kept: NDArray[np.bool_] = (self._seen[streams] & (_BEGUN | _GIVEN_UP)) == _BEGUN
        return kept


def _with_open_gap(marks: Marks) -> NDArray[np.int64]:
    """Return the streams of the batch in which something is missing at its end."""
    columns, placed = marks.lanes()
    if columns is None:
        return np.zeros(0, np.int64)
    lanes = np.array(sorted(columns.edge_lag), np.int64)
    unending = [any(until == UNENDING for _, until, _ in columns.edge_lag[lane]) for lane in lanes.tolist()]
    streams: NDArray[np.int64] = placed.stream[lanes[np.array(unending, np.bool_) | still_missing(columns, lanes)] >> 1]
    return streams


def _latest_of_other(marks: Marks) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return acknowledgment number and window of the other side's latest segment before each one: uint32 (m,)."""
    ack, window = np.zeros(len(marks.mask), np.uint32), np.zeros(len(marks.mask), np.uint32)
    columns, _ = marks.lanes()
    if columns is not None:
        rows = ~columns.lanes.is_head
        at, other = columns.lanes.segment[rows], columns.lanes.other[rows]
        ack[at], window[at] = columns.ack[other], columns.window[other]
    return ack, window


class _Rows:
    """The columns of a batch in stream order, with what was kept of each stream (by group)."""

    def __init__(
        self,
        segments: Segments,
        numbers: StreamNumbers,
        marks: Marks,
        groups: Groups,
        seen: NDArray[np.uint16],
        repeats: NDArray[np.uint16],
    ) -> None:
        order = groups.order
        own, other = marks.highest_before()
        self.groups, self.seen, self._repeats, self._segments = groups, seen, repeats, segments
        self.order, self.of, self.start, self.second = order, groups.of, groups.start, groups.second
        self.flags, self.length = segments.flags[order], segments.length[order]
        self.sequence, self.ack = segments.sequence[order], segments.acknowledgment[order]
        self.window = segments.window[order]
        self.own, self.other = own[order], other[order]
        self.mask = marks.mask[order]
        self.singly = marks.told_singly()[order]
        self.latest_ack, self.latest_window = (values[order] for values in _latest_of_other(marks))
        self.relative_ack = numbers.acknowledgment[order]
        flags = self.flags
        self.moved = (numbers.reused & ~numbers.opened)[order]
        self.pure_syn = (flags & (SYN | ACK | FIN | RST)) == SYN
        self.syn, self.fin, self.rst = ((flags & bit) != 0 for bit in (SYN, FIN, RST))
        self.notable = (flags & (SYN | FIN | RST)) != 0
        end = self.sequence + self.length.astype(np.uint32) + (self.syn | self.fin)
        self.advance = (end - self.own).view(np.int32)
        self.behind = (self.ack - self.other).view(np.int32)
        self.full = ((flags & ACK) != 0) & (self.behind == 0)
        self.repeat = (self.length > 0) & (self.advance <= 0) & ~self.syn
        self.last = np.append(self.start[1:], len(order)) - 1

    def _kept(self, bit: int) -> NDArray[np.bool_]:
        """Return for each row whether the bit of its direction was kept of its stream."""
        kept: NDArray[np.bool_] = (self.seen[self.of] & np.where(self.second, bit << 1, bit)) != 0
        return kept

    def _before(self, what: NDArray[np.bool_], begin: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many such rows of the same direction stand before each row, from ``begin`` (m,) on."""
        counts = []
        for side in (False, True):
            mine = what & (self.second == side)
            count = np.cumsum(mine) - mine
            counts.append(count - count[begin])
        before: NDArray[np.int64] = np.where(self.second, counts[1], counts[0])
        return before

    def odd(self) -> NDArray[np.bool_]:
        """Return the rows that make a conversation out of the ordinary."""
        flags, syn, fin, rst, own, other = self.flags, self.syn, self.fin, self.rst, self.own, self.other
        ack = (flags & ACK) != 0
        begin = self.start[self.of]
        odd: NDArray[np.bool_] = (self.length < 0) | self.singly | self.moved | ((self.mask & np.uint16(_ODD)) != 0)
        odd |= (syn & (fin | rst)) | (fin & rst) | ((syn | rst) & (self.length > 0)) | ((self.window == 0) & ~rst)
        again = (own != 0) & (self.advance != 0)
        odd |= syn & (again | (self.second != ack) | (ack & ((other == 0) | ~self.full)))
        plain = ~syn & ~rst
        odd |= plain & (~ack | (other == 0) | (own == 0) | (self.behind > 0) | (self.behind < -_NEAR))
        odd |= plain & ((self.relative_ack == 0) | (np.abs(self.advance) > _NEAR))
        finished = self._kept(_FIN) | (self._before(fin, begin) > 0)
        odd |= (finished & (self.advance > 0) & ~rst) | (fin & ~finished & (self.advance <= 0))
        odd |= fin & (self.advance < 0)
        refuses = rst & self.second & (own == 0) & ack & self.full & (other != 0)
        far = (self.sequence - self.latest_ack).view(np.int32)
        inside = (own != 0) & (other != 0) & ((far == 0) | ((far > 0) & (far < self.latest_window)))
        odd |= rst & ~refuses & ~inside
        odd |= rst & (self._kept(_RST) | (self._before(rst, begin) > 0))
        repeats = self._repeats[self.of, self.second.astype(np.int64)] + self._before(self.repeat, begin)
        odd |= self.repeat & (repeats >= _MOST_REPEATS)
        return odd

    def events(self, groups: NDArray[np.bool_]) -> Events:
        """Return the events of the groups that are ordinary, bool (g,)."""
        begin = self.start[self.of]
        ordinary = groups[self.of]
        quiet = ~self.notable
        run_begins = np.zeros(len(self.of), np.bool_)
        run_begins[self.start] = True
        run_begins[1:] |= self.notable[:-1]
        run_start = np.flatnonzero(run_begins)[np.cumsum(run_begins) - 1]
        whole = quiet & self.full
        first = whole & (self._before(whole, run_start) == 0) & ~(self._kept(_FULL) & (run_start == begin))
        data = quiet & (self.length > 0)
        bare = quiet & (self.length == 0)
        first |= data & ~self._kept(_DATA) & (self._before(data, begin) == 0)
        first |= bare & ~self._kept(_BARE) & (self._before(bare, begin) == 0)
        repeats = self._repeats[self.of, self.second.astype(np.int64)] + self._before(self.repeat, begin)
        in_word = self.notable | first | (self.repeat & (repeats == 0))
        at = np.flatnonzero((in_word | self.repeat) & ordinary)
        self._first_state(whole, data, bare, run_start, begin)
        return self._take(at, in_word)

    def _take(self, at: NDArray[np.int64], in_word: NDArray[np.bool_]) -> Events:
        flags = self.flags[at]
        behind = (self.advance[at] <= 0) & (self.own[at] != 0)
        sign = ((flags & 7) | ((flags & ACK) >> 1)).astype(np.uint8)
        for bit, holds in ((4, self.second[at]), (5, self.full[at]), (6, behind), (7, self.length[at] > 0)):
            sign |= np.where(holds, np.uint8(1 << bit), np.uint8(0))
        rows, segments = self.order[at], self._segments
        own, sequence = self.own[at], self.sequence[at]
        # What a gap lacked came later, or the conversation would have been given up: it counts as sent before.
        own = np.where((own != 0) & ((sequence - own).view(np.int32) > 0), sequence, own)
        return Events(
            self.groups.stream[self.of[at]],
            segments.number[rows],
            segments.time_ns[rows],
            self.second[at].astype(np.uint8),
            flags,
            sequence,
            self.ack[at],
            self.length[at],
            self.window[at],
            segments.scale_shift[rows],
            own,
            self.other[at],
            self.latest_ack[at],
            self.latest_window[at],
            sign,
            in_word[at],
        )

    def _first_state(
        self,
        whole: NDArray[np.bool_],
        data: NDArray[np.bool_],
        bare: NDArray[np.bool_],
        run_start: NDArray[np.int64],
        begin: NDArray[np.int64],
    ) -> None:
        """Work out what is kept of each stream."""
        seen = self.seen | np.uint16(_BEGUN)
        # What was acknowledged since the latest notable segment counts only if that is the last run of the group.
        interrupted = (run_start != begin)[self.last] | self.notable[self.last]
        seen = np.where(interrupted, seen & np.uint16(~(_FULL * 3) & 0xFFFF), seen)
        last_run = run_start == run_start[self.last][self.of]
        last_run &= ~self.notable[self.last][self.of]
        for what, bit in (
            (whole & last_run, _FULL),
            (data, _DATA),
            (bare, _BARE),
            (self.fin, _FIN),
            (self.rst, _RST),
        ):
            for side in (0, 1):
                some = np.logical_or.reduceat(what & (self.second == bool(side)), self.start)
                seen = seen | np.where(some, np.uint16(bit << side), np.uint16(0))
        self._seen_after = seen

    def seen_after(self) -> NDArray[np.uint16]:
        """Return what is kept of each group's stream; after ``events``."""
        return self._seen_after

    def repeats_after(self) -> NDArray[np.uint16]:
        """Return how many repeats each direction has sent: (g, 2)."""
        lane = 2 * self.of[self.repeat] + self.second[self.repeat]
        counts = np.bincount(lane, minlength=2 * len(self.start)).reshape(-1, 2)
        repeats: NDArray[np.uint16] = np.minimum(self._repeats + counts, 0xFFFF).astype(np.uint16)
        return repeats
