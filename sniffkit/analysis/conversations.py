"""Who talked to whom and how much: totals of every TCP conversation and every exchange of datagrams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from sniffkit.analysis.endpoint_pairs import grown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.tcp.phases import Connection

Opened = Literal["handshake", "simultaneous", "unanswered", "refused", "midstream"]
Closed = Literal["fin", "half", "reset", "open"]
ClosedBy = Literal["client", "server", "both"] | None

OPENED: tuple[Opened, ...] = get_args(Opened)
CLOSED: tuple[Closed, ...] = get_args(Closed)
CLOSED_BY: tuple[ClosedBy, ...] = (None, "client", "server", "both")
"""The words by the code under which they stand in columns."""


CLOSE = 4
"""Up to so many times as many places as packets are counted in a row."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a connection opened, how it closed and which end closed it (CONTRACT: flows)."""

    opened: Opened
    closed: Closed
    closed_by: ClosedBy


def outcome_of(connection: Connection) -> Outcome:
    """Return how a connection opened and closed, as far as the capture shows."""
    ends = connection.ends
    client, server = ends[connection.client], ends[1 - connection.client]
    opened: Opened
    if connection.was_refused:
        opened = "refused"
    elif connection.begun_in_the_middle:
        opened = "midstream"
    elif connection.simultaneous:
        opened = "simultaneous"
    else:
        opened = "handshake" if server.seen or client.open_shown else "unanswered"
    if connection.was_reset:
        return Outcome(opened, "reset", "client" if connection.reset_by == connection.client else "server")
    closers = [end for end in ends if end.fin is not None]
    if not closers:
        return Outcome(opened, "open", None)
    if connection.crossed:
        return Outcome(opened, "fin", "both")
    first = client if client.fin_order == 1 else server
    return Outcome(opened, "fin" if len(closers) == 2 else "half", "client" if first is client else "server")


class Totals:
    """Packets, octets and times of numbered streams, in arrays that grow with the streams.

    packets, octets: int64 (streams, 2), by direction; first_ns, last_ns: int64 (streams,)
    forgotten:       how many streams there were besides
    """

    def __init__(self) -> None:
        self.count = self.forgotten = 0
        self._numbers = np.zeros(0, np.int64)
        self.packets = np.zeros((0, 2), np.int64)
        self.octets = np.zeros((0, 2), np.int64)
        self.first_ns = np.zeros(0, np.int64)
        self.last_ns = np.zeros(0, np.int64)

    def _reserve(self, streams: int) -> None:
        if streams > len(self.first_ns):
            size = max(1024, streams + streams // 2)
            self.packets, self.octets = grown(self.packets, size), grown(self.octets, size)
            self.first_ns, self.last_ns = grown(self.first_ns, size), grown(self.last_ns, size)

    def largest(self, most: int) -> NDArray[np.int64]:
        """Return the streams with the most octets, at most so many, ascending."""
        if self.count <= most:
            return np.arange(self.count)
        return np.sort(np.argsort(-self.octets[: self.count].sum(axis=1), kind="stable")[:most])

    def keep(self, streams: NDArray[np.int64], of: int) -> None:
        """Forget all ``of`` streams but these, which are numbered anew in this order; their own numbers stay known."""
        self._numbers = self.numbers(streams)
        self.forgotten += of - len(streams)
        self.count = len(streams)
        self._reserve(of)
        self.packets, self.octets = self.packets[streams], self.octets[streams]
        self.first_ns, self.last_ns = self.first_ns[streams], self.last_ns[streams]

    def numbers(self, streams: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers that streams had before others were forgotten: ``tcp.stream``, ``udp.stream``."""
        numbers = streams + self.forgotten
        old = streams < len(self._numbers)
        numbers[old] = self._numbers[streams[old]]
        return numbers

    def feed(
        self,
        stream: NDArray[np.int64],
        direction: NDArray[np.uint8],
        octets: NDArray[np.int64],
        time_ns: NDArray[np.int64],
    ) -> None:
        """Add a batch's packets; all arrays (m,)."""
        if not len(stream):
            return
        known, self.count = self.count, max(self.count, int(stream.max()) + 1)
        self._reserve(self.count)
        new = np.flatnonzero(stream >= known)[::-1]
        self.first_ns[stream[new]] = time_ns[new]
        self.last_ns[stream] = time_ns
        place, where = _numbered(stream * 2 + direction)
        self.packets.reshape(-1)[place] += np.bincount(where)
        self.octets.reshape(-1)[place] += np.bincount(where, octets).astype(np.int64)


def _numbered(values: NDArray[np.int64]) -> tuple[NDArray[np.int64] | slice, NDArray[np.int64]]:
    """Return places that hold all ``values`` (m,), and at which of them each value stands.

    Those of a batch mostly lie close together, so that none has to be sorted.
    """
    low, high = int(values.min()), int(values.max())
    if high - low < CLOSE * len(values):
        return slice(low, high + 1), values - low
    return np.unique(values, return_inverse=True)
