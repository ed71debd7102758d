"""The table of streams: what is put away comes back as it was, and costs next to nothing where all rows are alike."""

from __future__ import annotations

import tracemalloc

import numpy as np

from sniffkit.analysis.flows.packed_rows import PackedRows
from sniffkit.analysis.flows.stream_table import MOST_PARTS, StreamTable
from sniffkit.analysis.flows.tcp import LAYOUT
from sniffkit.sources.batch import NO_TIME

OCTETS_A_STREAM = 60
"""What the table may keep of a conversation that was put away; its row has some 300 octets."""


def test_packed_rows_come_back_as_they_were() -> None:
    chance = np.random.default_rng(7)
    count = 500
    columns = {
        "start_ns": chance.integers(1 << 60, 1 << 61, count),
        "end_ns": np.where(chance.random(count) < 0.1, NO_TIME, chance.integers(1 << 60, 1 << 61, count)),
        "first_packet": np.arange(count) + 7,
        "last_packet": np.arange(count) * 3 + 7,
        "sides": chance.integers(-5, 5, (count, 2)).astype(np.int32),
        "far": np.array([NO_TIME, np.iinfo(np.int64).max] * (count // 2)),
        "small": chance.integers(0, 255, count).astype(np.uint8),
        "flag": chance.random(count) < 0.5,
        "same": np.full((count, 2), -1, np.int16),
    }
    rows = PackedRows(np.arange(count), columns)
    which = chance.permutation(count)[:100]
    for name, values in rows.take(which).items():
        assert values.dtype == columns[name].dtype, name
        assert np.array_equal(values, columns[name][which]), name


def test_parts_in_order() -> None:
    """A stream that was put away goes on under the same number; its parts come one after the other."""
    table = StreamTable(LAYOUT)
    every = np.arange(6000)
    table.begin(every)
    table["first_packet"][every] = every + 1
    table.put_away(every[::2])
    assert table.has(np.array([0, 1, 2, 70_000])).tolist() == [False, True, False, False]
    table.begin(np.array([4, 8, 6000]))
    table["first_packet"][np.array([4, 8])] = 9000
    table.put_away(np.array([8]))
    table.begin(np.array([8]))
    streams, parts, first = [], [], []
    for some, columns in table.parts():
        streams += some.tolist()
        parts += columns["part"].tolist()
        first += columns["first_packet"].tolist()
    assert streams == sorted(streams)
    assert len(streams) == 6001 + 3
    told = {(stream, part): number for stream, part, number in zip(streams, parts, first, strict=True)}
    assert [told[8, 1], told[8, 2], told[8, 3], told[4, 1], told[4, 2]] == [9, 9000, 0, 5, 9000]
    assert table["part"][8] == 3


def test_a_flood_costs_little_a_source() -> None:
    """A hundred thousand connection attempts, a thousand open at the same time."""
    count = 100_000
    table = StreamTable(LAYOUT)
    tracemalloc.start()
    for begin in range(0, count, 1000):
        streams = np.arange(begin, begin + 1000)
        table.begin(streams)
        table["packets"][streams, 0] = 1
        table["start_ns"][streams] = table["end_ns"][streams] = table["latest_ns"][streams] = streams * 10_000
        table["first_packet"][streams] = table["last_packet"][streams] = streams + 1
        table.put_away(streams)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept / count < OCTETS_A_STREAM
    assert sum(len(streams) for streams, _ in table.parts()) == count


def test_more_parts_than_can_be_counted() -> None:
    """The last number is used again; it never begins anew at 0."""
    table = StreamTable({"packets": (np.uint32, 1, 0)})
    one = np.array([0])
    for number in range(MOST_PARTS - 2, MOST_PARTS + 2):
        table.begin(one)
        if number == MOST_PARTS - 2:
            table["part"][one] = number
        table["packets"][one] = number
        table.put_away(one)
    ((_, columns),) = table.parts()
    assert columns["part"].tolist() == [MOST_PARTS - 2, MOST_PARTS - 1, MOST_PARTS, MOST_PARTS]
    assert columns["packets"].tolist() == list(range(MOST_PARTS - 2, MOST_PARTS + 2))
