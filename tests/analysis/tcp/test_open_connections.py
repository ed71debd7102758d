"""The connections of this moment: their stage, and which of them a screen with too few lines shows."""

from __future__ import annotations

import pytest

from sniffkit.analysis.tcp.open_connections import Stage, shared, stage_of
from sniffkit.analysis.tcp.states import State


@pytest.mark.parametrize(
    ("one", "other", "stage"),
    [
        (State.SYN_SENT, State.LISTEN, "opening"),
        (State.ESTABLISHED, State.SYN_RECEIVED, "opening"),
        (State.ESTABLISHED, State.ESTABLISHED, "open"),
        (State.FIN_WAIT_2, State.CLOSE_WAIT, "closing"),
        (State.TIME_WAIT, State.LAST_ACK, "closing"),
        (State.TIME_WAIT, State.CLOSED, "time-wait"),
        (State.CLOSED, State.LISTEN, "closed"),
    ],
)
def test_both_ends_states_amount_to_a_stage(one: State, other: State, stage: Stage) -> None:
    assert stage_of(one, other) == stage


def test_a_flood_of_closed_connections_hides_no_open_one() -> None:
    """Those heard of last come first in the list; each stage has its heading, and its share of the lines."""
    living: list[tuple[int, Stage]] = [(number, "time-wait") for number in range(100, 200)]
    living += [(7, "open"), (8, "open"), (3, "opening")]
    chosen = shared(living, 20)
    assert len(chosen) == 20 - 3
    assert {(7, "open"), (8, "open"), (3, "opening")} <= set(chosen)
    assert [number for number, stage in chosen if stage == "time-wait"] == list(range(100, 114))


@pytest.mark.parametrize("lines", range(1, 9))
def test_headings_and_rows_fit_the_lines(lines: int) -> None:
    living: list[tuple[int, Stage]] = [(1, "open"), (2, "opening"), (3, "closing"), (4, "closed")]
    chosen = shared(living, lines)
    assert chosen
    assert len(chosen) + len({stage for _, stage in chosen}) <= max(lines, 2)


def test_where_there_is_room_all_are_shown() -> None:
    living: list[tuple[int, Stage]] = [(5, "closed"), (1, "open")]
    assert sorted(shared(living, 24)) == sorted(living)
