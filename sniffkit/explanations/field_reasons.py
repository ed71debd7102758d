"""Why this field has this value here: a function a field, from the packet and what is known of it to a sentence's key.

``field_reason("tcp.hdr_len", packet)`` gives ``Reason("reason.tcp.header-length.options", {"words": 8, ...})``, whose
text stands in texts/field_reasons.toml. A field without anything particular to say has no reason (None).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sniffkit.explanations.asked_field import Asked, FieldFacts, Reason
from sniffkit.explanations.ip_field_reasons import IP_REASONS
from sniffkit.explanations.link_field_reasons import LINK_REASONS
from sniffkit.explanations.message_field_reasons import MESSAGE_REASONS
from sniffkit.explanations.tcp_field_reasons import TCP_REASONS

if TYPE_CHECKING:
    from sniffkit.protocols.packet import FieldValue, Layer, Packet

REASONS: dict[str, Callable[[Asked], Reason | None]] = {
    **LINK_REASONS,
    **IP_REASONS,
    **TCP_REASONS,
    **MESSAGE_REASONS,
}
"""Which function knows the reason of a field."""


def field_reason(
    id: str,
    packet: Packet,
    facts: FieldFacts | None = None,
    *,
    layer: Layer | None = None,
    field: FieldValue | None = None,
) -> Reason | None:
    """Return why a field has its value in this packet, None where there is nothing particular to say.

    id:    the field's id; its first occurrence is meant unless layer and field say which one (tunnels, SACK blocks)
    facts: what the analysis knows of this packet; it belongs to the outermost segment, so pass none for a packet
           quoted in an ICMP error or carried in a tunnel
    """
    found = REASONS.get(id)
    if found is None:
        return None
    if layer is None:
        layer = next((layer for layer in packet.layers if layer.first(id) is not None), None)
    if layer is None:
        return None
    field = field or layer.first(id)
    return None if field is None else found(Asked(field, layer, packet, facts or FieldFacts()))
