"""DNS messages on their way to the exchanges they belong to: their ends, their questions, what they amount to."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.addresses import address_octets, ip_text
from sniffkit.analysis.dns.exchange import FAMILIES, TRANSPORTS, DnsExchange
from sniffkit.analysis.dns.kinds import response_kind
from sniffkit.analysis.dns.messages import LLMNR, RESPONSE, DnsMessages

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.dns.kinds import ResponseKind
    from sniffkit.protocols.columns import Columns
    from sniffkit.protocols.dns_message import Message

ENDS = 16 + 16 + 2 + 2 + 2 + 1 + 1
"""Octets of what a question and its answer have in common (``SeenMessages.ends``)."""


class SeenMessages:
    """The messages of a batch with who asks and who is asked.

    messages: as they were found
    response: bool (m,)
    client, server: uint64 (m, 2) addresses of who asks and of who is asked, as in ``DnsMessages``
    client_port, server_port: uint16 (m,)
    """

    def __init__(self, messages: DnsMessages) -> None:
        self.messages = messages
        self.response = (messages.flags & RESPONSE) != 0
        turned = self.response[:, None]
        self.client = np.where(turned, messages.destination, messages.source)
        self.server = np.where(turned, messages.source, messages.destination)
        self.client_port = np.where(self.response, messages.destination_port, messages.source_port)
        self.server_port = np.where(self.response, messages.source_port, messages.destination_port)

    def __getitem__(self, at: int) -> SeenMessage:
        """Return one message."""
        return SeenMessage(self, at)

    @cached_property
    def client_octets(self) -> NDArray[np.uint8]:
        """Return the addresses of who asks, (m, 16)."""
        return address_octets(self.client)

    @cached_property
    def server_octets(self) -> NDArray[np.uint8]:
        """Return the addresses of who is asked, (m, 16)."""
        return address_octets(self.server)

    @cached_property
    def data(self) -> memoryview:
        """Return the octets that the messages lie in."""
        return self.messages.octets.data

    @cached_property
    def ends(self) -> bytes:
        """Return ``ENDS`` octets for each message that a question and its answer have in common.

        An LLMNR question goes to a multicast address and is answered from another one: its server counts for nothing.
        """
        messages = self.messages
        keys = np.zeros((len(messages), ENDS), np.uint8)
        keys[:, :16], keys[:, 16:32] = self.client_octets, self.server_octets
        for at, column in ((32, self.client_port), (34, self.server_port), (36, messages.id)):
            keys[:, at : at + 2] = column.astype(">u2").view(np.uint8).reshape(-1, 2)
        keys[:, 38], keys[:, 39] = messages.family, messages.transport
        keys[messages.family == LLMNR, 16:32] = 0
        return keys.tobytes()


class SeenMessage:
    """One message: its packet, its time, and its first question (name and type as they stand in it, b"" for none)."""

    __slots__ = ("_at", "_seen", "family", "flags", "number", "question", "questions", "time_ns")

    def __init__(self, seen: SeenMessages, at: int) -> None:
        self._seen, self._at = seen, at
        messages = seen.messages
        self.number, self.time_ns = int(messages.number[at]), int(messages.time_ns[at])
        self.family, self.flags = int(messages.family[at]), int(messages.flags[at])
        self.questions = int(messages.questions[at])
        start, end = int(messages.offset[at]), int(messages.question_end[at])
        self.question = bytes(seen.data[start + 12 : start + end - 2]) if end > 16 else b""

    @property
    def ends(self) -> bytes:
        """What the message has in common with its answer, or its question."""
        return self._seen.ends[self._at * ENDS : (self._at + 1) * ENDS]

    @property
    def octets(self) -> bytes:
        """The message as it was captured."""
        messages, at = self._seen.messages, self._at
        start = int(messages.offset[at])
        return bytes(self._seen.data[start : start + int(messages.present[at])])

    @property
    def client_octets(self) -> bytes:
        """The address of who asks, sixteen octets."""
        octets: bytes = self._seen.client_octets[self._at].tobytes()
        return octets

    @property
    def server_octets(self) -> bytes:
        """The address of who is asked, sixteen octets."""
        octets: bytes = self._seen.server_octets[self._at].tobytes()
        return octets

    def exchange(self, query: bool) -> DnsExchange:
        """Begin an exchange with this message."""
        seen, at = self._seen, self._at
        messages = seen.messages
        return DnsExchange(
            FAMILIES[messages.family[at]],
            TRANSPORTS[messages.transport[at]],
            int(messages.id[at]),
            self.question[:-2],
            int(messages.type[at]),
            ip_text(self.client_octets),
            int(seen.client_port[at]),
            ip_text(self.server_octets),
            int(seen.server_port[at]),
            query_packets=[self.number] if query else [],
            asked_ns=self.time_ns,
            last_ns=self.time_ns,
        )

    def end(self, response: bool) -> tuple[str, int]:
        """Return address and port of who sent the message."""
        sender = self.server_octets if response else self.client_octets
        return ip_text(sender), int(self._seen.messages.source_port[self._at])

    def kind(self) -> ResponseKind:
        """Return what this response amounts to."""
        messages, at = self._seen.messages, self._at
        return response_kind(
            self.flags,
            int(messages.type[at]),
            int(messages.answers[at]),
            int(messages.authorities[at]),
            int(messages.first_type[at]),
        )

    def message(self) -> Message:
        """Read the message whole."""
        from sniffkit.protocols.dns_message import read_message

        return read_message(self.octets)


def hop_limit(columns: Columns, row: int) -> int:
    """Return TTL or hop limit of the outermost IP header of a packet, 0 without one."""
    for protocol, field in (("ip", "ip.ttl"), ("ipv6", "ipv6.hlim")):
        rows = columns.rows(protocol).row
        at = int(np.searchsorted(rows, row))
        if at < len(rows) and rows[at] == row:
            return int(columns[field][at])
    return 0
