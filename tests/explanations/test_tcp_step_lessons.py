"""The same flags, other lessons: what is said of a step when both ends open or close at once, or a reset has a cause.

Each case is a conversation in text, one segment a line: ``> FA 101 501`` is the client's FIN,ACK with seq and ack.
Opened first unless it begins with a SYN.
"""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from sniffkit.analysis.capture import CaptureAnalysis
from sniffkit.explanations.catalogue import Catalogue
from sniffkit.explanations.lesson import PacketLesson
from sniffkit.explanations.listing import Listing
from sniffkit.explanations.story import Story
from sniffkit.sources import open_captures

OPENING = "> S 100 0 \n < SA 500 101 \n > A 101 501 \n"
CLOSED = "> FA 101 501 \n < FA 501 102 \n > A 102 502 \n"
BITS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16}


def told(conversation: str, tmp_path: Path) -> dict[int, str]:
    """Return all that is said of each packet, in English."""
    whole = conversation if conversation.lstrip().startswith("> S") else OPENING + conversation
    lines = whole.split("\n")
    records = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)]
    for number, line in enumerate(filter(None, map(str.strip, lines))):
        arrow, flags, sequence, acknowledgment, *length = line.split()
        client, server = (bytes((10, 0, 0, 2)), 40000), (bytes((10, 0, 0, 9)), 80)
        (source, port), (target, to) = (client, server) if arrow == ">" else (server, client)
        payload = b"x" * int(*length or ["0"])
        bits = sum(BITS[flag] for flag in flags)
        segment = struct.pack("!HHIIBBHHH", port, to, int(sequence), int(acknowledgment), 0x50, bits, 8192, 0, 0)
        total = 40 + len(payload)
        packet = struct.pack("!BBHHHBBH", 0x45, 0, total, 0, 0, 64, 6, 0) + source + target + segment + payload
        records.append(struct.pack("<IIII", 1_700_000_000 + number, 0, total, total) + packet)
    path = tmp_path / "made.pcap"
    path.write_bytes(b"".join(records))
    analysis, listing, story = CaptureAnalysis(), Listing(), Story(Catalogue("en"), unfolded=True)
    found = {}
    with open_captures([str(path)]) as source:
        for batch in source:
            facts = analysis.feed(batch)
            for lesson in story.tell(facts, listing.lines(facts)):
                assert isinstance(lesson, PacketLesson)
                found[lesson.line.number] = " ".join(note.text for note in lesson.notes)
    return found


def test_simultaneous_open_speaks_of_the_end_that_sends(tmp_path: Path) -> None:
    said = told("> S 100 0 \n < S 500 0 \n > SA 100 501 \n < SA 500 101", tmp_path)
    assert "the client asks to open" in said[1]
    assert "the server asks to open" in said[2]
    assert "confirms the server's: ack 501 = 500 + 1" in said[3]
    assert "LISTEN" not in said[3] + said[4], "nobody listened here"


def test_crossing_fins_speak_of_closing_and_not_of_close_wait(tmp_path: Path) -> None:
    said = told("> FA 101 501 \n < FA 501 101 \n > A 102 502 \n < A 502 102", tmp_path)
    assert "without having seen the client's FIN" in said[5]
    assert "CLOSING means" in said[6]
    assert "both keep TIME-WAIT" in said[7]
    assert not any("CLOSE-WAIT" in said[packet] for packet in (5, 6, 7))


def test_close_in_three_says_that_nothing_was_waited_for(tmp_path: Path) -> None:
    said = told("> FA 101 501 \n < FA 501 102 \n > A 102 502", tmp_path)
    assert "now waits for its own program" not in said[5]
    assert "CLOSE-WAIT passes unseen" in said[5]


@pytest.mark.parametrize(
    ("conversation", "packet", "words"),
    [
        ("< R 501 0", 4, "breaks the connection off"),
        ("> S 100 0 \n < RA 0 101", 2, "port is closed"),
        # A port scanner does what an end does that an old duplicate has betrayed: one segment cannot tell them apart.
        ("> S 100 0 \n < SA 500 101 \n > R 101 0", 3, "A port scanner breaks off at the same point"),
        # Figure 10: the answer belongs to a connection that only the server remembers.
        ("> S 100 0 \n < A 9000 8000 \n > R 8000 0", 3, "forgets the old connection"),
        (CLOSED + "> PA 102 502 5 \n < R 502 0", 8, "no longer has this connection"),
    ],
)
def test_a_reset_is_told_with_its_cause(conversation: str, packet: int, words: str, tmp_path: Path) -> None:
    assert words in told(conversation, tmp_path)[packet]


def test_only_a_last_fin_that_comes_again_is_why_time_wait_exists(tmp_path: Path) -> None:
    last = told("> FA 101 501 \n < FA 501 102 \n > A 102 502 \n < FA 501 102", tmp_path)[7]
    assert "why TIME-WAIT exists" in last
    syn_ack = told("< SA 500 101", tmp_path)[4]
    assert "SYN-RECEIVED" in syn_ack
    assert "TIME-WAIT" not in syn_ack


def test_marks_that_know_only_numbers_are_not_told_where_the_step_says_otherwise(tmp_path: Path) -> None:
    anew = told(CLOSED + OPENING, tmp_path)  # tshark marks retransmission, retransmission, keep-alive
    assert "the opening begins again" in anew[7]
    assert not any(words in anew[packet] for packet in (7, 8, 9) for words in ("Sent again", "Keep-alive"))
    other = told("> S 100 0 \n < R 0 0 \n < SA 500 101", tmp_path)  # tshark: port numbers reused
    assert "a new connection" not in other[3]
    strange = told("> SF 100 0 \n > S 100 0", tmp_path)
    assert "No TCP sends these flags together" in strange[1]
