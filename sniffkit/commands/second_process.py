"""``flows --jobs 2``: a second process reads the capture and makes its batches ready, this one adds them up.

The second process is a Python of its own that is asked over its command line and answers over a pipe, so nothing is
shared that could be left behind: where either ends, the other ends too. The pipe keeps the reader from running ahead.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast

from sniffkit.errors import DamagedCapture, SniffkitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from sniffkit.analysis.checksum_facts import ChecksumFacts
    from sniffkit.analysis.flows.analysis import FedBatch, FlowAnalysis
    from sniffkit.analysis.streams import PairStreams, Streams

_START = "import os, sys; sys.path[:] = sys.argv.pop(1).split(os.pathsep); "
_START += "from sniffkit.commands.second_process import answer; answer()"

_PIPE_OCTETS = 1 << 20
_AHEAD = 2
"""Batches that wait here to be added; more would only cost memory."""


class SecondProcess:
    """The second process, seen from the first; what it tells of its source is kept here under the same names."""

    def __init__(
        self, paths: Sequence[str], display_filter: str | None, findings: bool, jobs: int, batch_octets: int
    ) -> None:
        """Start it, and wait until the capture is open. Raises what opening a capture or a filter raises."""
        self.damage: list[DamagedCapture] = []
        self.damage_untold = 0
        self.octets_read = 0
        self.octets_total: int | None = None
        self.checksums: ChecksumFacts | None = None
        asked = [
            str(int(findings)),
            str(jobs),
            str(batch_octets),
            *([] if display_filter is None else [display_filter]),
        ]
        command = [sys.executable, "-P", "-c", _START, os.pathsep.join(sys.path), str(len(asked)), *asked, *paths]
        # In a group of its own Ctrl-C reaches this process only, which then ends the other.
        group: dict[str, Any] = {"process_group": 0} if hasattr(os, "setpgid") else {}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=_PIPE_OCTETS, **group)
        _widen(cast("BinaryIO", self._process.stdout))
        try:
            self._word()
        except BaseException:
            self.close()
            raise

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

    def read(self, analysis: FlowAnalysis) -> Iterator[FedBatch]:
        """Add batch after batch to an analysis that knows nothing yet; yields each when it has been added."""
        from sniffkit.analysis.flows.travelling import TravelledEnds, batch_of
        from sniffkit.analysis.read_ahead import read_ahead

        tcp, udp, echo = known = TravelledEnds(), TravelledEnds(), TravelledEnds()
        analysis.know(tcp, udp, echo)
        for columns, rest in read_ahead(iter(self._word, None), lambda word: word, _AHEAD):
            prepared, ends = batch_of(columns, rest)
            for one, opened in zip(known, ends, strict=True):
                one.add(opened)
            self.octets_read, self.octets_total = rest["read"], rest["total"]
            yield analysis.add(prepared)

    def _word(self) -> Any:
        """Return the next batch as it travelled; None after the last one."""
        from sniffkit.analysis.flows.travelling import read_word

        word = read_word(cast("BinaryIO", self._process.stdout))
        if word is None:
            raise self._gone()
        _, rest = word
        if "error" in rest:
            if isinstance(rest["error"], MemoryError):
                raise SniffkitError("usage.second-process", reason="MemoryError")
            raise rest["error"]
        if "damage" in rest:
            self.damage, self.damage_untold = rest["damage"], rest["untold"]
            self.checksums = rest["checksums"]
            return None
        return word

    def _gone(self) -> SniffkitError:
        """Return what to say where the process ended before its work was done."""
        code = self._process.wait()
        try:
            reason = signal.Signals(-code).name
        except ValueError:
            reason = f"exit code {code}"
        return SniffkitError("usage.second-process", reason=reason)


def _widen(pipe: BinaryIO) -> None:
    """Let the pipe hold more, where that can be asked for: fewer changes between the two processes."""
    try:
        from fcntl import F_SETPIPE_SZ, fcntl

        fcntl(pipe.fileno(), F_SETPIPE_SZ, _PIPE_OCTETS)
    except (ImportError, OSError):
        pass


def answer() -> None:
    """The second process: read the captures that the command line names and write every batch to standard output."""
    count = int(sys.argv[1])
    findings, jobs, batch_octets, *display_filter = sys.argv[2 : 2 + count]
    pipe = os.fdopen(os.dup(1), "wb", _PIPE_OCTETS)
    os.dup2(2, 1)  # whatever else is printed must not come between the batches
    try:
        _answer(pipe, sys.argv[2 + count :], display_filter, findings == "1", int(jobs), int(batch_octets))
        pipe.close()
    except BrokenPipeError:
        pass  # the first process has ended
    os._exit(0)


def _answer(
    pipe: BinaryIO, paths: list[str], display_filter: list[str], findings: bool, jobs: int, batch_octets: int
) -> None:
    import numpy as np

    from sniffkit.analysis.flows.prepared import Preparer
    from sniffkit.analysis.flows.travelling import write_batch, write_word
    from sniffkit.analysis.read_ahead import read_ahead
    from sniffkit.commands.filtering import PacketFilter
    from sniffkit.sources import open_captures

    try:
        with open_captures(paths, batch_octets=batch_octets) as source:
            preparer = Preparer(findings=findings)
            if display_filter:
                packets = PacketFilter(display_filter[0])
                packets.read_from(source)
                preparer.choose = lambda batch: packets.feed(batch)[1]
            write_word(pipe, opened=True)
            streams: list[Streams | PairStreams] = [preparer.streams, preparer.udp, preparer.echo]
            known = [0, 0, 0]
            every = read_ahead(source, preparer.prepare) if jobs > 2 else map(preparer.prepare, source)
            for prepared in every:
                ends = [one.ends(np.arange(begin, one.count)) for one, begin in zip(streams, known, strict=True)]
                known = [begin + len(four[0]) for begin, four in zip(known, ends, strict=True)]
                write_batch(pipe, prepared, ends, read=source.octets_read, total=source.octets_total)
            write_word(pipe, damage=source.damage, untold=source.damage_untold, checksums=preparer.checksums)
    except BrokenPipeError:
        raise
    except (Exception, KeyboardInterrupt) as error:
        write_word(pipe, error=error)
