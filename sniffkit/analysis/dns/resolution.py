"""DNS told: which answer belongs to which question, over UDP and TCP, in multicast DNS and LLMNR.

An answer belongs to the question with the same two ends, the same id and the same name and type (RFC 5452 section 9.1;
one that fits but for the name is put there too, with a warning). In multicast DNS, where ids are 0 and answers repeat
no question, it belongs to the newest question for a name that it answers.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from sniffkit.analysis.dns import facts as dns_facts
from sniffkit.analysis.dns.kinds import lies_below, referred_zone
from sniffkit.analysis.dns.messages import (
    AUTHORITATIVE,
    DNS,
    MDNS,
    RECURSION_AVAILABLE,
    RECURSION_DESIRED,
    RESPONSE,
)
from sniffkit.analysis.dns.open import OpenExchanges
from sniffkit.analysis.dns.reader import DnsReader
from sniffkit.analysis.dns.recursion import asked_for
from sniffkit.analysis.dns.seen import SeenMessages, hop_limit
from sniffkit.analysis.open_questions import elapsed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.dns.exchange import DnsExchange
    from sniffkit.analysis.dns.seen import SeenMessage
    from sniffkit.analysis.facts import Fact
    from sniffkit.protocols.columns import Columns
    from sniffkit.protocols.dns_message import Message

MULTICAST_NS = 10 * 10**9
"""An answer by multicast this long after a question is taken for an announcement of its own."""

REMEMBERED = 16_384
"""How many servers' zones and truncated answers are remembered; the oldest go first."""


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
        self.open = OpenExchanges(self._leave)
        self._reader = DnsReader()
        self._keep = keep
        self._tell = tell
        self._gone: list[DnsExchange] = []
        self._teller = dns_facts.DnsTeller()
        self._truncated: dict[object, int] = {}
        self.recursive: dict[str, dict[int, DnsExchange]] = {}
        self.workers: dict[str, None] = {}  # servers that were seen to look things up for others
        self._zones: dict[str, str] = {}

    def feed(self, columns: Columns, twice: NDArray[Any] | None = None) -> dict[int, list[Fact]]:
        """Return the facts of a batch by row. ``twice``: (n,) true or non-zero for packets to pass over."""
        messages = self._reader.feed(columns, twice)
        facts: dict[int, list[Fact]] = {}
        seen = SeenMessages(messages)
        for at, row in enumerate(messages.row.tolist()):
            one = seen[at]
            if told := self.message(one):
                if one.flags & RESPONSE and one.family == DNS:
                    told = told + self._teller.way(one.end(response=True)[0], partial(hop_limit, columns, row))
                facts.setdefault(row, []).extend(told)
        gone = self.open.let_go(self.open.opened)
        if self._keep:
            self._gone += gone
        return facts

    def message(self, seen: SeenMessage) -> list[Fact]:
        """Take in one message."""
        self.open.tick(seen.time_ns)
        if seen.family == MDNS:
            return self._multicast(seen, bool(seen.flags & RESPONSE))
        return self._response(seen) if seen.flags & RESPONSE else self._query(seen)

    def take(self) -> list[DnsExchange]:
        """Return the exchanges to which nothing can come any more, in order; call it between batches."""
        gone, self._gone = self._gone, []
        return gone

    def finish(self) -> list[DnsExchange]:
        """Return the exchanges that are left; call it after the last batch."""
        gone = self.open.finish()
        return self.take() + gone if self._keep else []

    # Questions.

    def _query(self, seen: SeenMessage) -> list[Fact]:
        ends, asks = seen.ends, seen.question.lower()
        key = ends + asks
        exchange = self.open.find(key)
        if exchange is not None and exchange.query_packets and not exchange.response_packets:
            apart = elapsed(seen.time_ns, exchange.last_ns)
            exchange.query_packets.append(seen.number)
            self._touch(exchange, seen)
            self.counts["asked-again"] += 1
            return self._teller.asked_again(exchange, apart) if self._tell else []
        exchange = seen.exchange(query=True)
        exchange.query_flags = seen.flags
        self.counts["questions"] += 1
        asked = (exchange.client, asks)
        before = self.open.find(asked) if self._tell else None
        self._join(exchange)
        if exchange.transport == "tcp":
            exchange.truncated = self._truncated.get((exchange.server, *asked), 0)
        self.open.add(exchange, key, ends, asked)
        if seen.flags & RECURSION_DESIRED:
            self.recursive.setdefault(exchange.server, {})[exchange.place] = exchange
        if not self._tell:
            return []
        return self._teller.asked(exchange, before)

    def _join(self, exchange: DnsExchange) -> None:
        """Put a question below the one for whose sake it is asked, if its sender was asked and works on it."""
        working = [other for other in self.recursive.get(exchange.client, {}).values() if self.open.lives(other)]
        if not working:
            return
        above = asked_for(exchange.name, working)
        if above is None:
            return
        exchange.asked_for = above.packet
        name = exchange.name
        if name not in (".", "") and name.lower() != above.name.lower() and lies_below(above.name, name):
            exchange.part_of = above.name
        exchange.zone = self._zones.get(exchange.server, "")
        above.helpers.append(exchange)
        _remember(self.workers, exchange.client, None)

    def _touch(self, exchange: DnsExchange, seen: SeenMessage) -> None:
        exchange.last_ns, exchange.heard_ns = seen.time_ns, self.open.clock

    # Answers.

    def _response(self, seen: SeenMessage) -> list[Fact]:
        ends = seen.ends
        exchange = self.open.find(ends + seen.question.lower() if seen.question or seen.questions else ends)
        differs = exchange is None
        if exchange is None:  # the same ends and id, but not what was asked: told with a warning
            exchange = self.open.find(ends)
        if exchange is None or not exchange.query_packets or (differs and exchange.response_packets):
            return self._unasked(seen)
        again = bool(exchange.response_packets)
        exchange.response_packets.append(seen.number)
        self._touch(exchange, seen)
        self.counts["answers-again" if again else "answers"] += 1
        if again:
            return self._teller.answered_again(exchange) if self._tell else []
        exchange.elapsed_ns = elapsed(seen.time_ns, exchange.asked_ns)
        if exchange.family == "llmnr":
            exchange.server, exchange.server_port = seen.end(response=True)
        exchange.from_cache = not exchange.helpers and exchange.server in self.workers and not exchange.asked_for
        self._answered(exchange, seen)
        if not self._tell:
            return []
        warned = self._teller.question_differs(exchange) if differs else []
        return warned + self._teller.answered(exchange, seen.time_ns)

    def _answered(self, exchange: DnsExchange, seen: SeenMessage) -> None:
        exchange.response_flags = seen.flags
        exchange.response = seen.octets
        exchange.kind = kind = seen.kind()
        if kind in ("referral", "nodata") and exchange.family == "dns":
            exchange.kind = self._lame(exchange) or kind
        self.counts[exchange.kind] += 1
        if kind == "truncated":
            question = (exchange.server, exchange.client, seen.question.lower())
            _remember(self._truncated, question, seen.number)
        self._no_longer_working(exchange)

    def _no_longer_working(self, exchange: DnsExchange) -> None:
        """Forget that a question is being worked on: it has its answer, or is too old for one."""
        if exchange.query_flags & RECURSION_DESIRED and exchange.query_packets:
            working = self.recursive.get(exchange.server)
            if working is not None and working.pop(exchange.place, None) is not None and not working:
                del self.recursive[exchange.server]

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

    def _unasked(self, seen: SeenMessage) -> list[Fact]:
        exchange = seen.exchange(query=False)
        exchange.response_packets.append(seen.number)
        self.counts["unasked"] += 1
        self._answered(exchange, seen)
        self.open.add(exchange)
        return self._teller.unasked(exchange) if self._tell else []

    # Multicast DNS.

    def _multicast(self, seen: SeenMessage, response: bool) -> list[Fact]:
        message = seen.message()
        if not response:
            return self._multicast_question(seen, message)
        records = message.answers + message.additionals
        paired: list[DnsExchange] = []
        for record in message.answers:
            for kind in (record.type, 255):
                exchange = self.open.find(("mdns", record.name.lower(), kind))
                apart = None if exchange is None else elapsed(seen.time_ns, exchange.asked_ns)
                if exchange is None or exchange in paired or (apart is not None and not 0 <= apart <= MULTICAST_NS):
                    continue
                paired.append(exchange)
                self._touch(exchange, seen)
                if not exchange.response_packets:
                    exchange.elapsed_ns = apart
                    exchange.server, exchange.server_port = seen.end(response=True)
                    self._answered(exchange, seen)
                exchange.response_packets.append(seen.number)
        self.counts["answers" if paired else "unasked"] += 1
        if not paired:
            exchange = seen.exchange(query=False)
            exchange.response_packets.append(seen.number)
            self._answered(exchange, seen)
            self.open.add(exchange)
        return self._teller.multicast(seen.end(response=True)[0], records, paired) if self._tell else []

    def _multicast_question(self, seen: SeenMessage, message: Message) -> list[Fact]:
        facts: list[Fact] = []
        for question in message.questions[:64]:
            key = ("mdns", question.name.lower(), question.type)
            exchange = self.open.find(key)
            client = seen.end(response=False)[0]
            if exchange is not None and exchange.client == client and not exchange.response_packets:
                if exchange.query_packets[-1] != seen.number:
                    apart = elapsed(seen.time_ns, exchange.last_ns)
                    exchange.query_packets.append(seen.number)
                    self._touch(exchange, seen)
                    exchange.asked_ns = seen.time_ns
                    self.counts["asked-again"] += 1
                    facts += self._teller.asked_again(exchange, apart) if self._tell else []
                continue
            exchange = seen.exchange(query=True)
            exchange.name, exchange.type = question.name, question.type
            exchange.query_flags = message.flags
            self.counts["questions"] += 1
            self.open.add(exchange, key)
            facts += self._teller.multicast_asked(exchange) if self._tell else []
        return facts

    def _leave(self, exchange: DnsExchange) -> None:
        if exchange.query_packets and not exchange.response_packets:
            self.counts["unanswered"] += 1
            if len(self.unanswered) < 20:
                self.unanswered.append(exchange)
        self._no_longer_working(exchange)


def _remember(kept: dict[Any, Any], key: object, value: Any) -> Any:
    """Return what stands under a key, ``value`` where nothing did; the older half goes when there is no room."""
    if key not in kept and len(kept) >= REMEMBERED:
        for old in list(kept)[: REMEMBERED // 2]:
            del kept[old]
    return kept.setdefault(key, value)
