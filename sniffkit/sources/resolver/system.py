"""What this machine itself says of a name: its hosts file, and the resolver that its programs ask.

Programs do not walk down from the root. They look in the hosts file and then ask one resolver, which has most answers
in its cache (RFC 1034 section 5.3.1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING

from sniffkit.sources.resolver.asking import EDNS_SIZE, Asker
from sniffkit.sources.resolver.trace import Asked

if TYPE_CHECKING:
    from sniffkit.sources.resolver.trace import Record

HOSTS = "/etc/hosts"
RESOLV_CONF = "/etc/resolv.conf"
LARGEST_FILE = 1 << 20
MOST_SERVERS = 3
"""As many name servers as the C library takes from resolv.conf."""


@dataclass(slots=True)
class Opinion:
    """What the machine says.

    hosts:    addresses in the hosts file, with the number of the line
    resolver: the questions put to the machine's resolvers, the last one answered if any was
    none:     no resolver is set up
    """

    hosts: list[tuple[str, int]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    none: bool = False

    @property
    def answered(self) -> Asked | None:
        """The question that was answered."""
        return next((asked for asked in self.asked if not asked.failure), None)

    @property
    def records(self) -> list[Record]:
        """What the resolver answered."""
        return self.answered.answers if self.answered else []


def ask_system(name: str, kind: str, *, timeout: float, resolver: tuple[str, int] | None = None) -> Opinion:
    """Look a name up as programs of this machine do; ``resolver`` is asked in place of the system's."""
    opinion = Opinion(in_hosts(name, kind))
    servers = [resolver] if resolver is not None else [(address, 53) for address in name_servers()]
    opinion.none = not servers
    asker = Asker(timeout=timeout, recursive=True)
    for number, (address, port) in enumerate(servers, 1):
        transport, edns = "udp", EDNS_SIZE
        for _ in range(3):  # once more over TCP, once more without EDNS
            asked = Asked(number, 0, name, kind, "", address, port, "named", transport, edns, 0)  # type: ignore[arg-type]
            opinion.asked.append(asked)
            asker.ask(asked)
            if "tc" in asked.flags and transport == "udp":
                asked.failure, transport = "truncated", "tcp"
            elif asked.rcode in ("FORMERR", "NOTIMP") and edns:
                asked.failure, edns = "without-edns", 0
            else:
                break
        if opinion.answered is not None:
            break
    return opinion


def in_hosts(name: str, kind: str, path: str = HOSTS) -> list[tuple[str, int]]:
    """Return the addresses that the hosts file has for a name, each with its line."""
    version = {"A": 4, "AAAA": 6}.get(kind)
    found = []
    for number, line in enumerate(_lines(path), 1):
        address, *names = line.partition("#")[0].split() or [""]
        if name.lower() in (each.lower().rstrip(".") for each in names) and _version(address) == version:
            found.append((address, number))
    return found


def name_servers(path: str = RESOLV_CONF) -> list[str]:
    """Return the addresses of the machine's resolvers."""
    found = []
    for line in _lines(path):
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver" and _version(words[1].partition("%")[0]):
            found.append(words[1])
    return found[:MOST_SERVERS]


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(LARGEST_FILE).splitlines()
    except OSError:
        return []


def _version(address: str) -> int | None:
    try:
        return ip_address(address).version
    except ValueError:
        return None
