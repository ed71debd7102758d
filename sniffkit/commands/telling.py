"""One run of ``explain``: from the batches of a source to lessons, fields, a listing or JSON on the screen."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sniffkit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.analysis.capture import BatchFacts
    from sniffkit.commands.filtering import PacketFilter
    from sniffkit.commands.selection import Selection
    from sniffkit.explanations.language import Language
    from sniffkit.explanations.lesson import PacketLesson
    from sniffkit.explanations.listing import Lines
    from sniffkit.renderers.progress import ProgressBar
    from sniffkit.sources import Source


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the reader asked for.

    packets: field by field; fields: every packet field by field
    filter:  packets that it means
    octets:  "x" the octets under each packet, "X" with their characters, "" none
    verbose: 1 nothing folded and everything in full, 2 header boxes as well
    """

    language: Language
    color: str = "auto"
    json: bool = False
    quiet: bool = False
    verbose: int = 0
    conversation: int | None = None
    count: int | None = None
    packets: Selection | None = None
    fields: bool = False
    octets: str = ""
    filter: PacketFilter | None = None

    @property
    def field_by_field(self) -> bool:
        """True when packets are shown with all their fields."""
        return (self.fields or self.packets is not None) and not self.json and not self.quiet


class Telling:
    """Tells a capture from the first packet to the last, or to the last one asked for."""

    def __init__(self, source: Source, wishes: Wishes) -> None:
        from sniffkit.analysis.capture import CaptureAnalysis
        from sniffkit.explanations.catalogue import Catalogue
        from sniffkit.explanations.listing import Listing
        from sniffkit.explanations.record import Records
        from sniffkit.explanations.story import Story
        from sniffkit.renderers.screen import Screen, stdout
        from sniffkit.renderers.terminal import Terminal

        self.source, self.wishes = source, wishes
        if wishes.filter is not None:
            wishes.filter.read_from(source)
        self._every_packet = wishes.conversation is None and wishes.packets is None and wishes.filter is None
        self._left = wishes.count
        self._chosen = 0
        self._ended_early = False
        self.catalogue = Catalogue(wishes.language)
        listed = wishes.quiet and not wishes.json
        self.analysis = CaptureAnalysis(states=not listed, facts=not wishes.quiet)
        self.listing = Listing()
        unfolded = wishes.verbose > 0 or wishes.field_by_field or bool(wishes.octets)
        self.story = Story(self.catalogue, unfolded=unfolded)
        self.records = Records(self.catalogue, self.story, brief=wishes.quiet)
        self.screen = Screen.of(stdout(), wishes.color)
        self.terminal = Terminal(self.screen)
        self.protocols: Counter[str] = Counter()
        self._comments_placed = 0

    def run(self) -> None:
        """Read to the end, or until enough packets were told; a long file shows how far it is."""
        from sniffkit.renderers.progress import ProgressBar

        with ProgressBar(self.source.name) as progress:
            self._tell_batches(progress)
        if not self.wishes.json and not self.wishes.quiet:
            self.terminal.tell(self.story.end_of_run())
            if self.wishes.packets is None:
                from sniffkit.explanations.summary import summarise

                whole = [comment.text for comment in self.source.comments if comment.packet == 0]
                about = (tuple(whole), self.source.names)
                self.terminal.summary(summarise(self.analysis, self.protocols, self.catalogue, *about))

    def _tell_batches(self, progress: ProgressBar) -> None:
        show = self._shower()
        last = self.wishes.packets.last if self.wishes.packets is not None else None
        for batch in self.source:
            progress.move(self.source.octets_read, self.source.octets_total)
            if self._left is not None and self._every_packet:
                batch = batch.head(self._left)  # noqa: PLW2901 - what comes after the last packet told is not read
            facts = self.analysis.feed(batch)
            self._place_comments(facts)
            lines = self.listing.lines(facts)
            wanted = self._wanted(facts)
            self._chosen += len(batch) if wanted is None else int(wanted.sum())
            self.protocols.update(lines.protocol)
            show.batch(facts, lines, wanted)
            if self._left == 0 or (last is not None and batch.first + len(batch) > last):
                self._ended_early = True
                break

    def _place_comments(self, facts: BatchFacts) -> None:
        """Put what people wrote into the capture under the packets that it is about."""
        from sniffkit.analysis.facts import Fact
        from sniffkit.explanations.plain import escaped

        batch = facts.columns.batch
        comments = self.source.comments
        for comment in comments[self._comments_placed :]:
            if comment.packet >= batch.first + len(batch):
                break  # the source is ahead of what it has handed out
            self._comments_placed += 1
            if comment.packet >= batch.first:
                fact = Fact("frame.commented", "note", {"comment": escaped(comment.text)})
                facts.told.setdefault(comment.packet - batch.first, []).append(fact)

    def check_selection(self) -> None:
        """Complain of a packet or conversation asked for that the capture does not have. Raises UsageError.

        Where all is there and yet no packet fits, that is said: an empty screen could mean anything.
        """
        if not self._ended_early:
            self._check_numbers()
        if not self._chosen and not self._every_packet:
            from sniffkit.renderers.screen import Screen

            sys.stdout.flush()
            text = self.catalogue.text("filter.nothing", packets=self.analysis.packets)
            Screen.of(sys.stderr).write(text + "\n")

    def _check_numbers(self) -> None:
        asked, conversations = self.wishes.conversation, self.analysis.tcp_totals.count
        if asked is not None and not 0 <= asked < conversations:
            raise UsageError("usage.conversation-missing", number=asked, conversations=conversations)
        if self.wishes.packets is None:
            return
        number = self.wishes.packets.missing(self.analysis.packets)
        if number is not None:
            raise UsageError("usage.packet-missing", number=number, packets=self.analysis.packets)

    def _shower(self) -> _Records | _Listing | _Story | _Fields:
        if self.wishes.json:
            return _Records(self)
        if self.wishes.quiet:
            return _Listing(self)
        return _Fields(self) if self.wishes.field_by_field else _Story(self)

    def _wanted(self, facts: BatchFacts) -> NDArray[np.bool_] | None:
        """Return which packets are told: of the conversation and numbers asked for, as many as asked for."""
        import numpy as np

        batch = facts.columns.batch
        wanted: NDArray[np.bool_] | None = None
        if self.wishes.conversation is not None:
            stream = np.full(len(facts.tcp_at), -1)
            has = facts.tcp_at >= 0
            stream[has] = facts.numbers.stream[facts.tcp_at[has]]
            wanted = stream == self.wishes.conversation
        if self.wishes.packets is not None:
            chosen = self.wishes.packets.rows(batch.first, len(batch))
            wanted = chosen if wanted is None else wanted & chosen
        if self.wishes.filter is not None:
            _, chosen = self.wishes.filter.judge(facts.columns)
            wanted = chosen if wanted is None else wanted & chosen
        if self._left is not None:
            wanted = np.ones(len(batch), np.bool_) if wanted is None else wanted
            rows = np.flatnonzero(wanted)
            wanted[rows[self._left :]] = False
            self._left -= min(self._left, len(rows))
        return wanted


def _rows(lines: Lines, wanted: NDArray[np.bool_] | None) -> Iterable[int]:
    return range(len(lines.time)) if wanted is None else wanted.nonzero()[0].tolist()


class _Records:
    """JSON, one object a packet."""

    def __init__(self, telling: Telling) -> None:
        self._telling = telling

    def batch(self, facts: BatchFacts, lines: Lines, wanted: NDArray[np.bool_] | None) -> None:
        from sniffkit.renderers.json import write_lines

        records = self._telling.records
        write_lines(sys.stdout.buffer, (records.record(facts, lines, row) for row in _rows(lines, wanted)))


class _Listing:
    """One line a packet."""

    def __init__(self, telling: Telling) -> None:
        from sniffkit.renderers.hex_dump import HexDump

        self._terminal = telling.terminal
        octets = telling.wishes.octets
        self._dump = HexDump(telling.screen, ascii=octets == "X") if octets else None

    def batch(self, facts: BatchFacts, lines: Lines, wanted: NDArray[np.bool_] | None) -> None:
        if self._dump is None:
            self._terminal.listing(lines, None if wanted is None else _rows(lines, wanted))
            return
        for row in _rows(lines, wanted):
            self._terminal.listing(lines, [row])
            self._dump.plain(facts.columns.batch.packet(row))


class _Story:
    """Lessons, packet by packet."""

    def __init__(self, telling: Telling) -> None:
        from sniffkit.renderers.hex_dump import HexDump

        self._story, self._terminal = telling.story, telling.terminal
        octets = telling.wishes.octets
        self._dump = HexDump(telling.screen, ascii=octets == "X") if octets else None

    def batch(self, facts: BatchFacts, lines: Lines, wanted: NDArray[np.bool_] | None) -> None:
        told = self._story.tell(facts, lines, wanted)
        if self._dump is None:
            self._terminal.tell(told)
            return
        for lesson in told:  # nothing is folded: each is one packet of this batch
            self._terminal.tell([lesson])
            self._dump.plain(facts.columns.batch.packet(_row(lesson, lines)))  # type: ignore[arg-type]


class _Fields:
    """Packets field by field, with their octets, and with header boxes where they are asked for."""

    def __init__(self, telling: Telling) -> None:
        from sniffkit.explanations.packet_view import PacketViews
        from sniffkit.renderers.fields import FieldList
        from sniffkit.renderers.header_box import HeaderBox
        from sniffkit.renderers.hex_dump import HexDump

        wishes, screen = telling.wishes, telling.screen
        self._story, self._terminal, self._screen = telling.story, telling.terminal, screen
        once = wishes.packets is None
        self._views = PacketViews(telling.catalogue, full=wishes.verbose > 0, once=once)
        self._boxes = HeaderBox(screen) if wishes.verbose > 1 else None
        self._fields = FieldList(screen)
        self._dump = HexDump(screen, whole=wishes.verbose > 1)
        self._first = True

    def batch(self, facts: BatchFacts, lines: Lines, wanted: NDArray[np.bool_] | None) -> None:
        self._views.feed(facts)
        for lesson in self._story.tell(facts, lines, wanted):
            self._screen.write("" if self._first else "\n")
            self._first = False
            view = self._views.view(facts, _row(lesson, lines), lesson)  # type: ignore[arg-type]
            self._terminal.tell([view.lesson])
            if self._boxes is not None:
                self._boxes.draw(view)
            self._fields.draw(view)
            self._dump.draw(view)


def _row(lesson: PacketLesson, lines: Lines) -> int:
    return lesson.line.number - lines.number
