"""How many packets there are of each protocol, counted in bulk: what the listing would show, without making its lines.

TCP, UDP and the like are counted in columns. All other packets are read one by one, until so many of a kind were read
that the rest may be taken to be like them: a flood of one kind then costs no more than counting it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.explanations.listing import DNS_PORTS, protocol_of

if TYPE_CHECKING:
    from sniffkit.protocols.columns import Columns

READ_OF_A_KIND = 2000
KINDS = 10_000

KIND_OCTETS = 40
"""EtherType, IP protocol and, without options, the ports stand in these first octets of most frames."""


class ProtocolCounts:
    """Fed batch by batch; ``packets`` holds how many there are of each."""

    def __init__(self) -> None:
        self.packets: Counter[str] = Counter()
        self._read: Counter[bytes] = Counter()
        self._last: dict[bytes, str] = {}

    def feed(self, columns: Columns) -> None:
        """Count the packets of a batch."""
        plain = np.zeros(len(columns.batch), np.uint8)  # 1 TCP, 2 UDP
        tcp, udp = columns.rows("tcp"), columns.rows("udp")
        plain[udp.row] = 2
        for port in DNS_PORTS:
            plain[udp.row[(columns["udp.srcport"] == port) | (columns["udp.dstport"] == port)]] = 0
        plain[tcp.row] = 1
        for name in ("icmp", "icmpv6"):  # an error that quotes a TCP or UDP header is an ICMP packet
            plain[columns.rows(name).row] = 0
        found: dict[str, list[int]] = {}  # first row and count, so that what came first is named first
        for code, name in ((1, "TCP"), (2, "UDP")):
            rows = np.flatnonzero(plain == code)
            if len(rows):
                found[name] = [int(rows[0]), len(rows)]
        for row in np.flatnonzero(plain == 0).tolist():
            found.setdefault(self._name(columns, row), [row, 0])[1] += 1
        for name, (_, count) in sorted(found.items(), key=lambda each: each[1][0]):
            self.packets[name] += count

    def _name(self, columns: Columns, row: int) -> str:
        """Return the protocol of a packet; it is read unless enough of its kind were."""
        if row in columns.datagrams:
            return protocol_of(columns, row)
        batch = columns.batch
        start, captured = int(batch.offset[row]), int(batch.captured[row])
        head = batch.octets[start : start + min(captured, KIND_OCTETS)].tobytes()
        kind = head[12:14] + head[20:24] + head[34:] + int(batch.link_type[row]).to_bytes(4)
        if self._read[kind] < READ_OF_A_KIND or kind not in self._last:
            if len(self._read) > KINDS:
                self._read.clear()
                self._last.clear()
            self._read[kind] += 1
            self._last[kind] = protocol_of(columns, row)
        return self._last[kind]
