"""What the octets say: one file a protocol, read one packet at a time (``packet``) or in bulk (``columns``).

Adding a protocol is one file and one line in ``REGISTER``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from sniffkit.protocols import (
    arp,
    dns,
    ethernet,
    gre,
    icmp,
    icmpv6,
    ipv4,
    ipv6,
    ipv6_extensions,
    link,
    llc,
    mpls,
    overlays,
    ppp,
    tcp,
    udp,
    vlan,
)

if TYPE_CHECKING:
    from sniffkit.protocols.protocol import Protocol

REGISTER: tuple[Protocol, ...] = (
    ethernet.PROTOCOL,
    vlan.PROTOCOL,
    vlan.SERVICE,
    llc.PROTOCOL,
    link.BARE,
    link.LOOPBACK,
    link.COOKED_PROTOCOL,
    link.COOKED_2_PROTOCOL,
    arp.PROTOCOL,
    ipv4.PROTOCOL,
    ipv6.PROTOCOL,
    *ipv6_extensions.PROTOCOLS,
    icmp.PROTOCOL,
    icmpv6.PROTOCOL,
    tcp.PROTOCOL,
    udp.PROTOCOL,
    dns.PROTOCOL,
    mpls.PROTOCOL,
    mpls.PSEUDOWIRE,
    ppp.SESSION,
    ppp.PROTOCOL,
    ppp.CISCO_HDLC,
    gre.PROTOCOL,
    gre.MIRROR,
    gre.MIRROR_3,
    overlays.VXLAN_PROTOCOL,
    overlays.GENEVE_PROTOCOL,
    overlays.GTP_PROTOCOL,
    overlays.TEREDO_PROTOCOL,
)


@cache
def number_spaces() -> dict[str, dict[int, Protocol]]:
    """Every number space (``eth.type``, ``ip.proto`` ...): which number means which protocol."""
    spaces: dict[str, dict[int, Protocol]] = {}
    for protocol in REGISTER:
        for space, numbers in protocol.carried_in.items():
            spaces.setdefault(space, {}).update(dict.fromkeys(numbers, protocol))
    return spaces


def find(space: str, number: int) -> Protocol | None:
    """Return the protocol that a number means in a number space, None where no table of ours reads it."""
    return number_spaces().get(space, {}).get(number)
