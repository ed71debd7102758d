"""``sniffkit fields``: the same octets as ``tshark -n -T fields`` with the same options."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import Run

CAPTURES = Path(__file__).parent.parent.parent / "captures"
HTTP = CAPTURES / "http-exchange.pcapng"

OPTIONS = [
    ("-e frame.number -e ip.src -e tcp.flags", "http-exchange.pcapng"),
    ("-e frame.number -e ip.addr -e tcp.port -e udp.port -e eth.addr", "http-exchange.pcapng"),
    ("-e ip.addr -E occurrence=f", "http-exchange.pcapng"),
    ("-e ip.addr -E occurrence=l", "http-exchange.pcapng"),
    ("-e ip.addr -e ip.ttl -E occurrence=a -E aggregator=;", "udp-closed-port.pcap"),
    ("-e ip.addr -e ip.ttl -E aggregator=/s", "udp-closed-port.pcap"),
    ("-e frame.number -e ip.src -E header=y", "http-exchange.pcapng"),
    ("-e frame.number -e ip.src -e tcp.port -E header=y -E separator=, -E quote=d", "http-exchange.pcapng"),
    ("-e frame.number -e dns.qry.name -e dns.a -E quote=s -E separator=/s", "dns-lookup.pcap"),
    ("-e frame.time_epoch -e frame.time_relative -e frame.time_delta -e frame.cap_len", "snap-length.pcap"),
    ("-e frame.interface_id -e frame.encap_type -e frame.number", "http-exchange.pcapng"),
    ("-e tcp.stream -e tcp.seq -e tcp.ack -e tcp.nxtseq -e tcp.len -e tcp.window_size", "port-reuse.pcap"),
    ("-e tcp.options.mss_val -e tcp.options.sack_le -e tcp.options.timestamp.tsval", "lost-segment.pcap"),
    ("-e tcp.analysis.ack_rtt -e tcp.analysis.acks_frame -e tcp.analysis.bytes_in_flight", "lost-segment.pcap"),
    ("-e tcp.analysis.initial_rtt -e tcp.analysis.rto -e tcp.completeness", "timeout-retransmission.pcap"),
    ("-e tcp.analysis.retransmission -e tcp.analysis.duplicate_ack_num -e tcp.time_delta", "repeated-segment.pcap"),
    ("-e arp.opcode -e arp.src.hw_mac -e arp.dst.proto_ipv4 -e icmp.type -e icmp.seq -e eth.type", "arp-ping.pcap"),
    ("-e ipv6.src -e ipv6.dst -e icmpv6.type -e icmpv6.nd.ns.target_address -e ip.version",
     "ipv6-neighbour-discovery.pcapng"),
    ("-e vlan.id -e vlan.etype -e eth.type -e ip.src", "vlan.pcap"),
    ("-e dns.id -e dns.flags.rcode -e dns.qry.name -e dns.resp.ttl -e dns.cname", "dns-lookup.pcap"),
    ("-e tcp.payload -e udp.payload", "http-exchange.pcapng"),
    ("-e frame.number -Y tcp.flags.syn==1", "http-exchange.pcapng"),
    ("-e frame.number -e tcp.seq -Y tcp.len>0||dns", "http-exchange.pcapng"),
    ("-e frame.number -c 3 -Y tcp", "http-exchange.pcapng"),
]  # fmt: skip


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
@pytest.mark.parametrize(("options", "name"), OPTIONS, ids=[options for options, _ in OPTIONS])
def test_the_output_is_tsharks(sniffkit: Callable[..., Run], options: str, name: str) -> None:
    capture = str(CAPTURES / name)
    words = options.split()
    command = ["tshark", "-n", "-r", capture, "-T", "fields", *words]
    if "-c" in words:  # tshark counts before it filters
        at = words.index("-c")
        command = ["tshark", "-n", "-r", capture, "-T", "fields", *words[:at], *words[at + 2 :]]
    expected = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "-c" in words:
        expected = "".join(expected.splitlines(keepends=True)[: int(words[at + 1])])
    run = sniffkit("fields", capture, *words)
    assert (run.out, run.err, run.code) == (expected, "", 0)


def test_several_files_are_read_as_one(sniffkit: Callable[..., Run]) -> None:
    run = sniffkit("fields", HTTP, CAPTURES / "vlan.pcap", "-e", "frame.number")
    assert run.out.split() == [str(number) for number in range(1, len(run.out.split()) + 1)]
    assert len(run.out.split()) > 20


def test_fields_are_listed_with_type_and_meaning(sniffkit: Callable[..., Run]) -> None:
    run = sniffkit("fields", "--list", "tcp.flags.*", "ip.src")
    assert "ip.src\tIPv4 address\tSource address\n" in run.out
    assert run.out.count("\n") > 9
    every = sniffkit("fields", "--list").out.splitlines()
    assert len(every) > 500
    assert [line for line in every if line.endswith("\t-")] == []
    assert "ip.src\tIPv4 地址\t" in sniffkit("fields", "--list", "ip.src", "--lang", "zh").out
    assert sniffkit("fields", "--list", "tcp.flags").out.splitlines() == ["tcp.flags\tnumber\tFlags"]
    assert sniffkit("fields", "--list", "arp").out == sniffkit("fields", "--list", "arp.*").out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-e", "tcp.prot"], "There is no field tcp.prot. Is tcp.port meant?"),
        (["-e", "tcp"], "tcp is a protocol; -e takes fields"),
        ([], "No field is named"),
        (["--list", "tpc.*"], "No field fits"),
        (["-e", "ip.src", "-E", "header=x"], "-E header cannot be x"),
        (["-e", "ip.src", "-E", "colour=y"], "-E has no setting colour"),
        (["-e", "ip.src", "-E", "separator=ab"], "-E separator is one character, not ab"),
        (["-e", "ip.src", "-E", "header"], "-E takes NAME=VALUE, not header"),
        (["-e", "ip.src", "-Y", "ip.src == x"], "ip.src is an IPv4 address, and x is none"),
        (["-e", "ip.src", "--only", "sctp"], "--only does not know sctp"),
    ],
)
def test_a_mistake_is_told_and_ends_with_2(sniffkit: Callable[..., Run], arguments: list[str], told: str) -> None:
    run = sniffkit("fields", HTTP, *arguments)
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith(f"sniffkit: {told}")


def test_the_place_of_a_mistake_is_marked(sniffkit: Callable[..., Run]) -> None:
    lines = sniffkit("fields", HTTP, "-e", "ip.src", "-Y", "tcp && ip.src == nowhere").err.splitlines()
    assert lines[1].index("nowhere") == lines[2].index("^")
    assert lines[2].strip() == "^~~~~~~"


@pytest.mark.parametrize(
    ("word", "numbers"),
    [
        ("handshake", ["7", "8", "9"]), ("teardown", ["17", "18", "19", "20"]), ("dns", ["3", "4"]),
        ("arp", ["1", "2", "5", "6"]), ("reset", []), ("retransmission", []),
    ],
)  # fmt: skip
def test_short_words_stand_for_filters(sniffkit: Callable[..., Run], word: str, numbers: list[str]) -> None:
    assert sniffkit("fields", HTTP, "-e", "frame.number", "--only", word).out.split() == numbers
    listed = sniffkit("explain", "-q", HTTP, "--only", word).out.splitlines()
    assert [line.split()[0] for line in listed] == numbers
