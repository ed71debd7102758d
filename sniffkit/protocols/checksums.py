"""The checksums of a whole batch: which are right, which are wrong, and which nobody can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.protocols.checksum import BAD, GOOD, UNKNOWN, fold, short_sums, sums

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns

NUMBERS = {"tcp": 6, "udp": 17, "icmpv6": 58}


def checksum_good(columns: Columns, protocol: str) -> NDArray[np.int8]:
    """Tell for each of ``columns.rows(protocol)`` whether its checksum is right, int8 (m,): GOOD, BAD or UNKNOWN.

    protocol: ip, tcp, udp, icmp or icmpv6; KeyError for another. UNKNOWN: not all of what it covers was captured
    (cut, or quoted in an ICMP error), a UDP checksum over IPv4 of 0 (not computed, RFC 768), or an IPv6 packet with
    a routing header, whose pseudo-header holds an address still to come.
    """
    import numpy as np

    rows = columns.rows(protocol)
    result = np.full(len(rows), UNKNOWN, np.int8)
    if not len(rows):
        return result
    octets = columns.batch.octets
    if protocol == "ip":
        covered = columns["ip.hdr_len"].astype(np.int64)
        known = covered <= rows.present
        extra = np.zeros(len(rows), np.uint64)
    elif protocol == "icmp":
        covered, extra = rows.length, np.zeros(len(rows), np.uint64)
        known = (covered <= rows.present) & ~rows.quoted
    else:
        covered = rows.length
        if protocol == "udp":
            said = columns["udp.length"].astype(np.int64)
            covered = np.where((said >= 8) & (said < covered), said, covered)
        extra, below = pseudo_sums(columns, protocol, covered)
        known = (covered <= rows.present) & ~rows.quoted & below
        if protocol == "udp":
            none = columns["udp.checksum"] == 0
            if none.any():
                known &= ~none | (extra_version(columns, protocol) == 6)
    index = np.flatnonzero(known)
    start, covered = rows.offset[index], covered[index]
    plain = protocol == "ip" and bool((covered == 20).all())
    words = short_sums(octets, start, 20) if plain else sums(octets, start, covered)
    total = fold(words.astype(np.uint64) + extra[index])
    result[index] = np.where(total == 0xFFFF, GOOD, BAD)
    return result


def extra_version(columns: Columns, protocol: str) -> NDArray[np.uint8]:
    """Return the IP version below each row, (m,): 4, 6, or 0 where an extension header stands between."""
    import numpy as np

    from sniffkit.protocols.columns import PROTOCOLS

    parent = columns.rows(protocol).parent
    four, six = PROTOCOLS.index("ip"), PROTOCOLS.index("ipv6")
    return np.where(parent == four, 4, np.where(parent == six, 6, 0)).astype(np.uint8)


def pseudo_sums(
    columns: Columns, protocol: str, covered: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Add up the pseudo-headers; return the sums and which rows have one, (m,) each.

    Through extension headers the way goes down to the IPv6 header; a routing header makes it unknown.
    """
    import numpy as np

    from sniffkit.protocols.columns import PROTOCOLS

    rows = columns.rows(protocol)
    octets = columns.batch.octets
    parent, place = rows.parent.copy(), rows.parent_index.copy()
    known = np.ones(len(rows), bool)
    total = covered.astype(np.uint64) + np.uint64(NUMBERS[protocol])
    for _ in range(16):
        between = np.flatnonzero(np.isin(parent, [PROTOCOLS.index(name) for name in BETWEEN]))
        if not len(between):
            break
        for name in BETWEEN:
            chosen = between[parent[between] == PROTOCOLS.index(name)]
            if len(chosen):
                below = columns.rows(name)
                known[chosen] &= name != "ipv6.routing"
                at = place[chosen]
                parent[chosen], place[chosen] = below.parent[at], below.parent_index[at]
    for name, first, length in (("ip", 12, 8), ("ipv6", 8, 32)):
        chosen = np.flatnonzero(parent == PROTOCOLS.index(name))
        if len(chosen):
            start = columns.rows(name).offset[place[chosen]] + first
            total[chosen] += short_sums(octets, start, length)
    known &= (parent == PROTOCOLS.index("ip")) | (parent == PROTOCOLS.index("ipv6"))
    return total, known


BETWEEN = ("ipv6.hopopts", "ipv6.dstopts", "ipv6.routing", "ipv6.fraghdr", "ah")
