"""Conversations as records: the quick way and the plain way agree, however the capture is cut; memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether

from benchmarks.capture import make
from sniffkit.analysis.answer_times import AnswerTimes
from sniffkit.analysis.flows.analysis import FlowAnalysis
from sniffkit.analysis.flows.records import Flow
from sniffkit.analysis.flows.stream_table import StreamTable
from sniffkit.analysis.flows.tcp import LAYOUT
from sniffkit.analysis.flows.verdicts import verdict
from sniffkit.analysis.tcp import outcomes as tcp_outcomes
from sniffkit.analysis.tcp.words import TcpWords
from sniffkit.sources import open_capture
from tests.analysis.hostile_segments import hostile, write_pcap
from tests.analysis.messages import batches
from tests.analysis.reference import NEEDED, captures

CAPTURES = Path(__file__).parents[3] / "captures"


class NoWords(TcpWords):
    """Nothing is taken for ordinary: every segment goes to the state machines."""

    def feed(self, segments, numbers, marks):
        return np.ones(len(marks.by_stream().stream), np.bool_), np.zeros(0, np.int64)

    def forget(self, streams) -> None:
        pass


def flows_of(path: str, batch_octets: int = 1 << 23) -> list[Flow]:
    analysis = FlowAnalysis()
    with open_capture(path, batch_octets=batch_octets) as source:
        for batch in source:
            analysis.feed(batch)
    analysis.finish()
    return list(analysis.records())


def flows_of_packets(packets: list, size: int | None = None, most_open: int = 1000) -> tuple[list[Flow], FlowAnalysis]:
    analysis = FlowAnalysis(most_open)
    for batch in batches([(time, bytes(packet)) for time, packet in packets], size):
        analysis.feed(batch)
    analysis.finish()
    return list(analysis.records()), analysis


@pytest.fixture
def plainly(monkeypatch: pytest.MonkeyPatch):
    """Read a capture with every segment looked at."""

    def read(path: str) -> list[Flow]:
        with monkeypatch.context() as patched:
            patched.setattr(tcp_outcomes, "TcpWords", NoWords)
            return flows_of(path)

    return read


@pytest.mark.parametrize(("seed", "life"), [(1, 400), (2, 20), (3, 6)])
def test_words_tell_hostile_segments_right(seed: int, life: int, plainly, tmp_path: Path) -> None:
    """Nearly all such conversations are given up, each at another place."""
    path = tmp_path / "hostile.pcap"
    write_pcap(hostile(8_000, seed, life=life), path)
    assert plainly(str(path)) == flows_of(str(path))


def test_words_tell_ordinary_traffic_right(plainly) -> None:
    path = str(make(30_000))
    flows = flows_of(path)
    assert flows == plainly(path)
    assert len({flow.history for flow in flows}) > 10


def test_words_tell_the_sample_captures_right(plainly) -> None:
    for path in sorted(CAPTURES.glob("[!.]*.pcap*")):
        assert plainly(str(path)) == flows_of(str(path)), path.name


@NEEDED
def test_words_tell_the_corpus_right(plainly) -> None:
    count = 0
    for name, path in captures("tcp"):
        flows = flows_of(path)
        assert flows == plainly(path), name
        count += len(flows)
    assert count > 4_000


@NEEDED
def test_batches_may_be_cut_anywhere() -> None:
    for name, path in list(captures("tcp"))[::5]:
        assert flows_of(path) == flows_of(path, 1 << 16), name


def exchange(port: int, at: float, close: bool = True) -> Iterator[tuple[float, Ether]]:
    """A handshake, a request of five octets, and a close by the client."""

    def packet(after: float, out: bool, flags: str, seq: int, ack: int, data: bytes = b"") -> tuple[float, Ether]:
        ends = ("10.0.0.1", "10.0.0.2") if out else ("10.0.0.2", "10.0.0.1")
        ports = (port, 80) if out else (80, port)
        ip = IP(src=ends[0], dst=ends[1], id=int(after * 1e6) & 0xFFFF or 1)
        return at + after, Ether() / ip / TCP(sport=ports[0], dport=ports[1], flags=flags, seq=seq, ack=ack) / data

    yield packet(0.000, True, "S", 100, 0)
    yield packet(0.010, False, "SA", 500, 101)
    yield packet(0.013, True, "A", 101, 501)
    yield packet(0.020, True, "PA", 101, 501, b"hello")
    yield packet(0.030, False, "A", 501, 106)
    if close:
        yield packet(0.040, True, "FA", 106, 501)
        yield packet(0.050, False, "A", 501, 107)
        yield packet(0.060, False, "FA", 501, 107)
        yield packet(0.070, True, "A", 107, 502)


def test_one_conversation() -> None:
    (flow,), _ = flows_of_packets(list(exchange(40_000, 0)))
    assert (flow.opened, flow.closed, flow.closed_by) == ("handshake", "fin", "client")
    assert (flow.client.state, flow.server.state) == ("TIME-WAIT", "CLOSED")
    assert (flow.client.packets, flow.client.ip_bytes, flow.client.payload_bytes) == (5, 5 * 40 + 5, 5)
    assert (flow.handshake_ns, flow.handshake_server_ns) == (13_000_000, 10_000_000)
    assert flow.duration_ns == 70_000_000
    answer = flow.server.answer
    assert answer is not None
    assert (answer.least, answer.greatest, answer.count) == (10_000_000, 10_000_000, 3)
    assert [fact.id for fact in verdict(flow)] == ["flows.closed"]


def test_a_long_silence_begins_the_next_part() -> None:
    """After two hours the state was let go; what goes on is told again, under the same number."""
    first, later = list(exchange(40_000, 0, close=False)), list(exchange(40_000, 7200))[5:]
    other = list(exchange(40_001, 7100))
    flows, analysis = flows_of_packets(first + other + later, size=5)
    mine = [flow for flow in flows if flow.stream == 0]
    assert [(flow.part, flow.opened, flow.closed) for flow in mine] == [
        (1, "handshake", "open"),
        (2, "midstream", "fin"),
    ]
    assert [flow.packets for flow in mine] == [5, 4]
    assert analysis.let_go == 0


def test_a_flood_of_syns_stays_within_bounds() -> None:
    """Of more open conversations than are kept, those silent for longest are written down early; none is forgotten."""
    syns = [
        (at / 1000, Ether() / IP(src=f"10.{at >> 8}.{at & 255}.9", dst="10.0.0.2") / TCP(sport=5, dport=80, flags="S"))
        for at in range(1000)
    ]
    flows, analysis = flows_of_packets(syns, size=50, most_open=100)
    assert len(flows) == 1000
    assert {(flow.opened, flow.conn_state, flow.history) for flow in flows} == {("unanswered", "S0", "S")}
    assert 800 < analysis.let_go < 1000
    assert analysis.tcp.marks.open <= 150


def test_a_syn_that_is_sent_more_than_65_535_times() -> None:
    syn = Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=5, dport=80, flags="S")
    analysis = FlowAnalysis()
    first, again = batches([(time, bytes(syn)) for time in (0, 1)], 1)
    analysis.feed(first)
    analysis.tcp.table["syn"][0, 0] = 65_535
    analysis.feed(again)
    analysis.finish()
    assert next(analysis.records()).client.syns == 65_536


def test_a_conversation_of_more_than_292_years_is_not_one_of_no_time() -> None:
    """Two clocks in one capture may be set that far apart; 64 bits hold no more nanoseconds."""
    packet = Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=5000, dport=53)
    (batch,) = batches([(0, bytes(packet)), (1, bytes(packet))], 2)
    analysis = FlowAnalysis()
    analysis.feed(replace(batch, time_ns=np.array([-9 * 10**18, 9 * 10**18])))
    assert next(analysis.records()).duration_ns == 2**63 - 1


def test_udp_and_echo() -> None:
    """Who asks is the client: of UDP who speaks first, but never a well-known port; of echo who sends the request."""
    ask = Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=5000, dport=53) / b"question"
    tell = Ether() / IP(src="10.0.0.2", dst="10.0.0.1") / UDP(sport=53, dport=5000) / b"the answer"
    reply = Ether() / IP(src="10.0.0.2", dst="10.0.0.1") / ICMP(type=0, id=7)
    request = Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(type=8, id=7)
    flows, _ = flows_of_packets([(0, tell), (1, ask), (2, reply), (3, request)])
    udp, icmp = flows
    assert (udp.client.port, udp.client.payload_bytes, udp.server.payload_bytes) == (5000, 8, 10)
    assert (icmp.client.address, icmp.client.port, icmp.identifier) == ("10.0.0.1", None, 7)
    assert (udp.conn_state, udp.history, icmp.duration_ns) == ("SF", "Dd", 10**9)


@pytest.mark.parametrize(("order", "error"), [((0, 1), "refused"), ((1, 0), None)])
@pytest.mark.parametrize("size", [1, None])
def test_an_error_before_what_it_quotes_says_nothing(
    order: tuple[int, int], error: str | None, size: int | None
) -> None:
    """Whether both are in one batch or not."""
    asked = IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=5, dport=7) / b"some"
    refused = IP(src="10.0.0.2", dst="10.0.0.1") / ICMP(type=3, code=3) / bytes(asked)
    packets = [Ether() / asked, Ether() / refused]
    flows, _ = flows_of_packets([(at, packets[which]) for at, which in enumerate(order)], size)
    assert [flow.icmp_error for flow in flows if flow.protocol == "udp"] == [error]


def test_only_quoted_headers() -> None:
    """A TCP header in an ICMP error is nobody's packet."""
    inner = IP(src="10.0.0.2", dst="10.0.0.1") / TCP(sport=80, dport=5)
    packet = Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(type=3, code=3) / bytes(inner)
    assert flows_of_packets([(0, packet)])[0] == []


def test_median_of_ack_times() -> None:
    """Exact while there is room; from an even choice past that."""
    chance = np.random.default_rng(5)
    table = StreamTable(LAYOUT)
    table.begin(np.arange(3))
    times = AnswerTimes(kept=20_000)
    every: list[np.ndarray] = []
    for _ in range(40):
        taken = chance.integers(1, 10**9, 1000)
        every.append(taken)
        times.feed(table, np.full(1000, 4), taken)
        times.feed(table, np.array([3]), np.array([7]))
    times.settle(table)
    whole = np.concatenate(every)
    assert table["answers"][2, 0] == 40_000
    assert table["answer_least"][2, 0] == whole.min()
    assert table["answer_greatest"][2, 0] == whole.max()
    assert table["answer_median"][2, 0] == pytest.approx(np.median(whole), rel=0.05)
    assert table["answer_median"][1, 1] == 7
