"""What a datagram shows of UDP itself, said once and then no more."""

from __future__ import annotations

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from sniffkit.analysis.datagram_facts import DatagramFacts
from tests.analysis.messages import ids, one, sentences, told

A, B = "10.0.0.2", "10.0.0.9"


def datagram(
    source: str = A, destination: str = B, sport: int = 50000, dport: int = 7, data: bytes = b"hello"
) -> bytes:
    ip = IPv6(src=source, dst=destination) if ":" in destination else IP(src=source, dst=destination)
    return bytes(Ether(dst="02:00:00:00:00:09") / ip / UDP(sport=sport, dport=dport) / b"hello")


def test_the_first_datagram_and_the_first_one_back() -> None:
    """No handshake comes before, and no acknowledgment after: what looks like an answer is one to programs only."""
    packets = [datagram(), datagram(), datagram(B, A, 7, 50000), datagram(B, A, 7, 50000), datagram(dport=8)]
    for size in (None, 1):
        facts = told(DatagramFacts(), packets, size)
        assert sorted(facts) == [1, 3]
        assert one(facts, 1, "udp.no-handshake") == {"octets": 5}
        assert one(facts, 3, "udp.other-way") == {"number": 1, "elapsed_ns": 2_000_000}
        sentences(facts)


def test_one_datagram_may_be_for_many() -> None:
    for address in ("255.255.255.255", "239.1.2.3", "ff02::1"):
        source = "fe80::2" if ":" in address else A
        facts = told(DatagramFacts(), [datagram(), datagram(source, address), datagram(source, address)])
        assert ids(facts, 2) == ["udp.to-many"]
        assert one(facts, 2, "udp.to-many")["destination"] == address
        assert 3 not in facts


def test_a_tunnel_is_told_by_what_it_carries() -> None:
    from scapy.layers.vxlan import VXLAN

    inner = Ether() / IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=1, dport=2)
    outer = Ether(dst="02:00:00:00:00:09") / IP(src=A, dst=B) / UDP(sport=50000, dport=4789) / VXLAN() / inner
    assert told(DatagramFacts(), [bytes(outer)]) == {}


def test_dns_is_told_elsewhere() -> None:
    assert told(DatagramFacts(), [datagram(dport=53), datagram(B, A, 53, 50000), datagram(dport=5353)]) == {}
