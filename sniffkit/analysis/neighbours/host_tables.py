"""What each host has in its ARP table or neighbour cache, and since which packet: nobody sees it, messages imply it."""

from __future__ import annotations

from dataclasses import dataclass

ENTRIES = 65_536
"""How many table entries are kept over all hosts; later ones are neither kept nor told."""


@dataclass(frozen=True, slots=True)
class TableChange:
    """From ``packet`` on the host has ``ip`` at ``mac`` in its table, where ``before`` stood ("" for nothing).

    seen: the packet that shows it, which may come later: that a host took the asker's address from a question is only
          known once it answers
    host: what to call the host: its IP address, with the MAC address where two stations call themselves so
    """

    packet: int
    seen: int
    vlan: int
    host_mac: str
    host: str
    ip: str
    mac: str
    before: str

    @property
    def values(self) -> dict[str, object]:
        """What a sentence about it needs."""
        return {"host": self.host, "address": self.ip, "mac": self.mac, "before": self.before, "since": self.packet}


@dataclass(frozen=True, slots=True)
class TableEntry:
    """Where an address is, since which packet, and which packet shows it."""

    mac: str
    packet: int
    seen: int


Tables = dict[tuple[int, str], dict[str, TableEntry]]
"""(VLAN or -1, host's MAC address) -> {IP address: entry}."""


class HostTables:
    """The tables of all hosts.

    after: the packet after which ``then`` shows the tables
    now:   the tables as they stand
    then:  the tables as they stood after packet ``after``, as far as the whole capture tells; empty without it
    names: (VLAN or -1, MAC address) -> the first IP address that its messages called their own
    several: those of them that called more than one address their own
    """

    def __init__(self, after: int | None = None) -> None:
        self.now: Tables = {}
        self.then: Tables = {}
        self._after = after
        self.names: dict[tuple[int, str], str] = {}
        self.several: set[tuple[int, str]] = set()
        self._namesakes: dict[tuple[int, str], int] = {}
        self._holders: dict[tuple[int, str], list[str]] = {}
        self._entries = 0

    def name(self, vlan: int, mac: str, ip: str) -> None:
        """Note that the station at ``mac`` calls itself ``ip``."""
        known = self.names.get((vlan, mac))
        if known is not None:
            if known != ip:
                self.several.add((vlan, mac))
        elif len(self.names) < ENTRIES:
            self.names[vlan, mac] = ip
            self._namesakes[vlan, ip] = self._namesakes.get((vlan, ip), 0) + 1

    def called(self, vlan: int, mac: str) -> str:
        """Return what to call a host."""
        name = self.names.get((vlan, mac), "")
        return mac if not name else f"{name} ({mac})" if self._namesakes[vlan, name] > 1 else name

    def holders(self, vlan: int, ip: str) -> list[str]:
        """Return the MAC addresses of the hosts that have an address in their tables."""
        return list(self._holders.get((vlan, ip), ()))

    def put(self, vlan: int, host: str, ip: str, mac: str, packet: int, seen: int) -> TableChange | None:
        """Enter an address into the table of ``host``; None where it stands there already, or there are too many."""
        table = self.now.get((vlan, host))
        known = None if table is None else table.get(ip)
        if known is not None and known.mac == mac:
            return None
        if known is None:
            if self._entries >= ENTRIES:
                return None
            self._entries += 1
            self._holders.setdefault((vlan, ip), []).append(host)
        entry = TableEntry(mac, packet, seen)
        self.now.setdefault((vlan, host), {})[ip] = entry
        if self._after is not None and packet <= self._after:
            then = self.then.setdefault((vlan, host), {})
            if ip not in then or then[ip].packet <= packet:
                then[ip] = entry
        before = "" if known is None else known.mac
        return TableChange(packet, seen, vlan, host, self.called(vlan, host), ip, mac, before)
