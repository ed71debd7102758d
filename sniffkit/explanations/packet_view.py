"""One packet field by field: where each field stands, what it is for, and why it has its value here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from sniffkit.explanations.analysed_segments import AnalysedSegments
from sniffkit.explanations.field_facts import checksum_state, field_facts, vendors
from sniffkit.explanations.field_nesting import letters, nested
from sniffkit.explanations.field_reasons import field_reason
from sniffkit.explanations.lesson import Note
from sniffkit.explanations.plain import escaped
from sniffkit.explanations.problems import layer_notes
from sniffkit.protocols.packet import FieldValue, read_packet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffkit.analysis.capture import BatchFacts
    from sniffkit.explanations.asked_field import FieldFacts
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.explanations.field_nesting import Nested
    from sniffkit.explanations.lesson import PacketLesson
    from sniffkit.protocols.packet import Layer, Packet

LONGEST_VALUE = 64
"""A value of more characters is cut: the hex dump shows the rest."""

BEGINNING = 12
"""Octets shown of a long value."""

PAYLOAD = "data"
"""The layer of octets that no protocol of ours reads."""

QUOTING = {"icmp", "icmpv6"}
"""Layers behind which an IP header is a quotation, not a packet."""

TOLD_BY_A_FIELD = {
    "ip.length-zero": "ip.len",
    "ip.header-short": "ip.hdr_len",
    "ipv6.length-zero": "ipv6.plen",
    "tcp.header-short": "tcp.hdr_len",
    "udp.length-zero": "udp.length",
    "udp.length-short": "udp.length",
}
"""Problems of which a field's reason says the same."""


ONLY_THE_MEANING = {"reason.ethertype", "reason.tcp.option"}
"""Reasons that say what a value means, which stands beside the value already."""


@dataclass(frozen=True, slots=True)
class FieldView:
    """A field as a reader sees it; the texts are escaped and in the reader's language.

    mark:    its letter in the hex dump, "" for what was worked out
    value:   as ``tshark`` prints it, or the beginning of it; aside: what stands beside it (relative, scaled)
    meaning: what this value means (``request``)
    place:   where it stands, in words; bits: ``0101 ....`` where it does not fill its octets
    what:    what the field is for; why: why it has this value here
    start, width: in bits from the packet's first; a parent has those of its fields, a derived value width 0
    parent:  True for a field made of the ones below it
    """

    mark: str
    id: str
    name: str
    value: str
    aside: str
    meaning: str
    place: str
    bits: str
    what: str
    why: str
    depth: int
    start: int
    width: int
    parent: bool = False

    @property
    def shares_mark(self) -> bool:
        """True for a field whose mark is its parent's."""
        return self.depth > 0 and bool(self.bits)


@dataclass(frozen=True, slots=True)
class LayerView:
    """A layer: ``start`` and ``octets`` of its header, what it is in one sentence, its fields, and what is odd."""

    protocol: str
    name: str
    rfc: str
    place: str
    what: str
    start: int
    octets: int
    fields: tuple[FieldView, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class PacketView:
    """A packet: its lesson (without what its layers say), its octets as captured, and its layers.

    more: ``{count} more octets``, for a renderer that cuts the payload; missing: what was not captured, "" if nothing
    """

    lesson: PacketLesson
    octets: bytes
    layers: tuple[LayerView, ...]
    more: str
    missing: str = ""

    def colours(self, count: int) -> dict[str, int]:
        """Return a colour from 0 to ``count`` - 1 for each mark, in turn."""
        marks = dict.fromkeys(field.mark for layer in self.layers for field in layer.fields if field.mark)
        return {mark: place % count for place, mark in enumerate(marks)}


class PacketViews:
    """Makes the views of packets in one language.

    full: tell everything of every field, also of flags that are not set (-v)
    once: tell what a field is for only the first time (many packets in a row)
    """

    def __init__(self, catalogue: Catalogue, *, full: bool = False, once: bool = False) -> None:
        self._catalogue = catalogue
        self._full = full
        self._once = once and not full
        self._told: set[str] = set()
        self._analysed = AnalysedSegments()

    def feed(self, facts: BatchFacts) -> None:
        """Take the next batch: what is in flight depends on all segments before, also those that are not viewed."""
        self._analysed.feed(facts)

    def view(self, facts: BatchFacts, row: int, lesson: PacketLesson) -> PacketView:
        """Return the view of one packet of the batch fed last."""
        batch = facts.columns.batch
        octets, length = batch.packet(row), int(batch.length[row])
        packet = read_packet(octets, int(batch.link_type[row]), length)
        known = field_facts(facts, row)
        if "relative_seq" in known:
            known["analysed"] = self._analysed.of(int(facts.tcp_at[row]))
        return self.of(packet, octets, length, known, lesson)

    def of(self, packet: Packet, octets: bytes, length: int, facts: FieldFacts, lesson: PacketLesson) -> PacketView:
        """Return the view of a packet that was read; ``length``: octets on the wire."""
        if not self._once:
            self._told.clear()
        marks = letters()
        known = facts
        layers: list[LayerView] = []
        for layer in packet.layers:
            quoted = layer.protocol in ("ip", "ipv6") and bool(layers) and layers[-1].protocol in QUOTING
            if quoted:
                known = {}
            shown = _LayerOf(self._catalogue, packet, layer, known, octets)
            layers.append(self._layer(shown, marks, quoted))
            if layer.protocol in ("tcp", "udp"):
                known = {}  # what is known belongs to the outermost segment
        missing = length - len(octets)
        say = self._catalogue.text
        told = {note.id for note in lesson.notes}
        in_layers = {note for layer in layers for note in layer.notes}
        return PacketView(
            replace(lesson, notes=tuple(note for note in lesson.notes if note not in in_layers)),
            octets,
            tuple(layers),
            say("view.more"),
            say("view.not-captured", count=missing) if missing > 0 and "frame.cut" not in told else "",
        )

    def _layer(self, shown: _LayerOf, marks: Iterator[str], quoted: bool) -> LayerView:
        layer, find = shown.layer, self._catalogue.find
        protocol = layer.protocol
        fields: tuple[FieldView, ...] = ()
        if protocol != PAYLOAD:
            fields = tuple(self._shortened(shown.field(entry)) for entry in nested(shown.with_derived(), marks))
        what = self._catalogue.text("view.quoted") if quoted else first_sentence(find(protocol, "what") or "")
        if not what and find(protocol, "name") is None:
            what = self._catalogue.text("view.beyond")
        if protocol == PAYLOAD or (protocol in self._told and not quoted):
            what = ""
        self._told.add(protocol)
        explained = {field.id for field in fields if field.why}
        notes = [note for note in layer_notes(layer, self._catalogue) if TOLD_BY_A_FIELD.get(note.id) not in explained]
        return LayerView(
            protocol,
            find(protocol, "name") or escaped(protocol),
            find(protocol, "rfc") or "",
            shown.place(layer.offset * 8, (layer.offset + layer.length) * 8) if layer.length else "",
            what,
            layer.offset,
            layer.length,
            fields,
            tuple(notes),
        )

    def _shortened(self, field: FieldView) -> FieldView:
        """Leave out what was told already, and what nobody asks of a flag that is not set."""
        if self._full:
            why = self._catalogue.find(field.id, "why") or ""
            return replace(field, what=_joined(self._catalogue, field.what, why))
        known = field.id in self._told
        field = replace(field, what=first_sentence(field.what))
        off = field.width == 1 and field.value == "0" and not field.why
        self._told.add(field.id)
        return replace(field, what="") if known or off else field


class _LayerOf:
    """Makes the fields of one layer."""

    def __init__(self, catalogue: Catalogue, packet: Packet, layer: Layer, facts: FieldFacts, octets: bytes) -> None:
        self._catalogue = catalogue
        self._packet = packet
        self.layer = layer
        self._octets = octets
        state = checksum_state(layer)
        checksum = {f"checksum_{layer.protocol}": state} if state else {}
        self._facts = cast("FieldFacts", {**facts, **checksum, **(vendors(layer) if layer.protocol == "eth" else {})})
        self._known = bool(facts)

    def with_derived(self) -> Layer:
        """Return the layer with what the analysis worked out for it."""
        facts, layer = self._facts, self.layer
        if layer.protocol != "tcp" or not self._known or "relative_seq" not in facts:
            return layer
        stream, following = facts["stream"], facts["next_seq"]
        derived = [("tcp.stream", stream, str(stream)), *facts.get("analysed", ())]
        if following > facts["relative_seq"]:
            derived.insert(0, ("tcp.nxtseq", following, str(following)))
        fields = [*layer.fields, *(FieldValue(id, value, text, layer.offset, 0, 0) for id, value, text in derived)]
        return replace(layer, fields=fields)

    def field(self, entry: Nested) -> FieldView:
        """Return one field."""
        field, find = entry.field, self._catalogue.find
        id = field.id
        parent = not field.bits and entry.end > entry.start
        derived = not field.bits and not parent
        meaning = self._catalogue.value(id, field.value) if isinstance(field.value, int) else None
        why = self._why(field)
        return FieldView(
            entry.mark,
            escaped(id),
            find(id, "name") or escaped(id),
            self._catalogue.text("view.parent", octets=len(field.value))
            if parent and isinstance(field.value, bytes)
            else self._value(field),
            self._aside(field),
            meaning or "",
            self._catalogue.text("view.derived") if derived else self.place(entry.start, entry.end),
            "" if derived or parent else self._bits(entry.start, entry.end),
            find(id, "what") or "",
            why,
            entry.depth,
            entry.start,
            entry.end - entry.start,
            parent,
        )

    def place(self, start: int, end: int) -> str:
        """Say where the bits from ``start`` to before ``end`` stand."""
        first, last = start // 8, (end - 1) // 8
        values = {"first": first, "last": last, "bit": start % 8, "end": start % 8 + end - start - 1}
        key = "octet" if first == last else "octets"
        if start % 8 or end % 8:
            key = f"bit-of-{key}" if end - start == 1 else f"bits-of-{key}"
        return self._catalogue.text(f"view.{key}", "text", **values)

    def _value(self, field: FieldValue) -> str:
        if field.value is None and field.bits:
            return self._catalogue.text("view.cut", bits=field.bits)
        if isinstance(field.value, bytes) and len(field.value) > LONGEST_VALUE // 4:
            beginning = field.value[:BEGINNING].hex(" ")
            return self._catalogue.text("view.long", beginning=beginning, octets=len(field.value))
        text = escaped(field.text)
        return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"

    def _aside(self, field: FieldValue) -> str:
        """Say what stands beside a number: the relative one beside the raw one, the scaled window."""
        facts, say = self._facts, self._catalogue.text
        if field.id == "tcp.seq_raw" and "relative_seq" in facts:
            return say("view.relative", id="tcp.seq", value=facts["relative_seq"])
        if field.id == "tcp.ack_raw" and "relative_ack" in facts:
            if not self._flag("ack"):
                return say("view.not-valid")
            return say("view.relative", id="tcp.ack", value=facts["relative_ack"])
        if field.id == "tcp.window_size_value" and "window_scale" in facts:
            scaled = facts.get("window_scaled")
            if scaled is not None:
                return say("view.scaled", id="tcp.window_size", value=scaled)
            return say("view.scale-unknown") if facts["window_scale"] == -1 else ""
        return ""

    def _why(self, field: FieldValue) -> str:
        id, shown, facts = field.id, field, self._facts
        if id in ("tcp.seq_raw", "tcp.ack_raw") and f"relative_{id[4:7]}" in facts and not self._opening():
            # the sums are easier with small numbers; in the handshake the raw ones are the lesson
            id = id.removesuffix("_raw")
            relative = facts["relative_seq"] if id == "tcp.seq" else facts["relative_ack"]
            if id == "tcp.seq" or self._flag("ack"):
                shown = replace(field, id=id, value=relative, text=str(relative))
        reason = field_reason(shown.id, self._packet, facts, layer=self.layer, field=shown)
        if reason is None or reason.key in ONLY_THE_MEANING:
            return ""
        return reason.told(self._catalogue)

    def _opening(self) -> bool:
        return self._flag("syn") or "handshake.ack" in self._facts.get("steps", ())

    def _flag(self, name: str) -> bool:
        found = self.layer.first(f"tcp.flags.{name}")
        return found is not None and found.value == 1

    def _bits(self, start: int, end: int) -> str:
        """Draw the octets that a field touches with its own bits, ``0101 ....``; "" where it fills them."""
        if start % 8 == 0 and end % 8 == 0:
            return ""
        digits = []
        for bit in range(start // 8 * 8, (end + 7) // 8 * 8):
            octet = self._octets[bit // 8] if bit // 8 < len(self._octets) else 0
            digits.append(str(octet >> (7 - bit % 8) & 1) if start <= bit < end else ".")
        return " ".join("".join(digits[at : at + 4]) for at in range(0, len(digits), 4))


def first_sentence(text: str) -> str:
    """Return a text up to the end of its first sentence."""
    ends = [place + 1 for sign in (". ", "。") if (place := text.find(sign)) >= 0]
    return text[: min(ends)] if ends else text


def _joined(catalogue: Catalogue, *sentences: str) -> str:
    return ("" if catalogue.language == "zh" else " ").join(sentence for sentence in sentences if sentence)
