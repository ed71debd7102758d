"""How every TCP conversation went: ordinary ones by their word, all others by the state machines, as columns.

``tcp_words`` takes what is ordinary; all segments of the others go to the states of both ends (RFC 9293) and to Zeek's.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from sniffkit.analysis.conversations import CLOSED, CLOSED_BY, OPENED, outcome_of
from sniffkit.analysis.endpoint_pairs import distinct
from sniffkit.analysis.segments import ACK, RST, SYN
from sniffkit.analysis.tcp.conversations import TcpConversations
from sniffkit.analysis.tcp.word_events import Events
from sniffkit.analysis.tcp.words import TcpWords
from sniffkit.analysis.time_stamps import MOST_NS, elapsed_ns
from sniffkit.analysis.zeek.connections import ZeekConnections
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.facts import Fact
    from sniffkit.analysis.flows.stream_table import StreamTable
    from sniffkit.analysis.segments import Segments
    from sniffkit.analysis.streams import StreamNumbers
    from sniffkit.analysis.tcp.lanes import Groups
    from sniffkit.analysis.tcp.marks import Marks

COURSE = (
    "last-ack-lost",
    "fin-ack-lost",
    "third-segment-lost",
    "fin-again",
    "syn-again",
    "syn-ack-again",
    "half-open",
    "syn-data",
    "opened-anew",
    "reset-ignored",
    "captured-twice",
)
"""How it went, as far as single packets told: the bits of the column ``course``."""

_CORRECTED = {"LAST-ACK": "last-ack-lost", "FIN-WAIT-1": "fin-ack-lost", "SYN-RECEIVED": "third-segment-lost"}
"""What a state that had to be taken back (``tcp.state.corrected``) shows to be lost."""

_COURSE_BIT = {name: 1 << bit for bit, name in enumerate(COURSE)}

_WORDS_KNOWN = 50_000

_WRITTEN = ("client", "opened", "closed", "closed_by", "handshake_ns", "handshake_server_ns", "zeek")


@dataclass(slots=True)
class _ChosenMarks:
    """The marks of some segments, as far as Zeek's analysis asks for them."""

    mask: NDArray[np.uint16]
    groups: Groups
    singly: NDArray[np.bool_]
    highest: tuple[NDArray[np.uint32], NDArray[np.uint32]]

    def by_stream(self) -> Groups:
        return self.groups

    def told_singly(self) -> NDArray[np.bool_]:
        return self.singly

    def highest_before(self) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        return self.highest


class TcpOutcomes:
    """Fed batch by batch; writes the columns ``client``, ``state``, ``opened`` ... of the table when asked.

    words: (conn_state, history) that the column ``zeek`` points at
    """

    def __init__(self, table: StreamTable) -> None:
        self._table = table
        self.words: list[tuple[str, str]] = [("", "")]
        self._index: dict[tuple[str, str], int] = {("", ""): 0}
        self._states = TcpConversations(followed=1 << 62, answers=False)
        self._zeek = ZeekConnections()
        self._ordinary = TcpWords()
        self._known: dict[bytes, int] = {}  # of a word its place among ...
        self._ways: list[tuple[int, ...]] = []  # ... _outcome, whether a handshake is measured, bits of course, over

    def feed(self, segments: Segments, numbers: StreamNumbers, marks: Marks, twice: NDArray[np.int64]) -> None:
        """Add a batch; twice: int64 (n,) by packet."""
        look, given_up = self._ordinary.feed(segments, numbers, marks)
        if len(given_up):
            self._look_back(given_up, marks)
        if not look.any():
            return
        rows, groups = marks.by_stream().choose(look)
        some, chosen = segments.take(rows), chosen_numbers(numbers, rows)
        told = self._states.feed(some, chosen, twice, groups)
        self._add_course(told.told, chosen.stream)
        only = _ChosenMarks(marks.mask[rows], groups, marks.told_singly()[rows], marks.highest_before(rows))
        self._zeek.feed(some, chosen, cast("Marks", only))

    def open(self) -> NDArray[np.int64]:
        """Return the streams that have state, ascending."""
        looked_at = np.fromiter(self._states.connections, np.int64, len(self._states.connections))
        return np.sort(np.concatenate((looked_at, self._ordinary.kept())))

    def write(self, streams: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Write down how streams stand (None: all that have state); return those that are over, ascending."""
        every = self.open() if streams is None else streams
        connections = self._states.connections
        followed = [stream for stream in every.tolist() if stream in connections]
        if followed:
            rows = [self._outcome(stream, self._states, self._zeek) for stream in followed]
            self._write_rows(np.array(followed, np.int64), np.array(rows, np.int64))
        over = [stream for stream in followed if connections[stream].over]
        over += self._write_ordinary(every)
        return np.array(sorted(over), np.int64)

    def forget(self, streams: NDArray[np.int64]) -> None:
        """Let go of streams."""
        self._ordinary.forget(streams)
        self._ordinary.make_small()
        names = streams.tolist()
        self._states.forget(names)
        self._zeek.forget(names)

    def _write_ordinary(self, streams: NDArray[np.int64]) -> list[int]:
        """Write down how ordinary conversations stand; return those that are over."""
        streams = self._ordinary.kept(streams)
        if not len(streams):
            return []
        events = self._ordinary.of(streams)
        found, words = spelled(events)
        self._learn(events, found, words)
        way = np.fromiter(map(self._known.__getitem__, words), np.int64, len(words))
        used = distinct(way)
        ways = np.array([self._ways[each] for each in used.tolist()], np.int64)[np.searchsorted(used, way)]
        rows, measured, course, over = ways[:, :9], ways[:, 9] != 0, ways[:, 10], ways[:, 11] != 0
        first, second = _handshakes(events, found)
        rows[:, 6] = np.where(measured & (first >= 0), first + second, -1)
        rows[:, 7] = np.where(measured, first, 0)
        self._write_rows(found, rows)
        self._table["course"][found] |= course.astype(np.uint16)
        stopped: list[int] = found[over].tolist()
        return stopped

    def _learn(self, events: Events, streams: NDArray[np.int64], words: list[bytes]) -> None:
        """Ask the state machines for words that are not known yet."""
        if len(self._known) > _WORDS_KNOWN:
            self._known.clear()
            self._ways.clear()
        teachers: dict[bytes, int] = {}
        for stream, word in zip(streams.tolist(), words, strict=True):
            if word not in self._known:
                teachers.setdefault(word, stream)
        if not teachers:
            return
        chosen = np.sort(np.array(list(teachers.values()), np.int64))
        some = events.take(np.flatnonzero(np.isin(events.stream, chosen)))
        states, zeek = TcpConversations(followed=1 << 62, answers=False), ZeekConnections()
        told = states.recall(some)
        zeek.recall(some)
        course = dict.fromkeys(chosen.tolist(), 0)
        for place, facts in told.items():
            course[int(some.stream[place])] |= _course_of(facts)
        took, _ = _handshakes(some, chosen)
        unknown = set(chosen[took < 0].tolist())
        for word, stream in teachers.items():
            connection = states.connections[stream]
            # Whether others with this word have a handshake to measure; the teacher's own clock may have been set back.
            measured = connection.handshake is not None or (stream in unknown and connection.ends[0].syn_count == 1)
            self._known[word] = len(self._ways)
            outcome = self._outcome(stream, states, zeek)
            self._ways.append((*outcome, int(measured), course[stream], int(connection.over)))

    def _outcome(self, stream: int, states: TcpConversations, zeek: ZeekConnections) -> tuple[int, ...]:
        """Return client, both states, opened, closed, closed_by, handshake, its first part, index of Zeek's words."""
        connection = states.connections[stream]
        outcome = outcome_of(connection)
        first, second = connection.handshake or (-1, 0)
        told = zeek.outcome(stream)
        word = (told.conn_state, told.history) if told is not None else ("OTH", "-")
        index = self._index.setdefault(word, len(self.words))
        if index == len(self.words):
            self.words.append(word)
        one, other = connection.ends
        return (
            connection.client, one.state, other.state, OPENED.index(outcome.opened), CLOSED.index(outcome.closed),
            CLOSED_BY.index(outcome.closed_by), first + second, first, index,
        )  # fmt: skip

    def _write_rows(self, streams: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        """Write what ``_outcome`` returned of streams: int64 (k, 9)."""
        self._table["state"][streams] = rows[:, 1:3]
        for name, place in zip(_WRITTEN, (0, *range(3, 9)), strict=True):
            self._table[name][streams] = rows[:, place]

    def _look_back(self, streams: NDArray[np.int64], marks: Marks) -> None:
        """Bring streams that are ordinary no longer up to the batch."""
        events = self._ordinary.of(streams)
        if not len(events):
            return
        told = self._states.recall(events)
        self._add_course(told, events.stream)
        self._zeek.recall(events)
        self._states.catch_up(streams, marks)

    def _add_course(self, told: dict[int, list[Fact]], stream: NDArray[np.int64]) -> None:
        course = self._table["course"]
        for row, facts in told.items():
            if bits := _course_of(facts):
                course[stream[row]] |= bits


def _course_of(facts: list[Fact]) -> int:
    bits = 0
    for fact in facts:
        name = fact.id[4:]
        if name == "state.corrected":
            name = _CORRECTED.get(str(fact.values["state"]), "")
        bits |= _COURSE_BIT.get(name, 0)
    return bits


def chosen_numbers(numbers: StreamNumbers, rows: NDArray[np.int64]) -> StreamNumbers:
    """Return the stream numbers of some segments."""
    return replace(numbers, **{field.name: getattr(numbers, field.name)[rows] for field in fields(numbers)})


def spelled(events: Events) -> tuple[NDArray[np.int64], list[bytes]]:
    """Return the streams of events, ascending, and the word of each."""
    begins = np.append(True, events.stream[1:] != events.stream[:-1])
    streams = events.stream[begins]
    letters = events.sign[events.in_word].tobytes()
    ends = np.cumsum(np.add.reduceat(events.in_word.astype(np.int64), np.flatnonzero(begins))).tolist()
    return streams, [letters[begin:end] for begin, end in zip([0, *ends[:-1]], ends, strict=True)]


def _handshakes(events: Events, streams: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the time from SYN to SYN,ACK and from there to the client's ack of each stream, -1 where not known."""
    start = np.searchsorted(events.stream, streams)
    place = np.arange(len(events))
    of = np.cumsum(np.append(True, events.stream[1:] != events.stream[:-1])) - 1
    none = len(events)

    def first(which: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.minimum.reduceat(np.where(which, place, none), start)

    answer = first((events.flags & (SYN | ACK)) == (SYN | ACK))
    third = first((events.side == 0) & ((events.flags & (SYN | ACK | RST)) == ACK) & (place > answer[of]))
    time = np.append(events.time_ns, NO_TIME)
    syn, syn_ack, ack = time[start], time[answer], time[third]
    known = (syn != NO_TIME) & (syn_ack >= syn) & (ack >= syn_ack)  # NO_TIME is before all times
    known &= elapsed_ns(ack, syn) < MOST_NS  # so neither part of it is more than 64 bits hold
    return np.where(known, syn_ack - syn, -1), np.where(known, ack - syn_ack, -1)
