"""Plain DNS pairs as lines of JSON, made of ready pieces: octet for octet what ``dns_record`` makes, only faster.

Every part of the lines is a column, found for many pairs at once; names, addresses and flags repeat in any capture, so
each is written once and kept. A message with anything unusual in it is read whole by ``dns_record``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import orjson

from sniffkit.analysis.addresses import address_octets, ip_text
from sniffkit.analysis.dns.exchange import FLAGS
from sniffkit.analysis.dns.kinds import KINDS
from sniffkit.analysis.dns.sections import Records, records_of
from sniffkit.explanations.dns_pieces import MessageTexts, Texts
from sniffkit.explanations.exchange_records import dns_record
from sniffkit.protocols.dns_data import Type, rcode_name, type_name
from sniffkit.protocols.dns_name import unicode_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sniffkit.analysis.dns.listing import DnsRun
    from sniffkit.analysis.dns.pairs import DnsPairs

_OPT = int(Type.OPT)

_NO_EDNS = -1
"""Stands where a message has no OPT record: no class and time to live make this number."""

_LEADS = (
    ("", '],"authority":[', '],"authority":[],"additional":['),
    (",", '],"authority":[', '],"authority":[],"additional":['),
    ("", ",", '],"additional":['),
    ("", "", ","),
)
"""What stands before a record, by the section of the one before it (none, answers, authority, additional) and its own;
where nothing can stand, nothing does."""

_CLOSING = ('],"authority":[],"additional":[', '],"authority":[],"additional":[', '],"additional":[', "")
"""What follows the last record, by its section as above."""


class DnsLines:
    """Writes runs of exchanges; remembers the texts that come again and again."""

    def __init__(self) -> None:
        self._texts = MessageTexts(lambda text: json_text(text)[1:-1], '"')
        self._ends: Texts[bytes] = Texts(lambda raw: f'"{ip_text(raw)}"')
        self._types: Texts[int] = Texts(lambda kind: f'"{type_name(kind)}"')
        self._verdicts: Texts[int] = Texts(_verdict)
        self._tails: Texts[tuple[int, int]] = Texts(lambda known: _tail(*known, "null"))

    def lines(self, run: DnsRun) -> Iterator[bytes]:
        """Yield pieces of the output in order, each of one or many whole lines."""
        pairs = run.pairs
        made = self._pairs(pairs) if len(pairs) else []
        at = 0
        for other, place in zip(run.others, pairs.place.searchsorted([one.place for one in run.others]), strict=True):
            if place > at:
                yield "".join(made[at:place]).encode()
                at = int(place)
            yield orjson.dumps(dns_record(other), option=orjson.OPT_APPEND_NEWLINE)
        if at < len(made):
            yield "".join(made[at:]).encode()

    def _pairs(self, pairs: DnsPairs) -> list[str]:
        """Return one line for each pair."""
        found = records_of(pairs)
        elapsed = pairs.answered_ns - pairs.asked_ns
        # orjson writes tiny numbers in another way
        odd = set(np.flatnonzero(~found.whole | ((elapsed < 1000) & (elapsed != 0))).tolist())
        names = self._texts.questions(pairs)
        edns = _edns(found, len(pairs), odd)
        records, closings = self._records(pairs, found.part(found.type != _OPT), names, odd)
        flags = pairs.response_flags | np.where(edns == _NO_EDNS, 0, (edns & 0xFFFFFFFF) >> 24) << 16
        tails = list(map(self._tails.__getitem__, zip(pairs.kind.tolist(), edns.tolist(), strict=True)))
        for at, name in enumerate(names):
            if name is None:
                odd.add(at)
            elif "--" in name:
                shown = json_text(unicode_name(orjson.loads(f'"{name}"')) or None)
                tails[at] = _tail(int(pairs.kind[at]), int(edns[at]), shown)
        ends, clients, servers = self._ends, address_octets(pairs.client), address_octets(pairs.server)
        columns = zip(
            pairs.id.tolist(), names, map(self._types.__getitem__, pairs.type.tolist()),
            map(ends.__getitem__, _sixteens(clients)), map(ends.__getitem__, _sixteens(servers)),
            pairs.query.tolist(), pairs.response.tolist(), (elapsed / 1e6).tolist(),
            map(self._verdicts.__getitem__, flags.tolist()), records, closings,
            pairs.client_port.tolist(), pairs.server_port.tolist(), tails,
            strict=True,
        )  # fmt: skip
        made = [
            f'{{"id":{id},"name":"{name}","type":{kind},"client":{client},"server":{server},"transport":"udp",'
            f'"query_packet":{query},"response_packet":{response},"query_packets":[{query}],'
            f'"response_packets":[{response}],"rtt_ms":{milliseconds!r},{verdict},"answers":[{listed}{closing}'
            f'],"retransmissions":0,"protocol":"dns","client_port":{client_port},"server_port":{server_port},{tail}'
            for (
                id, name, kind, client, server, query, response, milliseconds, verdict, listed, closing, client_port,
                server_port, tail,
            ) in columns
        ]  # fmt: skip
        for at in odd:
            made[at] = orjson.dumps(dns_record(pairs.exchange(at)), option=orjson.OPT_APPEND_NEWLINE).decode()
        return made

    def _records(
        self, pairs: DnsPairs, found: Records, names: list[str | None], odd: set[int]
    ) -> tuple[list[str], list[str]]:
        """Return all records of each response as one text, and what stands behind them; more messages may be odd."""
        index = found.message
        said = self._texts.data(pairs, found)
        owners = self._texts.owners(pairs, found, names)
        for at, (owner, data) in enumerate(zip(owners, said, strict=True)):
            if owner is None or data is None:
                odd.add(int(index[at]))
        section = 1 + (found.order >= pairs.answers[index]).astype(np.int64)
        section += found.order >= (pairs.answers + pairs.authorities)[index]
        before = np.zeros(len(index), np.int64)
        before[1:] = np.where(index[1:] == index[:-1], section[:-1], 0)
        leads = [lead for row in _LEADS for lead in row]
        texts = [
            f'{lead}{{"name":"{owner}","type":{kind},"ttl":{seconds},"data":{data}}}'
            for lead, owner, kind, seconds, data in zip(
                map(leads.__getitem__, (before * 3 + section - 1).tolist()), owners,
                map(self._types.__getitem__, found.type.tolist()), found.ttl.tolist(), said,
                strict=True,
            )
        ]  # fmt: skip
        count = np.bincount(index, minlength=len(pairs))
        stop = np.cumsum(count)
        last = np.zeros(len(pairs), np.int64)
        last[count > 0] = section[stop[count > 0] - 1]
        listed = [
            texts[end - 1] if many == 1 else "".join(texts[end - many : end])
            for end, many in zip(stop.tolist(), count.tolist(), strict=True)
        ]
        return listed, list(map(_CLOSING.__getitem__, last.tolist()))


def json_text(text: str | None) -> str:
    """Return a text as JSON has it, quotation marks included."""
    return orjson.dumps(text).decode()


def _edns(found: Records, size: int, odd: set[int]) -> NDArray[np.int64]:
    """Return class and time to live of each message's OPT record as one number, int64 (m,); two of them are odd."""
    edns = np.full(size, _NO_EDNS, np.int64)
    at = np.flatnonzero(found.type == _OPT)
    edns[found.message[at]] = found.class_[at] << 32 | found.ttl[at]
    odd.update(np.flatnonzero(np.bincount(found.message[at], minlength=size) > 1).tolist())
    return edns


def _sixteens(addresses: NDArray[np.uint8]) -> list[bytes]:
    """Return rows of sixteen octets as a list of them."""
    octets = addresses.tobytes()
    return [octets[place : place + 16] for place in range(0, len(octets), 16)]


def _verdict(flags: int) -> str:
    """Return code and flags as JSON; above the sixteen bits of the header stand those that EDNS adds to the code."""
    said = [name for bit, name in FLAGS if flags & bit]
    return f'"rcode":"{rcode_name(flags & 15 | flags >> 16 << 4)}","flags":{orjson.dumps(said).decode()}'


def _tail(kind: int, edns: int, shown: str) -> str:
    """Return the end of a line, by the place of its kind in KINDS and the number that ``_edns`` made."""
    lives, more = edns & 0xFFFFFFFF, "null"
    if edns != _NO_EDNS:
        do = "true" if lives & 0x8000 else "false"
        more = f'{{"udp_payload":{edns >> 32},"version":{lives >> 16 & 255},"do":{do}}}'
    return (
        f'"kind":"{KINDS[kind]}","asked_for":null,"truncated":null,"asks":[],"zone":null,"steps_not_seen":[],'
        f'"from_cache":false,"unicode":{shown},"edns":{more}}}\n'
    )
