"""What the kernel says of each packet in the ring, read for all packets at once.

Three things are put right here that the kernel leaves to the reader: the VLAN tag it took out of the frame, the header
of a packet that has none of its own ("cooked"), and the second copy of each packet on loopback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sniffkit.sources.packed_records import PIECE, at_each, pieces_at, put_each

if TYPE_CHECKING:
    from numpy.typing import NDArray

SECONDS, NANOSECONDS, CAPTURED, LENGTH = range(4)
"""The four numbers that a pcap record begins with, as struct tpacket3_hdr (48 octets) has them, behind the distance to
the next header: the last one in its second piece of 16 octets."""

STATUS, LINK_HEADER = 1, 4
"""Where in the second piece the status stands, in words of 32 bits, and the place of the link header, in those of 16:
the kernel writes numbers as this machine reads them, whichever end of them comes first."""

TAG_AT, TAG_TYPE_AT = 32, 36
SENDER_AT = 48
SENDER = np.dtype(
    [
        ("family", "u2"), ("protocol", ">u2"), ("interface", "u4"), ("hardware", "u2"), ("kind", "u1"),
        ("address_length", "u1"), ("address", "V8"),
    ]
)  # fmt: skip
"""struct sockaddr_ll, which stands behind the header."""

COOKED_1, COOKED_2 = 113, 276
"""LINKTYPE_LINUX_SLL and LINKTYPE_LINUX_SLL2 (https://www.tcpdump.org/linktypes/)."""

COOKED_HEADERS = {
    COOKED_1: np.dtype(
        [("kind", ">u2"), ("hardware", ">u2"), ("address_length", ">u2"), ("address", "V8"), ("protocol", ">u2")]
    ),
    COOKED_2: np.dtype(
        [
            ("protocol", ">u2"), ("reserved", ">u2"), ("interface", ">u4"), ("hardware", ">u2"), ("kind", "u1"),
            ("address_length", "u1"), ("address", "V8"),
        ]
    ),
}  # fmt: skip

TAG_VALID, TAG_TYPE_VALID = 1 << 4, 1 << 6
OUTGOING = 4
VLAN_TYPE = 0x8100
TAG_OCTETS = 4
MACS = 12


class RingPackets(NamedTuple):
    """Columns of the packets, (n,).

    offset, captured:  int64
    times_and_lengths: uint32 (n, 4) seconds, nanoseconds, octets captured, octets on the wire
    doubles:           how many second copies were left out
    """

    offset: NDArray[np.int64]
    captured: NDArray[np.int64]
    times_and_lengths: NDArray[np.uint32]
    doubles: int


def read_frames(
    octets: NDArray[np.uint8],
    begin: NDArray[np.int64],
    link_type: int,
    loopbacks: NDArray[np.uint32],
    snap_length: int,
) -> RingPackets:
    """Read the kernel's headers at ``begin``, (n,), and make the packets in ``octets`` whole (in place).

    loopbacks: the kernel's numbers of loopback interfaces. There each packet is seen twice, leaving and arriving; the
    one that leaves is left out, as libpcap does.
    """
    cooked = link_type in COOKED_HEADERS
    doubles = 0
    sender = at_each(octets, SENDER, begin + SENDER_AT) if cooked or len(loopbacks) else None
    if sender is not None and len(loopbacks):
        keep = (sender["kind"] != OUTGOING) | ~np.isin(sender["interface"], loopbacks)
        doubles = len(keep) - int(keep.sum())
        if doubles:
            begin, sender = begin[keep], sender[keep]
    numbers, second = _numbers(octets, begin)
    offset = begin + second.view(np.uint16)[:, LINK_HEADER]
    longer = np.zeros(len(offset), np.int64)  # than the kernel says
    tagged = np.flatnonzero(second[:, STATUS] & TAG_VALID)
    if len(tagged) and not cooked:
        tagged = tagged[numbers[tagged, CAPTURED] >= MACS]
    tags = _tags(octets, begin[tagged], second[tagged, STATUS])
    longer[tagged] = TAG_OCTETS
    if sender is not None and cooked:
        longer += COOKED_HEADERS[link_type].itemsize
        _cook(octets, offset, sender, tagged, tags, link_type)
    elif len(tagged):
        _tag(octets, offset[tagged], tags)
    changed = cooked or bool(len(tagged))
    captured = numbers[:, CAPTURED].astype(np.int64)
    if changed:
        offset, captured = offset - longer, captured + longer
        numbers[:, LENGTH] += longer.astype(np.uint32)
    if changed or (len(captured) and int(captured.max()) > snap_length):
        captured = np.minimum(captured, snap_length)
        numbers[:, CAPTURED] = captured
    return RingPackets(offset, captured, numbers, doubles)


def _numbers(octets: NDArray[np.uint8], begin: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return the four numbers of each packet's record and the second piece of its header, uint32 (n, 4) each.

    Headers begin at multiples of 8, so they can be read in pieces.
    """
    first, second = (pieces_at(octets, at).view(np.uint32).reshape(-1, 4) for at in (begin, begin + PIECE.itemsize))
    numbers = np.empty_like(first)
    numbers[:, :LENGTH] = first[:, 1:]
    numbers[:, LENGTH] = second[:, 0]
    return numbers, second


def _tags(
    octets: NDArray[np.uint8], begin: NDArray[np.int64], status: NDArray[np.uint32]
) -> tuple[NDArray[np.uint16], NDArray[np.uint32]]:
    """Return type and value of the VLAN tags that the kernel took out of the frames with these headers."""
    told = (status & TAG_TYPE_VALID) != 0
    tag_type = np.where(told, at_each(octets, np.dtype("u2"), begin + TAG_TYPE_AT), VLAN_TYPE).astype(np.uint16)
    return tag_type, at_each(octets, np.dtype("u4"), begin + TAG_AT)


def _tag(
    octets: NDArray[np.uint8], offset: NDArray[np.int64], tags: tuple[NDArray[np.uint16], NDArray[np.uint32]]
) -> None:
    """Put the tags back behind the MAC addresses, which move four octets to the front."""
    form = np.dtype([("macs", f"V{MACS}"), ("type", ">u2"), ("tag", ">u2")])
    header = np.zeros(len(offset), form)
    header["macs"] = at_each(octets, np.dtype(f"V{MACS}"), offset)
    header["type"], header["tag"] = tags
    put_each(octets, header, offset - TAG_OCTETS)


def _cook(
    octets: NDArray[np.uint8],
    offset: NDArray[np.int64],
    sender: NDArray[Any],
    tagged: NDArray[np.int64],
    tags: tuple[NDArray[np.uint16], NDArray[np.uint32]],
    link_type: int,
) -> None:
    """Put a cooked header before each packet; a tagged one has its tag and type after it, the tag's type in it."""
    protocol = sender["protocol"].copy()
    behind = np.zeros(len(tagged), np.dtype([("tag", ">u2"), ("type", ">u2")]))
    behind["tag"], behind["type"] = tags[1], protocol[tagged]
    put_each(octets, behind, offset[tagged] - TAG_OCTETS)
    protocol[tagged] = tags[0]
    form = COOKED_HEADERS[link_type]
    header = np.zeros(len(offset), form)
    for name in form.names or ():
        if name != "reserved":
            header[name] = protocol if name == "protocol" else sender[name]
    place = offset - form.itemsize
    place[tagged] -= TAG_OCTETS
    put_each(octets, header, place)
