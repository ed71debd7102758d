"""1,540 captures that others made: packets, lengths, times and interfaces are those that tshark tells.

What differs on purpose is listed here with its reason, and nothing else may differ.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from sniffkit.errors import NotACapture
from sniffkit.sources import open_capture
from sniffkit.sources.batch import NO_TIME
from sniffkit.sources.pcapng_blocks import LATEST

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpus"

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="../shared/corpus is not beside this clone")

COLUMNS = ("frame.time_epoch", "frame.cap_len", "frame.len", "frame.interface_id")

READ_BY_US_ONLY = {
    "edsa-high-vid.pcap": "link type 285, which tshark 4.0 does not know; its packets are shown as octets",
    "hoobr_juniper3.pcap": "link type 132 with a length of the check sequence that tshark refuses",
    "juniper_es_oobr.pcap": "the same",
    "juniper_monitor_invalid_cookie_length.pcap": "link type 164, unknown to tshark 4.0",
    "vtp_asan-3.pcap": "link type 182, unknown to tshark 4.0",
    "clusterfuzz-testcase-minimized-FuzzTarget-5631583764873216": "reserved bits beside the link type, let pass here",
}

READ_BY_NOBODY = {
    "pcap-invalid-version-1.pcap": "pcap.version",
    "pcapng-invalid-vers-1.pcapng": "pcapng.version",
    "5_packets.erf.bz2": "capture.other-format",
    "5_packets.erf.gz": "capture.other-format",  # tshark does read ERF
}

COUNTED_OTHERWISE = {
    "atm-oam-heapoverflow.pcap": "tshark takes the 4 octets before each ATM packet off its lengths",
    "atm-oam-loopback-print-overrun.pcap": "the same",
}


def index() -> list[dict[str, str]]:
    if not CORPUS.is_dir():
        return []
    with (CORPUS / "INDEX.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def reference(path: str) -> list[tuple[str, ...]] | None:
    """Return what tshark says of each packet, None where it refused the file."""
    table = CORPUS / "tshark" / f"{path}.tsv.gz"
    if not table.exists():
        return None
    with gzip.open(table, "rt", encoding="utf-8", errors="replace", newline="\n") as file:
        header, *rows = file.read().removesuffix("\n").split("\n")
    places = [header.split("\t").index(column) for column in COLUMNS]
    return [tuple(row.split("\t")[place] for place in places) for row in rows if row]


def nanoseconds(text: str) -> int:
    """Read tshark's time, which is not normalised where a file lies: seconds and 32 bits of nanoseconds."""
    if not text:
        return NO_TIME
    seconds, fraction = text.removeprefix("-").split(".")
    time = int(seconds) * 10**9 + (-int(fraction) if text.startswith("-") else int(fraction))
    return min(time, LATEST)


@cache
def differences() -> tuple[list[str], int]:
    """Return what differs, a line a capture, and how many packets were compared."""
    told, compared = [], 0
    for entry in index():
        line, count = compare(entry["path"])
        told += line
        compared += count
    return told, compared


def compare(path: str) -> tuple[list[str], int]:
    name = Path(path).name
    wanted = reference(path)
    try:
        source = open_capture(str(CORPUS / "files" / path))
    except NotACapture as refused:
        return ([] if READ_BY_NOBODY.get(name) == refused.id else [f"{path}: {refused}"]), 0
    ours = list(rows(source))
    if wanted is None:
        return ([] if name in READ_BY_US_ONLY else [f"{path}: tshark refused it, we read {len(ours)}"]), 0
    theirs = [(nanoseconds(time), int(cap), int(length), number) for time, cap, length, number in wanted]
    if len(ours) != len(theirs):
        return [f"{path}: {len(ours)} packets, tshark has {len(theirs)}"], len(ours)
    wrong = [(place + 1, a, b) for place, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b]
    if wrong and name not in COUNTED_OTHERWISE:
        return [f"{path}: {len(wrong)} packets differ, first {wrong[0]}"], len(ours)
    return [], len(ours)


def rows(source) -> Iterator[tuple[int, int, int, str]]:
    with source:
        for batch in source:
            interfaces = map(str, batch.interface.tolist()) if source.interface_ids else [""] * len(batch)
            yield from zip(
                batch.time_ns.tolist(), batch.captured.tolist(), batch.length.tolist(), interfaces, strict=True
            )


def test_every_packet_is_the_one_tshark_tells() -> None:
    told, compared = differences()
    assert compared > 100_000
    assert not told, "\n" + "\n".join(told)


def test_what_tshark_finds_damaged_is_found_damaged() -> None:
    """Cut short, or a captured length that cannot be: the same files, and no other ones, are told as damaged."""
    differing = []
    for entry in index():
        try:
            source = open_capture(str(CORPUS / "files" / entry["path"]))
        except NotACapture:
            continue
        for _ in rows(source):
            pass
        cut = any(place.id.endswith(("-cut", ".cut")) for place in source.damage)
        too_long = any(place.id.endswith("-too-long") for place in source.damage)
        told = (cut, too_long)
        if told != ("cut short" in entry["error"], "bigger than maximum" in entry["error"]):
            differing.append(f"{entry['path']}: {source.damage}, tshark: {entry['error']}")
        assert not source.damage_untold
    assert not differing, "\n" + "\n".join(differing)


@pytest.mark.parametrize("path", [entry["path"] for entry in index() if "pcapng-test-generator" in entry["path"]])
def test_packets_are_as_many_as_the_generator_wrote(path: str) -> None:
    """Beside each of its captures the pcapng generator says how many blocks of each kind it wrote."""
    told = CORPUS / "pcapng-expected" / Path(path.partition("/")[2]).with_suffix(".txt")
    if not told.exists():
        pytest.skip("../shared/corpus has no description of this capture")
    kinds = dict(line.split(":") for line in told.read_text(encoding="utf-8").splitlines() if line.startswith("\t"))
    wanted = sum(int(count) for kind, count in kinds.items() if kind.strip() in ("EPB", "SPB", "PB"))
    source = open_capture(str(CORPUS / "files" / path))
    assert len(list(rows(source))) == wanted
    assert not source.damage
