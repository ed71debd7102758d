"""Lines made of whole columns are what orjson makes of each record, to the octet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pytest

from sniffkit.analysis.flows.flow_columns import Numbers, Texts
from sniffkit.explanations.flow_record import Column, Epochs, Record, Sometimes, objects
from sniffkit.renderers.json_columns import json_lines

COUNT = 40
NO = np.arange(COUNT) % 3 == 0


def lines_of_records(record: Record) -> list[bytes]:
    return [orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in objects(record)]


def numbers(make: Callable[[np.random.Generator], Any]) -> Any:
    return make(np.random.default_rng(7))


COLUMNS: dict[str, Column] = {
    "whole numbers": Numbers(numbers(lambda chance: chance.integers(-(2**63), 2**63 - 1, COUNT))),
    "small ones": Numbers(numbers(lambda chance: chance.integers(0, 99, COUNT)).astype(np.int32)),
    "every second one, not side by side in memory": Numbers(np.arange(2 * COUNT)[::2]),
    "yes and no": Numbers(NO),
    "numbers that are not everywhere": Numbers(np.arange(COUNT), NO),
    "milliseconds, from a nanosecond on": Numbers(np.arange(COUNT) ** 7) / 1e6,
    "times that are not everywhere": Numbers(np.arange(COUNT) ** 7, NO) / 1e9,
    "nothing at all": Numbers(np.zeros(COUNT), np.ones(COUNT, np.bool_)),
    "since 1970": Epochs(1_700_000_000_123_456_789 + np.arange(COUNT) ** 9),
    "about 1970": Epochs((np.arange(COUNT) - 20) * 123_456_789),
    "since 1970, where there is a time": Epochs(1_700_000_000_000_000_000 + np.arange(COUNT), NO),
    "texts": Texts(np.arange(COUNT) % 3 - 1, ["a", "b"]),
    "texts with all that JSON must escape": Texts(np.arange(COUNT) % 4 - 1, ['",\\\n', "报文段，", "\x1b"]),
    "lists": Texts(np.arange(COUNT) % 2, [["a", "b"], []]),
    "the same everywhere": Texts(np.zeros(COUNT, np.int64), ["tcp"]),
    "objects": Sometimes({"min": Numbers(np.arange(COUNT)) / 1e6, "count": Numbers(np.arange(COUNT))}, ~NO),
    "no objects": Sometimes({"min": Numbers(np.arange(COUNT))}, np.zeros(COUNT, np.bool_)),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column(name: str) -> None:
    record: Record = {"before": Numbers(np.arange(COUNT)), name: COLUMNS[name]}
    assert list(json_lines(record, COUNT, ())) == lines_of_records(record)
    alone: Record = {"end": {name: COLUMNS[name]}}
    assert list(json_lines(alone, COUNT, ())) == lines_of_records(alone)


@pytest.mark.parametrize("few", [[], ["a"], ["a", "b"], ["b", "c", "d"], ["a", "b", "c", "d"]])
def test_neighbours_that_are_written_together(few: list[str]) -> None:
    """Whichever they are: at the beginning, in the middle, at the end, or all."""
    record: Record = {
        "a": COLUMNS["texts"],
        "b": COLUMNS["numbers that are not everywhere"],
        "c": COLUMNS["yes and no"],
        "end": {"a": COLUMNS["small ones"], "x": COLUMNS["texts"], "b": COLUMNS["texts"]},
        "d": COLUMNS["small ones"],
    }
    assert list(json_lines(record, COUNT, few)) == lines_of_records(record)
