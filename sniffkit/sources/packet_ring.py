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
ROOM = 30
"""Octets kept free before each packet, besides the kernel's own header: for a VLAN tag that has to be put back, and so
many that an Ethernet frame, and the record header before it, stand at a multiple of 8."""

TAKEN_AT_ONCE = 8
"""Blocks that are read in one go, 4 MiB: more would not stay in the processor's cache until they are copied."""

FEW = 64
"""Up to so many packets in a block are walked one by one."""

STATUS_AT, COUNT_AT, FIRST_AT, USED_AT, LATEST_AT = 8, 12, 16, 20, 40
"""Where a block's header has its owner, number of packets, offset of the first, octets in use, second of the last."""

WORD, STEP = 4, 8
"""Octets of a number in the ring; packets' headers begin at multiples of STEP (V3_ALIGNMENT in the kernel)."""

KERNELS, OURS = 0, 1


class PacketRing:
    """A packet socket with its ring; ``take`` reads it.

    cooked:       packets come without their link header (SOCK_DGRAM), for interfaces whose header we can't read
    milliseconds: so long the kernel keeps a block that isn't full
    rest:         seconds for which nobody looks once the ring has been emptied, so that more is taken at a time: grows
                  up to this while little comes, and shrinks where a good part of the ring fills meanwhile
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
        self._longest_rest = rest
        self._rest = self._rested_until = 0.0
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM if cooked else socket.SOCK_RAW, 0)
        except PermissionError as error:
            raise refused(interface) from error
        try:
            self.blocks = self._make_ring(blocks)
            self._memory = mmap.mmap(self._socket.fileno(), self.blocks * BLOCK_OCTETS)
            self._octets = np.frombuffer(self._memory, np.uint8)
            self._words = memoryview(self._memory).cast("I")
            self._numbers = self._octets.view(np.uint32)
            self._status = self._numbers[STATUS_AT // WORD :: BLOCK_OCTETS // WORD]
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
        self._next = self._come = 0
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
        resting = self._rested_until - time.monotonic()
        if resting > 0:
            time.sleep(min(resting, seconds))
            seconds -= resting
            if seconds < 0:
                return None
        if not self._status[self._next] & OURS and not self._wait(seconds):
            return None
        starts: list[NDArray[np.int64]] = []
        place = self._next
        while len(self._taken) < min(TAKEN_AT_ONCE, self.blocks) and self._status[place] & OURS:
            self._taken.append(place)
            starts.append(self._headers(place * (BLOCK_OCTETS // WORD)))
            place = (place + 1) % self.blocks
        self._next = place
        self._come += len(starts)
        if not starts:
            return None
        if self._longest_rest and not self._status[place] & OURS:
            self._choose_rest()
        begin = np.concatenate(starts)
        begin *= WORD
        return self._octets, begin

    def _choose_rest(self) -> None:
        """Rest now that the ring is empty; for how long depends on how much came since the rest before."""
        if self._come > self.blocks // 4:
            self._rest /= 2
        elif self._come < self.blocks // 8:
            self._rest = min(max(self._rest * 1.5, self._longest_rest / 8), self._longest_rest)
        self._rested_until = time.monotonic() + self._rest
        self._come = 0

    def hurry(self) -> None:
        """Rest no more: the end is near."""
        self._longest_rest = self._rest = self._rested_until = 0.0

    def give_back(self) -> None:
        """Let the kernel have the blocks again that were taken."""
        for place in self._taken:
            self._status[place] = KERNELS
        self._taken.clear()

    def _headers(self, block: int) -> NDArray[np.int64]:
        """Return where each packet's header of a block stands; all places are counted in words of four octets.

        Each tells how far on the next one is. To follow that packet by packet takes three times as long as to look
        wherever a header may stand for the second at which the packets came, and to see whether what was found is such
        a chain: of the right length, each the next of the one before.
        """
        words, numbers = self._words, self._numbers
        count, first = words[block + COUNT_AT // WORD], words[block + FIRST_AT // WORD]
        begin = block + first // WORD
        if count > FEW:
            end = block + min(words[block + USED_AT // WORD], BLOCK_OCTETS) // WORD
            seconds = numbers[begin + 1 : end : STEP // WORD]
            earliest, latest = words[begin + 1], words[block + LATEST_AT // WORD]
            found = seconds == earliest if earliest == latest else seconds - numbers[begin + 1] <= latest - earliest
            at = np.flatnonzero(found)
            at *= STEP // WORD
            at += begin
            if len(at) == count and at[0] == begin and (np.diff(at) == numbers[at[:-1]] >> 2).all():
                return at
        return np.array(self._walk(begin, count), np.int64)

    def _walk(self, at: int, count: int) -> list[int]:
        """Return the same, packet by packet: where time is set back meanwhile, or a packet says what a header says."""
        words, starts = self._words, []
        for _ in range(count):
            starts.append(at)
            at += words[at] >> 2
        return starts

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
        del self._octets, self._numbers, self._status, self._words
        with contextlib.suppress(BufferError):  # where a view is still about, the memory goes with it
            self._memory.close()
