"""What is told of a conversation does not depend on where the capture is cut into batches: not in a single field."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from benchmarks.capture import make
from sniffkit.analysis import answer_times
from sniffkit.analysis.flows.analysis import FlowAnalysis
from sniffkit.analysis.flows.records import Flow
from sniffkit.analysis.flows.tcp import MOST_OPEN
from sniffkit.analysis.tcp import words
from sniffkit.analysis.tcp.mark_names import Mark
from sniffkit.sources import open_capture
from sniffkit.sources.batch import Batch
from tests.analysis.frayed_segments import damaged
from tests.analysis.hostile_segments import hostile, write_pcap
from tests.analysis.messages import batches
from tests.analysis.reference import CORPUS, NEEDED, captures

CAPTURES = Path(__file__).parents[3] / "captures"

ALL = 1 << 40


def rows(batch: Batch, begin: int, end: int) -> Batch:
    """Return some packets of a batch as a batch of their own."""
    columns = ("offset", "captured", "length", "time_ns", "link_type", "interface")
    some = {name: getattr(batch, name)[begin:end] for name in columns}
    heads = None if batch.heads is None else batch.heads.part(slice(begin, end))
    return replace(batch, **some, first=batch.first + begin, heads=heads)


def flows_of(path: Path | str, packets: int, most_open: int = MOST_OPEN) -> list[Flow]:
    """Return all conversations, fed so many packets at a time."""
    analysis = FlowAnalysis(most_open)
    with open_capture(str(path), batch_octets=1 << 26) as source:
        for batch in source:
            for begin in range(0, len(batch), packets):
                analysis.feed(rows(batch, begin, begin + packets))
    analysis.finish()
    return list(analysis.records())


@pytest.mark.parametrize("packets", [1, 7])
def test_the_sample_captures(packets: int) -> None:
    paths = sorted(CAPTURES.glob("*.pcap*"))
    assert len(paths) > 40
    for path in paths:
        assert flows_of(path, packets) == flows_of(path, ALL), path.name


def test_next_to_no_room_for_what_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ended conversations leave behind is let go after every few packets: the same is told."""
    path = str(make(30_000))
    enough = flows_of(path, 500, most_open=40)
    looked = []
    events = words.TcpWords.events
    monkeypatch.setattr(words.TcpWords, "events", lambda kept: (looked.append(1), events(kept))[1])
    monkeypatch.setattr(words, "_ROOM", 100)
    monkeypatch.setattr(answer_times, "MOST_PIECES", 2)
    assert flows_of(path, 500, most_open=40) == enough
    assert len(looked) > 5


def test_segments_lost_at_the_border_of_a_batch() -> None:
    """A hole that is filled with the first packet of a batch leaves no G in Zeek's history.

    Every batch ends before or after a segment that leaves a hole, fills one or comes late: each of them is the first of
    a batch and the last of another.
    """
    path = str(make(30_000))
    whole, odd = FlowAnalysis(), Mark.LOST_SEGMENT | Mark.RETRANSMISSION | Mark.OUT_OF_ORDER
    with open_capture(path, batch_octets=1 << 26) as source:
        (batch,) = source
    fed = whole.feed(batch)
    whole.finish()
    rows_of = fed.prepared.segments.row[(fed.marks & np.uint16(odd)) != 0]
    borders = sorted({0, len(batch), *rows_of.tolist(), *(rows_of + 1).tolist()})
    assert len(borders) > 400
    cut = FlowAnalysis()
    for begin, end in pairwise(borders):
        cut.feed(rows(batch, begin, end))
    cut.finish()
    flows = list(cut.records())
    assert len(flows) > 500
    assert flows == list(whole.records()) == flows_of(path, 500)


@pytest.mark.parametrize("packets", [1, 2, 7, 100])
def test_many_captures(packets: int, tmp_path: Path) -> None:
    """Hostile and merely damaged ones by turns; every field is compared."""
    path = tmp_path / "many.pcap"
    for seed in range(packets * 1000, packets * 1000 + (6 if packets < 7 else 20)):
        segments = hostile(200, seed, life=(400, 60, 20, 6)[seed // 2 % 4]) if seed % 2 else damaged(25, seed)
        write_pcap(segments, path)
        whole = flows_of(path, ALL)
        assert flows_of(path, packets) == whole, seed


@NEEDED
def test_a_gap_that_is_filled_in_pieces() -> None:
    """Wireshark's edge moves on with the first piece; the hole behind it is there still when the batch ends."""
    name = "tcp-rst-unacked-stream-10/TLPW1-tcp-174.56.47.59-10.3.11.101-tcp-80-49309.pcap"
    (path,) = (CORPUS / "files").glob(f"*/tests/{name}")
    whole = flows_of(path, ALL)
    assert [flows_of(path, packets) == whole for packets in (1, 5, 9, 13)] == [True] * 4


@NEEDED
def test_the_corpus() -> None:
    for name, path in list(captures("tcp"))[::12]:
        assert flows_of(path, 60) == flows_of(path, ALL), name


def test_parts_begin_with_the_packet_that_breaks_the_silence() -> None:
    """A connection closed and silent for a minute, an open one for an hour: cut or not, the parts are the same."""
    packets = []
    for time, port, flags, seq in (
        (0, 1, "S", 9), (1, 1, "F", 10), (2, 1, "A", 11), (90, 1, "A", 11), (91, 1, "A", 12), (200, 1, "A", 12),
        (0, 2, "A", 9), (1000, 2, "A", 9), (5000, 2, "A", 9), (9000, 2, "A", 9),
        (3, 3, "RA", 1), (64, 3, "A", 1), (65, 3, "R", 1), (130, 3, "A", 1),
    ):  # fmt: skip
        segment = IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=port, dport=80, flags=flags, seq=seq)
        packets.append((float(time), bytes(Ether() / segment)))
    packets.sort(key=lambda packet: packet[0])
    told = []
    for size in (1, 2, 5, None):
        analysis = FlowAnalysis()
        for batch in batches(packets, size):
            analysis.feed(batch)
        analysis.finish()
        told.append(list(analysis.records()))
    assert [(flow.stream, flow.part, flow.packets) for flow in told[0] if flow.client.port != 1] == [
        (1, 1, 2), (1, 2, 1), (1, 3, 1), (2, 1, 1), (2, 2, 2), (2, 3, 1)
    ]  # fmt: skip
    assert told[0] == told[1] == told[2] == told[3]


@pytest.mark.parametrize("most_open", [10, 100])
def test_too_many_open_at_the_same_time(most_open: int) -> None:
    """Which conversations are let go for want of room is decided by packets, not by batches."""
    packets = [
        bytes(Ether() / IP(src=f"10.0.{at >> 8}.{at & 255}", dst="10.0.0.2") / TCP(sport=5, dport=80, flags="S"))
        for at in range(300)
    ]
    told = []
    for size in (1, 7, 120, None):
        analysis = FlowAnalysis(most_open)
        for batch in batches(packets, size):
            analysis.feed(batch)
        analysis.finish()
        told.append((analysis.let_go, list(analysis.records())))
    assert told[0][0] > 0
    assert told[0] == told[1] == told[2] == told[3]
