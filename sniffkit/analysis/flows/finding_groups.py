"""The same finding in many conversations of one server is one finding: what a person reads stays short."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sniffkit.analysis.facts import Fact
from sniffkit.analysis.flows.event_packets import SHOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffkit.analysis.flows.records import Flow

ALONE = 3
"""So many conversations of one server with the same finding are told one by one, more of them as one."""

MOST_GROUPS = 20_000
"""Servers that findings are told of by kind; what is found at others after that is told without naming them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth looking at.

    fact:    id and values of its sentence; count: how many packets show it
    packets: some of them, as a rule the first
    shows:   the display filter that picks them out of the conversation; "" picks all of it, None those very packets
    flow:    the conversation, or the first of several; None where the finding is of no single one
    streams: the first conversations; conversations: how many there are
    where:   addresses of whom it concerns, where there is no ``flow``
    at_server: it is of several conversations, all with the server of ``flow``
    elsewhere: it is what is left of its kind where the servers that have the most of it are told alone
    """

    fact: Fact
    count: int
    packets: tuple[int, ...]
    shows: str | None
    flow: Flow | None = None
    streams: tuple[int, ...] = ()
    conversations: int = 1
    where: tuple[str, ...] = ()
    at_server: bool = False
    elsewhere: bool = False

    @property
    def filter(self) -> str:
        """The display filter that shows the packets, and maybe others like them."""
        if self.shows is None:
            return f"frame.number in {{{', '.join(map(str, self.packets))}}}"
        place = ""
        flow = self.flow
        if flow is not None and self.at_server:
            place = f"{'ipv6' if ':' in flow.server.address else 'ip'}.addr == {flow.server.address}"
            if flow.server.port is not None:
                place += f" && {flow.protocol}.port == {flow.server.port}"
        elif flow is not None and self.conversations > 1:
            place = flow.protocol if len(self.streams) < self.conversations else ""
            place = place or f"{flow.protocol}.stream in {{{', '.join(map(str, self.streams))}}}"
        elif flow is not None and flow.protocol != "icmp":
            place = f"{flow.protocol}.stream == {flow.stream}"
        return " && ".join(part for part in (place, self.shows) if part)


@dataclass(slots=True)
class FindingGroups:
    """Takes the findings of single conversations and hands out what is left of them.

    whole: ids of what is told once for the capture, whoever it concerns
    """

    whole: frozenset[str]
    _alone: dict[tuple[Any, ...], list[Finding]] = field(default_factory=dict)
    _several: dict[tuple[Any, ...], Finding] = field(default_factory=dict)

    def add(self, finding: Finding) -> None:
        """Take a finding of one conversation."""
        flow = finding.flow
        assert flow is not None
        key: tuple[Any, ...] = (finding.fact.id, flow.protocol)
        at_server = finding.fact.id not in self.whole
        if at_server:
            end = finding.fact.values.get("end")
            closer = (*key, flow.server.address, flow.server.port, end if end in ("client", "server") else None)
            known = len(self._alone) + len(self._several)
            at_server = closer in self._alone or closer in self._several or known < MOST_GROUPS
            key = closer if at_server else key
        if key in self._several:
            self._several[key] = together([self._several[key], finding], at_server)
            return
        alone = self._alone.setdefault(key, [])
        alone.append(finding)
        if len(alone) > ALONE:
            self._several[key] = together(self._alone.pop(key), at_server)

    def __iter__(self) -> Iterator[Finding]:
        yield from self._several.values()
        for findings in self._alone.values():
            yield from findings


def together(findings: list[Finding], at_server: bool) -> Finding:
    """Return findings of one kind as one: counts add up, of times that are known the longest stays."""
    first = findings[0]
    values: dict[str, Any] = dict(first.fact.values)
    values.pop("conversations", None)
    for name in values:
        every: list[Any] = [finding.fact.values[name] for finding in findings]
        if name == "count":
            values[name] = sum(every)
        elif name.endswith("_ns"):
            values[name] = max((time for time in every if time is not None), default=None)  # None: without a time stamp
        elif name == "end" and len(set(every)) > 1:
            values[name] = "both-ends"
        elif name == "port" and len(different := sorted({number for one in every for number in _each(one)})) > 1:
            values[name] = tuple(different[:SHOWN]) + (("…",) if len(different) > SHOWN else ())
    values["conversations"] = conversations = sum(finding.conversations for finding in findings)
    shows = first.shows
    if first.flow is not None and first.flow.protocol == "icmp":  # each has an identifier of its own
        shows = "icmpv6.type == 128" if ":" in first.flow.server.address else "icmp.type == 8"
    streams = tuple(stream for finding in findings for stream in finding.streams or _own(finding))
    return replace(
        first,
        fact=replace(first.fact, values=values),
        count=sum(finding.count for finding in findings),
        packets=tuple(sorted({number for finding in findings for number in finding.packets})[:SHOWN]),
        shows=shows,
        streams=streams[:SHOWN],
        conversations=conversations,
        at_server=at_server,
    )


def in_brief(findings: list[Finding]) -> list[Finding]:
    """Return findings, the gravest first, with at most ALONE of each kind told alone and the others as one.

    So no kind crowds out the others; floods and scans, which stand for many already, all stay.
    """
    kinds: dict[tuple[Any, ...], list[Finding]] = {}
    for finding in findings:
        end = finding.fact.values.get("end")
        kind = (finding.fact.id, finding.flow.protocol if finding.flow else id(finding))
        kinds.setdefault((*kind, end if end in ("client", "server") else None), []).append(finding)
    found: list[Finding] = []
    for several in kinds.values():
        rest = several[ALONE:]
        found += several[:ALONE]
        found += rest if len(rest) < 2 else [replace(together(rest, at_server=False), elsewhere=True)]
    return found


def _each(port: Any) -> tuple[int, ...]:
    return tuple(one for one in port if one != "…") if isinstance(port, tuple) else (port,)


def _own(finding: Finding) -> tuple[int, ...]:
    return (finding.flow.stream,) if finding.flow is not None else ()
