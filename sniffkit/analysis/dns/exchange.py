"""What is remembered of one DNS question: who asked whom for what, and what came back."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from sniffkit.protocols.dns_data import rcode_name, type_name
from sniffkit.protocols.dns_name import BadName, both_ways, name_text, read_name

if TYPE_CHECKING:
    from sniffkit.analysis.dns.kinds import ResponseKind
    from sniffkit.protocols.dns_message import Message

FLAGS = ((0x0400, "aa"), (0x0200, "tc"), (0x0100, "rd"), (0x0080, "ra"), (0x0020, "ad"), (0x0010, "cd"))
"""The bits of the header that are flags, by the names dig prints (RFC 1035 section 4.1.1, RFC 4035 section 3.2)."""

FAMILIES = ("dns", "mdns", "llmnr")
TRANSPORTS = ("udp", "tcp")


NOTIFY, UPDATE = 4, 5
"""Operations that are no lookup (RFC 1996, RFC 2136)."""


@dataclass
class DnsExchange:
    """A question with all its sendings and answers.

    question: the name as it stands in the message, in its own letters; type: QTYPE, -1 where there is no question
    client, server: addresses as text; of an answer to nobody its receiver is the client
    query_packets, response_packets: packet numbers, in order; either may be empty, not both
    elapsed_ns:   from the first sending to the first answer, None where one is missing or has no time
    kind:         of the first response in a word, "" while there is none
    response:     the first response as it was captured
    asked_for:    packet of the question for whose sake a resolver asks this one, 0 where none is known
    part_of:      the name that question asks for, where this one asks for no more than an upper part of it; else ""
    truncated:    packet of the answer over UDP that was cut short, so that this asks again over TCP; 0 without
    helpers:      the questions that were asked for the sake of this one, in order
    zone:         of a question asked for another one's sake: the zone its server is known to serve, "" if unknown
    from_cache:   answered with no helper by a server that has looked things up for others before: it had the answer
    place:        number of the exchange in the order of first packets; heard_ns: time of its last packet by a clock
                  that never goes back (``OpenExchanges``)
    """

    family: str
    transport: str
    id: int
    question: bytes
    type: int
    client: str
    client_port: int
    server: str
    server_port: int
    query_flags: int = 0
    query_packets: list[int] = field(default_factory=list)
    response_packets: list[int] = field(default_factory=list)
    asked_ns: int = 0
    last_ns: int = 0
    elapsed_ns: int | None = None
    response_flags: int | None = None
    kind: ResponseKind | str = ""
    response: bytes = b""
    asked_for: int = 0
    part_of: str = ""
    truncated: int = 0
    helpers: list[DnsExchange] = field(default_factory=list, repr=False)
    zone: str = ""
    from_cache: bool = False
    place: int = 0
    heard_ns: int = 0

    @property
    def packet(self) -> int:
        """The first packet of the exchange."""
        return (self.query_packets or self.response_packets)[0]

    @property
    def packets(self) -> list[int]:
        """Every packet of the exchange."""
        return self.query_packets + self.response_packets

    @cached_property
    def name(self) -> str:
        """The name asked for."""
        return question_name(self.question)

    @property
    def shown_name(self) -> str:
        """The name asked for, and in its own script where it has one."""
        return both_ways(self.name)

    @property
    def operation(self) -> int:
        """What is done: 0 is a lookup."""
        flags = self.query_flags if self.query_packets else self.response_flags or 0
        return flags >> 11 & 15

    @property
    def type_name(self) -> str:
        """The type asked for."""
        return type_name(self.type) if self.type >= 0 else ""

    @cached_property
    def message(self) -> Message | None:
        """The first response read whole, None without one."""
        from sniffkit.protocols.dns_message import read_message

        return read_message(self.response) if self.response else None

    @property
    def rcode(self) -> str | None:
        """The response code, None without a response."""
        if self.response_flags is None:
            return None
        return rcode_name(self.message.rcode if self.message else self.response_flags & 15)

    @property
    def flags(self) -> list[str]:
        """The flags set in the response, of the question where there is no response."""
        flags = self.query_flags if self.response_flags is None else self.response_flags
        return [name for bit, name in FLAGS if flags & bit]


def question_name(question: bytes) -> str:
    """Return the name of a question in presentation form, "" where it cannot be read.

    question: the octets of the name as they stand after the header of a message
    """
    try:
        return name_text(read_name(bytes(12) + question, 12)[0]) if question else ""
    except BadName:
        return ""
