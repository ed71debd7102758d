"""Findings in words: where, what, in which packets, the RFC, and the filter that shows the same in Wireshark."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sniffkit.explanations.flow_lines import end_text

if TYPE_CHECKING:
    from sniffkit.analysis.flows.finding_groups import Finding
    from sniffkit.explanations.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class FindingLine:
    """A finding: the conversation, the sentence, packets and RFC, the filter."""

    where: str
    text: str
    see: str
    filter: str


def finding_line(finding: Finding, catalogue: Catalogue) -> FindingLine:
    """Return a finding in words."""
    rfc = _cited(catalogue.text(finding.fact.id, "rfc"), catalogue)
    see = rfc
    if finding.packets:
        more = "flows.found-packet" if len(finding.packets) == 1 else "flows.found-packets"
        if finding.count > len(finding.packets):
            more = "flows.found-packets-more"
        see = f"{catalogue.text(more, packets=tuple(finding.packets))} · {rfc}"
    return FindingLine(_where(finding, catalogue), _sentence(finding, catalogue), see, finding.filter)


def _where(finding: Finding, catalogue: Catalogue) -> str:
    flow = finding.flow
    if flow is None:
        return " → ".join(finding.where) or catalogue.text("flows.found-everywhere")
    if finding.conversations == 1:
        return f"{flow.protocol} {flow.stream}  {end_text(flow.client)} → {end_text(flow.server)}"
    if not (finding.at_server or finding.elsewhere):
        return catalogue.text("flows.found-everywhere")
    streams: tuple[object, ...] = finding.streams
    if len(streams) < finding.conversations:
        streams = (*streams, "…")
    return catalogue.text(
        "flows.found-elsewhere" if finding.elsewhere else "flows.found-several",
        protocol=flow.protocol, server=end_text(flow.server), count=finding.conversations, streams=streams,
    )  # fmt: skip


def _sentence(finding: Finding, catalogue: Catalogue) -> str:
    several = finding.flow is not None and finding.conversations > 1 and catalogue.find(finding.fact.id, "several")
    return catalogue.text(finding.fact.id, "several" if several else "text", **finding.fact.values)


def _cited(rfcs: str, catalogue: Catalogue) -> str:
    """Return ``RFC 5681 section 3, RFC 6298`` as a reader of this language cites it."""
    cited = (
        re.sub(r"section ([\d.]+)", lambda found: catalogue.text("flows.found-section", section=found[1]), rfc)
        for rfc in rfcs.split(", ")
    )
    return catalogue.listed(tuple(cited))


def finding_record(finding: Finding, catalogue: Catalogue) -> dict[str, Any]:
    """Return a finding as one JSON object."""
    flow = finding.flow
    return {
        "id": finding.fact.id,
        "protocol": flow.protocol if flow else None,
        "stream": flow.stream if flow else None,
        "conversations": finding.conversations,
        "count": finding.count,
        "packets": list(finding.packets),
        "text": _sentence(finding, catalogue),
        "rfc": catalogue.text(finding.fact.id, "rfc"),
        "filter": finding.filter,
    }
