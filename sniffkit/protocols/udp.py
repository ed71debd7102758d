"""UDP: ports and a checksum, and otherwise the datagram as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.protocols.header import Field, Header, hexadecimal
from sniffkit.protocols.protocol import Carried, Headers, Protocol
from sniffkit.protocols.pseudo import verify

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns
    from sniffkit.protocols.packet import Reader

HEADER = Header(
    "udp",
    "RFC 768",
    (
        Field("udp.srcport", 16),
        Field("udp.dstport", 16),
        Field("udp.length", 16),
        hexadecimal("udp.checksum", 16),
    ),
)


def read(reader: Reader) -> None:
    """Say what the datagram carries, by its ports."""
    length, available = reader.value("udp.length"), reader.wire_end - reader.start
    if length == 0:
        reader.problem("udp.length-zero", present=available)
        length = available
    elif length < HEADER.octets:
        reader.problem("udp.length-short", value=length, least=HEADER.octets)
        reader.bound(0)
        return
    elif length > available and not reader.quoted:
        reader.problem("udp.length-beyond", promised=length, present=available, field="udp.length")
    verify(reader, "udp.checksum", 17, min(length, available))
    payload = min(length, available) - HEADER.octets
    source, destination = reader.value("udp.srcport"), reader.value("udp.dstport")
    reader.carry_by_port("udp.port", source, destination, payload)


def payload_length(columns: Columns) -> NDArray[Any]:
    """Return how many octets each datagram carries, int64; -1 where that is unknown."""
    rows = columns.rows("udp")
    length = columns["udp.length"].astype("i8")
    length[length == 0] = rows.length[length == 0]
    length = length.clip(max=rows.length) - HEADER.octets
    length[rows.quoted | (length < 0)] = -1
    return length


def step(headers: Headers) -> list[Carried]:
    """Say what each datagram carries: by its lower port first, as tshark does, then by the other."""
    length = headers.field("udp.length").astype("i8")
    length[length == 0] = headers.length[length == 0]
    source, destination = headers.field("udp.srcport"), headers.field("udp.dstport")
    return [Carried("udp.port", (source, destination), HEADER.octets, length - HEADER.octets)]


PROTOCOL = Protocol(
    "udp",
    HEADER,
    {"ip.proto": (17,)},
    read,
    step,
    derived={"udp.payload_length": payload_length},
)
