"""A DNS message read whole: the question and the three sections of records, names unpacked, never an exception.

RFC 1035 section 4. Where octets are missing or lie, what could be read stands in the message and the rest in its
``problems``: a name is followed through 128 pointers (so no loop can hold us) and to 255 octets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct

from sniffkit.protocols.dns_data import Type, data_text, type_name
from sniffkit.protocols.dns_name import BadName, name_text, read_name
from sniffkit.protocols.packet import Problem

__all__ = ["Edns", "Message", "Question", "Record", "Type", "read_message", "type_name"]

_HEADER, _QUESTION, _RECORD = Struct(">6H"), Struct(">HH"), Struct(">HHIH")
"""Octets as RFC 1035 draws them: sections 4.1.1, 4.1.2, and 4.1.3 from the type to the length."""

_OPT = int(Type.OPT)

MOST_RECORDS = 4096
"""Records read of one message; 65,535 octets hold no more than that of any sensible kind."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: a name in presentation form, a type and a class."""

    name: str
    type: int
    class_: int


@dataclass(frozen=True, slots=True)
class Record:
    """A resource record; ``data`` in the presentation form of its type."""

    name: str
    type: int
    class_: int
    ttl: int
    data: str


@dataclass(frozen=True, slots=True)
class Edns:
    """The OPT pseudo-record (RFC 6891): how much the sender takes over UDP, and its extensions."""

    udp_payload: int
    extended_rcode: int
    version: int
    dnssec_ok: bool
    options: tuple[tuple[int, bytes], ...]


@dataclass(slots=True)
class Message:
    """A message; sections as far as they could be read. ``rcode`` has the four bits of the header and EDNS's eight."""

    id: int = 0
    flags: int = 0
    questions: list[Question] = field(default_factory=list)
    answers: list[Record] = field(default_factory=list)
    authorities: list[Record] = field(default_factory=list)
    additionals: list[Record] = field(default_factory=list)
    edns: Edns | None = None
    problems: list[Problem] = field(default_factory=list)

    @property
    def rcode(self) -> int:
        """Response code, extended where EDNS extends it (RFC 6891 section 6.1.3)."""
        return (self.flags & 15) | (self.edns.extended_rcode << 4 if self.edns else 0)


def read_message(octets: bytes) -> Message:
    """Read a message from its first octet on (over TCP: after the length)."""
    message = Message()
    if len(octets) < 12:
        message.problems.append(Problem("dns.message-cut", {"offset": len(octets)}))
        return message
    message.id, message.flags, asked, *counts = _HEADER.unpack_from(octets)
    at = 12
    try:
        for _ in range(min(asked, MOST_RECORDS)):
            labels, at = read_name(octets, at)
            if at + 4 > len(octets):
                raise BadName("dns.message-cut", at)
            kind, class_ = _QUESTION.unpack_from(octets, at)
            message.questions.append(Question(name_text(labels), kind, class_))
            at += 4
        for count, section in zip(counts, (message.answers, message.authorities, message.additionals), strict=True):
            for _ in range(min(count, MOST_RECORDS)):
                at = _read_record(message, section, octets, at)
    except BadName as bad:
        message.problems.append(Problem(bad.id, {"offset": bad.place}))
    return message


def _read_record(message: Message, section: list[Record], octets: bytes, at: int) -> int:
    """Read one record into a section; return the place after it."""
    labels, at = read_name(octets, at)
    if at + 10 > len(octets):
        raise BadName("dns.message-cut", at)
    kind, class_, ttl, length = _RECORD.unpack_from(octets, at)
    at += 10
    end: int = at + length
    if end > len(octets):
        raise BadName("dns.message-cut", at)
    if kind == _OPT and message.edns is None:
        message.edns = Edns(class_, ttl >> 24, (ttl >> 16) & 255, bool(ttl & 0x8000), _options(octets[at:end]))
    else:
        section.append(Record(name_text(labels), kind, class_, ttl, data_text(octets, at, end, kind)))
    return end


def _options(octets: bytes) -> tuple[tuple[int, bytes], ...]:
    found, at = [], 0
    while at + 4 <= len(octets):
        length = int.from_bytes(octets[at + 2 : at + 4], "big")
        found.append((int.from_bytes(octets[at : at + 2], "big"), octets[at + 4 : at + 4 + length]))
        at += 4 + length
    return tuple(found)
