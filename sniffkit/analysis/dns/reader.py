"""Finds the DNS messages of a capture batch by batch: in UDP datagrams, and in the octets that TCP puts in order.

Over TCP a message has its length before it (RFC 1035 section 4.2.2): it may share a segment with others or go over
several. Multicast DNS (RFC 6762) and LLMNR (RFC 4795) have the same format on ports of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.dns.messages import DNS, LLMNR, MDNS, TCP, UDP, DnsMessages, Places
from sniffkit.analysis.segments import ip_ends
from sniffkit.analysis.tcp.prefixed_messages import dns_segments, dns_streams
from sniffkit.protocols.dns import HEADER
from sniffkit.sources.batch import GUARD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns

PORTS = {53: DNS, 5353: MDNS, 5355: LLMNR}
"""The ports by which messages are found; of two known ports the lower one decides, as in tshark."""


class DnsReader:
    """Fed batch by batch; keeps what TCP connections have begun to say."""

    def __init__(self) -> None:
        self._streams = dns_streams()

    def feed(self, columns: Columns, twice: NDArray[Any] | None = None) -> DnsMessages:
        """Return the messages of a batch; those quoted in ICMP errors are not among them.

        twice: (n,) true or non-zero for packets to pass over
        """
        batch = columns.batch
        segments, more = self._segments(columns)
        octets = batch.octets
        if more:
            octets = np.concatenate((octets, np.frombuffer(more + bytes(GUARD), np.uint8)))
        together = zip(_datagrams(columns), segments, strict=True)
        places = Places(*(np.concatenate(parts) for parts in together))
        messages = DnsMessages.at(batch, octets, places)
        if twice is not None and len(messages):
            return messages.take(~np.asarray(twice).astype(bool)[messages.row])
        return messages

    def _segments(self, columns: Columns) -> tuple[tuple[NDArray[Any], ...], bytes]:
        """Return where the messages stand that are whole now, and octets that follow those of the batch.

        In these lies what came in several pieces.
        """
        rows, end = columns.rows("tcp"), len(columns.batch.octets)
        indices: list[int] = []
        offsets: list[int] = []
        present: list[int] = []
        lengths: list[int] = []
        more = bytearray()
        for index, message in self._streams.feed(columns, dns_segments(columns)):
            if len(message.octets) < HEADER.octets:
                continue
            indices.append(index)
            present.append(len(message.octets))
            lengths.append(message.length)
            offsets.append(message.at if message.at >= 0 else end + len(more))
            if message.at < 0:
                more += message.octets
        at = np.array(indices, np.int64)
        source, destination, _ = ip_ends(columns, rows.parent[at], rows.parent_index[at])
        places = (
            rows.row[at],
            np.array(offsets, np.int64),
            np.array(present, np.int64),
            np.array(lengths, np.int64),
            np.full(len(at), DNS, np.uint8),
            np.full(len(at), TCP, np.uint8),
            columns["tcp.srcport"][at],
            columns["tcp.dstport"][at],
            source,
            destination,
        )
        return places, bytes(more)


def _families(source_port: NDArray[np.uint16], destination_port: NDArray[np.uint16]) -> NDArray[np.int8]:
    """Return the family of each datagram by its ports, -1 for none."""
    low, high = np.minimum(source_port, destination_port), np.maximum(source_port, destination_port)
    family = np.full(len(low), -1, np.int8)
    for ports in (high, low):
        for port, code in PORTS.items():
            family[ports == port] = code
    return family


def _datagrams(columns: Columns) -> tuple[NDArray[Any], ...]:
    """Find the messages in UDP datagrams."""
    rows = columns.rows("udp")
    source_port, destination_port = columns["udp.srcport"], columns["udp.dstport"]
    family = _families(source_port, destination_port)
    length = columns["udp.length"].astype(np.int64)
    length = np.where(length == 0, rows.length, np.minimum(length, rows.length)) - 8
    present = np.minimum(rows.present - 8, length)
    at = np.flatnonzero((family >= 0) & ~rows.quoted & (present >= HEADER.octets))
    source, destination, _ = ip_ends(columns, rows.parent[at], rows.parent_index[at])
    return (
        rows.row[at],
        rows.offset[at] + 8,
        present[at],
        length[at],
        family[at].astype(np.uint8),
        np.full(len(at), UDP, np.uint8),
        source_port[at],
        destination_port[at],
        source,
        destination,
    )
