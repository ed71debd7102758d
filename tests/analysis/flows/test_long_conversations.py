"""Conversations of more octets than sequence numbers can count: 6 GiB in twelve packets cut by the snap length."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from sniffkit.analysis.flows.analysis import FlowAnalysis
from sniffkit.analysis.segments import ACK, FIN, SYN, Segments
from sniffkit.analysis.streams import Streams
from sniffkit.analysis.tcp.marks import TcpMarks
from sniffkit.analysis.zeek.connections import ZeekConnections, ZeekOutcome
from sniffkit.commands.application import application
from sniffkit.protocols.columns import Columns
from sniffkit.sources import open_capture
from tests.analysis.hostile_segments import tshark_fields
from tests.analysis.zeek.plain_model import Model

HALF_A_GIB = 1 << 29
FIELDS = ["tcp.stream", "tcp.seq", "tcp.nxtseq", "tcp.ack", "tcp.len", "tcp.analysis.bytes_in_flight"]
MARKS = ["retransmission", "lost_segment", "ack_lost_segment", "out_of_order", "duplicate_ack", "window_full"]

Sent = tuple[int, int, int, int, int]  # side, flags, seq and ack counted from the SYNs, length


def conversation(lacking: tuple[int, ...] = ()) -> list[Sent]:
    """The client sends twelve times half a GiB, each acknowledged; some were not captured, their acks were."""
    sent = [(0, SYN, 0, 0, 0), (1, SYN | ACK, 0, 1, 0), (0, ACK, 1, 1, 0)]
    for turn in range(12):
        if turn not in lacking:
            sent.append((0, ACK, 1 + turn * HALF_A_GIB, 1, HALF_A_GIB))
        sent.append((1, ACK, 1, 1 + (turn + 1) * HALF_A_GIB, 0))
    end = 1 + 12 * HALF_A_GIB
    return [*sent, (0, FIN | ACK, end, 1, 0), (1, FIN | ACK, 1, end + 1, 0), (0, ACK, end + 1, 2, 0)]


def write(sent: list[Sent], path: Path, first: tuple[int, int]) -> None:
    """Write headers only. A total length of 0 is what an offloaded segment has: the record's length counts then."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 64, 101))
        for at, (side, flags, sequence, ack, length) in enumerate(sent):
            ends = [bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))]
            ports = [40_000, 9_999]
            total = 0 if length else 40
            ip = struct.pack("!BBHHHBBH", 0x45, 0, total, at + 1, 0, 64, 6, 0) + ends[side] + ends[1 - side]
            numbers = (sequence + first[side]) % 2**32, (ack + first[1 - side]) % 2**32 if flags & ACK else 0
            tcp = struct.pack("!HHIIHHHH", ports[side], ports[1 - side], *numbers, 0x5000 | flags, 65_535, 0, 0)
            file.write(struct.pack("<IIII", 1_700_000_000, at * 1_000_000, 40, 40 + length) + ip + tcp)


@pytest.fixture(params=[(0, 0), (2**31 - 5, 7), (2**32 - 2, 2**32 - 1)])
def first(request: pytest.FixtureRequest) -> tuple[int, int]:
    numbers: tuple[int, int] = request.param
    return numbers


@pytest.mark.parametrize("batch_octets", [64, 1 << 20])
def test_every_octet_is_counted(first: tuple[int, int], batch_octets: int, tmp_path: Path) -> None:
    write(conversation(), path := tmp_path / "long.pcap", first)
    analysis = FlowAnalysis()
    with open_capture(str(path), batch_octets=batch_octets) as source:
        for batch in source:
            analysis.feed(batch)
    analysis.finish()
    (flow,) = analysis.records()
    assert (flow.client.payload_bytes, flow.server.payload_bytes) == (12 * HALF_A_GIB, 0)
    assert (flow.conn_state, flow.history, flow.closed) == ("SF", "ShADaFf", "fin")
    assert flow.retransmissions == flow.client.lost_segments == 0


@pytest.mark.parametrize("size", [1, 5, 100])
@pytest.mark.parametrize("lacking", [(2,), (5,), (6,), (9,), (2, 9)])
def test_a_hole_in_any_round(first: tuple[int, int], lacking: tuple[int, ...], size: int, tmp_path: Path) -> None:
    """Half a GiB that was acknowledged and not captured, below 2 GiB, at 3, and past 4: one G, like the model."""
    write(conversation(lacking), path := tmp_path / "long.pcap", first)
    with open_capture(str(path)) as source:
        segments = Segments.from_columns(Columns(next(iter(source))))
    streams, marks, connections = Streams(), TcpMarks(), ZeekConnections()
    for begin in range(0, len(segments), size):
        part = segments.take(slice(begin, begin + size))
        numbers = streams.feed(part)
        connections.feed(part, numbers, marks.feed(part, numbers))
    model = Model(0, turned=False)
    for side, flags, sequence, ack, length in conversation(lacking):
        model.packet(side, flags, (sequence + first[side]) % 2**32, (ack + first[1 - side]) % 2**32, length, 65_535)
    assert connections.outcome(0) == ZeekOutcome("SF", model.history, 0)
    assert model.history == "ShADaGFf"


@pytest.mark.parametrize("turns", range(3, 12))
def test_a_fin_with_data_after_any_number_of_octets(first: tuple[int, int], turns: int, tmp_path: Path) -> None:
    """Nothing in between is looked at, and yet the last segment is not taken for one that was sent before."""
    sent = conversation()[: 3 + 2 * turns]
    end = 1 + turns * HALF_A_GIB
    sent += [(0, FIN | ACK, end, 1, 20), (1, FIN | ACK, 1, end + 21, 0), (0, ACK, end + 21, 2, 0)]
    write(sent, path := tmp_path / "long.pcap", first)
    analysis = FlowAnalysis()
    with open_capture(str(path)) as source:
        for batch in source:
            analysis.feed(batch)
    analysis.finish()
    assert [(flow.conn_state, flow.history) for flow in analysis.records()] == [("SF", "ShADaFf")]


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_numbers_and_marks_are_those_of_tshark(
    first: tuple[int, int], tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    fields = [*FIELDS, *(f"tcp.analysis.{mark}" for mark in MARKS)]
    for lacking in ((), (3,), (7, 8)):
        write(conversation(lacking), path := tmp_path / "long.pcap", first)
        wanted = tshark_fields(path, fields)
        code = application(["fields", str(path), *(part for field in fields for part in ("-e", field))])
        rows = [line.split("\t") for line in capsysbinary.readouterr().out.decode().rstrip("\n").split("\n")]
        assert code == 0
        assert {field: [row[at] for row in rows] for at, field in enumerate(fields)} == wanted
        assert int(np.array(wanted["tcp.len"], np.int64).sum()) == (12 - len(lacking)) * HALF_A_GIB
