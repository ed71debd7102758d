"""Fragments put together: IP packets that were cut on their way become whole again, in bounded memory.

A router that meets a packet too long for the next link cuts it (RFC 791 section 3.2; under IPv6 only the sender does,
RFC 8200 section 4.5). Only the first fragment has the TCP or UDP header, and nothing can be said of it before all are
there. As in Wireshark, the packet that completes the datagram carries what the whole of it holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

MOST_OCTETS = 32 * 1024 * 1024
"""Octets of fragments kept while others are missing; past that the datagrams begun longest ago are let go."""

MOST_DATAGRAMS = 20_000
LARGEST = 65_535


@dataclass(frozen=True, slots=True)
class Fragment:
    """One fragment: the datagram it is of, its place in it, whether more follow, and its octets.

    row, parent_index: its packet in the batch, and the header that says it is a fragment
    following: protocol number of what the datagram holds
    """

    key: Hashable
    place: int
    more: bool
    octets: bytes
    row: int
    parent_index: int
    following: int


@dataclass(slots=True)
class _Datagram:
    """A datagram of which fragments are missing; following: -1 while the first one is."""

    parts: list[tuple[int, bytes]] = field(default_factory=list)
    end: int = -1
    held: int = 0
    following: int = -1


@dataclass(frozen=True, slots=True)
class Whole:
    """A datagram put together: its octets, what they are, and the fragment that completed it."""

    octets: bytes
    following: int
    row: int
    parent_index: int


class Reassembler:
    """Keeps fragments from batch to batch until their datagram is whole.

    let_go: how many datagrams were given up for want of room
    """

    def __init__(self, most_octets: int = MOST_OCTETS) -> None:
        self.let_go = 0
        self._most = most_octets
        self._held = 0
        self._waiting: dict[Hashable, _Datagram] = {}

    def add(self, fragment: Fragment) -> Whole | None:
        """Add a fragment; return its datagram if that is whole now."""
        if fragment.place + len(fragment.octets) > LARGEST + 1:
            return None
        datagram = self._waiting.setdefault(fragment.key, _Datagram())
        datagram.parts.append((fragment.place, fragment.octets))
        datagram.held += len(fragment.octets)
        self._held += len(fragment.octets)
        if fragment.place == 0:
            datagram.following = fragment.following
        if not fragment.more:
            datagram.end = fragment.place + len(fragment.octets)
        octets = _joined(datagram) if datagram.end >= 0 else None
        if octets is None:
            self._make_room()
            return None
        self._drop(fragment.key)
        return Whole(octets, datagram.following, fragment.row, fragment.parent_index)

    def _drop(self, key: Hashable) -> None:
        self._held -= self._waiting.pop(key).held

    def _make_room(self) -> None:
        while self._held > self._most or len(self._waiting) > MOST_DATAGRAMS:
            self._drop(next(iter(self._waiting)))
            self.let_go += 1


def _joined(datagram: _Datagram) -> bytes | None:
    """Return the octets of a datagram, None while some are missing; where fragments overlap the first octets stay."""
    whole = bytearray()
    for place, octets in sorted(datagram.parts, key=lambda part: part[0]):
        if place > len(whole):
            return None
        whole += octets[len(whole) - place :]
    return bytes(whole[: datagram.end]) if len(whole) >= datagram.end else None


__all__ = ["Fragment", "Reassembler", "Whole"]
