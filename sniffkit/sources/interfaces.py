"""The network interfaces of this machine: what there is to capture on.

On Linux the kernel is asked through a netlink socket (rtnetlink(7)), which tells of the network namespace the process
is in; elsewhere Scapy knows.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sniffkit.errors import NotPermitted

ANY = "any"
"""The name under which all interfaces are captured at once (Linux)."""

UP, LOOPBACK, RUNNING = 0x1, 0x8, 0x40
ARPHRD_ETHERNET, ARPHRD_LOOPBACK, ARPHRD_NONE = 1, 772, 65534

GET_LINK, GET_ADDRESS = 18, 22
REQUEST_DUMP = 0x301
DONE, ERROR = 3, 2
LINK_MAC, LINK_NAME, LINK_MTU, LINK_INFO, INFO_KIND = 1, 3, 4, 18, 1
ADDRESS, LOCAL_ADDRESS = 1, 2

TUNNELS = frozenset({"sit", "ipip", "ip6tnl", "gre", "gretap", "ip6gre", "vti", "vxlan", "geneve", "erspan"})
KINDS = {"wireguard": "tunnel", "macvlan": "veth", "macvtap": "tap", "ipvlan": "veth", "team": "bond"}
KNOWN = frozenset({"bridge", "veth", "vlan", "bond", "dummy", "tun", "ifb"})
SAYS_ITSELF = frozenset({"loopback", "ethernet", "wifi", "other", "any", "tunnel", "tap"}) | KNOWN
"""What an interface can be (``NetworkInterface.what``); texts/live.toml has a word for each."""


@dataclass(frozen=True, slots=True)
class NetworkInterface:
    """One interface.

    number:    place in the list, from 1; ``live 2`` means this one
    index:     the kernel's number of it, 0 for ``any``
    hardware:  its ARPHRD number (linux/if_arp.h)
    what:      one of SAYS_ITSELF
    mac:       its hardware address, "" where it has none
    addresses: its IP addresses with their prefix lengths, ``10.0.0.2/24``
    mtu:       the largest packet in octets, 0 where that means nothing
    """

    number: int
    name: str
    index: int
    flags: int
    hardware: int
    what: str
    mac: str = ""
    mtu: int = 0
    addresses: tuple[str, ...] = ()

    @property
    def up(self) -> bool:
        """Whether it is switched on."""
        return bool(self.flags & UP)

    @property
    def running(self) -> bool:
        """Whether it could carry packets: switched on, and the cable (or the other end) is there."""
        return bool(self.flags & UP and self.flags & RUNNING)

    @property
    def loopback(self) -> bool:
        """Whether what is sent here arrives on the same machine."""
        return bool(self.flags & LOOPBACK)


def network_interfaces() -> list[NetworkInterface]:
    """Return all interfaces: those that carry packets first, loopback and ``any`` last; numbered from 1."""
    found = list(_of_linux() if sys.platform.startswith("linux") else _of_scapy())
    found.sort(key=lambda each: (each.what == "any", each.loopback, not each.running, not each.up, each.index))
    return [replace(each, number=number) for number, each in enumerate(found, 1)]


def choose(asked: str) -> NetworkInterface:
    """Return the interface that is meant by a name, or by a number of the list.

    Raises NotPermitted ``live.no-such-interface`` with the names there are.
    """
    known = network_interfaces()
    for each in known:
        if each.name == asked:
            return each
    for each in known:
        if str(each.number) == asked:
            return each
    names = tuple(f"{each.number} {each.name}" for each in known) or "-"
    raise NotPermitted("live.no-such-interface", name=asked, known=names)


def with_default_route() -> NetworkInterface:
    """Return the interface through which packets to the world leave, else the first that carries packets.

    Raises NotPermitted ``live.no-interface``.
    """
    known = network_interfaces()
    for name in default_routes():
        for each in known:
            if each.name == name:
                return each
    for each in known:
        if each.running and each.what != "any":
            return each
    raise NotPermitted("live.no-interface")


def default_routes() -> list[str]:
    """Return the interfaces of the default routes, the preferred ones first."""
    return _default_routes() if sys.platform.startswith("linux") else _default_route_of_scapy()


def _default_routes() -> list[str]:
    """Return the interfaces of the default routes, IPv4 before IPv6, the preferred ones first (proc_pid_net(5))."""
    found: list[tuple[int, str]] = []
    # interface, destination, gateway, flags, references, use, metric, mask ...: a default route has no mask
    found += [(int(row[6]), row[0]) for row in _rows("/proc/self/net/route")[1:] if row[1] == row[7] == "00000000"]
    found.sort()
    # destination, its prefix length, source, its prefix length, gateway, metric (hexadecimal) ... interface
    six = [row for row in _rows("/proc/self/net/ipv6_route") if row[0] == "0" * 32 and row[1] == "00"]
    found += sorted((int(row[5], 16), row[-1]) for row in six if row[-1] != "lo")
    return [name for _, name in found]


def _rows(path: str) -> list[list[str]]:
    try:
        with open(path) as table:
            return [line.split() for line in table if line.strip()]
    except OSError:
        return []


def _of_linux() -> Iterator[NetworkInterface]:
    addresses: dict[int, list[str]] = {}
    for body in _netlink(GET_ADDRESS, struct.pack("=BBBBi", 0, 0, 0, 0, 0)):
        family, prefix, _, _, index = struct.unpack_from("=BBBBi", body)
        told = dict(_attributes(body, 8))
        raw = told.get(LOCAL_ADDRESS) or told.get(ADDRESS)
        if raw is not None and family in (socket.AF_INET, socket.AF_INET6):
            addresses.setdefault(index, []).append(f"{socket.inet_ntop(family, raw)}/{prefix}")
    wireless = _wireless()
    for body in _netlink(GET_LINK, struct.pack("=BxHiII", 0, 0, 0, 0, 0)):
        hardware, index, flags = struct.unpack_from("=2xHiI", body)
        told = dict(_attributes(body, 16))
        name = told[LINK_NAME].rstrip(b"\0").decode(errors="backslashreplace")
        kind = dict(_attributes(told.get(LINK_INFO, b""), 0)).get(INFO_KIND, b"").rstrip(b"\0").decode()
        mac = told.get(LINK_MAC, b"")
        yield NetworkInterface(
            0,
            name,
            index,
            flags,
            hardware,
            _what(kind, hardware, flags, name in wireless),
            mac.hex(":") if hardware == ARPHRD_ETHERNET else "",
            struct.unpack("=I", told[LINK_MTU])[0] if LINK_MTU in told else 0,
            tuple(addresses.get(index, ())),
        )
    yield NetworkInterface(0, ANY, 0, UP | RUNNING, ARPHRD_NONE, "any")


def _what(kind: str, hardware: int, flags: int, wireless: bool) -> str:
    if flags & LOOPBACK:
        return "loopback"
    if wireless:
        return "wifi"
    if kind == "tun" and hardware == ARPHRD_ETHERNET:
        return "tap"
    if kind in KNOWN:
        return kind
    if kind in TUNNELS:
        return "tunnel"
    if kind in KINDS:
        return KINDS[kind]
    return "ethernet" if hardware == ARPHRD_ETHERNET else "other"


def _wireless() -> frozenset[str]:
    try:
        with open("/proc/self/net/wireless") as table:
            return frozenset(line.partition(":")[0].strip() for line in table if ":" in line)
    except OSError:
        return frozenset()


def _netlink(kind: int, body: bytes) -> Iterator[bytes]:
    """Ask the kernel for a list; yield the body of each of its answers."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as handle:
        handle.send(struct.pack("=IHHII", 16 + len(body), kind, REQUEST_DUMP, 1, 0) + body)
        while True:
            octets = handle.recv(1 << 18)
            at = 0
            while at + 16 <= len(octets):
                length, answer = struct.unpack_from("=IH", octets, at)
                if answer == DONE:
                    return
                if answer == ERROR:
                    code = -struct.unpack_from("=i", octets, at + 16)[0]
                    raise NotPermitted("live.interfaces-unknown", reason=os.strerror(code))
                yield octets[at + 16 : at + length]
                at += length + 3 & ~3


def _attributes(octets: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Yield type and value of each attribute (struct rtattr)."""
    while at + 4 <= len(octets):
        length, kind = struct.unpack_from("=HH", octets, at)
        if length < 4:
            return
        yield kind & 0x3FFF, octets[at + 4 : at + length]
        at += length + 3 & ~3


def _of_scapy() -> Iterator[NetworkInterface]:
    from sniffkit.sources.scapy_sockets import scapy_interfaces

    for index, (name, mac, addresses, loopback, up) in enumerate(scapy_interfaces(), 1):
        flags = (UP | RUNNING if up else 0) | (LOOPBACK if loopback else 0)
        yield NetworkInterface(
            0, name, index, flags, ARPHRD_ETHERNET, "loopback" if loopback else "ethernet", mac, 0, addresses
        )


def _default_route_of_scapy() -> list[str]:
    from sniffkit.sources.scapy_sockets import scapy_default_route

    return scapy_default_route()
