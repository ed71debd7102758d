"""What programs read has one shape whatever was captured: each key always there, of its type, null where it has none.

The shapes are those that README promises, every record of every sample capture is held against them; more keys may be
added. `live --json` writes its packets with the same code as `explain -q --json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CAPTURES = Path(__file__).parents[2] / "captures"
SAMPLES = sorted(path for path in CAPTURES.iterdir() if path.suffix in (".pcap", ".pcapng") and path.name[0] != ".")

Shape = Any
"""A type; a tuple of what it may be; a pattern for a text; a list of one shape; a dictionary of them by key."""

NULL = type(None)
EPOCH = re.compile(r"-?\d+\.\d{9}")
ADDRESS = re.compile(r"[0-9a-f.:]+")
MARKS = (
    "retransmission", "fast_retransmission", "spurious_retransmission", "out_of_order", "lost_segment",
    "ack_lost_segment", "duplicate_ack", "keep_alive", "keep_alive_ack", "zero_window", "zero_window_probe",
    "zero_window_probe_ack", "window_full", "window_update", "reused_ports",
)  # fmt: skip
STATES = (
    "CLOSED", "LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING",
    "LAST-ACK", "TIME-WAIT",
)  # fmt: skip
STEPS = (
    "handshake.syn", "handshake.syn-ack", "handshake.ack", "teardown.fin-1", "teardown.ack-1", "teardown.fin-2",
    "teardown.ack-2", "reset",
)  # fmt: skip
PHASES = ("handshake", "data", "teardown", "reset", "refused", "unanswered", "after-close", "midstream")

FLOW_END: dict[str, Shape] = {
    "address": ADDRESS, "port": (int, NULL), "packets": int, "ip_bytes": int, "payload_bytes": int,
    "state": (*STATES, NULL), "retransmissions": (int, NULL), "mss": (int, NULL), "window_scale": (int, NULL),
    "sack_permitted": (bool, NULL),
}  # fmt: skip
FLOW: dict[str, Shape] = {
    "protocol": ("tcp", "udp", "icmp"), "stream": int, "conn_state": re.compile(r"[A-Z0-9]+"),
    "history": re.compile(r"\^?[A-Za-z-]*"), "client": FLOW_END, "server": FLOW_END, "start_epoch": (EPOCH, NULL),
    "duration": (float, NULL), "handshake_rtt_ms": (float, NULL),
    "opened": ("handshake", "simultaneous", "unanswered", "refused", "midstream", NULL),
    "closed": ("fin", "half", "reset", "open", NULL), "closed_by": ("client", "server", "both", NULL),
    "midstream": bool, "part": int,
}  # fmt: skip
FINDING: dict[str, Shape] = {
    "id": re.compile(r"flows\.found\.[a-z-]+"), "protocol": ("tcp", "udp", "icmp", NULL), "stream": (int, NULL),
    "conversations": int, "count": int, "packets": [int], "text": str, "rfc": re.compile("RFC .+"), "filter": str,
}  # fmt: skip
LISTED: dict[str, Shape] = {
    "number": int, "time_epoch": (EPOCH, NULL), "length": int, "captured": int, "interface": (int, NULL),
    "protocols": [str], "source": str, "destination": str, "tcp_stream": (int, NULL), "udp_stream": (int, NULL),
    "summary": str,
    "tcp": (
        {"sender": ("client", "server"), "phase": PHASES, "steps": [STEPS], "client": [STATES], "server": [STATES],
         "marks": [MARKS]},
        NULL,
    ),
}  # fmt: skip
FIELD: dict[str, Shape] = {"id": str, "name": str, "text": str, "offset": int, "bit": int, "bits": int}
PACKET = LISTED | {
    "notes": [{"id": str, "level": ("lesson", "note", "warning"), "text": str}],
    "layers": [{"protocol": str, "name": str, "offset": int, "length": int, "fields": [FIELD]}],
}
RECORD: dict[str, Shape] = {"name": str, "type": str, "ttl": int, "data": str}
QUESTION: dict[str, Shape] = {
    "id": int, "name": str, "type": str, "client": ADDRESS, "server": ADDRESS, "transport": ("udp", "tcp"),
    "query_packet": (int, NULL), "response_packet": (int, NULL), "query_packets": [int], "response_packets": [int],
    "rtt_ms": (float, NULL), "rcode": (str, NULL), "flags": [str], "answers": [RECORD], "authority": [RECORD],
    "additional": [RECORD], "retransmissions": int,
}  # fmt: skip
EXCHANGE: dict[str, Shape] = {
    "kind": str,
    "question": ({"packet": int, "sender_mac": str, "sender_ip": str, "target_ip": str}, NULL),
    "answers": [{"packet": int, "mac": str, "ip": str, "rtt_ms": (float, NULL)}],
    "warnings": [str],
}


def faults(value: object, shape: Shape, place: str = "") -> Iterator[str]:
    """Yield what a value has that its shape has not, and what it lacks."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            yield f"{place}: no object but {value!r}"
            return
        for key, inner in shape.items():
            if key not in value:
                yield f"{place}.{key} is missing"
            else:
                yield from faults(value[key], inner, f"{place}.{key}")
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{place}: no list but {value!r}"
            return
        for one in value:
            yield from faults(one, shape[0], f"{place}[]")
    elif isinstance(shape, tuple):
        if all(list(faults(value, one)) for one in shape):
            yield f"{place}: {value!r} is none of {shape}"
    elif isinstance(shape, type):
        if type(value) is not shape and not (shape is float and type(value) is int):
            yield f"{place}: {value!r} is no {shape.__name__}"
    elif isinstance(shape, re.Pattern):
        if not isinstance(value, str) or not shape.fullmatch(value):
            yield f"{place}: {value!r} does not look like {shape.pattern}"
    elif value != shape:
        yield f"{place}: {value!r} is not {shape!r}"


@pytest.mark.parametrize(
    ("shape", "options", "paths"),
    [
        (FLOW, ["flows", "--json"], SAMPLES),
        (FINDING, ["flows", "--findings", "--json"], SAMPLES),
        (LISTED, ["explain", "-q", "--json"], SAMPLES),
        (PACKET, ["explain", "--json"], SAMPLES[::7]),
        (QUESTION, ["dns", "--json"], [path for path in SAMPLES if "dns" in path.name or "http" in path.name]),
        (EXCHANGE, ["arp", "--json"], [path for path in SAMPLES if "arp" in path.name or "ipv6" in path.name]),
    ],
    ids=["flow", "finding", "listed packet", "packet", "question", "exchange"],
)
def test_every_record_has_its_shape(
    shape: Shape, options: list[str], paths: list[Path], sniffkit: Callable[..., Any]
) -> None:
    count = 0
    for path in paths:
        for line in sniffkit(*options, path).out.splitlines():
            record = json.loads(line)
            assert list(faults(record, shape)) == [], (path.name, record)
            count += 1
    assert count > 10


def test_conversations_of_every_protocol_have_the_same_keys(sniffkit: Callable[..., Any]) -> None:
    """What only TCP has is null in UDP and ICMP: no zero that nobody counted."""
    seen = set()
    for path in SAMPLES:
        for line in sniffkit("flows", "--json", path).out.splitlines():
            record = json.loads(line)
            seen.add(record["protocol"])
            if record["protocol"] != "tcp":
                only_tcp = ("state", "retransmissions", "mss", "window_scale", "sack_permitted")
                assert {record[role][key] for role in ("client", "server") for key in only_tcp} == {None}
                assert record["opened"] is record["closed"] is record["closed_by"] is record["handshake_rtt_ms"] is None
    assert seen == {"tcp", "udp", "icmp"}


def test_the_shape_of_a_record_finds_faults() -> None:
    whole = {"kind": "probe", "question": None, "answers": [], "warnings": []}
    assert list(faults(whole, EXCHANGE)) == []
    assert list(faults(whole | {"answers": [{"packet": "1"}], "warnings": None}, EXCHANGE)) == [
        ".answers[].packet: '1' is no int", ".answers[].mac is missing", ".answers[].ip is missing",
        ".answers[].rtt_ms is missing", ".warnings: no list but None",
    ]  # fmt: skip
