"""The packet ring: memory that the Linux kernel writes packets into and this process reads them from.

packet(7), Documentation/networking/packet_mmap.rst, linux/if_packet.h (TPACKET_V3). The ring is a row of blocks. The
kernel fills a block and hands it over when it is full or BLOCK_MILLISECONDS old; it is ours until we hand it back. When
every block is ours the kernel has nowhere to write, drops packets and counts them.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import os
import select
import socket
import struct
import time
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.sources.privilege import refused

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.sources.bpf import Instructions

ALL_PROTOCOLS = 0x0003
SOL_PACKET = 263
ADD_MEMBERSHIP, RX_RING, STATISTICS, VERSION, RESERVE, IGNORE_OUTGOING = 1, 5, 6, 10, 12, 23
TPACKET_V3 = 2
PROMISCUOUS = 1
ATTACH_FILTER = 26

BLOCK_OCTETS = 512 * 1024
"""Room for the longest packet (262,144 octets) and for some 3,000 short ones."""

BLOCKS = 64
"""32 MiB in all: at 250,000 short packets a second the reader may be away for 0.8 seconds."""

LEAST_BLOCKS = 4
FRAME_OCTETS = 2048
ROOM = 16
"""Octets kept free before each packet, besides the kernel's own header: for a VLAN tag that has to be put back."""

TAKEN_AT_ONCE = 16
"""Blocks that are read in one go, 8 MiB: what one batch may hold."""

STRETCH, LONGEST_RUN = 48, 2048
"""After so many packets it is looked whether the last ones had one length and more of it follow, and how far."""

STATUS_AT, COUNT_AT, FIRST_AT = 8, 12, 16
"""Where a block's header has its owner, number of packets, and offset of the first."""

KERNELS, OURS = 0, 1


class PacketRing:
    """A packet socket with its ring; ``take`` reads it.

    cooked:       packets come without their link header (SOCK_DGRAM), for interfaces whose header we can't read
    milliseconds: so long the kernel keeps a block that isn't full
    rest:         seconds for which nobody looks after each ``take``, so that more is taken at a time; less where a good
                  part of the ring fills meanwhile
    """

    def __init__(
        self,
        interface: str,
        *,
        cooked: bool = False,
        promiscuous: bool = True,
        ignore_outgoing: bool = False,
        program: Instructions = (),
        blocks: int = BLOCKS,
        milliseconds: int = 50,
        rest: float = 0.0,
    ) -> None:
        self.interface = interface
        self._milliseconds = milliseconds
        self._rest = self._longest_rest = rest
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM if cooked else socket.SOCK_RAW, 0)
        except PermissionError as error:
            raise refused(interface) from error
        try:
            self.blocks = self._make_ring(blocks)
            self._memory = mmap.mmap(self._socket.fileno(), self.blocks * BLOCK_OCTETS)
            self._octets = np.frombuffer(self._memory, np.uint8)
            self._words = memoryview(self._memory).cast("I")
            self._status = self._octets.view(np.uint32)[STATUS_AT // 4 :: BLOCK_OCTETS // 4]
            if program:
                self._attach(program)
            if ignore_outgoing:  # Linux 4.20; older kernels hand both copies over, and we drop one
                with contextlib.suppress(OSError):
                    self._socket.setsockopt(SOL_PACKET, IGNORE_OUTGOING, 1)
            # Until it is bound the socket gets nothing, so that no packet comes in past the filter.
            index = 0 if interface == "any" else socket.if_nametoindex(interface)
            self._bind(index)
            if promiscuous and index:
                self._socket.setsockopt(SOL_PACKET, ADD_MEMBERSHIP, struct.pack("=iHH8x", index, PROMISCUOUS, 0))
        except BaseException:
            self._socket.close()
            raise
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN | select.POLLERR)
        self._next = 0
        self._taken: list[int] = []
        self._received = self._dropped = 0
        self.gone = ""

    def _make_ring(self, blocks: int) -> int:
        """Ask for a ring; take a smaller one where memory is short."""
        self._socket.setsockopt(SOL_PACKET, VERSION, TPACKET_V3)
        self._socket.setsockopt(SOL_PACKET, RESERVE, ROOM)
        while True:
            frames = blocks * (BLOCK_OCTETS // FRAME_OCTETS)
            wanted = struct.pack("=7I", BLOCK_OCTETS, blocks, FRAME_OCTETS, frames, self._milliseconds, 0, 0)
            try:
                self._socket.setsockopt(SOL_PACKET, RX_RING, wanted)
                return blocks
            except OSError as error:
                if error.errno != errno.ENOMEM or blocks <= LEAST_BLOCKS:
                    raise
                blocks //= 2

    def _bind(self, index: int) -> None:
        """Take packets from an interface, or from all with 0, for which Python's own ``bind`` has no word."""
        address = struct.pack("=H2sixxxx8x", socket.AF_PACKET, ALL_PROTOCOLS.to_bytes(2, "big"), index)
        if ctypes.CDLL(None, use_errno=True).bind(self._socket.fileno(), address, len(address)):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    def _attach(self, program: Instructions) -> None:
        code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
        kept = ctypes.create_string_buffer(code)
        self._socket.setsockopt(
            socket.SOL_SOCKET, ATTACH_FILTER, struct.pack("HL", len(program), ctypes.addressof(kept))
        )

    def take(self, seconds: float) -> tuple[NDArray[np.uint8], NDArray[np.int64]] | None:
        """Wait for packets; return the ring's memory, and where in it the header of each packet stands, int64 (n,).

        None after ``seconds`` without a block; ``gone`` then says whether the interface is gone. What was taken is
        ours, to read and to write, until ``give_back``.
        """
        if self._rest:
            time.sleep(min(self._rest, seconds))
        if not self._status[self._next] & OURS and not self._wait(seconds):
            return None
        starts: list[int] = []
        place = self._next
        while len(self._taken) < min(TAKEN_AT_ONCE, self.blocks) and self._status[place] & OURS:
            self._taken.append(place)
            self._walk(place * (BLOCK_OCTETS // 4), starts)
            place = (place + 1) % self.blocks
        self._next = place
        if not self._taken:
            return None
        if len(self._taken) > self.blocks // 8:
            self._rest /= 2
        elif len(self._taken) < self.blocks // 16:
            self._rest = min(self._rest * 1.5, self._longest_rest)
        begin = np.array(starts, np.int64)
        begin <<= 2
        return self._octets, begin

    def give_back(self) -> None:
        """Let the kernel have the blocks again that were taken."""
        for place in self._taken:
            self._status[place] = KERNELS
        self._taken.clear()

    def _walk(self, block: int, starts: list[int]) -> None:
        """Add where each packet's header of a block stands: each tells how far on the next one is.

        All places are counted in words of four octets.
        """
        words = self._words
        left, first = words[block + COUNT_AT // 4], words[block + FIRST_AT // 4]
        at = block + (first >> 2)
        append = starts.append
        while left > STRETCH:
            for _ in range(STRETCH):
                append(at)
                at += words[at] >> 2
            left -= STRETCH
            step = at - starts[-1]
            if step == starts[-1] - starts[-2] == starts[-2] - starts[-3]:
                # A flood of packets of one length: many steps in one.
                most = min(left - 1, LONGEST_RUN, (block + BLOCK_OCTETS // 4 - at) // step)
                different = np.flatnonzero(self._octets.view(np.uint32)[at : at + most * step : step] >> 2 != step)
                run = int(different[0]) if len(different) else most
                starts.extend(range(at, at + run * step, step))
                left -= run
                at += run * step
        for _ in range(left):
            append(at)
            at += words[at] >> 2

    def _wait(self, seconds: float) -> bool:
        for _, event in self._poll.poll(seconds * 1000):
            if event & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
                code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code and self.interface != "any":
                    self.gone = os.strerror(code)
            return bool(event & select.POLLIN)
        return False

    def counters(self) -> tuple[int, int]:
        """Return how many packets passed the filter, and how many of them were dropped for want of room, so far."""
        # The kernel begins anew with each question.
        packets, drops = struct.unpack_from("=II", self._socket.getsockopt(SOL_PACKET, STATISTICS, 12))
        self._received += packets
        self._dropped += drops
        return self._received, self._dropped

    def close(self) -> None:
        """Give the ring back."""
        self._socket.close()
        del self._octets, self._status, self._words
        with contextlib.suppress(BufferError):  # where a view is still about, the memory goes with it
            self._memory.close()
