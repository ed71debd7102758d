"""Scenarios of closing: four segments, three, by either end, half, at once, with a FIN that comes again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.lab.stage import REQUEST, RESPONSE, receive

if TYPE_CHECKING:
    from sniffkit.lab.stage import Stage


def handshake_close_4(stage: Stage) -> None:
    """Three segments to open, a request, a response, four segments to close; the client closes first."""
    client, server = stage.connection()
    client.sendall(REQUEST)
    receive(server, len(REQUEST))
    server.sendall(RESPONSE)
    receive(client, len(RESPONSE))
    stage.pause()
    client.close()
    stage.pause()  # the server's program takes its time: its kernel acknowledges the FIN alone
    server.close()


def close_3_segment(stage: Stage) -> None:
    """The server closes as soon as it has read the end of the stream: its FIN carries the ACK."""
    client, server = stage.connection()
    client.sendall(REQUEST)
    receive(server, len(REQUEST))
    server.sendall(RESPONSE)
    receive(client, len(RESPONSE))
    stage.pause()
    client.close()
    receive(server, 1)
    server.close()


def server_closes_first(stage: Stage) -> None:
    """The server closes after its response, as HTTP/1.0 does: TIME-WAIT is then the server's."""
    client, server = stage.connection()
    client.sendall(REQUEST)
    receive(server, len(REQUEST))
    server.sendall(RESPONSE)
    stage.pause()
    server.close()
    receive(client, len(RESPONSE) + 1)
    stage.pause()
    client.close()
