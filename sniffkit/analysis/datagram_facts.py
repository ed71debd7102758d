"""What a datagram shows of UDP itself, each said once: no handshake, no answers that UDP knows of, to many at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.addresses import ip_text
from sniffkit.analysis.facts import Fact
from sniffkit.analysis.open_questions import elapsed
from sniffkit.analysis.segments import ip_ends

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns

TOLD_ELSEWHERE = (53, 5353, 5355)
"""Ports of DNS and its kin, whose questions and answers are paired and told as such (``analysis/dns``)."""

_LAST = np.uint64(0xFFFFFFFF)


class DatagramFacts:
    """Fed batch by batch."""

    def __init__(self) -> None:
        self._begun: tuple[bytes, bytes, int, int, int, int] | None = None  # ends, ports, packet, time of the first
        self._answered = self._to_many = False

    def feed(self, columns: Columns, twice: NDArray[Any] | None = None) -> dict[int, list[Fact]]:
        """Return the facts of a batch by row. ``twice``: (n,) true or non-zero for packets to pass over."""
        rows = columns.rows("udp")
        if not len(rows.row) or (self._answered and self._to_many):
            return {}
        source_port, destination_port = columns["udp.srcport"], columns["udp.dstport"]
        plain = ~rows.quoted & ~np.isin(source_port, TOLD_ELSEWHERE) & ~np.isin(destination_port, TOLD_ELSEWHERE)
        plain &= ~_within_or_around(columns, rows.row)
        if twice is not None:
            plain &= np.asarray(twice)[rows.row] == 0
        which = np.flatnonzero(plain)
        if not len(which):
            return {}
        source, destination, _ = ip_ends(columns, rows.parent[which], rows.parent_index[which])
        batch = columns.batch
        told: dict[int, list[Fact]] = {}

        def tell(at: int, fact: Fact) -> None:
            told.setdefault(int(rows.row[which[at]]), []).append(fact)

        if self._begun is None:
            row = int(rows.row[which[0]])
            ends = (source[0].tobytes(), destination[0].tobytes())
            ports = (int(source_port[which[0]]), int(destination_port[which[0]]))
            self._begun = (*ends, *ports, batch.first + row, int(batch.time_ns[row]))
            octets = max(int(columns["udp.length"][which[0]]) - 8, 0)
            tell(0, Fact("udp.no-handshake", "lesson", {"octets": octets}))
        if not self._answered:
            one, other, port, other_port, number, time_ns = self._begun
            back = (source == np.frombuffer(other, np.uint64)).all(axis=1)
            back &= (destination == np.frombuffer(one, np.uint64)).all(axis=1)
            back &= (source_port[which] == other_port) & (destination_port[which] == port)
            back &= batch.first + rows.row[which] > number
            if back.any():
                self._answered = True
                at = int(np.argmax(back))
                apart = elapsed(int(batch.time_ns[rows.row[which[at]]]), time_ns)
                tell(at, Fact("udp.other-way", "lesson", {"number": number, "elapsed_ns": apart}))
        if not self._to_many:
            many = _means_many(destination)
            if many.any():
                self._to_many = True
                at = int(np.argmax(many))
                address = ip_text(destination[at].astype(">u8").tobytes())
                tell(at, Fact("udp.to-many", "lesson", {"destination": address}))
        return told


def _within_or_around(columns: Columns, row: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which datagrams are in a tunnel or are one, bool (m,): such a packet is told by what it carries."""
    headers = np.zeros(len(columns.batch), np.int64)
    for protocol in ("ip", "ipv6"):
        headers += np.bincount(columns.rows(protocol).row, minlength=len(headers))
    within: NDArray[np.bool_] = headers[row] > 1
    return within


def _means_many(destination: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which addresses, uint64 (m, 2), are groups, or all stations of a link."""
    four = (destination[:, 0] == 0) & (destination[:, 1] >> np.uint64(32) == 0xFFFF)
    group = (destination[:, 1] & _LAST) >> np.uint64(28) == 0xE
    everybody = (destination[:, 1] & _LAST) == _LAST
    six = destination[:, 0] >> np.uint64(56) == 0xFF
    many: NDArray[np.bool_] = np.where(four, group | everybody, six)
    return many
