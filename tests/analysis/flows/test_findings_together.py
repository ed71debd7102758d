"""Findings made on purpose, each kind at least once: what is told as one, and the filter that shows it in tshark."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6PacketTooBig, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet
from scapy.utils import wrpcap

from sniffkit.analysis.flows import finding_groups
from sniffkit.analysis.flows.analysis import FedBatch, FlowAnalysis
from sniffkit.analysis.flows.event_packets import SHOWN, EventPackets
from sniffkit.analysis.flows.finding_groups import Finding, FindingGroups, in_brief, together
from sniffkit.analysis.flows.findings import WEIGHTS, gravest
from sniffkit.analysis.flows.prepared import Preparer
from sniffkit.sources import open_capture

CAPTURES = Path(__file__).parents[3] / "captures"
CHECKED = [f"-o{name}:TRUE" for name in ("tcp.check_checksum", "udp.check_checksum", "ip.check_checksum")]
A, B = "10.0.0.1", "10.0.0.2"

Timed = tuple[float, Packet]


def tcp(
    flags: str, seq: int, ack: int = 0, back: bool = False, port: int = 80, own: int = 5000, **more: object
) -> Packet:
    """Return a segment from the client (``back``: from the server); data, source and window may be given."""
    source, data = str(more.pop("source", A)), more.pop("data", b"")
    ends = {"src": B, "dst": source} if back else {"src": source, "dst": str(more.pop("to", B))}
    ports = {"sport": port, "dport": own} if back else {"sport": own, "dport": port}
    return IP(**ends) / TCP(**ports, flags=flags, seq=seq, ack=ack, **more) / bytes(data)  # type: ignore[arg-type]


def opened(own: int = 5000, port: int = 80) -> list[Packet]:
    return [
        tcp("S", 100, own=own, port=port),
        tcp("SA", 500, 101, back=True, own=own, port=port),
        tcp("A", 101, 501, own=own, port=port),
    ]


def error(quoted: Packet, kind: int, code: int, **more: int) -> Packet:
    return IP(src="10.9.9.9", dst=quoted.src) / ICMP(type=kind, code=code, **more) / bytes(quoted)[:64]


def apart(seconds: float, packets: list[Packet]) -> list[Timed]:
    return [(place * seconds, packet) for place, packet in enumerate(packets)]


def flood() -> list[Timed]:
    """120 addresses open a connection to one port in a second; the server answers the first ten."""
    syns = [tcp("S", 7, source=f"198.51.100.{host}", own=1024 + host) for host in range(1, 121)]
    answers = [tcp("SA", 9, 8, back=True, source=f"198.51.100.{host}", own=1024 + host) for host in range(1, 11)]
    return apart(0.008, syns + answers)


def port_scan() -> list[Timed]:
    """Twelve ports of one host: eight refuse, two say nothing, two answer and are turned down. One visit is a visit."""
    packets = opened(port=8080)
    for port in range(20, 32):
        packets.append(tcp("S", 1, port=port, own=40_000))
        if port < 28:
            packets.append(tcp("RA", 0, 2, back=True, port=port, own=40_000))
        elif port < 30:
            packets += [tcp("SA", 5, 2, back=True, port=port, own=40_000), tcp("R", 2, port=port, own=40_000)]
    return apart(0.01, packets)


def address_scan() -> list[Timed]:
    return apart(0.01, [tcp("S", 1, port=445, own=40_000, to=f"10.1.0.{host}") for host in range(1, 16)])


def udp_scan() -> list[Timed]:
    packets = []
    for port in range(1000, 1012):
        packets.append(IP(src=A, dst=B) / UDP(sport=3000, dport=port) / b"?")
        packets.append(error(packets[-1], 3, 3))
    return apart(0.01, packets)


def refused_again_and_again() -> list[Timed]:
    packets = []
    for own in range(6000, 6005):
        packets += [tcp("S", 1, own=own), tcp("RA", 0, 2, back=True, own=own)]
    return apart(1, packets)


def icmp_errors() -> list[Timed]:
    """No such host; forbidden; too big, over IPv4 and IPv6; too many hops."""
    lost, forbidden = tcp("S", 1, own=1, to="10.7.0.1"), tcp("S", 1, own=2, to="10.7.0.2")
    big, six = (
        tcp("A", 101, 501, data=bytes(1400)),
        IPv6(src="fd00::1", dst="fd00::2") / UDP(sport=9, dport=9) / bytes(1400),
    )
    far = IP(src=A, dst="10.7.0.3", ttl=1) / UDP(sport=33_000, dport=33_434) / b"?"
    packets = [
        lost,
        error(lost, 3, 1),
        forbidden,
        error(forbidden, 3, 13),
        *opened(),
        big,
        error(big, 3, 4, nexthopmtu=1280),
    ]
    packets += [
        six,
        IPv6(src="fd00::9", dst="fd00::1") / ICMPv6PacketTooBig(mtu=1280) / bytes(six),
        far,
        error(far, 11, 0),
    ]
    return apart(0.1, packets)


def missed() -> list[Timed]:
    """The server acknowledges 200 octets that nobody captured; then nothing for a while."""
    packets = [*opened(), tcp("PA", 101, 501, data=b"x"), tcp("A", 501, 302, back=True)]
    return [*apart(0.1, packets), (9.0, tcp("PA", 302, 501, data=b"y"))]


def reused_while_open() -> list[Timed]:
    return apart(0.1, [*opened(), tcp("S", 90_000), tcp("SA", 70_000, 90_001, back=True), tcp("A", 90_001, 70_001)])


def fallen_silent() -> list[Timed]:
    data = tcp("PA", 101, 501, data=b"hello")
    return [*apart(0.1, [*opened(), data]), (1.0, data), (2.0, data), (4.0, data)]


def waiting_to_close() -> list[Timed]:
    return apart(0.1, [*opened(), tcp("FA", 101, 501), tcp("A", 501, 102, back=True)])


def closed_with_a_reset() -> list[Timed]:
    fin = [*opened(), tcp("FA", 101, 501), tcp("FA", 501, 102, back=True), tcp("RA", 102, 502)]
    return apart(0.1, fin)


def never_completed() -> list[Timed]:
    answer = tcp("SA", 500, 101, back=True)
    return [(0, tcp("S", 100)), (0.1, answer), (1.1, answer), (3.1, answer)]


def answered_too_late() -> list[Timed]:
    ask = IP(src=A, dst="10.0.0.53") / UDP(sport=4001, dport=53) / bytes(20)
    answer = IP(src="10.0.0.53", dst=A) / UDP(sport=53, dport=4001) / bytes(20)
    return apart(6, [ask, answer, error(answer, 3, 3)])


def questions() -> list[Timed]:
    ask = IP(src=A, dst="10.0.0.53") / UDP(sport=4000, dport=53) / bytes(20)
    echo = IP(src=A, dst="10.0.0.99") / ICMP(type=8, id=7) / b"abc"
    return apart(1, [ask, ask, echo, echo])


def many_services_down() -> list[Timed]:
    """Seven servers refuse; at two of them it was tried twice."""
    packets = []
    for host, port in [(1, 22), (2, 22), (3, 25), (4, 80), (5, 80), (6, 80), (7, 443), (3, 25), (6, 80)]:
        to, own = f"10.2.0.{host}", 7000 + len(packets)
        packets += [
            tcp("S", 1, port=port, own=own, to=to),
            IP(src=to, dst=A) / TCP(sport=port, dport=own, flags="RA", ack=2),
        ]
    return apart(1, packets)


def pings_into_the_dark() -> list[Timed]:
    return apart(1, [IP(src=A, dst="10.0.0.99") / ICMP(type=8, id=number) / b"abc" for number in range(1, 6)])


def damaged() -> list[Timed]:
    """Right ones first; then one wrong checksum of each kind, and a stranger with a wrong one alone."""
    good = [tcp("A", 5, at) for at in range(3)]
    ends = {"src": A, "dst": B}
    bad = [
        IP(**ends) / UDP(sport=9, dport=9, chksum=0x1111) / b"x",
        IP(**ends) / TCP(sport=5000, dport=80, flags="A", seq=5, chksum=0x1111),
        IP(**ends, chksum=0x1111) / UDP(sport=9, dport=9) / b"x",
        IP(src="10.0.0.77", dst=B) / UDP(sport=9, dport=9, chksum=0x1111) / b"x",
    ]
    return apart(0.1, good + bad)


def made_by_a_program() -> list[Timed]:
    return apart(
        0.1, [IP(src=f"10.3.0.{host}", dst=B) / UDP(sport=9, dport=9, chksum=1) / b"x" for host in range(1, 9)]
    )


MADE: dict[str, Callable[[], list[Timed]]] = {
    made.__name__: made
    for made in (
        flood, port_scan, address_scan, udp_scan, refused_again_and_again, icmp_errors, missed, reused_while_open,
        fallen_silent, waiting_to_close, closed_with_a_reset, never_completed, answered_too_late, questions,
        many_services_down, pings_into_the_dark, damaged, made_by_a_program,
    )
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    for name, made in MADE.items():
        packets = []
        for time, packet in made():
            frame = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / packet
            frame.time = 1_700_000_000 + time
            packets.append(frame)
        wrpcap(str(folder / f"{name}.pcap"), packets)
    return folder


@cache
def found_in(path: Path) -> list[Finding]:
    preparer = Preparer(findings=True)
    analysis, events = FlowAnalysis(preparer=preparer), EventPackets(preparer.checksums)
    with open_capture(str(path)) as source:
        for batch in source:
            events.feed(analysis.feed(batch))
    analysis.finish()
    return gravest(analysis.parts, events)[0]


def ids(path: Path) -> list[str]:
    return [one.fact.id.removeprefix("flows.found.") for one in found_in(path)]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("flood", ["syn-flood"]),
        ("port_scan", ["port-scan"]),
        ("address_scan", ["address-scan"]),
        ("udp_scan", ["udp-scan"]),
        ("refused_again_and_again", ["refused"]),
        ("icmp_errors", ["icmp-prohibited", "icmp-unreachable", "icmp-too-big",
                         "icmp-too-big", "icmp-exceeded"]),
        ("missed", ["missed", "not-captured", "silence"]),
        ("reused_while_open", ["reused-open"]),
        ("fallen_silent", ["vanished"]),
        ("waiting_to_close", ["close-wait"]),
        ("closed_with_a_reset", ["reset-closing"]),
        ("never_completed", ["not-completed"]),
        ("answered_too_late", ["icmp-late"]),
        ("questions", ["udp-unanswered", "echo-unanswered"]),
        ("many_services_down", ["refused"] * 9),
        ("pings_into_the_dark", ["echo-unanswered"]),
        ("damaged", ["ip-checksum", "checksum", "udp-checksum", "one-way", "offload-perhaps"]),
        ("made_by_a_program", ["offload-many"]),
    ],
)  # fmt: skip
def test_what_is_told(folder: Path, name: str, told: list[str]) -> None:
    assert ids(folder / f"{name}.pcap") == told


def test_a_flood_is_counted(folder: Path) -> None:
    (one,) = found_in(folder / "flood.pcap")
    values = one.fact.values
    assert (values["count"], values["sources"], values["silent"], values["answered"]) == (120, 120, 110, 10)
    assert (one.packets, one.where) == ((1, 2, 3, 4, 5, 6), ("10.0.0.2:80",))


def test_a_scan_says_what_it_met(folder: Path) -> None:
    (one,) = found_in(folder / "port_scan.pcap")
    values = one.fact.values
    assert (values["ports"], values["refused"], values["silent"], values["answered"]) == (12, 8, 2, 2)


def test_the_same_at_one_server_is_one_finding(folder: Path) -> None:
    (one,) = found_in(folder / "refused_again_and_again.pcap")
    assert (one.conversations, one.count, one.packets, one.streams) == (5, 5, (2, 4, 6, 8, 10), (0, 1, 2, 3, 4))
    assert one.filter == "ip.addr == 10.0.0.2 && tcp.port == 80 && tcp.flags.reset == 1"


def test_a_person_is_told_a_few_of_a_kind_and_the_others_as_one(folder: Path) -> None:
    """Three alone, then what is left: at which ports, in how many conversations, and a filter that shows them."""
    found = in_brief(found_in(folder / "many_services_down.pcap"))
    assert [(one.conversations, one.elsewhere) for one in found] == [(1, False)] * 3 + [(6, True)]
    assert found[3].fact.values["port"] == (25, 80, 443)
    assert found[3].filter == "tcp.stream in {3, 4, 5, 6, 7, 8} && tcp.flags.reset == 1"


def test_of_times_the_longest_that_is_known_stays() -> None:
    """Packets without a time stamp have none to compare (pcapng Simple Packet Blocks)."""
    (one,) = found_in(CAPTURES / "port-reuse.pcap")
    for times, longest in (((None, 5, 7, None), 7), ((None, None), None)):
        each = [replace(one, fact=replace(one.fact, values={"before": 0, "elapsed_ns": time})) for time in times]
        assert together(each, at_server=True).fact.values["elapsed_ns"] == longest


def test_the_room_for_servers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found at servers that come later is told of them all together, even where each has several of it."""
    monkeypatch.setattr(finding_groups, "MOST_GROUPS", 2)
    (one,) = found_in(CAPTURES / "port-reuse.pcap")
    assert one.flow is not None
    groups = FindingGroups(frozenset())
    for port in range(5):
        for _ in range(finding_groups.ALONE + 1):
            groups.add(replace(one, flow=replace(one.flow, server=replace(one.flow.server, port=port))))
    assert [(found.conversations, found.at_server) for found in groups] == [(4, True), (4, True), (12, False)]


def test_the_keep_alives_that_count_are_those_after_the_last_answer() -> None:
    """Of five the first two were answered."""
    (one,) = found_in(CAPTURES / "keepalive.pcap")
    assert (one.fact.id, one.packets, one.count) == ("flows.found.keep-alive-unanswered", (12, 13, 14), 3)


def test_what_had_the_ports_before() -> None:
    (one,) = found_in(CAPTURES / "port-reuse.pcap")
    assert (one.fact.id, one.fact.values["before"], one.packets) == ("flows.found.reused", 0, (12,))


def test_a_clock_set_back_is_told() -> None:
    (one,) = found_in(CAPTURES / "clock-set-back.pcap")
    assert (one.fact.id, one.packets) == ("flows.found.clock-back", (6,))


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_every_filter_shows_its_packets_in_tshark(folder: Path) -> None:
    """Of each kind of finding the first two filters are tried, on captures of ours and on those made here."""
    tried: Counter[str] = Counter()
    for path in [*sorted(CAPTURES.glob("*.pcap*")), *sorted(folder.iterdir())]:
        for one in found_in(path):
            tried[one.fact.id] += 1
            if tried[one.fact.id] > 2 or one.filter.startswith("frame.number"):
                continue
            shown = tshark_shows(path, one.filter)
            assert set(one.packets) <= set(shown), (path.name, one.fact.id, one.filter)
            assert shown, (path.name, one.filter)
    assert set(WEIGHTS) == set(tried)


def tshark_shows(path: Path, filter: str) -> list[int]:
    command = ["tshark", "-n", *CHECKED, "-r", str(path), "-Y", filter, "-T", "fields", "-e", "frame.number"]
    return [int(line) for line in subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()]


def test_the_room_for_packet_numbers_is_bounded(folder: Path) -> None:
    """Of conversations that open last nothing is kept, the others keep what they have; counts stay right."""
    analysis = FlowAnalysis(preparer=Preparer(findings=True))
    events = EventPackets(most=16)
    with open_capture(str(CAPTURES / "zero-window.pcap")) as source:
        (fed,) = [analysis.feed(batch) for batch in source]
    stream = fed.prepared.numbers.stream
    for number in range(50):
        stream[:] = number
        events.feed(FedBatch(fed.prepared, fed.marks))
    events.settle()
    first, packets = events.of(0, "zero_window")
    assert (first, len(packets)) == (3, 3)
    assert events.of(49, "zero_window") == (0, ())
    assert events.among("tcp", np.arange(50)).sum() < 16
    assert all(len(events.of(number, "rst")[1]) <= SHOWN for number in range(50))
