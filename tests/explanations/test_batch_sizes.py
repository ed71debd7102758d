"""What is said of a packet does not depend on where the capture is cut into batches: live says what explain says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sniffkit.analysis.capture import CaptureAnalysis
from sniffkit.explanations.catalogue import Catalogue
from sniffkit.explanations.latest_segments import LatestSegments
from sniffkit.explanations.lesson import Fold, PacketLesson
from sniffkit.explanations.listing import Listing
from sniffkit.explanations.story import Story
from sniffkit.sources import open_capture
from tests.analysis.flows.test_batch_sizes import ALL, CAPTURES, rows


def told(path: Path, packets: int) -> Iterator[PacketLesson | Fold]:
    """Tell a capture, so many packets at a time."""
    analysis, listing, story = CaptureAnalysis(), Listing(), Story(Catalogue("en"), unfolded=True)
    with open_capture(str(path)) as source:
        for batch in source:
            for begin in range(0, len(batch), packets):
                facts = analysis.feed(rows(batch, begin, begin + packets))
                yield from story.tell(facts, listing.lines(facts))
    yield from story.end_of_run()


@pytest.mark.parametrize("packets", [1, 3])
def test_the_sample_captures(packets: int) -> None:
    paths = sorted(CAPTURES.glob("*.pcap*"))
    assert len(paths) > 40
    for path in paths:
        assert list(told(path, packets)) == list(told(path, ALL)), path.name


def test_a_probe_of_a_closed_window_is_called_so_in_live_too() -> None:
    """Each packet comes alone; that the window is closed was said by the one before."""
    notes = [note.text for lesson in told(CAPTURES / "zero-window.pcap", 1) for note in lesson.notes]  # type: ignore[union-attr]
    assert any(note.startswith("Probes the closed window") for note in notes)
    assert not any(note.startswith("Keep-alive") for note in notes)


def test_after_a_gap_nothing_is_said_that_refers_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """While live only counts, nobody knows what the latest segment was; and only so many connections are remembered."""
    analysis, latest = CaptureAnalysis(), LatestSegments()
    with open_capture(str(CAPTURES / "handshake-close-4.pcap")) as source:
        (batch,) = source
    one, two, three, four = (analysis.feed(rows(batch, begin, begin + 1)) for begin in range(4))
    latest.begin(one)
    latest.begin(two)
    assert latest.before(two, 0) == latest.before(two, 0, other_side=True) is not None
    latest.begin(four)
    assert latest.before(four, 0) is None
    monkeypatch.setattr("sniffkit.explanations.latest_segments.MOST_REMEMBERED", 0)
    again = LatestSegments()
    again.begin(two)
    again.begin(three)
    assert again.before(three, 0) is None
