"""Languages: which one the reader wants, and how durations are written in it."""

from __future__ import annotations

import pytest

from sniffkit.explanations.catalogue import Catalogue
from sniffkit.explanations.language import duration, in_the_singular, preferred_language
from sniffkit.explanations.plain import escaped


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "C"}, "en"),
        ({}, "en"),
        ({"LC_ALL": "zh_TW.UTF-8", "LANG": "en_US.UTF-8"}, "zh"),
        ({"SNIFFKIT_LANG": "en", "LC_ALL": "zh_CN.UTF-8"}, "en"),
    ],
)
def test_language_of_the_environment(environment: dict[str, str], language: str) -> None:
    assert preferred_language(environment) == language


@pytest.mark.parametrize(
    ("nanoseconds", "english", "chinese"),
    [
        (0, "0 ns", "0 ns"),
        (412_000, "412 µs", "412 µs"),
        (20_100_000, "20.1 ms", "20.1 ms"),
        (999_900_000, "1.00 s", "1.00 s"),
        (75_000_000_000, "75.0 s", "75.0 s"),
        (900_000_000_000, "15 min", "15 分"),
        (7_380_000_000_000, "2 h 3 min", "2 小时 3 分"),
        (-5_000_000, "-5.00 ms", "-5.00 ms"),
    ],
)
def test_durations(nanoseconds: int, english: str, chinese: str) -> None:
    assert (duration(nanoseconds, "en"), duration(nanoseconds, "zh")) == (english, chinese)


def test_a_text_fills_its_blanks_and_says_ends_in_its_language() -> None:
    values = {"sender": "server", "receiver": "client", "elapsed_ns": 20_100_000, "number": 4}
    assert Catalogue("en").text("tcp.ack.answers", **values) == "Answers packet 4 after 20.1 ms."
    assert "服务器" in Catalogue("zh").text("tcp.mark.zero_window", **values)


def test_the_operating_system_speaks_the_language_too() -> None:
    """What it refuses is said in Chinese; where it says something unknown, its own words stay."""
    english, chinese = Catalogue("en"), Catalogue("zh")
    whole = "{reason}"
    assert english.filled(whole, reason="Permission denied") == "Permission denied"
    assert chinese.filled(whole, reason="Permission denied") == "权限不够"
    assert chinese.filled(whole, reason="a/b: Not a directory") == "a/b: 不是目录"
    assert chinese.filled(whole, reason="Level 2 halted") == "Level 2 halted"


def test_a_missing_text_is_an_error() -> None:
    with pytest.raises(KeyError, match="such"):
        Catalogue("zh").text("no.such.key")


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain", "plain"),
        ("中文", "中文"),
        ("\x1b[31m", r"\x1b[31m"),
        ("a\nb\x00", r"a\x0ab\x00"),
        ("\u202etxt.exe", r"\u202etxt.exe"),
        ("\ud800", r"\ud800"),
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_nothing_from_a_packet_can_touch_the_screen(raw: str, shown: str) -> None:
    assert escaped(raw) == shown


@pytest.mark.parametrize(
    ("packets", "english"),
    [
        ("1", "1 packet captured, 1 received by the filter, 0 dropped by the kernel"),
        ("11", "11 packets captured, 11 received by the filter, 0 dropped by the kernel"),
        ("1,001", "1,001 packets captured, 1,001 received by the filter, 0 dropped by the kernel"),
        ("0", "0 packets captured, 0 received by the filter, 0 dropped by the kernel"),
    ],
)
def test_one_packet_is_no_packets(packets: str, english: str) -> None:
    assert Catalogue("en").text("live.counters", captured=packets, received=packets, dropped="0") == english


def test_the_verb_follows_the_noun() -> None:
    assert in_the_singular("{octets} octets are left", {"octets": 1}) == "{octets} octet is left"
    assert in_the_singular("... and {count} more entries", {"count": 1}) == "... and {count} more entry"
    assert in_the_singular("{octets} octets are left", {"octets": 21}) == "{octets} octets are left"
