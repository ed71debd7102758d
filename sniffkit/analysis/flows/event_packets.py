"""Which packets show what happened in each conversation: a few numbers of each kind of event, fed batch by batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.checksum_facts import ChecksumFacts
from sniffkit.analysis.endpoint_pairs import distinct
from sniffkit.analysis.flows.icmp_errors import ERRORS
from sniffkit.analysis.segments import ACK, FIN, RST, SYN
from sniffkit.analysis.tcp.mark_names import Mark

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.flows.analysis import FedBatch
    from sniffkit.analysis.flows.icmp_errors import QuotedBy

SHOWN = 6
"""Packet numbers kept of each kind of event in a conversation."""

MOST_KEPT = 1 << 21
"""Packet numbers kept in all, 16 octets each; where there are more, the conversations that opened last have none."""

CLOCK_NS = 10**6
"""By so much a packet has to be earlier than the one before it: less is the disorder of a card with several queues."""

_MARKS: dict[str, Mark] = {
    "retransmission": Mark.RETRANSMISSION,
    "tried": Mark.RETRANSMISSION | Mark.KEEP_ALIVE,
    "out_of_order": Mark.OUT_OF_ORDER,
    "zero_window": Mark.ZERO_WINDOW,
    "lost_segment": Mark.LOST_SEGMENT,
    "ack_lost_segment": Mark.ACK_LOST_SEGMENT,
    "reused_ports": Mark.REUSED_PORTS,
    "captured_twice": Mark.CAPTURED_TWICE,
}
_ERRORS = tuple(error for error in ERRORS if error is not None)
_KINDS = (
    *_MARKS, "syn", "fin", "rst", "checksum", *(f"tcp-{error}" for error in _ERRORS), "udp-checksum",
    *(f"udp-{error}" for error in _ERRORS),
)  # fmt: skip
_PLACES = {name: place for place, name in enumerate(_KINDS)}
_UDP = _PLACES["udp-checksum"]
"""From here on the kinds are UDP's, whose streams have numbers of their own."""

_LAST = frozenset({_PLACES["tried"]})
"""Kinds of which the last packets are kept; of all others the first."""


@dataclass(slots=True)
class EventPackets:
    """Fed batch by batch.

    ip_wrong, ip_first: how many IPv4 headers have a wrong checksum, and the first packets with one
    backwards, backwards_first, furthest_ns: how many packets are earlier than the one before them, the first of them,
                        and by how much at most
    most: packet numbers to keep
    """

    checksums: ChecksumFacts = field(default_factory=ChecksumFacts)
    ip_wrong: int = 0
    ip_first: list[int] = field(default_factory=list)
    backwards: int = 0
    backwards_first: list[int] = field(default_factory=list)
    furthest_ns: int = 0
    _keys: list[NDArray[np.int64]] = field(default_factory=list)
    _numbers: list[NDArray[np.int64]] = field(default_factory=list)
    _new: int = 0
    _counted: tuple[NDArray[np.int64], NDArray[np.int64]] = (np.zeros(0, np.int64), np.zeros(0, np.int64))
    most: int = MOST_KEPT
    _until: int = 1 << 48
    _streams: list[NDArray[np.int64]] = field(default_factory=list)

    def feed(self, fed: FedBatch) -> None:
        """Add a batch."""
        segments, numbers = fed.prepared.segments, fed.prepared.numbers
        for name, mark in _MARKS.items():
            at = np.flatnonzero((fed.marks & np.uint16(mark)) != 0)
            self._add(name, numbers.stream[at], segments.number[at])
        real = segments.length >= 0
        # The SYN that opens a stream is its first packet, which is known anyway: a flood of them needs no room here.
        again = ((segments.flags & (SYN | ACK)) == SYN) & real & ~numbers.opened
        for name, which in (("syn", again), ("fin", (segments.flags & FIN) != 0), ("rst", (segments.flags & RST) != 0)):
            at = np.flatnonzero(which & real)
            self._add(name, numbers.stream[at], segments.number[at])
        self._add_errors("tcp", fed.prepared.tcp_errors)
        self._add_errors("udp", fed.prepared.udp_errors)
        if (odd := fed.prepared.odd) is not None:
            self._add("checksum", *odd.tcp_wrong)
            self._add("udp-checksum", *odd.udp_wrong)
            self.ip_wrong += len(odd.ip_wrong)
            self.ip_first += odd.ip_wrong[: SHOWN - len(self.ip_first)].tolist()
            number, back_ns = odd.backwards
            far = number[back_ns >= CLOCK_NS]
            self.backwards += len(far)
            self.backwards_first += far[: SHOWN - len(self.backwards_first)].tolist()
            self.furthest_ns = max(self.furthest_ns, int(back_ns.max(initial=0)))
        if self._new > self.most // 4:
            self._prune()

    def settle(self) -> None:
        """Make ready to be asked: nothing is fed after this."""
        self._prune()
        stream, place = np.divmod(self._counted[0], len(_KINDS))
        self._streams = [distinct(stream[(place >= _UDP) == udp]) for udp in (False, True)]

    def of(self, stream: int, kind: str) -> tuple[int, tuple[int, ...]]:
        """Return how many packets of a kind a conversation has, and the first of them (or the last); after settle."""
        key = stream * len(_KINDS) + _PLACES[kind]
        counted, counts = self._counted
        at = int(np.searchsorted(counted, key))
        if at == len(counted) or counted[at] != key:
            return 0, ()
        begin, end = np.searchsorted(self._keys[0], [key, key + 1]).tolist()
        return int(counts[at]), tuple(self._numbers[0][begin:end].tolist())

    def among(self, protocol: str, streams: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return in which streams of TCP or UDP something happened: bool (n,); after settle."""
        known = self._streams[protocol == "udp"]
        found = np.zeros(len(streams), np.bool_)
        if len(known):
            found = known[np.minimum(np.searchsorted(known, streams), len(known) - 1)] == streams
        return found

    def streams_with(self, kind: str) -> NDArray[np.int64]:
        """Return the streams with packets of a kind, ascending; after settle."""
        stream, place = np.divmod(self._counted[0], len(_KINDS))
        found: NDArray[np.int64] = stream[place == _PLACES[kind]]
        return found

    def _add(self, name: str, stream: NDArray[np.int64], number: NDArray[np.int64]) -> None:
        if len(stream):
            self._keys.append(stream * len(_KINDS) + _PLACES[name])
            self._numbers.append(number)
            self._new += len(stream)

    def _add_errors(self, protocol: str, errors: QuotedBy | None) -> None:
        if errors is not None:
            for code, name in enumerate(ERRORS):
                at = np.flatnonzero(errors.error == code)
                if name is not None:
                    self._add(f"{protocol}-{name}", errors.stream[at], errors.number[at])

    def _prune(self) -> None:
        """Sort what was added, keep a few packets of each kind in each stream, and count all."""
        none = np.zeros(0, np.int64)
        kept, numbers = np.concatenate([none, *self._keys]), np.concatenate([none, *self._numbers])
        added = np.sort(kept[len(kept) - self._new :])
        self._counted = _add_counts(self._counted, added)
        order = np.argsort(kept, kind="stable")
        kept, numbers = kept[order], numbers[order]
        start = np.flatnonzero(np.append(True, kept[1:] != kept[:-1])) if len(kept) else none
        sizes = np.diff(np.append(start, len(kept)))
        rank = np.arange(len(kept)) - np.repeat(start, sizes)
        from_end = np.repeat(sizes, sizes) - 1 - rank
        last = np.isin(kept % len(_KINDS), list(_LAST))
        stays = np.where(last, from_end, rank) < SHOWN
        kept, numbers = kept[stays], numbers[stays]
        if len(kept) > self.most:
            self._until = int(kept[self.most]) // len(_KINDS)
        end = int(np.searchsorted(kept, self._until * len(_KINDS)))
        self._keys, self._numbers, self._new = [kept[:end]], [numbers[:end]], 0
        counted, counts = self._counted
        end = int(np.searchsorted(counted, self._until * len(_KINDS)))
        self._counted = counted[:end], counts[:end]


def _add_counts(
    counted: tuple[NDArray[np.int64], NDArray[np.int64]], added: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count sorted keys in: distinct keys, ascending, and how often each was there."""
    if not len(added):
        return counted
    begin = np.flatnonzero(np.append(True, added[1:] != added[:-1]))
    keys = np.concatenate((counted[0], added[begin]))
    counts = np.concatenate((counted[1], np.diff(np.append(begin, len(added)))))
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    begin = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    return keys[begin], np.add.reduceat(counts, begin)
