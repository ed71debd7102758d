"""The corpus tables as Segments: what tshark said of every TCP header, to compare our analysis with."""

from __future__ import annotations

import csv
import gzip
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sniffkit.analysis.segments import Segments
from sniffkit.sources.batch import NO_TIME

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"

needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus ../shared/corpus is not here")


@dataclass(frozen=True, slots=True)
class Reference:
    """One capture: its segments and tshark's answers, text as printed, in the same order."""

    path: str
    segments: Segments
    answers: dict[str, list[str]]


@cache
def captures_with_tcp() -> tuple[str, ...]:
    with (CORPUS / "INDEX.tsv").open(encoding="utf-8") as index:
        return tuple(
            row["path"]
            for row in csv.DictReader(index, delimiter="\t", quoting=csv.QUOTE_NONE)
            if row["tcp"].isdigit() and int(row["tcp"])
        )


def references() -> Iterator[Reference]:
    """Every capture of the corpus with TCP that tshark read."""
    for path in captures_with_tcp():
        if (found := reference(path)) is not None:
            yield found


def reference(path: str) -> Reference | None:
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
    columns = {name: [row[place] if place < len(row) else "" for row in rows] for name, place in at.items()}
    return Reference(path, segments_from(columns), columns)


def is_plain(protocols: str) -> bool:
    """Return whether the first IP header of the frame is the one directly before its first TCP header."""
    before = protocols.split(":tcp", 1)[0].split(":")
    return before.count("ip") + before.count("ipv6") == 1 and protocols.count(":tcp") == 1


def segments_from(columns: dict[str, list[str]]) -> Segments:
    count = len(columns["tcp.stream"])

    def numbers(name: str, dtype: type, missing: int = 0) -> NDArray[np.generic]:
        return np.array([int(text, 0) if text else missing for text in columns[name]]).astype(dtype)

    four = [bool(text) for text in columns["ip.src"]]
    source = addresses(columns["ip.src"], columns["ipv6.src"])
    destination = addresses(columns["ip.dst"], columns["ipv6.dst"])
    length = numbers("tcp.len", np.int64, -1)
    return Segments(
        row=np.arange(count),
        number=numbers("frame.number", np.int64),
        time_ns=np.array([nanoseconds(text) for text in columns["frame.time_epoch"]], np.int64),
        source=source,
        destination=destination,
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
