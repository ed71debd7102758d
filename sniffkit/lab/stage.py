"""The stage: what a scenario finds when it begins, the classroom with its wire and the recording that is running."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sniffkit.lab.host import FIRST_PORT
from sniffkit.lab.world import CLIENT, DNS, ROUTER, SERVER

if TYPE_CHECKING:
    import socket

    from sniffkit.lab.host import Host
    from sniffkit.lab.wire import Recording, Wire
    from sniffkit.lab.world import Classroom

__all__ = ["CLIENT", "DNS", "REQUEST", "RESPONSE", "ROUTER", "SERVER", "WEB", "Stage"]

WEB = 80
REQUEST = b"GET / HTTP/1.0\r\nHost: www.example.com\r\n\r\n"
RESPONSE = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\nhello, world!\n"


@dataclass(slots=True)
class Stage:
    """A classroom, and the recording of it."""

    room: Classroom
    recording: Recording

    @property
    def client(self) -> Host:
        """The host at 10.0.0.2."""
        return self.room.client

    @property
    def server(self) -> Host:
        """The host at 93.184.216.34, behind the router."""
        return self.room.server

    @property
    def dns(self) -> Host:
        """The host at 10.0.0.53."""
        return self.room.dns

    @property
    def line(self) -> Wire:
        """The wire between the client and the router."""
        return self.room.line

    def connection(
        self, *, from_port: int = FIRST_PORT, receive_buffer: int = 0
    ) -> tuple[socket.socket, socket.socket]:
        """Open a connection to the server; return the client's and the server's socket (as ``Host.listen``)."""
        with self.server.listen(WEB, receive_buffer=receive_buffer) as listener:
            near = self.client.connect(SERVER, WEB, from_port=from_port)
            far, _ = listener.accept()
        far.settimeout(near.gettimeout())
        self.pause()
        return near, far

    def close(self, first: socket.socket, second: socket.socket) -> None:
        """Close in four segments: ``second`` takes its time, so that its kernel acknowledges the FIN alone."""
        first.close()
        self.pause()
        second.close()

    def pause(self, seconds: float = 0.1) -> None:
        """Wait; the default is longer than a delayed acknowledgement (40 ms) and its way over the wire."""
        time.sleep(seconds)


def receive(handle: socket.socket, octets: int) -> bytes:
    """Read exactly this many octets, fewer only at the end of the stream."""
    parts: list[bytes] = []
    while octets and (part := handle.recv(octets)):
        parts.append(part)
        octets -= len(part)
    return b"".join(parts)


def vanish(handle: socket.socket) -> None:
    """Forget a connection without sending anything, as a host does that loses its power (needs CAP_NET_ADMIN)."""
    repair_mode = 19  # TCP_REPAIR, which socket has no name for
    with contextlib.closing(handle):
        handle.setsockopt(6, repair_mode, 1)
