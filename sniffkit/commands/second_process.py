"""``flows --jobs 2``: a second process reads the capture and makes its batches ready, this one adds them up.

The second process is a Python of its own that is asked over its command line and answers over a pipe; columns stand in
memory that both see. Where either ends, the other ends too, and nothing is left behind. That memory has room for a few
batches, which keeps the reader from running ahead. When all are added, both make records.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from sniffkit.errors import DamagedCapture, SniffkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

    from sniffkit.analysis.checksum_facts import ChecksumFacts
    from sniffkit.analysis.flows.analysis import FedBatch, FlowAnalysis
    from sniffkit.analysis.flows.flow_parts import FlowPart
    from sniffkit.analysis.flows.shared_memory import Line, TravellingColumns, Word

_START = "import os, sys; sys.path[:] = sys.argv.pop(1).split(os.pathsep); "
_START += "from sniffkit.commands.answering import answer; answer()"

PIECE = 1024
"""Conversations whose records are made together: a good megabyte of JSON."""

_THERE = 2
"""Pieces that the second process has at the same time: the one it works on, and the next."""

_HERE = 6
"""Pieces that wait here for one that the second process has; more would only cost memory."""


class SecondProcess:
    """The second process, seen from the first; what it tells of its source is kept here under the same names."""

    def __init__(
        self, paths: Sequence[str], display_filter: str | None, findings: bool, jobs: int, batch_octets: int
    ) -> None:
        """Start it. Raises OSError where the system has no room for a process."""
        self.damage: list[DamagedCapture] = []
        self.damage_untold = 0
        self.octets_read = 0
        self.octets_total: int | None = None
        self.checksums: ChecksumFacts | None = None
        self._asking: int | None = None
        self._shared: int | None = None
        self._line: Line
        given: list[int] = []
        more: dict[str, Any] = {}
        if os.name == "posix":  # elsewhere a process is given its standard streams only, and nothing can be asked
            asked_there, self._asking = os.pipe()
            self._shared = _shared_file()
            given = [asked_there, *([] if self._shared is None else [self._shared])]
            # In a group of its own Ctrl-C reaches this process only, which then ends the other.
            more = {"pass_fds": given, "process_group": 0}
        asked = [str(int(findings)), str(jobs), str(batch_octets)]
        asked += [] if display_filter is None else [display_filter]
        command = [sys.executable, "-P", "-c", _START, os.pathsep.join(sys.path), ",".join(map(str, given))]
        command += [str(len(asked)), *asked, *paths]
        try:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0, **more)
        except BaseException:
            self._close_files()
            raise
        finally:
            if given:
                os.close(given[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process if it still runs."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._close_files()

    def _close_files(self) -> None:
        for file in (self._asking, self._shared):
            if file is not None:
                os.close(file)
        self._asking = self._shared = None

    def read(self, analysis: FlowAnalysis) -> Iterator[FedBatch]:
        """Add batch after batch to an analysis that knows nothing yet; yields each when it has been added.

        Until the next one is asked for: its columns stand in memory that is used again. Raises what opening a capture
        or a filter raises.
        """
        from sniffkit.analysis.flows.shared_memory import Line
        from sniffkit.analysis.flows.travelling import TravelledEnds, batch_of

        assert self._process.stdout is not None
        try:
            self._line = Line(self._process.stdout.fileno(), self._asking, self._shared)
        except MemoryError:
            raise _no_memory() from None
        tcp, udp, echo = known = TravelledEnds(), TravelledEnds(), TravelledEnds()
        analysis.know(tcp, udp, echo)
        self._hear()  # that the capture is open
        while "damage" not in (word := self._hear()).rest:
            prepared, ends = batch_of(word.columns, word.rest)
            for one, opened in zip(known, ends, strict=True):
                one.add(opened)
            self.octets_read, self.octets_total = word.rest["read"], word.rest["total"]
            yield analysis.add(prepared)
            if word.slot is not None:
                self._say({"free": word.slot})
        self.damage, self.damage_untold = word.rest["damage"], word.rest["untold"]
        self.checksums = word.rest["checksums"]

    def texts(
        self, parts: Iterable[FlowPart], text: Callable[[FlowPart], bytes], language: str
    ) -> Iterator[bytes | memoryview]:
        """Yield the text of conversations in order, after ``read``: some of it made by ``text``, some over there.

        Each until the next one is asked for.
        """
        from sniffkit.analysis.flows.shared_memory import SLOTS
        from sniffkit.analysis.flows.travelling import part_columns

        free = list(range(SLOTS)) if self._line.shares else []
        made: deque[_Piece] = deque()
        there: deque[_Piece] = deque()

        def in_order(most: int) -> Iterator[bytes | memoryview]:
            while made and (made[0].text is not None or len(made) > most):
                while (text := made[0].text) is None:
                    there.popleft().text = self._hear().columns["text"].data
                yield text
                if (slot := made.popleft().slot) is not None:
                    free.append(slot)

        for piece in (piece for part in parts for piece in part.pieces(PIECE)):
            while there and self._line.heard():
                there.popleft().text = self._hear().columns["text"].data
            if free and len(there) < _THERE:
                columns, rest = part_columns(piece)
                made.append(_Piece(free.pop()))
                there.append(made[-1])
                self._say(rest | {"language": language}, columns, made[-1].slot)
            else:
                made.append(_Piece(text=text(piece)))
            yield from in_order(_HERE)
        yield from in_order(0)

    def _say(self, rest: dict[str, Any], columns: TravellingColumns | None = None, slot: int | None = None) -> None:
        try:
            self._line.say(rest, columns, slot)
        except BrokenPipeError:
            raise self._gone() from None

    def _hear(self) -> Word:
        """Return what the process says next; raises what went wrong there."""
        word = self._line.hear()
        if word is None:
            raise self._gone()
        if "error" in word.rest:
            if isinstance(word.rest["error"], MemoryError):
                raise _no_memory()
            raise word.rest["error"]
        return word

    def _gone(self) -> SniffkitError:
        """Return what to say where the process ended before its work was done."""
        code = self._process.wait()
        try:
            reason = signal.Signals(-code).name
        except ValueError:
            reason = f"exit code {code}"
        return SniffkitError("usage.second-process", reason=reason)


@dataclass(slots=True)
class _Piece:
    """Some conversations: the slot in which they are over there (None: they stay here), and their text once made."""

    slot: int | None = None
    text: bytes | memoryview | None = None


def _no_memory() -> SniffkitError:
    return SniffkitError("usage.second-process", reason="MemoryError")


def _shared_file() -> int | None:
    """Return the descriptor of a file without a name for both processes to lay into their memory; None: there is none.

    (``multiprocessing.shared_memory`` would start a third process to watch over its names.)
    """
    try:
        if hasattr(os, "memfd_create"):
            return os.memfd_create("sniffkit")
        from tempfile import TemporaryFile

        with TemporaryFile() as file:
            return os.dup(file.fileno())
    except OSError:
        return None
