"""The lab's DNS world: a root, two top-level domains, servers of zones, a resolver and its client.

    client 10.0.0.2 ══ wire ══╗                    ╔══ root 192.0.2.1
                              router 10.0.0.1 ═════╬══ test 192.0.2.11, example 192.0.2.12
    resolver 10.0.0.53 ═ wire ╝                    ╠══ school 203.0.113.1 and .2, shop 203.0.113.21
                                                   ╚══ odd 203.0.113.40 and on

root, test and school.test are signed (DNSSEC), example and what is below are not. Nothing of it leads out.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sniffkit.lab import dns_servers, dns_zones
from sniffkit.lab.odd_servers import OddServers
from sniffkit.lab.workplace import Workplace
from sniffkit.lab.world import CLIENT, CLIENT_MAC, DNS, DNS_MAC, ROUTER, ROUTER_MAC, World

if TYPE_CHECKING:
    from sniffkit.lab.host import Host

CLIENT_6, ROUTER_6 = "2001:db8::2", "2001:db8::1"
NETS = ("192.0.2.254/24", "203.0.113.254/24", "2001:db8:0:2::fe/64", "2001:db8:0:3::fe/64")


class DnsWorld(World):
    """All of it; servers run when it is made, and end with it.

    delay:       seconds a frame takes over the client's wire, each way
    far:         the same over the resolver's, which is the way to all servers
    validating:  the resolver checks signatures
    with_resolver: without, the client is alone with the servers
    at_resolver: what is recorded, ``line``, is the resolver's wire and not the client's
    """

    def __init__(
        self,
        *,
        delay: float = 0.001,
        far: float = 0.005,
        validating: bool = False,
        with_resolver: bool = True,
        at_resolver: bool = False,
    ) -> None:
        dns_servers.require()
        super().__init__()
        self.workplace = Workplace()
        self.directory = self.workplace.path
        self.servers: list[dns_servers.Server] = []
        self.odd: OddServers | None = None
        try:
            self.router, self.client, self.resolver = self.host("router"), self.host("client"), self.host("resolver")
            self.client_line = self.wire(self.client, "eth0", self.router, "lan0", delay=delay)
            self.resolver_line = self.wire(self.resolver, "eth0", self.router, "lan1", delay=far)
            self.line = self.resolver_line if at_resolver else self.client_line
            self._join_lan()
            self._serve()
            if with_resolver:
                anchor = self.anchor if validating else None
                self.servers.append(
                    dns_servers.unbound(self.resolver, self.directory, DNS, dns_zones.ROOT, anchor=anchor)
                )
        except BaseException:
            self.close()
            raise

    @property
    def anchor(self) -> str:
        """The file with the DS record of the root's key."""
        return os.path.join(self.directory, "anchor")

    def close(self) -> None:
        """End the servers, then let the world go; its files go, too, when somebody presses Ctrl-C meanwhile."""
        try:
            for server in self.servers:
                server.close()
            if self.odd is not None:
                self.odd.close()
            super().close()
        finally:
            self.workplace.close()

    def _join_lan(self) -> None:
        """Client and resolver on one switch of the router; everybody knows his neighbours."""
        self.router.ip(
            "link add lan type bridge mcast_snooping 0",
            "link set lan0 master lan",
            "link set lan1 master lan",
            f"link set lan address {ROUTER_MAC} up",
            f"address add {ROUTER}/24 dev lan",
            "link add net type bridge mcast_snooping 0",
            "link set net address 02:00:00:00:02:01 up",
        )
        neighbours = {CLIENT: CLIENT_MAC, DNS: DNS_MAC, ROUTER: ROUTER_MAC}
        for host, own, mac in ((self.client, CLIENT, CLIENT_MAC), (self.resolver, DNS, DNS_MAC)):
            host.addresses.append(own)
            host.ip(f"link set eth0 address {mac}", f"address add {own}/24 dev eth0", f"route add default via {ROUTER}")
        for host, interface in ((self.client, "eth0"), (self.resolver, "eth0"), (self.router, "lan")):
            host.ip(
                *(
                    f"neighbour replace {address} lladdr {mac} dev {interface} nud permanent"
                    for address, mac in neighbours.items()
                    if address not in host.addresses and not (host is self.router and address == ROUTER)
                )
            )
        self._speak_6(self.router, "lan", f"{ROUTER_6}/64")
        self._speak_6(self.client, "eth0", f"{CLIENT_6}/64")
        self.client.ip(
            f"route add default via {ROUTER_6}",
            f"neighbour replace {ROUTER_6} lladdr {ROUTER_MAC} dev eth0 nud permanent",
        )
        self.router.ip(f"neighbour replace {CLIENT_6} lladdr {CLIENT_MAC} dev lan nud permanent")
        self.client.addresses.append(CLIENT_6)
        for net in NETS:
            if ":" in net:
                self._speak_6(self.router, "net", net)
            else:
                self.router.ip(f"address add {net} dev net")
        self.router.setting("net.ipv4.ip_forward", 1)
        self.router.setting("net.ipv6.conf.all.forwarding", 1)

    def _server_host(self, name: str, *addresses: str) -> Host:
        """Add a host behind the router with these addresses."""
        host = self.host(name)
        number = len(self.hosts)
        self.cable(host, "eth0", self.router, f"net{number}")
        self.router.ip(f"link set net{number} master net")
        host.ip(f"link set eth0 address 02:00:00:00:03:{number:02x}")
        for address in addresses:
            if ":" in address:
                self._speak_6(host, "eth0", f"{address}/64")
                gateway = address.rpartition("::")[0] + "::fe"
                host.ip(f"route replace default via {gateway}")
                self.router.ip(f"neighbour replace {address} lladdr 02:00:00:00:03:{number:02x} dev net nud permanent")
                host.ip(f"neighbour replace {gateway} lladdr 02:00:00:00:02:01 dev eth0 nud permanent")
            else:
                host.ip(f"address add {address}/24 dev eth0")
        host.ip(f"route add default via {addresses[0].rpartition('.')[0]}.254")
        host.addresses += addresses
        return host

    def _speak_6(self, host: Host, interface: str, address: str) -> None:
        """Give an interface an IPv6 address, and let it say nothing of its own accord."""
        for setting, value in (
            ("router_solicitations", 0),
            ("addr_gen_mode", 1),  # no link-local address, hence no reports about its group
            ("accept_ra", 0),
            ("mldv2_unsolicited_report_interval", 1),
            ("disable_ipv6", 0),
        ):
            host.setting(f"net.ipv6.conf.{interface}.{setting}", value)
        host.ip(f"address add {address} dev {interface} nodad")

    def _serve(self) -> None:
        """Write the zones, sign them from the bottom up, and serve them."""
        z = dns_zones
        school = self._zone("school.test", z.school_zone(), nsec3=True)
        expired = self._zone("expired.test", z.small_zone("expired.test"), expired=True)
        self._zone("stranger.test", z.small_zone("stranger.test"))
        stranger = school.replace("school.test.", "stranger.test.")  # the digest of a key that this zone never had
        test = self._zone("test", z.test_zone() + school + expired + stranger)
        root = self._zone(".", z.ROOT_ZONE + test)
        with open(self.anchor, "w") as file:
            file.write(root)
        for name, text in (
            ("example", z.EXAMPLE_ZONE),
            ("shop.example", z.SHOP_ZONE),
            ("noglue.test", z.NOGLUE_ZONE),
            ("plain.test", z.small_zone("plain.test")),
            ("half.test", z.small_zone("half.test")),
        ):
            self._write(name, text)
        signed = {f"{name}.test": f"{name}.test.signed" for name in ("school", "expired", "stranger")}
        for name, addresses, zones in (
            ("root", (z.ROOT, z.ROOT_6), {".": "root.signed"}),
            ("test", (z.TEST, z.TEST_6), {"test": "test.signed"}),
            ("example", (z.EXAMPLE,), {"example": "example"}),
            (
                "school",
                (z.SCHOOL, z.SCHOOL_2, z.SCHOOL_6),
                {**signed, "plain.test": "plain.test", "half.test": "half.test"},
            ),
            ("shop", (z.SHOP,), {"shop.example": "shop.example", "noglue.test": "noglue.test"}),
        ):
            host = self._server_host(name, *addresses)
            self.servers.append(dns_servers.nsd(host, self.directory, zones, addresses))
        self.odd = OddServers(self._server_host("odd", z.SILENT, z.CLOSED, *z.ODD.values(), z.ELSEWHERE))

    def _write(self, zone: str, text: str) -> None:
        with open(os.path.join(self.directory, dns_servers.file_of(zone)), "w") as file:
            file.write(text)

    def _zone(self, zone: str, text: str, *, nsec3: bool = False, expired: bool = False) -> str:
        """Write and sign a zone; return its DS record."""
        self._write(zone, text)
        return dns_servers.sign(self.directory, zone, nsec3=nsec3, expired=expired)
