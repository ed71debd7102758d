"""TCP conversations for ``flows``: how each opened and closed, what went wrong in it, what its ends agreed on.

Everything stands in columns by stream number. States (both ends', Zeek's) are objects of open conversations only: what
is closed and silent for CLOSED_NS, or open and silent for IDLE_NS, is written down and let go; of more than MOST_OPEN
those silent for longest. A conversation that goes on after that is told again as the next ``part``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.answer_times import AnswerTimes
from sniffkit.analysis.flows.stream_table import Layout, StreamTable
from sniffkit.analysis.flows.totals import TOTALS, add_packets, ip_octets
from sniffkit.analysis.segments import SYN
from sniffkit.analysis.streams import Streams
from sniffkit.analysis.tcp.ack_times import TcpAckTimes
from sniffkit.analysis.tcp.lanes import Groups
from sniffkit.analysis.tcp.mark_names import Mark
from sniffkit.analysis.tcp.marks import TcpMarks
from sniffkit.analysis.tcp.outcomes import TcpOutcomes
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.segments import Segments
    from sniffkit.analysis.streams import StreamNumbers
    from sniffkit.analysis.tcp.marks import Marks
    from sniffkit.protocols.columns import Columns

CLOSED_NS = 60 * 10**9
"""A closed conversation is let go after this silence: as long as Linux keeps TIME-WAIT."""

IDLE_NS = 3600 * 10**9
"""An open conversation is let go after this silence (Zeek: 5 minutes, one hour for remote logins)."""

LOOK_NS = 10 * 10**9
"""How often this is looked for, in time of the capture."""

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
    "syn": (np.uint16, 2, 0),
    "answers": (np.uint32, 2, 0),
    "answer_least": (np.int64, 2, 0),
    "answer_median": (np.int64, 2, 0),
    "answer_greatest": (np.int64, 2, 0),
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
repeated_last: segments sent again after the last of the other side. zeek: index into ``TcpOutcomes.words``."""


class TcpFlows:
    """Fed batch by batch; ``table`` has a row a stream.

    let_go: conversations written down before they closed because there were too many
    """

    def __init__(self, most_open: int = MOST_OPEN) -> None:
        self.streams = Streams()
        self.marks = TcpMarks()
        self.table = StreamTable(LAYOUT)
        self.outcomes = TcpOutcomes(self.streams, self.table)
        self.let_go = 0
        self._ack_times = TcpAckTimes()
        self._answer_times = AnswerTimes()
        self._most_open = most_open
        self._looked_ns = NO_TIME

    def feed(self, columns: Columns, segments: Segments, numbers: StreamNumbers, twice: NDArray[np.int64]) -> Marks:
        """Add a batch, numbered by ``streams``.

        twice: int64 (n,) for each packet the number of the one it is a second capture of, or 0
        """
        marks = self.marks.feed(segments, numbers, twice[segments.row])
        if not len(segments):
            return marks
        real = segments.length >= 0
        groups = marks.by_stream()
        if not real.all():
            groups = Groups.by_stream(numbers, np.flatnonzero(real))
        self.table.begin(marks.by_stream().stream)
        if len(groups.stream):  # else there are only headers quoted in ICMP errors
            octets = ip_octets(columns, columns.rows("tcp"))
            add_packets(self.table, groups, octets, segments.length, segments.time_ns, segments.number)
            self._add_events(groups, marks)
        self._add_options(columns, segments, numbers, real & (twice[segments.row] == 0))
        times = self._ack_times.feed(segments, numbers, marks)
        at = np.flatnonzero(times.frame)
        self._answer_times.feed(self.table, numbers.stream[at] * 2 + numbers.direction[at], times.rtt_ns[at])
        self.outcomes.feed(segments, numbers, marks, twice)
        known = segments.time_ns[segments.time_ns != NO_TIME]
        if len(marks.let_go):
            self.let_go += len(marks.let_go)
            self._end(marks.let_go)
        if len(known):
            self._let_go(int(known[-1]))
        return marks

    def finish(self) -> None:
        """Write down everything that is still open."""
        self.outcomes.write()
        self._answer_times.settle(self.table)

    def _add_events(self, groups: Groups, marks: Marks) -> None:
        mask = marks.mask[groups.order]
        size = 2 * len(groups.stream)
        at = np.flatnonzero(mask)
        marked, lane = mask[at], 2 * groups.of[at] + groups.second[at]
        for name, mark in EVENTS.items():
            which = lane[(marked & np.uint16(mark)) != 0]
            if len(which):
                counts = np.bincount(which, minlength=size).reshape(-1, 2)
                self.table[name][groups.stream] += counts.astype(np.uint32)
        self._add_repeated_last(groups, (mask & np.uint16(Mark.RETRANSMISSION)) != 0)

    def _add_repeated_last(self, groups: Groups, again: NDArray[np.bool_]) -> None:
        """Count what was sent again since the other side was last heard."""
        table, streams, start = self.table, groups.stream, groups.start
        last = np.append(start[1:], len(groups.of)) - 1
        side = groups.second[last]
        place = np.arange(len(groups.of))
        other = np.maximum.reduceat(np.where(groups.second != side[groups.of], place, -1), start)
        since = np.add.reduceat((again & (place > other[groups.of])).astype(np.int64), start)
        goes_on = (other < 0) & (table["latest_direction"][streams] == side)
        before = np.where(goes_on, table["repeated_last"][streams], 0)
        table["repeated_last"][streams] = np.minimum(before + since, 0xFFFF)
        table["latest_direction"][streams] = side

    def _add_options(
        self, columns: Columns, segments: Segments, numbers: StreamNumbers, real: NDArray[np.bool_]
    ) -> None:
        """Note what the SYNs offer."""
        syn = np.flatnonzero(((segments.flags & SYN) != 0) & real)
        if not len(syn):
            return
        at = numbers.stream[syn], numbers.direction[syn].astype(np.int64)
        np.add.at(self.table["syn"], at, np.uint16(1))
        self.table["mss"][at] = segments.mss[syn]
        self.table["window_scale"][at] = segments.scale_shift[syn]
        self.table["sack_permitted"][at] = segments.sack_permitted[syn]
        stamped, _ = columns.sparse("tcp.options.timestamp.tsval")
        self.table["timestamps"][at] = np.isin(syn, stamped)

    def _let_go(self, now_ns: int) -> None:
        """Write down and let go what is closed or idle, and what is too much."""
        table = self.table
        if now_ns - self._looked_ns >= LOOK_NS or self._looked_ns == NO_TIME:
            self._looked_ns = now_ns
            streams = self.outcomes.open()
            silent = now_ns - table["latest_ns"][streams]
            over = self.outcomes.write(streams[silent >= CLOSED_NS])
            self._end(np.union1d(over, streams[silent >= IDLE_NS]))
        if self.marks.open > self._most_open:
            streams = self.outcomes.open()
            many = min(len(streams) - self._most_open + self._most_open // 4, len(streams) - 1)
            if many > 0:
                oldest = np.sort(streams[np.argpartition(table["last_packet"][streams], many)[:many]])
                self.let_go += len(oldest) - len(self.outcomes.write(oldest))
                self._end(oldest)

    def _end(self, streams: NDArray[np.int64]) -> None:
        if not len(streams):
            return
        self.outcomes.write(streams)
        self._answer_times.settle(self.table, streams)
        self.table["ended"][streams] = True
        self.outcomes.forget(streams)
        self.marks.forget(streams)
        self._ack_times.forget(streams)
