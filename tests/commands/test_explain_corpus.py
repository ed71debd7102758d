"""`explain` on real captures that nobody here made, many of them damaged on purpose: no crash, every packet told."""

from __future__ import annotations

import gzip
import io
import json
import time
from collections import Counter
from pathlib import Path

import pytest

from sniffkit.analysis.capture import CaptureAnalysis
from sniffkit.errors import SniffkitError
from sniffkit.explanations.catalogue import Catalogue
from sniffkit.explanations.listing import Listing
from sniffkit.explanations.record import Records
from sniffkit.explanations.story import Story
from sniffkit.explanations.summary import summarise
from sniffkit.renderers.json import write_lines
from sniffkit.renderers.screen import Screen
from sniffkit.renderers.terminal import Terminal
from sniffkit.sources import open_capture

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
SHARDS = 8
RECORDS = 40
"""How many packets of each capture are also written with all their layers."""

SECONDS = 20
"""No capture of the corpus takes longer, however it is built (the largest has 14,000 packets)."""

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="no captures in ../shared/corpus")


def captures(shard: int) -> list[str]:
    rows = (CORPUS / "INDEX.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return [row.split("\t")[0] for row in rows][shard::SHARDS]


def packets_of_reference(name: str) -> int | None:
    path = CORPUS / "tshark" / f"{name}.tsv.gz"
    if not path.is_file():
        return None
    with gzip.open(path, "rb") as file:
        return sum(1 for _ in file) - 1


def explain(path: Path) -> int:
    """Tell a capture to a screen of 80 cells and its first packets as JSON; return how many packets there were."""
    analysis, listing, catalogue = CaptureAnalysis(), Listing(), Catalogue("zh")
    story = Story(catalogue)
    records = Records(catalogue, story)
    terminal = Terminal(Screen(io.StringIO(), 80, True))
    protocols: Counter[str] = Counter()
    written = io.BytesIO()
    for batch in open_capture(str(path)):
        facts = analysis.feed(batch)
        lines = listing.lines(facts)
        protocols.update(lines.protocol)
        terminal.tell(story.tell(facts, lines))
        write_lines(written, (records.record(facts, lines, row) for row in range(min(len(batch), RECORDS))))
    terminal.tell(story.end_of_run())
    terminal.summary(summarise(analysis, protocols, catalogue))
    for line in written.getvalue().splitlines():
        json.loads(line)
    out = terminal.screen.stream
    assert isinstance(out, io.StringIO)
    assert not set(out.getvalue()) & UNSAFE, "an octet of a packet reached the screen unescaped"
    return analysis.packets


UNSAFE = {chr(code) for code in (*range(9), *range(11, 27), *range(28, 32), *range(127, 160), 0x202E, 0x200B)}
"""Control characters (line feed and the escape of our own colours aside), direction override, zero-width space."""


@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_capture_is_told(shard: int) -> None:
    failures = []
    for name in captures(shard):
        begun = time.perf_counter()
        try:
            count = explain(CORPUS / "files" / name)
        except SniffkitError:
            continue  # not a capture that we read: what is said of it is tested with the sources
        except Exception as error:
            failures.append(f"{name}: {type(error).__name__}: {error}")
            continue
        reference = packets_of_reference(name)
        if reference is not None and count != reference:
            failures.append(f"{name}: {count} packets, tshark has {reference}")
        if time.perf_counter() - begun > SECONDS:
            failures.append(f"{name}: took {time.perf_counter() - begun:.0f} s")
    assert not failures, "\n" + "\n".join(failures)
