"""The filters that ``sniffkit explain`` tells under its lessons: once a run, and as they are for this packet."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.utils import wrpcap

from tests.commands.conftest import Run

PORT_REUSE = Path(__file__).parents[2] / "captures" / "port-reuse.pcap"


def test_filters_are_told_once_and_fit_the_screen(sniffkit: Callable[..., Run]) -> None:
    """Under the first SYN of a run, not under each; a line each on a narrow screen, so that they can be copied."""
    for language in ("en", "zh"):
        lines = sniffkit("explain", PORT_REUSE, "--lang", language, width=80).out.splitlines()
        filters = [line for line in lines if "tcp.flags.syn == 1 && tcp.flags.ack == 0" in line]
        assert len(filters) == 1
        assert max(len(line) for line in lines) <= 80
        below = lines[lines.index(filters[0]) + 1]
        assert below.strip().startswith("tcpdump")
        assert below.endswith("'tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn'")


def lesson(path: Path, id: str, sniffkit: Callable[..., Run]) -> dict[str, Any]:
    records = (json.loads(line) for line in sniffkit("explain", "--json", path).out.splitlines())
    note: dict[str, Any] = next(note for record in records for note in record["notes"] if note["id"] == id)
    return note


def test_bpf_counts_octets_behind_a_tag_and_knows_ports_of_ipv4(tmp_path: Path, sniffkit: Callable[..., Run]) -> None:
    """tcpdump needs ``vlan and`` before anything behind a tag, and tcp[…] finds nothing in IPv6."""
    syn = TCP(sport=1000, dport=80, flags="S")
    tagged, six, answer = tmp_path / "tagged.pcap", tmp_path / "six.pcap", tmp_path / "answer.pcap"
    wrpcap(str(tagged), [Ether() / Dot1Q(vlan=5) / IP() / syn])
    wrpcap(str(six), [Ether() / IPv6() / syn])
    note = lesson(tagged, "tcp.handshake.syn", sniffkit)
    assert note["bpf"] == "vlan and tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn"
    if shutil.which("tcpdump"):
        command = ["tcpdump", "-n", "-r", str(tagged), note["bpf"]]
        assert subprocess.run(command, capture_output=True, check=True).stdout.count(b"\n") == 1
    assert lesson(six, "tcp.handshake.syn", sniffkit)["bpf"] is None
    assert "IPv4 only" in sniffkit("explain", six, "--lang", "en").out
    query = bytes.fromhex("000101000001000000000000") + b"\x01a\0\0\x01\0\x01"
    wrpcap(str(answer), [Ether() / IP() / UDP(sport=1000, dport=53) / query])
    assert lesson(answer, "dns.query.recursive", sniffkit)["bpf"] == "udp dst port 53 and udp[10] & 0x81 == 0x01"


def test_a_packet_seen_alone_has_them_too(sniffkit: Callable[..., Run]) -> None:
    out = sniffkit("explain", PORT_REUSE, "--packet", "2", "--lang", "en").out
    assert "Wireshark: tcp.flags.syn == 1 && tcp.flags.ack == 1   tcpdump: 'tcp[tcpflags] & " in out
