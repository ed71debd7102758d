"""Messages with their length in two octets before them, out of a TCP stream: DNS over TCP (RFC 1035 section 4.2.2).

A message can lie in one segment, share it with others, or go over several. Where a stream is seen from its beginning
each prefix says where the next one is. Behind a gap, or in a capture that begins in the middle, nobody knows where a
message begins; a segment is then taken to begin with one only if the lengths from there on end where a segment ends.
"""

from __future__ import annotations

from bisect import bisect_right
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

PIECE = 100
"""Octets of memory for each segment that a kept message has octets of, beside those octets."""

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
        self._holes: list[tuple[int, int]] = []  # where in the buffer, ascending
        self._pieces: list[tuple[int, int, int]] = []  # (end in the buffer, packet, place in the batch or -1)
        self._found: list[tuple[int, int]] = []  # where messages lie in the buffer
        self._place = 0  # where in the buffer the next one begins

    @property
    def waiting(self) -> int:
        """How many octets of memory it needs for what it keeps for later."""
        return len(self._buffer) + PIECE * len(self._pieces)

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
        if self._look():
            # what was found counts where its prefixes could be relied on, or end where the captured octets end
            messages = self._messages() if self._sure or self._cut_at(self._place) else []
            self.gap()
            return messages
        if self._sure or self._place == len(self._buffer):
            self._sure = True
            messages = self._messages()
            self._drop()
            return messages
        if len(self._buffer) > LONGEST:
            self._forget()
        else:
            self._outlive_the_batch()
        return []

    def _append(self, chunk: Chunk) -> None:
        self._buffer += chunk.octets
        if len(chunk.octets) < chunk.length:
            begin = len(self._buffer)
            self._buffer += bytes(chunk.length - len(chunk.octets))
            if self._holes and self._holes[-1][1] == begin:
                begin = self._holes.pop()[0]
            self._holes.append((begin, len(self._buffer)))
        self._pieces.append((len(self._buffer), chunk.packet, chunk.at))

    def _look(self) -> bool:
        """Look for messages where the last one ended; return whether none can begin there."""
        buffer = self._buffer
        while self._place + PREFIX <= len(buffer):
            place = self._place
            if self._cut_at(place) or self._cut_at(place + 1):
                return True
            length = buffer[place] << 8 | buffer[place + 1]
            if length < self._shortest:
                return True
            end = place + PREFIX + length
            if end > len(buffer):
                break
            self._found.append((place + PREFIX, end))
            self._place = end
        return False

    def _messages(self) -> list[StreamMessage]:
        """Return the messages that were found."""
        messages, piece = [], 0
        for start, end in self._found:
            hole = bisect_right(self._holes, start, key=lambda one: one[1])
            known = self._holes[hole][0] if hole < len(self._holes) and self._holes[hole][0] < end else end
            while self._pieces[piece][0] <= start - PREFIX:
                piece += 1
            last = piece
            while self._pieces[last][0] < end:
                last += 1
            packets = dict.fromkeys(packet for _, packet, _ in self._pieces[piece : last + 1])
            begins = self._pieces[last - 1][0] if last else 0
            place = self._pieces[last][2]
            at = place + start - begins if begins <= start and place >= 0 else -1
            octets = bytes(self._buffer[start : max(known, start)])
            messages.append(StreamMessage(octets, end - start, tuple(packets), at))
        return messages

    def _cut_at(self, place: int) -> bool:
        """Say whether an octet of the buffer was not captured."""
        hole = bisect_right(self._holes, place, key=lambda one: one[1])
        return hole < len(self._holes) and self._holes[hole][0] <= place

    def _drop(self) -> None:
        """Forget the octets of the messages that were found."""
        if count := self._place:
            del self._buffer[:count]
            self._holes = [(max(start - count, 0), end - count) for start, end in self._holes if end > count]
            self._pieces = [(end - count, packet, at) for end, packet, at in self._pieces if end > count]
            self._found, self._place = [], 0
        self._outlive_the_batch()

    def _outlive_the_batch(self) -> None:
        """What is kept came with a batch that will be gone; all but the latest piece were told so already."""
        if self._pieces:
            end, packet, _ = self._pieces[-1]
            self._pieces[-1] = end, packet, -1

    def _forget(self) -> None:
        self._buffer.clear()
        self._holes, self._pieces, self._found, self._place = [], [], [], 0


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
