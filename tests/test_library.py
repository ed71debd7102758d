"""The library as its users meet it: the examples in the documentation run, tables are what the records say."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sniffkit
from sniffkit.analysis.flows.records import Flow
from sniffkit.explanations.flow_columns import KINDS
from sniffkit.renderers.tables import arrow_table

ROOT = Path(__file__).parent.parent
CAPTURE = ROOT / "captures" / "http-exchange.pcapng"


def test_the_examples_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = doctest.testmod(sniffkit)
    assert found.attempted >= 3
    assert found.failed == 0


def test_columns_are_arrays() -> None:
    with sniffkit.open(CAPTURE) as capture:
        (columns,) = capture.columns()
    ports = columns["tcp.srcport"]
    assert isinstance(ports, np.ndarray)
    assert len(ports) == len(columns.rows("tcp").row)


def test_batches_hold_every_packet() -> None:
    with sniffkit.open(CAPTURE) as capture:
        sizes = [len(batch) for batch in capture.batches()]
    with sniffkit.open(CAPTURE, CAPTURE) as capture:
        assert sum(len(batch) for batch in capture.batches()) == 2 * sum(sizes)


def test_packets_are_read_once_and_conversations_kept() -> None:
    """A second reading would find nothing, and nothing looks like an empty capture."""
    with sniffkit.open(CAPTURE) as capture:
        flows = list(capture.flows())
        assert list(capture.flows()) == flows
        assert capture.flow_table().num_rows == len(flows) == 2
        with pytest.raises(RuntimeError, match="open it again"):
            next(capture.columns())


def test_only_paths_are_opened() -> None:
    with CAPTURE.open("rb") as file, pytest.raises(TypeError):
        sniffkit.open(file)  # type: ignore[arg-type]


def test_flows_as_a_table() -> None:
    with sniffkit.open(CAPTURE) as capture:
        flows = list(capture.flows())
    with sniffkit.open(CAPTURE) as capture:
        table = capture.flow_table()
    assert table.num_rows == len(flows) == 2
    assert table.column("client_ip_bytes").to_pylist() == [flow.client.ip_bytes for flow in flows]
    assert table.column("server_mss").to_pylist() == [flow.server.mss for flow in flows]
    assert str(table.schema.field("start").type) == "timestamp[ns, tz=UTC]"
    assert [moment.value for moment in table.column("start")] == [flow.start_ns for flow in flows]


COUNTED = ("retransmissions", "out_of_order", "duplicate_acks", "zero_windows")
"""What only TCP counts: 0 in the records of other protocols, nothing in the table."""


def value(flow: Flow, name: str) -> Any:
    """What stands in a column, read from the record."""
    role, _, rest = name.partition("_")
    if role not in ("client", "server"):
        return getattr(flow, {"start": "start_ns"}.get(name, name))
    end = getattr(flow, role)
    if rest.startswith("ack_"):
        return getattr(end.answer, rest.removeprefix("ack_").removesuffix("_ns"), None)
    return None if rest in COUNTED and flow.protocol != "tcp" else getattr(end, rest)


def test_tables_say_what_the_records_say() -> None:
    """Row for row, over all samples: the table is made from columns, the records one by one."""
    for path in sorted((ROOT / "captures").glob("*.pcap*")):
        with sniffkit.open(path) as capture:
            flows = list(capture.flows())
        told = arrow_table(KINDS, [{name: [value(flow, name) for flow in flows] for name in KINDS}])
        with sniffkit.open(path) as capture:
            table = capture.flow_table()
        assert table.schema == told.schema
        different = [name for name in KINDS if not table.column(name).equals(told.column(name))]
        assert (path.name, different) == (path.name, [])


def test_numbers_are_not_copied() -> None:
    values = np.arange(1000)
    table = arrow_table({"a": "int64"}, [{"a": values}])
    assert table.column("a").chunk(0).buffers()[1].address == values.ctypes.data
