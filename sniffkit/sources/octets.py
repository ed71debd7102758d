"""Octets from a file, a pipe or standard input, in the order they stand there."""

from __future__ import annotations

import io
import os
import select
import stat
import sys
import time
from typing import Protocol

from sniffkit.errors import NotACapture, NotPermitted

STANDARD_INPUT = "-"

PATIENCE = 0.05
"""Seconds to wait for more octets of a pipe before handing over those that came (live captures)."""

LONGEST_WAIT = 0.2
"""Seconds after which a pipe's octets are handed over even though more keep coming."""


class Octets(Protocol):
    """A stream of octets: the file itself, or what a decompressor makes of it.

    total:   how many octets the file has, None for a pipe
    failure: why the stream ended before its end: an error id and its values
    """

    total: int | None
    failure: tuple[str, dict[str, object]] | None

    @property
    def octets_read(self) -> int:
        """How far the file was read."""

    def readinto(self, view: memoryview) -> int:
        """Put some octets into ``view`` and return how many: at least one, or 0 where the stream ends."""

    def ready(self, seconds: float) -> bool:
        """Tell whether ``readinto`` would return at once, waiting up to ``seconds`` for that."""

    def close(self) -> None:
        """Let go of the file."""


class FileOctets:
    """The octets of a file, a FIFO or standard input, as they are."""

    def __init__(self, file: io.RawIOBase, total: int | None) -> None:
        self._file = file
        self.total = total
        self.octets_read = 0
        self.failure: tuple[str, dict[str, object]] | None = None

    def readinto(self, view: memoryview) -> int:
        """Read what is there; an error of the disk ends the stream and is kept as its failure."""
        try:
            count = self._file.readinto(view) or 0
        except OSError as error:
            self.failure = ("capture.read-failed", {"reason": error.strerror or str(error)})
            return 0
        self.octets_read += count
        return count

    def ready(self, seconds: float) -> bool:
        """Files are always ready, pipes when something stands in them."""
        if self.total is not None:
            return True
        try:
            return bool(select.select([self._file], [], [], seconds)[0])
        except (OSError, ValueError):  # Windows waits for sockets only
            return False

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def open_octets(path: str) -> FileOctets:
    """Open ``path`` ("-": standard input) for reading.

    Raises NotACapture (missing, a directory, a terminal) and NotPermitted.
    """
    try:
        if path == STANDARD_INPUT:
            if sys.stdin is not None and sys.stdin.isatty():
                raise NotACapture("capture.terminal", file=path)
            file = io.FileIO(0, closefd=False)
        else:
            file = io.FileIO(path)
    except FileNotFoundError:
        raise NotACapture("capture.missing", file=path) from None
    except IsADirectoryError:
        raise NotACapture("capture.directory", file=path) from None
    except PermissionError:
        if os.path.isdir(path):  # what Windows says of a directory
            raise NotACapture("capture.directory", file=path) from None
        raise NotPermitted("capture.not-permitted", file=path) from None
    except (OSError, ValueError) as error:  # ValueError: a zero octet in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise NotACapture("capture.unreadable", file=path, reason=reason) from None
    status = os.fstat(file.fileno())
    return FileOctets(file, status.st_size if stat.S_ISREG(status.st_mode) else None)


def read_prefix(stream: Octets, enough: int, most: int) -> bytes:
    """Read the first ``enough`` octets, up to ``most`` if they are there, fewer where the stream ends."""
    buffer = bytearray(most)
    view = memoryview(buffer)
    filled = 0
    while filled < enough:
        count = stream.readinto(view[filled:])
        if not count:
            break
        filled += count
    return bytes(buffer[:filled])


def fill(stream: Octets, view: memoryview) -> tuple[int, bool]:
    """Fill ``view`` from ``stream``; return how many octets came and whether the stream ended.

    Of a pipe, fewer come where its writer pauses: packets of a live capture are to be seen now, not when the
    buffer is full.
    """
    filled = 0
    deadline = 0.0
    while filled < len(view):
        count = stream.readinto(view[filled:])
        if not count:
            return filled, True
        filled += count
        if stream.total is None:
            now = time.monotonic()
            deadline = deadline or now + LONGEST_WAIT
            if now > deadline or not stream.ready(PATIENCE):
                break
    return filled, False
