"""Who talks to whom gets a number once, both ways round, whatever the hash table does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sniffkit.analysis.endpoint_pairs import EndpointPairs, FoundPairs


def look_up(pairs: EndpointPairs, talks: list[tuple[int, int, int, int]]) -> FoundPairs:
    """Each talk: source, its port, destination, its port."""
    rows = np.array(talks, np.uint64)

    def address(column: int) -> NDArray[np.uint64]:
        return np.stack((np.zeros(len(rows), np.uint64), rows[:, column]), axis=1)

    return pairs.look_up(address(0), address(2), rows[:, 1].astype(np.uint16), rows[:, 3].astype(np.uint16))


def test_both_directions_are_one_pair() -> None:
    found = look_up(EndpointPairs(), [(1, 1000, 2, 80), (2, 80, 1, 1000), (1, 1001, 2, 80), (2, 80, 1, 1001)])
    assert found.pair.tolist() == [0, 0, 1, 1]
    assert found.swapped.tolist() == [False, True, False, True]
    assert found.opening.tolist() == [0, 2]


def test_ports_belong_to_their_address() -> None:
    """1:80 with 2:1000 is not 1:1000 with 2:80."""
    assert look_up(EndpointPairs(), [(1, 1000, 2, 80), (1, 80, 2, 1000)]).pair.tolist() == [0, 1]


def test_a_host_that_talks_to_its_own_port_has_one_direction() -> None:
    found = look_up(EndpointPairs(), [(1, 80, 1, 80), (1, 80, 1, 80)])
    assert found.pair.tolist() == [0, 0]
    assert found.swapped.tolist() == [False, False]


def test_numbers_stay_from_batch_to_batch_while_the_table_grows() -> None:
    pairs = EndpointPairs()
    talks = [(n // 7, n % 50_000, n % 13 + 100_000, 80) for n in range(20_000)]
    first = look_up(pairs, talks)
    assert first.pair.tolist() == list(range(20_000))
    again = look_up(pairs, [(d, dp, s, sp) for s, sp, d, dp in reversed(talks)])
    assert again.pair.tolist() == list(reversed(range(20_000)))
    assert again.swapped.all()
    assert not len(again.opening)


def test_pairs_with_one_hash_are_told_apart() -> None:
    """An attacker who found two pairs with one hash gains nothing: the ends themselves are compared."""
    pairs = EndpointPairs()
    pairs._factors = [np.uint64(0)] * 4  # every hash is 0
    talks = [(1, 10, 2, 20), (3, 10, 2, 20), (2, 20, 3, 10), (1, 10, 2, 20), (4, 1, 5, 1)]
    assert look_up(pairs, talks).pair.tolist() == [0, 1, 1, 0, 2]
    assert look_up(pairs, talks[::-1]).pair.tolist() == [2, 0, 1, 1, 0]
