"""Headers that only begin alike (Linux cooked, LLC, GRE): columns say of the beginning what single packets say."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import GRE, LLC, SNAP, CookedLinux, CookedLinuxV2, Dot3

from sniffkit.protocols.batch_fields import ALWAYS_THERE, BatchFields
from sniffkit.protocols.columns import Columns
from sniffkit.protocols.field_cells import text_of
from sniffkit.protocols.field_types import field_types
from sniffkit.protocols.frame_fields import FrameFields
from tests.protocols.batches import batch_of

INNER = IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=1, dport=2)
COOKED = [bytes(CookedLinux(pkttype=kind, lladdrlen=length) / INNER) for kind, length in ((0, 6), (4, 4), (4, 0))]
COOKED_2 = [bytes(CookedLinuxV2(pkttype=4, ifindex=3, lladdrlen=length) / INNER) for length in (6, 0)]
FRAMES = [
    bytes(Dot3() / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(OUI=0, code=0x0800) / INNER),
    bytes(Dot3() / LLC(dsap=0x42, ssap=0x42, ctrl=3) / bytes(35)),
]
TUNNELS = [bytes(IP() / GRE(key_present=present, key=7) / INNER) for present in (0, 1)]


@pytest.mark.parametrize(
    ("packets", "link_type", "protocol"),
    [(COOKED, 113, "sll"), (COOKED_2, 276, "sll"), (FRAMES, 1, "llc"), (TUNNELS, 101, "gre")],
    ids=["sll", "sll2", "llc", "gre"],
)
def test_columns_and_single_packets_agree(packets: list[bytes], link_type: int, protocol: str) -> None:
    cut = [packet[:length] for packet in packets for length in (len(packet), 16, 5, 0)]
    fields = BatchFields(Columns(batch_of(cut, link_type)), FrameFields())
    said = 0
    for id, field in field_types().items():
        if field.protocol in ALWAYS_THERE:
            found, singly = fields.occurrences(id), fields.singly.field(field)
            assert found.packet.tolist() == singly.packet.tolist(), id
            assert text_of(found, field) == text_of(singly, field), id
            said += len(found)
    assert said > 10
    layers = fields.singly.layers(protocol)
    assert fields.occurrences(protocol).packet.tolist() == layers.packet.tolist()
