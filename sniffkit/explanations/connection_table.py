"""The TCP connections there are at this moment, grouped by stage, each cell in forms for wide and narrow screens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sniffkit.analysis.tcp.open_connections import STAGES, TIME_WAIT_NS
from sniffkit.explanations.live_view import size

if TYPE_CHECKING:
    from sniffkit.analysis.tcp.open_connections import OpenConnection, Stage
    from sniffkit.explanations.catalogue import Catalogue

Forms = tuple[str, ...]
"""One cell said in several ways, the longest first."""

LEFT_OUT = -1

NUMBER, ENDS, STATES, RATE, RTT, OCTETS, PACKETS, AGE = range(8)

NARROWING = (
    (AGE, LEFT_OUT),
    (PACKETS, LEFT_OUT),
    (STATES, 1),
    (OCTETS, LEFT_OUT),
    (STATES, 2),
    (NUMBER, 1),
    (ENDS, 1),
    (ENDS, 2),
    (ENDS, 3),
    (RTT, LEFT_OUT),
    (RATE, LEFT_OUT),
    (NUMBER, LEFT_OUT),
)
"""What a narrow screen does without, first to last: a column, or (by the number of the form) its longer words. Ends and
states always stay; at 80 cells rate and RTT do, too."""

LEAST = {NUMBER: "999", RATE: "999 kB/s", RTT: "99.9 ms", OCTETS: "999 kB", PACKETS: "999/999", AGE: "599 s"}
"""Texts that a column has room for from the first moment on, so that the others stay where they are when one comes."""

USUAL = (("ESTABLISHED", "ESTABLISHED"), ("FIN-WAIT-2", "CLOSE-WAIT"))
"""States that are as long as any that are seen often: the column has room for them from the first moment on."""

SHORT_STATES = {"ESTABLISHED": "ESTAB", "SYN-RECEIVED": "SYN-RECV"}
"""States as ``ss`` prints them; it writes the others as RFC 9293 does."""

MOVING = ("open", "opening", "closing")
"""Stages in which octets may still come."""

SECOND = 1_000_000_000

LONG = 600
"""Seconds from which on an age is told in minutes."""

MIDDLE_FROM = 16
"""An IPv6 address of so many signs is too long for a narrow screen."""

TAIL_FROM = 3
"""With more groups than this (``::1`` has three) its last one stands for it where room is scarcer still."""


@dataclass(frozen=True, slots=True)
class Group:
    """The connections of one stage under a heading of their own; each row has the forms of each cell."""

    stage: Stage
    heading: str
    rows: tuple[tuple[Forms, ...], ...]


@dataclass(frozen=True, slots=True)
class ConnectionTable:
    """Groups under common headings.

    headings:  in forms, like cells
    least:     texts that a column has room for though none of its cells says them, in forms
    right:     columns flush right
    narrowing: see NARROWING
    stretched: columns whose cells may each be longer than the form of their column, where there is room
    """

    headings: tuple[Forms, ...]
    groups: tuple[Group, ...]
    least: Mapping[int, tuple[Forms, ...]]
    right: frozenset[int]
    narrowing: tuple[tuple[int, int], ...]
    stretched: frozenset[int]


def connection_table(
    connections: Sequence[OpenConnection], stages: Mapping[Stage, int], catalogue: Catalogue
) -> ConnectionTable:
    """Return the connections with both ends' states, open ones first; ``stages``: how many there are in each stage."""
    say = catalogue.text
    groups = []
    for stage in STAGES:
        rows = [_row(each, catalogue) for each in sorted(connections, key=_number) if each.stage == stage]
        if rows:
            count = max(stages.get(stage, 0), len(rows))
            heading = say(f"live.stage.{stage}.count", count=f"{count:,}")
            if stage == "time-wait":
                heading = say("live.group-time-wait", group=heading, seconds=TIME_WAIT_NS // SECOND)
            if count > len(rows):
                heading = say("live.group-part", group=heading, shown=len(rows))
            groups.append(Group(stage, heading, tuple(rows)))
    headings: tuple[Forms, ...] = (
        (say("summary.stream"), say("live.column.stream-short")),
        (say("summary.ends"),),
        (say("live.column.states"),),
        (say("live.column.rate"),),
        (say("live.column.rtt"),),
        (say("live.column.octets"),),
        (say("summary.packets"),),
        (say("live.column.age"),),
    )
    least: dict[int, tuple[Forms, ...]] = {place: ((text,),) for place, text in LEAST.items()}
    least[STATES] = tuple(_states(states, catalogue) for states in USUAL)
    right = frozenset({NUMBER, RATE, RTT, OCTETS, PACKETS, AGE})
    return ConnectionTable(headings, tuple(groups), least, right, NARROWING, frozenset({ENDS}))


def _number(connection: OpenConnection) -> int:
    return connection.stream


def _row(each: OpenConnection, catalogue: Catalogue) -> tuple[Forms, ...]:
    return (
        (str(each.stream),),
        _ends(each),
        _states(each.states, catalogue, _left(each)),
        (f"{size(each.rate)}/s" if each.rate >= 1 and each.stage in MOVING else "",),
        (catalogue.text("live.duration", time_ns=each.rtt_ns) if each.rtt_ns else "",),
        (size(each.octets[0] + each.octets[1]),),
        (f"{each.packets[0]}/{each.packets[1]}",),
        (_age(each, catalogue),),
    )


def _age(each: OpenConnection, catalogue: Catalogue) -> str:
    seconds = each.age_ns // SECOND
    return f"{seconds} s" if seconds < LONG else catalogue.text("live.duration", time_ns=each.age_ns)


def _left(each: OpenConnection) -> str:
    """Return how long Linux still keeps a connection in TIME-WAIT, "" for one that is not there."""
    seconds = -(-(TIME_WAIT_NS - each.silent_ns) // SECOND)
    return f" {max(seconds, 0)} s" if each.stage == "time-wait" else ""


def _states(states: tuple[str, str], catalogue: Catalogue, left: str = "") -> Forms:
    forms = (
        [_named(state, catalogue) for state in states],
        list(states),
        [SHORT_STATES.get(state, state) for state in states],
    )
    if left:
        last = 1 if states[1] == "TIME-WAIT" else 0  # both ends may be there
        for form in forms:
            form[last] += left
    named, whole, short = forms
    return " / ".join(named), " / ".join(whole), "/".join(short)


def _named(state: str, catalogue: Catalogue) -> str:
    name = catalogue.text(f"state.{state}", "name")
    return state if catalogue.language == "en" or name == state else f"{state} {name}"


def _ends(each: OpenConnection) -> Forms:
    """Return both ends: whole, then the client's address shortened, then both, then both as short as can be."""
    (whole, middle, tail), (of_server, middle_of_server, tail_of_server) = _end(each.client), _end(each.server)
    pairs = ((whole, of_server), (middle, of_server), (middle, middle_of_server), (tail, tail_of_server))
    return tuple(f"{client} → {server}" for client, server in pairs)


def _end(end: tuple[str, int]) -> tuple[str, str, str]:
    """Return an end whole, short, and shorter: what tells hosts of one network apart stands at an address's end."""
    address, port = end
    if ":" not in address:
        short = f"…{'.'.join(address.split('.')[2:])}:{port}"
        return f"{address}:{port}", short, short
    groups = address.split(":")
    middle = f"{groups[0]}:{groups[1]}…{groups[-1]}" if len(address) >= MIDDLE_FROM else address
    tail = f"…{groups[-1]}" if len(groups) > TAIL_FROM else address
    return f"[{address}]:{port}", f"[{middle}]:{port}", f"[{tail}]:{port}"
