"""What a TCP segment means here, in words: the step, the sums, the answer, the marks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sniffkit.analysis.segments import ACK, SYN
from sniffkit.analysis.tcp.mark_names import Mark, names_of
from sniffkit.analysis.tcp.phases import Phase
from sniffkit.analysis.tcp.states import State
from sniffkit.explanations.latest_segments import LatestSegments
from sniffkit.explanations.lesson import Note
from sniffkit.explanations.tcp_offers import offers
from sniffkit.explanations.tcp_step_lessons import marks_to_tell, step_lessons

if TYPE_CHECKING:
    from sniffkit.analysis.capture import BatchFacts
    from sniffkit.analysis.facts import Fact, Level
    from sniffkit.explanations.catalogue import Catalogue

TOLD_IN_FULL = 3
"""How often a story gives a lesson in full; after that its brief form stands in its place (never with -v)."""

_AGAIN = {"tcp.syn-again", "tcp.syn-ack-again", "tcp.fin-again", "tcp.state.corrected"}
"""Facts that say of a step that it is taken again."""

_VARIANTS = {
    "tcp.inferred": "what",
    "tcp.state.corrected": "lost",
    "tcp.reset-ignored": "reason",
}
"""Facts whose sentence depends on one of their values: the text's key ends with it."""

_WHAT_COMES_AGAIN = {"SYN-RECEIVED": ".syn-ack", "LAST-ACK": ".last"}
"""By the state that its sender turns out to be in still: what a repeated segment is, where that is a lesson."""

_NO_DIFFERENCE = 1 << 61
"""A difference of this many nanoseconds is none: one of the packets has no time stamp (``NO_TIME``)."""

_TWICE = int(Mark.CAPTURED_TWICE)
_WARNINGS = {"lost_segment", "zero_window", "window_full", "out_of_order"}


class TcpNotes:
    """Makes the notes of TCP segments in one language."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._given: Counter[str] = Counter()
        self._latest = LatestSegments()

    def begin(self, facts: BatchFacts) -> None:
        """Take note of the batch that is told now; every one is to be shown, those with no TCP in them as well."""
        self._latest.begin(facts)

    def notes(self, facts: BatchFacts, at: int, *, brief: bool = False) -> list[Note]:
        """Return the notes of the segment at index ``at`` of the batch's segments.

        brief: give the short form of a lesson that has been given in full often enough.
        """
        values = self._values(facts, at)
        notes = [self._lesson(id, key, values, brief) for id, key in self._lessons(facts, at, values)]
        for fact in facts.tcp.told.get(at, ()):
            notes += self._told(fact, values)
        notes += self._options(facts, at, values)
        notes += self._sums(facts, at, values)
        notes += self._marks(facts, at, values)
        return notes

    def _note(self, id: str, level: Level, values: dict[str, Any], key: str = "") -> Note:
        return Note(id, level, self._catalogue.text(key or id, **values))

    def _lesson(self, id: str, key: str, values: dict[str, Any], brief: bool) -> Note:
        self._given[key] += brief
        if self._given[key] > TOLD_IN_FULL and self._catalogue.find(key, "brief") is not None:
            return Note(id, "lesson", self._catalogue.text(key, "brief", **values))
        return self._note(id, "lesson", values, key)

    def _values(self, facts: BatchFacts, at: int) -> dict[str, Any]:
        segments, numbers = facts.segments, facts.numbers
        from_client = bool(facts.tcp.from_client[at])
        ack, advance = int(numbers.acknowledgment[at]), int(facts.tcp.advance[at])
        sequence, length = int(numbers.sequence[at]), max(int(segments.length[at]), 0)
        return {
            "sender": "client" if from_client else "server",
            "receiver": "server" if from_client else "client",
            "seq": sequence,
            "ack": ack,
            "length": length,
            "next": max(int(numbers.next_sequence[at]), 0),
            "isn": int(segments.sequence[at]),
            "first_octet": (int(segments.sequence[at]) + 1) & 0xFFFFFFFF,
            "peer_isn": (int(segments.acknowledgment[at]) - 1) & 0xFFFFFFFF,
            "fin": (ack - 1) & 0xFFFFFFFF,
            "before": (ack - advance) & 0xFFFFFFFF,
            "advance": advance,
            "last": (ack - 1) & 0xFFFFFFFF,
            "count": int(facts.marks.duplicate_ack_number[at]),
            "stream": int(numbers.stream[at]),
        }

    def _lessons(self, facts: BatchFacts, at: int, values: dict[str, Any]) -> list[tuple[str, str]]:
        steps = facts.tcp.steps.get(at, ())
        told = {fact.id for fact in facts.tcp.told.get(at, ())}
        if facts.twice[facts.segments.row[at]] or told & _AGAIN:
            return []  # the step was taught when it was taken first
        if any(step.startswith("handshake.syn") or step == "handshake.ack" for step in steps):
            # In the opening the raw numbers are the lesson: ack = the other's initial number + 1.
            values["ack"] = int(facts.segments.acknowledgment[at])
        return step_lessons(facts, at, int(values["seq"]))

    def _told(self, fact: Fact, values: dict[str, Any]) -> list[Note]:
        everything = {**values, **fact.values}
        key = fact.id
        if fact.id in _VARIANTS:
            key = f"{fact.id}.{fact.values[_VARIANTS[fact.id]]}"
        if key == "tcp.state.corrected.ack" and fact.values["state"] in _WHAT_COMES_AGAIN:
            key += _WHAT_COMES_AGAIN[str(fact.values["state"])]
        notes = [self._note(fact.id, fact.level, everything, key)]
        if fact.id == "tcp.syn-again" and not fact.values["answered"]:
            notes.append(self._note("tcp.syn-again.unanswered", fact.level, everything))
        return notes

    def _options(self, facts: BatchFacts, at: int, values: dict[str, Any]) -> list[Note]:
        """Return what a SYN offers in its options, each with its meaning in a few words."""
        segments = facts.segments
        again = any(fact.id in _AGAIN for fact in facts.tcp.told.get(at, ()))
        if not int(segments.flags[at]) & SYN or facts.twice[segments.row[at]] or again:
            return []
        offered = offers(facts, at, self._catalogue)
        if not offered:
            return []
        said = self._catalogue.text("words.semicolon").join(offered)
        return [self._note("tcp.offer", "note", {**values, "offers": said})]

    def _sums(self, facts: BatchFacts, at: int, values: dict[str, Any]) -> list[Note]:
        notes = []
        flags = int(facts.segments.flags[at])
        steps = facts.tcp.steps.get(at, ())
        if int(facts.tcp.phase[at]) == Phase.AFTER_CLOSE and not facts.tcp.told.get(at):
            notes.append(self._note("tcp.after-close", "note", values))
        answered = int(facts.tcp.answers[at])
        elapsed = int(facts.tcp.elapsed_ns[at])  # negative where a clock was set back
        answer = {**values, "number": answered, "elapsed_ns": elapsed if abs(elapsed) < _NO_DIFFERENCE else None}
        if flags & ACK and not flags & SYN and values["advance"] > 0 and not steps:
            notes.append(self._note("tcp.ack.sum", "note", answer, "tcp.ack.sum-of" if answered else "tcp.ack.sum"))
        elif answered and "handshake.ack" not in steps and not self._of_many(facts, at):
            notes.append(self._note("tcp.ack.answers", "note", answer))
        if values["length"] and not flags & 7 and facts.segments.header_ok[at]:
            notes.append(self._note("tcp.data", "note", values))
            if "handshake.ack" in steps:
                notes.append(self._note("tcp.handshake.ack-with-data", "note", values))
            if self._half_closed(facts, at):
                notes.append(self._note("tcp.data.half-closed", "lesson", values))
        return notes

    @staticmethod
    def _of_many(facts: BatchFacts, at: int) -> bool:
        """True for the answer to a SYN that was sent several times: nobody knows which of them it answers."""
        return any(fact.id == "tcp.answers-syn-again" for fact in facts.tcp.told.get(at, ()))

    @staticmethod
    def _half_closed(facts: BatchFacts, at: int) -> bool:
        """True when the sender may still send although the receiver has closed its own direction."""
        states = int(facts.tcp.states[at])
        sender, receiver = (states >> 4 & 15, states >> 12 & 15)
        if not facts.tcp.from_client[at]:
            sender, receiver = receiver, sender
        return sender == _CLOSE_WAIT and receiver == _FIN_WAIT_2

    def _marks(self, facts: BatchFacts, at: int, values: dict[str, Any]) -> list[Note]:
        mask = int(facts.marks.mask[at]) & ~_TWICE
        if not mask:
            return []
        names = names_of(mask)
        if "fast_retransmission" in names or "spurious_retransmission" in names:
            names.remove("retransmission")
        told = {fact.id for fact in facts.tcp.told.get(at, ())}
        if told & _AGAIN:
            names = [name for name in names if "retransmission" not in name]  # said better already
        names = marks_to_tell(facts, at, names, told)
        if "keep_alive" in names and self._window_closed(facts, at):
            names[names.index("keep_alive")] = "window-probe"
        return [self._mark(facts, at, name, values) for name in names]

    def _mark(self, facts: BatchFacts, at: int, name: str, values: dict[str, Any]) -> Note:
        """Return what a mark means, with what it refers to where that is known."""
        key, marks = f"tcp.mark.{name}", facts.marks
        more: dict[str, Any] = {}
        if name == "duplicate_ack" and (frame := int(marks.duplicate_ack_frame[at])):
            key, more = f"{key}.of", {"frame": frame}
        elif name == "fast_retransmission":
            before = self._latest.before(facts, at, other_side=True)
            if before is not None and before.duplicate_ack_frame:
                frame, count = before.duplicate_ack_frame, before.duplicate_ack_number
                key, more = f"{key}.after", {"frame": frame, "count": count}
        elif name == "keep_alive" and (before := self._latest.before(facts, at)) is not None:
            silence_ns = int(facts.segments.time_ns[at]) - before.time_ns
            if 0 < silence_ns < _NO_DIFFERENCE:
                key, more = f"{key}.after", {"silence_ns": silence_ns}
        elif name == "window_full" and (before := self._latest.before(facts, at, other_side=True)) is not None:
            # That is what the mark means: as much in flight as the other end's latest segment has room for.
            key, more = f"{key}.of", {"flight": before.window_size}
        return self._note(f"tcp.mark.{name}", _level(name), {**values, **more}, key)

    def _window_closed(self, facts: BatchFacts, at: int) -> bool:
        """Return whether the other end's latest segment had closed its window.

        Linux probes a closed window with a segment that looks like a keep-alive, and marks call it so.
        """
        before = self._latest.before(facts, at, other_side=True)
        return before is not None and before.window == 0


_FIN_WAIT_2, _CLOSE_WAIT = int(State.FIN_WAIT_2), int(State.CLOSE_WAIT)


def _level(mark: str) -> Level:
    return "warning" if mark in _WARNINGS or mark.endswith("retransmission") else "note"
