"""The corpus as Segments, and what tshark said of every one of them, to compare our analysis with.

Our own columns are used wherever they find the same TCP frames as tshark. Where they do not (a layer we do not open),
the segments are built from tshark's table, unless a tunnel hides in it which addresses belong to the TCP header.
"""

from __future__ import annotations

import csv
import gzip
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sniffkit.analysis.segments import Segments
from sniffkit.errors import SniffkitError
from sniffkit.protocols.columns import Columns
from sniffkit.protocols.reassembly import Reassembler
from sniffkit.sources import open_capture
from sniffkit.sources.batch import NO_TIME

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"

needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus ../shared/corpus is not here")


@dataclass(frozen=True, slots=True)
class Reference:
    """One capture: its segments and tshark's answers, text as printed, in the same order."""

    path: str
    segments: Segments
    answers: dict[str, list[str]]

    def numbers(self, field: str) -> NDArray[np.int64]:
        """A field as numbers, -1 where tshark printed nothing."""
        return np.array([int(text, 0) if text else -1 for text in self.answers[field]], np.int64)

    def present(self, field: str) -> NDArray[np.bool_]:
        return np.array([bool(text) for text in self.answers[field]], np.bool_)


@cache
def captures_with_tcp() -> tuple[str, ...]:
    with (CORPUS / "INDEX.tsv").open(encoding="utf-8") as index:
        return tuple(
            row["path"]
            for row in csv.DictReader(index, delimiter="\t", quoting=csv.QUOTE_NONE)
            if row["tcp"].isdigit() and int(row["tcp"])
        )


@cache
def references() -> tuple[tuple[Reference, ...], tuple[str, ...]]:
    """Every capture of the corpus with TCP, and those that can be had in neither way."""
    found, lacking = [], []
    for path in captures_with_tcp():
        columns = table_of(path)
        if columns is None:
            continue
        if (segments := same_frames(path, columns)) is None:
            segments = segments_from(columns) if all(map(is_plain, columns["frame.protocols"])) else None
        if segments is None:
            lacking.append(path)
        else:
            found.append(Reference(path, segments, columns))
    return tuple(found), tuple(lacking)


def table_of(path: str) -> dict[str, list[str]] | None:
    """tshark's rows of a capture that have TCP, column by column; None where it has none."""
    table = CORPUS / "tshark" / f"{path}.tsv.gz"
    if not table.exists():
        return None
    with gzip.open(table, "rt", encoding="utf-8", errors="replace", newline="\n") as lines:
        header = next(lines).rstrip("\n").split("\t")
        at = {name: place for place, name in enumerate(header)}
        rows = [line.rstrip("\n").split("\t") for line in lines]
    rows = [row for row in rows if len(row) > at["tcp.stream"] and row[at["tcp.stream"]]]
    if not rows:
        return None
    return {name: [row[place] if place < len(row) else "" for row in rows] for name, place in at.items()}


def own_segments(path: str) -> Iterator[Segments]:
    """Yield the segments of a capture batch by batch, IP fragments put together as ``flows`` and ``explain`` do."""
    reassembler = Reassembler()
    with open_capture(str(CORPUS / "files" / path)) as source:
        for batch in source:
            yield Segments.from_columns(Columns(batch, reassembler))


def same_frames(path: str, columns: dict[str, list[str]]) -> Segments | None:
    """Our own segments, if they are one a frame in exactly the frames of tshark's table."""
    try:
        parts = list(own_segments(path))
    except SniffkitError:
        return None
    if not parts:
        return None
    whole = Segments(
        **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Segments)}
    )
    frames = np.array([int(text) for text in columns["frame.number"]])
    return whole if np.array_equal(whole.number, frames) else None


def is_plain(protocols: str) -> bool:
    """Return whether the first IP header of the frame is the one directly before its first TCP header."""
    before = protocols.split(":tcp", 1)[0].split(":")
    return before.count("ip") + before.count("ipv6") == 1 and protocols.count(":tcp") == 1


def segments_from(columns: dict[str, list[str]]) -> Segments:
    count = len(columns["tcp.stream"])

    def numbers(name: str, dtype: type, missing: int = 0) -> NDArray[np.generic]:
        return np.array([int(text, 0) if text else missing for text in columns[name]]).astype(dtype)

    four = [bool(text) for text in columns["ip.src"]]
    length = numbers("tcp.len", np.int64, -1)
    return Segments(
        row=np.arange(count),
        number=numbers("frame.number", np.int64),
        time_ns=np.array([nanoseconds(text) for text in columns["frame.time_epoch"]], np.int64),
        source=addresses(columns["ip.src"], columns["ipv6.src"]),
        destination=addresses(columns["ip.dst"], columns["ipv6.dst"]),
        source_port=numbers("tcp.srcport", np.uint16),
        destination_port=numbers("tcp.dstport", np.uint16),
        sequence=numbers("tcp.seq_raw", np.uint32),
        acknowledgment=numbers("tcp.ack_raw", np.uint32),
        flags=numbers("tcp.flags", np.uint16),
        window=numbers("tcp.window_size_value", np.uint16),
        length=length,
        captured=np.maximum(length, 0),
        header_ok=np.array([bool(text) for text in columns["tcp.window_size_value"]], bool),
        options_ok=np.ones(count, bool),
        scale_shift=numbers("tcp.options.wscale.shift", np.int16, -1),
        mss=numbers("tcp.options.mss_val", np.int32, -1),
        sack_permitted=np.array([bool(text) for text in columns["tcp.options.sack_perm"]], bool),
        identification=np.where(four, numbers("ip.id", np.int32, -1), -1).astype(np.int32),
        checksum=numbers("tcp.checksum", np.uint16),
    )


def nanoseconds(text: str) -> int:
    if not text:
        return NO_TIME
    sign = -1 if text.startswith("-") else 1
    seconds, _, fraction = text.lstrip("-").partition(".")
    value = sign * (int(seconds) * 10**9 + int(fraction.ljust(9, "0")[:9] or 0))
    return max(min(value, 2**63 - 1), NO_TIME)  # damaged time stamps are clipped


@cache
def halves(text: str) -> tuple[int, int]:
    address = ipaddress.ip_address(text or "::")
    number = int(address) | (0xFFFF << 32 if address.version == 4 else 0)
    return number >> 64, number & (2**64 - 1)


def addresses(four: list[str], six: list[str]) -> NDArray[np.uint64]:
    return np.array([halves(a or b) for a, b in zip(four, six, strict=True)], np.uint64).reshape(-1, 2)


def cuts(count: int, pieces: int, seed: int) -> list[tuple[int, int]]:
    """Borders of ``pieces`` batches of random sizes, none empty."""
    places = np.unique(np.random.default_rng(seed).integers(0, count + 1, pieces - 1)).tolist()
    borders = sorted({0, count, *places})
    return list(pairwise(borders))
