"""Addresses: what kind of address this is — private, loopback, multicast — before anyone asks whose."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network


class AddressKind(StrEnum):
    """What an IP address is for (RFC 6890 and the registries behind it)."""

    GLOBAL = "global"
    PRIVATE = "private"  # RFC 1918
    SHARED = "shared"  # RFC 6598, between a provider and its customers
    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"  # RFC 3927, RFC 4291
    UNIQUE_LOCAL = "unique-local"  # RFC 4193
    UNSPECIFIED = "unspecified"
    THIS_NETWORK = "this-network"  # RFC 1122 section 3.2.1.3
    BROADCAST = "broadcast"  # RFC 919
    MULTICAST = "multicast"
    SOLICITED_NODE = "solicited-node"  # RFC 4291 section 2.7.1
    DOCUMENTATION = "documentation"  # RFC 5737, RFC 3849
    BENCHMARKING = "benchmarking"  # RFC 2544
    RESERVED = "reserved"
    IPV4_MAPPED = "ipv4-mapped"
    TEREDO = "teredo"
    SIX_TO_FOUR = "6to4"


# first match wins
NETWORKS: tuple[tuple[str, AddressKind], ...] = (
    ("255.255.255.255/32", AddressKind.BROADCAST),
    ("0.0.0.0/32", AddressKind.UNSPECIFIED),
    ("0.0.0.0/8", AddressKind.THIS_NETWORK),
    ("127.0.0.0/8", AddressKind.LOOPBACK),
    ("10.0.0.0/8", AddressKind.PRIVATE),
    ("172.16.0.0/12", AddressKind.PRIVATE),
    ("192.168.0.0/16", AddressKind.PRIVATE),
    ("100.64.0.0/10", AddressKind.SHARED),
    ("169.254.0.0/16", AddressKind.LINK_LOCAL),
    ("192.0.2.0/24", AddressKind.DOCUMENTATION),
    ("198.51.100.0/24", AddressKind.DOCUMENTATION),
    ("203.0.113.0/24", AddressKind.DOCUMENTATION),
    ("198.18.0.0/15", AddressKind.BENCHMARKING),
    ("224.0.0.0/4", AddressKind.MULTICAST),
    ("240.0.0.0/4", AddressKind.RESERVED),
    ("::/128", AddressKind.UNSPECIFIED),
    ("::1/128", AddressKind.LOOPBACK),
    ("::ffff:0:0/96", AddressKind.IPV4_MAPPED),
    ("2001:db8::/32", AddressKind.DOCUMENTATION),
    ("3fff::/20", AddressKind.DOCUMENTATION),
    ("2001::/32", AddressKind.TEREDO),
    ("2002::/16", AddressKind.SIX_TO_FOUR),
    ("fe80::/10", AddressKind.LINK_LOCAL),
    ("fc00::/7", AddressKind.UNIQUE_LOCAL),
    ("ff02::1:ff00:0/104", AddressKind.SOLICITED_NODE),
    ("ff00::/8", AddressKind.MULTICAST),
)

TABLE = tuple((ip_network(network), kind) for network, kind in NETWORKS)


@lru_cache(4096)
def address_kind(address: str) -> AddressKind:
    """Return the kind of an IPv4 or IPv6 address; raise ValueError if it is none."""
    found: IPv4Address | IPv6Address = ip_address(address)
    for network, kind in TABLE:
        if found.version == network.version and found in network:
            return kind
    return AddressKind.GLOBAL


class MacKind(StrEnum):
    """Whom an Ethernet address means."""

    UNICAST = "unicast"
    MULTICAST = "multicast"
    BROADCAST = "broadcast"
    UNSPECIFIED = "unspecified"


def mac_kind(mac: str) -> MacKind:
    """Return whom a MAC address means, by its group bit (the lowest of the first octet; IEEE 802 section 8.2)."""
    if mac == "ff:ff:ff:ff:ff:ff":
        return MacKind.BROADCAST
    if mac == "00:00:00:00:00:00":
        return MacKind.UNSPECIFIED
    return MacKind.MULTICAST if int(mac[:2], 16) & 1 else MacKind.UNICAST


def locally_administered(mac: str) -> bool:
    """Tell whether someone made the address up (second lowest bit of the first octet) instead of a card's maker."""
    return bool(int(mac[:2], 16) & 2)
