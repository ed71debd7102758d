"""What a capture cannot show of DNS is counted: encrypted conversations, and addresses that no answer named."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from sniffkit.analysis.dns import unseen as dns_unseen
from sniffkit.analysis.dns.listing import DnsListing
from sniffkit.analysis.dns.unseen import Unseen
from sniffkit.protocols.columns import Columns
from tests.analysis.dns.test_resolution import LINK, answer, asked, back, sent
from tests.analysis.messages import batches


def begun(address: str, port: int = 80, source_port: int = 50000, flags: str = "S") -> bytes:
    network = IPv6(src="2001:db8::2", dst=address) if ":" in address else IP(src="10.0.0.2", dst=address)
    return bytes(LINK / network / TCP(sport=source_port, dport=port, flags=flags))


def datagram(address: str, port: int, source_port: int = 50000) -> bytes:
    return bytes(LINK / IP(src="10.0.0.2", dst=address) / UDP(sport=source_port, dport=port) / Raw(b"x" * 40))


def unseen(packets: list[bytes], size: int | None = None) -> Unseen:
    found, listing = Unseen(), DnsListing()
    for batch in batches(packets, size):
        found.feed(Columns(batch))
        for run in listing.feed(Columns(batch)):
            found.name(run)
    for run in listing.finish():
        found.name(run)
    return found


@pytest.mark.parametrize("size", [None, 1])
def test_conversations_with_encrypted_dns_are_counted_once_whoever_speaks(size: int | None) -> None:
    back_again = bytes(LINK / IP(src="192.0.2.1", dst="10.0.0.2") / TCP(sport=853, dport=50000, flags="SA"))
    found = unseen(
        [
            begun("192.0.2.1", 853), back_again, begun("192.0.2.1", 853, flags="A"), begun("192.0.2.1", 853, 50001),
            datagram("192.0.2.1", 853),
            begun("1.1.1.1", 443), datagram("8.8.8.8", 443), begun("192.0.2.9", 443),
        ],
        size,
    )  # fmt: skip
    assert (found.count("tls"), found.count("quic"), found.count("https")) == (2, 1, 2)


@pytest.mark.parametrize("size", [None, 1])
def test_addresses_that_no_answer_named(size: int | None) -> None:
    """An answer names 192.0.2.9 and 2001:db8::9; nobody named the two others. Resolvers are known by address."""
    four, six = asked("www.test", "A", 1), asked("www.test", "AAAA", 2)
    packets = [
        sent(four), back(answer(four, "www.test. 60 IN A 192.0.2.9")),
        sent(six), back(answer(six, "www.test. 60 IN AAAA 2001:db8::9")),
        begun("192.0.2.9"), begun("2001:db8::9"), begun("10.0.0.53", 53),
        begun("203.0.113.1"), begun("2001:db8::bad"), begun("203.0.113.1", source_port=50001),
    ]  # fmt: skip
    assert unseen(packets, size).unnamed() == (2, "203.0.113.1", 8)
    assert unseen(packets[:7], size).unnamed() == (0, "", 0)


def test_names_by_an_answer_that_is_not_plain_count_too() -> None:
    query = asked("www.test")
    reply = back(answer(query, "www.test. 60 IN A 192.0.2.9"))
    assert unseen([sent(query), reply, reply, begun("192.0.2.9")]).unnamed() == (0, "", 0)


def test_what_is_remembered_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not all names are known any more, nothing is said of those that are missing."""
    monkeypatch.setattr(dns_unseen, "MOST", 3)
    packets = [begun(f"192.0.2.{number}", 853, 50000 + number) for number in range(1, 10)]
    assert unseen(packets, 1).count("tls") == 3
    query = asked("www.test")
    many = back(answer(query, *(f"www.test. 60 IN A 192.0.2.{number}" for number in range(9))))
    assert unseen([sent(query), many, begun("203.0.113.1")]).unnamed() == (0, "", 0)
