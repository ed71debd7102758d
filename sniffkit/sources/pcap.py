"""Reads classic pcap files: a file header of 24 octets, then a header of 16 octets before each packet.

Format: draft-ietf-opsawg-pcap. The magic number tells the byte order and whether the fraction of a second
counts micro- or nanoseconds. Alexey Kuznetsov's modified format (magic 0xa1b2cd34) has 8 more octets (interface
index, protocol, packet type) in each packet's header.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.errors import NotACapture
from sniffkit.sources.batch import Batch, Interface
from sniffkit.sources.octets import Octets
from sniffkit.sources.source import MAX_CAPTURED, MAX_LENGTH, FileSource
from sniffkit.sources.window import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILE_HEADER = 24
MAGICS = {  # magic -> (nanoseconds in one unit of the fraction, octets of a packet's header)
    0xA1B2C3D4: (1000, 16),
    0xA1B23C4D: (1, 16),
    0xA1B2CD34: (1000, 24),
}
LINK_TYPE = 0xFFFF
"""The link type's part of its field; above stand the length of the frame check sequence and reserved bits."""


def byte_order(prefix: bytes) -> str:
    """Return "<" or ">" for the first octets of a pcap file, "" for those of any other file."""
    for order in "<>":
        if len(prefix) >= 4 and struct.unpack_from(order + "I", prefix)[0] in MAGICS:
            return order
    return ""


class PcapSource(FileSource):
    """A classic pcap file."""

    def __init__(self, name: str, stream: Octets, prefix: bytes, batch_octets: int) -> None:
        super().__init__(name, "pcap", stream)
        if len(prefix) < FILE_HEADER:
            raise NotACapture("capture.short", file=name, octets=len(prefix), needed=FILE_HEADER)
        self.order = byte_order(prefix)
        magic, major, minor, _, _, snap_length, network = struct.unpack_from(self.order + "IHHIIII", prefix)
        if major != 2:
            raise NotACapture("pcap.version", file=name, version=f"{major}.{minor}")
        self.tick, self.header = MAGICS[magic]
        self.interfaces.append(Interface(network & LINK_TYPE, snap_length))
        self.interface_ids = False
        self._window = Window(stream, prefix, max(batch_octets, FILE_HEADER))
        fields = ["seconds", "fraction", "captured", "length"]
        self._record = np.dtype([(field, self.order + "u4") for field in fields])

    def batches(self) -> Iterator[Batch]:
        """Yield the packets; what is damaged is noted in ``damage``."""
        window = self._window
        window.advance(FILE_HEADER)
        need = 0
        sane = True
        while sane and not (window.ended and not need):
            window.read()
            starts, used = self._packet_starts()
            records = np.ndarray((len(window.buffer) - 15,), self._record, window.buffer, 0, (1,))[starts]
            captured = records["captured"].astype(np.int64)
            if len(captured) and captured.max() > MAX_CAPTURED:
                kept = int(np.argmax(captured > MAX_CAPTURED))
                used = int(starts[kept])
                starts, records, captured = starts[:kept], records[:kept], captured[:kept]
            sane, need = self._why_stopped(used, self.packets + len(starts) + 1)
            octets = window.advance(used, need)
            time_ns = records["seconds"].astype(np.int64) * 1_000_000_000
            # A fraction of a second or more is a lie; 32 bits bound what it adds to the seconds, as in tshark.
            time_ns += (records["fraction"] * np.uint32(self.tick)).astype(np.int32)
            count = len(starts)
            yield from self.hand_out(
                octets,
                starts + self.header,
                captured,
                np.minimum(records["length"], MAX_LENGTH).astype(np.int64),
                time_ns,
                np.full(count, self.interfaces[0].link_type, np.int32),
                np.zeros(count, np.int32),
            )
        self.note_failure(self.packets + 1, window.start + window.filled)

    def _packet_starts(self) -> tuple[NDArray[np.int64], int]:
        """Return where in the window headers of whole packets begin, int64 (n,), and what follows them."""
        window = self._window
        view = window.buffer.data
        header = self.header
        filled = window.filled
        last = filled - header
        unpack = struct.Struct(self.order + "I").unpack_from
        starts: list[int] = []
        append = starts.append
        position = 0
        while position <= last:
            following = position + header + unpack(view, position + 8)[0]
            if following > filled:
                break
            append(position)
            position = following
        return np.array(starts, np.int64), position

    def _why_stopped(self, position: int, packet: int) -> tuple[bool, int]:
        """Look at the packet at ``position`` of the window, which is not wholly there or not sane.

        Return whether reading can go on, and how many octets the packet needs (0: it has not begun).
        """
        window = self._window
        present = window.filled - position
        if not present:
            return True, 0
        octet = window.start + position
        captured = 0
        if present >= self.header:
            (captured,) = struct.unpack_from(self.order + "I", window.buffer.data, position + 8)
            if captured > MAX_CAPTURED:
                too_long = {"captured": captured, "limit": MAX_CAPTURED}
                self.note_damage("pcap.captured-too-long", packet=packet, octet=octet, **too_long)
                return False, 0
        if window.ended and self.stream.failure is None:
            if present < self.header:
                self.note_damage("pcap.header-cut", packet=packet, octet=octet, present=present, needed=self.header)
            else:
                present -= self.header
                self.note_damage("pcap.packet-cut", packet=packet, octet=octet, present=present, captured=captured)
        return not window.ended, self.header + captured
