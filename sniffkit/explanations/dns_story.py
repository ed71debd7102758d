"""DNS questions told with their answers, in the order they were asked, and what there was of them altogether."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

from sniffkit.explanations.dns_plain import PlainAnswers
from sniffkit.explanations.dns_words import DnsWords
from sniffkit.explanations.lesson import Note, Summary, Table
from sniffkit.explanations.plain import escaped
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sniffkit.analysis.dns.exchange import DnsExchange
    from sniffkit.analysis.dns.listing import DnsRun
    from sniffkit.analysis.dns.pairs import DnsPairs
    from sniffkit.analysis.dns.unseen import Kind
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.explanations.lesson import PacketLesson
    from sniffkit.protocols.columns import Columns

SERVERS_SHOWN = 20
"""How many servers the summary lists, those asked most."""

ANSWER_AWAITED_NS = 5 * 10**9
"""So long a question without an answer holds up those after it where somebody watches: then its sender asks again."""

TIMES_KEPT = 10_000
"""How many times of a server the median is made of."""


class DnsStory:
    """Tells a capture's DNS batch by batch.

    verbose: every lesson in full, and every record of every section
    chosen:  says of the packets of a question whether it is told; the summary is of all questions
    """

    def __init__(
        self, catalogue: Catalogue, verbose: bool = False, chosen: Callable[[Iterable[int]], bool] | None = None
    ) -> None:
        from sniffkit.analysis.captured_twice import CapturedTwice
        from sniffkit.analysis.dns.listing import DnsListing
        from sniffkit.analysis.dns.unseen import Unseen

        self._catalogue = catalogue
        self._verbose = verbose
        self._chosen = chosen
        self._listing = DnsListing()
        self._twice = CapturedTwice()
        self._words = DnsWords(catalogue, verbose)
        self._plain: PlainAnswers | None = None
        # a question waits until the ones that were asked for its sake are known; what came after it waits with it
        self._waiting: deque[DnsExchange | tuple[DnsPairs, int, PacketLesson | None]] = deque()
        self._known = -1  # place of the last question that nothing can come to any more
        self._shown_below: set[int] = set()
        self._early: set[int] = set()  # told already, though something might still have come to them
        self._early_from = 0
        self._servers: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        self._times: dict[str, list[int]] = defaultdict(list)
        self._unseen = Unseen()

    def tell(self, columns: Columns) -> Iterator[PacketLesson]:
        """Yield the questions to which nothing can come any more."""
        batch = columns.batch
        if self._words.first_ns is None and len(known := batch.time_ns[batch.time_ns != NO_TIME]):
            self._words.first_ns = int(known[0])
        self._unseen.feed(columns)
        for run in self._listing.feed(columns, self._twice.feed(columns)):
            yield from self._run(run)

    def so_far(self) -> Iterator[PacketLesson]:
        """Yield the questions that have an answer, for somebody who watches; none is told again in its turn.

        What came late, an answer once more, is counted and not told. A question without an answer is told in its turn;
        those after it are told before it once it has waited for ANSWER_AWAITED_NS.
        """
        if any(self._place(one) not in self._early for one in self._waiting):
            return
        held_up = False
        for exchange in self._listing.kept(self._early_from):
            if exchange.place in self._early:
                continue
            if not exchange.response_packets:
                if self._listing.clock - exchange.heard_ns <= ANSWER_AWAITED_NS:
                    return
                held_up = True
                continue
            told_below = set(below(exchange))
            self._early |= {exchange.place, *told_below}
            if not held_up:
                self._early_from = exchange.place + 1
            if self._chosen is None or self._chosen(exchange.packets):
                yield self._words.lesson(exchange)

    @staticmethod
    def _place(waiting: DnsExchange | tuple[DnsPairs, int, PacketLesson | None]) -> int:
        return int(waiting[0].place[waiting[1]]) if isinstance(waiting, tuple) else waiting.place

    def end(self) -> Iterator[PacketLesson]:
        """Yield the questions that are left at the end of the capture."""
        for run in self._listing.finish():
            yield from self._run(run)
        yield from self._told(everything=True)

    def summary(self) -> Summary:
        """Return what stands at the end."""
        say = self._catalogue.text
        counts = self._listing.counts
        names = ("questions", "answers", "unanswered", "asked-again", "unasked")
        found: dict[str, Any] = {name.replace("-", "_"): counts[name] for name in names}
        heading = say("dns.summary", **found)
        whole = (say("summary.whole"),) if self._chosen is not None else ()
        return Summary(heading, whole, (self._table(),) if self._servers else (), tuple(self._limits()))

    def _limits(self) -> Iterator[Note]:
        """Yield what cannot be seen here."""
        say = self._catalogue.text
        counts = self._listing.counts
        if not counts["questions"] and not counts["unasked"]:
            yield Note("dns.limit.none", "note", say("dns.limit.none"))
        kinds: tuple[Kind, ...] = ("tls", "quic", "https")
        for kind in kinds:
            if count := self._unseen.count(kind):
                yield Note(f"dns.limit.{kind}", "note", say(f"dns.limit.{kind}", count=count))
        count, address, number = self._unseen.unnamed()
        if count:
            values = {"count": count, "address": address, "number": number}
            yield Note("dns.limit.unnamed", "note", self._catalogue.filled(say("dns.limit.unnamed"), **values))

    def _table(self) -> Table:
        say = self._catalogue.text
        asked = sorted(self._servers.items(), key=lambda item: (-item[1][0], item[0]))
        rows = []
        for server, (questions, answers, again) in asked[:SERVERS_SHOWN]:
            times = sorted(self._times[server])
            median = say("dns.table.time", elapsed_ns=times[len(times) // 2]) if times else ""
            rows.append((escaped(server), str(questions), str(answers), str(again), median))
        headings = tuple(say(f"dns.table.{name}") for name in ("server", "questions", "answers", "again", "median"))
        more = len(asked) - SERVERS_SHOWN
        note = say("summary.rest", count=more) if more > 0 else ""
        return Table("", headings, tuple(rows), frozenset({1, 2, 3, 4}), note)

    def _run(self, run: DnsRun) -> Iterator[PacketLesson]:
        """Take in exchanges; yield the lessons of those whose turn has come."""
        self._unseen.name(run)
        pairs, others = run.pairs, iter(run.others)
        if self._plain is None:
            briefly = self._words.briefly
            self._plain = PlainAnswers(briefly.sentence, self._catalogue, self._words.first_ns)
        plain = self._plain.of(pairs) if len(pairs) and not self._verbose else [None] * len(pairs)
        other = next(others, None)
        for at, (place, lesson) in enumerate(zip(pairs.place.tolist(), plain, strict=True)):
            while other is not None and other.place < place:
                self._take_in(other)
                yield from self._told()
                other = next(others, None)
            self._known = place
            if place in self._early:
                self._early.discard(place)
                continue
            if self._waiting or lesson is None or not self._is_known(lesson):
                self._waiting.append((pairs, at, lesson))
                yield from self._told()
            elif self._chosen is None or self._chosen((int(pairs.query[at]), int(pairs.response[at]))):
                yield lesson
        while other is not None:
            self._take_in(other)
            yield from self._told()
            other = next(others, None)
        self._count_pairs(pairs)

    def _take_in(self, exchange: DnsExchange) -> None:
        self._known = exchange.place
        self._waiting.append(exchange)
        if exchange.query_packets:
            self._count(exchange.server, 1, bool(exchange.response_packets), len(exchange.query_packets) - 1)
            if exchange.elapsed_ns is not None:
                self._times[exchange.server][TIMES_KEPT:] = [exchange.elapsed_ns]

    def _told(self, everything: bool = False) -> Iterator[PacketLesson]:
        """Yield the lessons of the questions that need not wait any longer."""
        while self._waiting:
            first = self._waiting[0]
            if isinstance(first, tuple):
                pairs, at, lesson = first
                exchange = pairs.exchange(at)
                known = lesson is not None and self._is_known(lesson)
            elif everything or last_of(first) <= self._known:
                exchange, known, lesson = first, False, None
            else:
                return
            self._waiting.popleft()
            if exchange.place in self._early:
                self._early.discard(exchange.place)
            elif exchange.place in self._shown_below:
                self._shown_below.discard(exchange.place)
            elif self._chosen is None or self._chosen(exchange.packets):
                self._shown_below.update(below(exchange))
                yield lesson if known and lesson is not None else self._words.lesson(exchange)

    def _is_known(self, lesson: PacketLesson) -> bool:
        """Say whether one sentence is enough."""
        return self._words.briefly.is_known(lesson.notes[0].id)

    def _count_pairs(self, pairs: DnsPairs) -> None:
        """Count plain pairs by server."""
        import numpy as np

        from sniffkit.analysis.addresses import address_octets, ip_text

        if not len(pairs):
            return
        servers, which = np.unique(address_octets(pairs.server), axis=0, return_inverse=True)
        elapsed = pairs.answered_ns - pairs.asked_ns
        for place, octets in enumerate(servers):
            server, mine = ip_text(octets.tobytes()), elapsed[which == place]
            self._count(server, len(mine), len(mine), 0)
            room = TIMES_KEPT - len(self._times[server])
            self._times[server] += mine[: max(room, 0)].tolist()

    def _count(self, server: str, questions: int, answers: int, again: int) -> None:
        counts = self._servers[server]
        counts[0] += questions
        counts[1] += answers
        counts[2] += again


def below(exchange: DnsExchange) -> Iterator[int]:
    """Yield the numbers of all questions that were asked for the sake of one."""
    for helper in exchange.helpers:
        yield helper.place
        yield from below(helper)


def last_of(exchange: DnsExchange) -> int:
    """Return the number of the last question that was asked for the sake of one, its own where there is none."""
    return max(below(exchange), default=exchange.place)
