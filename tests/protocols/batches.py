"""Batches of packets made by hand, and what a packet's layers cover, for tests that need no file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sniffkit.protocols.packet import Layer, Packet
from sniffkit.sources.batch import GUARD, Batch


def batch_of(packets: Sequence[bytes], link_type: int = 1, lengths: Sequence[int] | None = None) -> Batch:
    """A batch of whole packets, or of packets that were longer on the wire by ``lengths``."""
    captured = np.array([len(packet) for packet in packets], np.int64)
    return Batch(
        octets=np.frombuffer(b"".join(packets) + bytes(GUARD), np.uint8),
        offset=np.cumsum(captured) - captured,
        captured=captured,
        length=captured if lengths is None else np.array(lengths, np.int64),
        time_ns=np.arange(len(packets), dtype=np.int64),
        link_type=np.full(len(packets), link_type, np.int32),
        interface=np.zeros(len(packets), np.int32),
    )


def uncovered(layer: Layer) -> str:
    """What is wrong with the bits of a layer's fields: "" if each bit of its header is in one field and no other."""
    at = layer.offset * 8
    for field in sorted((one for one in layer.fields if one.bits), key=lambda one: one.offset * 8 + one.bit):
        if field.offset * 8 + field.bit != at:
            return f"{layer.protocol}: {field.id} begins at bit {field.offset * 8 + field.bit}, not at {at}"
        at += field.bits
    end = (layer.offset + layer.length) * 8
    return "" if at == end else f"{layer.protocol}: fields end at bit {at}, the header at {end}"


def texts(packet: Packet, id: str) -> list[str]:
    """All texts of a field in a packet."""
    return [field.text for layer in packet.layers for field in layer.fields if field.id == id]
