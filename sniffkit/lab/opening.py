"""Scenarios of opening: refused, unanswered, with losses, from both ends at once, with data, on used ports."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from sniffkit.lab.host import FIRST_PORT
from sniffkit.lab.stage import CLIENT, REQUEST, RESPONSE, SERVER, WEB, receive, vanish

if TYPE_CHECKING:
    from sniffkit.lab.stage import Stage

CLOSED_PORT = 81
OTHER_PORT = 40000
TCP_FASTOPEN = 23
MSG_FASTOPEN = 0x20000000
CLIENT_AND_SERVER = 3
"""net.ipv4.tcp_fastopen: both roles allowed."""


def refused_port(stage: Stage) -> None:
    """Nobody listens on the port: the SYN is answered by RST,ACK."""
    with contextlib.suppress(ConnectionRefusedError):
        stage.client.connect(SERVER, CLOSED_PORT)


def unanswered_syn(stage: Stage) -> None:
    """Every SYN is lost on its way: sent again after 1, 2 and 4 seconds."""
    stage.line.drop("SYN", nth=0)
    trying = stage.client.begin_connect(SERVER, WEB)
    stage.pause(7.5)
    stage.recording.running = False
    trying.close()


def syn_retransmitted(stage: Stage) -> None:
    """The first SYN is lost; the second, one second later, opens the connection."""
    stage.line.drop("SYN")
    client, server = stage.connection()
    stage.close(client, server)


def synack_lost(stage: Stage) -> None:
    """The first SYN,ACK is lost: the client sends its SYN again, the server its SYN,ACK."""
    # The server has a timer of one second for its SYN,ACK too. Let the client's SYN be late, and the client's timer
    # is the first to run out, so that each segment of the recording answers the one before it.
    stage.line.delay_frame(0.1, "SYN")
    stage.line.drop("SYN,ACK")
    client, server = stage.connection()
    stage.close(client, server)


def simultaneous_open(stage: Stage) -> None:
    """Both ends connect to each other, and their SYNs cross on the wire (RFC 9293 figure 7)."""
    client = stage.client.bound(FIRST_PORT)
    server = stage.server.bound(OTHER_PORT)
    client.setblocking(False)
    server.setblocking(False)
    client.connect_ex((SERVER, OTHER_PORT))
    server.connect_ex((CLIENT, FIRST_PORT))
    stage.pause(0.5)
    for end in (client, server):
        end.settimeout(5)
    client.sendall(b"hello from both\n")
    receive(server, 16)
    stage.pause()
    stage.close(client, server)


def old_duplicate_syn(stage: Stage) -> None:
    """A SYN of an earlier try arrives before the new one; RST clears it up (RFC 9293 figure 8)."""
    listener = stage.server.listen(WEB)
    stage.line.hold("SYN")
    given_up = stage.client.begin_connect(SERVER, WEB)
    stage.pause()
    given_up.close()  # its SYN is still under way
    # Linux answers a SYN,ACK that acknowledges the wrong SYN by RST and by its own SYN again, at once. Without the
    # first sending of that SYN the server sees exactly what the figure draws.
    stage.line.drop("SYN")
    client = stage.client.begin_connect(SERVER, WEB)
    stage.pause(0.05)
    stage.line.release()
    server, _ = listener.accept()
    listener.close()
    client.settimeout(5)
    stage.pause()
    stage.close(client, server)


def fast_open(stage: Stage) -> None:
    """A first connection fetches a cookie, the second sends its data with the SYN (RFC 7413)."""
    for host in (stage.client, stage.server):
        host.setting("net.ipv4.tcp_fastopen", CLIENT_AND_SERVER)
        host.setting("net.ipv4.tcp_no_metrics_save", 0, required=False)  # the cookie is kept there
    with stage.server.listen(WEB) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 4)
        for port in (FIRST_PORT, FIRST_PORT + 1):
            client = stage.client.bound(port)
            client.setblocking(True)  # a socket with a timeout would send the SYN and leave the data to a second call
            client.sendto(REQUEST, MSG_FASTOPEN, (SERVER, WEB))
            server, _ = listener.accept()
            server.settimeout(5)
            receive(server, len(REQUEST))
            server.sendall(RESPONSE)
            receive(client, len(RESPONSE))
            stage.pause()
            stage.close(client, server)
            stage.pause()


def port_reuse(stage: Stage) -> None:
    """Two connections on the same two ports, one after the other; the server was in TIME-WAIT (RFC 6191)."""
    for _ in range(2):
        client, server = stage.connection()
        client.sendall(REQUEST)
        receive(server, len(REQUEST))
        server.sendall(RESPONSE)
        receive(client, len(RESPONSE))
        stage.pause()
        stage.close(server, client)  # the client may use its port again at once: TIME-WAIT is the server's
        stage.pause(1.1)  # the second SYN needs a later time stamp than anything of the first connection


def half_open_peer(stage: Stage) -> None:
    """The client lost its power and connects again; the server still holds the old connection (figure 10)."""
    client, server = stage.connection()
    vanish(client)
    again = stage.client.begin_connect(SERVER, WEB)
    listener = stage.server.listen(WEB)
    stage.pause(0.5)
    server.close()
    second, _ = listener.accept()
    listener.close()
    again.settimeout(5)
    stage.pause()
    stage.close(again, second)
