"""Second captures of one packet are found; packets that were really sent twice are not taken for them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from sniffkit.analysis.captured_twice import FARTHEST, CapturedTwice
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
    batch = batch_of([(1_700_000_000_000_000_000 + 500_000 * at, packet) for at, packet in enumerate(packets)])
    assert CapturedTwice().feed(Columns(batch)).tolist() == [0, int(twice)]


def mirrored(count: int, delay: int, every: int = 1) -> list[tuple[int, bytes]]:
    """Bare acks without an IP identification, one every 0.1 ms and some captured again after ``delay`` packets."""
    packets = []
    for number in range(count):
        tcp = struct.pack("!HHIIHHHH", 50000, 80, 1, number, 0x5010, 1000, number, 0)
        if number % 5 == 0:  # data: of this it is certain that nobody sends it twice
            tcp = struct.pack("!HHIIHHHH", 50000, 80, 1 + number, number, 0x5018, 1000, number, 0) + b"x"
        packets.append((number * 100_000, datagram(b"", 0, tcp)))
    again = [(time + delay * 100_000 + 1, packet) for time, packet in packets[::every]]
    return sorted(packets + again, key=lambda packet: packet[0])


def batch_of(packets: list[tuple[int, bytes]], first: int = 1) -> Batch:
    octets = np.frombuffer(b"".join(packet for _, packet in packets) + bytes(GUARD), np.uint8)
    lengths = np.array([len(packet) for _, packet in packets])
    zeros = np.zeros(len(packets), np.int32)
    times = np.array([time for time, _ in packets])
    return Batch(octets, np.cumsum(lengths) - lengths, lengths, lengths, times, zeros + 1, zeros, first)


@pytest.mark.parametrize(("delay", "every"), [(0, 1), (0, 2), (0, 9), (5, 1), (9, 1), (400, 1)])
def test_where_a_batch_ends_makes_no_difference(delay: int, every: int) -> None:
    """Whether a bare ack is a second capture hangs on how many packets before it certainly are."""
    packets, found = mirrored(600, delay, every), []
    for size in (1, 2, 7, 100, len(packets)):
        twice = CapturedTwice()
        batches = [batch_of(packets[at : at + size], at + 1) for at in range(0, len(packets), size)]
        found.append(np.concatenate([twice.feed(Columns(batch)) for batch in batches]).tolist())
    assert all(other == found[0] for other in found)
    if (delay, every) == (0, 1):
        assert sum(number > 0 for number in found[0]) == 600, "every packet stands there twice"
    if every == 9:
        assert sum(number > 0 for number in found[0]) == 14, "only the data: too few to doubt the acks"


def test_how_far_behind_a_second_capture_may_be() -> None:
    """With an IP identification 50 ms, and never more packets than are remembered."""
    first = (0, datagram(b"once", 7))
    for between, twice in ((FARTHEST - 1, 1), (FARTHEST, 0)):
        others = [(at, datagram(b"%4d" % at, 8)) for at in range(between)]
        found = CapturedTwice().feed(Columns(batch_of([first, *others, first])))
        assert found[-1] == twice


def datagram(content: bytes, identification: int, tcp: bytes = b"") -> bytes:
    """An Ethernet frame with IPv4 and UDP from 10.0.0.53 to 10.0.0.2, its UDP checksum 0; or with TCP."""
    length, protocol = (20 + len(tcp), 6) if tcp else (28 + len(content), 17)
    header = struct.pack("!BBHHHBBH", 0x45, 0, length, identification, 0, 64, protocol, 0)
    ends = bytes([10, 0, 0, 53, 10, 0, 0, 2])
    udp = struct.pack("!HHHH", 53, 50000, 8 + len(content), 0)
    return bytes.fromhex("020000000002 020000000053 0800") + header + ends + (tcp or udp + content)
