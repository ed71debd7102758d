"""The verdict on a conversation says no more than its packets show."""

from __future__ import annotations

from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.packet import Packet
from scapy.utils import wrpcap

import sniffkit
from sniffkit.analysis.flows.verdicts import verdict

CAPTURES = Path(__file__).parents[3] / "captures"


def verdicts(path: Path) -> list[list[str]]:
    with sniffkit.open(path) as capture:
        return [[fact.id.removeprefix("flows.") for fact in verdict(flow)] for flow in capture.flows()]


def written(segments: list[Packet], folder: Path) -> Path:
    path = folder / "made.pcap"
    wrpcap(str(path), [Ether() / segment for segment in segments])
    return path


def client(flags: str, seq: int, ack: int = 0) -> Packet:
    return IP(src="10.0.0.2", dst="10.0.0.1") / TCP(sport=50000, dport=80, flags=flags, seq=seq, ack=ack)


def server(flags: str, seq: int, ack: int) -> Packet:
    return IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=80, dport=50000, flags=flags, seq=seq, ack=ack)


OPENING = [client("S", 100), server("SA", 500, 101), client("A", 101, 501)]


def test_close_wait_needs_somebody_who_heard_the_fin(tmp_path: Path) -> None:
    """The server is in CLOSE-WAIT once its ack shows that the FIN arrived; before that nobody knows."""
    fin = [*OPENING, client("FA", 101, 501)]
    assert verdicts(written(fin, tmp_path)) == [["half-unheard"]]
    assert verdicts(written([*fin, server("A", 501, 102)], tmp_path)) == [["half"]]


def test_segments_without_syn_and_ack_belong_to_nothing(tmp_path: Path) -> None:
    """Nobody can have left a SYN unanswered that was never sent."""
    assert verdicts(written([client("U", 100)], tmp_path)) == [["no-connection"]]


def test_a_connection_whose_opening_was_not_seen_may_have_carried_data(tmp_path: Path) -> None:
    """Its end alone does not show that it was empty."""
    ending = [client("FA", 101, 501), server("FA", 501, 102), client("A", 102, 502)]
    assert verdicts(written(ending, tmp_path)) == [["closed", "also-midstream"]]
    assert verdicts(written([*OPENING, *ending], tmp_path)) == [["closed-empty"]]


@pytest.mark.parametrize(
    ("sample", "also"), [("midstream", "also-midstream"), ("simultaneous-open", "also-simultaneous")]
)
def test_how_it_opened_where_that_was_no_handshake(sample: str, also: str) -> None:
    assert verdicts(CAPTURES / f"{sample}.pcap") == [["closed", also]]


def test_ports_used_again_do_not_leave_the_first_connection_open() -> None:
    """Not closed as far as the capture shows: the client of this one crashed, and its next SYN has the same ports."""
    assert verdicts(CAPTURES / "half-open-peer.pcap")[0] == ["open"]
