"""A directory for one run of the lab, that goes with it; what a run left behind that was killed goes at the next start.

The run holds a lock on a file in it as long as it lives, however it ends: where the lock is free, nobody is at work.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile

PREFIX = "sniffkit-lab-"
LOCK = "in-use"


class Workplace:
    """``path``: the directory."""

    def __init__(self) -> None:
        clear_abandoned()
        self.path = tempfile.mkdtemp(prefix=PREFIX)
        self._lock = os.open(os.path.join(self.path, LOCK), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def close(self) -> None:
        """Remove the directory with everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def clear_abandoned() -> None:
    """Remove this user's workplaces whose run is gone. One without a lock file is just being made, and is left."""
    with os.scandir(tempfile.gettempdir()) as entries:
        found = [each.path for each in entries if each.name.startswith(PREFIX) and each.is_dir(follow_symlinks=False)]
    for path in found:
        with contextlib.suppress(OSError):  # somebody else's, or gone meanwhile
            if os.lstat(path).st_uid == os.geteuid() and _is_free(os.path.join(path, LOCK)):
                shutil.rmtree(path, ignore_errors=True)


def _is_free(path: str) -> bool:
    """Whether nobody holds the lock; OSError where there is none."""
    lock = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(lock)
