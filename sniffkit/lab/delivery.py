"""Scenarios of data on its way: lost, out of order, twice, too much, too little, none for a long time."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from sniffkit.lab.closing import exchange
from sniffkit.lab.stage import receive

if TYPE_CHECKING:
    from sniffkit.lab.stage import Stage

SEGMENT = 1448
"""Octets of data in a full segment: MTU 1500 - 20 (IP) - 20 (TCP) - 12 (time stamps)."""
SMALL_BUFFER = 4096
SETTLED = 6
"""The first segment that meets a settled window: Linux lets it grow with the first five it receives in order.

Duplicate acknowledgements then differ in nothing but their SACK option.
"""


def lost_segment(stage: Stage) -> None:
    """One of ten segments is lost; duplicate acknowledgements ask for it, and it is sent again at once."""
    client, server = stage.connection()
    stage.line.drop("data", sender=stage.client, nth=SETTLED)
    client.sendall(text(10 * SEGMENT))
    stage.pause(0.15)  # the program reads when all is there: what it reads meanwhile would move the window
    receive(server, 10 * SEGMENT)
    stage.pause()
    stage.close(client, server)


def out_of_order(stage: Stage) -> None:
    """One segment travels longer than the one sent after it: nothing is lost, only the order."""
    client, server = stage.connection()
    stage.line.delay_frame(0.003, "data", sender=stage.client, nth=SETTLED)
    client.sendall(text(7 * SEGMENT))
    stage.pause(0.15)
    receive(server, 7 * SEGMENT)
    stage.pause()
    stage.close(client, server)


def repeated_segment(stage: Stage) -> None:
    """The network delivers one segment twice; the receiver answers that it has it already (D-SACK)."""
    client, server = stage.connection()
    stage.line.repeat("data", sender=stage.client, after=0.03)
    client.sendall(b"once is enough\n")
    receive(server, 15)
    stage.pause()
    stage.close(client, server)


def timeout_retransmission(stage: Stage) -> None:
    """A single small segment is lost again and again; with nothing behind it only the timer can notice."""
    client, server = stage.connection()
    for nth in (1, 2, 3, 4):  # the second is a tail loss probe (RFC 8985), then the timer's, twice as late each time
        stage.line.drop("data", sender=stage.client, nth=nth)
    client.sendall(b"is anybody there?\n")
    receive(server, 18)
    stage.pause()
    stage.close(client, server)


def zero_window(stage: Stage) -> None:
    """The server's program doesn't read: its window shrinks to 0, is probed, and opens again when it reads."""
    stage.server.setting("net.ipv4.tcp_invalid_ratelimit", 0)  # answer each probe, however soon it comes
    client, server = stage.connection(receive_buffer=SMALL_BUFFER)
    everything = text(6000)
    client.sendall(everything)
    stage.pause(1.5)
    receive(server, len(everything))
    stage.pause()
    stage.close(client, server)


def keepalive(stage: Stage) -> None:
    """Idle ends ask "are you there?" (timers cut from hours to seconds); then the wire is cut and nobody answers."""
    client, server = exchange(stage)
    for option, seconds in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 3)):
        client.setsockopt(socket.IPPROTO_TCP, option, seconds)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    stage.pause(2.5)
    stage.line.drop("any", sender=stage.server, nth=0)
    stage.pause(4.5)
    stage.recording.running = False
    client.close()
    server.close()


def sticky_nagle(stage: Stage) -> None:
    """Three sends: with Nagle's algorithm the last two arrive as one segment, without it as two."""
    for port, nagle in ((50000, True), (50001, False)):
        client, server = stage.connection(from_port=port)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, not nagle)
        for message in (b"hello", b"sticky", b"world"):
            client.sendall(message)
        receive(server, 16)
        stage.pause()
        stage.close(client, server)
        stage.pause()


def text(octets: int) -> bytes:
    """Numbered lines of 16 octets, so that a reader sees in a hex dump which part this is."""
    return b"".join(b"line %09d.\n" % number for number in range(octets // 16 + 1))[:octets]
