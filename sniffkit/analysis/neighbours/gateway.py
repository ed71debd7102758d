"""Why a frame goes to the gateway's MAC address although the IP packet in it is for somebody else: told once.

A host finds only those by ARP or neighbour discovery that are on its own link; all else it hands to a router (RFC 1122
section 3.3.1). So the frame and the packet name two different receivers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.addresses import ip_text, link_ends, mac_text
from sniffkit.analysis.endpoint_pairs import distinct
from sniffkit.analysis.segments import ip_ends
from sniffkit.protocols.columns import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns

NETWORK = {"ip": np.uint64(8), "ipv6": np.uint64(0)}
"""By how many bits an address is shifted to its network (the lower half for IPv4, the upper one for IPv6): masks are
not in packets, so /24 and /64 are taken, the usual ones. Within one of these nobody is called a gateway."""

_HALF = {"ip": 1, "ipv6": 0}
_LINK = [PROTOCOLS.index(name) for name in ("eth", "vlan", "ieee8021ad")]


class Gateway:
    """Fed batch by batch, after the messages of the batch.

    protocol: ip or ipv6
    """

    def __init__(self, protocol: str) -> None:
        self._protocol = protocol
        self._told = False

    def feed(
        self,
        columns: Columns,
        stations: Mapping[tuple[int, int], Mapping[str, int]],
        twice: NDArray[Any] | None = None,
    ) -> tuple[int, dict[str, object]] | None:
        """Return row of the first such frame and what there is to say of it; None where there is none, and ever after.

        stations: (VLAN or -1, MAC address) -> the addresses it was found to have, each with the packet that said so
        twice:    (n,) true or non-zero for packets to pass over
        """
        if self._told or not stations:
            return None
        rows = columns.rows(self._protocol)
        outermost = np.flatnonzero(np.isin(rows.parent, _LINK) & ~rows.quoted)
        if not len(outermost):
            return None
        _, frame, vlan = link_ends(columns, rows.parent[outermost], rows.parent_index[outermost])
        known = np.isin(frame, np.array([mac for _, mac in stations], np.int64))
        outermost, frame, vlan = outermost[known], frame[known], vlan[known]
        if not len(outermost):
            return None
        code = np.full(len(outermost), PROTOCOLS.index(self._protocol), np.int32)
        source, destination, _ = ip_ends(columns, code, outermost)
        half, shift = _HALF[self._protocol], NETWORK[self._protocol]
        network = destination[:, half] >> shift
        far = (network != source[:, half] >> shift) & self._single(destination)
        number = rows.row[outermost] + columns.batch.first
        if twice is not None:
            far &= np.asarray(twice)[rows.row[outermost]] == 0
        found: list[tuple[int, int, str, int]] = []
        present = set(distinct(frame).tolist())
        for (tag, mac), addresses in stations.items():
            if mac not in present:
                continue
            at = np.flatnonzero(far & (frame == mac) & (vlan == tag))
            if not len(at):
                continue
            near = np.array([_network(address, half, int(shift)) for address in addresses], np.uint64)
            gateway, since = next(iter(addresses.items()))
            at = at[~np.isin(network[at], near) & (number[at] > since)]
            if len(at):
                found.append((int(at[0]), mac, gateway, since))
        if not found:
            return None
        self._told = True
        place, mac, gateway, since = min(found)
        ends = [ip_text(addresses[place].astype(">u8").tobytes()) for addresses in (source, destination)]
        values: dict[str, object] = {"source": ends[0], "destination": ends[1], "mac": mac_text(mac)}
        return int(rows.row[outermost[place]]), {**values, "gateway": gateway, "number": since}

    def _single(self, destination: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which addresses mean one host that may be anywhere: no multicast, broadcast, or link's own."""
        single: NDArray[np.bool_]
        if self._protocol == "ip":
            last = destination[:, 1] & np.uint64(0xFFFFFFFF)
            first_octet, host = last >> np.uint64(24), last & np.uint64(0xFF)
            own = last >> np.uint64(16) == np.uint64(0xA9FE)  # 169.254.0.0/16
            single = (first_octet < 224) & (first_octet > 0) & (host != 255) & ~own
            return single
        top = destination[:, 0] >> np.uint64(48)
        single = (top & np.uint64(0xE000) == 0x2000) | (top & np.uint64(0xFE00) == 0xFC00)  # global, or unique local
        return single


def _network(address: str, half: int, shift: int) -> int:
    from sniffkit.analysis.addresses import ip_halves

    return ip_halves(address)[half] >> shift
