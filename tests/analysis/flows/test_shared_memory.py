"""Two ends of a line: columns through memory that both see where they fit, else through the pipe."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sniffkit.analysis.flows.shared_memory import SLOT_OCTETS, Line
from sniffkit.commands.second_process import _shared_file


@pytest.fixture
def line() -> Iterator[tuple[Line, Line, list[int]]]:
    """Both ends, and the descriptors of the pipes: there and back."""
    files = [*os.pipe(), *os.pipe()]
    shared = _shared_file()
    assert shared is not None
    yield Line(files[2], files[1], shared), Line(files[0], files[3], shared), files
    for file in (*files, shared):
        if file >= 0:
            os.close(file)


def test_columns_stand_in_the_slot(line: tuple[Line, Line, list[int]]) -> None:
    """Narrowed on their way where that is asked for; no row at all is a column, too."""
    here, there, _ = line
    numbers, none = np.arange(1000), np.zeros((0, 2), np.uint64)
    assert not there.heard()
    assert here.say({"first": 7}, {"numbers": (numbers, np.uint16), "none": (none, none.dtype)}, 3)
    assert there.heard()
    word = there.hear()
    assert word is not None
    assert (word.rest, word.slot) == ({"first": 7}, 3)
    assert (word.columns["numbers"].dtype.name, word.columns["numbers"].tolist()) == ("uint16", numbers.tolist())
    assert (word.columns["none"].dtype.name, word.columns["none"].shape) == ("uint64", (0, 2))
    assert not there.heard()


def test_what_is_too_large_for_a_slot_goes_through_the_pipe(line: tuple[Line, Line, list[int]]) -> None:
    here, there, _ = line
    many = np.arange(SLOT_OCTETS // 8 + 1)
    with ThreadPoolExecutor(1) as thread:
        used = thread.submit(here.say, {}, {"many": (many, many.dtype)}, 0)
        word = there.hear()
    assert word is not None
    assert (used.result(), word.slot) == (False, None)
    assert np.array_equal(word.columns["many"], many)


def test_an_end_that_is_gone(line: tuple[Line, Line, list[int]]) -> None:
    """It says nothing any more, and whoever speaks to it is told."""
    here, _, files = line
    for at in (0, 3):
        os.close(files[at])
        files[at] = -1
    assert here.heard()
    assert here.hear() is None
    with pytest.raises(BrokenPipeError):
        here.say({"anybody": True})
