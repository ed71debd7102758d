"""Scenarios of who has which address: two that claim one, one that claims another's, one that answers for many."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import TYPE_CHECKING

from sniffkit.lab.frame import ARP
from sniffkit.lab.stage import DNS, ROUTER, SERVER
from sniffkit.lab.world import CLIENT, CLIENT_MAC, ROUTER_MAC

if TYPE_CHECKING:
    from sniffkit.lab.host import Host
    from sniffkit.lab.stage import Stage

OTHER, OTHER_MAC = "10.0.0.66", "02:00:00:00:00:66"
MOVED_MAC = "02:00:00:00:00:54"
NOBODY = "10.0.0.99"
SECOND_SERVER = "93.184.216.35"
REQUEST, REPLY = 1, 2
EVERYBODY = "ff:ff:ff:ff:ff:ff"
NO_MAC, NO_ADDRESS = "00:00:00:00:00:00", "0.0.0.0"
CONTENT = b"who is there?"


def joined(stage: Stage, name: str, address: str, mac: str) -> Host:
    """Plug one more host into the router's switch."""
    host = stage.room.host(name)
    stage.room.cable(host, "eth0", stage.room.router, "lan2")
    stage.room.router.ip("link set lan2 master lan")
    host.ip(f"link set eth0 address {mac}", f"address add {address}/24 dev eth0")
    host.addresses.append(address)
    return host


def arp_frame(kind: int, sender: tuple[str, str], target: tuple[str, str], to: str) -> bytes:
    """An ARP message in its frame (RFC 826). sender, target: MAC and IPv4 address; to: the frame's destination."""
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, kind)
    for mac, address in (sender, target):
        body += octets(mac) + socket.inet_aton(address)
    return octets(to) + octets(sender[0]) + struct.pack("!H", ARP) + body


def octets(mac: str) -> bytes:
    """A MAC address as six octets."""
    return bytes.fromhex(mac.replace(":", ""))


def send(host: Host, *frames: bytes) -> None:
    """Send whole frames from a host's interface, whatever its own address is."""
    with host.open_socket(socket.SOCK_RAW, socket.AF_PACKET) as handle:
        handle.bind(("eth0", 0))
        for frame in frames:
            handle.send(frame)


def arp_unanswered(stage: Stage) -> None:
    """Nobody has the address: the kernel asks three times, a second apart, and gives up."""
    with contextlib.suppress(OSError):
        stage.client.ping(NOBODY, content=CONTENT)


def arp_detection(stage: Stage) -> None:
    """A host asks whether anybody has an address before it takes it (RFC 5227): a taken one, then a free one."""
    client = stage.client
    probe_taken = arp_frame(REQUEST, (CLIENT_MAC, NO_ADDRESS), (NO_MAC, DNS), EVERYBODY)
    send(client, probe_taken)
    stage.pause(0.3)
    for _ in range(3):
        send(client, arp_frame(REQUEST, (CLIENT_MAC, NO_ADDRESS), (NO_MAC, CLIENT), EVERYBODY))
        stage.pause(0.3)
    for _ in range(2):
        send(client, arp_frame(REQUEST, (CLIENT_MAC, CLIENT), (NO_MAC, CLIENT), EVERYBODY))
        stage.pause(0.3)


def arp_announcement(stage: Stage) -> None:
    """The DNS server gets a new network card: its kernel announces the new MAC, and the client follows at once."""
    stage.client.setting("net.ipv4.neigh.eth0.locktime", 0)
    stage.dns.setting("net.ipv4.conf.eth0.arp_notify", 1)
    stage.client.ping(DNS, sequence=1, content=CONTENT)
    stage.pause()
    stage.dns.ip(f"link set eth0 address {MOVED_MAC}")
    stage.pause()
    stage.client.ping(DNS, sequence=2, content=CONTENT)


def arp_duplicate(stage: Stage) -> None:
    """Two hosts have one address: both answer, and the client believes one of them, perhaps the other next time."""
    other = joined(stage, "other", DNS, OTHER_MAC)
    other.ip(f"neighbour replace {CLIENT} lladdr {CLIENT_MAC} dev eth0 nud permanent")
    stage.client.ping(DNS, sequence=1, content=CONTENT)
    stage.pause()


def arp_spoofing(stage: Stage) -> None:
    """Somebody says that the router's address is his: what the client sends to the router goes through his hands."""
    attacker = joined(stage, "attacker", OTHER, OTHER_MAC)
    attacker.setting("net.ipv4.ip_forward", 1)
    for place in ("all", "eth0"):
        attacker.setting(f"net.ipv4.conf.{place}.send_redirects", 0)
    attacker.ip(
        f"neighbour replace {CLIENT} lladdr {CLIENT_MAC} dev eth0 nud permanent",
        f"neighbour replace {ROUTER} lladdr {ROUTER_MAC} dev eth0 nud permanent",
    )
    stage.client.setting("net.ipv4.neigh.eth0.locktime", 0)
    stage.room.router.setting("net.ipv4.neigh.lan.locktime", 0)
    stage.room.router.ip(f"neighbour replace {CLIENT} lladdr {CLIENT_MAC} dev lan nud reachable")
    stage.client.ping(ROUTER, sequence=1, content=CONTENT)
    stage.pause()
    send(
        attacker,
        arp_frame(REPLY, (OTHER_MAC, ROUTER), (CLIENT_MAC, CLIENT), CLIENT_MAC),
        arp_frame(REPLY, (OTHER_MAC, CLIENT), (ROUTER_MAC, ROUTER), ROUTER_MAC),
    )
    stage.pause()
    stage.client.ping(ROUTER, sequence=2, content=CONTENT)
    stage.pause()


def arp_proxy(stage: Stage) -> None:
    """The client takes a far network for its own link and asks for its hosts; the router answers (RFC 1027)."""
    stage.client.ip("route add 93.184.216.0/24 dev eth0")
    stage.server.ip(f"address add {SECOND_SERVER}/24 dev eth0")
    stage.room.router.setting("net.ipv4.conf.lan.proxy_arp", 1)
    stage.room.router.setting("net.ipv4.neigh.lan.proxy_delay", 0)
    stage.room.router.ip(f"neighbour replace {SECOND_SERVER} lladdr 02:00:00:00:01:34 dev wan0 nud permanent")
    for sequence, address in enumerate((SERVER, SECOND_SERVER, ROUTER), 1):
        stage.client.ping(address, sequence=sequence, content=CONTENT)
        stage.pause()
