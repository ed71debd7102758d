"""`sniffkit explain --packet 3,7-9`: the packets asked for, field by field, and what happens when one is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffkit import sources
from sniffkit.commands.selection import Selection
from sniffkit.errors import UsageError

CAPTURES = Path(__file__).parents[2] / "captures"
HANDSHAKE = CAPTURES / "handshake-close-4.pcap"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("capture", "packet", "options"),
    [
        ("handshake-close-4.pcap", "3", ()),
        ("handshake-close-4.pcap", "1", ("-vv",)),
        ("dns-lookup.pcap", "2", ()),
        ("udp-closed-port.pcap", "2", ()),
        ("ipv6-neighbour-discovery.pcapng", "1-2", ()),
        ("vlan.pcap", "1", ("-vv",)),
        ("offload.pcap", "4", ()),
        ("midstream.pcap", "1", ()),
        ("snap-length.pcap", "4", ()),
    ],
)
def test_told_as_reviewed(
    capture: str,
    packet: str,
    options: tuple[str, ...],
    language: str,
    sniffkit: Callable[..., Any],
    expected: Callable[..., None],
) -> None:
    """The whole page, wrapped for a terminal of 80 cells; reviewed as a diff when it changes (`make expected`)."""
    run = sniffkit("explain", CAPTURES / capture, "--packet", packet, *options, "--lang", language, width=80)
    assert (run.code, run.err) == (0, "")
    expected(f"explain-packet/{Path(capture).stem}.{packet}{''.join(options)}.{language}.txt", run.out)


def numbers(output: str) -> list[int]:
    """The packets whose lines stand in an output."""
    return [int(number) for number in re.findall(r"^ {0,4}(\d+) +\d+\.\d{6}  ", output, re.MULTILINE)]


def test_only_the_packets_asked_for(sniffkit: Callable[..., Any]) -> None:
    assert numbers(sniffkit("explain", HANDSHAKE, "--packet", "3,7-9").out) == [3, 7, 8, 9]
    assert numbers(sniffkit("explain", HANDSHAKE, "--packet", "9-").out) == [9, 10, 11]
    assert numbers(sniffkit("explain", HANDSHAKE, "--packet", "9-,2", "-c", 2).out) == [2, 9]
    assert len(sniffkit("explain", "-q", HANDSHAKE, "--packet", "2,4-5").out.splitlines()) == 3
    records = sniffkit("explain", "--json", HANDSHAKE, "--packet", "2,4-5").out.splitlines()
    assert [json.loads(record)["number"] for record in records] == [2, 4, 5]
    assert all(json.loads(record)["layers"] for record in records)


def test_every_packet_field_by_field(sniffkit: Callable[..., Any]) -> None:
    out = sniffkit("explain", HANDSHAKE, "--fields").out
    assert numbers(out) == list(range(1, 12))
    assert out.count("Says which socket of the sending host") == 1  # said once, for all of them
    assert out.count("  0000  ") == 11
    assert "Summary" in out


def test_a_packet_keeps_its_lesson(sniffkit: Callable[..., Any]) -> None:
    out = sniffkit("explain", HANDSHAKE, "--packet", "2").out
    assert "[handshake 2/3]" in out
    assert "server LISTEN → SYN-RECEIVED" in out
    assert "Summary" not in out


def test_boxes_stand_above_the_fields(sniffkit: Callable[..., Any]) -> None:
    out = sniffkit("explain", HANDSHAKE, "--packet", "1", "-vv").out
    assert out.index("+-+-+-+") < out.index("── Ethernet") < out.index("  0000  ")
    assert "+-+-+" not in sniffkit("explain", HANDSHAKE, "--packet", "1", "-v").out


def test_octets_under_each_packet(sniffkit: Callable[..., Any]) -> None:
    with_characters = sniffkit("explain", "-X", HANDSHAKE).out
    without = sniffkit("explain", "-x", HANDSHAKE).out
    assert with_characters.count("  0000  ") == without.count("  0000  ") == 11
    assert "GET / HTTP" in with_characters
    assert "GET / HTTP" not in without
    assert sniffkit("explain", "-q", "-X", HANDSHAKE).out.count("  0000  ") == 11


def test_reading_stops_behind_the_last_packet_asked_for(
    tmp_path: Path, sniffkit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damage behind the packet is not reached."""
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(HANDSHAKE.read_bytes()[:-5])
    monkeypatch.setattr(sources, "open_captures", partial(sources.open_captures, batch_octets=256))
    assert sniffkit("explain", cut, "--packet", "3").code == 0
    assert sniffkit("explain", cut, "--packet", "3-").code == 1


@pytest.mark.parametrize(
    ("asked", "place", "id"),
    [
        ("", 0, "usage.packets"),
        ("x", 0, "usage.packets"),
        ("3,", 2, "usage.packets"),
        ("3,x", 2, "usage.packets"),
        ("3;4", 1, "usage.packets"),
        ("3, 7-x", 5, "usage.packets"),
        ("3,,4", 2, "usage.packets"),
        ("-3", 0, "usage.packets"),
        ("3--4", 2, "usage.packets"),
        ("9-7", 2, "usage.packets-order"),
        ("1,0", 2, "usage.packet-zero"),
        ("3.5", 1, "usage.packets"),
        ("٣", 0, "usage.packets"),
        ("9" * 5000, 15, "usage.packets"),
    ],
)
def test_where_a_selection_goes_wrong(asked: str, place: int, id: str) -> None:
    with pytest.raises(UsageError) as wrong:
        Selection.read(asked)
    assert (wrong.value.id, wrong.value.values["place"]) == (id, place)


@given(st.text("0123456789,- x", max_size=12))
def test_any_selection_is_read_or_refused_at_a_place(asked: str) -> None:
    try:
        selection = Selection.read(asked)
    except UsageError as wrong:
        place = wrong.values["place"]
        assert isinstance(place, int)
        assert 0 <= place <= len(asked)
    else:
        assert all(first >= 1 and (last is None or last >= first) for first, last in selection.ranges)


@given(
    st.lists(st.tuples(st.integers(1, 30), st.none() | st.integers(0, 10)), min_size=1),
    st.integers(1, 30),
    st.integers(0, 30),
)
def test_a_selection_chooses_what_it_says(asked: list[tuple[int, int | None]], first: int, count: int) -> None:
    ranges = [(begin, None if more is None else begin + more) for begin, more in asked]
    text = ",".join(f"{begin}-" if end is None else f"{begin}-{end}" for begin, end in ranges)
    chosen = Selection.read(text).rows(first, count).tolist()
    for row in range(count):
        number = first + row
        assert chosen[row] == any(begin <= number and (end is None or number <= end) for begin, end in ranges)


def test_a_caret_stands_under_the_place(sniffkit: Callable[..., Any]) -> None:
    run = sniffkit("explain", HANDSHAKE, "--packet", "3,7-x")
    assert run.code == 2
    assert run.out == ""
    assert run.err == (
        "sniffkit: a packet number should stand here\n"
        "          3,7-x\n"
        "              ^\n"
        "          Packets are named like 3,7-9 or 5- (from 5 to the end).\n"
    )


def test_a_packet_that_is_not_there(sniffkit: Callable[..., Any]) -> None:
    run = sniffkit("explain", HANDSHAKE, "--packet", "11,99")
    assert run.code == 2
    assert numbers(run.out) == [11]
    assert run.err.startswith("sniffkit: packet 99 is not there: the capture has 11 packets\n")
    assert sniffkit("explain", HANDSHAKE, "--packet", "10-99").code == 0
    assert sniffkit("explain", HANDSHAKE, "--packet", "12-").code == 2
    assert sniffkit("explain", HANDSHAKE, "--json", "--packet", "12").code == 2


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["explian", "x"], "there is no command explian", "Did you mean explain?"),
        (["zzz"], "there is no command zzz", "There are: "),
        ([str(HANDSHAKE)], "is a file, not a command", "sniffkit explain "),
        (["explain", "--pakcet", "3"], "there is no option --pakcet", "Did you mean --packet?"),
        (["explain", "--zzzzzzzz"], "there is no option --zzzzzzzz", "sniffkit explain --help"),
        (["--zzz"], "there is no option --zzz", "sniffkit --help"),
        (["explain", "-c"], "-c needs a value", "sniffkit explain --help"),
        (["explain", "--json=3"], "--json takes no value", "sniffkit explain --help"),
        (["explain", "-c", "x", "a"], "--count wants a whole number, not x", ""),
        (["explain", "-c", "0", "a"], "--count wants a number from 1 on, not 0", ""),
        (["explain"], "no capture is named", "sniffkit explain capture.pcap"),
        (["explain", "--lang", "fr", "a"], "no texts in the language fr", "--lang zh"),
        (["explain", "--color", "red", "a"], "--color does not know red", "always or never"),
    ],
)
def test_a_wrong_command_line_is_told_in_a_line_and_a_hint(
    arguments: list[str], message: str, hint: str, sniffkit: Callable[..., Any]
) -> None:
    run = sniffkit(*arguments)
    assert run.code == 2
    assert run.out == ""
    first, *rest = run.err.splitlines()
    assert first.startswith("sniffkit: ")
    assert message in first
    assert len(rest) == bool(hint)
    assert hint in "".join(rest)


def test_a_wrong_command_line_is_told_in_the_language_asked_for(sniffkit: Callable[..., Any]) -> None:
    run = sniffkit("explain", "--pakcet", "3", "--lang", "zh")
    assert run.err == "sniffkit: 没有 --pakcet 这个选项\n          是不是 --packet？\n"


def test_what_a_name_holds_cannot_move_the_cursor(sniffkit: Callable[..., Any]) -> None:
    assert "\x1b" not in sniffkit("explain", "--packet", "3\x1b[2J", HANDSHAKE).err
    assert "\x1b" not in sniffkit("expl\x1b[2J").err


def test_sniffkit_alone_prints_its_help(sniffkit: Callable[..., Any]) -> None:
    run = sniffkit()
    assert run.code == 0
    assert "explain" in run.out


@pytest.mark.parametrize(
    "choice", [("-Y", "tcp.port == 9999"), ("--packet", "3", "--conversation", "0"), ("-q", "--only", "reset")]
)
def test_a_choice_that_nothing_fits_is_said(choice: tuple[str, ...], sniffkit: Callable[..., Any]) -> None:
    """Packet 3 is a DNS question and so of no conversation; nothing is wrong, but an empty screen says nothing."""
    run = sniffkit("explain", CAPTURES / "http-exchange.pcapng", *choice)
    assert (run.code, run.err) == (0, "None of the 20 packets that were read fits what is asked for.\n")
    assert "没有一个符合" in sniffkit("explain", CAPTURES / "http-exchange.pcapng", *choice, "--lang", "zh").err
