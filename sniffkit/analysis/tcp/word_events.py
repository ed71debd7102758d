"""The segments of a batch that words are made of, found in columns lane by lane, and what makes a conversation odd.

All of it stands in lane order (``lanes``), so "before on my side" and "the latest of the other side" are there already.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.segments import ACK, FIN, RST, SYN
from sniffkit.analysis.streams import sorted_rows
from sniffkit.analysis.tcp.lanes import runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.segments import Segments
    from sniffkit.analysis.tcp.marks_columns import LaneColumns

BEGUN = 1
_FULL, _DATA, _BARE, _FIN, _RST = 4, 16, 64, 256, 1024
"""Bits kept of a stream; the last five for direction 0, the next bit each for direction 1: an ack of everything since
the latest SYN, FIN or RST; data; a bare ack; a FIN; a RST."""

_COUNTED, _MOST_COUNTED = 12, 12
"""From this bit on it is counted how many SYNs, FINs and RSTs a stream has had; with more it is given up, so that what
is kept of a conversation does not grow with its packets."""

_NEAR = 1 << 29
_MOST_REPEATS = 9
"""With more than this a conversation is given up: Zeek's T is written again at the tenth."""
_NEVER = 1 << 62


@dataclass(slots=True)
class Events:
    """The segments that words are made of, columns (k,) by stream, in capture order within.

    own, other: highest sequence number sent before, by its sender and by the other side
    latest_ack, latest_window: of the other side's latest segment before; window 0 where that is a SYN or RST, events
                themselves
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


class WordRows:
    """The segments of a batch in lane order, with what was kept of each stream.

    notable: int64, places of SYN, FIN and RST; full: bool (n,) acks of all that the other side has sent (heads, too)
    repeats: int64, places of data that was sent before, rank: how many repeats of the direction came before each
    """

    def __init__(self, columns: LaneColumns, seen: NDArray[np.uint16], repeats: NDArray[np.uint16]) -> None:
        """Lay out; seen: uint16 (p,) bits kept of each stream, repeats: uint16 (p, 2) by direction."""
        lanes = columns.lanes
        self._columns, self._lanes, self._seen, self._repeats = columns, lanes, seen, repeats
        self._own, self._other = columns.next_before, columns.other_next
        self._advance = (columns.end - self._own).view(np.int32)
        self.notable = columns.among_special(SYN | FIN | RST)
        self._new = np.bincount(lanes.lane[self.notable] >> 1, minlength=len(seen))
        self._counted = (seen >> np.uint16(_COUNTED)) + self._new
        self.full = ((columns.flags & ACK) != 0) & (columns.past_other == 0)
        again = (columns.data & (self._advance <= 0)).nonzero()[0]
        self.repeats = again[(columns.flags[again] & SYN) == 0]
        lane = lanes.lane[self.repeats]
        self.rank = np.arange(len(lane)) - np.searchsorted(lane, lane) + repeats.reshape(-1)[lane]

    def _kept(self, bit: int) -> NDArray[np.bool_]:
        """Return for each lane whether the bit of its direction was kept of its stream."""
        kept: NDArray[np.bool_] = (self._seen[:, None] & np.array([bit, bit << 1], np.uint16)) != 0
        return kept.reshape(-1)

    def _first(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of some ascending places that are the first of their lane."""
        lane = self._lanes.lane[places]
        first = np.ones(len(places), np.bool_)
        np.not_equal(lane[1:], lane[:-1], out=first[1:])
        return places[first]

    def _since(self, bit: int, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return for each lane the place after which one of ``places`` has come: its head where that was kept."""
        since = np.full(len(self._lanes.head), _NEVER)
        since[self._lanes.lane[places[::-1]]] = places[::-1]  # of several of one lane the first one stays
        return np.where(self._kept(bit), self._lanes.head, since)

    def odd(self) -> NDArray[np.bool_]:
        """Return the streams of which a segment is out of the ordinary: bool (p,)."""
        columns, lanes = self._columns, self._lanes
        flags, notable = columns.flags, self.notable
        strange = ((flags & ACK) == 0) | (self._other == 0) | (self._own == 0) | (columns.past_other < -_NEAR)
        strange |= (self._advance + np.int32(_NEAR)).view(np.uint32) > 2 * _NEAR
        at = columns.only_rows(strange.nonzero()[0])
        shut = columns.only_rows(columns.shut)
        finished = self._since(_FIN, notable[(flags[notable] & FIN) != 0])
        late = self._after(finished)
        odd = (
            at[(flags[at] & (SYN | RST)) == 0],
            shut[(flags[shut] & RST) == 0],
            late[(self._advance[late] > 0) & ((flags[late] & RST) == 0)],
            self._older_acks(),
            notable[self._odd_notable(finished)],
            self.repeats[self.rank >= _MOST_REPEATS],
        )
        streams = self._counted > _MOST_COUNTED
        streams[lanes.lane[np.concatenate(odd)] >> 1] = True
        return streams

    def _after(self, since: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the places behind the one ``since`` (of each lane, _NEVER: none) up to the end of its lane."""
        some = since != _NEVER
        begin = since[some] + 1
        return runs(begin, self._lanes.last[some] + 1 - begin)

    def _older_acks(self) -> NDArray[np.int64]:
        """Return the places of acks that are older than the one before: what counts is then not the latest one."""
        columns = self._columns
        at = ((columns.ack[1:] - columns.ack[:-1]).view(np.int32) < 0).nonzero()[0] + 1
        flags, before = columns.flags[at], columns.flags[at - 1]
        older = at[(flags & before & ACK != 0) & (flags & (SYN | RST) == 0) & (self._own[at] != 0)]
        return columns.only_rows(older)

    def _odd_notable(self, finished: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which SYNs, FINs and RSTs are out of the ordinary; finished: by lane, as of ``_since``."""
        columns, at = self._columns, self.notable
        flags, lane = columns.flags[at], self._lanes.lane[at]
        own, other, advance, full = self._own[at], self._other[at], self._advance[at], self.full[at]
        syn, fin, rst, ack = ((flags & bit) != 0 for bit in (SYN, FIN, RST, ACK))
        second = (lane & 1) != 0
        some = columns.data[at]
        odd: NDArray[np.bool_] = (syn & (fin | rst)) | (fin & rst) | ((syn | rst) & some)
        odd |= syn & (((own != 0) & (advance != 0)) | (second != ack) | (ack & ((other == 0) | ~full)))
        odd |= fin & ((advance < 0) | ((finished[lane] >= at) & (advance <= 0)))
        latest = self._lanes.other[at]
        far = (columns.sequence[at] - columns.ack[latest]).view(np.int32)
        inside = (own != 0) & (other != 0) & ((far == 0) | ((far > 0) & (far < columns.window[latest])))
        refuses = second & (own == 0) & full & (other != 0)
        odd |= rst & ~refuses & ~inside
        odd |= rst & (self._since(_RST, at[rst])[lane] < at)
        return odd

    def events(self, segments: Segments, stream: NDArray[np.int64], ordinary: NDArray[np.bool_]) -> Events:
        """Return the events of the streams that are ordinary, bool (p,); stream: int64 (p,) their numbers."""
        columns, lanes = self._columns, self._lanes
        quiet = ~(columns.closing | lanes.is_head)
        in_word = np.zeros(len(quiet), np.bool_)
        in_word[self.notable] = True
        in_word[self._first_whole(quiet & self.full)] = True
        self._has = {}
        for bit, which in ((_DATA, quiet & columns.data), (_BARE, quiet & ~columns.data)):
            first = self._has[bit] = self._first((which & lanes.spread(~self._kept(bit))).nonzero()[0])
            in_word[first] = True
        in_word[self.repeats[self.rank == 0]] = True
        event = in_word.copy()
        event[self.repeats] = True
        at = lanes.place[event.take(lanes.place).nonzero()[0]]  # in stream order
        group = lanes.lane[at] >> 1
        here = ordinary[group]
        return self._take(segments, at[here], stream[group[here]], in_word)

    def _first_whole(self, whole: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the first of each direction that acknowledges all, in each run between SYNs, FINs and RSTs.

        whole: bool (n,) what acknowledges all
        """
        lanes, notable = self._lanes, self.notable
        # In either lane of a stream, the row before which each run begins: a head, or the latest one so far.
        lane, other = lanes.lane[notable], lanes.other[notable]
        latest, latest_other = lanes.head.copy(), lanes.head.copy()
        latest[lane], latest_other[lane ^ 1] = notable, other
        before = np.concatenate((lanes.head[~self._kept(_FULL)], notable, other))
        upto, places = whole.cumsum(), whole.nonzero()[0]
        end = upto[lanes.last]
        self._whole_last = (upto[np.maximum(latest, latest_other)] < end).nonzero()[0]
        following = upto[before]
        first: NDArray[np.int64] = places[following[following < end[lanes.lane[before]]]]
        return first

    def _take(
        self, segments: Segments, at: NDArray[np.int64], stream: NDArray[np.int64], in_word: NDArray[np.bool_]
    ) -> Events:
        columns, lanes = self._columns, self._lanes
        rows, other = lanes.segment[at], lanes.other[at]
        flags, own, sequence, length = columns.flags[at], self._own[at], columns.sequence[at], columns.length[at]
        second = (lanes.lane[at] & 1).astype(np.uint8)
        behind = (self._advance[at] <= 0) & (own != 0)
        sign = ((flags & 7) | ((flags & ACK) >> 1)).astype(np.uint8)
        for bit, holds in ((4, second), (5, self.full[at]), (6, behind), (7, length > 0)):
            sign |= holds.astype(np.uint8) << np.uint8(bit)
        # What a gap lacked came later, or the conversation would have been given up: it counts as sent before.
        own = np.where((own != 0) & ((sequence - own).view(np.int32) > 0), sequence, own)
        return Events(
            stream,
            segments.number[rows],
            segments.time_ns[rows],
            second,
            flags,
            sequence,
            columns.ack[at],
            length.astype(np.int64),
            segments.window[rows],
            segments.scale_shift[rows],
            own,
            self._other[at],
            columns.ack[other],
            np.where((columns.flags[other] & (SYN | RST)) == 0, columns.window[other], np.uint32(0)),
            sign,
            in_word[at],
        )

    def seen_after(self) -> NDArray[np.uint16]:
        """Return what is kept of each stream: uint16 (p,); after ``events``."""
        lane_of, flags = self._lanes.lane, self._columns.flags[self.notable]
        seen = self._seen | np.uint16(BEGUN)
        # What was acknowledged since the latest notable segment counts only if that is the last run of the batch.
        seen[self._new > 0] &= np.uint16(~(_FULL * 3) & 0xFFFF)
        for bit, lane in (
            (_FULL, self._whole_last),
            (_DATA, lane_of[self._has[_DATA]]),
            (_BARE, lane_of[self._has[_BARE]]),
            (_FIN, lane_of[self.notable[(flags & FIN) != 0]]),
            (_RST, lane_of[self.notable[(flags & RST) != 0]]),
        ):
            some = np.zeros(len(self._lanes.head), np.uint16)
            some[lane] = bit
            seen |= some[0::2] | (some[1::2] << np.uint16(1))
        seen &= np.uint16((1 << _COUNTED) - 1)
        seen |= np.minimum(self._counted, 15).astype(np.uint16) << np.uint16(_COUNTED)
        return seen

    def repeats_after(self) -> NDArray[np.uint16]:
        """Return how many repeats each direction has sent: uint16 (p, 2)."""
        counts = np.bincount(self._lanes.lane[self.repeats], minlength=len(self._lanes.head)).reshape(-1, 2)
        repeats: NDArray[np.uint16] = np.minimum(self._repeats + counts, 0xFFFF).astype(np.uint16)
        return repeats
