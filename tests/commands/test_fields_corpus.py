"""``sniffkit fields`` against tshark's own table of 1,500 captures, value by value.

What still differs, and why, stands in test_fields_corpus.md beside this file.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from pathlib import Path

import pytest

from sniffkit.analysis.tcp import fields as tcp_fields
from sniffkit.commands.fields import known_field
from sniffkit.commands.filtering import PacketFilter
from sniffkit.errors import SniffkitError
from sniffkit.protocols import REGISTER
from sniffkit.protocols.field_types import field_types
from sniffkit.renderers.field_table import FieldTable, Layout
from sniffkit.sources import open_captures

CORPUS = Path(__file__).parent.parent.parent.parent / "shared" / "corpus"

LATER = ("_ws.", "http.", "tls.", "dhcp.", "frame.protocols")
"""Fields of protocols that come with other issues."""

MOST = 2_000
"""Values compared of a field and capture."""

LINKS = {str(number) for protocol in REGISTER for number in protocol.carried_in.get("link", ())}


def theirs(path: Path) -> tuple[list[str], list[list[str]]]:
    """The fields of the reference, and its rows."""
    with gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="\n") as lines:
        header = lines.readline().rstrip("\n").split("\t")
        rows = [line.rstrip("\n").split("\t") for _, line in zip(range(MOST), lines, strict=False)]
    return header, [row + [""] * (len(header) - len(row)) for row in rows]


def ours(path: Path, ids: list[str]) -> list[list[str]]:
    """The same rows as we print them."""
    written, chosen = io.BytesIO(), PacketFilter(fields=ids)
    table = FieldTable([known_field(id) for id in ids], Layout(occurrence="f"), written)
    packets = 0
    with open_captures([str(path)]) as source:
        chosen.read_from(source)
        for batch in source:
            fields, wanted = chosen.feed(batch)
            table.write(fields, wanted)
            packets += len(batch)
            if packets >= MOST:
                break
    return [line.split("\t") for line in written.getvalue().decode("utf-8", "replace").split("\n")[:-1]]


@pytest.mark.slow
@pytest.mark.skipif(not CORPUS.exists(), reason="no corpus in ../shared")
def test_fields_are_printed_as_tshark_prints_them(capsys: pytest.CaptureFixture[str]) -> None:
    equal: Counter[str] = Counter()
    unequal: Counter[str] = Counter()
    where: dict[str, Counter[str]] = {}
    with (CORPUS / "INDEX.tsv").open(encoding="utf-8") as index:
        captures = list(csv.DictReader(index, delimiter="\t"))
    for capture in captures:
        name, reference = capture["path"], CORPUS / "tshark" / (capture["path"] + ".tsv.gz")
        links = {link for link in (capture["linktype"] or "").split(",") if link}
        if not reference.exists() or not links <= LINKS:
            continue
        header, rows = theirs(reference)
        ids = [id for id in header if not id.startswith(LATER)]
        try:
            found = ours(CORPUS / "files" / name, ids)
        except SniffkitError:
            continue  # a format that sources does not read
        for column, id in enumerate(ids):
            place = header.index(id)
            for number, row in enumerate(rows):
                have = found[number][column] if number < len(found) else ""
                if have == row[place]:
                    equal[id] += have != ""
                else:
                    unequal[id] += 1
                    where.setdefault(id, Counter())[name] += 1
    share = equal.total() / (equal.total() + unequal.total())
    with capsys.disabled():
        print(f"\n{equal.total():,} values equal to tshark's, {unequal.total():,} not: {share:.4%}")
        for id in sorted({*equal, *unequal}, key=lambda id: -unequal[id]):
            files = where.get(id, Counter()).most_common(3)
            most = ", ".join(f"{name.rpartition('/')[2]} {count}" for name, count in files)
            print(f"  {id:40} {equal[id]:8,} {unequal[id]:5,}  {most}")
    assert equal.total() > 1_500_000
    assert share >= 0.999


@pytest.mark.slow
@pytest.mark.skipif(not CORPUS.exists(), reason="no corpus in ../shared")
def test_every_field_of_every_capture_can_be_printed() -> None:
    ids = [*field_types(), *tcp_fields.types()]
    fields = [known_field(id) for id in ids]
    wrong = []
    for path in sorted(path for path in (CORPUS / "files").rglob("*") if path.is_file()):
        written, chosen, packets = io.BytesIO(), PacketFilter(fields=ids), 0
        table = FieldTable(fields, Layout(), written)
        try:
            source = open_captures([str(path)], batch_octets=60_000)
        except SniffkitError:
            continue
        with source:
            chosen.read_from(source)
            for batch in source:
                found, _ = chosen.feed(batch.head(100))
                table.write(found, None)
                packets += len(found)
                if packets >= 100:
                    break
        lines = written.getvalue().decode().split("\n")[:-1]
        if len(lines) != packets or any(line.count("\t") != len(ids) - 1 for line in lines):
            wrong.append(path.name)
    assert not wrong
