"""DNS found in columns says what DNS read packet by packet says, field by field."""

from __future__ import annotations

from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether

from sniffkit.protocols.batch_fields import BatchFields
from sniffkit.protocols.columns import Columns
from sniffkit.protocols.field_cells import text_of
from sniffkit.protocols.field_types import field_types
from sniffkit.protocols.frame_fields import FrameFields
from sniffkit.protocols.single_packets import SinglePackets, add_fields
from sniffkit.sources import open_captures
from sniffkit.sources.batch import Batch
from tests.protocols.batches import batch_of

SAMPLES = sorted((Path(__file__).parents[2] / "captures").glob("dns-*.pcap"))

QUERY = bytes.fromhex("00010100 00010000 00000000 0161047465737400 0001 0001")
ANSWER = bytes.fromhex("00018180 00010001 00000000 0161047465737400 0001 0001 c00c 0001 0001 0000003c 0004 c0000201")
UPDATE = bytes.fromhex("00012800 00010000 00000000 0161047465737400 0006 0001")


def hostile() -> Batch:
    """Two messages in one packet (one quoted), cut ones, mDNS, LLMNR, an update, a port alone."""
    link, ip = Ether(), IP(src="10.0.0.1", dst="10.0.0.2")
    asked = ip / UDP(sport=4000, dport=53) / QUERY
    packets = [
        link / asked,
        link / ip / UDP(sport=53, dport=4000) / ANSWER,
        link / ip / UDP(sport=5353, dport=5353) / ANSWER,
        link / ip / UDP(sport=4000, dport=5355) / QUERY,
        link / ip / UDP(sport=4000, dport=53) / UPDATE,
        link / ip / ICMP(type=3, code=3) / bytes(asked),
        link / ip / UDP(sport=4000, dport=53) / QUERY[:9],
        link / ip / UDP(sport=4000, dport=53) / QUERY[:16],
        link / ip / UDP(sport=4000, dport=53),
    ]
    return batch_of([bytes(packet) for packet in packets])


def samples(path: Path) -> list[Batch]:
    with open_captures([str(path)]) as source:
        return list(source)


@pytest.mark.parametrize("batches", [[hostile()], *map(samples, SAMPLES)], ids=["hostile", *(p.stem for p in SAMPLES)])
def test_columns_and_single_packets_agree(batches: list[Batch]) -> None:
    for batch in batches:
        columns = Columns(batch)
        fields, singly = BatchFields(columns, FrameFields()), SinglePackets(columns)
        for id, field in field_types().items():
            if field.protocol != "dns":
                continue
            expected: list[tuple[int, str]] = []
            for row in singly.candidates("dns").tolist():
                found: dict[str, list[object]] = {}
                for layer in singly.packet(row).layers:
                    add_fields(layer, found)
                expected += [(row, value.text) for value in found.get(id, ()) if value.value is not None]  # type: ignore[attr-defined]
            got = fields.occurrences(id)
            assert list(zip(got.packet.tolist(), text_of(got, field), strict=True)) == expected, id
        for protocol in ("dns", "mdns", "llmnr"):
            rows = [
                row
                for row in singly.candidates("dns").tolist()
                for layer in singly.packet(row).layers
                if layer.protocol == protocol
            ]
            assert fields.occurrences(protocol).packet.tolist() == rows
