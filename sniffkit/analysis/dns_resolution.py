"""DNS told: which answer belongs to which question, over UDP and TCP, in multicast DNS and LLMNR.

An answer belongs to the question with the same two ends, the same id and the same name and type (RFC 5452 section 9.1;
one that fits but for the name is put there too, with a warning). In multicast DNS, where ids are 0 and answers repeat
no question, it belongs to the newest question for a name that it answers.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis import dns_facts
from sniffkit.analysis.addresses import address_octets, ip_text
from sniffkit.analysis.dns_exchange import FAMILIES, TRANSPORTS, DnsExchange
from sniffkit.analysis.dns_kinds import lies_below, referred_zone, response_kind
from sniffkit.analysis.dns_messages import (
    AUTHORITATIVE,
    LLMNR,
    MDNS,
    RECURSION_AVAILABLE,
    RECURSION_DESIRED,
    RESPONSE,
    DnsMessages,
)
from sniffkit.analysis.open_questions import OpenQuestions, elapsed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.dns_kinds import ResponseKind
    from sniffkit.analysis.facts import Fact
    from sniffkit.protocols.columns import Columns
    from sniffkit.protocols.dns_message import Message

MULTICAST_NS = 10 * 10**9
"""An answer by multicast this long after a question is taken for an announcement of its own."""

REMEMBERED = 16_384
"""How many servers' zones, truncated answers and recursive questions are remembered; the oldest go first."""

_ENDS = 16 + 16 + 2 + 2 + 2 + 1 + 1


class DnsResolution:
    """Fed batch by batch.

    counts: questions and answers by kind: "questions", "asked-again", "answers", "answers-again", "unasked",
            "unanswered", and each ResponseKind
    unanswered: the first few questions that stayed without an answer

    keep: whether exchanges are kept for ``take`` and ``finish``
    tell: whether ``feed`` makes facts (a command that only lists exchanges needs none and is several times faster)
    """

    def __init__(self, keep: bool = True, tell: bool = True) -> None:
        self.counts: Counter[str] = Counter()
        self.unanswered: list[DnsExchange] = []
        self._tell = tell
        self._teller = dns_facts.DnsTeller()
        self._open: OpenQuestions[DnsExchange] = OpenQuestions(keep, self._leave)
        self._truncated: dict[object, int] = {}
        self._recursive: dict[str, dict[int, DnsExchange]] = {}
        self._zones: dict[str, str] = {}

    def feed(self, columns: Columns, twice: NDArray[Any] | None = None) -> dict[int, list[Fact]]:
        """Return the facts of a batch by row. ``twice``: (n,) true or non-zero for packets to pass over."""
        messages = DnsMessages.from_columns(columns)
        if twice is not None and len(messages):
            messages = messages.take(~np.asarray(twice).astype(bool)[messages.row])
        facts: dict[int, list[Fact]] = {}
        if not len(messages):
            return facts
        octets = columns.batch.octets.data
        response = (messages.flags & RESPONSE) != 0
        client, server = _roles(messages, response)
        ends = _ends(messages, response, client, server)
        rows = zip(
            messages.row.tolist(),
            messages.number.tolist(),
            messages.time_ns.tolist(),
            messages.family.tolist(),
            messages.flags.tolist(),
            messages.questions.tolist(),
            messages.question_end.tolist(),
            messages.offset.tolist(),
            messages.present.tolist(),
            strict=True,
        )
        for at, (row, number, time_ns, family, flags, questions, end, offset, present) in enumerate(rows):
            self._open.tick(time_ns)
            question = bytes(octets[offset + 12 : offset + end - 2]) if end > 16 else b""
            seen = _Seen(messages, at, number, time_ns, question, octets[offset : offset + present], client, server)
            if family == MDNS:
                told = self._multicast(seen, bool(flags & RESPONSE))
            elif flags & RESPONSE:
                told = self._response(seen, ends[at * _ENDS : (at + 1) * _ENDS], flags, questions)
            else:
                told = self._query(seen, ends[at * _ENDS : (at + 1) * _ENDS], flags)
            if told:
                facts.setdefault(row, []).extend(told)
        return facts

    def take(self) -> list[DnsExchange]:
        """Return the exchanges to which nothing can come any more, in order; call it between batches."""
        return self._open.take()

    def finish(self) -> list[DnsExchange]:
        """Return the exchanges that are left; call it after the last batch."""
        return self._open.finish()

    # Questions.

    def _query(self, seen: _Seen, ends: bytes, flags: int) -> list[Fact]:
        key = ends + seen.question.lower()
        exchange = self._open.find(key)
        if exchange is not None and exchange.query_packets and not exchange.response_packets:
            apart = elapsed(seen.time_ns, exchange.last_ns)
            exchange.query_packets.append(seen.number)
            exchange.last_ns = seen.time_ns
            self.counts["asked-again"] += 1
            return self._teller.asked_again(exchange, apart) if self._tell else []
        exchange = seen.exchange(query=True)
        exchange.query_flags = flags
        self.counts["questions"] += 1
        asked = (exchange.client, seen.question.lower())
        before = self._open.find(asked) if self._tell else None
        self._open.add(exchange, key, ends, asked)
        truncated = self._truncated.get((exchange.server, *asked), 0) if exchange.transport == "tcp" else 0
        exchange.asked_for = self._sake(exchange)
        if flags & RECURSION_DESIRED:
            _remember(self._recursive, exchange.server, {})[exchange.packet] = exchange
        if not self._tell:
            return []
        return self._teller.asked(exchange, before, truncated)

    def _sake(self, exchange: DnsExchange) -> int:
        """Return the packet of the question that this one's sender was asked and works on: 0 where none fits.

        Its name is that of the question, or one above it (a resolver may ask for less, RFC 9156); what fits no name
        (the address of a server, an alias) belongs to the only question open, if there is only one.
        """
        working = self._recursive.get(exchange.client)
        if not working:
            return 0
        name = exchange.name
        fitting = [packet for packet, other in working.items() if lies_below(other.name, name)]
        if fitting:
            return fitting[-1]
        return next(iter(working)) if len(working) == 1 else 0

    # Answers.

    def _response(self, seen: _Seen, ends: bytes, flags: int, questions: int) -> list[Fact]:
        exchange = self._open.find(ends + seen.question.lower() if seen.question or questions else ends)
        differs = exchange is None
        if exchange is None:  # the same ends and id, but not what was asked: told with a warning
            exchange = self._open.find(ends)
        if exchange is None or not exchange.query_packets or (differs and exchange.response_packets):
            return self._unasked(seen, flags)
        again = bool(exchange.response_packets)
        exchange.response_packets.append(seen.number)
        exchange.last_ns = seen.time_ns
        self.counts["answers-again" if again else "answers"] += 1
        if again:
            return self._teller.answered_again(exchange) if self._tell else []
        exchange.elapsed_ns = elapsed(seen.time_ns, exchange.asked_ns)
        if exchange.family == "llmnr":
            exchange.server, exchange.server_port = seen.end(response=True)
        self._answered(exchange, seen, flags)
        if not self._tell:
            return []
        warned = self._teller.question_differs(exchange) if differs else []
        return warned + self._teller.answered(exchange, seen.time_ns)

    def _answered(self, exchange: DnsExchange, seen: _Seen, flags: int) -> None:
        exchange.response_flags = flags
        exchange.response = bytes(seen.octets)
        exchange.kind = kind = seen.kind()
        if kind in ("referral", "nodata") and exchange.family == "dns":
            exchange.kind = self._lame(exchange) or kind
        self.counts[exchange.kind] += 1
        if kind == "truncated":
            question = (exchange.server, exchange.client, seen.question.lower())
            _remember(self._truncated, question, seen.number)
        if exchange.query_flags & RECURSION_DESIRED:
            working = self._recursive.get(exchange.server)
            if working is not None and exchange.query_packets:
                working.pop(exchange.packet, None)
                if not working:
                    del self._recursive[exchange.server]

    def _lame(self, exchange: DnsExchange) -> str:
        """Return "lame" for a server that knows nothing of a zone it was named for: it refers upwards or sideways."""
        message = exchange.message
        if message is None or message.problems:
            return ""
        if not message.authorities and not message.answers:
            return "" if (exchange.response_flags or 0) & (AUTHORITATIVE | RECURSION_AVAILABLE) else "lame"
        if exchange.kind != "referral":
            return ""
        zone, _, glue = referred_zone(message)
        known = self._zones.get(exchange.server)
        if not lies_below(exchange.name, zone) or (zone == "." and exchange.name != "."):
            return "lame"
        if known is not None and lies_below(known, zone):
            return "lame"
        for record in glue:
            _remember(self._zones, record.data, zone)
            self._zones[record.data] = zone
        return ""

    def _unasked(self, seen: _Seen, flags: int) -> list[Fact]:
        exchange = seen.exchange(query=False)
        exchange.response_packets.append(seen.number)
        self.counts["unasked"] += 1
        self._answered(exchange, seen, flags)
        self._open.add(exchange)
        return self._teller.unasked(exchange) if self._tell else []

    # Multicast DNS.

    def _multicast(self, seen: _Seen, response: bool) -> list[Fact]:
        message = seen.message()
        if not response:
            return self._multicast_question(seen, message)
        records = message.answers + message.additionals
        paired: list[DnsExchange] = []
        for record in message.answers:
            for kind in (record.type, 255):
                exchange = self._open.find(("mdns", record.name.lower(), kind))
                apart = None if exchange is None else elapsed(seen.time_ns, exchange.asked_ns)
                if exchange is None or exchange in paired or (apart is not None and not 0 <= apart <= MULTICAST_NS):
                    continue
                paired.append(exchange)
                exchange.last_ns = seen.time_ns
                if not exchange.response_packets:
                    exchange.elapsed_ns = apart
                    exchange.server, exchange.server_port = seen.end(response=True)
                    self._answered(exchange, seen, message.flags)
                exchange.response_packets.append(seen.number)
        self.counts["answers" if paired else "unasked"] += 1
        if not paired:
            exchange = seen.exchange(query=False)
            exchange.response_packets.append(seen.number)
            self._answered(exchange, seen, message.flags)
            self._open.add(exchange)
        return self._teller.multicast(seen.end(response=True)[0], records, paired) if self._tell else []

    def _multicast_question(self, seen: _Seen, message: Message) -> list[Fact]:
        facts: list[Fact] = []
        for question in message.questions[:64]:
            key = ("mdns", question.name.lower(), question.type)
            exchange = self._open.find(key)
            client = seen.end(response=False)[0]
            if exchange is not None and exchange.client == client and not exchange.response_packets:
                if exchange.query_packets[-1] != seen.number:
                    apart = elapsed(seen.time_ns, exchange.last_ns)
                    exchange.query_packets.append(seen.number)
                    exchange.last_ns = exchange.asked_ns = seen.time_ns
                    self.counts["asked-again"] += 1
                    facts += self._teller.asked_again(exchange, apart) if self._tell else []
                continue
            exchange = seen.exchange(query=True)
            exchange.name, exchange.type = question.name, question.type
            exchange.query_flags = message.flags
            self.counts["questions"] += 1
            self._open.add(exchange, key)
            facts += self._teller.multicast_asked(exchange) if self._tell else []
        return facts

    def _leave(self, exchange: DnsExchange) -> None:
        if exchange.query_packets and not exchange.response_packets:
            self.counts["unanswered"] += 1
            if len(self.unanswered) < 20:
                self.unanswered.append(exchange)
        working = self._recursive.get(exchange.server)
        if working and working.pop(exchange.packet, None) is not None and not working:
            del self._recursive[exchange.server]


class _Seen:
    """One message on its way through: its place in the columns, its question (name and type), and its octets."""

    __slots__ = ("_at", "_client", "_messages", "_server", "number", "octets", "question", "time_ns")

    def __init__(
        self,
        messages: DnsMessages,
        at: int,
        number: int,
        time_ns: int,
        question: bytes,
        octets: memoryview,
        client: NDArray[np.uint8],
        server: NDArray[np.uint8],
    ) -> None:
        self._messages, self._at = messages, at
        self.number, self.time_ns, self.question, self.octets = number, time_ns, question, octets
        self._client, self._server = client, server

    def exchange(self, query: bool) -> DnsExchange:
        """Begin an exchange with this message."""
        messages, at = self._messages, self._at
        client_port, server_port = int(messages.source_port[at]), int(messages.destination_port[at])
        if not query:
            client_port, server_port = server_port, client_port
        return DnsExchange(
            FAMILIES[messages.family[at]],
            TRANSPORTS[messages.transport[at]],
            int(messages.id[at]),
            self.question[:-2],
            int(messages.type[at]),
            ip_text(self._client[at].tobytes()),
            client_port,
            ip_text(self._server[at].tobytes()),
            server_port,
            query_packets=[self.number] if query else [],
            asked_ns=self.time_ns,
            last_ns=self.time_ns,
        )

    def end(self, response: bool) -> tuple[str, int]:
        """Return address and port of who sent the message."""
        sender = self._server if response else self._client
        return ip_text(sender[self._at].tobytes()), int(self._messages.source_port[self._at])

    def kind(self) -> ResponseKind:
        """Return what this response amounts to."""
        messages, at = self._messages, self._at
        return response_kind(
            int(messages.flags[at]),
            int(messages.type[at]),
            int(messages.answers[at]),
            int(messages.authorities[at]),
            int(messages.first_type[at]),
        )

    def message(self) -> Message:
        """Read the message whole."""
        from sniffkit.protocols.dns_message import read_message

        return read_message(bytes(self.octets))


def _roles(messages: DnsMessages, response: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the addresses of who asks and of who is asked, uint8 (m, 16) each."""
    turned = response[:, None]
    client = np.where(turned, messages.destination, messages.source)
    server = np.where(turned, messages.source, messages.destination)
    return address_octets(client), address_octets(server)


def _ends(
    messages: DnsMessages, response: NDArray[np.bool_], client: NDArray[np.uint8], server: NDArray[np.uint8]
) -> bytes:
    """Return ``_ENDS`` octets for each message that a question and its answer have in common.

    An LLMNR question goes to a multicast address and is answered from another one: its server counts for nothing.
    """
    keys = np.zeros((len(messages), _ENDS), np.uint8)
    keys[:, :16], keys[:, 16:32] = client, server
    source, destination = messages.source_port.astype(">u2"), messages.destination_port.astype(">u2")
    keys[:, 32:34] = np.where(response, destination, source).astype(">u2").view(np.uint8).reshape(-1, 2)
    keys[:, 34:36] = np.where(response, source, destination).astype(">u2").view(np.uint8).reshape(-1, 2)
    keys[:, 36:38] = messages.id.astype(">u2").view(np.uint8).reshape(-1, 2)
    keys[:, 38], keys[:, 39] = messages.family, messages.transport
    keys[messages.family == LLMNR, 16:32] = 0
    return keys.tobytes()


def _remember(kept: dict[Any, Any], key: object, value: Any) -> Any:
    """Return what stands under a key, ``value`` where nothing did; the older half goes when there is no room."""
    if key not in kept and len(kept) >= REMEMBERED:
        for old in list(kept)[: REMEMBERED // 2]:
            del kept[old]
    return kept.setdefault(key, value)
