"""Sample captures with random damages, told by different routes: nothing breaks off, and all routes tell the same.

A few of them here; ``SNIFFKIT_DAMAGED=5000 pytest tests/commands/test_damaged_captures.py -n 2`` takes some thousands,
each number being one damage, so that what was found once can be found again.
"""

from __future__ import annotations

import json
import os
import random
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sniffkit import sources
from tests.commands.conftest import Run
from tests.mutations import damage

CAPTURES = sorted((Path(__file__).parents[2] / "captures").glob("*.pcap*"))
SEEDS = range(int(os.environ.get("SNIFFKIT_DAMAGED", "6")))
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Signs that would do something to a terminal: none comes from a packet unescaped."""

ROUTES = (
    ["explain"], ["explain", "--lang", "zh"], ["explain", "--fields"], ["explain", "-q"], ["explain", "--json"],
    ["flows"], ["flows", "-v", "--lang", "zh"], ["flows", "--findings"], ["flows", "--csv"],
    ["flows", "--json"], ["dns"], ["dns", "--json"], ["arp"], ["arp", "--json"],
    ["fields", "-e", "frame.number", "-e", "tcp.stream", "-e", "udp.stream", "-e", "tcp.analysis.bytes_in_flight"],
)  # fmt: skip

IN_BATCHES = ("explain", "flows", "dns", "arp", "fields")

Sniffkit = Callable[..., Run]


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)
        yield


def in_small_batches(sniffkit: Sniffkit, monkeypatch: pytest.MonkeyPatch, octets: int, *arguments: object) -> Run:
    with monkeypatch.context() as patched:
        for function in (sources.open_capture, sources.open_captures):
            patched.setitem(function.__kwdefaults__, "batch_octets", octets)
        return sniffkit(*arguments)


@pytest.mark.parametrize("seed", SEEDS)
def test_all_routes_tell_the_same(
    seed: int, tmp_path: Path, sniffkit: Sniffkit, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    damage(chance.choice(CAPTURES), path := tmp_path / "damaged", chance)
    small = chance.choice((100, 300, 1000, 5000))
    told: dict[str, Run] = {}
    for route in ROUTES:
        name = " ".join(route)
        run = told[name] = sniffkit(*route, path)
        assert run.code in (0, 1, 3), name
        assert "Traceback" not in run.err
        for text in (run.out, run.err):
            assert not CONTROL.search(text), name
        if len(route) < 4 and route[0] in IN_BATCHES:
            other = in_small_batches(sniffkit, monkeypatch, small, *route, path)
            assert (other.code, other.out) == (run.code, run.out), name
    if told["explain --json"].code != 3:
        same_numbers(*(told[" ".join(route)].out for route in (ROUTES[4], ROUTES[9], ROUTES[-1])))


def same_numbers(explain: str, flows: str, fields: str) -> None:
    """Stream numbers, packets and marks of a conversation are those of its packets."""
    packets: list[dict[str, Any]] = [json.loads(line) for line in explain.splitlines()]
    rows = [line.split("\t") for line in fields.splitlines()]
    streams = [[str("" if packet[f"{name}_stream"] is None else packet[f"{name}_stream"]) for packet in packets]
               for name in ("tcp", "udp")]  # fmt: skip
    assert [row[1] for row in rows] == streams[0]
    assert [row[2] for row in rows] == streams[1]
    mine = [packet for packet in packets if packet.get("tcp")]
    count = Counter(packet["tcp_stream"] for packet in mine)
    again = Counter(packet["tcp_stream"] for packet in mine if "retransmission" in packet["tcp"]["marks"])
    conversations = [flow for flow in map(json.loads, flows.splitlines()) if flow["protocol"] == "tcp"]
    parts = Counter(flow["stream"] for flow in conversations)
    sums: Counter[int] = Counter()
    for flow in conversations:
        for end in (flow["client"], flow["server"]):
            sums[flow["stream"]] += end["packets"]
            if parts[flow["stream"]] == 1:  # a part begun after a silence is judged anew
                again[flow["stream"]] -= end["retransmissions"]
    assert sums == count
    assert not any(again[stream] for stream, number in parts.items() if number == 1)
