"""One run of ``live``: what the recorder hands over is analysed and told, shorter or not at all if it comes too fast.

The order of giving way: every packet explained, one line a packet, counts only. Analysis and the file never give way.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections import Counter
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sniffkit.commands.giving_way import FOR_PEOPLE, FOR_PROGRAMS, Detail, Pace, ToldLosses
from sniffkit.commands.signals import Signals
from sniffkit.errors import ExitCode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.analysis.capture import BatchFacts
    from sniffkit.commands.filtering import PacketFilter
    from sniffkit.commands.started_command import StartedCommand
    from sniffkit.explanations.language import Language
    from sniffkit.explanations.listing import Lines
    from sniffkit.renderers.live_table import LiveTable
    from sniffkit.sources.batch import Batch
    from sniffkit.sources.live import LiveSource
    from sniffkit.sources.recorder import Recorder

LOOK = 0.05
"""Seconds the screen waits for packets before it looks after itself."""

GATHER, GATHER_UNSEEN = 1.0, 4.0
"""Seconds for which packets are gathered before they are analysed together where nobody is told of them, only of the
connections there are, and where nobody is told before the end: a packet of a long batch costs a third."""

DRAWN_EVERY = 0.25
RATE_OVER = 2.0

FOLDS_TOLD_AFTER = 0.2
"""Seconds of silence after which quiet packets that were held back are told; at the latest after FOLDS_TOLD_EVERY."""
FOLDS_TOLD_EVERY = 1.0

ENDING_TOLD_FROM = 60_000
"""Packets waiting from which on it is said that the end takes a while."""

RECORDS_AT_ONCE = 1_000
"""Packets that are written as JSON between two looks around."""

SKIPPED_TOLD_EVERY = 1.0

SHARE_OF_COUNTING = 20
"""Connections are counted again after so many times as long as the counting took: never more than 5 % of the time."""

SMALL_COLLECTIONS = (50_000, 20, 1_000_000)
"""Python looks for unreachable objects while nobody waits; in the middle of a flood that takes up to a second."""
COLLECTED_EVERY = 30.0

SWITCH_INTERVAL = 0.001
"""Seconds after which Python's threads take turns: the one that records must not wait for the one that tells."""


@dataclass(frozen=True, slots=True)
class LiveWishes:
    """What the reader asked for; ``to_stderr``: standard output belongs to the capture itself (-w -)."""

    language: Language
    color: str = "auto"
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    table: bool = False
    to_stderr: bool = False
    filter: PacketFilter | None = None


class Watching:
    """Tells a live capture until it ends.

    Packets that the display filter doesn't mean are analysed and written all the same.
    """

    def __init__(self, source: LiveSource, recorder: Recorder, wishes: LiveWishes) -> None:
        from sniffkit.analysis.capture import CaptureAnalysis
        from sniffkit.analysis.tcp.open_connections import OpenConnections
        from sniffkit.explanations.catalogue import Catalogue
        from sniffkit.explanations.listing import Listing
        from sniffkit.explanations.protocol_counts import ProtocolCounts
        from sniffkit.explanations.record import Records
        from sniffkit.explanations.skipped_packets import SkippedPackets
        from sniffkit.explanations.story import Story
        from sniffkit.renderers.screen import Screen, stdout
        from sniffkit.renderers.status_line import StatusLine
        from sniffkit.renderers.terminal import Terminal

        self.source, self.recorder, self.wishes = source, recorder, wishes
        if wishes.filter is not None:
            wishes.filter.read_from(source)
        self.catalogue = Catalogue(wishes.language)
        self.counted = wishes.quiet or wishes.table
        self.analysis = CaptureAnalysis(counted=self.counted)
        self.connections = OpenConnections(self.analysis)
        self.listing = Listing()
        self.story = Story(self.catalogue, unfolded=wishes.verbose)
        self.records = Records(self.catalogue, self.story, brief=not wishes.verbose)
        self.screen = Screen.of(sys.stderr if wishes.to_stderr else stdout(), wishes.color)
        self.aside = Screen.of(sys.stderr, wishes.color)
        self.terminal = Terminal(self.screen)
        self.status = StatusLine(wishes.color)
        self.counts = ProtocolCounts()
        self.child: StartedCommand | None = None
        self.pace = Pace(FOR_PROGRAMS if wishes.json else FOR_PEOPLE)
        self.skipped = SkippedPackets()
        self._skipped_told = self._held_since = 0.0
        self._begin = time.monotonic()
        self._drawn = 0.0
        self._drops, self._losses = ToldLosses(), ToldLosses()
        self._collected = self._begin
        self._stages: Counter[Any] = Counter()
        self._stages_until = 0.0
        self._rates: list[tuple[float, int]] = [(self._begin, 0)]
        self._ending_told = False
        self.signals = Signals(self._stop)
        self._table: LiveTable | None = None

    def go_with(self, command: StartedCommand) -> None:
        """End when the command does; it prints on the same terminal, so that no line can stand at the bottom."""
        self.child = command
        self.status.shown = False

    def run(self) -> int:
        """Tell everything; return the exit code."""
        thresholds, interval = gc.get_threshold(), sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL)
        gc.freeze()
        gc.set_threshold(*SMALL_COLLECTIONS)
        try:
            with ExitStack() as stack:
                if self.wishes.table:
                    from sniffkit.renderers.live_table import LiveTable

                    self._table = stack.enter_context(LiveTable(self.screen))
                self._watch()
            return self._end()
        finally:
            self.recorder.stop()
            self.status.clear()
            if self.child is not None:
                failure = self.child.end()
                self.child.show()
                if failure:
                    self._say(failure.id, **failure.values)
            gc.set_threshold(*thresholds)
            sys.setswitchinterval(interval)
            gc.freeze()  # Python's last look for unreachable objects would take a third of a second

    def _watch(self) -> None:
        while True:
            gather = GATHER if self.status.shown else GATHER_UNSEEN
            quiet = self.counted and self.wishes.quiet
            batch = self.recorder.take(DRAWN_EVERY, gather) if quiet else self.recorder.take(LOOK)
            if batch is not None:
                self._tell(batch)
            elif self.recorder.finished:
                return
            elif self.pace.detail:  # silence is calm, too
                self._give_way(self.analysis.packets + 1, 0, 0.0)
            self._look_around(batch is not None)

    def _tell(self, batch: Batch) -> None:
        if self.listing.first_time is None:
            self.listing.first_time = int(batch.time_ns[0])
        if not self.counted:
            self._give_way(batch.first, self.recorder.waiting + len(batch), time.time() - int(batch.time_ns[-1]) / 1e9)
        counted = self.counted or self.pace.detail == Detail.COUNTS
        facts = self.analysis.feed(batch, told=not counted)
        wanted = self.wishes.filter.judge(facts.columns)[1] if self.wishes.filter is not None else None
        if counted:
            self.counts.feed(facts.columns)
            if not self.counted:
                self.skipped.add(batch, wanted)
            return
        lines = self.listing.lines(facts)
        self.counts.packets.update(lines.protocol)
        if self.wishes.json:
            self._tell_records(facts, lines, wanted)
            return
        self._make_room()
        if self.pace.detail == Detail.LINES:
            self.terminal.listing(lines, None if wanted is None else wanted.nonzero()[0].tolist())
        else:
            self.terminal.tell(self.story.tell(facts, lines, wanted))
            self._held_since = self._held_since or time.monotonic()
        self.screen.stream.flush()

    def _tell_records(self, facts: BatchFacts, lines: Lines, wanted: NDArray[np.bool_] | None) -> None:
        """Write the packets of a batch as JSON; give way in the middle of it where too many come meanwhile."""
        from sniffkit.renderers.json import write_lines

        batch = facts.columns.batch
        rows = range(len(batch)) if wanted is None else wanted.nonzero()[0].tolist()
        for begin in range(0, len(rows), RECORDS_AT_ONCE):
            if begin:
                self._look_around(busy=True)
                waiting = self.recorder.waiting + len(batch) - rows[begin]
                self._give_way(batch.first + rows[begin], waiting, 0.0)
                if self.pace.detail == Detail.COUNTS:
                    self.skipped.add(batch, wanted, rows[begin])
                    return
            some = rows[begin : begin + RECORDS_AT_ONCE]
            self.status.clear()
            write_lines(sys.stdout.buffer, (self.records.record(facts, lines, row) for row in some))
            sys.stdout.buffer.flush()

    def _give_way(self, number: int, waiting: int, behind: float) -> None:
        """Decide how much is told from packet ``number`` on, and say so where it changes."""
        crowded, ending = self.recorder.crowded, self.recorder.stopping
        if not self.pace.decide(waiting, behind, crowded=crowded, ending=ending):
            return
        detail = self.pace.detail
        self._tell_folds()
        self._tell_skipped()
        if detail == Detail.EXPLAINED:
            self._say("live.behind.over", number=number)
        elif detail == Detail.COUNTS:
            self._say("live.behind.counts", packets=f"{waiting:,}")
        elif not self.wishes.json:
            self._say("live.behind.lines", packets=f"{waiting:,}")
        elif self.wishes.verbose:
            self._say("live.behind.brief", packets=f"{waiting:,}")
        self.records.brief = not self.wishes.verbose or detail > Detail.EXPLAINED

    def _tell_skipped(self) -> None:
        """Tell how many packets were only counted."""
        if not self.skipped.packets:
            return
        skipped = self.skipped.take()
        if self.wishes.json:
            self._write_record(skipped)
        else:
            self._say("live.behind.counted", packets=f"{skipped['packets']:,}", number=skipped["last"])

    def _write_record(self, record: dict[str, Any]) -> None:
        from sniffkit.renderers.json import write_lines

        self.status.clear()
        write_lines(sys.stdout.buffer, [record])
        sys.stdout.buffer.flush()

    def _tell_folds(self) -> None:
        """Tell the quiet packets that wait for a fold."""
        if self._held_since:
            self.status.clear()
            self.terminal.tell(self.story.end_of_run())
            self.screen.stream.flush()
            self._held_since = 0.0

    def _look_around(self, busy: bool) -> None:
        """Do what is due between two batches: folds, drops, the status line, counters that were asked for."""
        now = time.monotonic()
        if self.recorder.stopping and self.recorder.waiting > ENDING_TOLD_FROM and not self._ending_told:
            self._ending_told = True
            self._say("live.ending", packets=f"{self.recorder.waiting:,}")
        if self._held_since and now - self._held_since > (FOLDS_TOLD_EVERY if busy else FOLDS_TOLD_AFTER):
            self._tell_folds()
        if self.wishes.json and self.skipped.packets and now - self._skipped_told > SKIPPED_TOLD_EVERY:
            self._skipped_told = now
            self._tell_skipped()
        if self.signals.resting:
            self._rest()
        if self.signals.counters:
            from sniffkit.explanations.live_view import counters_text

            self.signals.counters = False
            self._write(counters_text(self._progress(now), self.catalogue))
        if self.child is not None and self.child.ended:
            self.recorder.stop()
        if not busy and now - self._collected > COLLECTED_EVERY:
            self._collected = now
            gc.collect()
        if now - self._drawn < DRAWN_EVERY:
            return
        self._drawn = now
        progress = self._progress(now)
        self._tell_losses(progress, now)
        self._draw(progress)

    def _tell_losses(self, progress: Any, now: float) -> None:
        """Tell what the kernel dropped and what the interface lost since that was last told."""
        from sniffkit.explanations.plain import escaped
        from sniffkit.explanations.skipped_packets import lost_on_arrival_record, lost_record

        if dropped := self._drops.due(progress.dropped or 0, now):
            self._say("live.drops", packets=f"{dropped:,}", total=f"{progress.dropped:,}")
            if self.wishes.json:
                self._write_record(lost_record(dropped, progress.dropped))
        if lost := self._losses.due(progress.lost, now):
            self._say("live.lost", name=escaped(self.source.name), packets=f"{lost:,}", total=f"{progress.lost:,}")
            if self.wishes.json:
                self._write_record(lost_on_arrival_record(lost, progress.lost))

    def _draw(self, progress: Any) -> None:
        from sniffkit.explanations.connection_table import connection_table
        from sniffkit.explanations.live_view import status_parts

        if self._table is not None:
            rows = self.connections.rows(time.time_ns(), self._table.room)
            table = connection_table(rows, progress.stages, self.catalogue)
            self._table.draw(table, status_parts(progress, self.catalogue))
        elif self.status.shown:
            self.status.draw(status_parts(progress, self.catalogue))

    def _progress(self, now: float) -> Any:
        """Return the figures of this moment."""
        from sniffkit.explanations.live_view import Progress

        if now >= self._stages_until and (self.status.shown or self._table is not None):
            self._stages = self.connections.count(time.time_ns())
            took = time.monotonic() - now
            self._stages_until = now + max(took * SHARE_OF_COUNTING, DRAWN_EVERY)
        self._rates.append((now, self.recorder.packets))
        while len(self._rates) > 2 and now - self._rates[1][0] > RATE_OVER:
            self._rates.pop(0)
        then, counted = self._rates[0]
        rate = (self.recorder.packets - counted) / (now - then) if now > then else 0.0
        received, dropped, lost = self.source.counters()
        received = max(received, self.recorder.packets)
        waiting = self.recorder.waiting if self.pace.detail or self.recorder.waiting > FOR_PEOPLE.lines[0] else 0
        return Progress(now - self._begin, self.recorder.packets, rate, received, dropped, waiting, self._stages, lost)

    def _end(self) -> int:
        """Tell what stands at the end; return the exit code."""
        from sniffkit.commands.complaint import complain
        from sniffkit.errors import DamagedCapture, SniffkitError
        from sniffkit.explanations.live_view import counters_record, counters_text
        from sniffkit.explanations.summary import summarise

        self._tell_folds()
        self._tell_skipped()
        self._make_room()
        if self.wishes.json and self.wishes.quiet:
            figures = self._progress(time.monotonic()), self.recorder.octets, self.counts.packets
            self._write_record(counters_record(*figures))
        elif not self.wishes.json and self.recorder.keep:
            self.terminal.summary(summarise(self.analysis, self.counts.packets, self.catalogue, live=True))
            self.screen.stream.flush()
        failure, code = self.recorder.failure, ExitCode.OK
        if isinstance(failure, SniffkitError):
            complain(failure)
            code = failure.exit_code
        elif failure is not None:
            raise failure
        elif self.source.gone:
            complain(DamagedCapture("live.interface-gone", name=self.source.name, reason=self.source.gone))
            code = ExitCode.DAMAGED
        self._write(counters_text(self._progress(time.monotonic()), self.catalogue))
        return code

    def _say(self, key: str, **values: object) -> None:
        self._write(self.catalogue.text(key, "text", **values), "warning")

    def _write(self, text: str, style: str = "dim") -> None:
        """Write a line that is no result: on standard error, above the status line."""
        self.status.clear()
        self.screen.stream.flush()
        self.aside.note(text, style)
        self.aside.stream.flush()

    def _make_room(self) -> None:
        """Take away the line at the bottom, and the width that the terminal has now: a window may be made larger."""
        self.status.clear()
        self.screen, self.aside = self.screen.resized(), self.aside.resized()
        self.terminal.screen = self.screen

    def _rest(self) -> None:
        """Leave the terminal to the shell, and come back to it."""
        self.status.clear()
        with self._table.away() if self._table is not None else nullcontext():
            self.signals.rest()

    def _stop(self) -> None:
        """End after what was captured is told; at the second Ctrl-C at once, with a whole file."""
        if not self.recorder.stopping:
            self.recorder.stop()
            self.status.spoiled()
            return
        if self.child is not None:
            self.child.end(at_once=True)
        self.recorder.wait_until_written(1.0)
        os.write(2, b"\r\x1b[K\x1b[?25h" if self.status.shown or self._table is not None else b"")
        os._exit(ExitCode.INTERRUPTED)
