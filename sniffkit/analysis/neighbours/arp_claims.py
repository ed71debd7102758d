"""Who says that an IPv4 address is at which MAC address, and what is odd about that: ARP proves nothing.

Every ARP message but a probe claims "my IP address is at my MAC address" (RFC 826 merges the sender's pair whatever the
message is). Two stations that claim one address, one that claims many, a claim that changes: each has an
innocent reason and a malicious one, and the packets look the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sniffkit.analysis.addresses import ipv4_text, mac_text
from sniffkit.analysis.facts import Fact, Level
from sniffkit.analysis.open_questions import elapsed

RECENT_NS = 60 * 10**9
"""A claim heard this long ago still stands in caches (RFC 1122 section 2.3.2.1: about a minute)."""

MANY = 3
"""From this many addresses on a station is said to answer for many; told again each time the number doubles."""

_SELF_GIVEN = 0xA9FE
"""169.254.0.0/16: an address that a host gives itself until it gets another (RFC 3927) makes nobody a gateway."""

SECOND_NS = 10**9

STORM = 50
"""This many questions of one station within a second are a storm, or, for many different addresses, a scan."""

KEPT = 65_536
"""How many addresses and stations are remembered; past that the oldest are forgotten."""


@dataclass(slots=True)
class _Claim:
    mac: int
    number: int
    time_ns: int
    told: set[int] = field(default_factory=set)  # stations whose claim was called odd already


@dataclass(slots=True)
class _Burst:
    since_ns: int
    count: int = 0
    targets: set[int] = field(default_factory=set)
    told: bool = False


class ArpClaims:
    """Remembers claims and bursts; each method returns the facts of one packet.

    stations: (VLAN or -1, MAC address) -> the addresses it claimed, each with the first packet that did
    vlan: the broadcast domain, -1 without a tag: the same address on two VLANs is no conflict
    """

    def __init__(self) -> None:
        self.stations: dict[tuple[int, int], dict[str, int]] = {}
        self._claims: dict[tuple[int, int], _Claim] = {}
        self._bursts: dict[tuple[int, int], _Burst] = {}

    def claim(self, vlan: int, ip: int, mac: int, number: int, time_ns: int, rival: bool = False) -> list[Fact]:
        """Note that ``mac`` says it has ``ip``.

        rival: another station answered the same question, so this is a conflict however long ago claims are
        """
        facts: list[Fact] = []
        known = self._claims.get((vlan, ip))
        if known is None:
            _forget_some(self._claims)
            self._claims[vlan, ip] = _Claim(mac, number, time_ns)
        else:
            if known.mac != mac:
                apart = elapsed(time_ns, known.time_ns)
                recent = rival or apart is None or apart <= RECENT_NS
                values = {
                    "address": ipv4_text(ip),
                    "mac": mac_text(mac),
                    "other": mac_text(known.mac),
                    "number": known.number,
                }
                level: Level = "note" if mac in known.told else "warning"
                known.told |= {mac, known.mac}
                if recent:
                    facts.append(Fact("arp.address-conflict", level, values))
                if not rival:
                    facts.append(Fact("arp.answer-changed", level, values))
            known.mac, known.number, known.time_ns = mac, number, time_ns
        return facts + self._count(vlan, ip, mac, number)

    def _count(self, vlan: int, ip: int, mac: int, number: int) -> list[Fact]:
        _forget_some(self.stations)
        addresses = self.stations.setdefault((vlan, mac), {})
        address = ipv4_text(ip)
        if address in addresses or len(addresses) >= KEPT or ip >> 16 == _SELF_GIVEN:
            return []
        addresses[address] = number
        count = len(addresses)
        if count == 2:
            other, earlier = next(iter(addresses.items()))
            return [
                Fact(
                    "arp.second-address",
                    "note",
                    {"mac": mac_text(mac), "address": address, "other": other, "number": earlier},
                )
            ]
        if count >= MANY and count % MANY == 0 and (count // MANY).bit_count() == 1:
            return [Fact("arp.many-addresses", "warning", {"mac": mac_text(mac), "count": count})]
        return []

    def ask(self, vlan: int, mac: int, target: int, time_ns: int) -> list[Fact]:
        """Count a question; say so once where questions come in a storm or go through a whole network."""
        burst = self._bursts.get((vlan, mac))
        apart = None if burst is None else elapsed(time_ns, burst.since_ns)
        if burst is None or apart is None or not 0 <= apart <= SECOND_NS:
            told = burst is not None and burst.told and apart is not None and 0 <= apart <= 2 * SECOND_NS
            _forget_some(self._bursts)
            burst = self._bursts[vlan, mac] = _Burst(time_ns, told=told)
        burst.count += 1
        burst.targets.add(target)
        if burst.told or burst.count < STORM:
            return []
        burst.told = True
        different = len(burst.targets)
        values: dict[str, object] = {
            "mac": mac_text(mac),
            "count": burst.count,
            "different": different,
            "address": ipv4_text(target),
        }
        values |= {"within_ns": elapsed(time_ns, burst.since_ns)}
        return [Fact("arp.scan" if different * 2 > burst.count else "arp.storm", "warning", values)]


def differs_from_frame(mac: int, frame_mac: int) -> list[Fact]:
    """Compare the sender in the message with the frame's source."""
    if frame_mac < 0 or frame_mac == mac:
        return []
    values: dict[str, object] = {"mac": mac_text(mac), "frame_mac": mac_text(frame_mac)}
    return [Fact("arp.sender-differs-from-frame", "warning", values)]


def _forget_some(kept: dict[tuple[int, int], Any]) -> None:
    """Make room for another entry: the older half goes."""
    if len(kept) >= KEPT:
        for key in list(kept)[: KEPT // 2]:
            del kept[key]
