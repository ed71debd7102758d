"""From the link layer inwards, a whole batch at once: groups of rows move forward, one layer a round."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from sniffkit.protocols import REGISTER, number_spaces
from sniffkit.protocols.fragments import IPV4, IPV6, headers_of, put_together
from sniffkit.protocols.protocol import Carried, Headers
from sniffkit.sources.batch import Heads

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.protocols.reassembly import Reassembler, Whole
    from sniffkit.sources.batch import Batch

DEEPEST = 32
"""Rounds; only a packet built to tire a reader has more layers."""

PROTOCOLS: tuple[str, ...] = ("frame", *(protocol.name for protocol in REGISTER))
"""Every protocol that columns know; its place here is its code in ``Rows.parent``."""


@cache
def table(space: str) -> NDArray[np.uint8]:
    """Return a number space as an array: at each number the code of the protocol it means, 0 for none."""
    import numpy as np

    codes = np.zeros(1 << 16, np.uint8)
    for number, protocol in number_spaces().get(space, {}).items():
        codes[number] = PROTOCOLS.index(protocol.name)
    return codes


def codes_of(carried: Carried, rows: int) -> NDArray[np.uint8]:
    """Return the code of what each header carries, (m,) uint8."""
    import numpy as np

    codes = table(carried.space)
    number = carried.number
    if isinstance(number, tuple):
        low, high = codes[np.minimum(*number)], codes[np.maximum(*number)]
        found: NDArray[np.uint8] = np.where(low > 0, low, high)
    elif isinstance(number, int):
        found = np.full(rows, codes[number], np.uint8)
    else:
        found = codes.take(number)
    if carried.where is not None:
        found = np.where(carried.where, found, np.uint8(0))
    return found


def walk(
    batch: Batch,
    left_out: dict[int, list[NDArray[np.int64]]] | None = None,
    reassembler: Reassembler | None = None,
    whole: dict[int, list[Whole]] | None = None,
) -> tuple[list[list[Headers]], NDArray[np.uint8]]:
    """Find every header of a batch; for each protocol code the headers met, a ``Headers`` a round.

    Returned with them: the batch's octets, behind which stand the datagrams that were put together of fragments.

    ``Headers.parent_index`` counts the parent's headers in the order they were met: all of one round before the next.
    whole: filled with the datagrams that each packet completes
    left_out: filled, by protocol code, with the packets in which a header was announced that is cut or is none
    """
    import numpy as np

    rows = len(batch)
    index = np.arange(rows, dtype=np.int64)
    length = np.maximum(batch.length, batch.captured)
    present = length if np.array_equal(length, batch.captured) else batch.captured
    found: list[list[Headers]] = [[] for _ in PROTOCOLS]
    heads = batch.heads or Heads.gather(batch.octets, batch.offset)
    frames = Headers(
        REGISTER[0].header, batch.octets, heads, 0, True, index, batch.offset, present, length, None,
        np.full(rows, -1, np.int32), np.full(rows, -1, np.int64), 0,
    )  # fmt: skip
    link = np.where(batch.link_type >> 16 == 0, batch.link_type, 0xFFFF)
    same = rows > 0 and bool((link == link[0]).all())
    pending: dict[int, list[Headers]] = {}
    follow(frames, Carried("link", int(link[0]) if same else link, 0), 0, 0, pending)
    go_on(pending, found, left_out)
    octets = batch.octets
    seen: dict[int, int] = {}
    for _ in range(DEEPEST if reassembler is not None else 0):
        datagrams = put_together(found, seen, reassembler) if reassembler is not None else []
        if not datagrams:
            break
        octets, begun = headers_of(datagrams, octets, DEEPEST)
        if whole is not None:
            for _, datagram in datagrams:
                whole.setdefault(datagram.row, []).append(datagram)
        pending = {}
        for headers, carried in begun:
            follow_whole(headers, carried, pending)
        go_on(pending, found, left_out)
    return found, octets


def hand_on_ipv6(headers: Headers, into: dict[int, list[Headers]]) -> Headers:
    """Give IPv6 headers that stand where IPv4 was announced to IPv6, as Wireshark does; return the others."""
    import numpy as np

    six = headers.first_octet() >> 4 == 6
    if not six.any():
        return headers
    found = headers.select(np.flatnonzero(six))
    found.header, found.window, found.fields = REGISTER[IPV6 - 1].header, None, {}
    into.setdefault(IPV6, []).append(found)
    return headers.select(np.flatnonzero(~six))


def follow_whole(headers: Headers, carried: Carried, into: dict[int, list[Headers]]) -> None:
    """Group datagrams put together by the protocol they hold; ``headers`` begin where that does."""
    import numpy as np

    codes = codes_of(carried, len(headers))
    for child in np.unique(codes[codes > 0]).tolist():
        chosen = headers.select(np.flatnonzero(codes == child))
        chosen.header = REGISTER[child - 1].header
        into.setdefault(child, []).append(chosen)


def go_on(
    pending: dict[int, list[Headers]], found: list[list[Headers]], left_out: dict[int, list[NDArray[np.int64]]] | None
) -> None:
    """Go on from some headers, a layer a round; what is met is added to ``found``."""
    import numpy as np

    for _ in range(DEEPEST):
        following: dict[int, list[Headers]] = {}
        for code, groups in pending.items():
            protocol = REGISTER[code - 1]
            announced = join(groups)
            headers = keep(announced, protocol.header.octets)
            if code == IPV4 and len(headers):
                headers = hand_on_ipv6(headers, following)
            if protocol.valid is not None and len(headers):
                good = protocol.valid(headers)
                if good is not None and not good.all():
                    headers = headers.select(np.flatnonzero(good))
            if left_out is not None and len(headers) < len(announced):
                left_out.setdefault(code, []).append(not_kept(announced, headers))
            if not len(headers):
                continue
            met = sum(len(earlier) for earlier in found[code])
            found[code].append(headers)
            for carried in protocol.step(headers) if protocol.step is not None else ():
                follow(headers, carried, code, met, following)
        if not following:
            break
        pending = following


def follow(headers: Headers, carried: Carried, code: int, met: int, into: dict[int, list[Headers]]) -> None:
    """Group what some headers carry by protocol; ``met`` counts the headers of ``code`` met in earlier rounds."""
    import numpy as np

    rows = len(headers)
    codes = codes_of(carried, rows)
    met_codes = np.zeros(len(PROTOCOLS), np.bool_)
    met_codes[codes[:1]] = True
    met_codes[codes[np.flatnonzero(codes != codes[:1])]] = True  # few: nearly all carry the same
    children = np.flatnonzero(met_codes).tolist()
    for child in children:
        if not child:
            continue
        chosen: Any = slice(None) if len(children) == 1 else np.flatnonzero(codes == child)
        ahead = carried.header if isinstance(carried.header, int) else carried.header[chosen]
        nearest, furthest = (ahead, ahead) if isinstance(ahead, int) else (int(ahead.min()), int(ahead.max()))
        if nearest == furthest:
            ahead = furthest
        length = headers.length[chosen] - ahead
        present = length if headers.present is headers.length else headers.present[chosen] - ahead
        if carried.length is not None:
            whole = present is length
            length = np.minimum(length, carried.length[chosen])
            present = length if whole else np.minimum(present, length)
        quoted = None if headers.quoted is None else headers.quoted[chosen]
        if carried.quoted is not None:
            more = np.full(rows, True) if carried.quoted is True else np.asarray(carried.quoted)
            quoted = more[chosen] if quoted is None else quoted | more[chosen]
        place = np.arange(rows) if len(children) == 1 else chosen
        into.setdefault(child, []).append(
            Headers(
                REGISTER[child - 1].header, headers.octets, headers.heads, headers.reach + furthest,
                headers.evenly and nearest == furthest, headers.row[chosen], headers.offset[chosen] + ahead, present,
                length, quoted, np.full(len(place), code, np.int32),
                place + met if met else place, headers.depth + 1,
            )
        )  # fmt: skip


def join(groups: list[Headers]) -> Headers:
    """Put headers of one protocol, met in the same round in different ways, in one, ascending by packet."""
    import numpy as np

    if len(groups) == 1:
        return groups[0]
    first = groups[0]
    order = np.argsort(np.concatenate([group.row for group in groups]), kind="stable")

    def together(name: str) -> Any:
        return np.concatenate([getattr(group, name) for group in groups])[order]

    quoted = None
    if any(group.quoted is not None for group in groups):
        parts = [np.zeros(len(group), bool) if group.quoted is None else group.quoted for group in groups]
        quoted = np.concatenate(parts)[order]
    return Headers(
        first.header, first.octets, first.heads, max(group.reach for group in groups), False, together("row"),
        together("offset"), together("present"), together("length"), quoted, together("parent"),
        together("parent_index"), first.depth,
    )  # fmt: skip


def keep(headers: Headers, octets: int) -> Headers:
    """Keep the headers that are wholly there: a cut one has no row (the packet view shows what is present)."""
    import numpy as np

    there = headers.present >= octets
    return headers if there.all() else headers.select(np.flatnonzero(there))


def not_kept(announced: Headers, kept: Headers) -> NDArray[np.int64]:
    """Return the packets that have more headers announced than kept."""
    import numpy as np

    highest = int(announced.row[-1]) + 1
    more = np.bincount(announced.row, minlength=highest) - np.bincount(kept.row, minlength=highest)
    return np.flatnonzero(more > 0)
