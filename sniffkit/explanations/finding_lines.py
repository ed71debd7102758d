"""Findings in words: where, what, in which packets, the RFC, and the filter that shows the same in Wireshark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sniffkit.explanations.flow_lines import end_text

if TYPE_CHECKING:
    from sniffkit.analysis.flows.findings import Finding
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
    flow = finding.flow
    where = ""
    if flow is not None:
        where = f"{flow.protocol} {flow.stream}  {end_text(flow.client)} → {end_text(flow.server)}"
    rfc = catalogue.text(finding.fact.id, "rfc")
    see = rfc
    if finding.packets:
        more = "flows.found-packets-more" if finding.count > len(finding.packets) else "flows.found-packets"
        see = f"{catalogue.text(more, packets=tuple(finding.packets))} · {rfc}"
    return FindingLine(where, catalogue.text(finding.fact.id, "text", **finding.fact.values), see, finding.filter)


def finding_record(finding: Finding, catalogue: Catalogue) -> dict[str, Any]:
    """Return a finding as one JSON object."""
    flow = finding.flow
    return {
        "id": finding.fact.id,
        "protocol": flow.protocol if flow else None,
        "stream": flow.stream if flow else None,
        "count": finding.count,
        "packets": list(finding.packets),
        "text": catalogue.text(finding.fact.id, "text", **finding.fact.values),
        "rfc": catalogue.text(finding.fact.id, "rfc"),
        "filter": finding.filter,
    }
