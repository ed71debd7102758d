"""Reads classic pcap files: a file header of 24 octets, then a header of 16 octets before each packet.

Format: draft-ietf-opsawg-pcap. The magic number tells the byte order and whether the fraction of a second
counts micro- or nanoseconds. Alexey Kuznetsov's modified format (magic 0xa1b2cd34) has 8 more octets (interface
index, protocol, packet type) in each packet's header.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.errors import NotACapture
from sniffkit.sources.batch import Batch, Heads, Interface
from sniffkit.sources.boundaries import Chain, Guess, find_records
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

SWAPPED_IN_SOME = 3
"""The minor version in which the captured length may stand before or behind the length on the wire."""


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
        self._window = Window(stream, prefix[FILE_HEADER:], max(batch_octets, FILE_HEADER), FILE_HEADER)
        # Before version 2.3 the two lengths stood the other way round; in 2.3 some writers had it so, some not.
        lengths = ["length", "captured"] if minor < SWAPPED_IN_SOME else ["captured", "length"]
        self._sort_lengths = minor == SWAPPED_IN_SOME
        fields = ["seconds", "fraction", *lengths]
        formats = [self.order + "u4"] * len(fields)
        self._record = np.dtype({"names": fields, "formats": formats, "itemsize": self.header})
        self._chain = Chain(self.order, 8 + 4 * lengths.index("captured"), self.header)

    def batches(self) -> Iterator[Batch]:
        """Yield the packets; what is damaged is noted in ``damage``."""
        window = self._window
        need = self.header
        while need:
            window.read()
            starts, used = self._packet_starts()
            offset = starts + self.header
            heads = Heads.gather(window.buffer, offset, self.header)
            records = heads.stretch(-self.header, self.header).view(self._record)
            captured = records["captured"].astype(np.int64)
            length = records["length"].astype(np.int64)
            if self._sort_lengths:
                captured, length = np.minimum(captured, length), np.maximum(captured, length)
            if len(captured) and captured.max() > MAX_CAPTURED:
                kept = int(np.argmax(captured > MAX_CAPTURED))
                used = int(starts[kept])
                offset, records, captured, length = offset[:kept], records[:kept], captured[:kept], length[:kept]
            need = self._why_stopped(used, self.packets + len(offset) + 1)
            time_ns = records["seconds"].astype(np.int64) * 1_000_000_000
            # A fraction of a second or more is a lie; 32 bits bound what it adds to the seconds, as in tshark.
            time_ns += (records["fraction"] * np.uint32(self.tick)).astype(np.int32)
            yield from self.hand_out(
                window.advance(used, need),  # kept in no variable, so that it is free again when the batch is
                offset,
                captured,
                np.minimum(length, MAX_LENGTH),
                time_ns,
                np.full(len(offset), self.interfaces[0].link_type, np.int32),
                np.zeros(len(offset), np.int32),
                heads,
            )
        self.note_failure(self.packets + 1, window.start + window.filled)

    def _packet_starts(self) -> tuple[NDArray[np.int64], int]:
        """Return where in the window headers of whole packets begin, int64 (n,), and what follows them."""
        window = self._window
        if not self._sort_lengths:
            return find_records(window.buffer, 0, window.filled, self._chain, self._guess())
        starts = []
        position = 0
        while position + self.header <= window.filled:
            following = position + self.header + self._captured(position)
            if following > window.filled:
                break
            starts.append(position)
            position = following
        return np.array(starts, np.int64), position

    def _guess(self) -> Guess:
        """Packets of one batch are captured within hours: the upper half of their seconds is the same.

        The other numbers are small: a fraction of a second in nanoseconds at most, and two lengths.
        """
        place = 2 if self.order == "<" else 0
        same = re.escape(self._window.buffer[place : place + 2].tobytes())
        small = rb".{3}[\0-\x3b].{3}\0.{3}\0" if self.order == "<" else rb".{2}[\0-\x3b].{3}\0.{3}\0"
        return Guess(re.compile(same + small, re.DOTALL), place)

    def _captured(self, position: int) -> int:
        pair: tuple[int, int] = struct.unpack_from(self.order + "II", self._window.buffer.data, position + 8)
        return min(pair) if self._sort_lengths else pair[(self._chain.at - 8) // 4]

    def _why_stopped(self, position: int, packet: int) -> int:
        """Look at the packet at ``position`` of the window, which is not wholly there or not sane.

        Return how many octets are needed to go on; 0 at the end, be it that of the file or the damage.
        """
        window = self._window
        present = window.filled - position
        place = {"packet": packet, "octet": window.start + position}
        captured = 0
        if present >= self.header:
            captured = self._captured(position)
            if captured > MAX_CAPTURED:
                self.note_damage("pcap.captured-too-long", captured=captured, limit=MAX_CAPTURED, **place)
                return 0
        if not window.ended:
            return self.header + captured
        if present and self.stream.failure is None:
            if present < self.header:
                self.note_damage("pcap.header-cut", present=present, needed=self.header, **place)
            else:
                self.note_damage("pcap.packet-cut", present=present - self.header, captured=captured, **place)
        return 0
