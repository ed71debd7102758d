"""Reads pcapng files: blocks of any length, each with its type in front and its length at both ends.

Format: draft-ietf-opsawg-pcapng. A section may have another byte order than the one before, and has interfaces of
its own, counted from 0 in each section, here as in tshark. Blocks of unknown types are passed over. Where a block
is damaged, reading goes on at the next place that looks like a block at both its ends.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.errors import NotACapture
from sniffkit.sources import pcapng_blocks as blocks
from sniffkit.sources.batch import Batch, Interface
from sniffkit.sources.boundaries import Chain, Guess, find_records
from sniffkit.sources.octets import Octets
from sniffkit.sources.pcapng_blocks import FIXED, SECTION_MAGIC, Block, byte_order
from sniffkit.sources.pcapng_packets import Packets, Section, headers, read_packets
from sniffkit.sources.source import DAMAGE_TOLD, FileSource
from sniffkit.sources.window import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_BLOCK = 12
LEAST_SECTION = 28
MAX_BLOCK = 16 * 1024 * 1024
"""A longer block is damage: it would have to be held in memory until its end proves its beginning."""

PLAUSIBLE_OPTIONS = 128 * 1024
"""So many octets of options behind a packet are believed where the file ends before them."""

INTERFACES_KEPT = 65_536
"""How many interfaces a section may have."""

SEARCHES = 500
"""After so many damaged places reading stops: what follows can hardly be a capture."""

PACKET_BLOCK = {
    "<": re.compile(rb"\x06\0\0\0.{3}\0.{2}\0\0.{8}.{3}\0.{3}\0", re.DOTALL),
    ">": re.compile(rb"\0\0\0\x06\0.{3}\0\0.{2}.{8}\0.{3}\0", re.DOTALL),
}
"""What an Enhanced Packet Block looks like: its type, then four numbers that are small: lengths and its interface."""

PACKETS = (Block.ENHANCED_PACKET, Block.SIMPLE_PACKET, Block.OBSOLETE_PACKET)


class Ahead:
    """The blocks that stand in a window, walked once, however many sections and damaged blocks are among them.

    starts: int64 (n,) where blocks begin
    breaks: int64 (m,) indices of those that begin a section or whose two lengths differ
    """

    def __init__(self, window: Window, position: int, order: str) -> None:
        buffer = window.buffer
        guess = Guess(PACKET_BLOCK[order], 0)
        chain = Chain(order, 4, 0, LEAST_BLOCK)
        self.order = order
        self.starts, self.stop = find_records(buffer, position, window.filled, chain, guess)
        word = np.ndarray((len(buffer) - 3,), order + "u4", buffer, 0, (1,))
        length = word[self.starts + 4]
        self._section = word[self.starts] == Block.SECTION
        differ = (length & 3 != 0) | (word[self.starts + length - 4] != length)
        self.breaks = np.flatnonzero(self._section | differ)

    def passes(self, position: int) -> bool:
        """Tell whether a block begins at ``position``, or the walk stopped there."""
        index = int(np.searchsorted(self.starts, position))
        return position == (self.starts[index] if index < len(self.starts) else self.stop)

    def from_place(self, position: int) -> tuple[NDArray[np.int64], int, bool]:
        """Return the starts from ``position`` to the next break, where that is, and whether its lengths differ."""
        first = int(np.searchsorted(self.starts, position))
        later = int(np.searchsorted(self.breaks, first))
        if later == len(self.breaks):
            return self.starts[first:], self.stop, False
        last = int(self.breaks[later])
        return self.starts[first:last], int(self.starts[last]), not self._section[last]


class PcapngSource(FileSource):
    """A pcapng file."""

    def __init__(self, name: str, stream: Octets, prefix: bytes, batch_octets: int) -> None:
        super().__init__(name, "pcapng", stream)
        if len(prefix) < 16:
            raise NotACapture("capture.short", file=name, octets=len(prefix), needed=LEAST_SECTION)
        order = byte_order(prefix)
        if not order:
            raise NotACapture("pcapng.byte-order", file=name, packet=1, octet=0, magic=prefix[8:12].hex())
        major, minor = struct.unpack_from(order + "HH", prefix, 12)
        if major != 1:
            raise NotACapture("pcapng.version", file=name, packet=1, octet=0, version=f"{major}.{minor}")
        self._window = Window(stream, prefix, max(batch_octets, LEAST_SECTION))
        self._section: Section | None = None
        self._ahead: Ahead | None = None
        self._lost = False  # looking for the next whole block, after damage that was told
        self._searches = 0
        self._found = 0  # packets found so far, those that are not yet handed out included

    def batches(self) -> Iterator[Batch]:
        """Yield the packets; what is damaged is noted in ``damage``."""
        window = self._window
        need = LEAST_BLOCK
        while need:
            window.read()
            runs, used, need = self._read_window()
            octets = window.advance(used, need)
            for run in runs:
                self._tell_interfaces(run.interfaces)
                yield from self.hand_out(
                    octets, run.offset, run.captured, run.length, run.time_ns, run.link_type, run.interface
                )
            del octets  # free again when the batches are
            if self._section is not None:
                self._tell_interfaces(self._section.interfaces)
        self.note_failure(self._found + 1, window.start + window.filled)

    def _tell_interfaces(self, interfaces: list[Interface]) -> None:
        """Make the interfaces those of the section whose packets come next; what an earlier one had more stays."""
        self.interfaces[: len(interfaces)] = interfaces

    def _read_window(self) -> tuple[list[Packets], int, int]:
        """Read the blocks that stand in the window.

        Return their packets, how many octets of the window are done with, and how many are needed to go on (0: this
        was the end).
        """
        window = self._window
        runs: list[Packets] = []
        position = 0
        self._ahead = None
        while True:
            if self._lost:
                position, seen = self._search(position)
                if not seen:
                    over = window.ended or self._searches > SEARCHES
                    return runs, position, 0 if over else LEAST_BLOCK
            starts, position, broken = self._walk(position)
            if len(starts):
                self._lost = False
                runs += self._take(starts)
            if broken:
                self._note_ends_differ(position)
                position += 1
                continue
            present = window.filled - position
            if not present:
                return runs, position, 0 if window.ended else LEAST_BLOCK
            step, need = self._why_stopped(position, present)
            if need or not step:
                return runs, position, need
            position += step

    def _walk(self, position: int) -> tuple[NDArray[np.int64], int, bool]:
        """Return where whole blocks begin, int64 (n,), from ``position`` on, and where something else stands.

        That is a section, a length that cannot be, a block which is not wholly in the window, or one whose two
        lengths differ: then the third value is True.
        """
        if self._section is None:
            return np.empty(0, np.int64), position, False
        ahead = self._ahead
        if ahead is None or ahead.order != self._section.order or not ahead.passes(position):
            ahead = self._ahead = Ahead(self._window, position, self._section.order)
        return ahead.from_place(position)

    def _take(self, starts: NDArray[np.int64]) -> list[Packets]:
        """Read whole blocks: interfaces, names and comments are kept; return their packets, if there are any."""
        section = self._section
        assert section is not None  # blocks are only walked in a section
        buffer = self._window.buffer
        header = headers(buffer, starts, section.order)
        kind = header["kind"]
        known = len(section.interfaces)
        described: list[int] = []  # rows of blocks that describe an interface
        trouble: list[tuple[int, str, dict[str, object]]] = []
        read = (kind == Block.INTERFACE) | (kind == Block.NAMES) | (kind == Block.STATISTICS)
        for row in np.flatnonzero(read).tolist():
            start, length = int(starts[row]), int(header["block"][row])
            wrong = self._read_description(int(kind[row]), buffer[start : start + length].tobytes())
            if wrong:
                trouble.append((row, *wrong))
            elif kind[row] == Block.INTERFACE:
                described.append(row)
        rows = np.flatnonzero(np.isin(kind, PACKETS))
        runs: list[Packets] = []
        count = len(trouble)
        found = self._found
        if len(rows):
            known_before = known + np.searchsorted(np.array(described, np.int64), rows)
            packets, refused, refusals = read_packets(section, starts[rows], header[rows], known_before)
            trouble += [(int(rows[each.row]), each.id, each.values) for each in refused]
            count += refusals
            runs.append(packets)
            self._read_comments(buffer, packets, section.order)
            self._found += len(packets.offset)
        before = 0  # refused packets before this one
        trouble = sorted(trouble, key=lambda each: each[0])[:DAMAGE_TOLD]
        for row, id, values in trouble:
            number = found + int(np.searchsorted(rows, row)) - before + 1
            self.note_damage(id, packet=number, octet=self._window.start + int(starts[row]), **values)
            before += kind[row] in PACKETS
        self.damage_untold += count - len(trouble)
        return runs

    def _read_description(self, kind: int, block: bytes) -> tuple[str, dict[str, object]] | None:
        """Read a block that describes something; return what is wrong with it."""
        section = self._section
        assert section is not None
        if kind == Block.INTERFACE:
            if len(block) < FIXED[Block.INTERFACE] + 4:
                return "pcapng.block-short", {"length": len(block), "needed": FIXED[Block.INTERFACE] + 4}
            if len(section.interfaces) >= INTERFACES_KEPT:
                return "pcapng.too-many-interfaces", {"limit": INTERFACES_KEPT}
            interface, clock, comments = blocks.read_interface(block, section.order)
            section.interfaces.append(interface)
            section.clocks.append(clock)
        elif kind == Block.NAMES:
            names, comments = blocks.read_names(block, section.order)
            for address, name in names:
                self.note_name(address, name)
        else:
            comments = blocks.read_comments(block, FIXED[Block.STATISTICS], section.order)
        for comment in comments:
            self.note_comment(0, comment)
        return None

    def _read_comments(self, buffer: NDArray[np.uint8], packets: Packets, order: str) -> None:
        if self.comments_full or not (packets.options + 4 <= packets.end).any():
            return
        for row in blocks.rows_with_comments(buffer, packets.options, packets.end, order):
            options = buffer[packets.options[row] : packets.end[row] + 4].tobytes()
            for comment in blocks.read_comments(options, 0, order):
                self.note_comment(self._found + row + 1, comment)

    def _why_stopped(self, position: int, present: int) -> tuple[int, int]:
        """Look at what stopped the walk at ``position``, where ``present`` octets stand.

        Return by how many octets to go on, or how many octets the block needs; (0, 0) at the end of the file.
        """
        window = self._window
        if present < LEAST_BLOCK:
            return self._wait_or_cut(position, present, LEAST_BLOCK, True)
        view = window.buffer.data
        section = self._section
        if section is None or view[position : position + 4] == SECTION_MAGIC:
            return self._begin_section(position, present)
        kind, length = struct.unpack_from(section.order + "II", view, position)
        if length < LEAST_BLOCK or length & 3 or length > MAX_BLOCK:
            self._note_damage(position, "pcapng.block-length", length=length)
            return 1, 0
        genuine = kind in set(Block)
        if genuine and kind in PACKETS and kind != Block.SIMPLE_PACKET and present >= 28:
            (captured,) = struct.unpack_from(section.order + "I", view, position + 20)
            genuine = captured <= length - 32 <= captured + PLAUSIBLE_OPTIONS
        return self._wait_or_cut(position, present, length, genuine)

    def _wait_or_cut(self, position: int, present: int, length: int, genuine: bool) -> tuple[int, int]:
        """Wait for the rest of a block; at the end of the file tell that it was cut, or go on behind a false one."""
        if not self._window.ended:
            return 0, length
        if self.stream.failure is None:
            self._note_damage(position, "pcapng.block-cut", present=present, length=length)
        return 0 if genuine else 1, 0

    def _begin_section(self, position: int, present: int) -> tuple[int, int]:
        """Read a Section Header Block; return what ``_why_stopped`` does."""
        view = self._window.buffer.data
        order = byte_order(view, position)
        if not order:
            self._section = None
            magic = bytes(view[position + 8 : position + 12]).hex()
            self._note_damage(position, "pcapng.byte-order", magic=magic)
            return 1, 0
        (length,) = struct.unpack_from(order + "I", view, position + 4)
        if length < LEAST_SECTION or length & 3 or length > MAX_BLOCK:
            self._section = Section(order)
            self._note_damage(position, "pcapng.block-length", length=length)
            return 1, 0
        if present < length:
            return self._wait_or_cut(position, present, length, True)
        block = bytes(view[position : position + length])
        major, minor = struct.unpack_from(order + "HH", block, 12)
        if major != 1:
            self._section = None
            self._note_damage(position, "pcapng.version", version=f"{major}.{minor}")
            return 1, 0
        self._section = Section(order)
        if block[4:8] != block[-4:]:
            self._note_ends_differ(position)
            return 1, 0
        self._lost = False
        for comment in blocks.read_comments(block, FIXED[Block.SECTION], order):
            self.note_comment(0, comment)
        return length, 0

    def _search(self, position: int) -> tuple[int, bool]:
        """Return where the next block seems to begin and True, or where to go on searching and False."""
        window = self._window
        self._searches += 1
        if self._searches > SEARCHES:
            place = {"packet": self._found + 1, "octet": window.start + position}
            self.note_damage("pcapng.gave-up", places=SEARCHES, **place)
            return window.filled, False
        order = self._section.order if self._section else ""
        found = blocks.find_block(window.buffer, position, window.filled, order, window.ended)
        if found is None:
            return window.filled if window.ended else max(position, window.filled - LEAST_BLOCK + 1), False
        return found, True

    def _note_ends_differ(self, position: int) -> None:
        view = self._window.buffer.data
        order = self._section.order if self._section else "<"
        (length,) = struct.unpack_from(order + "I", view, position + 4)
        if length & 3:
            self._note_damage(position, "pcapng.block-length", length=length)
            return
        (behind,) = struct.unpack_from(order + "I", view, position + length - 4)
        self._note_damage(position, "pcapng.block-ends-differ", length=length, behind=behind)

    def _note_damage(self, position: int, id: str, **values: object) -> None:
        """Note damage at ``position`` of the window, unless the way was lost already, and lose the way."""
        if not self._lost:
            self.note_damage(id, packet=self._found + 1, octet=self._window.start + position, **values)
        self._lost = True
