"""The table of connections on screens of any width: ends and states always, from 80 cells on rate and RTT too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from rich.cells import cell_len

from sniffkit.analysis.tcp.open_connections import OpenConnection, Stage
from sniffkit.explanations.catalogue import Catalogue
from sniffkit.explanations.connection_table import connection_table
from sniffkit.explanations.language import Language
from sniffkit.explanations.live_view import Progress, status_parts
from sniffkit.renderers.live_table import drawn
from sniffkit.renderers.screen import Screen, fitted

SHORT = (("10.0.0.2", 50000), ("93.184.216.34", 80))
LONG = (("192.168.100.200", 50000), ("142.250.185.206", 443))
LONG_6 = (("2001:db8:85a3:8d3:1319:8a2e:370:7348", 50000), ("2001:db8:0:1::34", 443))


def connection(
    stream: int, ends: tuple[tuple[str, int], tuple[str, int]], one: str, other: str, stage: Stage
) -> OpenConnection:
    return OpenConnection(
        stream, *ends, (one, other), stage, (1200, 3400), (80_000, 2_000_000), 999e3, 120_000_000, 75_000_000_000
    )


CONNECTIONS = [
    connection(7, LONG, "FIN-WAIT-2", "CLOSE-WAIT", "closing"),
    connection(123, SHORT, "ESTABLISHED", "ESTABLISHED", "open"),
    connection(4, LONG_6, "ESTABLISHED", "ESTABLISHED", "open"),
    connection(9, SHORT, "SYN-SENT", "SYN-RECEIVED", "opening"),
]


def lines(
    width: int, language: Language = "en", of: Sequence[OpenConnection] = CONNECTIONS, **stages: int
) -> list[str]:
    table = connection_table(of, stages, Catalogue(language))  # type: ignore[arg-type]
    return [line for line, _ in drawn(table, width)]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", range(55, 160, 5))
def test_no_line_is_wider_than_the_screen(width: int, language: Language) -> None:
    assert max(map(cell_len, lines(width, language))) <= width


def test_at_80_cells_ends_states_rate_and_round_trip_time_are_there() -> None:
    """The longest of all: what tells hosts of one network apart stands at an address's end, and that stays."""
    assert lines(80) == [
        "no.  client → server                    states                     rate      RTT",
        "open 2",
        "  4  […7348]:50000 → […34]:443          ESTAB/ESTAB            999 kB/s   120 ms",
        "123  10.0.0.2:50000 → 93.184.216.34:80  ESTAB/ESTAB            999 kB/s   120 ms",
        "opening 1",
        "  9  10.0.0.2:50000 → 93.184.216.34:80  SYN-SENT/SYN-RECV      999 kB/s   120 ms",
        "closing 1",
        "  7  …100.200:50000 → …185.206:443      FIN-WAIT-2/CLOSE-WAIT  999 kB/s   120 ms",
    ]


def at_port(port: int, one: str, other: str, stage: Stage, rtt_ns: int, **more: float) -> OpenConnection:
    client, server = ("10.0.0.2", port), SHORT[1]
    made = connection(port % 10 // 2, (client, server), one, other, stage)
    return replace(made, rate=0.0, rtt_ns=rtt_ns, **more)  # type: ignore[arg-type]


LESSON = [
    at_port(50000, "TIME-WAIT", "CLOSED", "time-wait", 20_700_000, silent_ns=16_800_000_000),
    at_port(50002, "FIN-WAIT-2", "CLOSE-WAIT", "closing", 21_300_000),
    replace(at_port(50004, "ESTABLISHED", "ESTABLISHED", "open", 20_900_000), rate=1_240_000.0),
    at_port(50006, "SYN-SENT", "SYN-RECEIVED", "opening", 0),
]


@pytest.mark.parametrize(("language", "page"), [("en", "README.md"), ("zh", "README.zh.md")])
def test_the_readme_shows_the_table(language: Language, page: str) -> None:
    stages = dict.fromkeys(("open", "opening", "closing", "time-wait"), 1)
    status = status_parts(Progress(125.4, 4_240, 129.0, 4_240, 0, 0, stages), Catalogue(language))
    shown = [*lines(80, language, of=LESSON), fitted(status, 79)]
    block = "".join(f"    {line}\n" for line in shown)
    assert block in (Path(__file__).parents[2] / page).read_text(encoding="utf-8"), block


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [80, 100, 160])
def test_columns_stay_where_they_are_when_octets_flow_and_connections_close(width: int, language: Language) -> None:
    """On a projector a table that jumps to and fro four times a second can't be read."""
    quiet = replace(connection(0, SHORT, "ESTABLISHED", "ESTABLISHED", "open"), rate=0.0, rtt_ns=0)
    closing = connection(0, SHORT, "FIN-WAIT-2", "CLOSE-WAIT", "closing")
    over = replace(connection(0, SHORT, "TIME-WAIT", "CLOSED", "time-wait"), silent_ns=16_800_000_000)
    headings = {lines(width, language, of=[each])[0] for each in (CONNECTIONS[1], quiet, closing, over)}
    assert len(headings) == 1
    assert "RTT" in headings.pop()


def test_time_wait_counts_down() -> None:
    over = replace(connection(0, SHORT, "CLOSED", "TIME-WAIT", "time-wait"), silent_ns=16_800_000_000)
    assert lines(80, of=[over])[1:] == [
        "TIME-WAIT 1 (seconds left of the 60 that Linux waits)",
        "  0  10.0.0.2:50000 → 93.184.216.34:80  CLOSED/TIME-WAIT 44 s             120 ms",
    ]
    assert "CLOSED 关闭 / TIME-WAIT 时间等待 44 s" in lines(200, "zh", of=[over])[2]


def test_signs_that_the_screen_does_not_have_are_spelled_and_still_stand_in_columns() -> None:
    """An arrow takes two cells as ``->``, a Chinese character six as an escape: measured as they are drawn."""
    ascii_only = Screen(TextIOWrapper(BytesIO(), encoding="ascii"), signs=False)
    english, chinese = (
        [line for line, _ in drawn(connection_table(CONNECTIONS, {}, Catalogue(language)), 84, ascii_only.show)]
        for language in ("en", "zh")
    )
    assert all(line.isascii() and len(line) <= 84 for line in english + chinese)
    assert [line.index(" 120 ms") for line in english if "120 ms" in line] == [77] * 4
    assert "...100.200:50000 -> ...185.206:443" in english[-1]


def test_a_wide_screen_has_everything_whole() -> None:
    found = lines(200, "zh")
    assert found[0].split() == ["编号", "客户端", "→", "服务器", "两端状态", "速率", "RTT", "字节", "分组数", "时长"]
    assert "[2001:db8:85a3:8d3:1319:8a2e:370:7348]:50000 → [2001:db8:0:1::34]:443" in found[2]
    assert "FIN-WAIT-2 终止等待 2 / CLOSE-WAIT 关闭等待" in found[-1]


def test_a_narrow_screen_keeps_ends_and_states() -> None:
    assert all("→" in line and "/" in line for line in lines(55)[2:3] + lines(55)[-1:])


def test_where_not_all_have_room_it_says_how_many_there_are() -> None:
    assert lines(80, open=120)[1] == "open 120, 2 of them here"
    assert lines(80, "zh", open=120)[1] == "已建立 120，列出其中 2 个"
