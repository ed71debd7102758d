"""Second captures of one packet are found; packets that were really sent twice are not taken for them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from sniffkit.analysis.captured_twice import CapturedTwice
from sniffkit.protocols.columns import Columns
from sniffkit.sources import open_capture
from sniffkit.sources.batch import GUARD, Batch

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


@pytest.mark.parametrize(
    ("one", "other", "twice"), [(b"A" * 40, b"A" * 40, True), (b"AB", b"AC", False), (b"", b"", True)]
)
@pytest.mark.parametrize("identification", [0, 7])
def test_datagrams_without_a_checksum_are_told_apart_by_what_they_say(
    one: bytes, other: bytes, twice: bool, identification: int
) -> None:
    """Two answers of one length within a millisecond are no second capture: DNS servers send such."""
    packets = [datagram(content, identification) for content in (one, other)]
    octets = np.frombuffer(b"".join(packets) + bytes(GUARD), np.uint8)
    lengths = np.array([len(packet) for packet in packets])
    zeros = np.zeros(2, np.int32)
    times = np.array([1_700_000_000_000_000_000, 1_700_000_000_000_500_000])
    batch = Batch(octets, np.array([0, lengths[0]]), lengths, lengths, times, zeros + 1, zeros, 1)
    assert CapturedTwice().feed(Columns(batch)).tolist() == [0, int(twice)]


def datagram(content: bytes, identification: int) -> bytes:
    """An Ethernet frame with IPv4 and UDP from 10.0.0.53 to 10.0.0.2, its UDP checksum 0."""
    header = struct.pack("!BBHHHBBH", 0x45, 0, 28 + len(content), identification, 0, 64, 17, 0)
    ends = bytes([10, 0, 0, 53, 10, 0, 0, 2])
    udp = struct.pack("!HHHH", 53, 50000, 8 + len(content), 0)
    return bytes.fromhex("020000000002 020000000053 0800") + header + ends + udp + content
