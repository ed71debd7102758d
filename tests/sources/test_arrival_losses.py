"""Packets that are lost before any program could see them: those of the interface are told, those of others are not.

A processor's queue overflows only in a flood. Here a file plays the kernel's table of queues, and frames of a VLAN that
nobody is in stand for lost ones: the interface counts them as dropped all the same.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sniffkit.sources import arrival_losses
from sniffkit.sources.arrival_losses import ArrivalLosses
from tests.sources.network import Cable, listening, needs_namespaces

pytestmark = needs_namespaces

TAGGED = bytes.fromhex("020000000002 020000000001 8100 0fff 88b5") + bytes(60)


@pytest.fixture
def cable() -> Iterator[Cable]:
    with Cable() as made:
        yield made


@pytest.fixture
def queues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "softnet_stat"
    monkeypatch.setattr(arrival_losses, "QUEUES", str(path))
    path.write_text("00000100 00000007 00000000\n00000200 0000000a 00000000\n")
    return path


def losses_of(cable: Cable, index: int | None = None) -> ArrivalLosses:
    with cable.far.inside():
        return ArrivalLosses(socket.if_nametoindex("in") if index is None else index)


def lost_soon(losses: ArrivalLosses, expected: int) -> int:
    """Return what was lost; what was sent may be on its way for a moment."""
    end = time.monotonic() + 2
    while losses.so_far() != expected and time.monotonic() < end:
        time.sleep(0.01)
    return losses.so_far()


@pytest.mark.parametrize("index", [None, 0])
def test_what_both_the_interface_and_the_queues_miss_was_lost(cable: Cable, queues: Path, index: int | None) -> None:
    """An interface also drops what it cannot use, and queues also drop what came from elsewhere."""
    losses = losses_of(cable, index)
    cable.send([TAGGED] * 5)
    time.sleep(0.05)
    assert losses.so_far() == 0, "no queue was full"
    queues.write_text("00000100 00000009 00000000\n00000200 0000000b 00000000\n")
    assert lost_soon(losses, 3) == 3
    queues.write_text("00000100 00000009 00000000\n00000200 000000ff 00000000\n")
    assert lost_soon(losses, 5) == 5, "the other packets were not of this interface"
    losses.close()


def test_a_network_card_without_buffers_is_believed_once() -> None:
    """Some drivers count a packet as missed, some as an overflow of the card's memory, some as both."""
    counters = [0] * 24
    counters[6], counters[14], counters[15] = 4, 11, 12
    assert ArrivalLosses._read(bytes(4) + struct.pack("=24Q", *counters)) == (12, 4)


def test_what_was_lost_stays_known_when_the_interface_is_gone(cable: Cable, queues: Path) -> None:
    losses = losses_of(cable)
    cable.send([TAGGED] * 2)
    queues.write_text("00000100 0000ffff 00000000\n")
    assert lost_soon(losses, 2) == 2
    cable.near.ip("link del out")
    assert losses.so_far() == 2
    losses.close()


def test_it_is_among_the_counters_of_a_capture(cable: Cable, queues: Path) -> None:
    with listening(cable.far, "in") as source:
        cable.send([TAGGED] * 3)
        queues.write_text("00000100 0000ffff 00000000\n")
        end = time.monotonic() + 2
        while source.counters().lost < 3 and time.monotonic() < end:
            time.sleep(0.01)
    assert source.counters() == (3, 0, 3)
