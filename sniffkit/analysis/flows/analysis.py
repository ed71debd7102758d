"""Every conversation of a capture, TCP, UDP and ICMP echo, fed batch by batch: what ``sniffkit flows`` tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.endpoint_pairs import distinct
from sniffkit.analysis.flows.flow_parts import FlowPart
from sniffkit.analysis.flows.prepared import Datagrams, Ends, Prepared, Preparer
from sniffkit.analysis.flows.stream_table import StreamTable
from sniffkit.analysis.flows.tcp import MOST_OPEN, TcpFlows
from sniffkit.analysis.flows.totals import TOTALS, add_sums
from sniffkit.analysis.read_ahead import read_ahead

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from sniffkit.analysis.flows.icmp_errors import QuotedBy
    from sniffkit.analysis.flows.records import Flow, FlowProtocol
    from sniffkit.sources.batch import Batch


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
        _note_errors(self.tcp.table, prepared.tcp_errors)
        _note_errors(self.udp.table, prepared.udp_errors)
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
                known = {at: words[at] for at in distinct(values["zeek"]).tolist()} if protocol == "tcp" else {}
                part = FlowPart(protocol, every, values, ends.ends(every), known)
                used = np.flatnonzero(values["packets"].any(axis=1))  # not only quoted in ICMP errors
                if len(used):
                    yield part if len(used) == len(part) else part.take(used)


def _note_errors(table: StreamTable, errors: QuotedBy | None) -> None:
    """Write down what ICMP errors say of conversations that had begun."""
    if errors is not None:
        known = np.flatnonzero(table.has(errors.stream))
        first = table["first_packet"][errors.stream[known]]
        known = known[(first != 0) & (first < errors.number[known])]
        table["error"][errors.stream[known]] = errors.error[known]
