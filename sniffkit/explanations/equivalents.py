"""What a lesson stands on, as a filter: the display filter for Wireshark and, where there is one, tcpdump's.

The filters stand in ``texts/equivalents.toml`` under the id of the lesson. tcpdump's language (BPF) looks at one packet
alone and at fixed places in it, so it can't say everything; then a few words say why.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sniffkit.explanations.catalogue import read_texts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sniffkit.analysis.capture import BatchFacts
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.explanations.lesson import Note

READS_IPV4_ONLY = ("tcp[", "udp[")
"""What libpcap finds in IPv4 packets only: it knows where that begins behind an IPv4 header."""

TAGS = ("vlan", "ieee8021ad")


@dataclass(frozen=True, slots=True)
class Equivalent:
    """A lesson as filters.

    bpf: None where tcpdump has no filter for it; ``reason`` then is the id of the text that says why
    """

    filter: str
    bpf: str | None
    reason: str = ""


class Equivalents:
    """Finds the filters of lessons in one language, and remembers which were told in this run."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._told: set[str] = set()

    def find(self, id: str, facts: BatchFacts, row: int) -> Equivalent | None:
        """Return the filters of a lesson given at a packet, None where there are none."""
        entry = read_texts("equivalents").get(id)
        if entry is None or "filter" not in entry:
            return None
        return _in_this_packet(entry, facts, row)

    def under(self, notes: Iterable[Note], facts: BatchFacts, row: int) -> tuple[Note, ...]:
        """Return a packet's notes, those with filters that are new in this run with these in words."""
        found = []
        for note in notes:
            one = self.find(note.id, facts, row)
            if one is not None and one.filter not in self._told:
                self._told.add(one.filter)
                note = replace(note, filters=self._words(one))  # noqa: PLW2901 - the same note and its filters
            found.append(note)
        return tuple(found)

    def _words(self, one: Equivalent) -> tuple[str, ...]:
        say = self._catalogue.text
        if one.bpf is None:
            tcpdump = say("equivalents.tcpdump-none", reason=say(f"equivalents.{one.reason}"))
        else:
            tcpdump = say("equivalents.tcpdump", bpf=one.bpf)
        return say("equivalents.wireshark", filter=one.filter), tcpdump


def _in_this_packet(entry: dict[str, Any], facts: BatchFacts, row: int) -> Equivalent:
    """Return the filters for a packet like this one: BPF differs by IP version, and counts octets behind VLAN tags."""
    six = _has(facts, "ipv6", row)
    if six and "ipv6" in entry:
        entry = entry["ipv6"]
    bpf, reason = entry.get("bpf"), entry.get("without-bpf", "")
    if bpf is not None and "udp" in bpf and not _has(facts, "udp", row):
        bpf, reason = None, "stream"
    elif bpf is not None and six and any(part in bpf for part in READS_IPV4_ONLY):
        bpf, reason = None, "ipv6"
    elif bpf is not None and any(_has(facts, tag, row) for tag in TAGS):
        bpf = f"vlan and {bpf}" if " or " not in bpf else f"vlan and ({bpf})"
    return Equivalent(entry["filter"], bpf, reason)


def _has(facts: BatchFacts, protocol: str, row: int) -> bool:
    """Say whether a packet has a header of a protocol."""
    rows = facts.columns.rows(protocol).row
    at = int(rows.searchsorted(row))
    return at < len(rows) and int(rows[at]) == row
