"""A wrong checksum is told by what came before it, wherever a batch ends; never where a network card computes it."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether

from sniffkit.analysis import checksum_facts
from sniffkit.analysis.checksum_facts import ChecksumFacts
from sniffkit.protocols.columns import Columns
from tests.analysis.messages import batches

Letters = str
"""A packet each: t and u with a right checksum, T and U with a wrong one; X is TCP of another sender."""


def told(letters: Letters, size: int | None) -> list[int]:
    """Return the numbers of the packets that are told to be wrong."""
    packets = []
    for at, letter in enumerate(letters):
        above = TCP(sport=5, dport=80, seq=at) if letter in "tTX" else UDP(sport=5, dport=80)
        if letter.isupper():
            above.chksum = 0x1234
        source = "10.0.0.3" if letter == "X" else "10.0.0.1"
        packets.append((float(at), bytes(Ether() / IP(src=source, dst="10.0.0.2") / above / b"some")))
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


@pytest.mark.parametrize("size", [1, 2, None])
def test_senders_without_room_keep_their_right_ones(size: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every wrong one of theirs is told, not only the first."""
    monkeypatch.setattr(checksum_facts, "SENDERS", 1)
    assert told("XtttTTT", size) == [5, 6, 7]
