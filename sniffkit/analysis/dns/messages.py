"""All DNS messages of a batch at once: the fixed header and the first question as columns, nothing more."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.protocols.dns import HEADER
from sniffkit.protocols.protocol import gather

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.sources.batch import Batch

DNS, MDNS, LLMNR = 0, 1, 2
"""Codes of ``DnsMessages.family``."""

UDP, TCP = 0, 1
"""Codes of ``DnsMessages.transport``."""

RESPONSE, AUTHORITATIVE, TRUNCATED = 0x8000, 0x0400, 0x0200
RECURSION_DESIRED, RECURSION_AVAILABLE = 0x0100, 0x0080
"""Bits of ``flags``."""

LONGEST_NAME = 255
MOST_LABELS = 128


@dataclass(frozen=True, slots=True)
class Places:
    """Where messages stand and between whom they went; every array as in ``DnsMessages``."""

    row: NDArray[np.int64]
    offset: NDArray[np.int64]
    present: NDArray[np.int64]
    length: NDArray[np.int64]
    family: NDArray[np.uint8]
    transport: NDArray[np.uint8]
    source_port: NDArray[np.uint16]
    destination_port: NDArray[np.uint16]
    source: NDArray[np.uint64]
    destination: NDArray[np.uint64]

    def take(self, which: NDArray[np.int64]) -> Places:
        """Return the places at ``which``, in that order."""
        return Places(**{field.name: getattr(self, field.name)[which] for field in fields(self)})


@dataclass(frozen=True, slots=True)
class DnsMessages:
    """Messages in capture order; every array has one entry a message.

    octets:       uint8, what the messages lie in
    row, number:  int64 (m,) packet's index in its batch, and its number in the capture; over TCP the packet with which
                  the message became whole
    time_ns:      int64 (m,)
    source, destination: uint64 (m, 2) as in ``Segments``; source_port, destination_port: uint16 (m,)
    family, transport: uint8 (m,) codes above
    offset:       int64 (m,) where the message begins in ``octets``
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
    def at(cls, batch: Batch, octets: NDArray[np.uint8], places: Places) -> DnsMessages:
        """Read the messages at ``places`` of ``octets``, in the order of their packets."""
        order = np.argsort(places.row, kind="stable")
        places = places.take(order)
        row, offset, present = places.row, places.offset, places.present
        window = gather(octets, offset, HEADER)
        field: dict[str, NDArray[Any]] = {
            place.field.id: HEADER.column(window, place.field.id) for place in HEADER.places
        }
        questions = field["dns.count.queries"]
        end, kind, first = _question(octets, offset, present, questions)
        records = field["dns.count.answers"].astype(np.int32) + field["dns.count.auth_rr"]
        return cls(
            octets=octets,
            row=row,
            number=row + batch.first,
            time_ns=batch.time_ns[row],
            source=places.source,
            destination=places.destination,
            source_port=places.source_port,
            destination_port=places.destination_port,
            family=places.family,
            transport=places.transport,
            offset=offset,
            present=present,
            length=places.length,
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
