"""TCP: a numbered stream of octets in each direction, opened by a handshake and acknowledged on the way."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from sniffkit.protocols.header import Field, Form, Header, flag, hexadecimal, parent
from sniffkit.protocols.protocol import Carried, Headers, OptionField, Options, Protocol
from sniffkit.protocols.pseudo import verify
from sniffkit.protocols.tcp_options import OptionKind, read_options

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns
    from sniffkit.protocols.packet import Reader


class Flag(IntEnum):
    """The control bits as they stand in ``tcp.flags`` (RFC 9293 section 3.1; AE: RFC 9768)."""

    FIN = 0x001
    SYN = 0x002
    RST = 0x004
    PSH = 0x008
    ACK = 0x010
    URG = 0x020
    ECE = 0x040
    CWR = 0x080
    AE = 0x100


HEADER = Header(
    "tcp",
    "RFC 9293 section 3.1; RFC 3168 (CWR, ECE), RFC 9768 (AE)",
    (
        Field("tcp.srcport", 16),
        Field("tcp.dstport", 16),
        Field("tcp.seq_raw", 32),
        Field("tcp.ack_raw", 32),
        Field("tcp.hdr_len", 4, scale=4),
        parent("tcp.flags", 12, 4),
        Field("tcp.flags.res", 3, Form.FLAG),
        flag("tcp.flags.ae"),
        flag("tcp.flags.cwr"),
        flag("tcp.flags.ece"),
        flag("tcp.flags.urg"),
        flag("tcp.flags.ack"),
        flag("tcp.flags.push"),
        flag("tcp.flags.reset"),
        flag("tcp.flags.syn"),
        flag("tcp.flags.fin"),
        Field("tcp.window_size_value", 16),
        hexadecimal("tcp.checksum", 16),
        Field("tcp.urgent_pointer", 16),
    ),
)


def read(reader: Reader) -> None:
    """Read the options and the length of the data."""
    header_octets, available = reader.value("tcp.hdr_len"), reader.wire_end - reader.start
    if header_octets < HEADER.octets:
        reader.problem("tcp.header-short", promised=header_octets, least=HEADER.octets, field="tcp.hdr_len")
        reader.bound(0)
        return
    if not reader.quoted and header_octets <= available:
        verify(reader, "tcp.checksum", 6, available)
    end = reader.start + header_octets
    if header_octets > HEADER.octets:
        read_options(reader, min(end, reader.end))
    if end > reader.end:
        present = reader.end - reader.start
        reader.problem("tcp.header-cut", promised=header_octets, present=present, field="tcp.hdr_len")
        return
    if reader.quoted:
        return
    reader.derive("tcp.len", available - header_octets)
    if available > header_octets:
        source, destination = reader.value("tcp.srcport"), reader.value("tcp.dstport")
        reader.carry_by_port("tcp.port", source, destination, available - header_octets)


def step(headers: Headers) -> list[Carried]:
    """Mark segments whose header is longer than what the IP packet leaves: how much they carry is unknown."""
    too_long = headers.field("tcp.hdr_len") > headers.length
    if too_long.any():
        headers.quoted = too_long if headers.quoted is None else headers.quoted | too_long
    return []


def data_length(columns: Columns) -> NDArray[Any]:
    """Return ``tcp.len``, int64: octets of data; -1 where unknown (quoted, or a header length below 20)."""
    rows, header_octets = columns.rows("tcp"), columns["tcp.hdr_len"].astype("i8")
    length: NDArray[Any] = rows.length - header_octets
    length[rows.quoted | (header_octets < HEADER.octets)] = -1
    return length


def options(columns: Columns) -> Options:
    """Find every option of every TCP header of a batch."""
    return columns.walk_options("tcp", columns["tcp.hdr_len"])


PROTOCOL = Protocol(
    "tcp",
    HEADER,
    {"ip.proto": (6,)},
    read,
    step,
    derived={"tcp.len": data_length},
    options=options,
    sparse={
        "tcp.options.mss_val": OptionField(OptionKind.MAXIMUM_SEGMENT_SIZE, 2, 2, (4,)),
        "tcp.options.wscale.shift": OptionField(OptionKind.WINDOW_SCALE, 2, 1, (3,)),
        "tcp.options.sack_perm": OptionField(OptionKind.SACK_PERMITTED, 0, 2, (2,)),
        "tcp.options.sack_le": OptionField(OptionKind.SACK, 2, 4, every=8),
        "tcp.options.sack_re": OptionField(OptionKind.SACK, 6, 4, every=8),
        "tcp.options.timestamp.tsval": OptionField(OptionKind.TIMESTAMPS, 2, 4, (10,)),
        "tcp.options.timestamp.tsecr": OptionField(OptionKind.TIMESTAMPS, 6, 4, (10,)),
    },
)
