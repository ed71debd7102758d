"""What DNS a capture cannot show: conversations whose questions are encrypted, and addresses nobody was heard to name.

RFC 7858 (DNS over TLS, TCP port 853), RFC 9250 (over QUIC, UDP port 853), RFC 8484 (over HTTPS, which looks like any
other web traffic).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from sniffkit.analysis.addresses import address_octets, ip_halves, ip_text
from sniffkit.analysis.dns.sections import records_of
from sniffkit.analysis.endpoint_pairs import distinct
from sniffkit.analysis.segments import ACK, SYN, ip_ends
from sniffkit.protocols.dns_data import Type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.dns.listing import DnsRun
    from sniffkit.protocols.columns import Columns, Rows

MOST = 100_000
"""Conversations or addresses of one kind that are remembered; past that no more are counted."""

DNS, DNS_OVER_TLS, HTTPS = 53, 853, 443

PUBLIC_RESOLVERS = {
    "1.1.1.1", "1.0.0.1", "2606:4700:4700::1111", "2606:4700:4700::1001",  # Cloudflare
    "8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844",  # Google
    "9.9.9.9", "149.112.112.112", "2620:fe::fe", "2620:fe::9",  # Quad9
    "223.5.5.5", "223.6.6.6", "2400:3200::1", "2400:3200:baba::1",  # AliDNS
    "1.12.12.12", "120.53.53.53", "119.29.29.29",  # DNSPod
    "94.140.14.14", "94.140.15.15",  # AdGuard
}  # fmt: skip
"""Addresses that are known for DNS over HTTPS; whether one is used for it in a capture cannot be seen."""

Kind: TypeAlias = Literal["tls", "quic", "https"]

Address: TypeAlias = tuple[int, int]

_RESOLVERS = {ip_halves(address) for address in PUBLIC_RESOLVERS}
_MAPPED = 0xFFFF << 32
"""The lower half of an address ::ffff:a.b.c.d, as ``Segments`` has IPv4."""


class Unseen:
    """Fed with the columns of every batch, and with the exchanges that were found."""

    def __init__(self) -> None:
        self._conversations: dict[Kind, set[tuple[int, ...]]] = {"tls": set(), "quic": set(), "https": set()}
        self._contacted: dict[Address, int] = {}  # and the packet in which a conversation with it began
        self._named: set[Address] = set()

    def count(self, kind: Kind) -> int:
        """Return how many conversations of a kind there were."""
        return len(self._conversations[kind])

    def unnamed(self) -> tuple[int, str, int]:
        """Return to how many addresses conversations were begun that no answer named, the first one and its packet."""
        left = {address: packet for address, packet in self._contacted.items() if address not in self._named}
        if not left or len(self._named) >= MOST:
            return 0, "", 0
        first = min(left, key=left.__getitem__)
        octets = address_octets(np.array([first], np.uint64)).tobytes()
        return len(left), ip_text(octets), left[first]

    def feed(self, columns: Columns) -> None:
        """Take in the next batch."""
        for protocol, encrypted in (("tcp", "tls"), ("udp", "quic")):
            rows = columns.rows(protocol)
            if not len(rows.row):
                continue
            ports = columns[f"{protocol}.srcport"], columns[f"{protocol}.dstport"]
            hit = (ports[0] == DNS_OVER_TLS) | (ports[1] == DNS_OVER_TLS)
            self._add("tls" if encrypted == "tls" else "quic", columns, rows, ports, hit & ~rows.quoted)
            begins = ports[1] == HTTPS
            if protocol == "tcp":
                opening = (columns["tcp.flags"] & (SYN | ACK)) == SYN
                begins &= opening
                asked = (ports[1] == DNS) | (ports[1] == DNS_OVER_TLS)  # resolvers are known by address
                self._contact(columns, rows, opening & ~asked & ~rows.quoted)
            else:
                self._contact(columns, rows, begins & ~rows.quoted)
            self._add("https", columns, rows, ports, begins & ~rows.quoted, only_resolvers=True)

    def name(self, run: DnsRun) -> None:
        """Take in the addresses that answers name."""
        if len(self._named) >= MOST:
            return
        pairs = run.pairs
        if len(pairs):
            found = records_of(pairs)
            octets = np.frombuffer(pairs.octets + bytes(16), np.uint8)
            length = found.end - found.data
            at = found.data[(found.type == Type.A) & (length == 4)]
            words = octets[at[:, None] + np.arange(4)].astype(np.uint64) @ np.array(
                [1 << 24, 1 << 16, 1 << 8, 1], np.uint64
            )
            self._named.update((0, _MAPPED | word) for word in distinct(words).tolist())
            at = found.data[(found.type == Type.AAAA) & (length == 16)]
            halves = octets[at[:, None] + np.arange(16)].view(">u8").reshape(-1, 2)
            self._named.update(map(tuple, halves.tolist()))
        for exchange in run.others:
            if exchange.message is not None:
                for record in (*exchange.message.answers, *exchange.message.additionals):
                    if record.type in (Type.A, Type.AAAA) and not record.data.startswith("\\"):
                        self._named.add(ip_halves(record.data))

    def _contact(self, columns: Columns, rows: Rows, which: NDArray[np.bool_]) -> None:
        at = np.flatnonzero(which)
        if not len(at) or len(self._contacted) >= MOST:
            return
        _, destination, _ = ip_ends(columns, rows.parent[at], rows.parent_index[at])
        packets = rows.row[at] + columns.batch.first
        for address, packet in zip(map(tuple, destination.tolist()), packets.tolist(), strict=True):
            self._contacted.setdefault(address, packet)

    def _add(
        self, kind: Kind, columns: Columns, rows: Rows, ports: tuple[NDArray[np.uint16], NDArray[np.uint16]],
        which: NDArray[np.bool_], only_resolvers: bool = False,
    ) -> None:  # fmt: skip
        """Count the conversations of the headers ``which``, both directions as one."""
        at = np.flatnonzero(which)
        known = self._conversations[kind]
        if not len(at) or len(known) >= MOST:
            return
        source, destination, _ = ip_ends(columns, rows.parent[at], rows.parent_index[at])
        ends = np.concatenate((source, ports[0][at, None], destination, ports[1][at, None]), axis=1)
        for end in np.unique(ends, axis=0).tolist():
            if only_resolvers and (end[3], end[4]) not in _RESOLVERS:
                continue
            one, other = tuple(end[:3]), tuple(end[3:])
            known.add(min(one, other) + max(one, other))
