"""What a SYN offers in its options, each with its meaning in a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.protocols.tcp_options import OptionKind

if TYPE_CHECKING:
    from sniffkit.analysis.capture import BatchFacts
    from sniffkit.explanations.catalogue import Catalogue

LARGEST_SHIFT = 14
"""A larger window scale counts as this one (RFC 7323 section 2.3)."""


def offers(facts: BatchFacts, at: int, catalogue: Catalogue) -> list[str]:
    """Return what the SYN at index ``at`` of the batch's segments offers."""
    segments, say = facts.segments, catalogue.text
    found = []
    if segments.mss[at] >= 0:
        found.append(say("tcp.offer.mss", mss=int(segments.mss[at])))
    if segments.scale_shift[at] == 0:
        found.append(say("tcp.offer.scale-zero"))
    elif segments.scale_shift[at] > 0:
        shift = min(int(segments.scale_shift[at]), LARGEST_SHIFT)
        found.append(say("tcp.offer.scale", shift=shift, factor=1 << shift))
    if segments.sack_permitted[at]:
        found.append(say("tcp.offer.sack"))
    for kind, octets in _options(facts, at):
        if kind == OptionKind.TIMESTAMPS:
            found.append(say("tcp.offer.timestamps"))
        elif kind == OptionKind.FAST_OPEN and octets == 0:
            found.append(say("tcp.offer.cookie-wanted"))
        elif kind == OptionKind.FAST_OPEN:
            found.append(say("tcp.offer.cookie", octets=octets))
    return found


def _options(facts: BatchFacts, at: int) -> list[tuple[int, int]]:
    """Return kind and octets of data of each option of a header; what lies about its length ends the list."""
    rows = facts.columns.rows("tcp")
    header = min(int(facts.columns["tcp.hdr_len"][at]), int(rows.present[at]))
    begin = int(rows.offset[at])
    octets = facts.columns.batch.octets[begin + 20 : begin + header].tobytes()
    found, place = [], 0
    while place < len(octets) and octets[place]:
        if octets[place] == OptionKind.NO_OPERATION:
            place += 1
            continue
        length = octets[place + 1] if place + 1 < len(octets) else 0
        if length < 2:
            break
        found.append((octets[place], length - 2))
        place += length
    return found
