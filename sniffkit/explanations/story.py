"""The capture told in order: each packet that means something with its lesson, quiet ones briefly, long runs folded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.tcp.mark_names import Mark
from sniffkit.analysis.tcp.states import LABELS
from sniffkit.explanations.equivalents import Equivalents
from sniffkit.explanations.lesson import EndState, Fold, Line, Note, PacketLesson
from sniffkit.explanations.odd_packets import odd_packets
from sniffkit.explanations.problems import problem_notes
from sniffkit.explanations.tcp_notes import TOLD_IN_FULL, TcpNotes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.capture import BatchFacts
    from sniffkit.analysis.facts import Fact
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.explanations.listing import Lines

_PORTS = re.compile(r"^((?:\[[^]]*\] )?)\d+ > \d+ ")

QUIET_SHOWN = 3
"""How many packets of a quiet run are shown before the rest is folded."""

DUPLICATES_TOLD = 3
"""How many duplicate acks in a row are told one by one: the third sets off the fast retransmission (RFC 5681)."""

FOLDED_AT_LEAST = 3
"""A fold hides at least this many packets: fewer are quicker read than unfolded."""

LOUD = np.uint16(0xFFFF & ~(Mark.CAPTURED_TWICE | Mark.WINDOW_UPDATE | Mark.DUPLICATE_ACK | Mark.KEEP_ALIVE_ACK))
"""Marks that make a packet worth telling by themselves."""


class Story:
    """Tells the packets of a capture batch by batch.

    unfolded: tell every packet and every lesson in full (-v)
    """

    def __init__(self, catalogue: Catalogue, *, unfolded: bool = False) -> None:
        self._catalogue = catalogue
        self._unfolded = unfolded
        self._tcp = TcpNotes(catalogue)
        self.equivalents = Equivalents(catalogue)
        self._given: Counter[str] = Counter()
        self._run = _QuietRun()

    def tell(
        self, facts: BatchFacts, lines: Lines, wanted: NDArray[np.bool_] | None = None
    ) -> Iterator[PacketLesson | Fold]:
        """Yield what there is to tell of one batch; ``wanted``, bool (n,), picks the packets."""
        self._tcp.begin(facts)
        rows = range(len(facts.tcp_at)) if wanted is None else np.flatnonzero(wanted).tolist()
        quiet = self._quiet(facts)
        lines.odd.update(odd_packets(facts.columns))
        quiet[list(lines.odd)] = False
        tcp_at = facts.tcp_at.tolist()
        for row in rows:
            if self._unfolded or not quiet[row]:
                yield from self.end_of_run()
            else:
                self._run.shown += 1
                if self._run.shown > QUIET_SHOWN:
                    held = None if self._run.folded >= FOLDED_AT_LEAST else self._packet(facts, lines, row, tcp_at[row])
                    self._run.hold(held, lines.number + row, facts, row, lines.protocol[row])
                    continue
            yield self._packet(facts, lines, row, tcp_at[row])

    def end_of_run(self) -> Iterator[PacketLesson | Fold]:
        """Yield the quiet packets that were held back: folded, or as they are where they are few."""
        run, self._run = self._run, _QuietRun()
        if run.folded >= FOLDED_AT_LEAST:
            yield run.fold(self._catalogue)
        else:
            yield from run.held

    def notes(self, facts: BatchFacts, row: int, *, brief: bool = False) -> tuple[Note, ...]:
        """Return everything there is to say of one packet; brief: lessons given often enough are cut short."""
        self._tcp.begin(facts)
        at = int(facts.tcp_at[row])
        notes = self._tcp.notes(facts, at, brief=brief) if at >= 0 and not facts.segments.length[at] < 0 else []
        notes += [self._note(fact, brief) for fact in facts.told.get(row, ())]
        return tuple(notes)

    def _note(self, fact: Fact, brief: bool) -> Note:
        self._given[fact.id] += brief
        short = self._given[fact.id] > TOLD_IN_FULL and self._catalogue.find(fact.id, "brief") is not None
        return Note(fact.id, fact.level, self._catalogue.text(fact.id, "brief" if short else "text", **fact.values))

    @staticmethod
    def _quiet(facts: BatchFacts) -> NDArray[np.bool_]:
        """Return which packets have nothing to teach: no step, no fact, no mark that matters, no change of state."""
        quiet = np.ones(len(facts.tcp_at), np.bool_)
        tcp, row = facts.tcp, facts.segments.row
        states = tcp.states
        duplicates = facts.marks.duplicate_ack_number
        repeated = (duplicates > 0) & (duplicates <= DUPLICATES_TOLD)
        marked = (facts.marks.mask & LOUD) != 0
        moved = marked | repeated | facts.numbers.opened | (((states ^ (states >> 4)) & 0x0F0F) != 0)
        quiet[row[moved]] = False
        for at in tcp.steps:
            quiet[row[at]] = False
        for at in tcp.told:
            quiet[row[at]] = False
        for at in facts.told:
            quiet[at] = False
        return quiet

    def _packet(self, facts: BatchFacts, lines: Lines, row: int, at: int) -> PacketLesson:
        line = Line(
            lines.number + row,
            lines.time[row],
            lines.source_end[row],
            lines.destination_end[row],
            lines.protocol[row],
            int(facts.columns.batch.length[row]),
            _PORTS.sub(r"\1", lines.summary[row]),  # the ends have shown them
        )
        notes = self.equivalents.under(self.notes(facts, row, brief=not self._unfolded), facts, row)
        if row in lines.odd:
            notes += tuple(problem_notes(lines.odd[row], self._catalogue))
        if at < 0 or facts.segments.length[at] < 0:
            return PacketLesson(line, notes=notes)
        steps = facts.tcp.steps.get(at, ())
        step = " + ".join(self._catalogue.text(f"words.{step}") for step in steps)
        return PacketLesson(line, step, self._states(facts, at) if steps or self._moved(facts, at) else (), notes)

    @staticmethod
    def _moved(facts: BatchFacts, at: int) -> bool:
        states = int(facts.tcp.states[at])
        return (states ^ (states >> 4)) & 0x0F0F != 0

    def _states(self, facts: BatchFacts, at: int) -> tuple[EndState, ...]:
        packed = int(facts.tcp.states[at])
        found = []
        for place, end in enumerate(("client", "server")):
            before, after = LABELS[packed >> 8 * place & 15], LABELS[packed >> 8 * place + 4 & 15]
            name = self._catalogue.text(f"state.{after}", "name") if self._catalogue.language != "en" else ""
            found.append(EndState(self._catalogue.text(f"words.{end}"), before, after, name))
        return tuple(found)


class _QuietRun:
    """Quiet packets in a row: how many there were, and what the ones held back were."""

    __slots__ = ("first", "folded", "held", "last", "octets", "protocols", "shown", "streams")

    def __init__(self) -> None:
        self.shown = self.folded = self.first = self.last = self.octets = 0
        self.held: list[PacketLesson] = []
        self.streams: set[int] = set()
        self.protocols: Counter[str] = Counter()

    def hold(self, lesson: PacketLesson | None, number: int, facts: BatchFacts, row: int, protocol: str) -> None:
        """Hold one packet back; ``lesson`` is None once it is certain that the run is folded."""
        if lesson is not None:
            self.held.append(lesson)
        if not self.folded:
            self.first = number
        self.folded += 1
        self.last = number
        self.octets += int(facts.columns.batch.length[row])
        at = int(facts.tcp_at[row])
        if at >= 0:
            self.streams.add(int(facts.numbers.stream[at]))
        else:
            self.protocols[protocol] += 1

    def fold(self, catalogue: Catalogue) -> Fold:
        """Return the fold in words."""
        parts = []
        if self.streams:
            if len(self.streams) <= 3:
                names = [catalogue.text("words.fold.stream", stream=stream) for stream in sorted(self.streams)]
                streams = catalogue.text("words.comma").join(names)
            else:
                streams = catalogue.text("words.fold.streams", count=len(self.streams))
            parts.append(catalogue.text("words.fold.tcp", streams=streams))
        for protocol, count in self.protocols.most_common(4):
            parts.append(catalogue.text("words.fold.other", count=count, protocol=protocol))
        text = catalogue.text(
            "words.fold",
            first=self.first,
            last=self.last,
            count=self.folded,
            what=catalogue.text("words.comma").join(parts),
            octets=self.octets,
        )
        return Fold(self.first, self.last, text)
