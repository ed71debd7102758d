"""Every conversation of a capture, TCP, UDP and ICMP echo, fed batch by batch: what ``sniffkit flows`` tells."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.conversations import CLOSED, CLOSED_BY, OPENED
from sniffkit.analysis.flows.prepared import Datagrams, Ends, Prepared, Preparer, TcpEnds
from sniffkit.analysis.flows.records import AnswerTime, Flow, FlowEnd, FlowProtocol
from sniffkit.analysis.flows.stream_table import StreamTable
from sniffkit.analysis.flows.tcp import EVENTS, MOST_OPEN, TcpFlows
from sniffkit.analysis.flows.totals import TOTALS, add_sums
from sniffkit.analysis.read_ahead import read_ahead
from sniffkit.analysis.tcp.outcomes import COURSE
from sniffkit.analysis.tcp.states import LABELS
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from sniffkit.sources.batch import Batch

SERVICES = 1024
"""Ports below this are a server's (RFC 6335 section 6: assigned by a standards action)."""

_OFFERS = ("mss", "window_scale", "sack_permitted", "timestamps", "syn")
_ANSWERS = ("answer_least", "answer_median", "answer_greatest", "answers")


class PairFlows:
    """Conversations without states, UDP and ICMP echo: a pair of ends is a stream.

    ends: knows who its streams are between
    """

    def __init__(self, ends: Ends) -> None:
        self.ends = ends
        self.table = StreamTable({**TOTALS, "turned": (np.bool_, 1, 0)})

    def feed(self, packets: Datagrams) -> None:
        """Add the packets of a batch."""
        streams = packets.sums.stream
        self.table.begin(streams)
        new = self.table["first_packet"][streams] == 0
        self.table["turned"][streams[new]] = packets.answers[new]
        add_sums(self.table, packets.sums)


@dataclass(frozen=True, slots=True)
class FedBatch:
    """A batch that was added, and the marks of its segments: uint16 (m,) bits of ``Mark``."""

    prepared: Prepared
    marks: NDArray[np.uint16]


class FlowAnalysis:
    """All conversations of a capture.

    preparer: makes batches ready (here, in a second thread, or in a second process)
    packets:  how many packets were fed
    """

    def __init__(self, most_open: int = MOST_OPEN, preparer: Preparer | None = None) -> None:
        self.preparer = preparer or Preparer()
        self.packets = 0
        self.know(self.preparer.streams, self.preparer.udp, self.preparer.echo, most_open)

    def know(self, tcp: Ends, udp: Ends, echo: Ends, most_open: int = MOST_OPEN) -> None:
        """Say who knows the ends of streams; before anything is fed."""
        self.tcp = TcpFlows(tcp, most_open)
        self.udp, self.icmp = PairFlows(udp), PairFlows(echo)

    @property
    def let_go(self) -> int:
        """How many conversations were written down before they closed because there were too many."""
        return self.tcp.let_go

    def feed(self, batch: Batch) -> FedBatch:
        """Add the next batch."""
        return self.add(self.preparer.prepare(batch))

    def read(self, batches: Iterable[Batch]) -> Iterator[FedBatch]:
        """Add batch after batch, the next one made ready meanwhile; yields each when it has been added."""
        for prepared in read_ahead(batches, self.preparer.prepare):
            yield self.add(prepared)

    def add(self, prepared: Prepared) -> FedBatch:
        """Add a batch that was made ready."""
        self.packets += prepared.packets
        marks = self.tcp.feed(prepared)
        self.udp.feed(prepared.udp)
        self.icmp.feed(prepared.echo)
        return FedBatch(prepared, marks)

    def chosen(self, fed: FedBatch) -> set[tuple[str, int]]:
        """Return the conversations, protocol and number, of the packets that the filter of a batch lets through."""
        prepared, wanted = fed.prepared, fed.prepared.wanted
        if wanted is None:
            return set()
        found = {
            ("tcp", stream) for stream in np.unique(prepared.numbers.stream[wanted[prepared.segments.row]]).tolist()
        }
        for name, packets in (("udp", prepared.udp), ("icmp", prepared.echo)):
            found.update((name, number) for number in np.unique(packets.stream[wanted[packets.row]]).tolist())
        return found

    def finish(self) -> None:
        """Close the books: what is still open is written down as it is."""
        self.tcp.finish()

    def records(self) -> Iterator[Flow]:
        """Yield every conversation by protocol and number; ``finish`` comes first."""
        for part in self.parts():
            yield from part.records()

    def parts(self) -> Iterator[FlowPart]:
        """Yield the conversations of ``records`` as columns, some thousands together."""
        tables: tuple[tuple[FlowProtocol, StreamTable, Ends], ...] = (
            ("tcp", self.tcp.table, self.tcp.ends),
            ("udp", self.udp.table, self.udp.ends),
            ("icmp", self.icmp.table, self.icmp.ends),
        )
        words = self.tcp.outcomes.words
        for protocol, table, ends in tables:
            for every, values in table.parts():
                used = values["packets"].any(axis=1)  # not only quoted in ICMP errors
                if used.any():
                    streams, columns = every[used], {name: column[used] for name, column in values.items()}
                    known = {at: words[at] for at in set(columns["zeek"].tolist())} if protocol == "tcp" else {}
                    yield FlowPart(protocol, streams, columns, ends.ends(streams), known)


@dataclass(slots=True)
class FlowPart:
    """Conversations of one protocol as columns, with all that their records need: it can be sent to another process.

    ends:  address and port of either end of each stream; words: (conn_state, history) by the numbers of ``zeek``
    """

    protocol: FlowProtocol
    streams: NDArray[np.int64]
    columns: dict[str, NDArray[Any]]
    ends: TcpEnds
    words: dict[int, tuple[str, str]]

    def records(self) -> Iterator[Flow]:
        """Yield the records, in the order of the rows."""
        if self.protocol == "tcp":
            return _tcp_part(self.streams, self.columns, self.ends, self.words)
        return _pair_part(self.protocol, self.ends, self.streams, self.columns)

    def pieces(self, rows: int) -> Iterator[FlowPart]:
        """Yield the conversations in pieces of so many, in order."""
        for begin in range(0, len(self.streams), rows):
            yield self.take(slice(begin, begin + rows))

    def take(self, rows: slice | NDArray[np.bool_]) -> FlowPart:
        """Return some of the conversations."""
        one, one_port, other, other_port = self.ends
        columns = {name: values[rows] for name, values in self.columns.items()}
        words = {at: self.words[at] for at in set(columns["zeek"].tolist())} if self.words else {}
        ends = one[rows], one_port[rows], other[rows], other_port[rows]
        return FlowPart(self.protocol, self.streams[rows], columns, ends, words)


def _tcp_part(
    streams: NDArray[np.int64], columns: dict[str, NDArray[Any]], four: TcpEnds, words: dict[int, tuple[str, str]]
) -> Iterator[Flow]:
    course_names = {bits: _course(bits) for bits in set(columns["course"].tolist())}
    ends = [_ends_of(columns, *four, side, tcp=True) for side in (0, 1)]
    fields = (
        streams, columns["part"], columns["client"], columns["start_ns"], columns["end_ns"],
        columns["first_packet"], columns["last_packet"], columns["silence_ns"], columns["silence_packet"],
        columns["zeek"], columns["opened"], columns["closed"], columns["closed_by"], columns["handshake_ns"],
        columns["handshake_server_ns"], columns["repeated_last"], columns["latest_direction"], columns["course"],
    )  # fmt: skip
    for one, other, values in zip(*ends, zip(*(column.tolist() for column in fields), strict=True), strict=True):
        (
            stream, part, client, start, end, first, last, silence, silence_packet, zeek, opened, closed, by,
            handshake, answered, repeated, latest, course,
        ) = values  # fmt: skip
        conn_state, history = words[zeek]
        yield Flow(
            "tcp", stream, part, *((other, one) if client else (one, other)), *_times(start, end), first, last,
            silence, silence_packet, conn_state, history, None, OPENED[opened], CLOSED[closed], CLOSED_BY[by],
            None if handshake < 0 else handshake, None if handshake < 0 else answered, repeated,
            "client" if latest == client else "server", course_names[course],
        )  # fmt: skip


def _pair_part(
    protocol: FlowProtocol, four: TcpEnds, streams: NDArray[np.int64], columns: dict[str, NDArray[Any]]
) -> Iterator[Flow]:
    one, port, other, other_port = four
    ends = [_ends_of(columns, one, port, other, other_port, side, ports=protocol == "udp") for side in (0, 1)]
    names = ("part", "start_ns", "end_ns", "first_packet", "last_packet", "silence_ns", "silence_packet", "turned")
    rows = zip(*(columns[name].tolist() for name in names), strict=True)
    for stream, first, second, identifier, values in zip(streams.tolist(), *ends, port.tolist(), rows, strict=True):
        part, start, end, first_packet, last_packet, silence, silence_packet, turned = values
        served = turned or (first.port is not None and first.port < SERVICES and (second.port or 0) >= SERVICES)
        client, server = (second, first) if served else (first, second)
        state = "SF" if client.packets and server.packets else "S0" if client.packets else "SHR"
        history = "D" * bool(client.packets) + "d" * bool(server.packets)
        yield Flow(
            protocol, stream, part, client, server, *_times(start, end), first_packet, last_packet, silence,
            silence_packet, state, history, None if protocol == "udp" else identifier,
        )  # fmt: skip


def _ends_of(
    columns: dict[str, NDArray[Any]],
    one: NDArray[np.uint64],
    one_port: NDArray[np.uint16],
    other: NDArray[np.uint64],
    other_port: NDArray[np.uint16],
    side: int,
    *,
    ports: bool = True,
    tcp: bool = False,
) -> list[FlowEnd]:
    """Return one end of every stream: side 0 sent its first packet."""
    address, port = (other, other_port) if side else (one, one_port)
    texts = address_texts(address)
    numbers: list[int | None] = port.tolist() if ports else [None] * len(port)
    totals = [columns[name][:, side].tolist() for name in ("packets", "ip_bytes", "payload_bytes")]
    if not tcp:
        return [FlowEnd(*values) for values in zip(texts, numbers, *totals, strict=True)]
    states = [LABELS[code] for code in columns["state"][:, side].tolist()]
    events = [columns[name][:, side].tolist() for name in EVENTS]
    offers = zip(*(columns[name][:, side].tolist() for name in _OFFERS), strict=True)
    times = zip(*(columns[name][:, side].tolist() for name in _ANSWERS), strict=True)
    rows = zip(texts, numbers, *totals, states, *events, strict=True)
    found = []
    for values, offer, answer in zip(rows, offers, times, strict=True):
        fields: tuple[Any, ...] = (*values, *_agreed(*offer), AnswerTime(*answer) if answer[3] else None, offer[4])
        found.append(FlowEnd(*fields))
    return found


def _agreed(
    mss: int, scale: int, sack: bool, stamps: bool, syns: int
) -> tuple[int | None, int | None, bool | None, bool | None]:
    """Return the options of an end's SYN, None where it was not captured."""
    if not syns:
        return None, None, None, None
    return mss if mss >= 0 else None, scale if scale >= 0 else None, sack, stamps


def address_texts(addresses: NDArray[np.uint64]) -> list[str]:
    """Write addresses, uint64 (n, 2), IPv4 mapped into IPv6, as tshark prints them."""
    octets = np.ascontiguousarray(addresses.astype(">u8")).tobytes()
    mapped = b"\0" * 10 + b"\xff\xff"
    return [
        socket.inet_ntoa(octets[at + 12 : at + 16])
        if octets.startswith(mapped, at)
        else socket.inet_ntop(socket.AF_INET6, octets[at : at + 16])
        for at in range(0, len(octets), 16)
    ]


def _times(start: int, end: int) -> tuple[int | None, int | None]:
    return (None, None) if start == NO_TIME else (start, max(end - start, 0))


def _course(bits: int) -> tuple[str, ...]:
    return tuple(id for place, id in enumerate(COURSE) if bits >> place & 1)
