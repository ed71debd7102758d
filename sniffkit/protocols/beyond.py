"""Every protocol that has no table of ours: octets for now."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sniffkit.protocols.packet import Packet


def read_rest(packet: Packet, octets: bytes, start: int, end: int, following: tuple[str, int] | None) -> None:
    """Read what no table of ours reads; add its layers to ``packet``."""
    from sniffkit.protocols.packet import FieldValue, Layer

    if end > start:
        raw = octets[start:end]
        value = FieldValue("data.data", raw, raw.hex(), start, 0, 8 * len(raw))
        packet.layers.append(Layer("data", start, len(raw), [value], [], end, 0))
