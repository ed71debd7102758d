"""Packets that an interface lost on arrival: before a socket, a filter or any program could see them.

Two places lose them, and a packet socket knows of neither. A network card has no free buffer left (rx_missed_errors,
rx_fifo_errors in Documentation/networking/statistics.rst). Or packets wait for the processor in a queue that is full
(net.core.netdev_max_backlog): loopback, veth and every interface whose packets are spread over the processors have one.
Linux only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from typing import NamedTuple

GET_STATISTICS, STATISTICS, ERROR = 94, 92, 2
REQUEST, DUMP = 1, 0x300
COUNTERS_64 = 1
"""IFLA_STATS_LINK_64, and its bit in the mask of what is asked for; struct rtnl_link_stats64 is its value."""

HEADER = struct.Struct("=IHHII")
ASKED = struct.Struct("=BxHII")
DROPPED_AT, FIFO_AT, MISSED_AT = 6 * 8, 14 * 8, 15 * 8
QUEUES = "/proc/net/softnet_stat"
"""A line a processor, hexadecimal: packets handled, packets for which its queue had no room, and more."""


class Figures(NamedTuple):
    """What has been counted since the machine was started.

    missed:  by network cards for want of buffers
    dropped: by the interface for any reason, among them that the processor's queue was full
    queues:  by the queues of all processors, whatever interface the packets came from
    """

    missed: int
    dropped: int
    queues: int


class ArrivalLosses:
    """Counts from now on what is lost on an interface, 0 for all; in the network namespace where it was made."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._socket: socket.socket | None = None
        self._asked = 0
        self._lost = 0
        self._before: Figures | None = None
        with contextlib.suppress(OSError):  # a kernel before 4.7, or one that is played by a sandbox: nobody counts
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
            self._socket.settimeout(0.2)
            self._before = self._figures()

    def so_far(self) -> int:
        """Return how many packets were lost; what was last known where the interface is gone."""
        if self._before is None:
            return 0
        try:
            now = self._figures()
        except OSError:
            return self._lost
        missed, dropped, queues = (new - old for new, old in zip(now, self._before, strict=True))
        # An interface also drops what nobody wants, like unknown VLANs, after we saw it. No queue counts that.
        self._lost = max(self._lost, missed + min(dropped, queues))
        return self._lost

    def close(self) -> None:
        """Ask no more."""
        if self._socket is not None:
            self._socket.close()

    def _figures(self) -> Figures:
        found = [self._read(body) for body in self._answers()]
        if not found:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        with open(QUEUES) as table:
            queues = sum(int(line.split()[1], 16) for line in table)
        return Figures(sum(missed for missed, _ in found), sum(dropped for _, dropped in found), queues)

    def _answers(self) -> list[bytes]:
        """Ask for the counters of the interface, or of all."""
        assert self._socket is not None
        self._asked += 1
        flags = REQUEST if self._index else REQUEST | DUMP
        body = ASKED.pack(0, 0, self._index, COUNTERS_64)
        self._socket.send(HEADER.pack(HEADER.size + len(body), GET_STATISTICS, flags, self._asked, 0) + body)
        found: list[bytes] = []
        while True:
            octets, at = self._socket.recv(1 << 16), 0
            while at + HEADER.size <= len(octets):
                length, kind, _, asked, _ = HEADER.unpack_from(octets, at)
                if asked == self._asked and kind == ERROR:
                    code = -struct.unpack_from("=i", octets, at + HEADER.size)[0]
                    raise OSError(code, os.strerror(code))
                if asked == self._asked and kind == STATISTICS:
                    found.append(octets[at + HEADER.size + ASKED.size : at + length])
                if asked == self._asked and (kind != STATISTICS or self._index):  # the one answer, or the end of all
                    return found
                at += length + 3 & ~3

    @staticmethod
    def _read(attributes: bytes) -> tuple[int, int]:
        """Return what was missed and what was dropped; the counters are the only attribute there is."""
        dropped, fifo, missed = (
            struct.unpack_from("=Q", attributes, 4 + at)[0] for at in (DROPPED_AT, FIFO_AT, MISSED_AT)
        )
        return max(fifo, missed), dropped  # drivers count a full buffer as one or the other, some as both
