"""Addresses as numbers turned into the text that tshark prints, and where on the link a header was met."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.endpoint_pairs import distinct
from sniffkit.protocols.columns import PROTOCOLS
from sniffkit.protocols.header import address_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns

BROADCAST = 0xFFFFFFFFFFFF
"""The Ethernet address that every station listens to."""

NO_MAC = -1
"""Instead of a MAC address where the link has none (loopback, tunnels)."""

_MAPPED = b"\0" * 10 + b"\xff\xff"


@lru_cache(4096)
def mac_text(number: int) -> str:
    """Write a 48-bit address; NO_MAC is the empty text."""
    return "" if number < 0 else number.to_bytes(6, "big").hex(":")


def mac_number(text: str) -> int:
    """Read what ``mac_text`` wrote."""
    return int(text.replace(":", ""), 16) if text else NO_MAC


@lru_cache(4096)
def ipv4_text(number: int) -> str:
    """Write a 32-bit address with dots."""
    return address_text(number.to_bytes(4, "big"))


@lru_cache(4096)
def ip_text(raw: bytes) -> str:
    """Write sixteen octets as an IPv6 address, or as the IPv4 address where they are ::ffff:a.b.c.d (``Segments``)."""
    return address_text(raw[12:]) if raw.startswith(_MAPPED) else address_text(raw)


def ip_halves(text: str) -> tuple[int, int]:
    """Read what ``ip_text`` wrote: the upper and the lower half, as ``Segments`` has them."""
    from socket import AF_INET, AF_INET6, inet_pton

    raw = inet_pton(AF_INET6, text) if ":" in text else _MAPPED + inet_pton(AF_INET, text)
    return int.from_bytes(raw[:8], "big"), int.from_bytes(raw[8:], "big")


def address_octets(addresses: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return addresses, uint64 (m, 2), as octets in network order, uint8 (m, 16)."""
    return np.ascontiguousarray(addresses.astype(">u8")).view(np.uint8).reshape(-1, 16)


def link_ends(
    columns: Columns, parent: NDArray[np.int32], parent_index: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return source and destination MAC address and VLAN of the frame around each row; all int64 (m,).

    parent, parent_index: the layer directly below, as in ``Rows``. NO_MAC where no Ethernet header is below; -1 where
    no VLAN tag is (of two tags the inner one counts).
    """
    source = np.full(len(parent), NO_MAC, np.int64)
    destination = source.copy()
    vlan = source.copy()
    at, code, index = np.arange(len(parent)), parent, parent_index
    while len(at):
        above, above_index = np.zeros(len(at), np.int32), np.zeros(len(at), np.int64)
        for one in distinct(code).tolist():
            here = code == one
            name, place = PROTOCOLS[one], index[here]
            if one <= 0 or name == "frame":
                continue
            if name == "eth":
                source[at[here]] = columns["eth.src"][place].astype(np.int64)
                destination[at[here]] = columns["eth.dst"][place].astype(np.int64)
                continue
            if name in ("vlan", "ieee8021ad"):
                unset = vlan[at[here]] < 0
                vlan[at[here][unset]] = columns[f"{name}.id"][place[unset]]
            rows = columns.rows(name)
            above[here], above_index[here] = rows.parent[place], rows.parent_index[place]
        on = above > 0
        at, code, index = at[on], above[on], above_index[on]
    return source, destination, vlan
