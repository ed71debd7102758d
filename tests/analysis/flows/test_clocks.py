"""Clocks that jump, that are centuries apart, or that are missing: sane figures, and the same wherever a batch ends."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from sniffkit.analysis.flows import silences, tcp
from sniffkit.analysis.flows.analysis import FlowAnalysis
from sniffkit.analysis.flows.records import Flow
from sniffkit.analysis.time_stamps import MOST_NS
from sniffkit.sources import open_capture
from sniffkit.sources.batch import NO_TIME, Batch
from tests.analysis.flows.test_batch_sizes import ALL, rows
from tests.analysis.frayed_segments import damaged
from tests.analysis.hostile_segments import write_pcap
from tests.analysis.messages import batches

SECOND, HOUR = 10**9, 3600 * 10**9
JUMPS = (61 * SECOND, -61 * SECOND, HOUR, -HOUR, 100 * HOUR, -100 * HOUR, 0, 0)
STAMPS = (NO_TIME, NO_TIME + 1, -1, 0, 1, (2**32 - 1) * SECOND, MOST_NS)


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    """What NumPy warns of would stand on the user's screen."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def flows_of(batch: Batch, packets: int, most_open: int) -> list[Flow]:
    analysis = FlowAnalysis(most_open)
    for begin in range(0, len(batch), packets):
        analysis.feed(rows(batch, begin, begin + packets))
    analysis.finish()
    return list(analysis.records())


def some_packets(path: Path, seed: int) -> Batch:
    write_pcap(damaged(8, seed), path)
    with open_capture(str(path)) as source:
        return next(iter(source))


def with_jumps(time_ns: np.ndarray, chance: random.Random) -> np.ndarray:
    """Set the clock now and then; and some packets have a time of their own."""
    changed = time_ns.copy()
    for at in sorted(chance.sample(range(len(changed)), 8)):
        end = at + 1 if chance.random() < 0.5 else len(changed)
        changed[at:end] += chance.choice(JUMPS)
    return changed


@pytest.mark.parametrize("most_open", [4, 50_000])
def test_clocks_that_are_set_both_ways(most_open: int, tmp_path: Path) -> None:
    """What is let go for its silence is found after every so many packets, here after each, and after 12,500."""
    parts = 0
    for seed in range(3):
        batch = some_packets(tmp_path / "some.pcap", seed)
        batch = replace(batch, time_ns=with_jumps(batch.time_ns, random.Random(seed)))
        whole = flows_of(batch, ALL, most_open)
        parts += sum(flow.part > 1 for flow in whole)
        for packets in (1, 7):
            assert flows_of(batch, packets, most_open) == whole, (seed, packets)
    assert parts > 3


@pytest.mark.parametrize("most_open", [4, 50_000])
def test_times_that_no_clock_tells(most_open: int, tmp_path: Path) -> None:
    """No time at all, before 1970, and as far apart as 64 bits allow, and further."""
    for seed in range(3):
        chance, batch = random.Random(seed), some_packets(tmp_path / "some.pcap", seed)
        time_ns = np.where([chance.random() < 0.2 for _ in range(len(batch))], chance.choice(STAMPS), batch.time_ns)
        for at in range(0, len(batch), 9):
            time_ns[at] = chance.choice(STAMPS)
        batch = replace(batch, time_ns=time_ns)
        whole = flows_of(batch, ALL, most_open)
        for packets in (1, 5):
            assert flows_of(batch, packets, most_open) == whole, (seed, packets)
        for flow in whole:
            assert 0 <= flow.silence_ns <= MOST_NS
            assert flow.duration_ns is None or 0 <= flow.duration_ns <= MOST_NS
            for end in (flow.client, flow.server):
                answer = end.answer
                assert answer is None or 0 <= answer.least <= answer.median <= answer.greatest


def test_one_wrong_time_stamp_ends_no_other_conversation(tmp_path: Path) -> None:
    """A look goes by the earliest time of the packets since the look before, not by the latest."""
    segments = damaged(25, 3, at_once=25)
    write_pcap(segments, tmp_path / "some.pcap")
    with open_capture(str(tmp_path / "some.pcap")) as source:
        batch = next(iter(source))
    whole = flows_of(batch, ALL, 200)
    for at in range(45, len(batch), 50):  # a look comes before every 50th packet
        batch.time_ns[at] += 1000 * HOUR
    again = flows_of(batch, 60, 200)
    spoilt = {flow.stream for flow in again if flow.part > 1}
    assert len(whole) > 20
    assert len(spoilt) <= len(batch) // 50 + 1


def test_a_conversation_that_is_silent_ever_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each hour a packet: every one begins a part, up to a limit, so that it takes no time without end."""
    for module in (silences, tcp):
        monkeypatch.setattr(module, "MOST_SILENCES", 30)
    packet = bytes(Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=5, dport=80, flags="A"))
    count = 50
    told = []
    for size in (20, None):
        analysis = FlowAnalysis()
        for batch in batches([(at * 3600.0, packet) for at in range(count)], size):
            analysis.feed(batch)
        analysis.finish()
        told.append([(flow.part, flow.packets) for flow in analysis.records()])
    assert told[0] == told[1] == [*((part, 1) for part in range(1, 31)), (31, 20)]
