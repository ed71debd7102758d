"""What ``-w`` writes: one capture file, or many in turn by size, by time and in number.

After every batch the file on disk is a valid capture. Where the disk is full the file is cut back to its last whole
packet before anything else happens.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, Literal, cast

from sniffkit.errors import DamagedCapture, NotPermitted, UsageError
from sniffkit.sources.packed_records import BEFORE, record_sizes
from sniffkit.sources.writer import PcapngWriter, PcapWriter

if TYPE_CHECKING:
    from sniffkit.sources.batch import Batch, Interface
    from sniffkit.sources.packed_records import Form
    from sniffkit.sources.writer import Writer

PCAPNG_NAMES = (".pcapng", ".ntar")
PRIVATE = 0o600
"""A capture holds what people typed: nobody but its owner reads it."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """When to go on in another file.

    names:   "numbered" as tshark names them (a_00001_20240131120000.pcap); "counted" (a.pcap, a.pcap1, ...) and "timed"
             (strftime in the name) as tcpdump does
    octets:  once a file has this many, 0 for never
    seconds: once a file is this old, 0 for never
    files:   how many are kept (the oldest goes; for "timed" the capture ends), 0 for all
    """

    names: Literal["numbered", "counted", "timed"] = "numbered"
    octets: int = 0
    seconds: float = 0
    files: int = 0


def form_of(path: str) -> Form:
    """Return which kind of capture a file of that name is."""
    return "pcapng" if path.endswith(PCAPNG_NAMES) else "pcap"


class Recording:
    """The file being written, and those before it.

    form (as an argument): the packets of all batches stand in them as records of such a file, one behind the other
    written: packets in all files; files: how many files there were; newest: the name of the last one
    full:    there are as many files as asked for, the capture can end
    """

    def __init__(
        self,
        path: str,
        interfaces: list[Interface],
        snap_length: int,
        *,
        rotation: Rotation | None = None,
        owner: tuple[int, int] | None = None,
        form: Form | None = None,
    ) -> None:
        self.path = path
        self.form = form_of(path)
        self._ready = form == self.form
        self.written = self.files = 0
        self.full = False
        self.newest = path
        self._interfaces = interfaces
        self._snap_length = snap_length
        self._rotation = rotation
        self._owner = owner
        self._kept: deque[str] = deque()
        self._open_next()

    @property
    def kept(self) -> int:
        """How many of the files are still there; a rotation may keep the last ones only."""
        most = self._rotation.files if self._rotation else 0
        return min(self.files, most) if most else self.files

    @property
    def directory(self) -> str:
        """Where further files will be made, "" where there will be none."""
        return os.path.dirname(self.path) or "." if self._rotation and self.path != "-" else ""

    def write(self, batch: Batch) -> None:
        """Append a batch, going on in another file where one is due."""
        while len(batch):
            if self._rotation and self._due(self._rotation):
                if self._rotation.names == "timed" and 0 < self._rotation.files <= self.files:
                    self.full = True
                    return
                self._open_next()
            count = self._fitting(batch)
            self._append(first_rows(batch, count))
            batch = rows_from(batch, count)

    def close(self) -> None:
        """Close the last file."""
        self._writer.close()

    def _due(self, rotation: Rotation) -> bool:
        if not self._writer.written:
            return False
        old = time.monotonic() - self._opened
        return bool(
            (rotation.octets and self._writer.octets_written >= rotation.octets)
            or (rotation.seconds and old >= rotation.seconds)
        )

    def _fitting(self, batch: Batch) -> int:
        """Return how many packets go into this file: the one that makes it large enough is its last."""
        if not self._rotation or not self._rotation.octets:
            return len(batch)
        room = self._rotation.octets - self._writer.octets_written
        sizes = record_sizes(batch.captured, self.form).cumsum()
        return min(int(sizes.searchsorted(room)) + 1, len(batch))

    def _append(self, batch: Batch) -> None:
        if self._ready:  # from the first record to the end of the last
            begin = int(batch.offset[0]) - BEFORE[self.form]
            size = int(batch.offset[-1]) - int(batch.offset[0]) + int(record_sizes(batch.captured[-1:], self.form)[0])
            self._writer.write_records(batch.octets[begin : begin + size].data, len(batch))
        else:
            self._writer.write_batch(batch)
        self._writer.flush()
        self.written += len(batch)

    def _open_next(self) -> None:
        if self.files:
            self._writer.close()
        path = self.newest = self._name()
        file = cast("BinaryIO", WholeWrites.to(path, self._owner))
        self._opened = time.monotonic()
        if self.form == "pcapng":
            self._writer: Writer = PcapngWriter(file, interfaces=self._interfaces, snap_length=self._snap_length)
        else:
            link_type = self._interfaces[0].link_type
            self._writer = PcapWriter(file, link_type=link_type, snap_length=self._snap_length)
        self.files += 1
        if self._rotation and self._rotation.names != "timed":
            if path in self._kept:
                self._kept.remove(path)
            self._kept.append(path)
            if self._rotation.files and len(self._kept) > self._rotation.files:
                with contextlib.suppress(OSError):
                    os.unlink(self._kept.popleft())

    def _name(self) -> str:
        rotation = self._rotation
        if rotation is None or self.path == "-":
            return self.path
        if rotation.names == "numbered":
            stem, ending = os.path.splitext(self.path)
            return f"{stem}_{self.files + 1:05d}_{time.strftime('%Y%m%d%H%M%S')}{ending}"
        if rotation.names == "timed":
            return time.strftime(self.path)
        if rotation.files:
            return f"{self.path}{self.files % rotation.files:0{len(str(rotation.files - 1))}d}"
        return f"{self.path}{self.files or ''}"


class WholeWrites:
    """An open file that takes octets wholly or, where the system refuses, not at all."""

    def __init__(self, path: str, descriptor: int, owned: bool) -> None:
        self.path = path
        self.closed = False
        self._descriptor = descriptor
        self._owned = owned
        self._good = 0
        self._regular = stat.S_ISREG(os.fstat(descriptor).st_mode)

    @classmethod
    def to(cls, path: str, owner: tuple[int, int] | None) -> WholeWrites:
        """Open for writing; a file made here is readable by its owner only and belongs to ``owner`` (user, group).

        Raises NotPermitted ``writer.cannot-create``, UsageError ``writer.binary-to-terminal`` (``-`` is standard
        output).
        """
        if path == "-":
            if sys.stdout.isatty():
                raise UsageError("writer.binary-to-terminal")
            sys.stdout.flush()
            return cls(path, sys.stdout.fileno(), owned=False)
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        try:
            try:
                descriptor = os.open(path, flags | os.O_EXCL, PRIVATE)
                if owner is not None:
                    with contextlib.suppress(PermissionError):  # root that has given up its rights keeps the file
                        os.fchown(descriptor, *owner)
            except FileExistsError:
                descriptor = os.open(path, flags | os.O_TRUNC)
        except OSError as error:
            raise NotPermitted("writer.cannot-create", file=path, reason=error.strerror) from error
        return cls(path, descriptor, owned=True)

    def write(self, octets: bytes | memoryview) -> int:
        """Write all of it; raises DamagedCapture ``live.write-failed`` with the file as it was before."""
        left = memoryview(octets)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            if self._regular:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, self._good)
            raise DamagedCapture("live.write-failed", file=self.path, reason=error.strerror) from error
        self._good += len(octets)
        return len(octets)

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Close the file; standard output stays open."""
        if self._owned and not self.closed:
            os.close(self._descriptor)
        self.closed = True


def first_rows(batch: Batch, count: int) -> Batch:
    """Return the first packets of a batch."""
    return batch if count >= len(batch) else _rows(batch, slice(count))


def rows_from(batch: Batch, start: int) -> Batch:
    """Return the packets from one on."""
    return _rows(batch, slice(start, None))


def _rows(batch: Batch, rows: slice) -> Batch:
    return replace(
        batch,
        offset=batch.offset[rows],
        captured=batch.captured[rows],
        length=batch.length[rows],
        time_ns=batch.time_ns[rows],
        link_type=batch.link_type[rows],
        interface=batch.interface[rows],
        first=batch.first + (rows.start or 0),
        heads=None if batch.heads is None else batch.heads.part(rows),
    )
