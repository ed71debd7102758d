"""TCP options: what the two ends tell each other beyond the fixed header, most of it once, on the SYN."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from sniffkit.protocols.header import Form

if TYPE_CHECKING:
    from sniffkit.protocols.packet import Reader


class OptionKind(IntEnum):
    """IANA "TCP Option Kind Numbers"."""

    END = 0
    NO_OPERATION = 1
    MAXIMUM_SEGMENT_SIZE = 2  # RFC 9293 section 3.7.1
    WINDOW_SCALE = 3  # RFC 7323 section 2
    SACK_PERMITTED = 4  # RFC 2018 section 2
    SACK = 5  # RFC 2018 section 3
    TIMESTAMPS = 8  # RFC 7323 section 3
    MD5 = 19  # RFC 2385
    USER_TIMEOUT = 28  # RFC 5482
    AUTHENTICATION = 29  # RFC 5925
    MULTIPATH = 30  # RFC 8684
    FAST_OPEN = 34  # RFC 7413
    EXPERIMENT_1 = 253  # RFC 6994: two octets say whose experiment it is
    EXPERIMENT_2 = 254


FAST_OPEN_EXPERIMENT = 0xF989
"""Fast Open before it got a number of its own (RFC 7413 section 4.1.1)."""

LENGTHS = {
    OptionKind.MAXIMUM_SEGMENT_SIZE: 4,
    OptionKind.WINDOW_SCALE: 3,
    OptionKind.SACK_PERMITTED: 2,
    OptionKind.TIMESTAMPS: 10,
    OptionKind.MD5: 18,
    OptionKind.USER_TIMEOUT: 4,
}
"""Options that have one length only."""


def read_options(reader: Reader, end: int) -> None:
    """Read options up to ``end``, where the header ends or was cut."""
    start = reader.at
    whole = reader.octets[start:end]
    if whole:
        reader.derive("tcp.options", whole, offset=start)
    while reader.at < end:
        start = reader.at
        kind = reader.octets[start]
        reader.add("tcp.option_kind", 1)
        if kind == OptionKind.NO_OPERATION:
            continue
        if kind == OptionKind.END:
            # tshark reads the zeros that fill the header up as further ends of the list
            while reader.at < end and reader.octets[reader.at] == 0:
                reader.add("tcp.option_kind", 1)
            if reader.at < end:
                reader.problem("tcp.option-after-end", offset=reader.at, octets=end - reader.at)
                reader.add("tcp.options.padding", end - reader.at, Form.OCTETS)
            return
        if reader.at >= end:
            reader.problem("tcp.option-cut", kind=kind, offset=start)
            return
        length = reader.add("tcp.option_len", 1) or 0
        if length < 2 or start + length > end:
            reader.problem("tcp.option-length", kind=kind, value=length, present=end - start, offset=start)
            reader.add("tcp.options.unknown.payload", end - reader.at, Form.OCTETS)
            return
        read_option(reader, kind, start + length)


def read_option(reader: Reader, kind: int, end: int) -> None:
    """Read one option's value; what does not fit its kind is left as octets."""
    left = end - reader.at
    start = reader.at - 2
    if kind in LENGTHS and left + 2 != LENGTHS[OptionKind(kind)]:
        reader.problem(
            "tcp.option-length-odd", kind=kind, value=left + 2, expected=LENGTHS[OptionKind(kind)], offset=start
        )
    elif kind == OptionKind.MAXIMUM_SEGMENT_SIZE:
        reader.add("tcp.options.mss_val", 2)
    elif kind == OptionKind.WINDOW_SCALE:
        shift = reader.add("tcp.options.wscale.shift", 1) or 0
        reader.derive("tcp.options.wscale.multiplier", 1 << min(shift, 14), offset=start)
        if shift > 14:
            reader.problem("tcp.window-scale-large", value=shift, largest=14)
    elif kind == OptionKind.SACK_PERMITTED:
        reader.derive("tcp.options.sack_perm", reader.octets[start:end], offset=start)
    elif kind == OptionKind.SACK:
        blocks = left // 8
        for _ in range(blocks):
            reader.add("tcp.options.sack_le", 4)
            reader.add("tcp.options.sack_re", 4)
        reader.derive("tcp.options.sack.count", blocks, offset=start)
    elif kind == OptionKind.TIMESTAMPS:
        reader.add("tcp.options.timestamp.tsval", 4)
        reader.add("tcp.options.timestamp.tsecr", 4)
    elif kind == OptionKind.MD5:
        reader.add("tcp.options.md5.digest", 16, Form.OCTETS)
    elif kind == OptionKind.USER_TIMEOUT:
        reader.bits(2, ("tcp.options.user_to_granularity", 1, Form.FLAG), ("tcp.options.user_to_val", 15, Form.DECIMAL))
    elif kind == OptionKind.AUTHENTICATION and left >= 2:
        reader.add("tcp.options.ao.keyid", 1)
        reader.add("tcp.options.ao.rnextkeyid", 1)
        reader.add("tcp.options.ao.mac", end - reader.at, Form.OCTETS)
    elif kind == OptionKind.FAST_OPEN:
        read_fast_open(reader, end, start)
    elif kind in (OptionKind.EXPERIMENT_1, OptionKind.EXPERIMENT_2) and left >= 2:
        experiment = reader.add("tcp.options.experimental.exid", 2, Form.HEX)
        if experiment == FAST_OPEN_EXPERIMENT:
            read_fast_open(reader, end, start)
        else:
            reader.add("tcp.options.experimental.data", end - reader.at, Form.OCTETS)
    reader.add("tcp.options.unknown.payload", end - reader.at, Form.OCTETS)


def read_fast_open(reader: Reader, end: int, start: int) -> None:
    """Read a Fast Open cookie, or note that one is asked for (RFC 7413 section 4.1.1)."""
    if end == reader.at:
        reader.derive("tcp.options.tfo.request", 1, "", offset=start)
    else:
        reader.add("tcp.options.tfo.cookie", end - reader.at, Form.OCTETS)
