"""The column form says what the plain rules say, on packets made to be told apart, wherever the batches are cut."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sniffkit.analysis.segments import Segments
from sniffkit.analysis.streams import Streams
from sniffkit.analysis.tcp.mark_names import names_of
from sniffkit.analysis.tcp.marks import TcpMarks, _Batch
from sniffkit.analysis.tcp.marks_columns import LaneColumns
from tests.analysis.hostile_segments import hostile
from tests.analysis.tcp_reference import cuts, needs_corpus, references


class PacketByPacket(TcpMarks):
    """Every stream by the plain rules, from its first packet on."""

    def _doubtful(self, batch: _Batch, columns: LaneColumns, unknown: NDArray[np.bool_]) -> dict[int, int]:
        return {group: int(batch.groups.order[start]) for group, start in enumerate(batch.groups.start.tolist())}


def told(
    marks: TcpMarks, segments: Segments, pieces: int
) -> tuple[NDArray[np.uint16], NDArray[np.int32], NDArray[np.int64]]:
    streams = Streams()
    parts = []
    for begin, end in cuts(len(segments), pieces, pieces):
        part = segments.take(slice(begin, end))
        one = marks.feed(part, streams.feed(part))
        parts.append((one.mask, one.duplicate_ack_number, one.duplicate_ack_frame))
    mask, number, frame = (np.concatenate(column) for column in zip(*parts, strict=True))
    return mask, number, frame


def assert_equal(segments: Segments, pieces: int) -> int:
    """Compare both forms; return how many packets the column form gave to the plain rules."""
    plain = told(PacketByPacket(as_tshark=True), segments, 1)
    columns = TcpMarks(as_tshark=True)
    by_columns = told(columns, segments, pieces)
    for name, want, got in zip(("marks", "duplicate number", "duplicate frame"), plain, by_columns, strict=True):
        wrong = np.flatnonzero(want != got)
        if wrong.size:
            at = wrong[0]
            said = f"plain {names_of(int(plain[0][at]))}, columns {names_of(int(by_columns[0][at]))}"
            pytest.fail(f"{name} of {wrong.size} packets, first frame {segments.number[at]}: {said}")
    return columns.packet_by_packet


@pytest.mark.parametrize("life", [40, 400])
@pytest.mark.parametrize("pieces", [1, 50, 700])
def test_both_forms_agree_on_hostile_packets(pieces: int, life: int) -> None:
    segments = hostile(7_000, seed=100 * pieces + life, life=life)
    singly = assert_equal(segments, pieces)
    assert 0 < singly < len(segments) * 0.7, "both forms had something to tell"


@needs_corpus
def test_both_forms_agree_on_the_corpus() -> None:
    singly = total = 0
    for reference in references()[0]:
        if len(reference.segments) < 5_000:
            singly += assert_equal(reference.segments, 4)
            total += len(reference.segments)
    print(f"{singly} of {total} packets went through the plain rules")
    assert singly < total / 20
