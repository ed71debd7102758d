"""A packet as a record for programs (CONTRACT: ``explain --json``); the texts in it are those of the lesson."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sniffkit.analysis.tcp.mark_names import Mark, names_of
from sniffkit.analysis.tcp.phases import Phase
from sniffkit.analysis.tcp.states import LABELS
from sniffkit.explanations.plain import escaped
from sniffkit.explanations.problems import problem_notes
from sniffkit.protocols.packet import read_packet
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from sniffkit.analysis.capture import BatchFacts
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.explanations.lesson import Note
    from sniffkit.explanations.listing import Lines
    from sniffkit.explanations.story import Story
    from sniffkit.protocols.packet import FieldValue, Layer

_PHASES = tuple(phase.label for phase in Phase)
_UNKNOWN: Any = object()


class Records:
    """Makes the records of packets; ``brief``, which may change at any packet: without layers and notes."""

    def __init__(self, catalogue: Catalogue, story: Story, *, brief: bool = False) -> None:
        self._catalogue = catalogue
        self._story = story
        self.brief = brief
        self._texts: dict[str, tuple[str, str, bool]] = {}
        self._protocols: dict[str, str] = {}

    def record(self, facts: BatchFacts, lines: Lines, row: int) -> dict[str, Any]:
        """Return one packet's record."""
        batch = facts.columns.batch
        time = int(batch.time_ns[row])
        at = int(facts.tcp_at[row])
        udp = int(facts.udp_stream[row])
        packet = read_packet(batch.packet(row), int(batch.link_type[row]), int(batch.length[row]))
        record: dict[str, Any] = {
            "number": lines.number + row,
            "time_epoch": None if time == NO_TIME else epoch(time),
            "length": int(batch.length[row]),
            "captured": int(batch.captured[row]),
            "interface": int(batch.interface[row]),
            "protocols": [layer.protocol for layer in packet.layers],
            "source": lines.source[row],
            "destination": lines.destination[row],
            "tcp_stream": int(facts.numbers.stream[at]) if at >= 0 else None,
            "udp_stream": udp if udp >= 0 else None,
            "summary": lines.summary[row],
            "tcp": self._tcp(facts, at) if at >= 0 and facts.segments.length[at] >= 0 else None,
        }
        if not self.brief:
            notes = (*self._story.notes(facts, row), *problem_notes(packet, self._catalogue))
            record["notes"] = [self._note(note, facts, row) for note in notes]
            record["layers"] = [self._layer(layer) for layer in packet.layers]
        return record

    def _note(self, note: Note, facts: BatchFacts, row: int) -> dict[str, Any]:
        """Return a note; one that stands on something that can be filtered for has the filters, ``bpf`` None or not."""
        record: dict[str, Any] = {"id": note.id, "level": note.level, "text": note.text}
        one = self._story.equivalents.find(note.id, facts, row)
        return record if one is None else record | {"filter": one.filter, "bpf": one.bpf}

    def _tcp(self, facts: BatchFacts, at: int) -> dict[str, Any]:
        states = int(facts.tcp.states[at])
        return {
            "sender": "client" if facts.tcp.from_client[at] else "server",
            "phase": _PHASES[facts.tcp.phase[at]],
            "steps": list(facts.tcp.steps.get(at, ())),
            "client": [LABELS[states & 15], LABELS[states >> 4 & 15]],
            "server": [LABELS[states >> 8 & 15], LABELS[states >> 12 & 15]],
            "marks": names_of(int(facts.marks.mask[at]) & ~Mark.CAPTURED_TWICE),
        }

    def _layer(self, layer: Layer) -> dict[str, Any]:
        protocol = layer.protocol
        if protocol not in self._protocols:
            self._protocols[protocol] = self._catalogue.find(protocol, "name") or protocol
        return {
            "protocol": protocol,
            "name": self._protocols[protocol],
            "offset": layer.offset,
            "length": layer.length,
            "fields": [self._field(field) for field in layer.fields],
        }

    def _field(self, field: FieldValue) -> dict[str, Any]:
        texts = self._texts.get(field.id)
        if texts is None:
            texts = self._texts[field.id] = self._look_up(field.id)
        name, meaning, values = texts
        value = field.value
        if values and isinstance(value, int):
            one = self._catalogue.value(field.id, value)
            if one:
                meaning = f"{one}. {meaning}" if self._catalogue.language == "en" else f"{one}。{meaning}"
        return {
            "id": field.id,
            "name": name,
            "value": value.hex() if isinstance(value, bytes) else escaped(value) if isinstance(value, str) else value,
            "text": escaped(field.text),
            "offset": field.offset,
            "bit": field.bit,
            "bits": field.bits,
            "meaning": meaning,
        }

    def _look_up(self, id: str) -> tuple[str, str, bool]:
        find = self._catalogue.find
        return find(id, "name") or id, find(id, "what") or "", "value" in self._catalogue.entry(id)


def epoch(time_ns: int) -> str:
    """Write a time as seconds since 1970 with nine decimals; also before 1970."""
    sign = "-" if time_ns < 0 else ""
    seconds, rest = divmod(abs(time_ns), 1_000_000_000)
    return f"{sign}{seconds}.{rest:09d}"
