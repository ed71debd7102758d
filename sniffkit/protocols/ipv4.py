"""IPv4: carries a packet from network to network, from one address to another, as best it can."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from sniffkit.protocols.checksum import Checksum, internet_checksum
from sniffkit.protocols.header import Field, Form, Header, flag, hexadecimal, parent
from sniffkit.protocols.protocol import Carried, Headers, Options, Protocol

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns
    from sniffkit.protocols.packet import Layer, Reader


class OptionKind(IntEnum):
    """The whole first octet of an option: copied flag, class and number (RFC 791 section 3.1)."""

    END = 0
    NO_OPERATION = 1
    RECORD_ROUTE = 7
    TIMESTAMP = 68
    LOOSE_SOURCE_ROUTE = 131
    STRICT_SOURCE_ROUTE = 137
    ROUTER_ALERT = 148


HEADER = Header(
    "ip",
    "RFC 791 section 3.1; RFC 2474, RFC 3168 (DS field, ECN)",
    (
        Field("ip.version", 4),
        Field("ip.hdr_len", 4, scale=4),
        parent("ip.dsfield", 8, 2),
        Field("ip.dsfield.dscp", 6),
        Field("ip.dsfield.ecn", 2),
        Field("ip.len", 16),
        hexadecimal("ip.id", 16),
        parent("ip.flags", 3, 2),
        flag("ip.flags.rb"),
        flag("ip.flags.df"),
        flag("ip.flags.mf"),
        Field("ip.frag_offset", 13),  # in units of 8 octets, as tshark 4.0 prints it
        Field("ip.ttl", 8),
        Field("ip.proto", 8),
        hexadecimal("ip.checksum", 16),
        Field("ip.src", 32, Form.IPV4),
        Field("ip.dst", 32, Form.IPV4),
    ),
)


def read(reader: Reader) -> None:
    """Read the options and say what the packet carries."""
    version, header_octets = reader.value("ip.version"), reader.value("ip.hdr_len")
    if version == 6:
        # announced as IPv4, but it is IPv6, and is read as such (in Wireshark, too)
        reader.layer.fields.clear()
        reader.at = reader.start
        reader.carry("ip.version", 6)
        return
    if version != 4:
        reader.problem("ip.version-wrong", value=version, expected=4)
        return
    if header_octets < HEADER.octets:
        reader.problem("ip.header-short", promised=header_octets, least=HEADER.octets, field="ip.hdr_len")
        return
    available = reader.wire_end - reader.start
    total = reader.value("ip.len")
    if total == 0:
        reader.problem("ip.length-zero", present=available)
        total = available
    elif total < header_octets:
        reader.problem("ip.length-below-header", value=total, header=header_octets)
        reader.bound(0)
        return
    elif total > available and not reader.quoted:
        reader.problem("ip.length-beyond", promised=total, present=available, field="ip.len")
    total = min(total, available)
    options_end = reader.start + header_octets
    if header_octets > HEADER.octets:
        read_options(reader, min(options_end, reader.end))
    if options_end > reader.end:
        present = reader.end - reader.start
        reader.problem("ip.header-cut", promised=header_octets, present=present, field="ip.hdr_len")
        return
    verify(reader)
    offset, more = reader.value("ip.frag_offset"), reader.value("ip.flags.mf")
    payload = total - header_octets
    if offset or more:
        reader.problem("ip.fragment", offset=offset * 8, more=more)
    # a first fragment's transport header is read only where the fragment was cut, so that it can never be put together
    if not offset and (not more or reader.end - reader.start < total):
        reader.carry("ip.proto", reader.value("ip.proto"), payload, quoted=reader.quoted or bool(more))
    else:
        reader.bound(payload)


def verify(reader: Reader) -> None:
    """Compute the header checksum; note it where it does not fit."""
    result = reader.layer.checksum = checksum(reader.octets, reader.layer)
    if result is not None and result.state == 0:
        reader.problem("ip.checksum-bad", value=result.value, expected=result.expected)


def checksum(octets: bytes, layer: Layer) -> Checksum | None:
    """Return the header checksum of an IPv4 layer and what it should be; None where the header is cut."""
    length, found = layer.first("ip.hdr_len"), layer.first("ip.checksum")
    if found is None or length is None or not isinstance(length.value, int) or not isinstance(found.value, int):
        return None
    header = octets[layer.offset : layer.offset + length.value]
    if len(header) < max(length.value, HEADER.octets):
        return None
    return Checksum("ip.checksum", found.value, internet_checksum(header[:10] + b"\0\0" + header[12:]))


def read_options(reader: Reader, end: int) -> None:
    """Read options up to ``end`` (RFC 791 section 3.1)."""
    while reader.at < end:
        start = reader.at
        kind = reader.octets[start]
        reader.derive("ip.opt.type", kind, offset=start)
        reader.bits(
            1,
            ("ip.opt.type.copy", 1, Form.FLAG),
            ("ip.opt.type.class", 2, Form.DECIMAL),
            ("ip.opt.type.number", 5, Form.DECIMAL),
        )
        if kind == OptionKind.NO_OPERATION:
            continue
        if kind == OptionKind.END:
            reader.add("ip.opt.padding", end - reader.at, Form.OCTETS)
            return
        if reader.at >= end:
            reader.problem("ip.option-cut", kind=kind, offset=start)
            return
        length = reader.add("ip.opt.len", 1) or 0
        if length < 2 or start + length > end:
            reader.problem("ip.option-length", kind=kind, value=length, present=end - start, offset=start)
            reader.add("ip.opt.data", end - reader.at, Form.OCTETS)
            return
        read_option(reader, kind, start + length)


def read_option(reader: Reader, kind: int, end: int) -> None:
    """Read one option's value."""
    routes = {
        OptionKind.RECORD_ROUTE: "ip.rec_rt",
        OptionKind.LOOSE_SOURCE_ROUTE: "ip.src_rt",
        OptionKind.STRICT_SOURCE_ROUTE: "ip.src_rt",
    }
    if kind in routes and reader.at < end:
        start = reader.at - 3 + 1
        pointer = reader.add("ip.opt.ptr", 1) or 0
        while end - reader.at >= 4:
            # the pointer counts octets from the option's first, which is 1; from there on the slots are still empty
            used = reader.at - start + 2 < pointer
            name = routes[OptionKind(kind)]
            if not used:
                name = "ip.empty_rt" if kind == OptionKind.RECORD_ROUTE else name
            reader.add(name, 4, Form.IPV4)
    elif kind == OptionKind.ROUTER_ALERT and end - reader.at == 2:
        reader.add("ip.opt.ra", 2)
    elif kind == OptionKind.TIMESTAMP and end - reader.at >= 2:
        reader.add("ip.opt.ptr", 1)
        flags = reader.octets[reader.at] & 15
        reader.bits(1, ("ip.opt.overflow", 4, Form.DECIMAL), ("ip.opt.flag", 4, Form.HEX))
        while end - reader.at >= (8 if flags else 4):
            if flags:
                reader.add("ip.opt.time_stamp_addr", 4, Form.IPV4)
            reader.add("ip.opt.time_stamp", 4)
    reader.add("ip.opt.data", end - reader.at, Form.OCTETS)


def valid(headers: Headers) -> NDArray[Any]:
    """Tell which headers say version 4 and a length a header can have."""
    first = headers.first_octet()
    return (first >= 0x45) & (first <= 0x4F)


def step(headers: Headers) -> list[Carried]:
    """Say what each packet carries: nothing for a fragment, until fragments are put together."""
    total = headers.field("ip.len").astype("i8")
    header_octets = headers.field("ip.hdr_len").astype("i8")
    unsaid = total == 0
    if unsaid.any():
        total[unsaid] = headers.length[unsaid]
    fragment = headers.field("ip.flags.mf").astype(bool) | (headers.field("ip.frag_offset") > 0)
    number = headers.field("ip.proto")
    if not fragment.any():
        return [Carried("ip.proto", number, header_octets, total - header_octets)]
    # tshark reads a first fragment's transport header only where the fragment was cut and can't be reassembled
    cut_first = fragment & (headers.field("ip.frag_offset") == 0) & (headers.present < total)
    return [
        Carried("ip.proto", number, header_octets, total - header_octets, ~fragment),
        Carried("ip.proto", number, header_octets, total - header_octets, cut_first, quoted=True),
    ]


def options(columns: Columns) -> Options:
    """Find every option of every IPv4 header of a batch."""
    return columns.walk_options("ip", columns["ip.hdr_len"])


PROTOCOL = Protocol(
    "ip",
    HEADER,
    {"eth.type": (0x0800,), "ip.proto": (4,), "llc.dsap": (6,), "ppp": (0x0021,), "ip.version": (4,)},
    read,
    step,
    valid,
    options=options,
    bounds_frame=True,
)
