"""What is odd in a packet, in words: headers that are cut, lengths that contradict each other, options that lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.explanations.lesson import Note
from sniffkit.explanations.plain import escaped

if TYPE_CHECKING:
    from sniffkit.analysis.facts import Level
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.protocols.packet import Layer, Packet, Problem

TOLD_BY_ANALYSIS = {"ip.checksum-bad", "tcp.checksum-bad", "udp.checksum-bad"}
"""Only the sender's other packets say whether such a checksum is wrong or was left to the network card."""

CUT_WITH_THE_HEADER = {
    f"{protocol}.option-{what}" for protocol in ("ip", "ipv6", "tcp", "icmpv6") for what in ("cut", "length")
}

ORDINARY = {"ip.fragment", "ipv6.fragment", "dns.message-in-segments", "packet.next-missing"}
"""Nobody did anything wrong: such packets are only harder to read."""


def problem_notes(packet: Packet, catalogue: Catalogue) -> list[Note]:
    """Return a note for everything odd in a packet, in the order of its layers."""
    return [note for layer in packet.layers for note in layer_notes(layer, catalogue)]


def layer_notes(layer: Layer, catalogue: Catalogue) -> list[Note]:
    """Return a note for everything odd in one layer; an option that a cut header cuts does not lie about its length."""
    cut = any(problem.id.endswith(".header-cut") for problem in layer.problems)
    passed_over = TOLD_BY_ANALYSIS | (CUT_WITH_THE_HEADER if cut else set())
    return [_note(problem, catalogue) for problem in layer.problems if problem.id not in passed_over]


def _note(problem: Problem, catalogue: Catalogue) -> Note:
    level: Level = "note" if problem.id in ORDINARY or problem.not_captured else "warning"
    values = {
        name: _shown(name, value, catalogue) if isinstance(value, str) else value
        for name, value in problem.values.items()
    }
    text = catalogue.text(problem.id, "text", **values)
    if problem.not_captured:
        text += catalogue.text("packet.not-captured")
    return Note(problem.id, level, text)


def _shown(name: str, value: str, catalogue: Catalogue) -> str:
    """Return a text value as a reader knows it: a protocol or a field by its name."""
    found = catalogue.find(value, "name") if name in ("protocol", "field") else None
    return found or escaped(value)
