"""A pcapng: blocks of many kinds. Packets come out, what describes them is kept, damage is stepped over."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from sniffkit.errors import NotACapture
from sniffkit.sources import Comment, open_capture
from sniffkit.sources.batch import NO_TIME
from tests.sources.by_hand import (
    END,
    Seen,
    block,
    damage,
    interface,
    obsolete_packet,
    option,
    packet,
    read_octets,
    section,
    simple_packet,
)

BEGIN = section() + interface()


@pytest.mark.parametrize("order", "<>")
def test_every_kind_of_packet_block(tmp_path: Path, order: str) -> None:
    octets = section(order) + interface(order, link_type=1, snap_length=4) + interface(order, link_type=113)
    octets += packet(b"enhanced", 1_700_000_000_123_456, order=order, number=1, length=60)
    octets += simple_packet(b"simp", 6, order=order)  # the snap length says how much of it is there
    octets += simple_packet(b"le", order=order)
    octets += obsolete_packet(b"obsolete", 5, number=1, order=order)
    packets, source = read_octets(tmp_path, octets)
    assert packets == [
        Seen(b"enhanced", 60, 1_700_000_000_123_456_000, 113, 1),
        Seen(b"simp", 6, NO_TIME, 1, 0),
        Seen(b"le", 2, NO_TIME, 1, 0),
        Seen(b"obsolete", 8, 5000, 113, 1),
    ]
    assert (source.format, source.damage, source.interface_ids) == ("pcapng", [], True)


def test_sections_have_their_own_byte_order_and_interfaces(tmp_path: Path) -> None:
    """Interfaces are counted from 0 in each section: so does tshark, and so the numbers are those it prints."""
    octets = section("<") + interface("<", options=option(2, b"eth0") + END) + packet(b"little")
    octets += section(">", length=4) + interface(">", 101, options=option(2, b"tun0", ">") + END)
    octets += interface(">", 113) + packet(b"big", order=">") + packet(b"second", number=1, order=">")
    path = tmp_path / "capture"
    path.write_bytes(octets)
    names = []
    with open_capture(str(path)) as source:
        for batch in source:  # what an interface is called is asked while its packets are at hand
            names += [
                (batch.packet(row), source.interfaces[batch.interface[row]].name, int(batch.link_type[row]))
                for row in range(len(batch))
            ]
    assert names == [(b"little", "eth0", 1), (b"big", "tun0", 101), (b"second", "", 113)]
    assert not source.damage


def test_interfaces_are_described(tmp_path: Path) -> None:
    options = option(2, b"eth0") + option(3, "校园网".encode()) + option(12, b"Linux") + END
    _, source = read_octets(tmp_path, section() + interface(snap_length=96, options=options))
    told = source.interfaces[0]
    assert (told.name, told.description, told.snap_length, told.link_type) == ("eth0", "校园网", 96, 1)


def test_each_interface_has_its_own_clock(tmp_path: Path) -> None:
    octets = section() + interface()
    octets += interface(options=option(9, b"\x09") + END)
    octets += interface(options=option(9, b"\x8a") + option(14, struct.pack("<q", 100)) + END)
    octets += packet(b"a", 3) + packet(b"b", 3, number=1) + packet(b"c", 1024 + 512, number=2)
    packets, _ = read_octets(tmp_path, octets)
    assert [each.time_ns for each in packets] == [3000, 3, 101_500_000_000]


def test_comments_and_names_are_kept(tmp_path: Path) -> None:
    names = struct.pack("<HH", 1, 4 + 18) + bytes([192, 0, 2, 1]) + b"www.example.org\0w\0" + bytes(2)
    names += struct.pack("<HH", 2, 16 + 3) + bytes(15) + b"\x01lo\0\0" + END
    octets = section(options=option(1, b"of the section") + END) + interface() + block(4, names)
    octets += packet(b"one") + packet(b"two", options=option(2, bytes(4)) + option(1, "慢".encode()) + END)
    octets += packet(b"six", options=option(1, b"a") + option(1, b"b") + END) + block(5, bytes(12) + option(1, b"end"))
    _, source = read_octets(tmp_path, octets)
    assert source.names == {"192.0.2.1": "www.example.org", "::1": "lo"}
    assert sorted(source.comments, key=lambda comment: comment.packet) == [
        Comment(0, "of the section"),
        Comment(0, "end"),
        Comment(2, "慢"),
        Comment(3, "a"),
        Comment(3, "b"),
    ]


def test_comments_are_found_however_many_packets_have_options(tmp_path: Path) -> None:
    """Many blocks are walked together, few one by one: the packets with a comment are the same."""
    flags = option(2, bytes(4))
    commented = [n for n in range(500) if n % 7 == 3]
    octets = BEGIN + b"".join(
        packet(bytes(n % 9), options=flags * (n % 3) + (option(1, b"%d" % n) if n in commented else b"") + END)
        for n in range(500)
    )
    for size in (300, 1 << 20):
        _, source = read_octets(tmp_path, octets, batch_octets=size)
        assert source.comments == [Comment(n + 1, str(n)) for n in commented]


def test_blocks_of_other_kinds_are_passed_over(tmp_path: Path) -> None:
    secrets = block(10, struct.pack("<II", 0x544C534B, 4) + b"keys")
    others = block(0x0BAD, bytes(8)) + block(9, b"__CURSOR=1") + secrets + block(0x80000123, b"") + block(5, bytes(12))
    packets, source = read_octets(tmp_path, BEGIN + others + packet(b"one") + others + packet(b"two") + others)
    assert [each.octets for each in packets] == [b"one", b"two"]
    assert not source.damage


def test_small_batches_and_large_ones_hold_the_same_packets(tmp_path: Path) -> None:
    octets = b"".join(
        section(order) + interface(order) + b"".join(packet(bytes(n), n, order=order) for n in range(50))
        for order in "<><<"
    )
    whole, _ = read_octets(tmp_path, octets)
    assert len(whole) == 200
    for size in (1, 100, 1000):
        assert read_octets(tmp_path, octets, batch_octets=size)[0] == whole


GOOD = packet(b"good octets")

BROKEN = {
    "length 0": (struct.pack("<II", 6, 0) + bytes(24), "pcapng.block-length"),
    "length not a multiple of 4": (struct.pack("<II", 6, 35) + bytes(28), "pcapng.block-length"),
    "length of gigabytes": (struct.pack("<II", 6, 0xFFFFFFF0) + bytes(24), "pcapng.block-length"),
    "ends differ": (GOOD[:-4] + struct.pack("<I", 99), "pcapng.block-ends-differ"),
    "captured more than the block holds": (packet(b"four", captured=500), "pcapng.packet-exceeds-block"),
    "captured gigabytes": (packet(b"four", captured=2**32 - 1), "pcapng.captured-too-long"),
    "interface never described": (packet(b"four", number=1), "pcapng.interface-unknown"),
    "too short for a packet": (block(6, bytes(8)), "pcapng.block-short"),
    "too short for an interface": (block(1, bytes(4)), "pcapng.block-short"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_reading_goes_on_behind_a_broken_block(tmp_path: Path, name: str) -> None:
    broken, id = BROKEN[name]
    octets = BEGIN + GOOD + broken + GOOD * 3
    for size in (1, 1 << 20):
        packets, source = read_octets(tmp_path, octets, batch_octets=size)
        assert [each.octets for each in packets] == [b"good octets"] * 4
        assert damage(source) == [(id, 2, len(BEGIN + GOOD))]


def test_damage_is_numbered_by_the_packets_that_were_read(tmp_path: Path) -> None:
    bad = packet(b"four", number=1)
    _, source = read_octets(tmp_path, BEGIN + GOOD + bad + bad + GOOD + block(1, bytes(4)) + bad)
    assert [(id, number) for id, number, _ in damage(source)] == [
        ("pcapng.interface-unknown", 2),
        ("pcapng.interface-unknown", 2),
        ("pcapng.block-short", 3),
        ("pcapng.interface-unknown", 3),
    ]


def test_an_interface_described_too_late_does_not_count(tmp_path: Path) -> None:
    packets, source = read_octets(tmp_path, section() + GOOD + interface() + GOOD)
    assert len(packets) == 1
    assert damage(source) == [("pcapng.interface-unknown", 1, 28)]


@pytest.mark.parametrize(
    ("bad", "id"),
    [
        (section(version=(2, 0)), "pcapng.version"),
        (section()[:8] + b"ABCD" + section()[12:], "pcapng.byte-order"),
    ],
)
def test_a_section_nobody_can_read_ends_with_the_next(tmp_path: Path, bad: bytes, id: str) -> None:
    packets, source = read_octets(tmp_path, BEGIN + GOOD + bad + interface() + GOOD * 5 + BEGIN + packet(b"next"))
    assert [each.octets for each in packets] == [b"good octets", b"next"]
    assert [each.id for each in source.damage] == [id]


def test_a_file_cut_anywhere_gives_the_whole_packets_before_the_cut(tmp_path: Path) -> None:
    octets = BEGIN + GOOD + packet(b"second")
    for cut in range(24, len(octets)):
        packets, source = read_octets(tmp_path, octets[:cut])
        assert len(packets) == (cut >= len(BEGIN + GOOD))
        if cut in (28, len(BEGIN), len(BEGIN + GOOD)):
            assert not source.damage
        else:
            assert [each.id for each in source.damage] == ["pcapng.block-cut"]


def test_damage_without_end_is_given_up(tmp_path: Path) -> None:
    broken = GOOD[:-4] + b"last"
    packets, source = read_octets(tmp_path, BEGIN + (GOOD + broken) * 3000)
    assert 100 < len(packets) < 3000
    assert len(source.damage) == 100
    assert source.damage_untold == len(packets) - 100 + 1


def test_more_interfaces_than_anyone_has_are_not_kept(tmp_path: Path) -> None:
    octets = section() + interface() * 65_540 + GOOD + packet(b"late", number=65_536)
    packets, source = read_octets(tmp_path, octets)
    assert len(packets) == 1
    assert len(source.interfaces) == 65_536
    assert [each.id for each in source.damage] == ["pcapng.too-many-interfaces"] * 4 + ["pcapng.interface-unknown"]


@pytest.mark.parametrize(
    ("octets", "id"),
    [
        (section(version=(0, 1)), "pcapng.version"),
        (section()[:8] + bytes(4) + section()[12:], "pcapng.byte-order"),
        (section()[:12], "capture.short"),
    ],
)
def test_a_first_section_nobody_can_read_is_not_a_capture(tmp_path: Path, octets: bytes, id: str) -> None:
    with pytest.raises(NotACapture) as refused:
        read_octets(tmp_path, octets)
    assert refused.value.id == id
