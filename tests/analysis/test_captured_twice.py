"""Second captures of one packet are found; packets that were really sent twice are not taken for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sniffkit.analysis.captured_twice import CapturedTwice
from sniffkit.protocols.columns import Columns
from sniffkit.sources import open_capture

CAPTURES = Path(__file__).parents[2] / "captures"


def repeats(name: str, batch_octets: int = 8 << 20) -> list[int]:
    twice = CapturedTwice()
    batches = open_capture(str(CAPTURES / name), batch_octets=batch_octets)
    return np.concatenate([twice.feed(Columns(batch)) for batch in batches]).tolist()


@pytest.mark.parametrize("batch_octets", [1 << 10, 8 << 20])
def test_a_mirror_port_shows_each_packet_twice(batch_octets: int) -> None:
    found = repeats("captured-twice.pcap", batch_octets)
    assert len(found) == 22
    assert sum(number > 0 for number in found) == 11
    assert sorted(number for number in found if number) == [at for at, number in enumerate(found, 1) if not number]


@pytest.mark.parametrize(
    "name",
    [
        "timeout-retransmission.pcap",
        "lost-segment.pcap",
        "unanswered-syn.pcap",
        "fin-again-in-time-wait.pcap",
        "keepalive.pcap",
    ],
)
def test_what_was_sent_again_is_another_packet(name: str) -> None:
    assert not any(repeats(name))
