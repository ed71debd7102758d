"""The benchmark's capture is the same every time, and what it holds is what it promises."""

from __future__ import annotations

import hashlib
from itertools import islice, pairwise

from scapy.layers.dns import DNS
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether

from benchmarks.capture import Event, traffic

DIGEST = "c1fa57f456f466eac943904eb9eae7ff01eba16e9db36180a3c971326387364b"


def some_traffic() -> list[Event]:
    return list(islice(traffic(), 5_000))


def test_it_is_the_same_every_time() -> None:
    """A figure of today can be compared with one of last year; a new edition is a decision."""
    digest = hashlib.sha256(b"".join(frame for _, frame in some_traffic())).hexdigest()
    assert digest == DIGEST, "the capture changed: raise EDITION in benchmarks/capture.py"


def test_time_never_runs_backwards() -> None:
    assert all(before <= after for (before, _), (after, _) in pairwise(some_traffic()))


def test_every_checksum_is_right() -> None:
    """Scapy works out each checksum anew when it is taken away."""
    for _, frame in some_traffic()[::10]:
        packet = Ether(frame)
        if IP not in packet:
            continue
        told = packet[IP].chksum, *(packet[layer].chksum for layer in (TCP, UDP) if layer in packet)
        for layer in (IP, TCP, UDP):
            if layer in packet:
                del packet[layer].chksum
        again = Ether(bytes(packet))
        assert told == (again[IP].chksum, *(again[layer].chksum for layer in (TCP, UDP) if layer in again))


def test_there_is_something_of_everything() -> None:
    """Handshakes, data, closes, resets, DNS and ARP: a reader cannot be fast by looking away."""
    packets = [Ether(frame) for _, frame in some_traffic()]
    flags = {str(packet[TCP].flags) for packet in packets if TCP in packet}
    assert {"S", "SA", "A", "PA", "FA", "RA"} <= flags
    assert sum(DNS in packet for packet in packets) > 10
    assert sum(ARP in packet for packet in packets) > 10
