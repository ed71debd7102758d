"""The DNS benchmark's capture is the same every time, half of it is DNS, and its messages are sound."""

from __future__ import annotations

import hashlib
from itertools import islice, pairwise

import dns.message
import dns.rdatatype
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from benchmarks.capture import Event
from benchmarks.dns_capture import events

DIGEST = "35e0c5fa2b3e3affe2da99c9455ec7621c3d8a2445ddaa37fbcfff901a4ef7cf"


def some_traffic() -> list[Event]:
    return list(islice(events(), 5_000))


def test_it_is_the_same_every_time() -> None:
    """A figure of today can be compared with one of last year; a new edition is a decision."""
    digest = hashlib.sha256(b"".join(frame for _, frame in some_traffic())).hexdigest()
    assert digest == DIGEST, "the capture changed: raise EDITION in benchmarks/dns_capture.py"


def test_half_of_it_is_dns_in_order_of_time() -> None:
    assert all(before <= after for (before, _), (after, _) in pairwise(some_traffic()))
    later = list(islice(events(), 20_000, 30_000))
    share = sum(frame[23] == 17 and 53 in (Ether(frame)[UDP].sport, Ether(frame)[UDP].dport) for _, frame in later)
    assert 0.45 < share / len(later) < 0.55


def test_every_message_can_be_read_and_there_is_something_of_everything() -> None:
    """A reader that looks at dnspython's messages finds questions, answers, aliases, and names that do not exist."""
    kinds: set[int] = set()
    codes: set[int] = set()
    with_edns: set[bool] = set()
    for _, frame in some_traffic():
        packet = Ether(frame)
        if UDP not in packet:
            continue
        checksum = packet[UDP].chksum
        del packet[UDP].chksum, packet[IP].chksum
        assert Ether(bytes(packet))[UDP].chksum == checksum
        message = dns.message.from_wire(frame[42:])
        kinds |= {record.rdtype for record in message.answer}
        codes.add(message.rcode())
        with_edns.add(message.edns >= 0)
    assert kinds == {dns.rdatatype.A, dns.rdatatype.AAAA, dns.rdatatype.CNAME}
    assert (codes, with_edns) == ({0, 3}, {True, False})
