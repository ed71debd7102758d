"""One packet, header by header, with the bits of every field: for the packets that a person looks at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sniffkit.protocols.header import Form, show

if TYPE_CHECKING:
    from sniffkit.protocols.checksum import Checksum
    from sniffkit.protocols.header import Header
    from sniffkit.protocols.protocol import Messages

SMALLEST_FRAME = 60
"""Octets of an Ethernet frame without its check sequence; shorter ones are filled up (IEEE 802.3 section 3.2.8)."""

DEEPEST = 48
"""A packet has at most this many layers; more are only ever built to tire a reader."""


@dataclass(slots=True)
class FieldValue:
    """A field as it stands in a packet.

    value:  int, str (an address or name), bytes, or None where the field is only half there
    text:   exactly as ``tshark -T fields`` prints it
    offset: octets from the start of the packet; bit: from the top of that octet; bits: width, 0 for parents
            (``tcp.flags``) and derived values
    """

    id: str
    value: int | str | bytes | None
    text: str
    offset: int
    bit: int
    bits: int


@dataclass(slots=True)
class Problem:
    """Something odd that the octets say or lack: an id and values, no sentence.

    not_captured: what is missing was on the wire, and only the snap length keeps it from us
    """

    id: str
    values: dict[str, object]
    not_captured: bool = False


@dataclass(slots=True)
class Layer:
    """One protocol's part of a packet.

    length:   octets of its header that are present
    checksum: the one it carries, compared with what it should be; None where it has none or it was cut
    """

    protocol: str
    offset: int
    length: int = 0
    fields: list[FieldValue] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    payload_offset: int = 0
    payload_length: int = 0
    checksum: Checksum | None = None

    def first(self, id: str) -> FieldValue | None:
        """Return the first field with this id."""
        for value in self.fields:
            if value.id == id:
                return value
        return None


@dataclass(slots=True)
class Packet:
    """A packet's layers, outermost first."""

    layers: list[Layer] = field(default_factory=list)

    def first(self, id: str) -> FieldValue | None:
        """Return the first field with this id in any layer."""
        return next((value for layer in self.layers for value in layer.fields if value.id == id), None)

    def layer(self, protocol: str) -> Layer | None:
        """Return the first layer of a protocol."""
        return next((layer for layer in self.layers if layer.protocol == protocol), None)


@dataclass(slots=True)
class Reader:
    """What a protocol's ``read`` works with: the octets it may look at, and the layer it fills.

    octets:   the whole packet as captured
    start:    where the layer begins
    end:      end of the octets captured for it (never beyond ``octets``, nor beyond the enclosing layer's length)
    wire_end: end of the octets it had on the wire by the enclosing layers' lengths
    quoted:   inside an ICMP error or otherwise of unknown payload length
    """

    octets: bytes
    start: int
    end: int
    wire_end: int
    quoted: bool
    packet: Packet
    layer: Layer
    header: Header | None = None
    following: tuple[str, int] | None = None
    following_end: int = 0
    following_quoted: bool = False
    following_ports: tuple[int, int] = (0, 0)
    at: int = 0

    @property
    def left(self) -> int:
        """Octets captured from ``at`` to the end."""
        return max(self.end - self.at, 0)

    def number(self, offset: int, octets: int) -> int:
        """Return octets at ``offset`` (from the layer's start) as a big-endian number; what is missing counts 0."""
        place = self.start + offset
        return int.from_bytes(self.octets[place : min(place + octets, self.end)].ljust(octets, b"\0"), "big")

    def value(self, id: str) -> int:
        """Return the number a field of this layer was read as, 0 where it is missing."""
        found = self.layer.first(id)
        return found.value if found is not None and isinstance(found.value, int) else 0

    def problem(self, id: str, **values: object) -> None:
        """Note something odd. promised, present: octets of a header that is not all here, by its own account."""
        promised, present = values.get("promised"), values.get("present")
        missing = isinstance(promised, int) and isinstance(present, int) and id.endswith(".header-cut")
        on_the_wire = missing and self.end - present + promised <= self.wire_end  # type: ignore[operator]
        self.layer.problems.append(Problem(id, values, bool(on_the_wire)))

    def fixed(self, header: Header) -> bool:
        """Read a header table at ``at``; return whether all of it was there, note a Problem where it was not."""
        base = self.at
        if base + header.octets > self.end:
            self.cut(header)
            return False
        number = int.from_bytes(self.octets[base : base + header.octets], "big")
        add = self.layer.fields.append
        for id, shift, mask, scale, form, digits, octets, first, bit, bits in header.plan:
            part = ((number >> shift) & mask) * scale
            value: int | str | bytes = part
            if form is Form.DECIMAL:
                text = str(part)
            elif form is Form.FLAG:
                text = "1" if part else "0"
            else:
                value, text = show(form, part, octets, digits)
            add(FieldValue(id, value, text, base + first, bit, bits))
        self.at = base + header.octets
        return True

    def cut(self, header: Header) -> None:
        """Read what is there of a header that is cut; the field where it ends has bits and no value."""
        base, end = self.at, max(self.end, self.at)
        for place in header.places:
            start = base * 8 + place.start
            beyond = start + place.width - end * 8
            spec = place.field
            if beyond <= 0:
                first = base + place.first_octet
                raw = int.from_bytes(self.octets[first : first + place.octets], "big")
                number = (raw >> place.shift) & ((1 << place.width) - 1)
                value, text = show(spec.form, number * spec.scale, place.octets, spec.digits)
                self.layer.fields.append(FieldValue(spec.id, value, text, start // 8, start % 8, spec.bits))
            elif spec.bits and start < end * 8:
                bits = place.width - beyond
                self.layer.fields.append(FieldValue(spec.id, None, "", start // 8, start % 8, bits))
        self.at = end
        self.problem(f"{header.protocol}.header-cut", promised=header.octets, present=end - base)

    def add(self, id: str, octets: int, form: Form = Form.DECIMAL, *, digits: int = 0, scale: int = 1) -> int | None:
        """Read a field of whole octets at ``at`` and move on; return its number, None where it is cut."""
        start = self.at
        present = min(octets, self.left)
        if present <= 0:
            return None if octets else 0
        self.at += present
        if present < octets and form is not Form.OCTETS:
            self.layer.fields.append(FieldValue(id, None, "", start, 0, present * 8))
            return None
        number = int.from_bytes(self.octets[start : start + present], "big")
        value, text = show(form, number * scale, present, digits or 2 * octets)
        self.layer.fields.append(FieldValue(id, value, text, start, 0, present * 8))
        return number * scale

    def bits(self, octets: int, *fields: tuple[str, int, Form]) -> None:
        """Read ``octets`` at ``at`` cut into fields of some bits each and move on; nothing where they are cut."""
        start = self.at
        if self.left < octets:
            self.rest(fields[0][0])
            return
        number = int.from_bytes(self.octets[start : start + octets], "big")
        bit = 0
        for id, width, form in fields:
            part = (number >> (octets * 8 - bit - width)) & ((1 << width) - 1)
            value, text = show(form, part, octets, 2 * octets)
            self.layer.fields.append(FieldValue(id, value, text, start + bit // 8, bit % 8, width))
            bit += width
        self.at += octets

    def rest(self, id: str, end: int | None = None) -> None:
        """List what is left before ``end`` as one field of octets without a value of its own (a cut field)."""
        stop = self.end if end is None else min(end, self.end)
        if stop > self.at:
            self.layer.fields.append(FieldValue(id, None, "", self.at, 0, (stop - self.at) * 8))
            self.at = stop

    def derive(self, id: str, value: int | str | bytes, text: str | None = None, offset: int | None = None) -> None:
        """Add a parent or derived value: it has no bits of its own."""
        shown = text if text is not None else value.hex() if isinstance(value, bytes) else str(value)
        place = self.layer.offset if offset is None else offset
        self.layer.fields.append(FieldValue(id, value, shown, place, 0, 0))

    def carry(self, space: str, number: int, length: int | None = None, *, quoted: bool | None = None) -> None:
        """Say what follows at ``at``: its number in a number space, and its octets on the wire."""
        self.following = (space, number)
        self.following_end = self.wire_end if length is None else min(self.wire_end, self.at + length)
        self.following_quoted = self.quoted if quoted is None else quoted

    def carry_by_port(self, space: str, source: int, destination: int, length: int) -> None:
        """Say what follows at ``at`` by two ports: the lower one that we know decides, as in tshark."""
        from sniffkit.protocols import find

        low, high = min(source, destination), max(source, destination)
        number = high if find(space, low) is None and find(space, high) is not None else low
        self.carry(space, number, length)
        self.following_ports = (source, destination)

    def bound(self, length: int) -> None:
        """Say how many octets follow at ``at`` by this layer's length field, though not of which protocol."""
        self.following_end = min(self.wire_end, self.at + max(length, 0))

    def message(self, messages: Messages) -> Header | None:
        """Read the shape that the selector's value gives the rest of the header; return it if it is wholly there."""
        shape = messages.shape(self.value(messages.selector), self.value(messages.code) if messages.code else 0)
        return shape if shape is not None and self.fixed(shape) else None


def read_packet(octets: bytes, link_type: int, length: int) -> Packet:
    """Read a packet's layers.

    octets: as captured; link_type: LINKTYPE number; length: octets on the wire. Never raises: what is odd or missing
    stands in the layers' ``problems``.
    """
    from sniffkit.protocols.beyond import read_rest

    packet = Packet()
    place = Place(0, max(length, len(octets)), ("link", link_type))
    frame_end = None
    while True:
        frame_end = read_layers(packet, octets, place, frame_end)
        if len(packet.layers) >= DEEPEST:
            packet.layers[-1].problems.append(Problem("packet.too-deep", {"layers": DEEPEST}))
            break
        back = read_rest(packet, octets, place.start, min(len(octets), place.wire_end), place.following)
        if back is None:
            break
        place.start, place.following = back
    if frame_end is not None and frame_end < len(octets):
        packet.layers.append(trailer(packet, octets, frame_end, length))
    return packet


@dataclass(slots=True)
class Place:
    """How far a packet is read: where the next layer begins, its end on the wire, what it is (None: nobody knows)."""

    start: int
    wire_end: int
    following: tuple[str, int] | None
    quoted: bool = False


def read_layers(packet: Packet, octets: bytes, place: Place, frame_end: int | None) -> int | None:
    """Read layers by our tables as far as they go, move ``place`` on; return where the packet in the frame ends.

    frame_end: where it ends as far as that is known; beyond stand padding or a trailer of the frame.
    """
    from sniffkit.protocols import find

    while place.following is not None and len(packet.layers) < DEEPEST:
        protocol = find(*place.following)
        if protocol is None:
            break
        start, wire_end = place.start, place.wire_end
        if start >= min(len(octets), wire_end) and packet.layers:
            if start < wire_end and not place.quoted:
                packet.layers[-1].problems.append(Problem("packet.next-missing", {"protocol": protocol.name}))
            place.following = None
            break
        layer = Layer(protocol.layer or protocol.name, start)
        end = min(len(octets), wire_end)
        reader = Reader(octets, start, end, wire_end, place.quoted, packet, layer, protocol.header, at=start)
        reader.following_end = wire_end
        packet.layers.append(layer)
        if reader.fixed(protocol.start or protocol.header):
            protocol.read(reader)
        layer.length = reader.at - start
        layer.payload_offset = reader.at
        layer.payload_length = max(min(reader.following_end, len(octets)) - reader.at, 0)
        if frame_end is None and protocol.bounds_frame:
            # the first network layer decides; Ethernet and VLAN only where they have a length and it is shorter
            network = protocol.name in NETWORK
            frame_end = reader.following_end if network or reader.following_end < wire_end else None
        place.start, place.wire_end = reader.at, reader.following_end
        place.following, place.quoted = reader.following, reader.following_quoted
    return frame_end


NETWORK = ("ip", "ipv6", "arp")


def trailer(packet: Packet, octets: bytes, start: int, length: int) -> Layer:
    """Make a layer of what a frame has behind the packet it carries: padding up to 60 octets, and anything else.

    Nothing says whether a capture kept the frame check sequence; as tshark does, four octets at the end of a frame
    that has more than it needs are taken for it.
    """
    layer = Layer("trailer", start, len(octets) - start, payload_offset=len(octets))
    ethernet = packet.layers[0].protocol == "eth"
    padding = octets[start:SMALLEST_FRAME] if ethernet else b""
    if padding.strip(b"\0"):
        padding = b""
    rest = octets[start + len(padding) :]
    checked = ethernet and len(octets) == length >= SMALLEST_FRAME + 4 and len(rest) >= 4
    check = rest[-4:] if checked else b""
    for id, raw in (("eth.padding", padding), ("eth.trailer", rest[: len(rest) - len(check)])):
        if raw:
            layer.fields.append(FieldValue(id, raw, raw.hex(), start, 0, 8 * len(raw)))
            start += len(raw)
    if check:
        layer.fields.append(FieldValue("eth.fcs", int.from_bytes(check, "big"), f"0x{check.hex()}", start, 0, 32))
    return layer
