"""All DNS of a capture as exchanges, in bulk: plain pairs in columns, and only what is odd message by message.

It says exactly what ``DnsResolution`` says of the same packets (the tests compare them), several times faster: for
commands that list questions and need no word at each packet.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.addresses import ip_halves
from sniffkit.analysis.dns.ends_met import EndsMet
from sniffkit.analysis.dns.kinds import KINDS
from sniffkit.analysis.dns.messages import RECURSION_DESIRED
from sniffkit.analysis.dns.open import OpenExchanges
from sniffkit.analysis.dns.pairs import NO_PAIRS, DnsPairs, hash_of_ends, pairs_of, plain_pairs
from sniffkit.analysis.dns.reader import DnsReader
from sniffkit.analysis.dns.resolution import DnsResolution
from sniffkit.analysis.dns.seen import SeenMessages
from sniffkit.analysis.endpoint_pairs import in_both
from sniffkit.analysis.open_questions import LINGER_NS, MOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from sniffkit.analysis.dns.exchange import DnsExchange
    from sniffkit.protocols.columns import Columns

AT_ONCE = MOST // 2
"""Messages taken at once, so that no question of theirs is pushed out before its answer (``OpenExchanges.lives``)."""


@dataclass(frozen=True, slots=True)
class DnsRun:
    """Exchanges that follow each other: plain pairs, and those that are not plain; both in order, to be merged."""

    pairs: DnsPairs
    others: list[DnsExchange]

    def __len__(self) -> int:
        return len(self.pairs) + len(self.others)

    def among(self, chosen: Callable[[NDArray[np.int64]], NDArray[np.bool_]]) -> DnsRun:
        """Return the exchanges with a packet that ``chosen`` says yes to, given packet numbers."""
        pairs, others = self.pairs, self.others
        pairs = pairs.part(chosen(pairs.query) | chosen(pairs.response))
        return DnsRun(pairs, [one for one in others if chosen(np.array(one.packets, np.int64)).any()])

    def exchanges(self) -> Iterator[DnsExchange]:
        """Yield all exchanges in order."""
        others = iter(self.others)
        other = next(others, None)
        for at, place in enumerate(self.pairs.place.tolist()):
            while other is not None and other.place < place:
                yield other
                other = next(others, None)
            yield self.pairs.exchange(at)
        if other is not None:
            yield other
            yield from others


class DnsListing:
    """Fed batch by batch; counts and unanswered as in ``DnsResolution``."""

    def __init__(self) -> None:
        self._reader = DnsReader()
        self._odd = DnsResolution(tell=False)
        self.counts: Counter[str] = self._odd.counts
        self.unanswered: list[DnsExchange] = self._odd.unanswered
        self._kept: list[DnsPairs] = []  # those that may still change, in order
        self._met = EndsMet()

    def feed(self, columns: Columns, twice: NDArray[Any] | None = None) -> Iterator[DnsRun]:
        """Take in a batch; yield the exchanges to which nothing can come any more.

        twice: (n,) true or non-zero for packets to pass over
        """
        messages = self._reader.feed(columns, twice)
        for begin in range(0, len(messages), AT_ONCE):
            part = messages if len(messages) <= AT_ONCE else messages.take(np.arange(len(messages))[begin:][:AT_ONCE])
            self._take_in(SeenMessages(part))
            yield from self._let_go()

    @property
    def clock(self) -> int:
        """The latest time met so far."""
        return self._odd.open.clock

    def kept(self, first: int) -> list[DnsExchange]:
        """Return, in order, the exchanges numbered from ``first`` on to which something may still come."""
        plain = [
            pairs.exchange(at)
            for pairs in self._kept
            for at in np.flatnonzero((pairs.place >= first) & ~pairs.taken).tolist()
        ]
        return sorted(plain + self._odd.open.kept(first), key=lambda exchange: exchange.place)

    def finish(self) -> Iterator[DnsRun]:
        """Yield the exchanges that are left; call it after the last batch."""
        others = self._odd.open.finish()
        for place, pairs in enumerate(self._kept):
            last = place == len(self._kept) - 1
            end = None if last else int(self._kept[place + 1].place[0])
            mine = [one for one in others if end is None or one.place < end]
            others = others[len(mine) :]
            yield DnsRun(pairs.part(~pairs.taken), mine)
        if not self._kept and others:
            yield DnsRun(NO_PAIRS, others)
        self._kept = []

    def _take_in(self, seen: SeenMessages) -> None:
        """Pair what is plain, send the rest the long way, and number both as they were opened."""
        messages, opened = seen.messages, self._odd.open
        hashes = hash_of_ends(seen)
        clock = np.maximum(np.maximum.accumulate(messages.time_ns), opened.clock)
        known = self._met.since(hashes, self._first_kept())
        query, response, kind = plain_pairs(seen, hashes, clock, ~known & ~self._at_work(seen))
        plain = np.zeros(len(messages), np.int64)
        plain[query] = 1
        plain_before = np.cumsum(plain) - plain  # plain questions before each message
        plain[response] = 1
        odd = np.flatnonzero(plain == 0)
        self._make_exchanges(seen, hashes, odd[known[odd]])
        base, passed = opened.opened, 0
        added: list[int] = []  # numbers of the exchanges opened by odd messages, and by which
        added_by: list[int] = []
        for at, before, now in zip(odd.tolist(), plain_before[odd].tolist(), clock[odd].tolist(), strict=True):
            opened.opened += before - passed
            passed = before
            opened.clock = now
            number = opened.opened
            self._odd.message(seen[at])
            added += range(number, opened.opened)
            added_by += [at] * (opened.opened - number)
        opened.opened += len(query) - passed
        opened.clock = int(clock[-1])
        place = base + np.arange(len(query)) + np.searchsorted(added_by, query)
        self._met.add(hashes[np.concatenate((query, added_by)).astype(np.int64)], np.concatenate((place, added)))
        if not len(query):
            return
        self._kept.append(pairs_of(seen, hashes, clock, query, response, kind, place))
        self.counts["questions"] += len(query)
        self.counts["answers"] += len(query)
        for name, count in zip(KINDS, np.bincount(kind, minlength=len(KINDS)).tolist(), strict=True):
            if count:
                self.counts[name] += count

    def _at_work(self, seen: SeenMessages) -> NDArray[np.bool_]:
        """Say which messages are of a resolver that is asked and asks: its questions belong together, in order."""
        recursive = ~seen.response & ((seen.messages.flags & RECURSION_DESIRED) != 0)
        servers = _folded(seen.server[recursive])
        client, server = _folded(seen.client), _folded(seen.server)
        working = in_both(np.concatenate((servers, _numbers(self._odd.recursive))), client[~seen.response])
        working = np.concatenate((working, _numbers(self._odd.workers)))
        return np.isin(client, working) | np.isin(server, working)

    def _make_exchanges(self, seen: SeenMessages, hashes: NDArray[np.uint64], which: NDArray[np.int64]) -> None:
        """Make exchanges of those kept pairs that have the ends of the messages ``which``: they are not plain now."""
        if not len(which):
            return
        wanted = np.unique(hashes[which])
        for pairs in self._kept:
            slot = np.searchsorted(wanted, pairs.hash).clip(max=len(wanted) - 1)
            for at in np.flatnonzero((wanted[slot] == pairs.hash) & ~pairs.taken).tolist():
                pairs.taken[at] = True
                exchange = pairs.exchange(at)
                ends, question = pairs.key(at)
                self._odd.open.restore(exchange, ends + question, ends)

    def _first_kept(self) -> int:
        first = int(self._kept[0].place[0]) if self._kept else self._odd.open.opened
        return min(first, self._odd.open.first())

    def _let_go(self) -> Iterator[DnsRun]:
        """Yield what nothing can come to any more, in order, up to the first exchange that may still change."""
        opened: OpenExchanges = self._odd.open
        while self._kept:
            pairs = self._kept[0]
            lives = (pairs.place >= opened.opened - MOST) & (pairs.heard_ns >= opened.clock - LINGER_NS) & ~pairs.taken
            at = int(lives.argmax()) if lives.any() else len(pairs)
            until = int(pairs.place[at]) if at < len(pairs) else int(pairs.place[-1]) + 1
            others = opened.let_go(until)
            if opened.first() < until:  # an odd one may still change: nothing after it goes
                at = int(np.searchsorted(pairs.place, opened.first()))
            done = pairs.part(slice(0, at))
            if at or others:
                yield DnsRun(done.part(~done.taken), others)
            if at < len(pairs):
                self._kept[0] = pairs.part(slice(at, None))
                return
            self._kept.pop(0)
        if others := opened.let_go(opened.opened):
            yield DnsRun(NO_PAIRS, others)


def _folded(addresses: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return addresses, uint64 (m, 2), as one number each; two may share one, which only costs time."""
    return addresses[:, 0] * np.uint64(3) ^ addresses[:, 1]


def _numbers(addresses: Iterable[str]) -> NDArray[np.uint64]:
    """Return addresses as ``_folded`` does."""
    return _folded(np.array([ip_halves(text) for text in addresses], np.uint64).reshape(-1, 2))
