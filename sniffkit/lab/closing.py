"""Scenarios of closing: four segments, three, by either end, half, at once, by force, with a FIN that comes again."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import TYPE_CHECKING

from sniffkit.lab.stage import REQUEST, RESPONSE, receive, vanish

if TYPE_CHECKING:
    from sniffkit.lab.stage import Stage


def handshake_close_4(stage: Stage) -> None:
    """Three segments to open, a request, a response, four segments to close; the client closes first."""
    client, server = exchange(stage)
    stage.close(client, server)


def close_3_segment(stage: Stage) -> None:
    """The server closes as soon as it has read the end of the stream: its FIN carries the ACK."""
    client, server = exchange(stage)
    client.close()
    receive(server, 1)
    server.close()


def server_closes_first(stage: Stage) -> None:
    """The server closes after its response, as HTTP/1.0 does: TIME-WAIT is then the server's."""
    client, server = exchange(stage)
    stage.close(server, client)


def half_close_data(stage: Stage) -> None:
    """The client has said all it has to say (FIN); the server goes on sending, then closes too."""
    client, server = stage.connection()
    client.sendall(b"sort\npear\napple\nfig\n")
    client.shutdown(socket.SHUT_WR)
    words = sorted(receive(server, 1000).split()[1:])
    for word in words:
        stage.pause()
        server.sendall(word + b"\n")
    stage.pause()
    server.close()
    receive(client, 1000)
    client.close()


def fin_with_data(stage: Stage) -> None:
    """The last data and the FIN go in one segment, because nothing forced them out before."""
    client, server = stage.connection()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)  # holds the data until there is more, or the end
    client.sendall(b"goodbye\n")
    client.shutdown(socket.SHUT_WR)
    receive(server, 100)
    stage.pause()
    server.close()
    stage.pause()
    client.close()


def simultaneous_close(stage: Stage) -> None:
    """Both ends close at once and their FINs cross on the wire: CLOSING on both sides (RFC 9293 figure 13)."""
    client, server = exchange(stage)
    client.close()
    server.close()


def fin_again_in_time_wait(stage: Stage) -> None:
    """The last ACK is lost: the server sends its FIN again, and the client's TIME-WAIT is there to answer it."""
    client, server = exchange(stage)
    client.close()
    stage.pause()
    stage.line.drop("ACK", sender=stage.client)
    server.close()
    stage.pause(0.6)


def reset_by_abort(stage: Stage) -> None:
    """The client's program throws the connection away (SO_LINGER 0): RST instead of FIN."""
    client, server = exchange(stage)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    stage.pause()
    server.close()


def reset_data_unread(stage: Stage) -> None:
    """The server closes without having read what came: its kernel says so with RST, for data was lost."""
    client, server = stage.connection()
    client.sendall(b"you will never read this\n")
    stage.pause()
    server.close()
    stage.pause()
    client.close()


def peer_vanished(stage: Stage) -> None:
    """The server lost its power and came back; the client's next data is answered by RST (figure 11)."""
    client, server = exchange(stage)
    vanish(server)
    stage.pause()
    client.sendall(b"still there?\n")
    stage.pause()
    with contextlib.suppress(ConnectionResetError):
        client.recv(1)
    client.close()


def exchange(stage: Stage) -> tuple[socket.socket, socket.socket]:
    """Open, ask, answer: what comes before most closings."""
    client, server = stage.connection()
    client.sendall(REQUEST)
    receive(server, len(REQUEST))
    server.sendall(RESPONSE)
    receive(client, len(RESPONSE))
    stage.pause()
    return client, server
