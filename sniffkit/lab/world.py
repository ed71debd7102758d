"""The world of a scenario: hosts, and the wires and cables between them; gone without a trace at the end.

``Classroom`` is the world nearly every scenario plays in:

    client ══ wire ══╗
    10.0.0.2         ║
              router 10.0.0.1 (a switch and a router in one, as at home) ══ server
    dns    ══════════╝         93.184.216.1                                 93.184.216.34
    10.0.0.53

Nothing in it leads out: no interface of the machine is in any of its namespaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from sniffkit.lab import offload
from sniffkit.lab.host import Host
from sniffkit.lab.wire import Wire

if TYPE_CHECKING:
    from types import TracebackType

CLIENT, ROUTER, DNS, SERVER, OUTSIDE = "10.0.0.2", "10.0.0.1", "10.0.0.53", "93.184.216.34", "93.184.216.1"
CLIENT_MAC, ROUTER_MAC, DNS_MAC = "02:00:00:00:00:02", "02:00:00:00:00:01", "02:00:00:00:00:53"
SERVER_MAC, OUTSIDE_MAC = "02:00:00:00:01:34", "02:00:00:00:01:01"
CLIENT_6, ROUTER_6 = "2001:db8::2", "2001:db8::1"
SERVER_6, OUTSIDE_6 = "2001:db8:0:1::34", "2001:db8:0:1::1"

QUIET: dict[str, int | str] = {
    "net.ipv4.tcp_congestion_control": "reno",  # built into every kernel, and what textbooks describe
    "net.ipv4.tcp_no_metrics_save": 1,  # no connection is shaped by the one before it
    "net.ipv4.tcp_rmem": "4096 131072 6291456",  # Linux's own figures; the window scale (7) follows from them
    "net.ipv4.tcp_wmem": "4096 16384 4194304",
    "net.ipv4.tcp_syn_linear_timeouts": 0,  # 1, 2, 4 seconds from the first try on
    "net.ipv6.conf.all.disable_ipv6": 1,  # no router solicitation, no multicast report where IPv6 isn't the subject
    "net.ipv6.conf.default.disable_ipv6": 1,
}
"""Kernel settings of every host; those this kernel doesn't have are passed over."""


class World:
    """Hosts and what joins them; use it in ``with``."""

    def __init__(self) -> None:
        self.hosts: list[Host] = []
        self.wires: list[Wire] = []

    def host(self, name: str) -> Host:
        """Add a host without interfaces."""
        made = Host(name)
        self.hosts.append(made)
        for setting, value in QUIET.items():
            made.setting(setting, value, required=False)
        return made

    def cable(self, one: Host, its_end: str, other: Host, other_end: str, *, keep_offload: bool = False) -> None:
        """Join two hosts by a veth pair, up, without addresses; ``keep_offload`` is for the first one's end."""
        one.ip(f"link add {its_end} type veth peer name {other_end} netns {other.path}")
        for host, end in ((one, its_end), (other, other_end)):
            if not (keep_offload and host is one):
                with host.inside():
                    offload.switch_off(end)
        one.ip(f"link set {its_end} up")
        other.ip(f"link set {other_end} up")

    def wire(
        self, one: Host, its_end: str, other: Host, other_end: str, *, delay: float, keep_offload: bool = False
    ) -> Wire:
        """Join two hosts by a wire; the first is its near side. ``delay`` in seconds, each way."""
        between = self.host(f"wire {one.name}-{other.name}")
        self.cable(one, its_end, between, "near", keep_offload=keep_offload)
        self.cable(other, other_end, between, "far")
        made = Wire(between, ("near", "far"), delay)
        self.wires.append(made)
        return made

    def close(self) -> None:
        """Stop the wires and let every namespace go."""
        for wire in self.wires:
            wire.close()
        for host in self.hosts:
            host.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Classroom(World):
    """Client, router, server and DNS server; the wire runs between the client and the router's switch.

    delay:        seconds a frame travels on the wire, each way
    ask_arp:      the client must ask for MAC addresses; without it all hosts know their neighbours
    keep_offload: the client's interface keeps its offload
    ipv6:         IPv6 is on, with static addresses
    """

    def __init__(
        self, *, delay: float = 0.01, ask_arp: bool = False, keep_offload: bool = False, ipv6: bool = False
    ) -> None:
        super().__init__()
        try:
            self.client, self.router = self.host("client"), self.host("router")
            self.server, self.dns = self.host("server"), self.host("dns")
            self.line = self.wire(self.client, "eth0", self.router, "lan0", delay=delay, keep_offload=keep_offload)
            self.cable(self.dns, "eth0", self.router, "lan1")
            self.cable(self.server, "eth0", self.router, "wan0")
            self._address()
            self._introduce(ask_arp)
            if ipv6:
                self._address_6()
        except BaseException:
            self.close()
            raise

    def _address(self) -> None:
        for host, mac, own, gateway in (
            (self.client, CLIENT_MAC, CLIENT, ROUTER),
            (self.dns, DNS_MAC, DNS, ROUTER),
            (self.server, SERVER_MAC, SERVER, OUTSIDE),
        ):
            host.addresses.append(own)
            host.ip(
                f"link set eth0 address {mac}",
                f"address add {own}/24 dev eth0",
                f"route add default via {gateway}",
            )
        self.router.addresses += [ROUTER, OUTSIDE]
        self.router.ip(
            "link add lan type bridge mcast_snooping 0",
            "link set lan0 master lan",
            "link set lan1 master lan",
            f"link set lan address {ROUTER_MAC} up",
            f"address add {ROUTER}/24 dev lan",
            f"link set wan0 address {OUTSIDE_MAC}",
            f"address add {OUTSIDE}/24 dev wan0",
        )
        self.router.setting("net.ipv4.ip_forward", 1)

    def _introduce(self, ask_arp: bool) -> None:
        for host, address, mac, interface in (
            (self.router, CLIENT, CLIENT_MAC, "lan"),
            (self.router, DNS, DNS_MAC, "lan"),
            (self.router, SERVER, SERVER_MAC, "wan0"),
            (self.dns, CLIENT, CLIENT_MAC, "eth0"),
            (self.dns, ROUTER, ROUTER_MAC, "eth0"),
            (self.server, OUTSIDE, OUTSIDE_MAC, "eth0"),
            (self.client, ROUTER, ROUTER_MAC, "eth0"),
            (self.client, DNS, DNS_MAC, "eth0"),
        ):
            if not (ask_arp and host is self.client):
                host.ip(f"neighbour replace {address} lladdr {mac} dev {interface} nud permanent")

    def _address_6(self) -> None:
        for host, interface, own, gateway in (
            (self.client, "eth0", CLIENT_6, ROUTER_6),
            (self.server, "eth0", SERVER_6, OUTSIDE_6),
            (self.router, "lan", ROUTER_6, ""),
            (self.router, "wan0", OUTSIDE_6, ""),
        ):
            host.addresses.append(own)
            for setting, value in (
                ("router_solicitations", 0),
                ("addr_gen_mode", 1),  # no link-local address, hence no reports about its group
                ("accept_ra", 0),
                ("mldv2_unsolicited_report_interval", 1),
                ("disable_ipv6", 0),
            ):
                host.setting(f"net.ipv6.conf.{interface}.{setting}", value)
            host.ip(
                f"address add {own}/64 dev {interface} nodad",
                *([f"route add default via {gateway}"] if gateway else []),
            )
        self.router.setting("net.ipv6.conf.all.forwarding", 1)
        # A router asks for neighbours from its link-local address, and here it has none; only the client must ask.
        self.router.ip(
            f"neighbour replace {CLIENT_6} lladdr {CLIENT_MAC} dev lan nud permanent",
            f"neighbour replace {SERVER_6} lladdr {SERVER_MAC} dev wan0 nud permanent",
        )
        self.server.ip(f"neighbour replace {OUTSIDE_6} lladdr {OUTSIDE_MAC} dev eth0 nud permanent")
