"""What the kernel says of each packet in the ring, read for all packets at once and put into a batch's columns.

Three things are put right here that the kernel leaves to the reader: the VLAN tag it took out of the frame, the header
of a packet that has none of its own ("cooked"), and the second copy of each packet on loopback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRAME = np.dtype(
    [
        ("following", "u4"), ("seconds", "u4"), ("nanoseconds", "u4"), ("captured", "u4"), ("length", "u4"),
        ("status", "u4"), ("link_at", "u2"), ("network_at", "u2"), ("hash", "u4"), ("tag", "u4"), ("tag_type", "u2"),
        ("padding", "V10"),
        ("family", "u2"), ("protocol", ">u2"), ("interface", "u4"), ("hardware", "u2"), ("kind", "u1"),
        ("address_length", "u1"), ("address", "V8"),
    ]
)  # fmt: skip
"""struct tpacket3_hdr (48 octets) and struct sockaddr_ll (20 octets), as they stand before each packet."""

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
    """Columns of a batch, int64 (n,); ``doubles``: how many second copies were left out."""

    offset: NDArray[np.int64]
    captured: NDArray[np.int64]
    length: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    doubles: int


def read_frames(
    octets: NDArray[np.uint8], starts: list[int], link_type: int, loopbacks: NDArray[np.uint32], snap_length: int
) -> RingPackets:
    """Read the kernel's headers at ``starts`` and make the packets in ``octets`` whole (in place).

    loopbacks: the kernel's numbers of loopback interfaces. There each packet is seen twice, leaving and arriving; the
    one that leaves is left out, as libpcap does.
    """
    begin = np.array(starts, np.int64)
    frames = at_each(octets, FRAME, begin)
    doubles = 0
    leaving = frames["kind"] == OUTGOING
    if len(loopbacks) and leaving.any():
        keep = ~(leaving & np.isin(frames["interface"], loopbacks))
        doubles = len(keep) - int(keep.sum())
        if doubles:
            begin, frames = begin[keep], frames[keep]
    offset = begin + frames["link_at"]
    captured = frames["captured"].astype(np.int64)
    length = frames["length"].astype(np.int64)
    time_ns = frames["seconds"].astype(np.int64) * 1_000_000_000 + frames["nanoseconds"]
    tagged = np.flatnonzero(frames["status"] & TAG_VALID)
    protocol = frames["protocol"]
    if link_type in COOKED_HEADERS:
        if len(tagged):
            protocol = protocol.copy()
            _tag_cooked(octets, offset, frames, protocol, tagged)
    elif len(tagged):
        tagged = tagged[captured[tagged] >= MACS]
        _tag(octets, offset, frames, tagged)
    for column, change in ((offset, -TAG_OCTETS), (captured, TAG_OCTETS), (length, TAG_OCTETS)):
        column[tagged] += change
    if link_type in COOKED_HEADERS:
        form = COOKED_HEADERS[link_type]
        header = np.zeros(len(offset), form)
        for name in form.names or ():
            if name != "reserved":
                header[name] = protocol if name == "protocol" else frames[name]
        offset -= form.itemsize
        put_each(octets, header, offset)
        captured += form.itemsize
        length += form.itemsize
    return RingPackets(offset, np.minimum(captured, snap_length), length, time_ns, doubles)


def _tag_type(frames: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.uint16]:
    told = frames["status"][rows] & TAG_TYPE_VALID
    return np.where(told != 0, frames["tag_type"][rows], VLAN_TYPE).astype(np.uint16)


def _tag(octets: NDArray[np.uint8], offset: NDArray[np.int64], frames: NDArray[Any], rows: NDArray[np.int64]) -> None:
    """Put the tags back behind the MAC addresses, which move four octets to the front."""
    form = np.dtype([("macs", f"V{MACS}"), ("type", ">u2"), ("tag", ">u2")])
    header = np.zeros(len(rows), form)
    header["macs"] = at_each(octets, np.dtype(f"V{MACS}"), offset[rows])
    header["type"] = _tag_type(frames, rows)
    header["tag"] = frames["tag"][rows]
    put_each(octets, header, offset[rows] - TAG_OCTETS)


def _tag_cooked(
    octets: NDArray[np.uint8],
    offset: NDArray[np.int64],
    frames: NDArray[Any],
    protocol: NDArray[np.uint16],
    rows: NDArray[np.int64],
) -> None:
    """Put the tags where a cooked header is followed by them: the tag's type in the header, then tag and type."""
    header = np.zeros(len(rows), np.dtype([("tag", ">u2"), ("type", ">u2")]))
    header["tag"] = frames["tag"][rows]
    header["type"] = protocol[rows]
    put_each(octets, header, offset[rows] - TAG_OCTETS)
    protocol[rows] = _tag_type(frames, rows)


def at_each(octets: NDArray[np.uint8], form: np.dtype[Any], places: NDArray[np.int64]) -> NDArray[Any]:
    """Return what stands at each place, read as ``form``: a copy, (n,)."""
    found: NDArray[Any] = _anywhere(octets, form)[places]
    return found


def put_each(octets: NDArray[np.uint8], records: NDArray[Any], places: NDArray[np.int64]) -> None:
    """Write one record at each place."""
    _anywhere(octets, records.dtype)[places] = records


def _anywhere(octets: NDArray[np.uint8], form: np.dtype[Any]) -> NDArray[Any]:
    """Return a view that has, for a record of ``form`` at any octet, that record."""
    return np.ndarray((max(len(octets) - form.itemsize + 1, 0),), form, octets.data, 0, (1,))
