"""The sample captures are what captures/README.md says: whole, right in every checksum, each with its story."""

from __future__ import annotations

import re
from itertools import pairwise
from textwrap import dedent

import pytest

from tests.captures.reading import CAPTURES, FLAGS, TCP, datagram, frames, ladder, wrong_checksums

NAMES = sorted(path.name for path in CAPTURES.glob("*.pcap*"))
MTU_FRAME = 1514
LARGEST_FILE = 60_000
SAMPLES_WITH_OFFLOAD = {"offload.pcap"}
SAMPLES_CUT = {"snap-length.pcap"}
ROW = re.compile(r"^\| `(?P<name>[^`]+)` \| (?P<packets>\d+) \| (?P<story>.+) \|$", re.MULTILINE)


@pytest.mark.parametrize("readme", ["README.md", "README.zh.md"])
def test_the_readme_lists_every_capture_with_its_packets(readme: str) -> None:
    told = {row["name"]: int(row["packets"]) for row in ROW.finditer((CAPTURES / readme).read_text("utf-8"))}
    assert told == {name: len(list(frames(name))) for name in NAMES}


def test_both_languages_point_at_the_same_packets() -> None:
    english, chinese = (
        {
            row["name"]: [int(number) for number in re.findall(r"\d+", row["story"])]
            for row in ROW.finditer((CAPTURES / readme).read_text("utf-8"))
        }
        for readme in ("README.md", "README.zh.md")
    )
    for name in NAMES:
        assert sorted(english[name]) == sorted(chinese[name]), name


@pytest.mark.parametrize("name", NAMES)
def test_a_capture_is_small(name: str) -> None:
    assert (CAPTURES / name).stat().st_size < LARGEST_FILE


@pytest.mark.parametrize("name", sorted(set(NAMES) - SAMPLES_WITH_OFFLOAD - SAMPLES_CUT))
def test_every_checksum_verifies_and_no_frame_exceeds_the_mtu(name: str) -> None:
    for frame in frames(name):
        place = f"{name} packet {frame.number}"
        assert wrong_checksums(frame) == [], place
        assert len(frame.octets) == frame.length <= MTU_FRAME, place


def test_with_offload_frames_are_too_large_and_the_clients_checksums_unfinished() -> None:
    sample = list(frames("offload.pcap"))
    assert [frame.number for frame in sample if frame.length > MTU_FRAME] == [4, 5, 6, 7, 8, 19, 20]
    for frame in sample:
        carried = datagram(frame)
        assert carried is not None
        sent_by_client = carried.source == bytes([10, 0, 0, 2])
        assert wrong_checksums(frame) == (["tcp"] if sent_by_client else []), frame.number


def test_a_cut_capture_keeps_68_octets_and_the_true_length() -> None:
    sample = list(frames("snap-length.pcap"))
    assert max(len(frame.octets) for frame in sample) == 68
    assert [frame.number for frame in sample if frame.length > len(frame.octets)] == [1, 2, 4, 6]


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"clock-set-back.pcap"}))
def test_time_runs_forward(name: str) -> None:
    times = [frame.time_ns for frame in frames(name)]
    assert times == sorted(times)


def test_where_the_clock_is_set_back_time_jumps_once() -> None:
    times = [frame.time_ns for frame in frames("clock-set-back.pcap")]
    assert [number for number in range(2, len(times) + 1) if times[number - 1] < times[number - 2]] == [6]


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".pcapng")])
def test_a_pcapng_names_its_interface(name: str) -> None:
    assert {frame.interface for frame in frames(name)} == {"eth0"}


def test_every_frame_on_the_trunk_is_tagged() -> None:
    assert {frame.octets[12:16] for frame in frames("vlan.pcap")} == {b"\x81\x00\x00\x0a"}


def test_the_mirror_port_shows_each_packet_twice_in_a_blink() -> None:
    seen: dict[bytes, list[int]] = {}
    for frame in frames("captured-twice.pcap"):
        seen.setdefault(frame.octets, []).append(frame.time_ns)
    assert all(len(times) == 2 and times[1] - times[0] < 1_000_000 for times in seen.values())


def test_an_unanswered_syn_is_sent_again_after_1_2_and_4_seconds() -> None:
    times = [frame.time_ns / 1e9 for frame in frames("unanswered-syn.pcap")]
    assert [round(later - earlier) for earlier, later in pairwise(times)] == [1, 2, 4]


def test_no_address_or_mac_is_anybodys() -> None:
    """Locally administered MACs and groups only; nothing of the recording machine."""
    for name in NAMES:
        for frame in frames(name):
            for mac in (frame.octets[:6], frame.octets[6:12]):
                assert mac[0] == 2 or mac[0] & 1, f"{name} packet {frame.number}: {mac.hex(':')}"


OPENED = """
    > S   0
    < SA  0 ack 1
    > A   1 ack 1
"""
ASKED = (
    OPENED
    + """
    > PA  1:41 ack 1
    < A   1 ack 42
    < PA  1:79 ack 42
    > A   42 ack 80
"""
)
CLOSED_BY_CLIENT = """
    > FA  1 ack 1
    < A   1 ack 2
    < FA  1 ack 2
    > A   2 ack 2
"""

LADDERS = {
    # The classroom case.
    "handshake-close-4.pcap": ASKED
    + """
    > FA  42 ack 80
    < A   80 ack 43
    < FA  80 ack 43
    > A   43 ack 81
""",
    # Steps two and three of the close in one segment.
    "close-3-segment.pcap": ASKED
    + """
    > FA  42 ack 80
    < FA  80 ack 43
    > A   43 ack 81
""",
    "server-closes-first.pcap": ASKED
    + """
    < FA  80 ack 42
    > A   42 ack 81
    > FA  42 ack 81
    < A   81 ack 43
""",
    # The FINs cross: neither acknowledges the other.
    "simultaneous-close.pcap": ASKED
    + """
    > FA  42 ack 80
    < FA  80 ack 42
    > A   43 ack 81
    < A   81 ack 43
""",
    # The last ACK is lost behind the capture point.
    "fin-again-in-time-wait.pcap": ASKED
    + """
    > FA  42 ack 80
    < A   80 ack 43
    < FA  80 ack 43
    > A   43 ack 81
    < FA  80 ack 43
    > A   43 ack 81
""",
    # After the client's FIN the server still speaks three times.
    "half-close-data.pcap": OPENED
    + """
    > PA  1:20 ack 1
    > FA  21 ack 1
    < A   1 ack 21
    < A   1 ack 22
    < PA  1:6 ack 22
    > A   22 ack 7
    < PA  7:4 ack 22
    > A   22 ack 11
    < PA  11:5 ack 22
    > A   22 ack 16
    < FA  16 ack 22
    > A   22 ack 17
""",
    "fin-with-data.pcap": OPENED
    + """
    > FPA 1:8 ack 1
    < A   1 ack 10
    < FA  1 ack 10
    > A   10 ack 2
""",
    "reset-by-abort.pcap": ASKED + "> RA  42 ack 80",
    "refused-port.pcap": """
    > S   0
    < RA  1 ack 1
""",
    # The server's side: with two steps it would now be open alone.
    "synack-lost.pcap": """
    > S   0
    < SA  0 ack 1
    > S   0
    < SA  0 ack 1
    > A   1 ack 1
"""
    + CLOSED_BY_CLIENT,
    # RFC 9293 figure 8.
    "old-duplicate-syn.pcap": """
    > S   0
    < SA  0 ack 1
    > R   1
    > S   0
    < SA  0 ack 1
    > A   1 ack 1
"""
    + CLOSED_BY_CLIENT,
    # RFC 9293 figure 7; the acks of 5 and 6 are Linux's answer to a SYN it already has.
    "simultaneous-open.pcap": """
    > S   0
    < S   0
    > SA  0 ack 1
    < SA  0 ack 1
    > A   1 ack 1
    < A   1 ack 1
    > PA  1:16 ack 1
    < A   1 ack 17
    > FA  17 ack 1
    < A   1 ack 18
    < FA  1 ack 18
    > A   18 ack 2
""",
    "midstream.pcap": """
    > PA  1:41 ack 1
    < A   1 ack 42
    < PA  1:79 ack 42
    > A   42 ack 80
    > PA  42:41 ack 80
    < PA  80:79 ack 83
    > A   83 ack 159
    > FA  83 ack 159
    < A   159 ack 84
    < FA  159 ack 84
    > A   84 ack 160
""",
}


@pytest.mark.parametrize("name", LADDERS)
def test_a_ladder_reads_as_its_lesson(name: str) -> None:
    expected = "\n".join(line.strip() for line in dedent(LADDERS[name]).splitlines() if line.strip())
    assert ladder(name) == expected


def test_data_and_cookie_ride_on_a_fast_open_syn() -> None:
    segments = [carried.payload for frame in frames("fast-open.pcap") if (carried := datagram(frame))]
    flags = ["".join(letter for bit, letter in FLAGS.items() if segment[13] & bit) for segment in segments]
    sizes = [len(segment) - (segment[12] >> 4) * 4 for segment in segments]
    assert (flags[0], sizes[0]) == ("S", 0)
    assert (flags[10], sizes[10]) == ("S", 41)
    fast_open_option = 34
    cookie = segments[1][20 : (segments[1][12] >> 4) * 4]
    place = cookie.index(bytes([fast_open_option, 10]))
    assert cookie[place : place + 10] in segments[10]


def test_zero_window_closes_and_opens() -> None:
    windows = [
        int.from_bytes(carried.payload[14:16], "big")
        for frame in frames("zero-window.pcap")
        if (carried := datagram(frame)) and carried.protocol == TCP and carried.source[0] == 93
    ]
    assert windows.count(0) == 3
    assert windows[-1] > 0


@pytest.mark.parametrize(("name", "probes"), [("keepalive.pcap", [8, 10, 12, 13, 14]), ("zero-window.pcap", [9, 11])])
def test_a_probe_repeats_the_number_before_the_next(name: str, probes: list[int]) -> None:
    lines = ladder(name).splitlines()
    highest = 0
    found = []
    for number, line in enumerate(lines, 1):
        direction, flags, numbers, *_ = line.split()
        seq, _, length = numbers.partition(":")
        end = int(seq) + int(length or 0) + ("S" in flags) + ("F" in flags)
        if direction == ">":
            if int(seq) == highest - 1 and not length:
                found.append(number)
            highest = max(highest, end)
    assert found == probes
