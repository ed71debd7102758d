"""All DNS messages of a batch at once: the fixed header and the first question as columns, nothing more.

DNS over UDP and, where a message lies within one segment, over TCP (RFC 1035 section 4.2.2); multicast DNS (RFC 6762)
and LLMNR (RFC 4795) have the same format on ports of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.segments import ip_ends
from sniffkit.protocols.dns import HEADER
from sniffkit.protocols.protocol import gather

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns

DNS, MDNS, LLMNR = 0, 1, 2
"""Codes of ``DnsMessages.family``."""

PORTS = {53: DNS, 5353: MDNS, 5355: LLMNR}
"""The ports by which messages are found; of two known ports the lower one decides, as in tshark."""

UDP, TCP = 0, 1
"""Codes of ``DnsMessages.transport``."""

RESPONSE, AUTHORITATIVE, TRUNCATED = 0x8000, 0x0400, 0x0200
RECURSION_DESIRED, RECURSION_AVAILABLE = 0x0100, 0x0080
"""Bits of ``flags``."""

LONGEST_NAME = 255
MOST_LABELS = 128


@dataclass(frozen=True, slots=True)
class DnsMessages:
    """Messages in capture order; every array has one entry a message.

    octets:       uint8, what the messages lie in
    row, number:  int64 (m,) packet's index in its batch, and its number in the capture
    time_ns:      int64 (m,)
    source, destination: uint64 (m, 2) as in ``Segments``; source_port, destination_port: uint16 (m,)
    family, transport: uint8 (m,) codes above
    offset:       int64 (m,) where the message begins in ``batch.octets``
    present:      int64 (m,) its octets captured; length: int64 (m,) its octets on the wire
    id, flags, questions, answers, authorities, additionals: uint16 (m,)
    question_end: int64 (m,) octets from the message's start to the end of the first question; 12 without a question, -1
                  where it cannot be read
    type:         int32 (m,) QTYPE of the first question, -1 without
    first_type:   int32 (m,) type of the first record after a single question, -1 without
    """

    octets: NDArray[np.uint8]
    row: NDArray[np.int64]
    number: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    source: NDArray[np.uint64]
    destination: NDArray[np.uint64]
    source_port: NDArray[np.uint16]
    destination_port: NDArray[np.uint16]
    family: NDArray[np.uint8]
    transport: NDArray[np.uint8]
    offset: NDArray[np.int64]
    present: NDArray[np.int64]
    length: NDArray[np.int64]
    id: NDArray[np.uint16]
    flags: NDArray[np.uint16]
    questions: NDArray[np.uint16]
    answers: NDArray[np.uint16]
    authorities: NDArray[np.uint16]
    additionals: NDArray[np.uint16]
    question_end: NDArray[np.int64]
    type: NDArray[np.int32]
    first_type: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.row)

    def take(self, which: NDArray[np.int64] | NDArray[np.bool_]) -> DnsMessages:
        """Return the messages at ``which`` (indices or a mask), in that order."""
        names = (field.name for field in fields(self) if field.name != "octets")
        return replace(self, **{name: getattr(self, name)[which] for name in names})

    @classmethod
    def from_columns(cls, columns: Columns) -> DnsMessages:
        """Return the messages of a batch; those quoted in ICMP errors are not among them."""
        batch = columns.batch
        places = [_datagrams(columns), _segments(columns)]
        together = [np.concatenate(parts) for parts in zip(*places, strict=True)]
        order = np.argsort(together[0], kind="stable")
        row, offset, present, length, family, transport, source_port, destination_port, source, destination = (
            values[order] for values in together
        )
        window = gather(batch.octets, offset, HEADER)
        field: dict[str, NDArray[Any]] = {
            place.field.id: HEADER.column(window, place.field.id) for place in HEADER.places
        }
        questions = field["dns.count.queries"]
        end, kind, first = _question(batch.octets, offset, present, questions)
        records = field["dns.count.answers"].astype(np.int32) + field["dns.count.auth_rr"]
        return cls(
            octets=batch.octets,
            row=row,
            number=row + batch.first,
            time_ns=batch.time_ns[row],
            source=source,
            destination=destination,
            source_port=source_port,
            destination_port=destination_port,
            family=family,
            transport=transport,
            offset=offset,
            present=present,
            length=length,
            id=field["dns.id"],
            flags=field["dns.flags"],
            questions=questions,
            answers=field["dns.count.answers"],
            authorities=field["dns.count.auth_rr"],
            additionals=field["dns.count.add_rr"],
            question_end=end,
            type=kind,
            first_type=np.where(records > 0, first, -1).astype(np.int32),
        )


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


def _segments(columns: Columns) -> tuple[NDArray[Any], ...]:
    """Find the messages that lie, one after the other and whole, in one TCP segment each.

    A segment whose length prefixes do not end where its payload ends begins or ends within a message; without the
    stream put together nothing of it can be trusted.
    """
    rows = columns.rows("tcp")
    port = (columns["tcp.srcport"] == 53) | (columns["tcp.dstport"] == 53)
    header = columns["tcp.hdr_len"].astype(np.int64)
    which = np.flatnonzero(port & ~rows.quoted & (header >= 20) & (rows.length - header >= 2 + HEADER.octets))
    octets = columns.batch.octets
    start = rows.offset[which] + header[which]
    end = rows.offset[which] + rows.length[which]
    captured = np.minimum(rows.offset[which] + rows.present[which], end)
    segments: list[int] = []
    offsets: list[int] = []
    ends: list[int] = []
    for at, begin, stop, seen in zip(which.tolist(), start.tolist(), end.tolist(), captured.tolist(), strict=True):
        found, place = [], begin
        while place + 2 + HEADER.octets <= stop and place + 2 <= seen:
            length = int(octets[place]) << 8 | int(octets[place + 1])
            if length < HEADER.octets or place + 2 + length > stop:
                break
            found.append((place + 2, place + 2 + length))
            place += 2 + length
        if place == stop or (found and place >= seen):
            for message, message_end in found:
                if message + HEADER.octets <= seen:
                    segments.append(at)
                    offsets.append(message)
                    ends.append(message_end)
    index = np.array(segments, np.int64)
    offset, finish = np.array(offsets, np.int64), np.array(ends, np.int64)
    source, destination, _ = ip_ends(columns, rows.parent[index], rows.parent_index[index])
    return (
        rows.row[index],
        offset,
        np.minimum(finish, rows.offset[index] + rows.present[index]) - offset,
        finish - offset,
        np.full(len(index), DNS, np.uint8),
        np.full(len(index), TCP, np.uint8),
        columns["tcp.srcport"][index],
        columns["tcp.dstport"][index],
        source,
        destination,
    )


def _question(
    octets: NDArray[np.uint8], offset: NDArray[np.int64], present: NDArray[np.int64], questions: NDArray[np.uint16]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
    """Return where the first question ends, its type, and the type of the record after it, as in ``DnsMessages``."""
    start = offset + HEADER.octets
    limit = offset + present
    none = questions == 0
    name_end = skip_names(octets, start, limit)
    readable = (name_end >= 0) & (name_end + 4 <= limit) & ~none
    at = np.where(readable, name_end, 0)
    kind = np.where(readable, octets[at].astype(np.int32) << 8 | octets[at + 1], -1)
    end = np.where(readable, name_end + 4, np.where(none, start, -1))
    single = (end >= 0) & (questions <= 1) & (end < limit)
    place = np.where(single, end, limit)
    record = skip_names(octets, place, limit)
    known = single & (record >= 0) & (record + 2 <= limit)
    at = np.where(known, record, 0)
    first = np.where(known, octets[at].astype(np.int32) << 8 | octets[at + 1], -1)
    return np.where(end >= 0, end - offset, -1), kind.astype(np.int32), first.astype(np.int32)


def skip_names(octets: NDArray[np.uint8], start: NDArray[np.int64], limit: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place after the name at each place, -1 where it is no name or runs past ``limit``; all at once."""
    result = np.full(len(start), -1, np.int64)
    active = np.arange(len(start))
    place = start
    for _ in range(MOST_LABELS):
        inside = (place < limit[active]) & (place - start[active] < LONGEST_NAME)
        active, place = active[inside], place[inside]
        if not len(active):
            break
        length = octets[place].astype(np.int64)
        last = length == 0
        result[active[last]] = place[last] + 1
        pointer = length >= 0xC0
        result[active[pointer]] = place[pointer] + 2
        label = ~last & (length < 0x40)
        active, place = active[label], place[label] + 1 + length[label]
    result[result > limit] = -1
    return result
