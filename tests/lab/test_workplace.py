"""The lab's files go with the run that made them, also when that was killed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytest.importorskip("fcntl", reason="the lab runs on Linux")

from sniffkit.lab.workplace import PREFIX, Workplace, clear_abandoned

ROOT = Path(__file__).parents[2]
PROGRAM = (
    "from sniffkit.lab.workplace import Workplace; import sys; w = Workplace(); print(w.path, flush=True); input()"
)


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_it_goes_when_it_is_closed() -> None:
    place = Workplace()
    Path(place.path, "zone").write_text("school.test.")
    place.close()
    assert not Path(place.path).exists()


def test_what_a_killed_run_left_goes_at_the_next_start(tmp_path: Path) -> None:
    """``kill -9`` lets no program clean up; the kernel frees its lock, and that tells the next run."""
    killed = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    assert killed.stdout is not None
    left = Path(killed.stdout.readline().strip())
    assert left.parent == tmp_path
    clear_abandoned()
    assert left.exists(), "it is still at work"
    killed.kill()
    killed.communicate()
    Workplace().close()
    assert not left.exists()


def test_what_is_not_known_to_be_abandoned_stays(tmp_path: Path) -> None:
    """A directory without a lock is just being made; a link may lead anywhere."""
    new = tmp_path / f"{PREFIX}new"
    new.mkdir()
    other = tmp_path / "other"
    other.mkdir()
    (other / "in-use").touch()
    (tmp_path / f"{PREFIX}link").symlink_to(other)
    clear_abandoned()
    assert new.exists()
    assert (other / "in-use").exists()
