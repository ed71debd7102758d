"""What a live capture says of itself: counters, the line at the bottom of the screen, the tables, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sniffkit.analysis.tcp.open_connections import STAGES
from sniffkit.explanations.lesson import Table
from sniffkit.explanations.plain import escaped

if TYPE_CHECKING:
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.sources.interfaces import NetworkInterface


@dataclass(frozen=True, slots=True)
class Progress:
    """The figures of a capture at one moment.

    dropped: None where nobody counts drops; waiting: captured but not told yet; stages: connections by stage
    """

    seconds: float
    packets: int
    rate: float
    received: int
    dropped: int | None
    waiting: int
    stages: Mapping[str, int]


def status_parts(progress: Progress, catalogue: Catalogue) -> list[str]:
    """Return the parts of the line at the bottom, the most important first."""
    say = catalogue.text
    minutes, seconds = divmod(int(progress.seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [
        f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes:02d}:{seconds:02d}",
        say("live.status.packets", packets=f"{progress.packets:,}"),
        say("live.status.rate", rate=f"{progress.rate:,.0f}"),
        dropped_text(progress.dropped, catalogue),
    ]
    stages = [
        say(f"live.stage.{stage}.count", count=progress.stages[stage])
        for stage in STAGES
        if stage != "closed" and progress.stages.get(stage)
    ]
    parts.append(" ".join(stages) if stages else say("live.status.no-connections"))
    if progress.waiting:
        parts.insert(3, say("live.status.waiting", packets=f"{progress.waiting:,}"))
    return parts


def dropped_text(dropped: int | None, catalogue: Catalogue) -> str:
    """Return how many packets were dropped, in words."""
    if dropped is None:
        return catalogue.text("live.status.dropped-unknown")
    return catalogue.text("live.status.dropped", packets=f"{dropped:,}")


def counters_text(progress: Progress, catalogue: Catalogue) -> str:
    """Return the three counters that tcpdump ends with."""
    values = {"captured": f"{progress.packets:,}", "received": f"{progress.received:,}"}
    if progress.dropped is None:
        return catalogue.text("live.counters-unknown", **values)
    return catalogue.text("live.counters", **values, dropped=f"{progress.dropped:,}")


def interface_table(interfaces: Iterable[NetworkInterface], catalogue: Catalogue) -> Table:
    """Return the list of interfaces, one row an address where one has several."""
    say = catalogue.text
    rows = []
    for each in interfaces:
        state = "running" if each.running else "no-carrier" if each.up else "down"
        addresses = [*each.addresses, *([each.mac] if each.mac else [])] or [""]
        mtu = f"{each.mtu:,}" if each.mtu else ""
        shown = "" if each.what == "any" else say(f"live.state.{state}")
        what = say(f"live.what.{each.what}")
        rows.append((str(each.number), escaped(each.name), shown, mtu, what, addresses[0]))
        rows += [("", "", "", "", "", address) for address in addresses[1:]]
    headings = tuple(
        say(key)
        for key in (
            "live.column.number",
            "live.column.name",
            "live.column.state",
            "live.column.mtu",
            "live.column.what",
            "live.column.addresses",
        )
    )
    return Table("", headings, tuple(rows), frozenset({0, 3}))


def interface_record(interface: NetworkInterface) -> dict[str, object]:
    """Return one interface for programs."""
    return {
        "number": interface.number,
        "name": interface.name,
        "index": interface.index,
        "kind": interface.what,
        "up": interface.up,
        "running": interface.running,
        "loopback": interface.loopback,
        "mtu": interface.mtu or None,
        "mac": interface.mac or None,
        "addresses": list(interface.addresses),
    }


def size(octets: float) -> str:
    """Write a number of octets with a unit: 512 B, 1.5 kB, 20 MB (powers of 1000)."""
    for unit in ("", "k", "M", "G"):
        if octets < 999.5 or unit == "G":
            break
        octets /= 1000
    return f"{octets:.{1 if unit and octets < 9.95 else 0}f} {unit}B"
