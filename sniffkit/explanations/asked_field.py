"""What a reason is made from: the field asked about, its packet, and what the analysis knows of that packet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

if TYPE_CHECKING:
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.protocols.packet import FieldValue, Layer, Packet

NOT_USED = -2
UNKNOWN = -1
"""``window_scale`` where it is no shift: scaling is not used, or the SYN was not captured."""


class FieldFacts(TypedDict, total=False):
    """What may be known of a packet beyond its octets; every key may be missing.

    sender:           "client" or "server": who sent this TCP segment or UDP datagram
    phase, steps:     as in CONTRACT.md; marks: tshark's names without ``tcp.analysis.``
    client, server:   that end's state before and after
    relative_seq, relative_ack, next_seq: counted from each direction's initial number
    payload_length:   octets of data
    window_scaled:    octets, None where the scale is unknown; window_scale: shift, UNKNOWN or NOT_USED
    acked_packet, acked_rtt_ns: which packet this one answers, and after how long
    ack_previous:     relative ack of this end's segment before; ack_advance: octets newly acknowledged
    analysed:         what tcp.analysis.* says of it: id, value and the value's text
    checksum_...:     "good", "bad", "offload" or "unchecked"
    vendor_...:       who made the card with that address
    """

    stream: int
    sender: str
    phase: str
    steps: tuple[str, ...]
    marks: tuple[str, ...]
    client: tuple[str, str]
    server: tuple[str, str]
    relative_seq: int
    relative_ack: int
    next_seq: int
    payload_length: int
    window_scaled: int | None
    window_scale: int
    acked_packet: int
    acked_rtt_ns: int
    ack_previous: int
    ack_advance: int
    analysed: tuple[tuple[str, int, str], ...]
    checksum_ip: str
    checksum_tcp: str
    checksum_udp: str
    checksum_icmp: str
    checksum_icmpv6: str
    vendor_eth_src: str
    vendor_eth_dst: str


class Meaning(NamedTuple):
    """A value that the catalogue puts into words: what ``number`` means in a field, or a text's part."""

    key: str
    number: int | None = None

    def told(self, catalogue: Catalogue) -> str:
        """Return the words; a number without words stays a number."""
        if self.number is None:
            return catalogue.text(self.key, "name")
        return catalogue.value(self.key, self.number) or str(self.number)

    @property
    def known(self) -> bool:
        """Tell whether the catalogue has words for the number."""
        from sniffkit.explanations.catalogue import Catalogue

        return self.number is not None and Catalogue("en").value(self.key, self.number) is not None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a field has its value here: a key of texts/field_reasons.toml and what fills its blanks."""

    key: str
    values: dict[str, object] = field(default_factory=dict)

    def told(self, catalogue: Catalogue) -> str:
        """Return the sentence in the catalogue's language."""
        values = {
            name: value.told(catalogue) if isinstance(value, Meaning) else value for name, value in self.values.items()
        }
        return catalogue.text(self.key, "text", **values)


def because(key: str, **values: object) -> Reason:
    """Return the reason ``reason.<key>``."""
    return Reason(f"reason.{key}", values)


@dataclass(frozen=True, slots=True)
class Asked:
    """One field of one packet, asked about."""

    field: FieldValue
    layer: Layer
    packet: Packet
    facts: FieldFacts

    @property
    def id(self) -> str:
        """The field's id."""
        return self.field.id

    @property
    def value(self) -> Any:
        """The field's value; None where it was cut."""
        return self.field.value

    @property
    def number(self) -> int:
        """The field's value as a number, 0 where it is none."""
        return self.field.value if isinstance(self.field.value, int) else 0

    def beside(self, id: str) -> int | None:
        """Return another number of the same layer, None where it is missing."""
        found = self.layer.first(id)
        return found.value if found is not None and isinstance(found.value, int) else None

    def written(self, id: str) -> str:
        """Return the text of another field of the same layer, "" where it is missing."""
        found = self.layer.first(id)
        return found.text if found is not None else ""

    def inside(self) -> Layer | None:
        """Return the layer that this one carries."""
        layers = self.packet.layers
        place = next(place for place, layer in enumerate(layers) if layer is self.layer)
        return layers[place + 1] if place + 1 < len(layers) else None

    def noted(self, id: str, value: str) -> Any:
        """Return a value of a problem noted in this layer, None where it was not noted."""
        return next((problem.values.get(value) for problem in self.layer.problems if problem.id == id), None)
