"""The line at the bottom of the screen: whole where it has room, shorter numbers where not, never two lines."""

from __future__ import annotations

from io import BytesIO, TextIOWrapper

import pytest
from rich.cells import cell_len

from sniffkit.explanations.catalogue import Catalogue
from sniffkit.explanations.language import Language
from sniffkit.explanations.live_view import Progress, status_parts
from sniffkit.renderers.screen import Screen, fitted

CLASSROOM = Progress(
    125.4, 4_240, 129.0, 4_240, 0, 0, {"open": 30, "opening": 2, "closing": 1, "time-wait": 6, "closed": 9}
)
SERVER = Progress(
    3_723.0, 12_345_678, 123_456.0, 12_400_000, 1_234, 0,
    {"open": 12_345, "opening": 1_234, "closing": 123, "time-wait": 45_678},
)  # fmt: skip


def line(progress: Progress, width: int, language: Language) -> str:
    return fitted(status_parts(progress, Catalogue(language)), width)


def test_a_lesson_in_class_has_room_at_80_cells() -> None:
    """The last cell of a terminal's line stays free: some terminals go on in the next line from there."""
    assert line(CLASSROOM, 79, "en") == (
        "02:05  4,240 packets  129/s  0 dropped  open 30 opening 2 closing 1 TIME-WAIT 6"
    )
    assert line(CLASSROOM, 79, "zh") == "02:05  4,240 个分组  129/秒  丢弃 0  已建立 30 建立中 2 关闭中 1 TIME-WAIT 6"


def test_on_a_busy_server_numbers_are_rounded_before_anything_is_left_out() -> None:
    assert line(SERVER, 120, "en") == (
        "1:02:03  12,345,678 packets  123,456/s  1,234 dropped  open 12,345 opening 1,234 closing 123 TIME-WAIT 45,678"
    )
    assert line(SERVER, 100, "en") == (
        "1:02:03  12.3M packets  123k/s  1,234 dropped  open 12.3k opening 1,234 closing 123 TIME-WAIT 45.7k"
    )
    assert line(SERVER, 79, "en") == "1:02:03  12.3M packets  123k/s  1,234 dropped  open 12.3k opening 1,234 …"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("progress", [CLASSROOM, SERVER], ids=["classroom", "server"])
def test_it_is_never_wider_than_the_screen(progress: Progress, language: Language) -> None:
    parts = status_parts(progress, Catalogue(language))
    spelled = Screen(TextIOWrapper(BytesIO(), encoding="ascii"), signs=False)
    for width in range(10, 160):
        assert cell_len(fitted(parts, width)) <= width
        assert len(fitted(parts, width, spelled.show)) <= width
