"""Some thousands of conversations of one protocol, as the analysis kept them: what every form is made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.flows.flow_columns import FlowColumns, flow_columns
from sniffkit.analysis.flows.records import flow_records
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sniffkit.analysis.flows.prepared import TcpEnds
    from sniffkit.analysis.flows.records import Flow, FlowProtocol


@dataclass(slots=True)
class FlowPart:
    """Conversations with all that their records need, so that it can be sent to another process.

    ends:    address and port of either end of each stream
    columns: name -> (n,) or (n, 2), the rows of a ``StreamTable``
    words:   (conn_state, history) by the numbers of ``zeek``
    """

    protocol: FlowProtocol
    streams: NDArray[np.int64]
    columns: dict[str, NDArray[Any]]
    ends: TcpEnds
    words: dict[int, tuple[str, str]]

    def __len__(self) -> int:
        return len(self.streams)

    def pieces(self, rows: int) -> Iterator[FlowPart]:
        """Yield the conversations in pieces of so many, in order."""
        for begin in range(0, len(self), rows):
            yield self.take(slice(begin, begin + rows))

    def take(self, rows: slice | list[int] | NDArray[np.int64] | NDArray[np.bool_]) -> FlowPart:
        """Return some of the conversations."""
        rows = np.array(rows, np.int64) if isinstance(rows, list) else rows
        columns = {name: values[rows] for name, values in self.columns.items()}
        words = {at: self.words[at] for at in set(columns["zeek"].tolist())} if self.words else {}
        one, one_port, other, other_port = self.ends
        ends = one[rows], one_port[rows], other[rows], other_port[rows]
        return FlowPart(self.protocol, self.streams[rows], columns, ends, words)

    def of(self, wanted: set[tuple[str, int]]) -> FlowPart:
        """Return the conversations whose protocol and number are among those that are wanted."""
        return self.take([row for row, stream in enumerate(self.streams.tolist()) if (self.protocol, stream) in wanted])

    def begin_ns(self) -> int | None:
        """Return when the first of them began; None where none has a time."""
        start = self.columns["start_ns"]
        known = start[start != NO_TIME]
        return int(known.min()) if len(known) else None

    def told(self) -> FlowColumns:
        """Return the conversations as columns."""
        return flow_columns(self)

    def records(self) -> Iterator[Flow]:
        """Yield the conversations as records."""
        return flow_records(self.told())
