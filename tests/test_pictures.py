"""The pictures of the READMEs show what the program prints today."""

from __future__ import annotations

import pytest

from pictures.draw import COMMANDS, FOLDER, draw


@pytest.mark.parametrize("name", COMMANDS)
def test_a_picture_is_what_is_printed(name: str, rewrite: bool) -> None:
    drawn = draw(COMMANDS[name])
    if rewrite:
        (FOLDER / name).write_text(drawn, encoding="utf-8")
    assert (FOLDER / name).exists(), f"pictures/{name} is not there yet: `make pictures` draws it"
    assert drawn == (FOLDER / name).read_text(encoding="utf-8"), f"pictures/{name} is out of date: `make pictures`"
