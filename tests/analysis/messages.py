"""Hand-built packets for tests of who answers whom: frames with Scapy, a clock that goes on by a millisecond."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sniffkit.analysis.facts import Fact
from sniffkit.protocols.columns import Columns
from sniffkit.sources import open_capture
from sniffkit.sources.batch import Batch

MILLISECOND = 1_000_000
START_NS = 1_700_000_000 * 10**9


def batches(packets: Sequence[bytes | tuple[float, bytes]], size: int | None = None) -> list[Batch]:
    """Return Ethernet packets as batches of ``size``; each may have its time in seconds, else one a millisecond."""
    import numpy as np

    from sniffkit.sources.batch import GUARD

    made = []
    timed = [
        (
            START_NS + (round(p[0] * 1e9) if isinstance(p, tuple) else at * MILLISECOND),
            p[1] if isinstance(p, tuple) else p,
        )
        for at, p in enumerate(packets)
    ]
    size = size or max(len(timed), 1)
    for begin in range(0, len(timed), size):
        part = timed[begin : begin + size]
        lengths = np.array([len(octets) for _, octets in part], np.int64)
        made.append(
            Batch(
                octets=np.frombuffer(b"".join(octets for _, octets in part) + bytes(GUARD), np.uint8),
                offset=np.cumsum(lengths) - lengths,
                captured=lengths,
                length=lengths,
                time_ns=np.array([time for time, _ in part], np.int64),
                link_type=np.ones(len(part), np.int32),
                interface=np.zeros(len(part), np.int32),
                first=begin + 1,
            )
        )
    return made


def told(
    analyser: Any, packets: Sequence[bytes | tuple[float, bytes]], size: int | None = None
) -> dict[int, list[Fact]]:
    """Feed packets to an analyser; return the facts by packet number."""
    facts: dict[int, list[Fact]] = {}
    for batch in batches(packets, size):
        for row, some in analyser.feed(Columns(batch)).items():
            facts[row + batch.first] = some
    return facts


def told_of_file(analyser: Any, path: str) -> dict[int, list[Fact]]:
    """Feed a capture file to an analyser; return the facts by packet number."""
    facts: dict[int, list[Fact]] = {}
    with open_capture(path) as source:
        for batch in source:
            for row, some in analyser.feed(Columns(batch)).items():
                facts[row + batch.first] = some
    return facts


def ids(facts: dict[int, list[Fact]], number: int) -> list[str]:
    """Return the ids told of a packet."""
    return [fact.id for fact in facts.get(number, [])]


def one(facts: dict[int, list[Fact]], number: int, id: str) -> dict[str, object]:
    """Return the values of the only fact of that id about a packet."""
    (found,) = [fact for fact in facts.get(number, []) if fact.id == id]
    return found.values


def sentences(facts: dict[int, list[Fact]]) -> None:
    """Say every fact in both languages: a missing text or value is an error; links point backwards."""
    from sniffkit.explanations.catalogue import Catalogue

    for number, some in facts.items():
        for fact in some:
            for language in ("en", "zh"):
                text = Catalogue(language).text(fact.id, **fact.values)  # type: ignore[arg-type]
                assert "{" not in text
                assert "None" not in text
            for name in ("number", "first"):
                assert fact.values.get(name, 0) < number, fact  # type: ignore[operator]


def scapy_octets(packet: Any) -> bytes:
    """Return a Scapy packet as octets."""
    return bytes(packet)


def arp_values(path: str) -> dict[int, tuple[str, ...]]:
    """Return operation and the four addresses of the first ARP message of each packet, as tshark prints them."""
    from sniffkit.analysis.addresses import ipv4_text, mac_text

    found: dict[int, tuple[str, ...]] = {}
    with open_capture(path) as source:
        for batch in source:
            columns = Columns(batch)
            cells = zip(
                columns.rows("arp").row.tolist(),
                columns["arp.opcode"].tolist(),
                map(mac_text, columns["arp.src.hw_mac"].tolist()),
                map(ipv4_text, columns["arp.src.proto_ipv4"].tolist()),
                map(mac_text, columns["arp.dst.hw_mac"].tolist()),
                map(ipv4_text, columns["arp.dst.proto_ipv4"].tolist()),
                strict=True,
            )
            for row, opcode, *addresses in cells:
                found.setdefault(row + batch.first, (str(opcode), *addresses))
    return found
