"""One DNS question told: a line in the words of the wire, what its answer amounts to, and the steps behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.analysis.dns.exchange import NOTIFY, UPDATE
from sniffkit.analysis.dns.facts import facts_of
from sniffkit.explanations.dns_tree import DnsTree
from sniffkit.explanations.lesson import Line, Note, PacketLesson
from sniffkit.explanations.plain import escaped
from sniffkit.explanations.told_briefly import ToldBriefly, seconds

if TYPE_CHECKING:
    from sniffkit.analysis.dns.exchange import DnsExchange
    from sniffkit.explanations.catalogue import Catalogue

_OPERATIONS = {NOTIFY: "NOTIFY", UPDATE: "UPDATE"}
_SHOWN = {"dns": "DNS", "mdns": "mDNS", "llmnr": "LLMNR"}


class DnsWords:
    """Puts questions into words; remembers which lessons were given.

    verbose:  every lesson in full, and every record of every section
    first_ns: time of the capture's first packet, set before anything is told
    """

    def __init__(self, catalogue: Catalogue, verbose: bool = False) -> None:
        self.briefly = ToldBriefly(catalogue, verbose)
        self.first_ns: int | None = None
        self._catalogue = catalogue
        self._verbose = verbose
        self._tree = DnsTree(catalogue)

    def lesson(self, exchange: DnsExchange) -> PacketLesson:
        """Return what is told of a question."""
        protocol = _SHOWN[exchange.family] + ("/TCP" if exchange.transport == "tcp" else "")
        source, destination = escaped(exchange.client), escaped(exchange.server)
        if not exchange.query_packets:  # the line is of the first packet, an answer
            source, destination = destination, source
        line = Line(
            exchange.packet,
            seconds(exchange.asked_ns, self.first_ns),
            source,
            destination,
            protocol,
            0,
            self._headline(exchange),
        )
        notes = self.briefly.notes(facts_of(exchange)) + self._records(exchange)
        return PacketLesson(line, notes=notes, branches=self._tree.branches(exchange))

    def _headline(self, exchange: DnsExchange) -> str:
        """Return the question in the words of the wire, and the packets that belong to it."""
        parts = [_OPERATIONS.get(exchange.operation, ""), escaped(exchange.shown_name), exchange.type_name]
        if len(exchange.query_packets) > 1:
            parts.append(f"(×{len(exchange.query_packets)})")
        if exchange.query_packets and exchange.response_packets:
            parts.append("→ " + ", ".join(map(str, exchange.response_packets[:4])))
        if (rcode := exchange.rcode) is not None:
            parts.append(rcode)
        return " ".join(part for part in parts if part)

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
