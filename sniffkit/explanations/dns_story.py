"""DNS questions told with their answers, in the order they were asked, and what there was of them altogether."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sniffkit.explanations.lesson import Line, Note, PacketLesson, Summary, Table
from sniffkit.explanations.plain import escaped
from sniffkit.explanations.told_briefly import ToldBriefly, seconds
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sniffkit.analysis.dns.exchange import DnsExchange
    from sniffkit.analysis.facts import Fact
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.protocols.columns import Columns

SERVERS_SHOWN = 20
"""How many servers the summary lists, those asked most."""

TIMES_KEPT = 10_000
"""How many times of a server the median is made of."""

DNS_OVER_TLS = 853
"""Port of DNS over TLS and over QUIC (RFC 7858, RFC 9250)."""

_SHOWN = {"dns": "DNS", "mdns": "mDNS", "llmnr": "LLMNR"}


class DnsStory:
    """Tells a capture's DNS batch by batch.

    verbose: every lesson in full, and every record of every section
    chosen:  says of the packets of a question whether it is told; the summary is of all questions
    """

    def __init__(
        self, catalogue: Catalogue, verbose: bool = False, chosen: Callable[[Iterable[int]], bool] | None = None
    ) -> None:
        from sniffkit.analysis.dns.resolution import DnsResolution

        self._catalogue = catalogue
        self._verbose = verbose
        self._chosen = chosen
        self._resolution = DnsResolution(tell=False)
        self._briefly = ToldBriefly(catalogue, verbose)
        self._first_ns: int | None = None
        self._servers: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        self._times: dict[str, list[int]] = defaultdict(list)
        self._encrypted = 0

    def tell(self, columns: Columns) -> Iterator[PacketLesson]:
        """Yield the questions to which nothing can come any more."""
        import numpy as np

        batch = columns.batch
        if self._first_ns is None and len(known := batch.time_ns[batch.time_ns != NO_TIME]):
            self._first_ns = int(known[0])
        for protocol in ("tcp", "udp"):
            ends = columns[f"{protocol}.srcport"], columns[f"{protocol}.dstport"]
            self._encrypted += int(np.count_nonzero((ends[0] == DNS_OVER_TLS) | (ends[1] == DNS_OVER_TLS)))
        self._resolution.feed(columns)
        yield from self._lessons(self._resolution.take())

    def end(self) -> Iterator[PacketLesson]:
        """Yield the questions that are left at the end of the capture."""
        yield from self._lessons(self._resolution.finish())

    def summary(self) -> Summary:
        """Return what stands at the end."""
        say = self._catalogue.text
        counts = self._resolution.counts
        names = ("questions", "answers", "unanswered", "asked-again", "unasked")
        found: dict[str, Any] = {name.replace("-", "_"): counts[name] for name in names}
        heading = say("dns.summary", **found)
        limits = []
        if self._encrypted:
            limits.append(Note("dns.limit.encrypted", "note", say("dns.limit.encrypted", count=self._encrypted)))
        if not counts["questions"] and not counts["unasked"]:
            limits.append(Note("dns.limit.none", "note", say("dns.limit.none")))
        return Summary(heading, (), (self._table(),) if self._servers else (), tuple(limits))

    def _table(self) -> Table:
        say = self._catalogue.text
        asked = sorted(self._servers.items(), key=lambda item: -item[1][0])
        rows = []
        for server, (questions, answers, again) in asked[:SERVERS_SHOWN]:
            times = sorted(self._times[server])
            median = say("dns.table.time", elapsed_ns=times[len(times) // 2]) if times else ""
            rows.append((escaped(server), str(questions), str(answers), str(again), median))
        headings = tuple(say(f"dns.table.{name}") for name in ("server", "questions", "answers", "again", "median"))
        more = len(asked) - SERVERS_SHOWN
        note = say("summary.more", count=more) if more > 0 else ""
        return Table("", headings, tuple(rows), frozenset({1, 2, 3, 4}), note)

    def _lessons(self, exchanges: Iterable[DnsExchange]) -> Iterator[PacketLesson]:
        for exchange in exchanges:
            if exchange.query_packets:
                server = self._servers[exchange.server]
                server[0] += 1
                server[1] += bool(exchange.response_packets)
                server[2] += len(exchange.query_packets) - 1
                if exchange.elapsed_ns is not None and len(self._times[exchange.server]) < TIMES_KEPT:
                    self._times[exchange.server].append(exchange.elapsed_ns)
            if self._chosen is None or self._chosen(exchange.packets):
                yield self._lesson(exchange)

    def _lesson(self, exchange: DnsExchange) -> PacketLesson:
        protocol = _SHOWN[exchange.family] + ("/TCP" if exchange.transport == "tcp" else "")
        line = Line(
            exchange.packet,
            seconds(exchange.asked_ns, self._first_ns),
            escaped(exchange.client),
            escaped(exchange.server),
            protocol,
            0,
            escaped(self._headline(exchange)),
        )
        notes = self._briefly.notes(self._facts(exchange))
        return PacketLesson(line, notes=notes + self._records(exchange))

    def _headline(self, exchange: DnsExchange) -> str:
        """Return the question in the words of the wire, and the packets that belong to it."""
        parts = [exchange.name, exchange.type_name]
        if len(exchange.query_packets) > 1:
            parts.append(f"(×{len(exchange.query_packets)})")
        if exchange.query_packets and exchange.response_packets:
            parts.append("→ " + ", ".join(map(str, exchange.response_packets[:4])))
        if exchange.rcode is not None:
            parts.append(exchange.rcode)
        return " ".join(part for part in parts if part)

    def _facts(self, exchange: DnsExchange) -> list[Fact]:
        from sniffkit.analysis.dns.facts import facts_of

        return facts_of(exchange)

    def _records(self, exchange: DnsExchange) -> tuple[Note, ...]:
        """Return every record of the answer as a note of its own (-v)."""
        message = exchange.message
        if not self._verbose or message is None:
            return ()
        from sniffkit.protocols.dns_data import type_name

        say = self._catalogue.text
        sections = (("answer", message.answers), ("authority", message.authorities))
        notes = []
        for name, records in (*sections, ("additional", message.additionals)):
            for record in records:
                text = f"{record.name} {record.ttl} {type_name(record.type)} {record.data}"
                told = say("dns.section", section=say(f"dns.section.{name}"), record=escaped(text))
                notes.append(Note("dns.section", "note", told))
        return tuple(notes)
