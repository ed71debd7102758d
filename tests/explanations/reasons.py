"""Asks for a field's reason in a packet that Scapy makes, and says it in both languages."""

from __future__ import annotations

from typing import Any

from sniffkit.explanations.asked_field import FieldFacts, Reason
from sniffkit.explanations.catalogue import Catalogue
from sniffkit.explanations.field_reasons import field_reason
from sniffkit.protocols.packet import Packet, read_packet

ETHERNET, RAW = 1, 101


def made(layers: Any, link_type: int | None = None) -> Packet:
    """Return a Scapy packet as sniffkit reads it; its checksums are right unless they were set."""
    octets = bytes(layers)
    return read_packet(octets, link_type or (ETHERNET if layers.name == "Ethernet" else RAW), len(octets))


def reason(id: str, layers: Any, **facts: Any) -> Reason | None:
    """Return the reason of a field."""
    return field_reason(id, made(layers), FieldFacts(**facts))


def told(id: str, layers: Any, **facts: Any) -> str:
    """Return the reason in English; it must be there, and Chinese must be able to say it too."""
    found = reason(id, layers, **facts)
    assert found is not None, f"{id}: no reason"
    chinese = found.told(Catalogue("zh"))
    assert "{" not in chinese
    return found.told(Catalogue("en"))
