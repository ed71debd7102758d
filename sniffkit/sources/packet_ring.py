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
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.sources.batch import GUARD
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
BLOCK_MILLISECONDS = 50
"""So long the kernel keeps a block that isn't full: the time from a packet to its line on the screen."""

FRAME_OCTETS = 2048
ROOM = 16
"""Octets kept free before each packet, besides the kernel's own header: for a VLAN tag that has to be put back."""

TAKEN_AT_ONCE = 16
"""Blocks that are read in one go, 8 MiB: what one batch may hold."""

RUN, LONGEST_RUN = 8, 1024
"""After so many packets of one length it is looked whether more follow, and how far."""

STATUS_AT, COUNT_AT, FIRST_AT, LENGTH_AT = 8, 12, 16, 20
"""Where a block's header has its owner, number of packets, offset of the first, and octets in use."""

KERNELS, OURS = 0, 1


class PacketRing:
    """A packet socket with its ring; ``take`` reads it.

    cooked: packets come without their link header (SOCK_DGRAM), for interfaces whose header we can't read
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
    ) -> None:
        self.interface = interface
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM if cooked else socket.SOCK_RAW, 0)
        except PermissionError as error:
            raise refused() from error
        try:
            self.blocks = self._make_ring(blocks)
            self._memory = mmap.mmap(self._socket.fileno(), self.blocks * BLOCK_OCTETS)
            self._octets = np.frombuffer(self._memory, np.uint8)
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
        self._received = self._dropped = 0
        self.gone = ""

    def _make_ring(self, blocks: int) -> int:
        """Ask for a ring; take a smaller one where memory is short."""
        self._socket.setsockopt(SOL_PACKET, VERSION, TPACKET_V3)
        self._socket.setsockopt(SOL_PACKET, RESERVE, ROOM)
        while True:
            frames = blocks * (BLOCK_OCTETS // FRAME_OCTETS)
            wanted = struct.pack("=7I", BLOCK_OCTETS, blocks, FRAME_OCTETS, frames, BLOCK_MILLISECONDS, 0, 0)
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

    def take(self, seconds: float) -> tuple[NDArray[np.uint8], list[int]] | None:
        """Wait for packets; return a copy of the blocks that are full, and where in it each packet's header stands.

        The octets are followed by GUARD zero ones. None after ``seconds`` without a block; ``gone`` then says whether
        the interface is gone. The blocks themselves are the kernel's again when this returns.
        """
        if not self._status[self._next] & OURS and not self._wait(seconds):
            return None
        ready: list[int] = []
        place = self._next
        while len(ready) < min(TAKEN_AT_ONCE, self.blocks) and self._status[place] & OURS:
            ready.append(place)
            place = (place + 1) % self.blocks
        if not ready:
            return None
        numbers = self._octets.view(np.uint32)
        used = [int(numbers[(place * BLOCK_OCTETS + LENGTH_AT) // 4]) for place in ready]
        copy = np.empty(sum(used) + GUARD, np.uint8)
        copy[-GUARD:] = 0
        starts: list[int] = []
        at = 0
        for place, length in zip(ready, used, strict=True):
            begin = place * BLOCK_OCTETS
            copy[at : at + length] = self._octets[begin : begin + length]
            self._status[place] = KERNELS
            self._walk(copy, at, starts)
            at += length
        self._next = (ready[-1] + 1) % self.blocks
        return copy, starts

    @staticmethod
    def _walk(copy: NDArray[np.uint8], block: int, starts: list[int]) -> None:
        """Add where each packet's header stands: each tells how far on the next one is."""
        view = copy.data
        count, first = struct.unpack_from("=II", view, block + COUNT_AT)
        unpack = struct.Struct("=I").unpack_from
        append = starts.append
        place, before, same = block + first, 0, 0
        left = count
        while left:
            append(place)
            left -= 1
            (step,) = unpack(view, place)
            place += step
            same = same + 1 if step == before else 0
            before = step
            if same == RUN and left > RUN:  # a flood of packets of one length: many steps in one
                most = min(left - 1, LONGEST_RUN, (len(copy) - place - 4) // step)
                steps = np.ndarray((most,), "u4", view, place, (step,))
                different = np.flatnonzero(steps != step)
                run = int(different[0]) if len(different) else len(steps)
                starts.extend(range(place, place + run * step, step))
                left -= run
                place += run * step
                same = 0

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
        del self._octets, self._status
        with contextlib.suppress(BufferError):  # where a view is still about, the memory goes with it
            self._memory.close()
