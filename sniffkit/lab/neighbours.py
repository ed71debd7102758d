"""Scenarios below TCP: who has this address, are you there, and frames that carry a VLAN tag."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from sniffkit.lab.stage import REQUEST, RESPONSE, ROUTER, WEB, receive
from sniffkit.lab.world import ROUTER_6, SERVER_6

if TYPE_CHECKING:
    from sniffkit.lab.stage import Stage

VLAN = 10
CONTENT = bytes(range(0x61, 0x61 + 23)) + bytes(range(0x61, 0x61 + 9))
"""What Windows' ping sends, letters a to w and again: easy to recognise in a hex dump."""


def arp_ping(stage: Stage) -> None:
    """The client asks for the router's MAC address, then sends it two echo requests."""
    for sequence in (1, 2):
        stage.client.ping(ROUTER, sequence=sequence, content=CONTENT)
        stage.pause()


def ipv6_neighbour_discovery(stage: Stage) -> None:
    """IPv6: neighbour solicitation instead of ARP, a ping, then a TCP connection through the router."""
    stage.client.ping(ROUTER_6, content=CONTENT)
    with stage.server.listen(WEB, family=socket.AF_INET6) as listener:
        client = stage.client.connect(SERVER_6, WEB)
        server, _ = listener.accept()
    client.sendall(REQUEST)
    receive(server, len(REQUEST))
    server.sendall(RESPONSE)
    receive(client, len(RESPONSE))
    stage.pause()
    stage.close(client, server)


def vlan(stage: Stage) -> None:
    """ARP, a ping and a connection seen on the trunk between two switches: each frame carries VLAN 10."""
    stage.line.tag(VLAN)
    stage.client.ping(ROUTER, content=CONTENT)
    client, server = stage.connection()
    client.sendall(REQUEST)
    receive(server, len(REQUEST))
    server.sendall(RESPONSE)
    receive(client, len(RESPONSE))
    stage.pause()
    stage.close(client, server)
