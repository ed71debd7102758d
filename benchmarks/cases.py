"""What is measured: a plain table of cases. To measure something more, add one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NINE_FIELDS = (
    "frame.number", "frame.time_epoch", "ip.src", "ip.dst", "tcp.srcport", "tcp.dstport", "tcp.seq",
    "tcp.flags", "tcp.len",
)  # fmt: skip


SIX_DNS_FIELDS = ("frame.number", "dns.id", "dns.flags.response", "dns.qry.name", "dns.a", "dns.time")


@dataclass(frozen=True)
class Run:
    """One program at work: who, the command line, and how many packets it reads.

    needs: the program or Python package that must be there, else the run is left out and told
    whole: packets the time is scaled to, where reading all of them would take minutes
    """

    who: str
    command: tuple[str, ...]
    packets: int
    needs: str = ""
    whole: int = 0


@dataclass(frozen=True)
class Goal:
    """What must be reached; the figures are the issue's, measured on one machine side by side.

    faster_than: the peer that sniffkit must be ``at_least`` times as fast as
    rate:        packets a second
    seconds, megabytes: limits of time and of memory
    """

    faster_than: str = ""
    at_least: float = 1.0
    rate: float = 0
    seconds: float = 0
    megabytes: float = 0


@dataclass(frozen=True)
class Case:
    """The same work done by sniffkit (first) and by its peers."""

    title: str
    runs: tuple[Run, ...]
    goals: tuple[Goal, ...]
    rounds: int = 3


def python(module: str, *arguments: object) -> tuple[str, ...]:
    """Return the command line of a module run by this Python."""
    return (sys.executable, "-m", module, *map(str, arguments))


def cases(capture: Path, packets: int, small: Path, questions: Path) -> Iterator[Case]:
    """Yield all cases, for a capture of so many packets, one of 16, and one that is half DNS."""
    file = str(capture)
    part = min(packets, 100_000)
    fields = tuple(argument for field in NINE_FIELDS for argument in ("-e", field))
    yield Case(
        "headers into columns (sniffkit: every field; the others: nine)",
        (
            Run("sniffkit", python("benchmarks.columns", file), packets),
            Run("tshark", ("tshark", "-n", "-r", file, "-T", "fields", *fields), packets, "tshark"),
            Run("dpkt", python("benchmarks.peers", "dpkt", file, part), part, "dpkt", packets),
            Run("scapy", python("benchmarks.peers", "scapy", file, part), part, "scapy", packets),
        ),
        (Goal(faster_than="tshark", at_least=8), Goal(megabytes=300)),
    )
    yield Case(
        "nine fields as text (fields)",
        (
            Run("sniffkit", python("sniffkit", "fields", file, *fields), packets),
            Run("tshark", ("tshark", "-n", "-r", file, "-T", "fields", *fields), packets, "tshark"),
        ),
        (Goal(faster_than="tshark", at_least=10), Goal(megabytes=300)),
    )
    opening = ("-Y", "tcp.flags.syn==1 && tcp.flags.ack==0", "-e", "frame.number")
    yield Case(
        "who opens connections (fields -Y)",
        (
            Run("sniffkit", python("sniffkit", "fields", file, *opening), packets),
            Run("tshark", ("tshark", "-n", "-r", file, "-T", "fields", *opening), packets, "tshark"),
        ),
        (Goal(faster_than="tshark", at_least=15), Goal(megabytes=300)),
    )
    yield Case(
        "one line a packet (explain -q)",
        (
            Run("sniffkit", python("sniffkit", "explain", "-q", file), packets),
            Run("tshark", ("tshark", "-n", "-r", file), packets, "tshark"),
            Run("tcpdump", ("tcpdump", "-n", "-r", file), packets, "tcpdump"),
        ),
        (Goal(faster_than="tshark", at_least=1), Goal(megabytes=300)),
    )
    yield Case(
        "all conversations (flows --json)",
        (
            Run("sniffkit", python("sniffkit", "flows", "--json", file), packets),
            Run("tshark", ("tshark", "-q", "-n", "-r", file, "-z", "conv,tcp"), packets, "tshark"),
            Run("tcptrace", ("tcptrace", "-n", file), packets, "tcptrace"),
        ),
        (Goal(faster_than="tshark", at_least=5), Goal(faster_than="tcptrace", at_least=0.5), Goal(megabytes=300)),
        rounds=5,
    )
    asked = ("-Y", "dns", "-T", "fields", *(argument for field in SIX_DNS_FIELDS for argument in ("-e", field)))
    yield Case(
        "who asked what, half of the packets DNS (sniffkit: pairs with all records; tshark: six fields)",
        (
            Run("sniffkit", python("sniffkit", "dns", "--json", questions), packets),
            Run("tshark", ("tshark", "-n", "-r", str(questions), *asked), packets, "tshark"),
        ),
        (Goal(faster_than="tshark", at_least=5), Goal(megabytes=300)),
    )
    many, some = min(packets, 200_000), min(packets, 20_000)
    yield Case(
        "everything explained (explain)",
        (Run("sniffkit", python("sniffkit", "explain", "-c", many, file), many),),
        (Goal(rate=30_000), Goal(megabytes=300)),
    )
    yield Case(
        "every field of every layer (explain --json)",
        (Run("sniffkit", python("sniffkit", "explain", "--json", "-c", some, file), some),),
        (Goal(rate=3_000), Goal(megabytes=300)),
    )
    yield Case("--help", (Run("sniffkit", python("sniffkit", "--help"), 0),), (Goal(seconds=0.3),), rounds=7)
    yield Case(
        "16 packets explained",
        (
            Run("sniffkit", python("sniffkit", "explain", small), 16),
            Run("tshark", ("tshark", "-n", "-r", str(small)), 16, "tshark"),
        ),
        (Goal(seconds=0.4),),
        rounds=7,
    )
