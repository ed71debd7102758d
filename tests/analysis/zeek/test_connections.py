"""Looking only at packets that matter gives what looking at every packet gives."""

from __future__ import annotations

import numpy as np
import pytest

from sniffkit.analysis.segments import Segments
from sniffkit.analysis.streams import Streams
from sniffkit.analysis.tcp.marks import TcpMarks
from sniffkit.analysis.zeek.connections import ZeekConnections, ZeekOutcome
from sniffkit.analysis.zeek.states import ZeekConnection, is_turned
from tests.analysis.frayed_segments import damaged
from tests.analysis.hostile_segments import hostile
from tests.analysis.tcp_reference import cuts, needs_corpus, references
from tests.analysis.zeek.plain_model import Model

Outcomes = dict[int, tuple[str, str, int]]


def both_ways(segments: Segments, pieces: int) -> tuple[Outcomes, Outcomes]:
    """Outcome of every stream by ``ZeekConnections``, and by giving every packet to the plain rules."""
    streams, marks, connections = Streams(), TcpMarks(as_tshark=True), ZeekConnections(cut_is_hole=True)
    plain: dict[int, ZeekConnection] = {}
    for begin, end in cuts(len(segments), pieces, 1):
        part = segments.take(slice(begin, end))
        numbers = streams.feed(part)
        connections.feed(part, numbers, marks.feed(part, numbers))
        for at in np.flatnonzero(part.length >= 0).tolist():
            stream, direction, flags = int(numbers.stream[at]), int(numbers.direction[at]), int(part.flags[at])
            if stream not in plain:
                ports = int(part.source_port[at]), int(part.destination_port[at])
                plain[stream] = ZeekConnection(flags, *ports, direction)
            plain[stream].packet(
                direction,
                flags,
                int(part.sequence[at]),
                int(part.acknowledgment[at]),
                int(part.length[at]),
                int(part.window[at]),
                bool(part.captured[at] >= part.length[at]),
            )
    quick = {}
    for stream in plain:
        outcome = connections.outcome(stream)
        assert outcome is not None
        quick[stream] = (outcome.conn_state, outcome.history, outcome.originator)
    assert len(connections) == len(plain)
    return quick, {key: (one.conn_state(), one.history, one.originator) for key, one in plain.items()}


@needs_corpus
def test_corpus() -> None:
    """With payload cut by the snap length counted as not seen, as Zeek does."""
    count = 0
    for reference in references()[0]:
        quick, plain = both_ways(reference.segments, 6)
        assert quick == plain, reference.path
        count += len(plain)
    assert count > 3_000


@pytest.mark.parametrize(("seed", "life"), [(3, 60), (4, 6), (5, 400), (6, 20)])
@pytest.mark.parametrize("pieces", [1, 20, 600])
def test_hostile_packets(seed: int, life: int, pieces: int) -> None:
    """Numbers that leap are followed by Wireshark and not believed by Zeek: such packets are never passed over."""
    quick, plain = both_ways(hostile(2_000, seed=seed, life=life), pieces)
    assert len(plain) > 15
    assert quick == plain


def test_what_is_forgotten_begins_anew() -> None:
    segments = hostile(300, seed=1, talks=2, life=10_000)
    streams, marks, connections = Streams(), TcpMarks(), ZeekConnections()
    numbers = streams.feed(segments)
    connections.feed(segments, numbers, marks.feed(segments, numbers))
    known = len(connections)
    connections.forget([0])
    assert len(connections) == known - 1
    assert connections.outcome(0) is None


def model_and_columns(segments: Segments, pieces: int) -> int:
    """Compare ``ZeekConnections`` with the model, which reads every packet; return how many connections there are."""
    streams, marks, connections = Streams(), TcpMarks(), ZeekConnections()
    models: dict[int, Model] = {}
    for begin, end in cuts(len(segments), pieces, 1):
        part = segments.take(slice(begin, end))
        numbers = streams.feed(part)
        connections.feed(part, numbers, marks.feed(part, numbers))
        columns = (part.sequence, part.acknowledgment, part.length, part.window)
        for at in np.flatnonzero(part.length >= 0).tolist():
            stream, side, flags = int(numbers.stream[at]), int(numbers.direction[at]), int(part.flags[at])
            if stream not in models:
                turned = is_turned(flags, int(part.source_port[at]), int(part.destination_port[at]))
                models[stream] = Model(side, turned)
            models[stream].packet(side, flags, *(int(column[at]) for column in columns))
    for stream, model in models.items():
        assert connections.outcome(stream) == ZeekOutcome(model.conn_state(), model.history, model.originator)
    return len(models)


@pytest.mark.parametrize("pieces", [1, 7, 400])
def test_the_model_on_hostile_and_on_damaged_packets(pieces: int) -> None:
    for seed in range(2):
        assert model_and_columns(hostile(800, seed + pieces, life=(6, 400)[seed]), pieces) > 10
        assert model_and_columns(damaged(100, seed + pieces), pieces) > 80


@needs_corpus
def test_the_model_on_the_corpus() -> None:
    """History, conn_state and who is the originator, of every connection of every capture."""
    assert sum(model_and_columns(reference.segments, 1) for reference in references()[0]) > 3_000
