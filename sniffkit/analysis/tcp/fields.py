"""Fields that are in no header but follow from all packets before: streams, relative numbers, marks, states, steps.

They are offered under Wireshark's names (``tcp.stream``, ``tcp.analysis.retransmission``) and, for what Wireshark
does not know, under ours (``tcp.state.client``, ``tcp.phase``, ``tcp.step``). Only the analysers behind the fields
that were asked for are run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.endpoint_pairs import grown
from sniffkit.analysis.segments import ACK, FIN, RST, SYN, Segments, ip_ends
from sniffkit.analysis.streams import PairStreams, StreamNumbers, Streams, sorted_rows
from sniffkit.analysis.tcp.ack_times import AckTimes, TcpAckTimes
from sniffkit.analysis.tcp.announced_connections import AnnouncedConnections
from sniffkit.analysis.tcp.connection import STEPS, Phase
from sniffkit.analysis.tcp.conversations import TcpConversations, TcpFacts
from sniffkit.analysis.tcp.mark_names import MARK_NAMES, Mark
from sniffkit.analysis.tcp.marks import Marks, TcpMarks
from sniffkit.analysis.tcp.states import LABELS
from sniffkit.protocols.field_types import FieldType, Kind
from sniffkit.protocols.occurrences import Occurrences
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns

PHASES = tuple(phase.label for phase in Phase)

NUMBERED = ("tcp.stream", "tcp.seq", "tcp.ack", "tcp.nxtseq", "tcp.options.sack_le", "tcp.options.sack_re")
MARKED = tuple(f"tcp.analysis.{name}" for name in MARK_NAMES if name != "captured_twice")
CONNECTION = ("syn", "synack", "fin", "fin_active", "fin_passive", "rst")
FLOWN = ("tcp.analysis.acks_frame", "tcp.analysis.ack_rtt", "tcp.analysis.bytes_in_flight", "tcp.analysis.rto",
         "tcp.analysis.initial_rtt", "tcp.analysis")  # fmt: skip
IN_FLIGHT = ("tcp.analysis.bytes_in_flight", "tcp.analysis.rto", "tcp.analysis.initial_rtt", "tcp.analysis")
"""Fields that need all that is on its way (the last two, to know whether Wireshark has anything to say)."""
OURS = ("tcp.state.client", "tcp.state.server", "tcp.phase", "tcp.step", "tcp.sender")


@cache
def types() -> dict[str, FieldType]:
    """Return the type of every field offered here."""
    of_marks = ("duplicate_ack_num", "duplicate_ack_frame", "acks_frame", "bytes_in_flight")
    unsigned = (*NUMBERED, "tcp.completeness", "tcp.window_size", *(f"tcp.analysis.{name}" for name in of_marks))
    found = {id: FieldType(id, Kind.UNSIGNED, "tcp") for id in unsigned}
    found["udp.stream"] = FieldType("udp.stream", Kind.UNSIGNED, "udp")
    found["tcp.window_size_scalefactor"] = FieldType("tcp.window_size_scalefactor", Kind.SIGNED, "tcp")
    for id in ("time_relative", "time_delta", "analysis.ack_rtt", "analysis.rto", "analysis.initial_rtt"):
        found[f"tcp.{id}"] = FieldType(f"tcp.{id}", Kind.DURATION, "tcp")
    for id in (*MARKED, "tcp.analysis", "tcp.analysis.flags", *(f"tcp.connection.{name}" for name in CONNECTION)):
        found[id] = FieldType(id, Kind.LABEL, "tcp")
    for id, names in (
        ("tcp.state.client", LABELS), ("tcp.state.server", LABELS), ("tcp.phase", PHASES),
        ("tcp.step", STEPS), ("tcp.sender", ("client", "server")),
    ):  # fmt: skip
        found[id] = FieldType(id, Kind.TEXT, "tcp", names=names)
    return found


class TcpFields:
    """Feeds the analysers that the fields asked for need, batch by batch."""

    def __init__(self, asked: Iterable[str]) -> None:
        wanted = set(asked) & types().keys()
        self.wanted = wanted
        self.any_tcp = bool(wanted - {"udp.stream"})
        self.any_flight = bool(wanted & set(FLOWN))
        self.any_ours = bool(wanted & set(OURS))
        marked = {*MARKED, *FLOWN, "tcp.analysis.flags", "tcp.analysis.duplicate_ack_num",
                  "tcp.analysis.duplicate_ack_frame", "tcp.completeness", "tcp.window_size",
                  "tcp.window_size_scalefactor"}  # fmt: skip
        self.any_mark = bool(wanted & marked)
        self.any_time = bool(wanted & {"tcp.time_relative", "tcp.time_delta"})
        self.any_close = bool(wanted & {"tcp.connection.fin_active", "tcp.connection.fin_passive"})
        self.streams = Streams()
        self.datagrams = PairStreams()
        self.marks = TcpMarks(as_tshark=True)
        self.flights = TcpAckTimes(in_flight=bool(wanted & set(IN_FLIGHT)))
        self.conversations = TcpConversations()
        self.times = StreamTimes()
        self.closers = Closers()
        self.announced = AnnouncedConnections()

    def feed(self, columns: Columns) -> Callable[[str], Occurrences | None]:
        """Analyse the next batch; return what reads the fields of it (None for a field of others)."""
        if not self.wanted:
            return lambda id: None
        return _BatchTcp(self, columns).occurrences


class _BatchTcp:
    """One batch analysed."""

    def __init__(self, run: TcpFields, columns: Columns) -> None:
        self.columns = columns
        self.datagrams = run.datagrams if "udp.stream" in run.wanted else None
        self._udp = self._udp_streams() if self.datagrams else None
        if not run.any_tcp:
            return
        self.segments = Segments.from_columns(columns, options=run.any_mark or run.any_ours)
        self.numbers: StreamNumbers = run.streams.feed(self.segments)
        self.marks: Marks | None = run.marks.feed(self.segments, self.numbers) if run.any_mark else None
        self.flights: AckTimes | None = None
        if run.any_flight and self.marks is not None:
            self.flights = run.flights.feed(
                self.segments, self.numbers, self.marks, sacked_octets(columns, len(self.segments))
            )
        self.facts: TcpFacts | None = None
        if run.any_ours:
            nowhere = np.zeros(len(columns.batch), np.int64)
            self.facts = run.conversations.feed(self.segments, self.numbers, nowhere)
        if "tcp.completeness" in run.wanted:
            self.announced = run.announced.feed(columns, self.segments, self.numbers)
        if run.any_time:
            self.relative, self.delta = run.times.feed(self.numbers.stream, self.segments.time_ns)
        if run.any_close:
            self.active = run.closers.feed(self.segments, self.numbers)

    def _udp_streams(self) -> Occurrences:
        assert self.datagrams is not None
        columns, rows = self.columns, self.columns.rows("udp")
        if not len(rows):
            return Occurrences(rows.row, np.empty(0, np.int64))
        source, destination, _ = ip_ends(columns, rows.parent, rows.parent_index)
        stream, _ = self.datagrams.feed(source, destination, columns["udp.srcport"], columns["udp.dstport"])
        return Occurrences(rows.row, stream)

    @cached_property
    def _told(self) -> NDArray[np.bool_]:
        """Which headers say all that lies behind the sequence numbers."""
        return self.segments.header_ok

    @cached_property
    def _analysed(self) -> NDArray[np.bool_]:
        """Which segments Wireshark has something to say of, bool (m,)."""
        assert self.flights is not None
        assert self.marks is not None
        flown = self.flights.frame != 0
        if self.flights.in_flight is not None:
            flown |= self.flights.in_flight != 0
        found: NDArray[np.bool_] = (flown | (self.marks.mask != 0)) & self._told & self.segments.options_ok
        return found

    def occurrences(self, id: str) -> Occurrences | None:
        """Return a field of the batch, None where it is not one of these."""
        if id not in types():
            return None
        if id == "udp.stream":
            return self._udp
        if id == "tcp.step":
            return self._steps()
        if id.startswith("tcp.options.sack_"):
            index, edges = self.columns.sparse(id)
            return Occurrences(self.segments.row[index], edges.astype(np.uint32) - self.numbers.other_base[index])
        values, there = self._values(id)
        if there is None:
            return Occurrences(self.segments.row, values)
        at = np.flatnonzero(there)
        return Occurrences(self.segments.row[at], values[at])

    def _values(self, id: str) -> tuple[Any, NDArray[np.bool_] | None]:
        """Return a field's values, one a segment, and which segments have it (None: all)."""
        numbers, segments = self.numbers, self.segments
        if id == "tcp.stream":
            return numbers.stream, None
        if id == "tcp.seq":
            return numbers.sequence, None
        if id == "tcp.ack":
            return numbers.acknowledgment, self._told
        if id == "tcp.nxtseq":
            return numbers.next_sequence, (numbers.next_sequence >= 0) & self._told
        if id == "tcp.time_relative":
            return self.relative, self._told
        if id == "tcp.time_delta":
            return self.delta, self._told
        if id.startswith("tcp.connection."):
            return self._connection(id.rpartition(".")[2])
        if id in OURS:
            return self._ours(id), None
        assert self.marks is not None
        marks = self.marks
        if id == "tcp.completeness":
            return np.where(self.announced, marks.completeness() & 0xFE, marks.completeness()), self._told
        if id == "tcp.window_size":
            return marks.window_size, self._told
        if id == "tcp.window_size_scalefactor":
            scale = marks.window_scale.astype(np.int64)
            return np.where(scale >= 0, 1 << scale.clip(min=0), scale), self._told & (segments.flags & SYN == 0)
        if id == "tcp.analysis.duplicate_ack_num":
            return marks.duplicate_ack_number, marks.has(Mark.DUPLICATE_ACK)
        if id == "tcp.analysis.duplicate_ack_frame":
            return marks.duplicate_ack_frame, marks.has(Mark.DUPLICATE_ACK)
        if id == "tcp.analysis.flags":
            return marks.mask, marks.mask != 0
        if id in MARKED:
            there = marks.has(Mark[id.rpartition(".")[2].upper()])
            return there.view(np.uint8), there
        return self._flown(id)

    def _flown(self, id: str) -> tuple[Any, NDArray[np.bool_]]:
        assert self.flights is not None
        assert self.marks is not None
        if id == "tcp.analysis":
            return self._analysed.view(np.uint8), self._analysed
        values = {
            "initial_rtt": self.marks.initial_rtt_ns,
            "acks_frame": self.flights.frame,
            "ack_rtt": self.flights.rtt_ns,
            "bytes_in_flight": self.flights.in_flight,
            "rto": self.flights.rto_ns,
        }[id.rpartition(".")[2]]
        assert values is not None
        return values, (values != 0) & self._analysed

    def _connection(self, name: str) -> tuple[Any, NDArray[np.bool_]]:
        """Return ``tcp.connection.*``: what Wireshark notes of segments that open or close."""
        flags = self.segments.flags
        told = self._told
        if name in ("syn", "synack"):
            there = (flags & (SYN | ACK)) == (SYN if name == "syn" else SYN | ACK)
        elif name == "rst":
            there = (flags & RST) != 0
        else:
            there = (flags & FIN) != 0
            if name == "fin_active":
                there &= self.active
            elif name == "fin_passive":
                there &= ~self.active
        there = there & told
        return there.view(np.uint8), there

    def _ours(self, id: str) -> NDArray[Any]:
        """Return states, phases and steps as words, an object array (m,)."""
        facts = self.facts
        assert facts is not None
        if id == "tcp.sender":
            return np.array(["server", "client"], object)[facts.from_client.astype(np.int64)]
        if id == "tcp.phase":
            return np.array(PHASES, object)[facts.phase]
        shift = 4 if id == "tcp.state.client" else 12
        words: NDArray[Any] = np.array([*LABELS, *[""] * 5], object)[(facts.states >> shift) & 15]
        return words

    def _steps(self) -> Occurrences:
        """Return every step; a packet can take two."""
        assert self.facts is not None
        taken = sorted(self.facts.steps.items())
        rows = np.array([row for row, steps in taken for _ in steps], np.int64)
        steps = np.array([step for _, steps in taken for step in steps], object)
        return Occurrences(self.segments.row[rows], steps)


def sacked_octets(columns: Columns, count: int) -> NDArray[np.int64]:
    """Return how many octets the first three SACK blocks of each of ``count`` segments cover, int64 (m,)."""
    sacked = np.zeros(count, np.int64)
    index, left = columns.sparse("tcp.options.sack_le")
    right = columns.sparse("tcp.options.sack_re")[1]
    if len(index):
        first = np.searchsorted(index, index)
        early = np.arange(len(index)) - first < 3
        np.add.at(sacked, index[early], (right - left)[early].astype(np.int64))
    return sacked


class StreamTimes:
    """Times since the first and the previous packet of each stream."""

    def __init__(self) -> None:
        self._first = np.zeros(0, np.int64)
        self._last = np.zeros(0, np.int64)

    def feed(
        self, stream: NDArray[np.int64], time_ns: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return for each segment the nanoseconds since the first and since the previous one of its stream."""
        count = int(stream.max(initial=-1)) + 1
        if count > len(self._first):
            size = max(1024, count + count // 2)
            self._first, self._last = grown(self._first, size, NO_TIME), grown(self._last, size, NO_TIME)
        order = sorted_rows(stream)
        ordered, time = stream[order], time_ns[order]
        time[time == NO_TIME] = 0  # as in Wireshark, where only differences are asked for
        begins = np.flatnonzero(np.diff(ordered, prepend=-1))
        opening = ordered[begins]
        fresh = self._first[opening] == NO_TIME
        self._first[opening[fresh]] = time[begins[fresh]]
        self._last[opening[fresh]] = time[begins[fresh]]
        before = np.concatenate([time[:1], time[:-1]])
        before[begins] = self._last[opening]
        self._last[opening] = time[np.append(begins[1:], len(ordered))[: len(begins)] - 1]
        relative, delta = np.empty(len(stream), np.int64), np.empty(len(stream), np.int64)
        relative[order] = time - self._first[ordered]
        delta[order] = time - before
        return relative, delta


class Closers:
    """Which side of each stream sent the first FIN."""

    def __init__(self) -> None:
        self._sides: dict[int, set[int]] = {}

    def feed(self, segments: Segments, numbers: StreamNumbers) -> NDArray[np.bool_]:
        """Return for each segment whether, as a FIN, it is of a side that closes before the other, bool (m,)."""
        active = np.zeros(len(segments), np.bool_)
        for row in np.flatnonzero((segments.flags & FIN) != 0).tolist():
            stream, side = int(numbers.stream[row]), int(numbers.direction[row])
            closed = self._sides.setdefault(stream, set())
            active[row] = 1 - side not in closed
            if active[row]:
                closed.add(side)
        return active
