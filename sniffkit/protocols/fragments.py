"""Finds the fragments among the headers of a batch, and goes on from the datagrams that are whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.protocols import REGISTER
from sniffkit.protocols.protocol import Carried, Headers
from sniffkit.protocols.reassembly import Fragment, Reassembler, Whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

CODES = {protocol.name: code for code, protocol in enumerate(REGISTER, 1)}
IPV4, IPV6, FRAGMENT = CODES["ip"], CODES["ipv6"], CODES["ipv6.fraghdr"]


def put_together(found: list[list[Headers]], seen: dict[int, int], reassembler: Reassembler) -> list[tuple[int, Whole]]:
    """Hand the fragments of a batch to the reassembler; return the code of the header above and each datagram.

    seen: by code how many groups of headers were looked at before; moved on
    """
    waiting: list[tuple[int, Fragment]] = []
    for code, fragments in ((IPV4, ipv4_fragments), (FRAGMENT, ipv6_fragments)):
        met = sum(len(group) for group in found[code][: seen.get(code, 0)])
        for group in found[code][seen.get(code, 0) :]:
            waiting += [(code, fragment) for fragment in fragments(group, met, found)]
            met += len(group)
        seen[code] = len(found[code])
    waiting.sort(key=lambda one: one[1].row)
    whole = [(code, reassembler.add(fragment)) for code, fragment in waiting]
    return [(code, datagram) for code, datagram in whole if datagram is not None]


def ipv4_fragments(group: Headers, met: int, found: list[list[Headers]]) -> Iterator[Fragment]:
    """Yield the fragments among IPv4 headers; one that was not captured whole is of no use."""
    import numpy as np

    offset, more = group.field("ip.frag_offset"), group.field("ip.flags.mf")
    at = np.flatnonzero((offset > 0) | (more > 0))
    if not len(at):
        return
    total, header = group.field("ip.len").astype(np.int64), group.field("ip.hdr_len").astype(np.int64)
    source, destination = group.field("ip.src"), group.field("ip.dst")
    identification, following = group.field("ip.id"), group.field("ip.proto")
    for index in at.tolist():
        if group.quoted is not None and group.quoted[index]:
            continue
        length = int(total[index] - header[index])
        if length <= 0 or total[index] > group.present[index]:
            continue
        key = (4, int(source[index]), int(destination[index]), int(identification[index]), int(following[index]))
        start = int(group.offset[index] + header[index])
        octets = group.octets[start : start + length].tobytes()
        row, last = int(group.row[index]), bool(more[index])
        yield Fragment(key, 8 * int(offset[index]), last, octets, row, met + index, int(following[index]))


def ipv6_fragments(group: Headers, met: int, found: list[list[Headers]]) -> Iterator[Fragment]:
    """Yield the fragments among IPv6 fragment headers; the addresses are those of the header it hangs on."""
    import numpy as np

    offset, more = group.field("ipv6.fraghdr.offset"), group.field("ipv6.fraghdr.more")
    identification, following = group.field("ipv6.fraghdr.ident"), group.field("ipv6.fraghdr.nxt")
    for index in np.flatnonzero((offset > 0) | (more > 0)).tolist():
        length = int(group.length[index]) - 8
        if length <= 0 or group.length[index] > group.present[index]:
            continue
        if group.quoted is not None and group.quoted[index]:
            continue
        addresses = ipv6_addresses(group, index, found)
        start = int(group.offset[index]) + 8
        octets = group.octets[start : start + length].tobytes()
        key = (6, addresses, int(identification[index]))
        row, last = int(group.row[index]), bool(more[index])
        yield Fragment(key, 8 * int(offset[index]), last, octets, row, met + index, int(following[index]))


def ipv6_addresses(group: Headers, index: int, found: list[list[Headers]]) -> bytes:
    """Return both addresses of the IPv6 header that an extension header hangs on."""
    code, place = int(group.parent[index]), int(group.parent_index[index])
    while code > 0:
        for one in found[code]:
            if place < len(one):
                break
            place -= len(one)
        else:
            break
        if code == IPV6:
            start = int(one.offset[place])
            return one.octets[start + 8 : start + 40].tobytes()
        code, place = int(one.parent[place]), int(one.parent_index[place])
    return b""


def headers_of(
    datagrams: list[tuple[int, Whole]], octets: NDArray[np.uint8], depth: int
) -> tuple[NDArray[np.uint8], list[tuple[Headers, Carried]]]:
    """Lay whole datagrams behind a batch's octets; return these and, for the walk, where each datagram begins."""
    import numpy as np

    from sniffkit.sources.batch import GUARD

    length = np.array([len(one.octets) for _, one in datagrams], np.int64)
    longer = np.concatenate(
        [octets, np.frombuffer(b"".join(one.octets for _, one in datagrams), np.uint8), np.zeros(GUARD, np.uint8)]
    )
    start = len(octets) + np.cumsum(length) - length
    found: list[tuple[Headers, Carried]] = []
    for code in (IPV4, FRAGMENT):
        at = np.array([index for index, (above, _) in enumerate(datagrams) if above == code], np.int64)
        if not len(at):
            continue
        chosen = [datagrams[index][1] for index in at.tolist()]
        group = Headers(
            REGISTER[code - 1].header, longer, None, 0, False,
            np.array([one.row for one in chosen], np.int64), start[at], length[at], length[at], None,
            np.full(len(at), code, np.int32),
            np.array([one.parent_index for one in chosen], np.int64), depth,
        )  # fmt: skip
        number = np.array([one.following for one in chosen], np.int64)
        found.append((group, Carried("ip.proto", np.where(number >= 0, number, 0), 0, where=number >= 0)))
    return longer, found
