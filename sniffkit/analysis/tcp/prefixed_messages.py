"""Messages with their length in two octets before them, out of a TCP stream: DNS over TCP (RFC 1035 section 4.2.2).

A message can lie in one segment, share it with others, or go over several. Where a stream is seen from its beginning
each prefix says where the next one is. Behind a gap, or in a capture that begins in the middle, nobody knows where a
message begins; a segment is then taken to begin with one only if the lengths from there on end where a segment ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sniffkit.analysis.tcp.stream import TcpStreams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.analysis.tcp.stream import Chunk
    from sniffkit.protocols.columns import Columns

DNS_PORTS = (53, 5353)
"""Ports on which tshark looks for DNS over TCP."""

PREFIX = 2
LONGEST = PREFIX + 0xFFFF

SHORTEST_DNS = 12
"""A DNS message has a header at least (RFC 1035 section 4.1.1)."""


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """A message that is whole.

    octets:  without its prefix, as far as captured (a snap length may have cut some off); length: on the wire
    packets: frame numbers of the segments it came in, in the order of the stream; it may have become whole in another
             one than the last of these, which filled a gap
    at:      where it begins in the octets of the batch, -1 where it is not of one piece in this batch
    """

    octets: bytes
    length: int
    packets: tuple[int, ...]
    at: int


class PrefixedMessages:
    """The reader of one direction.

    shortest: a message with fewer octets is none; what looks like its prefix is not one
    """

    def __init__(self, shortest: int = SHORTEST_DNS) -> None:
        self._shortest = shortest
        self._sure = False
        self._buffer = bytearray()  # octets that were not captured are zero
        self._holes: list[tuple[int, int]] = []  # where in the buffer
        self._pieces: list[tuple[int, int, int]] = []  # (end in the buffer, packet, place in the batch or -1)

    @property
    def waiting(self) -> int:
        """How many octets are kept for later."""
        return len(self._buffer)

    def begin(self) -> None:
        """Take note that a message begins with the next octet."""
        self._forget()
        self._sure = True

    def gap(self) -> None:
        """Take note that octets are missing."""
        self._forget()
        self._sure = False

    def feed(self, chunk: Chunk) -> list[StreamMessage]:
        """Read on; return the messages that are whole now."""
        if not self._sure and self._buffer:
            # perhaps this segment begins with a message, and what was kept is the end of one
            alone = PrefixedMessages(self._shortest)
            found = alone.feed(chunk)
            if alone._sure:
                self._forget()
                self._sure = True
                return found
        self._append(chunk)
        messages, place, broken = self._whole()
        if broken:
            # what was found counts where its prefixes could be relied on, or end where the captured octets end
            trusted = self._sure or self._cut_at(place)
            self.gap()
            return messages if trusted else []
        if self._sure or place == len(self._buffer):
            self._sure = True
            self._drop(place)
            return messages
        if len(self._buffer) > LONGEST:
            self._forget()
        return []

    def _append(self, chunk: Chunk) -> None:
        if not self._buffer:
            self._pieces, self._holes = [], []
        self._buffer += chunk.octets
        if len(chunk.octets) < chunk.length:
            end = len(self._buffer)
            self._holes.append((end, end + chunk.length - len(chunk.octets)))
            self._buffer += bytes(chunk.length - len(chunk.octets))
        self._pieces.append((len(self._buffer), chunk.packet, chunk.at))

    def _whole(self) -> tuple[list[StreamMessage], int, bool]:
        """Return the messages in the buffer, where they end, and whether no message can begin there."""
        buffer, place = self._buffer, 0
        found: list[StreamMessage] = []
        while place + PREFIX <= len(buffer):
            if self._cut_at(place) or self._cut_at(place + 1):
                return found, place, True
            length = buffer[place] << 8 | buffer[place + 1]
            if length < self._shortest:
                return found, place, True
            end = place + PREFIX + length
            if end > len(buffer):
                break
            found.append(self._message(place + PREFIX, end))
            place = end
        return found, place, False

    def _message(self, start: int, end: int) -> StreamMessage:
        known = min((hole for hole, hole_end in self._holes if hole < end and hole_end > start), default=end)
        packets: list[int] = []
        at, begins = -1, 0
        for piece_end, packet, place in self._pieces:
            if piece_end > start - PREFIX and begins < end and packet not in packets:
                packets.append(packet)
            if begins <= start and end <= piece_end and place >= 0:
                at = place + start - begins
            begins = piece_end
        return StreamMessage(bytes(self._buffer[start : max(known, start)]), end - start, tuple(packets), at)

    def _cut_at(self, place: int) -> bool:
        """Say whether an octet of the buffer was not captured."""
        return any(start <= place < end for start, end in self._holes)

    def _drop(self, count: int) -> None:
        """Forget the first octets; what is left came with a batch that will be gone."""
        del self._buffer[:count]
        self._holes = [(max(start - count, 0), end - count) for start, end in self._holes if end > count]
        self._pieces = [(end - count, packet, -1) for end, packet, _ in self._pieces if end > count]

    def _forget(self) -> None:
        self._buffer.clear()
        self._holes, self._pieces = [], []


def dns_streams() -> TcpStreams[StreamMessage]:
    """Return what finds the DNS messages of TCP connections; its ``feed`` takes the ``dns_segments``."""
    return TcpStreams(PrefixedMessages)


def dns_segments(columns: Columns) -> NDArray[np.int64]:
    """Return which TCP headers of a batch are of DNS by their ports, int64 (m,)."""
    source, destination = columns["tcp.srcport"], columns["tcp.dstport"]
    found: NDArray[np.bool_] = (source == DNS_PORTS[0]) | (destination == DNS_PORTS[0])
    for port in DNS_PORTS[1:]:
        found |= (source == port) | (destination == port)
    return found.nonzero()[0]
