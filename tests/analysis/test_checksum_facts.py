"""A wrong checksum is told by what came before it, wherever a batch ends; never where a network card computes it."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether

from sniffkit.analysis.checksum_facts import ChecksumFacts
from sniffkit.protocols.columns import Columns
from tests.analysis.messages import batches

Letters = str
"""A packet each: t and u with a right checksum, T and U with a wrong one."""


def told(letters: Letters, size: int | None) -> list[int]:
    """Return the numbers of the packets that are told to be wrong."""
    packets = []
    for at, letter in enumerate(letters):
        above = TCP(sport=5, dport=80, seq=at) if letter in "tT" else UDP(sport=5, dport=80)
        if letter.isupper():
            above.chksum = 0x1234
        packets.append((float(at), bytes(Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / above / b"some")))
    facts, found = ChecksumFacts(), []
    for batch in batches(packets, size):
        found += [row + batch.first for row in facts.feed(Columns(batch))]
    return sorted(found)


@pytest.mark.parametrize(
    ("letters", "wrong"),
    [
        ("tttT", [4]),
        ("ttTtT", [5]),  # two right ones prove nothing yet
        ("TTTTtT", []),  # offload
        ("Tttt", []),  # what comes later tells nothing of what came before
        ("UtttU", [5]),  # a sender's right ones are right ones whatever the protocol
        ("ututU" + "t" * 40 + "T", [5, 46]),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, None])
def test_only_what_came_before_counts(letters: Letters, wrong: list[int], size: int | None) -> None:
    assert told(letters, size) == wrong
