"""Single segments that are unusual: what nobody needs to follow a conversation for, or only its FIN."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from sniffkit.analysis.facts import Fact
from sniffkit.analysis.segments import Segments
from sniffkit.analysis.streams import Streams
from sniffkit.analysis.tcp.odd_segments import OddSegments
from sniffkit.protocols.columns import Columns
from tests.analysis.messages import batches, ids, one, sentences


def segment(flags: str, seq: int, data: bytes = b"", back: bool = False, **more: int) -> bytes:
    ends = ("10.0.0.2", "10.0.0.1", 50000, 80)
    source, destination, sport, dport = (*ends[1::-1], *ends[:1:-1]) if back else ends
    tcp = TCP(sport=sport, dport=dport, flags=flags, seq=seq, ack=1, **more)
    return bytes(Ether() / IP(src=source, dst=destination) / tcp / data)


def told(packets: Sequence[bytes], size: int | None = None) -> dict[int, list[Fact]]:
    odd, streams = OddSegments(), Streams()
    facts: dict[int, list[Fact]] = {}
    for batch in batches(packets, size):
        columns = Columns(batch)
        segments = Segments.from_columns(columns)
        found = odd.feed(columns, segments, streams.feed(segments), np.zeros(len(batch), np.int64))
        facts |= {row + batch.first: some for row, some in found.items()}
    sentences(facts)
    return facts


def test_urgent_data_ends_where_seq_and_pointer_say() -> None:
    """RFC 9293 section 3.8.5: the pointer is an offset from the sequence number, not a count."""
    facts = told([segment("S", 100), segment("PAU", 101, b"abc", urgptr=3)])
    assert one(facts, 2, "tcp.urgent-data") == {"pointer": 3, "end": 4, "octets": 3}


def test_a_pointer_without_the_flag_means_nothing() -> None:
    assert told([segment("A", 100, b"abc", urgptr=3)]) == {}


def test_reserved_bits_are_named() -> None:
    assert one(told([segment("A", 100, reserved=0b101)]), 1, "tcp.reserved-bits") == {"bits": "101"}


def test_nothing_follows_the_senders_own_fin() -> None:
    """Two octets lie beyond the FIN (8 and 9 would be 106 and 107); the other direction may send on."""
    packets = [
        segment("PA", 100, b"12345"),
        segment("FA", 105),
        segment("A", 103, b"67890"),
        segment("A", 1, b"x", True),
    ]
    for size in (None, 1):
        facts = told(packets, size)
        assert one(facts, 3, "tcp.data-after-fin") == {"octets": 3, "number": 2}
        assert ids(facts, 4) == []


def test_data_sent_again_after_the_fin_is_no_such() -> None:
    """A lost segment comes again, and the FIN too; a FIN may carry the last octets itself."""
    packets = [segment("FPA", 100, b"12345"), segment("PA", 100, b"12345"), segment("FPA", 100, b"12345")]
    assert told(packets) == {}


def test_a_port_used_again_begins_anew() -> None:
    packets = [segment("S", 100), segment("FA", 101), segment("S", 9000), segment("A", 9001, b"new")]
    assert told(packets) == {}


def test_numbers_go_round() -> None:
    packets = [segment("FA", 2**32 - 1), segment("A", 0, b"xy")]
    assert one(told(packets), 2, "tcp.data-after-fin")["octets"] == 2
