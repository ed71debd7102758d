"""What stands at the end of a capture: how much it was, the conversations with their ends, and what it cannot show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.explanations.lesson import Note, Summary, Table
from sniffkit.explanations.outcome_words import closed_words, opened_words
from sniffkit.explanations.plain import escaped
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.capture import CaptureAnalysis
    from sniffkit.explanations.catalogue import Catalogue

SHOWN = 12
"""How many conversations the summary lists; the others are counted."""

ENOUGH_WRONG = 3
"""Wrong checksums that make offload certain where a sender has no right ones."""


def summarise(
    analysis: CaptureAnalysis,
    protocols: Counter[str],
    catalogue: Catalogue,
    comments: tuple[str, ...] = (),
    names: Mapping[str, str] = MappingProxyType({}),
    live: bool = False,
) -> Summary:
    """Return the summary of everything that was fed to ``analysis``.

    protocols: packets by protocol; comments: what people wrote about the whole capture; names: those of addresses that
    the capture brings along; live: there is no file that other commands could read
    """
    say = catalogue.text
    earliest = min(analysis.first_ns, analysis.frames.earliest_ns or analysis.first_ns)
    lasted = analysis.last_ns - earliest if analysis.first_ns != NO_TIME else 0
    heading = say("summary.heading", packets=analysis.packets, lasted_ns=lasted)
    if analysis.packets <= 1:
        heading = say("summary.heading-one" if analysis.packets else "summary.heading-none")
    comma = say("words.comma")
    paragraphs = []
    if protocols:
        told = comma.join(f"{name} {count}" for name, count in protocols.most_common(8))
        paragraphs.append(say("summary.protocols", protocols=told))
    found = (_conversations(analysis, catalogue, live), _datagrams(analysis, catalogue, live))
    tables = [table for table in found if table is not None]
    paragraphs += [say("summary.comment", comment=escaped(comment)) for comment in comments[:SHOWN]]
    if names:
        told = comma.join(f"{escaped(address)} = {escaped(name)}" for address, name in list(names.items())[:SHOWN])
        paragraphs.append(say("summary.names", names=told))
    return Summary(heading, tuple(paragraphs), tuple(tables), tuple(_limits(analysis, catalogue)))


def _conversations(analysis: CaptureAnalysis, catalogue: Catalogue, live: bool) -> Table | None:
    totals, streams = analysis.tcp_totals, analysis.streams
    if not totals.count:
        return None
    say = catalogue.text
    every = totals.largest(SHOWN)
    one, one_port, other, other_port = streams.ends(every)
    rows = []
    numbers = totals.numbers(every).tolist()
    standings = analysis.conversations.standings(every.tolist())
    for place, (stream, standing) in enumerate(zip(every.tolist(), standings, strict=True)):
        ends = [_end(one[place], int(one_port[place])), _end(other[place], int(other_port[place]))]
        client = standing.client if standing is not None else 0
        packets = totals.packets[stream]
        octets = totals.octets[stream]
        if standing is None:
            opened, closed, states = "?", "?", ""
        else:
            outcome = standing.outcome
            opened = opened_words(outcome.opened, standing.completed, catalogue)
            closed = closed_words(outcome.opened, outcome.closed, outcome.closed_by, catalogue)
            states = " / ".join(standing.states[side].label for side in (client, 1 - client))
        rows.append(
            (
                str(numbers[place]),
                f"{ends[client]} → {ends[1 - client]}",
                f"{packets[client]}/{packets[1 - client]}",
                f"{octets[client]}/{octets[1 - client]}",
                opened,
                closed,
                states,
            )
        )
    headings = tuple(
        say(f"summary.{name}") for name in ("stream", "ends", "packets", "octets", "opened", "closed", "states")
    )
    count = totals.count + totals.forgotten
    note = say("summary.rest" if live else "summary.more", count=count - len(rows)) if count > len(rows) else ""
    title = say("summary.conversations-live" if live else "summary.conversations", count=count)
    return Table(title, headings, tuple(rows), frozenset({0, 2, 3}), note)


def _datagrams(analysis: CaptureAnalysis, catalogue: Catalogue, live: bool) -> Table | None:
    totals, pairs = analysis.udp_totals, analysis.datagrams.pairs
    if not totals.count:
        return None
    say = catalogue.text
    rows = []
    every = totals.largest(SHOWN)
    for number, stream in zip(totals.numbers(every).tolist(), every.tolist(), strict=True):
        one = _end(pairs.first[stream], int(pairs.first_port[stream]))
        other = _end(pairs.second[stream], int(pairs.second_port[stream]))
        packets, octets = totals.packets[stream], totals.octets[stream]
        rows.append((str(number), f"{one} → {other}", f"{packets[0]}/{packets[1]}", f"{octets[0]}/{octets[1]}"))
    headings = (say("summary.stream"), say("summary.udp-ends"), say("summary.packets"), say("summary.octets"))
    count = totals.count + totals.forgotten
    note = say("summary.rest" if live else "summary.more", count=count - len(rows)) if count > len(rows) else ""
    return Table(say("summary.datagrams", count=count), headings, tuple(rows), frozenset({0, 2, 3}), note)


def _end(address: NDArray[np.uint64], port: int) -> str:
    text = _address(int(address[0]), int(address[1]))
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"


def _address(high: int, low: int) -> str:
    """Write an address given as the two halves of IPv6, IPv4 mapped into it."""
    import socket

    if high == 0 and low >> 32 == 0xFFFF:
        return socket.inet_ntoa((low & 0xFFFFFFFF).to_bytes(4, "big"))
    return socket.inet_ntop(socket.AF_INET6, (high << 64 | low).to_bytes(16, "big"))


def _limits(analysis: CaptureAnalysis, catalogue: Catalogue) -> list[Note]:
    """Return what this capture cannot show."""
    found: list[tuple[str, int]] = []
    standings = analysis.conversations.count().items()
    found.append(("summary.limit.midstream", sum(count for each, count in standings if each.begun_before)))
    found.append(("summary.limit.one-direction", sum(count for each, count in standings if each.one_way)))
    found.append(("summary.limit.cut", analysis.cut))
    found.append(("summary.limit.backwards", analysis.frames.backwards))
    found.append(("summary.limit.let-go", analysis.conversations.let_go))
    notes = [Note(id, "note", catalogue.text(id, count=count)) for id, count in found if count]
    for (high, low), count in analysis.checksums.offloading():
        id = "summary.limit.offload" if count >= ENOUGH_WRONG else "summary.limit.offload-perhaps"
        notes.append(Note(id, "note", catalogue.text(id, address=_address(high, low), count=count)))
    return notes
