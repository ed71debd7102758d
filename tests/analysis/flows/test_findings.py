"""What is worth looking at: each finding names packets, and its filter shows the same packets in tshark."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet
from scapy.utils import wrpcap

from sniffkit.analysis.flows.analysis import FlowAnalysis
from sniffkit.analysis.flows.event_packets import EventPackets
from sniffkit.analysis.flows.finding_groups import Finding
from sniffkit.analysis.flows.findings import gravest
from sniffkit.analysis.flows.prepared import Preparer
from sniffkit.sources import open_capture

CAPTURES = Path(__file__).parents[3] / "captures"
CHECKED = [f"-o{name}:TRUE" for name in ("tcp.check_checksum", "udp.check_checksum", "ip.check_checksum")]


def found_in(path: Path) -> list[Finding]:
    preparer = Preparer(findings=True)
    analysis, events = FlowAnalysis(preparer=preparer), EventPackets(preparer.checksums)
    with open_capture(str(path)) as source:
        for batch in source:
            events.feed(analysis.feed(batch))
    analysis.finish()
    return gravest(analysis.parts, events)[0]


def tshark_shows(path: Path, filter: str) -> list[int]:
    command = ["tshark", "-n", *CHECKED, "-r", str(path), "-Y", filter, "-T", "fields", "-e", "frame.number"]
    return [int(line) for line in subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()]


def written(packets: list[Packet], folder: Path) -> Path:
    path = folder / "made.pcap"
    for place, packet in enumerate(packets):
        packet.time = 1_700_000_000 + place / 10
    wrpcap(str(path), packets)
    return path


def ids(found: list[Finding]) -> list[tuple[str, tuple[int, ...]]]:
    return [(one.fact.id.removeprefix("flows.found."), one.packets) for one in found]


def test_udp_that_nobody_listens_for(tmp_path: Path) -> None:
    """The error counts for the conversation that it quotes, over IPv4 and IPv6; a stray one before is not of it."""
    four = IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=5000, dport=9) / b"hello"
    six = IPv6(src="fd00::1", dst="fd00::2") / UDP(sport=5000, dport=9) / b"hello"
    stray = IP(src="10.0.0.9", dst="10.0.0.2") / UDP(sport=7, dport=8) / b"x"
    packets = [
        Ether() / IP(src="10.0.0.2", dst="10.0.0.9") / ICMP(type=3, code=3) / bytes(stray),
        Ether() / four,
        Ether() / IP(src="10.0.0.2", dst="10.0.0.1") / ICMP(type=3, code=3) / bytes(four),
        Ether() / six,
        Ether() / IPv6(src="fd00::2", dst="fd00::1") / ICMPv6DestUnreach(code=4) / bytes(six),
    ]
    path = written(packets, tmp_path)
    found = found_in(path)
    assert sorted(ids(found)) == [("icmp-refused", (3,)), ("icmp-refused", (5,))]
    assert [one.flow.stream for one in found if one.flow] == [1, 2]
    if shutil.which("tshark"):
        assert [tshark_shows(path, one.filter) for one in found] == [list(one.packets) for one in found]


def test_questions_over_udp_without_an_answer(tmp_path: Path) -> None:
    """Asked of a resolver twice: told. One way only to a syslog server or to a group: nothing is missing."""

    def sent(to: str, port: int) -> Packet:
        return Ether() / IP(src="10.0.0.1", dst=to) / UDP(sport=5000, dport=port) / bytes(20)

    path = written(
        [sent("10.0.0.53", 53), sent("10.0.0.2", 514), sent("224.0.0.1", 53), sent("10.0.0.53", 53)], tmp_path
    )
    (found,) = found_in(path)
    assert ids([found]) == [("udp-unanswered", (1, 4))]
    if shutil.which("tshark"):
        assert tshark_shows(path, found.filter) == [1, 4]


def test_wrong_checksums(tmp_path: Path) -> None:
    """Three right ones first: then a wrong one is damage, not a network card that fills them in later."""
    ends = {"src": "10.0.0.1", "dst": "10.0.0.2"}
    good = [Ether() / IP(**ends) / TCP(sport=9, dport=9, flags="A", seq=5, ack=at) for at in range(3)]
    bad = [
        Ether() / IP(**ends) / UDP(sport=9, dport=9, chksum=0x1111) / b"x",
        Ether() / IP(**ends) / TCP(sport=9, dport=9, flags="A", seq=5, chksum=0x1111),
        Ether() / IP(**ends, chksum=0x1111) / UDP(sport=9, dport=9) / b"x",
    ]
    path = written(good + bad, tmp_path)
    found = [one for one in found_in(path) if "checksum" in one.fact.id]
    assert ids(found) == [("ip-checksum", (6,)), ("checksum", (5,)), ("udp-checksum", (4,))]
    if shutil.which("tshark"):
        assert [tshark_shows(path, one.filter) for one in found] == [[6], [5], [4]]


def test_nothing_is_said_to_be_lost_where_an_old_connection_stood_in_the_way() -> None:
    """The SYN comes again and is answered under a number of its own: the half-open connection explains both."""
    assert ids(found_in(CAPTURES / "half-open-peer.pcap")) == [("half-open", (4, 7))]


@pytest.mark.parametrize(
    ("sample", "whose"),
    [
        ("lost-segment", "only-client"),
        ("fin-again-in-time-wait", "only-server"),
        ("synack-lost", "both-ends"),  # the SYN came again, and so did its answer
    ],
)
def test_who_sent_again(sample: str, whose: str) -> None:
    assert [one.fact.values["end"] for one in found_in(CAPTURES / f"{sample}.pcap")] == [whose]
