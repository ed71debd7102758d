"""In CI a test that is skipped for want of a tool is a failure: tests/conftest.py at work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")

TESTS = """
import pytest

@pytest.mark.skipif(True, reason="{reason}")
def test_marked(): pass

def test_inside(): pytest.skip("{reason}")
"""


@pytest.mark.parametrize(
    ("reason", "ci", "outcome"),
    [
        ("tshark is not installed", "true", "1 failed, 1 error"),
        ("needs root", "true", "1 failed, 1 error"),
        ("tshark is not installed", "", "2 skipped"),
        ("os.unshare came with Python 3.12", "true", "2 skipped"),
        ("no corpus in ../shared", "true", "2 skipped"),
        ("this kernel has no VLAN devices", "true", "2 skipped"),
    ],
)
def test_a_skip_in_ci(tmp_path: Path, reason: str, ci: str, outcome: str) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text("utf-8"), "utf-8")
    (tmp_path / "test_tools.py").write_text(TESTS.format(reason=reason), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"CI": ci},
        cwd=tmp_path,
        check=False,
    )
    assert outcome in done.stdout.splitlines()[-1], done.stdout
