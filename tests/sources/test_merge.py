"""Several captures are one by time: as mergecap has it, with packets and interfaces numbered over all of them."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

import sniffkit.sources
from sniffkit.errors import NotACapture
from sniffkit.sources import Comment, Source, open_captures
from tests.sources.by_hand import (
    END,
    interface,
    option,
    packet,
    pcap_header,
    pcap_record,
    read,
    section,
    simple_packet,
)


def opened(directory: Path, *captures: bytes, **options: int) -> Source:
    paths = []
    for number, octets in enumerate(captures):
        path = directory / f"{number}.cap"
        path.write_bytes(octets)
        paths.append(str(path))
    return open_captures(paths, **options)


def pcap(name: str, *seconds: int) -> bytes:
    records = [pcap_record(b"%s%d" % (name.encode(), place), time) for place, time in enumerate(seconds)]
    return pcap_header() + b"".join(records)


def order(source: Source) -> str:
    return " ".join(each.octets.decode() for each in read(source))


def test_packets_come_by_time(tmp_path: Path) -> None:
    source = opened(tmp_path, pcap("a", 1, 4, 5), pcap("b", 2, 3, 9))
    assert order(source) == "a0 b0 b1 a1 a2 b2"
    assert source.format == "merged"


def test_of_equal_times_the_file_named_first_goes_first(tmp_path: Path) -> None:
    assert order(opened(tmp_path, pcap("a", 1, 2, 2), pcap("b", 1, 2, 3), pcap("c", 1))) == "a0 b0 c0 a1 a2 b1 b2"


def test_time_that_runs_backwards_in_a_file_stays_with_its_neighbour(tmp_path: Path) -> None:
    assert order(opened(tmp_path, pcap("a", 5, 1, 6), pcap("b", 2, 5, 7))) == "b0 a0 a1 b1 a2 b2"


def test_packets_without_a_time_follow_the_one_before(tmp_path: Path) -> None:
    timeless = section() + interface() + simple_packet(b"s0") + packet(b"s1", 3_000_000) + simple_packet(b"s2")
    assert order(opened(tmp_path, pcap("a", 1, 4), timeless)) == "s0 a0 s1 s2 a1"


def test_interfaces_stand_one_files_after_the_others(tmp_path: Path) -> None:
    two = section() + interface() + interface(link_type=113)
    two += packet(b"x", 1, number=1) + packet(b"y", 3_000_000)
    source = opened(tmp_path, two, pcap_header(link_type=101) + pcap_record(b"z", 2))
    told = [(each.octets, each.interface, each.link_type) for each in read(source)]
    assert told == [(b"x", 1, 113), (b"z", 2, 101), (b"y", 0, 1)]
    assert [each.link_type for each in source.interfaces] == [1, 113, 101]


def test_a_later_section_with_other_interfaces_gets_other_numbers(tmp_path: Path) -> None:
    first = section() + interface(link_type=1) + packet(b"x", 1)
    second = section() + interface(link_type=113) + packet(b"y", 2) + packet(b"z", 4)
    source = opened(tmp_path, first + second, pcap("a", 0))
    told = {each.octets: source.interfaces[each.interface].link_type for each in read(source)}
    assert told == {b"x": 1, b"y": 113, b"z": 113, b"a0": 1}


def test_comments_and_damage_of_all_files_are_kept(tmp_path: Path) -> None:
    commented = section(options=option(1, b"all") + END) + interface()
    commented += packet(b"c", 2_000_000, options=option(1, b"mine") + END)
    source = opened(tmp_path, pcap("a", 1, 3)[:-1], commented, batch_octets=1)
    assert order(source) == "a0 c"
    assert source.comments == [Comment(0, "all"), Comment(2, "mine")]
    assert [(each.id, each.values["file"]) for each in source.damage] == [("pcap.packet-cut", str(tmp_path / "0.cap"))]


def test_one_file_is_opened_as_it_is(tmp_path: Path) -> None:
    assert opened(tmp_path, pcap("a", 1)).format == "pcap"


def test_a_file_that_is_no_capture_stops_all(tmp_path: Path) -> None:
    with pytest.raises(NotACapture, match=r"capture\.empty"):
        opened(tmp_path, pcap("a", 1), b"")


def random_capture(draw: random.Random, file: int) -> bytes:
    """Return a capture whose times mostly rise, often stand still, and sometimes fall."""
    parts = []
    ticks = 1_700_000_000_000_000
    for number in range(draw.randrange(400)):
        ticks += draw.randrange(-3, 3) if draw.random() < 0.2 else draw.randrange(4)
        octets = b"%d %d" % (file, number) + bytes(draw.randrange(60))
        if file % 2:
            parts.append(packet(octets, ticks, number=draw.randrange(2)))
        else:
            parts.append(pcap_record(octets, ticks // 10**6, ticks % 10**6))
    return (section() + interface() + interface() if file % 2 else pcap_header()) + b"".join(parts)


@pytest.mark.skipif(not shutil.which("mergecap"), reason="mergecap is not installed")
@pytest.mark.parametrize("seed", range(4))
def test_the_order_is_mergecaps(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of equal times mergecap takes the file named last, so it is given the files in the other order."""
    monkeypatch.setattr(sniffkit.sources, "LEAST_SHARE", 1000)
    draw = random.Random(seed)
    captures = [random_capture(draw, file) for file in range(4)]
    for size in (1 << 20, 4000):
        ours = read(opened(tmp_path, *captures, batch_octets=size))
        files = [str(tmp_path / f"{file}.cap") for file in (3, 2, 1, 0)]
        merged = tmp_path / "merged"
        subprocess.run(["mergecap", "-w", str(merged), *files], check=True, capture_output=True)
        theirs = read(open_captures([str(merged)]))
        assert [(each.octets, each.time_ns) for each in ours] == [(each.octets, each.time_ns) for each in theirs]
