"""All TCP conversations of a capture followed batch by batch: client, phase, step and states at each packet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.open_questions import elapsed
from sniffkit.analysis.segments import ACK, SYN, Segments
from sniffkit.analysis.tcp.ends import MOST_SENT, Segment, ahead
from sniffkit.analysis.tcp.lanes import Groups
from sniffkit.analysis.tcp.phases import Connection, pack_states
from sniffkit.analysis.tcp.quiet_runs import SPECIAL, QuietRuns
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from sniffkit.analysis.facts import Fact
    from sniffkit.analysis.streams import StreamNumbers
    from sniffkit.analysis.tcp.marks import Marks
    from sniffkit.analysis.tcp.word_events import Events

FOLLOWED = 100_000
"""How many conversations are followed at once; past that the ones silent for longest are let go and counted."""

_CIRCLE, _HALF = 0xFFFFFFFF, 0x80000000


@dataclass(frozen=True, slots=True)
class TcpFacts:
    """What each TCP header of a batch means; arrays in the order of ``Segments``.

    from_client: bool (m,)
    phase:       uint8 (m,) codes of ``Phase``
    states:      uint16 (m,) client before and after, server before and after, four bits each (codes of ``State``)
    advance:     int64 (m,) octets (SYN and FIN counted) that this acknowledgment confirms beyond its sender's last one,
                 -1 where that is not known
    answers:     int64 (m,) number of the packet that this acknowledgment confirms to its last octet, or 0
    elapsed_ns:  int64 (m,) time since that packet, NO_TIME where one of the two has none
    steps:       the steps of the rows that take some
    told:        facts of the rows that have some

    Where nobody asked for the answers, ``advance`` is -1, ``answers`` and ``elapsed_ns`` are 0 throughout.
    """

    from_client: NDArray[np.bool_]
    phase: NDArray[np.uint8]
    states: NDArray[np.uint16]
    advance: NDArray[np.int64]
    answers: NDArray[np.int64]
    elapsed_ns: NDArray[np.int64]
    steps: dict[int, tuple[str, ...]]
    told: dict[int, list[Fact]]


_NO_ROWS = np.zeros(0, np.int64)
NOTHING_FOLLOWED = TcpFacts(
    _NO_ROWS.astype(np.bool_),
    _NO_ROWS.astype(np.uint8),
    _NO_ROWS.astype(np.uint16),
    _NO_ROWS,
    _NO_ROWS,
    _NO_ROWS,
    {},
    {},
)
"""The facts of a batch whose conversations nobody follows."""


@dataclass(slots=True)
class _Told:
    """What was found so far of a batch: segments that were looked at, and whole runs that were not.

    rows, from_client, phases, states, advances: of each segment looked at; answers: row, packet, time since
    runs: place of the first segment in stream order, of the one after the last, client, phase, states
    """

    rows: list[int] = field(default_factory=list)
    from_client: list[bool] = field(default_factory=list)
    phases: list[int] = field(default_factory=list)
    states: list[int] = field(default_factory=list)
    advances: list[int] = field(default_factory=list)
    answers: list[tuple[int, int, int]] = field(default_factory=list)
    steps: dict[int, tuple[str, ...]] = field(default_factory=dict)
    told: dict[int, list[Fact]] = field(default_factory=dict)
    runs: list[tuple[int, int, int, int, int]] = field(default_factory=list)

    def rest(self, row: int, direction: int, connection: Connection, advance: int) -> None:
        """Note a segment that changes no state."""
        self.rows.append(row)
        self.from_client.append(direction == connection.client)
        self.phases.append(connection.resting_phase)
        self.states.append(connection.resting_states)
        self.advances.append(advance)

    def facts(self, count: int, groups: Groups | None) -> TcpFacts:
        """Return everything as arrays of ``count`` segments; groups: the order in which the runs are counted."""
        from_client = np.zeros(count, np.bool_)
        phase, states = np.zeros(count, np.uint8), np.zeros(count, np.uint16)
        advance = np.full(count, -1)
        answers, elapsed = np.zeros(count, np.int64), np.zeros(count, np.int64)
        if self.runs and groups is not None:
            begin, end, client, phases, resting = np.array(self.runs, np.int64).T
            size = end - begin
            first = np.cumsum(size) - size
            place = np.arange(int(size.sum())) + np.repeat(begin - first, size)
            row = groups.order[place]
            from_client[row] = groups.second[place] == np.repeat(client, size)
            phase[row] = np.repeat(phases, size)
            states[row] = np.repeat(resting, size)
        rows = np.array(self.rows, np.int64)
        from_client[rows] = self.from_client
        phase[rows] = self.phases
        states[rows] = self.states
        advance[rows] = self.advances
        if self.answers:
            row, number, since = np.array(self.answers, np.int64).T
            answers[row], elapsed[row] = number, since
        return TcpFacts(from_client, phase, states, advance, answers, elapsed, self.steps, self.told)


class TcpConversations:
    """Feeds every conversation its segments.

    answers: tell which packet each acknowledgment answers. Every segment is then looked at, which takes a few
    microseconds each; without it only those that can change a state are, the rest is told in columns
    (``quiet_runs``). May be changed between two batches.

    connections: stream number -> Connection, the ones followed at the moment
    let_go:      how many were let go because there were more than FOLLOWED
    """

    def __init__(
        self, services: frozenset[int] = frozenset(), followed: int = FOLLOWED, *, answers: bool = True
    ) -> None:
        self.connections: dict[int, Connection] = {}
        self.let_go = 0
        self._services = services
        self._followed = followed
        self._answers = answers

    @property
    def answers(self) -> bool:
        """Whether it is told which packet each acknowledgment answers."""
        return self._answers

    @answers.setter
    def answers(self, told: bool) -> None:
        if told != self._answers:
            self._answers = told
            for connection in self.connections.values():  # nobody notes what is confirmed while nobody asks
                for end in connection.ends:
                    end.sent = {}

    def feed(
        self, segments: Segments, numbers: StreamNumbers, twice: NDArray[np.int64], groups: Groups | None = None
    ) -> TcpFacts:
        """Follow one batch.

        twice: int64 (n,) for each packet of the batch the number of the packet it is a second capture of, or 0.
        groups: the segments sorted by stream, where that has been done already.
        Headers of unknown payload length (quoted in an ICMP error) move nothing.
        """
        if len(self.connections) + int(numbers.opened.sum()) > self._followed:
            self._let_go_of_the_silent()
        told = _Told()
        columns = (
            numbers.stream,
            numbers.direction,
            segments.number,
            segments.time_ns,
            segments.sequence,
            segments.acknowledgment,
            segments.flags,
            segments.length,
            segments.window,
            segments.scale_shift,
            twice[segments.row],
        )
        if self._answers:
            for row, values in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
                self._look_at(row, values, segments, told)
            return told.facts(len(segments), None)
        groups = groups or Groups.by_stream(numbers)
        if len(segments):
            self._look_at_notable(segments, columns, groups, told)
        return told.facts(len(segments), groups)

    def forget(self, streams: Iterable[int]) -> None:
        """Let go of conversations that are closed or idle; one that goes on is begun anew."""
        for stream in streams:
            self.connections.pop(stream, None)

    def recall(self, events: Events) -> dict[int, list[Fact]]:
        """Follow conversations again by their events alone, all of known streams' first segment on.

        Returns what there was to tell, by place among the events.
        """
        told = _Told()
        columns = (
            events.stream,
            events.side,
            events.number,
            events.time_ns,
            events.sequence,
            events.acknowledgment,
            events.flags,
            events.length,
            events.window,
            events.scale,
            np.zeros(len(events), np.int64),
        )
        rows = zip(*(column.tolist() for column in columns), strict=True)
        before = (events.own, events.other, events.latest_ack, events.latest_window)
        known = zip(*(column.tolist() for column in before), strict=True)
        for row, (values, (own, other, ack, window)) in enumerate(zip(rows, known, strict=True)):
            stream, side = values[0], values[1]
            connection = self.connections.get(stream)
            if connection is None:
                connection = self.connections[stream] = Connection(side)
            me, peer = connection.ends[side], connection.ends[1 - side]
            for end, sent in ((me, own), (peer, other)):
                if sent and end.next is not None and ahead(sent, end.next) > 0:
                    end.next = sent
            newest = peer.acknowledged
            if window and newest is not None and ahead(ack, newest) >= 0 and not connection.was_reset:
                peer.acknowledged = ack
                peer.window = window << peer.scale if peer.scale > 0 else window
            self._look_at(row, values, None, told)
        return told.told

    def catch_up(self, streams: NDArray[np.int64], marks: Marks) -> None:
        """Give conversations that were followed by their events the numbers that a batch begins with.

        streams: ascending; marks: those of the batch
        """
        columns, placed = marks.lanes()
        if columns is None:
            return
        heads, at = columns.lanes.head, np.searchsorted(placed.stream, streams)
        for stream, place in zip(streams.tolist(), at.tolist(), strict=True):
            connection = self.connections.get(stream)
            if connection is None or place >= len(placed.stream) or placed.stream[place] != stream:
                continue
            for side, end in enumerate(connection.ends):
                head = heads[2 * place + side]
                if end.next is not None:
                    end.next = int(columns.next[head])
                # What a SYN or RST left there was looked at, or says nothing of the window.
                if end.acknowledged is not None and not connection.was_reset and not columns.flags[head] & SYN:
                    ack, window = int(columns.ack[head]), int(columns.window[head])
                    if ahead(ack, end.acknowledged) >= 0:
                        end.acknowledged = ack
                        end.window = window << end.scale if end.scale > 0 else window

    def _look_at_notable(
        self, segments: Segments, columns: tuple[NDArray[Any], ...], groups: Groups, told: _Told
    ) -> None:
        """Follow a batch stream by stream; runs of segments that only move numbers are passed over."""
        order = groups.order
        runs = QuietRuns(segments, groups, columns[-1])
        table = np.empty((len(order), len(columns)), np.int64)
        for place, column in enumerate(columns):
            table[:, place] = column[order]
        run_of, rows, quiet_end = runs.run, order.tolist(), runs.quiet_end.tolist()
        ends = [*groups.start[1:].tolist(), len(order)]
        connections = self.connections
        for stream, begin, end in zip(groups.stream.tolist(), groups.start.tolist(), ends, strict=True):
            connection = connections.get(stream)
            place, looked_at = begin, begin
            while place < end:
                if connection is not None and connection.settled and place >= looked_at:
                    run = int(run_of[place])
                    upto = quiet_end[run]
                    if upto > place:
                        if runs.pass_over(connection, run, place, upto):
                            resting = connection.client, connection.resting_phase, connection.resting_states
                            told.runs.append((place, upto, *resting))
                            place = upto
                            continue
                        looked_at = upto
                connection = self._look_at(rows[place], table[place].tolist(), segments, told)
                place += 1

    def _look_at(self, row: int, values: Sequence[int], segments: Segments | None, told: _Told) -> Connection:
        """Give one segment to its conversation, and return that."""
        stream, direction, number, time, sequence, acknowledgment, flags, length, window, scale, same = values
        connection = self.connections.get(stream)
        if connection is None:
            connection = self.connections[stream] = Connection(self._client(segments, row, direction))
        elif flags & SPECIAL == ACK and not same and connection.settled and length >= 0:
            me, peer = connection.ends[direction], connection.ends[1 - direction]
            # Nothing but numbers moves: kept short because most packets are of this kind.
            if (
                me.acknowledged is not None
                and me.next is not None
                and (peer.next is None or (acknowledgment - peer.next - 1) & _CIRCLE > _HALF)
                and (peer.seen or me.fin is None)
            ):
                gained = (acknowledgment - me.acknowledged) & _CIRCLE
                if gained >= _HALF:
                    gained = 0
                elif gained:
                    me.acknowledged = acknowledgment
                    if peer.sent and (answered := peer.confirm(acknowledgment)) is not None:
                        told.answers.append((row, answered[0], _since(answered[1], time)))
                if length and self._answers and len(me.sent) < MOST_SENT:
                    me.sent.setdefault((sequence + length) & _CIRCLE, (number, time))
                if (sequence + length - me.next) & _CIRCLE < _HALF:
                    me.next = (sequence + length) & _CIRCLE
                me.window = window << me.scale if me.scale > 0 else window
                me.open_shown = True
                me.last = None
                connection.packets += 1
                connection.number = number
                told.rest(row, direction, connection, gained if self._answers else -1)
                return connection
        if length < 0:
            told.rest(row, direction, connection, -1)
            return connection
        before = connection.ends[direction].acknowledged
        segment = Segment(number, time, direction, sequence, acknowledgment, flags, length, window, scale, same)
        phase, happened = connection.feed(segment)
        if not same and self._answers and (answered := connection.answered(segment)) is not None:
            told.answers.append((row, answered[0], _since(answered[1], time)))
        one, other = connection.client, 1 - connection.client
        old, ends = connection.before, connection.ends
        told.rows.append(row)
        told.from_client.append(direction == one)
        told.phases.append(phase)
        told.states.append(pack_states(old[one], ends[one].state, old[other], ends[other].state))
        known = self._answers and flags & ACK and before is not None and not flags & SYN
        told.advances.append(max(ahead(acknowledgment, before), 0) if known and before is not None else -1)
        if happened:
            told.steps[row] = happened
        if connection.facts:
            told.told[row] = connection.facts
        return connection

    def _client(self, segments: Segments | None, row: int, direction: int) -> int:
        """Return the direction of the client as far as ports tell it; a SYN tells it better."""
        if segments is None:
            return direction
        only_sender_serves = self._serves(int(segments.source_port[row])) and not self._serves(
            int(segments.destination_port[row])
        )
        return 1 - direction if only_sender_serves and not segments.flags[row] & SYN else direction

    def _serves(self, port: int) -> bool:
        return port < 1024 or port in self._services

    def _let_go_of_the_silent(self) -> None:
        """Let go of the half that has been silent for longest (closed ones among them)."""
        by_age = sorted(self.connections, key=lambda stream: self.connections[stream].number)
        for stream in by_age[: len(by_age) // 2]:
            del self.connections[stream]
            self.let_go += 1


def _since(answered_ns: int, time_ns: int) -> int:
    """Return how long ago something was sent, NO_TIME where that or now is not known."""
    since = elapsed(time_ns, answered_ns)
    return NO_TIME if since is None else since
