"""Segments: what the analysis needs of every TCP header of a batch, one array entry a header.

The rows stand in capture order. Everything the analysis of TCP does starts here, so it never asks where a header
came from: a file, an interface, a tunnel or a test.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns

FIN, SYN, RST, PSH, ACK, URG = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
"""Bits of ``flags`` (RFC 9293 section 3.1)."""

IPV4_MAPPED = 0xFFFF << 32
"""Lower half of ::ffff:0.0.0.0, under which IPv4 addresses stand (RFC 4291 section 2.5.5.2)."""

EXTENSIONS = frozenset({"ipv6.hopopts", "ipv6.dstopts", "ipv6.routing", "ipv6.fraghdr", "ah"})
"""Headers that stand between IP and the transport and have no addresses of their own."""


@dataclass(frozen=True, slots=True)
class Segments:
    """All TCP headers of a batch, in capture order; every array has one entry a header.

    row:              int64 (m,) index of the packet in its batch
    number:           int64 (m,) frame number, counted from 1 over the capture
    time_ns:          int64 (m,) nanoseconds since 1970-01-01 UTC, or NO_TIME
    source, destination: uint64 (m, 2) upper and lower half of the IPv6 address; IPv4 as ::ffff:a.b.c.d
    source_port, destination_port: uint16 (m,)
    sequence, acknowledgment: uint32 (m,) as in the header
    flags:            uint16 (m,) the twelve bits from the reserved ones to FIN
    window:           uint16 (m,) as in the header
    length:           int64 (m,) payload octets on the wire, -1 where unknown (quoted in an ICMP error, fragment,
                      header longer than the datagram)
    captured:         int64 (m,) payload octets that were captured
    header_ok:        bool (m,) the header length field is at least 20
    options_ok:       bool (m,) the header was captured to its end
    scale_shift:      int16 (m,) window scale option, -1 without (RFC 7323 section 2)
    mss:              int32 (m,) maximum segment size option, -1 without (RFC 9293 section 3.7.1)
    sack_permitted:   bool (m,) the SACK permitted option is there (RFC 2018 section 2)
    identification:   int32 (m,) identification of the IPv4 header, -1 under IPv6
    checksum:         uint16 (m,) as in the header
    """

    row: NDArray[np.int64]
    number: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    source: NDArray[np.uint64]
    destination: NDArray[np.uint64]
    source_port: NDArray[np.uint16]
    destination_port: NDArray[np.uint16]
    sequence: NDArray[np.uint32]
    acknowledgment: NDArray[np.uint32]
    flags: NDArray[np.uint16]
    window: NDArray[np.uint16]
    length: NDArray[np.int64]
    captured: NDArray[np.int64]
    header_ok: NDArray[np.bool_]
    options_ok: NDArray[np.bool_]
    scale_shift: NDArray[np.int16]
    mss: NDArray[np.int32]
    sack_permitted: NDArray[np.bool_]
    identification: NDArray[np.int32]
    checksum: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.row)

    def take(self, which: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Segments:
        """Return the segments at ``which`` (indices, a mask or a slice), in that order."""
        return replace(self, **{field.name: getattr(self, field.name)[which] for field in fields(self)})

    @classmethod
    def from_columns(cls, columns: Columns, *, options: bool = True) -> Segments:
        """Return the segments of a batch whose headers are columns already.

        options: read the TCP options, too; without, ``scale_shift``, ``mss`` and ``sack_permitted`` say there are none

        The addresses are those of the IP header directly before the TCP header, so a tunnel's segment belongs
        to the inner conversation.
        """
        rows = columns.rows("tcp")
        count = len(rows.row)
        batch = columns.batch
        header = columns["tcp.hdr_len"].astype(np.int64)
        length = rows.length - header
        unknown = rows.quoted | (length < 0)
        if unknown.any():
            length[unknown] = -1
        whole = rows.present is rows.length  # of no packet anything was cut off
        source, destination, identification = ip_ends(columns, rows.parent, rows.parent_index)
        return cls(
            row=rows.row,
            number=rows.row + batch.first,
            time_ns=batch.time_ns[rows.row],
            source=source,
            destination=destination,
            source_port=columns["tcp.srcport"],
            destination_port=columns["tcp.dstport"],
            sequence=columns["tcp.seq_raw"],
            acknowledgment=columns["tcp.ack_raw"],
            flags=columns["tcp.flags"],
            window=columns["tcp.window_size_value"],
            length=length,
            captured=np.maximum(length if whole else np.minimum(rows.present - header, length), 0),
            header_ok=header >= 20,
            options_ok=rows.present >= header,
            scale_shift=_spread(columns, "tcp.options.wscale.shift" if options else "", count, np.int16),
            mss=_spread(columns, "tcp.options.mss_val" if options else "", count, np.int32),
            sack_permitted=_spread(columns, "tcp.options.sack_perm" if options else "", count, np.int16) >= 0,
            identification=identification,
            checksum=columns["tcp.checksum"],
        )


def ip_ends(
    columns: Columns, parent: NDArray[np.int32], parent_index: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int32]]:
    """Return source and destination, uint64 (m, 2), and the IPv4 identification, int32 (m,), of each row's parent.

    parent, parent_index: protocol code and row of the layer directly below, as in ``Rows``; extension headers are
    passed over down to the IP header. A row under neither IPv4 nor IPv6 has the address ``::``.
    """
    from sniffkit.protocols.columns import PROTOCOLS

    parent, parent_index = _below_extensions(columns, parent, parent_index)
    four = parent == PROTOCOLS.index("ip")
    if four.all():  # nearly always: no row needs to be picked out
        source, destination = _mapped(columns["ip.src"], parent_index), _mapped(columns["ip.dst"], parent_index)
        return source, destination, columns["ip.id"].astype(np.int32)[parent_index]
    source = np.zeros((len(parent), 2), np.uint64)
    destination = np.zeros((len(parent), 2), np.uint64)
    identification = np.full(len(parent), -1, np.int32)
    six = parent == PROTOCOLS.index("ipv6")
    if four.any():
        at = parent_index[four]
        source[four] = _mapped(columns["ip.src"], at)
        destination[four] = _mapped(columns["ip.dst"], at)
        identification[four] = columns["ip.id"][at]
    if six.any():
        at = parent_index[six]
        source[six] = _halves(columns["ipv6.src"][at])
        destination[six] = _halves(columns["ipv6.dst"][at])
    return source, destination, identification


def _mapped(address: NDArray[np.uint32], at: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the IPv4 addresses at some rows as IPv6 addresses, uint64 (m, 2); each half stands together in memory."""
    halves = np.zeros((2, len(at)), np.uint64)
    np.bitwise_or(address[at], np.uint64(IPV4_MAPPED), out=halves[1])
    return halves.T


def _below_extensions(
    columns: Columns, parent: NDArray[np.int32], parent_index: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the IP header below each row's parent where that is an extension header (RFC 8200 section 4, RFC 4302)."""
    from sniffkit.protocols.columns import PROTOCOLS

    extends = _extends()
    above = np.flatnonzero(extends[parent])
    if not len(above):
        return parent, parent_index
    parent, parent_index = parent.copy(), parent_index.copy()
    while len(above):
        for code in np.unique(parent[above]).tolist():
            here = above[parent[above] == code]
            rows, place = columns.rows(PROTOCOLS[code]), parent_index[here]
            parent[here], parent_index[here] = rows.parent[place], rows.parent_index[place]
        above = above[extends[parent[above]]]
    return parent, parent_index


@cache
def _extends() -> NDArray[np.bool_]:
    """Return by protocol code whether it is an extension header; the last one is that of the frame, -1."""
    from sniffkit.protocols.columns import PROTOCOLS

    return np.array([name in EXTENSIONS for name in (*PROTOCOLS, "")])


def _halves(addresses: NDArray[Any]) -> NDArray[np.uint64]:
    """Return IPv6 addresses as uint64 (m, 2) whether they come so or as sixteen octets."""
    if addresses.dtype.kind == "V":
        return np.ascontiguousarray(addresses).view(">u8").reshape(-1, 2).astype(np.uint64)
    return addresses.astype(np.uint64)


def _spread(columns: Columns, field: str, count: int, dtype: type[np.generic]) -> NDArray[Any]:
    """Return an optional field as one value a row, -1 where it is absent ("": everywhere); of several the last."""
    values = np.full(count, -1, dtype)
    if not field:
        return values
    index, present = columns.sparse(field)
    values[index] = present
    return values
