"""What a live capture says of itself: counters, the line at the bottom of the screen, the tables, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sniffkit.analysis.tcp.open_connections import STAGES
from sniffkit.explanations.lesson import Table
from sniffkit.explanations.plain import escaped

if TYPE_CHECKING:
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.sources.interfaces import NetworkInterface


_MORE = "…"
_SHORT_FROM = 10_000


@dataclass(frozen=True, slots=True)
class Progress:
    """The figures of a capture at one moment.

    dropped: None where nobody counts drops; waiting: captured but not told yet; stages: connections by stage
    lost:    by the interface, before any program could see them
    """

    seconds: float
    packets: int
    rate: float
    received: int
    dropped: int | None
    waiting: int
    stages: Mapping[str, int]
    lost: int = 0


def status_parts(progress: Progress, catalogue: Catalogue) -> list[tuple[str, ...]]:
    """Return the parts of the line at the bottom, the most important first, each in forms from long to short."""
    whole, short = (_status(progress, catalogue, count) for count in (_whole, _short))
    stages, fewer = whole.pop(), short.pop()
    left_out = [(*fewer[:most], _MORE) for most in range(len(fewer) - 1, 0, -1)]
    forms = tuple(" ".join(each) for each in (stages, fewer, *left_out))
    return [*((one[0], other[0]) for one, other in zip(whole, short, strict=True)), forms]


def _status(progress: Progress, catalogue: Catalogue, count: Callable[[float], str]) -> list[tuple[str, ...]]:
    """Return the parts, all of one piece but the last: the connections in each stage."""
    say = catalogue.text
    minutes, seconds = divmod(int(progress.seconds), 60)
    hours, minutes = divmod(minutes, 60)
    texts = [
        f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes:02d}:{seconds:02d}",
        say("live.status.packets", packets=count(progress.packets)),
        say("live.status.rate", rate=count(progress.rate)),
        _dropped(progress.dropped, catalogue, count),
    ]
    if progress.waiting:
        texts.insert(3, say("live.status.waiting", packets=count(progress.waiting)))
    stages = [
        say(f"live.stage.{stage}.count", count=count(progress.stages[stage]))
        for stage in STAGES
        if stage != "closed" and progress.stages.get(stage)
    ]
    return [*((text,) for text in texts), tuple(stages) or (say("live.status.no-connections"),)]


def _dropped(dropped: int | None, catalogue: Catalogue, count: Callable[[float], str]) -> str:
    if dropped is None:
        return catalogue.text("live.status.dropped-unknown")
    return catalogue.text("live.status.dropped", packets=count(dropped))


def _whole(number: float) -> str:
    return f"{number:,.0f}"


def _short(number: float) -> str:
    """Write a number in five signs at most: 9,999, 12.3k, 123k, 1.23M."""
    if number < _SHORT_FROM:
        return _whole(number)
    for unit in "kMG":
        number /= 1000
        if number < 999.5 or unit == "G":
            break
    return f"{number:.{2 if number < 9.995 else 1 if number < 99.95 else 0}f}{unit}"


def counters_text(progress: Progress, catalogue: Catalogue) -> str:
    """Return the three counters that tcpdump ends with; on a line of its own what it does not know of."""
    values = {"captured": f"{progress.packets:,}", "received": f"{progress.received:,}"}
    if progress.dropped is None:
        return catalogue.text("live.counters-unknown", **values)
    counters = catalogue.text("live.counters", **values, dropped=f"{progress.dropped:,}")
    if not progress.lost:
        return counters
    return f"{counters}\n{catalogue.text('live.counters-lost', lost=f'{progress.lost:,}')}"


def counters_record(progress: Progress, octets: int, protocols: Mapping[str, int]) -> dict[str, object]:
    """Return the same for programs, with what was counted: octets on the wire, and packets by protocol."""
    return {
        "type": "counters",
        "seconds": round(progress.seconds, 3),
        "captured": progress.packets,
        "octets": octets,
        "received": progress.received,
        "dropped": progress.dropped,
        "lost": progress.lost,
        "protocols": dict(protocols),
    }


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
    return Table("", headings, tuple(rows), frozenset({0, 3}), hanging=True)


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
