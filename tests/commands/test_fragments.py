"""A datagram that came in fragments counts at the packet that completes it, alike in every command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import dns.message
import dns.rrset
import pytest
from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from tests.commands.conftest import Run


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A DNS answer in three fragments (packets 2 to 4), a SYN in two (5, 6), a datagram over IPv6 in two (7, 8)."""
    query = dns.message.make_query("long.test", "A", id=9)
    answer = dns.message.make_response(query)
    answer.answer.append(dns.rrset.from_text("long.test.", 60, "IN", "A", *(f"192.0.2.{host}" for host in range(120))))
    there, back = IP(src="10.0.0.2", dst="10.0.0.53", id=1), IP(src="10.0.0.53", dst="10.0.0.2", id=2)
    options = [("MSS", 1460), ("NOP", None), ("WScale", 7), ("SAckOK", b"")]
    syn = IP(src="10.0.0.2", dst="10.0.0.80", id=3) / TCP(sport=5000, dport=80, flags="S", seq=77, options=options)
    six = IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrFragment(id=9) / UDP(sport=7, dport=9) / bytes(1500)
    packets = [
        there / UDP(sport=4000, dport=53) / query.to_wire(),
        *fragment(back / UDP(sport=53, dport=4000) / answer.to_wire(), fragsize=800),
        *fragment(syn, fragsize=24),
        *fragment6(six, 1280),
    ]
    path = tmp_path / "fragments.pcap"
    wrpcap(str(path), [Ether() / packet for packet in packets])
    return path


UDP_STREAMS = [0, None, None, 0, None, None, None, 1]
TCP_STREAMS = [None, None, None, None, None, 0, None, None]


def test_stream_numbers_agree(capture: Path, sniffkit: Callable[..., Run]) -> None:
    records = [json.loads(line) for line in sniffkit("explain", "--json", capture).out.splitlines()]
    assert [record["udp_stream"] for record in records] == UDP_STREAMS
    assert [record["tcp_stream"] for record in records] == TCP_STREAMS
    lines = sniffkit("fields", capture, "-e", "udp.stream", "-e", "tcp.stream").out.splitlines()
    assert [line.split("\t") for line in lines] == [
        ["" if number is None else str(number) for number in both]
        for both in zip(UDP_STREAMS, TCP_STREAMS, strict=True)
    ]
    for filter, numbers in (("udp.stream == 0", [1, 4]), ("tcp.stream == 0", [6])):
        told = sniffkit("explain", "-q", capture, "-Y", filter).out.splitlines()
        assert [int(line.split()[0]) for line in told] == numbers


def test_the_states_see_a_syn_in_fragments(capture: Path, sniffkit: Callable[..., Run]) -> None:
    records = [json.loads(line) for line in sniffkit("explain", "--json", capture).out.splitlines()]
    assert records[5]["tcp"]["steps"] == ["handshake.syn"]
    assert records[5]["summary"].endswith("[SYN] Seq=0 Win=8192 Len=0 MSS=1460 SACK_PERM WS=128")


def test_conversations_count_whole_datagrams(capture: Path, sniffkit: Callable[..., Run]) -> None:
    """Octets as if the datagram had come whole: one IP header, 8 octets of UDP and the payload."""
    flows = [json.loads(line) for line in sniffkit("flows", "--json", capture).out.splitlines()]
    assert [(flow["protocol"], flow["stream"]) for flow in flows] == [("tcp", 0), ("udp", 0), ("udp", 1)]
    answered = flows[1]["server"]
    assert answered["packets"] == 1
    assert answered["ip_bytes"] == 28 + answered["payload_bytes"]
    assert answered["payload_bytes"] > 1900
    assert flows[2]["client"]["payload_bytes"] == 1500


def test_a_question_is_answered_in_fragments(capture: Path, sniffkit: Callable[..., Run]) -> None:
    (record,) = (json.loads(line) for line in sniffkit("dns", "--json", capture).out.splitlines())
    assert (record["query_packet"], record["response_packet"]) == (1, 4)
    assert len(record["answers"]) == 120
    listed = sniffkit("explain", "-q", capture).out.splitlines()
    assert " DNS " in listed[3]
    assert "long.test" in listed[3]
    assert [" DNS " in line for line in listed[1:3]] == [False, False]
