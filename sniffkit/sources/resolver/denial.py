"""Proofs that something does not exist: NSEC and NSEC3, signed gaps between the names that do.

A server cannot sign "there is no such name" for every name somebody may ask. It signs, beforehand, which name follows
which: whatever lies between two neighbours is not there. NSEC names the neighbours (RFC 4034 section 4), NSEC3 their
hashes, so that nobody reads the whole zone off it (RFC 5155).
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import dns.name
    import dns.rrset

MOST_ITERATIONS = 500
"""More rounds of hashing than any zone needs would only keep the resolver busy (RFC 9276 says 0)."""

SHA_1 = 1
"""The only hash that NSEC3 has."""

OPT_OUT = 1
NS, CNAME, SOA, DS, NSEC, NSEC3 = 2, 5, 6, 43, 47, 50


def has_type(rdata: Any, kind: int) -> bool:
    """Say whether the bit map of an NSEC or NSEC3 record lists a type."""
    for window, octets in rdata.windows:
        if window == kind >> 8 and (kind & 255) >> 3 < len(octets):
            return bool(octets[(kind & 255) >> 3] & 0x80 >> (kind & 7))
    return False


class Denial:
    """The NSEC or NSEC3 records of one answer, their signatures already checked."""

    def __init__(self, zone: dns.name.Name, sets: Sequence[dns.rrset.RRset]) -> None:
        self._zone = zone
        self._nsec: list[tuple[Any, Any]] = [(each.name, each[0]) for each in sets if each.rdtype == NSEC]
        self._nsec3: list[tuple[Any, Any]] = [
            (each.name, each[0])
            for each in sets
            if each.rdtype == NSEC3 and each[0].algorithm == SHA_1 and each[0].iterations <= MOST_ITERATIONS
        ]
        self._hashes: dict[tuple[dns.name.Name, int, bytes], str] = {}

    def no_name(self, name: dns.name.Name) -> bool:
        """Prove that there is neither the name nor a wildcard that would stand for it."""
        encloser = self._closest(name)
        return encloser is not None and self._absent(name, encloser) and self._gone(_wildcard(encloser))

    def no_type(self, name: dns.name.Name, kind: int) -> bool:
        """Prove that the name, or the wildcard that stands for it, has no record of this type."""
        at = self._at(name)
        if at is not None:
            return not has_type(at, kind) and not has_type(at, CNAME)
        gap = self._gap(name) if self._nsec else None
        if gap is not None and gap.next.is_subdomain(name):
            return True  # nothing at the name itself, only below it
        encloser = self._closest(name)
        if encloser is None or not self._absent(name, encloser):
            return False
        wildcard = self._at(_wildcard(encloser))
        if wildcard is not None:
            return not has_type(wildcard, kind) and not has_type(wildcard, CNAME)
        return kind == DS and self._opted_out(name, encloser)

    def unsigned_delegation(self, child: dns.name.Name) -> bool:
        """Prove that the parent delegates the child zone and has no DS for it: that zone is unsigned, rightly."""
        at = self._at(child)
        if at is not None:
            return has_type(at, NS) and not has_type(at, DS) and not has_type(at, SOA)
        encloser = self._closest(child)
        return encloser is not None and self._opted_out(child, encloser)

    def no_closer_name(self, name: dns.name.Name, labels: int) -> bool:
        """Prove that an answer may have been made from a wildcard, ``labels`` labels above which it stands.

        The signature tells where the wildcard is, so with NSEC3 only the name next to it must be absent (RFC 5155
        section 8.8).
        """
        return labels + 1 < len(name) and self._absent(name, name.split(labels + 1)[1])

    def _at(self, name: dns.name.Name) -> Any:
        """Return the record that stands at this very name, None where there is none."""
        for owner, record in self._nsec:
            if owner == name:
                return record
        for owner, record in self._nsec3:
            if _label(owner) == self._hash(name, record):
                return record
        return None

    def _gone(self, name: dns.name.Name) -> bool:
        return self._gap(name) is not None

    def _gap(self, name: dns.name.Name) -> Any:
        """Return the record in whose gap the name would lie."""
        for owner, record in self._nsec:
            if self._between(owner, record.next, name):
                return record
        for owner, record in self._nsec3:
            first, hashed = _label(owner), self._hash(name, record)
            last = base64.b32hexencode(record.next).decode().rstrip("=").lower()
            if first < hashed < last or (last <= first and (hashed > first or hashed < last)):
                return record
        return None

    def _between(self, first: dns.name.Name, last: dns.name.Name, name: dns.name.Name) -> bool:
        """Say whether a name lies in the gap, in the order of RFC 4034 section 6.1; the last gap ends at the zone."""
        return bool(first < name and (name < last or last == self._zone))

    def _closest(self, name: dns.name.Name) -> dns.name.Name | None:
        """Return the longest ancestor that is proved to exist."""
        if self._nsec:
            gap = self._gap(name)
            if gap is None:
                return None
            owner = next(owner for owner, record in self._nsec if record is gap)
            ancestor = name.parent()
            while not (owner.is_subdomain(ancestor) or gap.next.is_subdomain(ancestor)):
                ancestor = ancestor.parent()
            return ancestor
        ancestor = name
        while ancestor != self._zone and len(ancestor) > 1:
            ancestor = ancestor.parent()
            if self._at(ancestor) is not None:
                return ancestor
        return None

    def _absent(self, name: dns.name.Name, encloser: dns.name.Name) -> bool:
        return self._gone(_next_closer(name, encloser) if self._nsec3 else name)

    def _opted_out(self, name: dns.name.Name, encloser: dns.name.Name) -> bool:
        gap = self._gap(_next_closer(name, encloser)) if self._nsec3 else None
        return gap is not None and bool(gap.flags & OPT_OUT)

    def _hash(self, name: dns.name.Name, record: Any) -> str:
        import dns.dnssec

        key = (name, record.iterations, record.salt)
        if key not in self._hashes:
            hashed = dns.dnssec.nsec3_hash(name, record.salt, record.iterations, record.algorithm)
            self._hashes[key] = hashed.lower()
        return self._hashes[key]


def _label(owner: dns.name.Name) -> str:
    return owner.labels[0].decode("ascii", "replace").lower()


def _wildcard(encloser: dns.name.Name) -> dns.name.Name:
    import dns.name

    return dns.name.from_text("*", encloser)


def _next_closer(name: dns.name.Name, encloser: dns.name.Name) -> dns.name.Name:
    """Return the ancestor of the name that is one label longer than the encloser."""
    return name.split(len(encloser) + 1)[1] if len(name) > len(encloser) else name
