"""Why a packet that looks quiet must be looked at: each case was told wrong, or differently from batch to batch.

Data that goes on where its sender stopped, and acks of nothing unseen, change neither letters nor states, so they are
passed over (``zeek.connections``). Where they stopped is read from Wireshark's numbers. Zeek's are others now and then;
from there on every packet counts until both agree again.
"""

from __future__ import annotations

import pytest

from sniffkit.analysis.segments import ACK, FIN, RST, SYN, Segments
from sniffkit.analysis.streams import Streams
from sniffkit.analysis.tcp.marks import TcpMarks
from sniffkit.analysis.zeek.connections import ZeekConnections
from tests.analysis.hostile_segments import segments_of

Packet = tuple[int, int, int, int, int]  # side, flags, seq, ack, length

OPENED: list[Packet] = [(0, SYN, 100, 0, 0), (1, SYN | ACK, 500, 101, 0), (0, ACK, 101, 501, 0)]
ASKED: list[Packet] = [*OPENED, (0, ACK, 101, 501, 10), (1, ACK, 501, 111, 0)]

CASES: dict[str, tuple[list[Packet], str, str]] = {
    # Some acknowledge a SYN before they send their own: such an end has no numbers yet, its first data sets them.
    "an end that has only acknowledged a SYN": (
        [(0, SYN, 100, 0, 0), (1, ACK, 5000, 101, 0), (1, ACK, 1000, 101, 10), (1, ACK, 1010, 101, 10)],
        "OTH",
        "Sad",
    ),
    # Zeek takes the first FIN at its word, even behind what was sent; Wireshark calls all after it a retransmission.
    "a FIN that sets the numbers back": (
        [(0, SYN, 100, 0, 0), (1, ACK, 3913, 101, 9), (1, FIN | ACK, 3000, 101, 1), (1, ACK, 3002, 101, 1)],
        "S3",
        "Sdft",
    ),
    "the first FIN after nothing but an ack sets the numbers back": (
        [*OPENED, (1, FIN | ACK, 300, 101, 1), (1, ACK, 302, 101, 1), (1, ACK, 303, 101, 1)],
        "S3",
        "ShAfd",
    ),
    # For Wireshark a number of 0 is none at all.
    "data up to the very end of the numbers": (
        [(0, ACK, 2**32 - 1, 500, 1), (0, ACK, 2**32 - 2, 500, 2)],
        "OTH",
        "DT",
    ),
    "two numbers at opposite ends of the circle": (
        [(0, ACK, 0, 1, 0), (0, ACK, 2**31, 1, 1)],
        "OTH",
        "ADT",
    ),
    # After its RST nothing that an end sends is believed, but what the other end acknowledges is.
    "data after a RST, acknowledged": (
        [*OPENED, (0, RST, 101, 0, 0), (0, ACK, 101, 501, 9), (0, ACK, 110, 501, 9), (1, ACK, 501, 119, 0),
         (1, ACK, 501, 119, 0), (1, RST, 501, 0, 0)],
        "RSTR",
        "ShARDar",
    ),
    # Wireshark marks an ack of unseen octets only where no duplicate acks were counted.
    "an ack of what nobody saw, after duplicate acks": (
        [*ASKED, (1, ACK, 501, 111, 0), (0, ACK, 111, 601, 0), (0, ACK, 111, 601, 0)],
        "S1",
        "ShADag",
    ),
    "an ack of still more that nobody saw": (
        [*ASKED, (0, ACK, 111, 601, 0), *((0, ACK, 111, 600 + 10 * at, 0) for at in range(1, 10))],
        "S1",
        "ShADagg",
    ),
    # A bare ack one number further shows that an octet is missing, before anybody acknowledges it.
    "a hole of one octet": ([*ASKED, (0, ACK, 112, 501, 0), (1, ACK, 501, 112, 0)], "S1", "ShADaG"),
    # Two blocks above a hole that touch have no hole between them: nine holes and these are nine, not ten.
    "blocks that touch": (
        [*ASKED, *(packet for at in range(200, 1100, 100) for packet in (
            (0, ACK, at, 501, 10), (0, ACK, at + 10, 501, 10), (1, ACK, 501, at + 20, 0)))],
        "S1",
        "ShADaG",
    ),
}  # fmt: skip


def told(segments: Segments, packets: int) -> tuple[str, str]:
    """Return conn_state and history of the one stream, fed so many packets at a time."""
    streams, marks, connections = Streams(), TcpMarks(), ZeekConnections()
    for begin in range(0, len(segments), packets):
        part = segments.take(slice(begin, begin + packets))
        numbers = streams.feed(part)
        connections.feed(part, numbers, marks.feed(part, numbers))
    outcome = connections.outcome(0)
    assert outcome is not None
    return outcome.conn_state, outcome.history


@pytest.mark.parametrize("case", CASES)
def test_every_packet_counts(case: str) -> None:
    packets, conn_state, history = CASES[case]
    time = 1_600_000_000 * 10**9
    segments = segments_of(
        [
            ((40_000, 9_999), (1, 2), side, sequence, ack, flags, 1000, length, -1, time + at)
            for at, (side, flags, sequence, ack, length) in enumerate(packets)
        ]
    )
    assert {told(segments, size) for size in (1, 2, 3, len(packets))} == {(conn_state, history)}
