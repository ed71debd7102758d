"""The ARP scenarios: their captures tell what their names say, and can be recorded anew."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from tests.captures.reading import CAPTURES, Frame, frames
from tests.lab.test_record import RECORD, ROOT, committed, needs_namespaces, story

NAMES = ["arp-announcement", "arp-detection", "arp-duplicate", "arp-proxy", "arp-spoofing", "arp-unanswered"]


@needs_namespaces
@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_tells_the_committed_story_again(tmp_path: Path, name: str) -> None:
    for _ in range(3):
        subprocess.run([*RECORD, str(tmp_path), name], capture_output=True, cwd=ROOT, check=True, timeout=30)
        if story(tmp_path / f"{name}.pcap") == committed(f"{name}.pcap"):
            return
    assert story(tmp_path / f"{name}.pcap") == committed(f"{name}.pcap")


def said(frame: Frame) -> str:
    """An ARP message in words: who asks whom, who says what; "" for other frames."""
    ether_type, octets = frame.ether
    if ether_type != 0x0806:
        return ""
    sender, target = socket.inet_ntoa(octets[14:18]), socket.inet_ntoa(octets[24:28])
    mac = octets[8:14].hex(":")[-2:]
    return f"{mac}: who has {target}? tell {sender}" if octets[7] == 1 else f"{mac}: {sender} is here"


STORIES = {
    "arp-unanswered": ["02: who has 10.0.0.99? tell 10.0.0.2"] * 3,
    "arp-detection": [
        "02: who has 10.0.0.53? tell 0.0.0.0",
        "53: 10.0.0.53 is here",
        *["02: who has 10.0.0.2? tell 0.0.0.0"] * 3,
        *["02: who has 10.0.0.2? tell 10.0.0.2"] * 2,
    ],
    "arp-spoofing": ["02: who has 10.0.0.1? tell 10.0.0.2", "01: 10.0.0.1 is here", "66: 10.0.0.1 is here"],
    "arp-proxy": [
        "02: who has 93.184.216.34? tell 10.0.0.2",
        "01: 93.184.216.34 is here",
        "02: who has 93.184.216.35? tell 10.0.0.2",
        "01: 93.184.216.35 is here",
        "02: who has 10.0.0.1? tell 10.0.0.2",
        "01: 10.0.0.1 is here",
    ],
}


@pytest.mark.parametrize("name", STORIES)
def test_what_is_said(name: str) -> None:
    assert [words for frame in frames(f"{name}.pcap") if (words := said(frame))] == STORIES[name]


def test_two_hosts_answer_for_one_address() -> None:
    answers = {words for frame in frames("arp-duplicate.pcap") if "is here" in (words := said(frame))}
    assert answers == {"53: 10.0.0.53 is here", "66: 10.0.0.53 is here"}


@pytest.mark.parametrize(("name", "before", "after"), [("arp-announcement", 0x53, 0x54), ("arp-spoofing", 1, 0x66)])
def test_the_next_frame_goes_where_the_claim_says(name: str, before: int, after: int) -> None:
    """Two pings to one address: between them somebody claimed it, and the client believed."""
    pings = [frame.octets[5] for frame in frames(f"{name}.pcap") if frame.octets[34:35] == b"\x08"]
    assert pings == [before, after]
    assert (CAPTURES / f"{name}.pcap").exists()
