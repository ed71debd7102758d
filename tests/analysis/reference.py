"""The corpus beside the project: captures that nobody here made, with what tshark 4.0.17 says of them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from sniffkit.errors import SniffkitError
from sniffkit.sources import open_capture

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpus"

NEEDED = pytest.mark.skipif(not CORPUS.exists(), reason="no corpus in ../shared beside the project")

LARGEST = 20_000_000
"""Larger captures are left out, to keep the tests short."""


def captures(column: str) -> Iterator[tuple[str, str]]:
    """Yield name and path of every readable capture in which tshark counts packets of a protocol (INDEX.tsv)."""
    with (CORPUS / "INDEX.tsv").open(encoding="utf-8") as index:
        names = index.readline().rstrip("\n").split("\t")
        for line in index:
            row = dict(zip(names, line.rstrip("\n").split("\t"), strict=False))
            if row[column] in ("", "0") or int(row["bytes"]) > LARGEST:
                continue
            path = CORPUS / "files" / row["path"]
            if not (CORPUS / "tshark" / f"{row['path']}.tsv.gz").exists():
                continue
            try:
                open_capture(str(path)).close()
            except SniffkitError:
                continue
            yield row["path"], str(path)


def reference(name: str, fields: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield packet number and tshark's values of some fields."""
    with gzip.open(CORPUS / "tshark" / f"{name}.tsv.gz", "rt", encoding="utf-8", errors="replace") as lines:
        heading = lines.readline().rstrip("\n").split("\t")
        places = [heading.index(field) for field in fields]
        for number, text in enumerate(lines, 1):
            cells = text.rstrip("\n").split("\t")
            yield number, tuple(cells[place] if place < len(cells) else "" for place in places)
