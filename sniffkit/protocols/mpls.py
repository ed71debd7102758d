"""MPLS: a stack of labels between the link layer and the packet, by which routers forward without reading it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.protocols.header import Field, Header, flag
from sniffkit.protocols.protocol import Carried, Headers, Protocol

if TYPE_CHECKING:
    from sniffkit.protocols.packet import Reader

HEADER = Header(
    "mpls",
    "RFC 3032 section 2.1",
    (Field("mpls.label", 20), Field("mpls.exp", 3), flag("mpls.bottom"), Field("mpls.ttl", 8)),
)


CONTROL_WORD = Header(
    "pwethcw",
    "RFC 4448 section 4.6",
    (Field("pweth.cw.bits03", 4), Field("pweth.cw.reserved", 12), Field("pweth.cw.sequence_number", 16)),
)
FRAME_TYPES = (0x0800, 0x0806, 0x8100, 0x86DD, 0x88A8, 0x8847, 0x8864)
"""Nothing says that an Ethernet frame stands below the labels: one of these at its place does."""


def read(reader: Reader) -> None:
    """Another label follows, or below the last one a packet: nothing but its first four bits says which."""
    if not reader.value("mpls.bottom"):
        reader.carry("mpls", 0)
    elif reader.left:
        first = reader.octets[reader.at] >> 4
        if first == 0 and reader.number(HEADER.octets + 16, 2) in FRAME_TYPES:
            reader.carry("mpls.below", 1)
        elif first not in (4, 6) and reader.number(HEADER.octets + 12, 2) in FRAME_TYPES:
            reader.carry("ethernet", 0)
        else:
            reader.carry("ip.version", first)


def step(headers: Headers) -> list[Carried]:
    """Say what follows each label."""
    import numpy as np

    bottom, first = headers.field("mpls.bottom").astype(bool), headers.octet(4) >> 4
    controlled = bottom & (first == 0) & np.isin(headers.word(20), FRAME_TYPES)
    bare = bottom & ~controlled & (first != 4) & (first != 6) & np.isin(headers.word(16), FRAME_TYPES)
    return [
        Carried("mpls", 0, HEADER.octets, where=~bottom),
        Carried("mpls.below", 1, HEADER.octets, where=controlled),
        Carried("ethernet", 0, HEADER.octets, where=bare),
        Carried("ip.version", first, HEADER.octets, where=bottom & ~bare),
    ]


def read_frame(reader: Reader) -> None:
    """An Ethernet frame follows."""
    reader.carry("ethernet", 0)


def step_frame(headers: Headers) -> list[Carried]:
    """Behind each control word follows an Ethernet frame."""
    return [Carried("ethernet", 0, CONTROL_WORD.octets)]


PROTOCOL = Protocol("mpls", HEADER, {"eth.type": (0x8847, 0x8848), "mpls": (0,), "ppp": (0x0281, 0x0283)}, read, step)
PSEUDOWIRE = Protocol("pwethcw", CONTROL_WORD, {"mpls.below": (1,)}, read_frame, step_frame)
