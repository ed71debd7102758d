"""Whatever the octets: opening says NotACapture or gives a source, and reading that ends without an exception."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sniffkit.errors import NotACapture
from sniffkit.sources import open_capture
from tests.sources.by_hand import (
    END,
    Seen,
    block,
    interface,
    obsolete_packet,
    option,
    packet,
    pcap_header,
    pcap_record,
    read,
    section,
    simple_packet,
)


def pcap(order: str) -> bytes:
    return pcap_header(order) + b"".join(pcap_record(bytes([n]) * n, n, n, order=order) for n in range(12))


def pcapng(order: str) -> bytes:
    octets = section(order) + interface(order, options=option(2, b"eth0", order) + END) + interface(order, 113)
    for n in range(4):
        octets += packet(bytes([n]) * n, n, order=order, number=n % 2, options=option(1, b"note", order) + END)
        octets += simple_packet(b"simple", order=order) + obsolete_packet(b"old", n, order=order)
        octets += block(5, bytes(12), order) + block(4, bytes(8), order) + block(0x0BAD, b"any", order)
    return octets


CAPTURES = [pcap("<"), pcap(">"), pcapng("<"), pcapng(">"), pcapng("<") + pcapng(">"), gzip.compress(pcap("<"))]


def read_all(octets: bytes, batch_octets: int) -> list[Seen] | str:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "capture"
        path.write_bytes(octets)
        try:
            source = open_capture(str(path), batch_octets=batch_octets)
        except NotACapture as refused:
            return refused.id
        packets = read(source)
    for place in source.damage:
        packet, octet = place.values["packet"], place.values["octet"]
        assert isinstance(packet, int)
        assert isinstance(octet, int)
        assert 1 <= packet <= len(packets) + 1, "damage is told at the packet that was to come"
        assert octet >= 0
    return packets


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_octets(octets: bytes) -> None:
    read_all(octets, 64)


@given(st.sampled_from([capture[:30] for capture in CAPTURES]), st.binary(max_size=300))
@settings(deadline=None)
def test_any_octets_behind_a_true_beginning(begin: bytes, octets: bytes) -> None:
    read_all(begin + octets, 64)


@given(st.data())
@settings(deadline=None, max_examples=400)
def test_a_capture_with_some_octets_altered_left_out_or_put_in(data: st.DataObject) -> None:
    """However large the batches are in which it is read, the packets are the same."""
    octets = bytearray(data.draw(st.sampled_from(CAPTURES)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(octets) - 1))
        what = data.draw(st.sampled_from(["alter", "leave out", "put in", "cut"]))
        if what == "alter":
            octets[place] = data.draw(st.integers(0, 255))
        elif what == "leave out":
            del octets[place : place + data.draw(st.integers(1, 9))]
        elif what == "put in":
            octets[place:place] = data.draw(st.binary(min_size=1, max_size=9))
        else:
            del octets[place + 1 :]
        octets = octets or bytearray(b"x")
    whole = read_all(bytes(octets), 1 << 20)
    assert read_all(bytes(octets), data.draw(st.integers(1, 300))) == whole
