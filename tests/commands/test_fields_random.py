"""``sniffkit fields`` with options drawn by lot prints what tshark prints with them, octet for octet."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import Run

CAPTURES = sorted((Path(__file__).parents[2] / "captures").glob("*.pcap*"))

_FIELDS = """
    frame.number frame.time_epoch frame.time_relative frame.time_delta frame.len frame.cap_len frame.encap_type
    frame.interface_id eth.src eth.dst eth.addr eth.type vlan.id vlan.etype arp.opcode arp.src.hw_mac arp.dst.proto_ipv4
    ip.version ip.src ip.dst ip.addr ip.ttl ip.id ip.len ip.flags ip.flags.df ip.dsfield ip.proto ip.checksum
    ipv6.src ipv6.dst ipv6.addr ipv6.hlim icmp.type icmp.code icmp.seq icmpv6.type udp.srcport udp.port udp.length
    udp.stream udp.payload tcp.stream tcp.srcport tcp.dstport tcp.port tcp.flags tcp.flags.syn tcp.flags.ack tcp.seq
    tcp.seq_raw tcp.ack tcp.ack_raw tcp.nxtseq tcp.len tcp.window_size tcp.window_size_value
    tcp.window_size_scalefactor tcp.checksum tcp.hdr_len tcp.options tcp.options.mss_val tcp.options.sack_le
    tcp.options.sack_re tcp.options.timestamp.tsval tcp.options.timestamp.tsecr tcp.options.wscale.shift tcp.payload
    tcp.completeness tcp.time_relative tcp.time_delta tcp.analysis.retransmission tcp.analysis.flags
    tcp.analysis.ack_rtt tcp.analysis.acks_frame tcp.analysis.initial_rtt tcp.analysis.duplicate_ack_num
    tcp.analysis.bytes_in_flight dns.id dns.flags dns.flags.response dns.flags.rcode dns.count.answers dns.qry.name
    dns.qry.type dns.resp.name dns.resp.type dns.resp.ttl dns.a dns.aaaa dns.cname dns.ns dns.txt dns.soa.mname
"""
FIELDS = _FIELDS.split()

FILTERS = ["", "tcp", "ip.ttl < 64 || arp", "tcp.len > 0", "dns", "!tcp", "tcp.flags.syn == 1", "udp || icmp"]


def drawn(seed: int) -> tuple[Path, list[str]]:
    """A sample and options, the same for the same seed."""
    chance = random.Random(seed)
    words = [word for id in chance.sample(FIELDS, chance.randrange(1, 9)) for word in ("-e", id)]
    settings = {
        "header": ["y", "n"], "separator": [",", ";", "|", "/t", "/s", "#"], "quote": ["d", "s", "n"],
        "occurrence": ["f", "l", "a"], "aggregator": [",", ";", "/s", "|", "+"],
    }  # fmt: skip
    for name in chance.sample(sorted(settings), chance.randrange(len(settings) + 1)):
        words += ["-E", f"{name}={chance.choice(settings[name])}"]
    filter = chance.choice(FILTERS)
    return chance.choice(CAPTURES), words + (["-Y", filter] if filter else [])


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
@pytest.mark.parametrize("seed", range(24))
def test_any_options_print_what_tshark_prints(seed: int, sniffkit: Callable[..., Run]) -> None:
    path, words = drawn(seed)
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", *words]
    expected = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    run = sniffkit("fields", path, *words)
    assert (run.out, run.err, run.code) == (expected, "", 0)
