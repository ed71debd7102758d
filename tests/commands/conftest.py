"""Runs the command line inside the test's own process and hands back what a user would see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from sniffkit.commands.application import application


@dataclass(frozen=True)
class Run:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def sniffkit(capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Run ``sniffkit("explain", "a.pcap")`` without colour, wide, in English unless told otherwise."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LC_ALL", "LC_MESSAGES", "SNIFFKIT_LANG", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")

    def run(*arguments: object, width: int | None = None, debug: bool = True) -> Run:
        if width is not None:
            monkeypatch.setenv("COLUMNS", str(width))
        code = application([str(argument) for argument in arguments] + ["--debug"] * debug)
        out, err = capsysbinary.readouterr()
        return Run(code, out.decode(), err.decode())

    return run
