"""Every packet of the sample captures: our fields are Scapy's, and tshark's where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sniffkit.protocols.packet import Packet, read_packet
from sniffkit.sources import open_capture

CAPTURES = Path(__file__).parents[2] / "captures"
SAMPLES = sorted(path for path in CAPTURES.iterdir() if path.suffix in (".pcap", ".pcapng"))

TSHARK_FIELDS = [
    "eth.dst",
    "eth.src",
    "eth.type",
    "vlan.id",
    "vlan.priority",
    "vlan.etype",
    "arp.hw.type",
    "arp.proto.type",
    "arp.hw.size",
    "arp.proto.size",
    "arp.opcode",
    "arp.src.hw_mac",
    "arp.src.proto_ipv4",
    "arp.dst.hw_mac",
    "arp.dst.proto_ipv4",
    "ip.version",
    "ip.hdr_len",
    "ip.dsfield",
    "ip.dsfield.dscp",
    "ip.dsfield.ecn",
    "ip.len",
    "ip.id",
    "ip.flags",
    "ip.flags.rb",
    "ip.flags.df",
    "ip.flags.mf",
    "ip.frag_offset",
    "ip.ttl",
    "ip.proto",
    "ip.checksum",
    "ip.src",
    "ip.dst",
    "ipv6.version",
    "ipv6.tclass",
    "ipv6.flow",
    "ipv6.plen",
    "ipv6.nxt",
    "ipv6.hlim",
    "ipv6.src",
    "ipv6.dst",
    "icmp.type",
    "icmp.code",
    "icmp.checksum",
    "icmp.ident",
    "icmp.seq",
    "icmpv6.type",
    "icmpv6.code",
    "icmpv6.checksum",
    "icmpv6.nd.ns.target_address",
    "icmpv6.nd.na.target_address",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.hdr_len",
    "tcp.flags",
    "tcp.flags.cwr",
    "tcp.flags.urg",
    "tcp.flags.ack",
    "tcp.flags.push",
    "tcp.flags.reset",
    "tcp.flags.syn",
    "tcp.flags.fin",
    "tcp.window_size_value",
    "tcp.checksum",
    "tcp.urgent_pointer",
    "tcp.options.mss_val",
    "tcp.options.wscale.shift",
    "tcp.options.sack_perm",
    "tcp.options.timestamp.tsval",
    "tcp.options.timestamp.tsecr",
    "udp.srcport",
    "udp.dstport",
    "udp.length",
    "udp.checksum",
    "dns.id",
    "dns.flags",
    "dns.qry.name",
    "dns.qry.type",
    "dns.count.queries",
    "dns.count.answers",
    "dns.a",
]
"""Field by field as tshark 4.0 prints it (first occurrence)."""


EXPLAINED = {
    # The snap length cuts the timestamps option behind its first value: a cut option is shown as cut here.
    ("snap-length", "tcp.options.timestamp.tsval"),
}
"""Samples and fields in which we differ on purpose. (Of ip.version: tshark also calls the version of IPv6 so.)"""


def packets(path: Path) -> list[Packet]:
    return [
        read_packet(batch.packet(row), int(batch.link_type[row]), int(batch.length[row]))
        for batch in open_capture(str(path))
        for row in range(len(batch))
    ]


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_fields_are_tsharks(path: Path) -> None:
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "occurrence=f"]
    for field in TSHARK_FIELDS:
        command += ["-e", field]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env={"TZ": "UTC", "PATH": "/usr/bin"})
    ours = packets(path)
    rows = printed.stdout.splitlines()
    assert len(rows) == len(ours)
    differences = []
    for number, (row, packet) in enumerate(zip(rows, ours, strict=True), 1):
        for field, theirs in zip(TSHARK_FIELDS, row.split("\t"), strict=True):
            found = packet.first(field)
            mine = "" if found is None else found.text
            if mine != theirs and (path.stem, field) not in EXPLAINED and not (field == "ip.version" and theirs == "6"):
                differences.append(f"packet {number} {field}: ours {mine!r}, tshark's {theirs!r}")
    assert not differences, "\n" + "\n".join(differences[:20])


SCAPY = {
    "Ether": {"eth.type": "type", "eth.src": "src", "eth.dst": "dst"},
    "Dot1Q": {"vlan.id": "vlan", "vlan.priority": "prio"},
    "ARP": {"arp.opcode": "op", "arp.src.hw_mac": "hwsrc", "arp.src.proto_ipv4": "psrc", "arp.dst.proto_ipv4": "pdst"},
    "IP": {
        "ip.version": "version", "ip.len": "len", "ip.id": "id", "ip.frag_offset": "frag", "ip.ttl": "ttl",
        "ip.proto": "proto", "ip.checksum": "chksum", "ip.src": "src", "ip.dst": "dst",
    },
    "IPv6": {"ipv6.plen": "plen", "ipv6.nxt": "nh", "ipv6.hlim": "hlim", "ipv6.src": "src", "ipv6.dst": "dst"},
    "TCP": {
        "tcp.srcport": "sport", "tcp.dstport": "dport", "tcp.seq_raw": "seq", "tcp.ack_raw": "ack",
        "tcp.window_size_value": "window", "tcp.checksum": "chksum", "tcp.urgent_pointer": "urgptr",
    },
    "UDP": {"udp.srcport": "sport", "udp.dstport": "dport", "udp.length": "len", "udp.checksum": "chksum"},
    "ICMP": {"icmp.type": "type", "icmp.code": "code", "icmp.checksum": "chksum"},
}  # fmt: skip
"""Our ids and Scapy's attribute for the same field, by Scapy's layer."""


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_fields_are_scapys(path: Path) -> None:
    from scapy.layers.dns import DNS  # noqa: F401 - binds what the samples carry
    from scapy.layers.inet import ICMP, IP, TCP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import ARP, Dot1Q, Ether

    layers = {layer.__name__: layer for layer in (Ether, Dot1Q, ARP, IP, IPv6, TCP, UDP, ICMP)}
    compared = 0
    for batch in open_capture(str(path)):
        for row in range(len(batch)):
            octets = batch.packet(row)
            ours = read_packet(octets, int(batch.link_type[row]), int(batch.length[row]))
            theirs = Ether(octets)
            for name, fields in SCAPY.items():
                layer = theirs.getlayer(layers[name])
                if layer is None:
                    continue
                for id, attribute in fields.items():
                    found = ours.first(id)
                    assert found is not None, (row + 1, id)
                    assert found.value == getattr(layer, attribute), (row + 1, id)
                    compared += 1
    assert compared
