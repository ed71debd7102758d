"""`fields --parquet`: what stands in the dataset is what `fields` prints, in the types a data base wants."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.capture import make
from sniffkit.renderers import tables

pyarrow = pytest.importorskip("pyarrow")

CAPTURES = Path(__file__).parents[2] / "captures"
FIELDS = (
    "frame.number", "frame.time_epoch", "frame.time_delta", "eth.src", "ip.src", "ipv6.dst", "tcp.stream", "tcp.flags",
    "tcp.flags.syn", "tcp.analysis.retransmission", "tcp.options.mss_val", "dns.qry.name", "tcp.payload",
)  # fmt: skip


def read(path: Path) -> Any:
    import pyarrow.parquet

    return pyarrow.parquet.read_table(path)


def as_printed(value: Any, kind: str) -> str:
    """Write a value as `fields` does."""
    if value is None or (value is False and kind == "label"):
        return ""
    if kind in ("bool", "label"):
        return str(int(value))
    return str(value)


def test_the_same_as_printed(sniffkit: Callable[..., Any], tmp_path: Path) -> None:
    """IPv4 and IPv6, DNS and TCP; numbers stay numbers, null where a packet has no such field."""
    captures = [
        CAPTURES / name for name in ("http-exchange.pcapng", "lost-segment.pcap", "ipv6-neighbour-discovery.pcapng")
    ]
    asked = ["-e", ",".join(FIELDS), "-E", "occurrence=f", *captures]
    printed = [line.split("\t") for line in sniffkit("fields", *asked).out.splitlines()]
    done = sniffkit("fields", "--parquet", tmp_path / "set", *asked)
    assert (done.code, done.out, done.err) == (0, "", "")
    table = read(tmp_path / "set" / "fields.parquet")
    types = {field.name: str(field.type) for field in table.schema}
    assert types["frame.time_epoch"] == "timestamp[ns, tz=UTC]"
    assert (types["ip.src"], types["tcp.stream"], types["tcp.flags.syn"]) == ("string", "int64", "bool")
    for place, name in enumerate(FIELDS):
        column = table.column(name)
        if name in ("frame.time_epoch", "frame.time_delta"):
            column = column.cast("int64")
            told = [f"{value // 10**9}.{value % 10**9:09d}" for value in column.to_pylist()]
        elif name == "tcp.flags":
            told = ["" if value is None else f"0x{value:04x}" for value in column.to_pylist()]
        else:
            kind = "label" if name == "tcp.analysis.retransmission" else types[name]
            told = [as_printed(value, kind) for value in column.to_pylist()]
        assert told == [line[place] for line in printed], name


def test_row_groups_and_a_filter(
    sniffkit: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A long capture is written part by part."""
    import pyarrow.parquet

    monkeypatch.setattr(tables, "GROUP_ROWS", 10_000)
    sniffkit("fields", "-e", "frame.number,tcp.srcport", "-Y", "tcp", "--parquet", tmp_path, make(30_000))
    file = pyarrow.parquet.ParquetFile(tmp_path / "fields.parquet")
    assert file.metadata.num_row_groups >= 2
    table = file.read()
    assert table.column("tcp.srcport").null_count == 0
    assert table.num_rows == len(set(table.column("frame.number").to_pylist())) > 29_000


def test_where_nothing_can_be_written(sniffkit: Callable[..., Any], tmp_path: Path) -> None:
    """One clear line, for fields and for flows."""
    occupied = tmp_path / "file"
    occupied.write_text("not a folder")
    for command in (["fields", "-e", "ip.src"], ["flows"]):
        done = sniffkit(*command, "--parquet", occupied, CAPTURES / "http-exchange.pcapng", debug=False)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("sniffkit: the output could not be written: ")


def test_what_is_broken_off_leaves_no_file(tmp_path: Path) -> None:
    def write(stop: bool) -> None:
        with tables.ParquetFile({"number": "int64"}, str(tmp_path), "flows") as file:
            file.write({"number": [1, 2]})
            if stop:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(stop=True)
    assert not list(tmp_path.iterdir())
    write(stop=False)
    assert read(tmp_path / "flows.parquet").num_rows == 2
