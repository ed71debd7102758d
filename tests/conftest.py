"""What all tests share: in CI nothing may be skipped in silence; expected outputs are files."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

EXPECTED = Path(__file__).parent / "expected"

# A shell lets what it starts in the background ignore Ctrl-C, and so would every program that a test means to stop.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ALLOWED_IN_CI = re.compile(r"Python 3\.\d+|\.\./shared|this kernel", re.IGNORECASE)
"""Reasons for a skip that CI accepts, and prints: another Python, no corpus beside the clone, a feature that
this kernel lacks. A missing tool or right is no such reason: .ci/run installs the tools and runs as root."""


def skip_that_hides_something(report: pytest.TestReport | pytest.CollectReport) -> str | None:
    """Return the reason of a skip that CI must not let pass, or None."""
    if os.environ.get("CI") != "true" or not report.skipped or hasattr(report, "wasxfail"):
        return None
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return None if ALLOWED_IN_CI.search(reason) else reason


def fail_hidden_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if reason := skip_that_hides_something(report):
        report.outcome = "failed"
        report.longrepr = f"{reason}\nIn CI no test may be skipped for want of a tool or of root (tests/conftest.py)"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    fail_hidden_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    fail_hidden_skip(report)
    return report


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite", action="store_true", help="write tests/expected/ anew instead of comparing with it")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --rewrite run only the tests that have expected outputs."""
    if config.getoption("--rewrite"):
        items[:] = [item for item in items if "rewrite" in getattr(item, "fixturenames", ())]


@pytest.fixture
def rewrite(request: pytest.FixtureRequest) -> bool:
    """Say whether expected outputs are to be written (`make expected`) and not compared."""
    return bool(request.config.getoption("--rewrite"))


@pytest.fixture
def expected(rewrite: bool) -> Callable[[str, str], None]:
    """Compare an output with its file, ``expected("explain/handshake.zh.txt", output)``.

    `make expected` writes the files anew.
    """

    def compare(name: str, output: str) -> None:
        path = EXPECTED / name
        if rewrite:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(output, encoding="utf-8")
        assert path.exists(), f"tests/expected/{name} is not there yet: `make expected` writes it"
        assert output == path.read_text(encoding="utf-8"), f"not tests/expected/{name} (`make expected`?)"

    return compare
