"""The terminal: Chinese counted in cells, signs spelled where the encoding has none, colour only where it is wanted."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len

from sniffkit.explanations.catalogue import Catalogue
from sniffkit.explanations.language import Language
from sniffkit.explanations.lesson import EndState, Line, Note, PacketLesson, Table
from sniffkit.explanations.live_view import interface_table
from sniffkit.renderers.screen import Screen
from sniffkit.renderers.terminal import Terminal
from sniffkit.sources.interfaces import SAYS_ITSELF, NetworkInterface

LESSON = PacketLesson(
    Line(3, "0.020616", "10.0.0.2:50000", "93.184.216.34:80", "TCP", 66, "[ACK] Seq=1 Ack=1 Win=64256 Len=0"),
    "三次握手 3/3",
    (EndState("客户端", "SYN-SENT", "ESTABLISHED", "已建立连接"), EndState("服务器", "LISTEN", "LISTEN", "监听")),
    (Note("a", "lesson", "确认号 284423002 = 284423001 + 1，确认了服务器的 SYN。" * 5), Note("b", "warning", "注意。")),
)


def drawn(width: int | None, colour: bool = False, signs: bool = True) -> str:
    stream = io.StringIO()
    Terminal(Screen(stream, width, colour, signs)).tell([LESSON])
    return stream.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 140])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    assert all(cell_len(line) <= width for line in drawn(width).splitlines())


def test_closing_signs_never_begin_a_line() -> None:
    for width in range(40, 100):
        assert not any(line.strip().startswith(("。", "，")) for line in drawn(width).splitlines())


def test_a_pipe_gets_whole_lines() -> None:
    lines = drawn(None).splitlines()
    assert len(lines) == 4
    assert "\x1b" not in drawn(None)


def test_colour_changes_nothing_but_colour() -> None:
    import re

    assert re.sub(r"\x1b\[[0-9;]*m", "", drawn(80, colour=True)) == drawn(80)
    assert drawn(80, colour=True) != drawn(80)


def test_signs_are_spelled_in_ascii() -> None:
    text = drawn(None, signs=False)
    assert "->" in text
    assert "→" not in text
    assert "·" not in text


@pytest.mark.parametrize(
    ("environment", "choice", "colour"),
    [
        ({}, "auto", False),
        ({"FORCE_COLOR": "1"}, "auto", True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, "auto", False),
        ({"CLICOLOR_FORCE": "0"}, "auto", False),
        ({"NO_COLOR": "1"}, "always", True),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, "auto", False),
        ({"FORCE_COLOR": "1"}, "never", False),
    ],
)
def test_who_decides_on_colour(environment: dict[str, str], choice: str, colour: bool) -> None:
    assert Screen.of(io.StringIO(), choice, environment).colour is colour


def test_sums_and_units_stay_on_one_line() -> None:
    for width in range(44, 90):
        lines = Screen(io.StringIO(), width).wrapped("确认号 17 = 1 + 16：回答分组 7，用时 20.5 ms（图 7），见下。" * 3)
        assert sum(line.count("17 = 1 + 16：") for line in lines) == 3
        assert sum(line.count("20.5 ms") for line in lines) == 3
        assert sum(line.count("图 7") for line in lines) == 3


def test_a_table_too_wide_for_the_screen_goes_on_below() -> None:
    table = Table("t", ("no.", "ends", "opened", "closed"), (("0", "a" * 30, "handshake", "closed by client"),))
    stream = io.StringIO()
    Terminal(Screen(stream, 50)).table(table)
    assert stream.getvalue().splitlines()[1:] == [
        "no.  ends                            opened",
        "     closed",
        "0    " + "a" * 30 + "  handshake",
        "     closed by client",
    ]


def test_a_row_has_no_lines_in_which_nothing_stands() -> None:
    """Further addresses of an interface stand alone in their column; ``any`` has none."""
    table = Table("", ("no.", "what", "address"), (("0", "a" * 9, "b" * 9), ("", "", "c" * 9), ("1", "d", "")))
    stream = io.StringIO()
    Terminal(Screen(stream, 20)).table(table)
    assert stream.getvalue().splitlines() == [
        "no.  what",
        "     address",
        "0    aaaaaaaaa",
        "     bbbbbbbbb",
        "     ccccccccc",
        "1    d",
    ]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_interface_is_one_line_at_80_cells_and_only_a_long_address_leaves_its_place(language: Language) -> None:
    """In a classroom with containers a machine has dozens of interfaces, and IPv6 addresses of 40 signs."""
    long = "2001:db8:1234:5678:9abc:def0:1234:5678/64"
    interfaces = [
        NetworkInterface(1, "veth0123456789a", 7, 0x41, 1, "veth", "02:00:00:00:00:01", 65_536, ("10.0.0.2/24", long)),
        *(NetworkInterface(2, "eth0", 8, 0x41, 1, what, "02:00:00:00:00:02", 1500) for what in sorted(SAYS_ITSELF)),
    ]
    stream = io.StringIO()
    Terminal(Screen(stream, 80)).table(interface_table(interfaces, Catalogue(language)))
    lines = stream.getvalue().splitlines()
    assert max(map(cell_len, lines)) <= 80
    assert len(lines) == 1 + 3 + len(SAYS_ITSELF)
    assert lines[1].endswith("10.0.0.2/24")
    assert cell_len(lines[2]) == 80
    assert lines[2].strip() == long
    places = {cell_len(line[: line.index("02:00")]) for line in lines if "02:00" in line}
    assert len(places) == 1, "all others stand below each other"


def test_a_packet_without_addresses_has_signs_in_their_place() -> None:
    stream = io.StringIO()
    Terminal(Screen(stream, None)).tell([PacketLesson(Line(1, "0.000000", "", "", "LINKTYPE 250", 5, "5 octets"))])
    assert stream.getvalue() == "    1   0.000000  - → -  LINKTYPE 250  5 octets\n"
