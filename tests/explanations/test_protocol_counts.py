"""What is only counted ends with the same summary as what is told packet by packet."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks.sender import connection
from sniffkit.analysis import capture
from sniffkit.analysis.capture import CaptureAnalysis
from sniffkit.analysis.tcp.followed import FollowedConversations
from sniffkit.explanations import protocol_counts
from sniffkit.explanations.catalogue import Catalogue
from sniffkit.explanations.listing import Listing
from sniffkit.explanations.protocol_counts import ProtocolCounts
from sniffkit.explanations.summary import summarise
from sniffkit.sources import open_capture
from sniffkit.sources.writer import create_capture
from tests.analysis.reference import NEEDED, captures

SAMPLES = sorted((Path(__file__).parents[2] / "captures").glob("*.pcap*"))


def both(path: str) -> None:
    told, counted = CaptureAnalysis(), CaptureAnalysis(counted=True)
    listing, protocols, counts = Listing(), Counter[str](), ProtocolCounts()
    with open_capture(path, batch_octets=1 << 16) as source:
        for batch in source:
            protocols.update(listing.lines(told.feed(batch)).protocol)
            counts.feed(counted.feed(batch, told=False).columns)
    assert counts.packets == protocols
    catalogue = Catalogue("en")
    assert summarise(counted, counts.packets, catalogue) == summarise(told, protocols, catalogue)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples(path: Path) -> None:
    both(str(path))


@NEEDED
def test_corpus() -> None:
    """Every link type, tunnels, broken packets; a tenth of the captures."""
    for _, path in list(captures("frames"))[::10]:
        if Path(path).stat().st_size < 1_000_000:
            both(path)


def test_who_is_forgotten_was_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Few conversations are known at a time, fewer followed; all are in the summary, the largest with their numbers."""
    plain, counted = CaptureAnalysis(), CaptureAnalysis(counted=True)
    counted.conversations = FollowedConversations(followed=300)
    monkeypatch.setattr(capture, "MOST_KNOWN", 400)
    with create_capture(str(tmp_path / "a.pcap")) as file:
        for group in range(0, 2000, 100):
            segments = [connection(number) for number in range(group, group + 100)]
            for frame in (frame for step in zip(*segments, strict=True) for frame in step):
                file.write(frame, file.written)
    with open_capture(str(tmp_path / "a.pcap"), batch_octets=1 << 14) as source:
        for batch in source:
            plain.feed(batch)
            counted.feed(batch, told=False)
    assert counted.streams.count < plain.streams.count == counted.streams.count + counted.tcp_totals.forgotten
    catalogue = Catalogue("en")
    one, other = (summarise(each, Counter(), catalogue) for each in (plain, counted))
    assert one.tables[0].title == other.tables[0].title
    assert one == other
    assert counted.streams.count <= 400 + 100
    assert sum(plain.conversations.count().values()) == sum(counted.conversations.count().values())
    every = set(counted.tcp_totals.numbers(np.arange(counted.tcp_totals.count)).tolist())
    assert max(every) < plain.streams.count
    rows = np.array(sorted(every))
    np.testing.assert_array_equal(plain.tcp_totals.octets[rows], counted.tcp_totals.octets[: len(rows)])
    np.testing.assert_array_equal(plain.streams.ends(rows)[1], counted.streams.ends(np.arange(len(rows)))[1])


def test_a_flood_of_one_kind_is_not_read_packet_by_packet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol_counts, "READ_OF_A_KIND", 3)
    read: list[int] = []
    plain = protocol_counts.protocol_of
    monkeypatch.setattr(protocol_counts, "protocol_of", lambda columns, row: read.append(row) or plain(columns, row))
    analysis, counts = CaptureAnalysis(counted=True), ProtocolCounts()
    with open_capture(str(SAMPLES[0].with_name("arp-ping.pcap"))) as source:
        for batch in source:
            for _ in range(50):
                counts.feed(analysis.feed(batch, told=False).columns)
    assert counts.packets["ARP"] % 50 == 0
    assert len(read) < 20
    assert sum(counts.packets.values()) == analysis.packets
