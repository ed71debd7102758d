"""UDP: ports and a checksum, and otherwise the datagram as it is."""

from __future__ import annotations

from functools import cache
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


NAME_PORT, NAME_HEADER = 53, 12

OTHERS = (67, 68, 69, 88, 111, 123, 137, 138, 161, 162, 389, 464, 500, 514, 520, 546, 547, 1900, 3702, 4500, 5060)
"""Ports of well-known protocols that we do not read and that Wireshark does: what they carry is not guessed at."""


def about_names(flags: Any, questions: Any, answers: Any, authorities: Any, additionals: Any) -> Any:
    """Tell whether words that would be the header of a DNS message make sense as one (Wireshark's own rule).

    On any port: a question asks for one name, an answer repeats at most one and has no absurd number of records.
    """
    question = (flags & 0x8000 == 0) & (questions == 1) & (answers == 0) & (authorities == 0) & (additionals <= 2)
    answer = (flags & 0x8000 != 0) & (questions <= 1) & (answers <= 100) & (authorities <= 10) & (additionals <= 10)
    return (flags & 0x7800 == 0) & (question | answer)


def read(reader: Reader) -> None:
    """Say what the datagram carries, by its ports."""
    from sniffkit.protocols import find

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
    unknown = all(find("udp.port", port) is None and port not in OTHERS for port in (source, destination))
    if unknown and reader.left > NAME_HEADER:
        words = [reader.number(HEADER.octets + place, 2) for place in range(2, NAME_HEADER, 2)]
        if payload > NAME_HEADER and about_names(*words):
            reader.carry("udp.guess", NAME_PORT, payload)


def payload_length(columns: Columns) -> NDArray[Any]:
    """Return how many octets each datagram carries, int64; -1 where that is unknown."""
    rows = columns.rows("udp")
    length = columns["udp.length"].astype("i8")
    length[length == 0] = rows.length[length == 0]
    length = length.clip(max=rows.length) - HEADER.octets
    length[rows.quoted | (length < 0)] = -1
    return length


def step(headers: Headers) -> list[Carried]:
    """Say what each datagram carries: by its lower port first, as tshark does, then by the other; or it may be DNS."""
    import numpy as np

    from sniffkit.protocols.walk import codes_of

    length = headers.field("udp.length").astype("i8")
    length[length == 0] = headers.length[length == 0]
    source, destination = headers.field("udp.srcport"), headers.field("udp.dstport")
    carried = [Carried("udp.port", (source, destination), HEADER.octets, length - HEADER.octets)]
    unknown = (codes_of(carried[0], len(headers)) == 0) & (np.minimum(headers.present, length) > 8 + NAME_HEADER)
    spoken = _others()
    at = np.flatnonzero(unknown & ~(spoken[source] | spoken[destination]))
    if len(at):
        some = headers.select(at)
        guessed = about_names(*(some.word(HEADER.octets + place) for place in range(2, NAME_HEADER, 2)))
        if guessed.any():
            where = np.zeros(len(headers), np.bool_)
            where[at[guessed]] = True
            carried.append(Carried("udp.guess", NAME_PORT, HEADER.octets, length - HEADER.octets, where))
    return carried


@cache
def _others() -> NDArray[Any]:
    """Return for every port whether it is one of OTHERS, bool (65536,): quicker to ask than a list."""
    import numpy as np

    table = np.zeros(1 << 16, np.bool_)
    table[list(OTHERS)] = True
    return table


PROTOCOL = Protocol(
    "udp",
    HEADER,
    {"ip.proto": (17,)},
    read,
    step,
    derived={"udp.payload_length": payload_length},
)
