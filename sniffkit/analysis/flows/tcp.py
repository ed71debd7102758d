"""TCP conversations for ``flows``: how each opened and closed, what went wrong in it, what its ends agreed on.

Everything stands in columns by stream number. States (both ends', Zeek's) are objects of open conversations only: what
is closed and silent for CLOSED_NS, or open and silent for IDLE_NS, is written down and let go; of more than MOST_OPEN
those silent for longest. A conversation that goes on after that is told again as the next ``part``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.answer_times import AnswerTimes
from sniffkit.analysis.endpoint_pairs import distinct, grown
from sniffkit.analysis.flows.prepared import tcp_sums
from sniffkit.analysis.flows.silences import (
    CLOSED_NS,
    IDLE_NS,
    MOST_SILENCES,
    LookOut,
    Looks,
    silences,
    silent_nowhere,
)
from sniffkit.analysis.flows.stream_table import Layout, StreamTable
from sniffkit.analysis.flows.totals import TOTALS, add_sums
from sniffkit.analysis.segments import FIN, RST, SYN
from sniffkit.analysis.streams import sorted_rows
from sniffkit.analysis.tcp.ack_times import TcpAckTimes
from sniffkit.analysis.tcp.lanes import Groups
from sniffkit.analysis.tcp.mark_names import Mark
from sniffkit.analysis.tcp.marks import TcpMarks
from sniffkit.analysis.tcp.outcomes import TcpOutcomes, chosen_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.flows.prepared import Ends, Prepared
    from sniffkit.analysis.flows.stream_table import Chosen
    from sniffkit.analysis.flows.totals import Sums
    from sniffkit.analysis.segments import Segments
    from sniffkit.analysis.streams import StreamNumbers
    from sniffkit.analysis.tcp.marks import Marks

MOST_OPEN = 50_000
"""Conversations with state at the same time (about 2 KB each)."""

EVENTS = {
    "retransmissions": Mark.RETRANSMISSION,
    "fast_retransmissions": Mark.FAST_RETRANSMISSION,
    "spurious_retransmissions": Mark.SPURIOUS_RETRANSMISSION,
    "out_of_order": Mark.OUT_OF_ORDER,
    "lost_segments": Mark.LOST_SEGMENT,
    "duplicate_acks": Mark.DUPLICATE_ACK,
    "keep_alives": Mark.KEEP_ALIVE,
    "zero_windows": Mark.ZERO_WINDOW,
    "window_full": Mark.WINDOW_FULL,
}
"""What is counted of each end's segments, and the mark that shows it."""

LAYOUT: Layout = {
    **TOTALS,
    **dict.fromkeys(EVENTS, (np.uint32, 2, 0)),
    "mss": (np.int32, 2, -1),
    "window_scale": (np.int16, 2, -1),
    "sack_permitted": (np.bool_, 2, 0),
    "timestamps": (np.bool_, 2, 0),
    "syn": (np.uint32, 2, 0),
    "answers": (np.uint32, 2, 0),
    "answer_least": (np.int64, 2, 0),
    "answer_median": (np.int64, 2, 0),
    "answer_greatest": (np.int64, 2, 0),
    "ending": (np.bool_, 1, 0),
    "repeated_last": (np.uint16, 1, 0),
    "latest_direction": (np.uint8, 1, 0),
    "course": (np.uint16, 1, 0),
    "client": (np.uint8, 1, 0),
    "state": (np.uint8, 2, 0),
    "opened": (np.uint8, 1, 0),
    "closed": (np.uint8, 1, 0),
    "closed_by": (np.uint8, 1, 0),
    "handshake_ns": (np.int64, 1, -1),
    "handshake_server_ns": (np.int64, 1, -1),
    "zeek": (np.uint32, 1, 0),
}
"""By direction: events, options of the SYN, how many SYNs, acknowledgments that answer something and their times.
ending: a FIN or RST was seen. repeated_last: segments sent again, and keep-alives, after the last of the other side.
zeek: index into ``TcpOutcomes.words``."""


class TcpFlows:
    """Fed batch by batch; ``table`` has a row a stream.

    Where a batch ends makes no difference: a conversation that was silent too long begins its next part with the very
    packet that breaks the silence, and what can be let go is looked at after every so many packets.

    ends:   knows who each stream is between
    let_go: conversations written down before they closed because there were too many
    """

    def __init__(self, ends: Ends, most_open: int = MOST_OPEN) -> None:
        self.ends = ends
        self.marks = TcpMarks(completeness=False)
        self.table = StreamTable(LAYOUT)
        self.outcomes = TcpOutcomes(self.table)
        self.let_go = 0
        self._ack_times = TcpAckTimes()
        self._answer_times = AnswerTimes()
        self._most_open = most_open
        self._look_out = LookOut(max(most_open // 4, 1))
        self._silences = np.zeros(0, np.uint16)  # by stream: how many long ones there were

    def feed(self, prepared: Prepared) -> NDArray[np.uint16]:
        """Add a batch; return the marks of its segments: uint16 (m,)."""
        segments, numbers = prepared.segments, prepared.numbers
        mask = np.zeros(len(segments), np.uint16)
        if not len(segments):
            return mask
        if (highest := int(numbers.stream.max()) + 1) > len(self._silences):
            self._silences = grown(self._silences, max(1024, highest + highest // 4))
        stamped = np.zeros(len(segments), np.bool_)
        stamped[prepared.stamped] = True
        sums = prepared.sums
        for rows in self._pieces(segments, numbers, sums):
            if rows is None:
                mask = self._add(segments, numbers, prepared.twice, sums, stamped)
            else:
                some, which = segments.take(rows), chosen_numbers(numbers, rows)
                added = tcp_sums(some, which, prepared.octets[rows])
                mask[rows] = self._add(some, which, prepared.twice, added, stamped[rows])
        return mask

    def _pieces(self, segments: Segments, numbers: StreamNumbers, added: Sums) -> Iterator[NDArray[np.int64] | None]:
        """Yield which segments to add together, in turns; None: all of them. Between two turns streams are let go."""
        unknown = len(segments) - int(added.packets.sum())
        if self.marks.open + int((~self.table.has(added.stream)).sum()) + unknown <= self._most_open:
            looks = self._look_out.feed(segments)
            if silent_nowhere(self.table, added, len(segments), looks):
                yield None
            else:
                yield from self._parts(segments, numbers, None, looks)
            self._let_go(looks)
            return
        stretch = segments.number // self._look_out.every
        for begin in np.flatnonzero(np.append(True, stretch[1:] != stretch[:-1])).tolist():
            rows = np.arange(begin, int(np.searchsorted(stretch, stretch[begin], side="right")))
            some = segments.take(rows)
            many = self._look_out.begins(some)
            looks = self._look_out.feed(some)
            self._let_go(looks)
            if many:
                self._let_go_of_many()
            yield from self._parts(some, numbers, rows, looks)

    def _parts(
        self, segments: Segments, numbers: StreamNumbers, rows: NDArray[np.int64] | None, looks: Looks
    ) -> Iterator[NDArray[np.int64] | None]:
        """Yield the segments so that streams which were silent too long are ended before they go on.

        rows: which of the batch they are, None: all
        """
        stream = numbers.stream if rows is None else numbers.stream[rows]
        turn, silent_ns = silences(self.table, segments, stream, looks, self._silences)
        if turn is None:
            yield rows
            return
        order = sorted_rows(turn)
        for mine in np.split(order, np.flatnonzero(np.diff(turn[order])) + 1):
            if turn[mine[0]]:
                first = mine[silent_ns[mine] > 0]
                again, at = np.unique(stream[first], return_index=True)
                self._silences[again] += np.uint16(1)
                over = self.outcomes.write(again)
                self._end(distinct(np.concatenate((over, again[silent_ns[first[at]] >= IDLE_NS]))))
            yield mine if rows is None else rows[mine]

    def _add(
        self,
        segments: Segments,
        numbers: StreamNumbers,
        twice: NDArray[np.int64],
        added: Sums,
        stamped: NDArray[np.bool_],
    ) -> NDArray[np.uint16]:
        """Add segments and what they add up to; twice: int64 (n,) by packet. Return their marks."""
        again = twice[segments.row]
        real = segments.length >= 0
        every = bool(real.all())
        marks = self.marks.feed(segments, numbers, again, added.groups if every else None)
        groups = marks.by_stream() if every else Groups.by_stream(numbers, real.nonzero()[0])
        self.table.begin(marks.by_stream().stream)
        if len(groups.stream):  # else there are only headers quoted in ICMP errors
            add_sums(self.table, added)
            self._add_events(groups, marks)
        self._add_flags(segments, numbers, real & (again == 0), stamped)
        times = self._ack_times.feed(segments, numbers, marks)
        at = ((times.frame != 0) & (times.rtt_ns >= 0)).nonzero()[0]  # else a clock was set back
        lane = numbers.stream.take(at) * 2 + numbers.direction.take(at)
        self._answer_times.feed(self.table, lane, times.rtt_ns.take(at))
        self.outcomes.feed(segments, numbers, marks, twice)
        if len(marks.let_go):
            self.let_go += len(marks.let_go)
            self.outcomes.write(marks.let_go)
            self._end(marks.let_go)
        return marks.mask

    def finish(self) -> None:
        """Write down everything that is still open."""
        self.outcomes.write()
        self.marks, self._ack_times = TcpMarks(), TcpAckTimes()  # nobody asks them any more: their room is for records
        self._answer_times.settle(self.table)

    def _add_events(self, groups: Groups, marks: Marks) -> None:
        mask = marks.mask.take(groups.order)
        size = 2 * len(groups.stream)
        rows, at = self.table.of(groups.stream), (mask != 0).nonzero()[0]
        marked, lane = mask[at], 2 * groups.of[at] + groups.second[at]
        for name, mark in EVENTS.items():
            which = lane[(marked & np.uint16(mark)) != 0]
            if len(which):
                counts = np.bincount(which, minlength=size).reshape(-1, 2)
                rows[name] += counts.astype(np.uint32)
        self._add_repeated_last(groups, rows, at[(marked & np.uint16(Mark.RETRANSMISSION | Mark.KEEP_ALIVE)) != 0])

    def _add_repeated_last(self, groups: Groups, rows: Chosen, again: NDArray[np.int64]) -> None:
        """Count what was sent again, keep-alives too, since the other side was last heard; again: places of it."""
        second, last = groups.second, groups.last
        side = second[last]
        turns = np.append(-1, (second[1:] != second[:-1]).nonzero()[0])  # the next one travels the other way
        other = turns[np.searchsorted(turns, last) - 1]
        of = groups.of[again]
        since = np.bincount(of[again > other[of]], minlength=len(last))
        goes_on = (other < groups.start) & (rows["latest_direction"] == side)
        before = np.where(goes_on, rows["repeated_last"], 0)
        rows["repeated_last"] = np.minimum(before + since, 0xFFFF)
        rows["latest_direction"] = side

    def _add_flags(
        self, segments: Segments, numbers: StreamNumbers, real: NDArray[np.bool_], stamped: NDArray[np.bool_]
    ) -> None:
        """Note what the SYNs offer, and which streams have had a FIN or RST."""
        ending = np.flatnonzero((segments.flags & (FIN | RST)) != 0)
        self.table["ending"][numbers.stream[ending]] = True
        syn = np.flatnonzero(((segments.flags & SYN) != 0) & real)
        if not len(syn):
            return
        at = numbers.stream[syn], numbers.direction[syn].astype(np.int64)
        self.table.count_up("syn", at)
        self.table["mss"][at] = segments.mss[syn]
        self.table["window_scale"][at] = segments.scale_shift[syn]
        self.table["sack_permitted"][at] = segments.sack_permitted[syn]
        self.table["timestamps"][at] = stamped[syn]

    def _let_go(self, looks: Looks) -> None:
        """Write down and let go what was closed or idle when it was looked."""
        if not len(looks.before):
            return
        streams = self.outcomes.open()
        silent = looks.silent(self.table["latest_ns"][streams], self.table["last_packet"][streams])
        silent[self._silences[streams] >= MOST_SILENCES] = 0
        over = self.outcomes.write(streams[silent >= CLOSED_NS])
        gone = distinct(np.concatenate((over, streams[silent >= IDLE_NS])))
        self._silences[gone] += np.uint16(1)
        self._end(gone)

    def _let_go_of_many(self) -> None:
        """Write down and let go what has been silent for longest where there is too much."""
        if self.marks.open <= self._most_open:
            return
        streams = self.outcomes.open()
        many = min(len(streams) - self._most_open + self._look_out.every, len(streams) - 1)
        if many > 0:
            oldest = np.sort(streams[np.argpartition(self.table["last_packet"][streams], many)[:many]])
            self.let_go += len(oldest) - len(self.outcomes.write(oldest))
            self._end(oldest)

    def _end(self, streams: NDArray[np.int64]) -> None:
        """Let go of streams that were written down."""
        if not len(streams):
            return
        self._answer_times.settle(self.table, streams)
        self.outcomes.forget(streams)
        self.marks.forget(streams)
        self._ack_times.forget(streams)
        self.table.put_away(streams)
