"""Plain DNS pairs as lines of JSON, made of ready pieces: octet for octet what ``dns_record`` makes, only faster.

Names, addresses and flags repeat in any capture, so each is written once and kept. A message with anything unusual in
it is read whole by ``dns_record``.
"""

from __future__ import annotations

from functools import cache, lru_cache
from socket import AF_INET, AF_INET6, inet_ntop
from struct import Struct
from typing import TYPE_CHECKING, TypeAlias

import orjson

from sniffkit.analysis.addresses import address_octets, ip_text
from sniffkit.analysis.dns.exchange import FLAGS
from sniffkit.analysis.dns.kinds import KINDS
from sniffkit.analysis.dns.sections import records_of
from sniffkit.explanations.exchange_records import dns_record
from sniffkit.protocols.dns_data import Type, data_text, rcode_name, type_name
from sniffkit.protocols.dns_name import LONGEST, BadName, name_text, read_name, unicode_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.analysis.dns.listing import DnsRun
    from sniffkit.analysis.dns.pairs import DnsPairs

KEPT = 65_536
"""How many texts of one kind are kept ready; past that all are forgotten."""

KEPT_RESPONSES = 32_768
"""The same of whole responses, and of those met a while ago once more as many."""

_POINTERS = 8
_QUESTION_NAME = 12
_ASKED = b"\xc0\x0c"
"""A pointer to the name in the question."""

_TIME = "\0"
"""Stands in ready texts where a time to live belongs; in JSON it never stands for itself."""

_HEADER, _FIVE_NUMBERS = Struct(">6H"), Struct(">5I")
_OPT = int(Type.OPT)
_NAMES = frozenset({Type.NS, Type.CNAME, Type.PTR, Type.DNAME})


class _Odd(Exception):
    """A message that is read whole instead."""


class _Texts(dict[bytes, str]):
    """Texts by the octets they are made of, made when first asked for."""

    def __init__(self, make: Callable[[bytes], str]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, octets: bytes) -> str:
        if len(self) >= KEPT:
            self.clear()
        made = self[octets] = self._make(octets)
        return made


_Response: TypeAlias = tuple[str, str, str, list[str], str]
"""What a response makes of its line wherever it comes from: name, type, rcode and flags; its records, in pieces between
which the times to live belong; the end of the line. What many responses have is one text, so that it stays at hand."""


class DnsLines:
    """Writes runs of exchanges; remembers the texts that come again and again."""

    def __init__(self) -> None:
        self._labels = _Texts(_labels)
        self._addresses = _Texts(_address)
        self._ends = _Texts(lambda raw: f'"{ip_text(raw)}"')
        self._responses: dict[bytes, _Response] = {}
        self._older: dict[bytes, _Response] = {}

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
        octets, found = pairs.octets, records_of(pairs)
        timed = found.type != _OPT
        lives = found.ttl[timed].tolist()
        untimed = octets if not len(lives) else _without_times(octets, found.data[timed])
        columns_of = (found.name, found.data, found.end, found.type, found.class_, found.ttl)
        lists = [column.tolist() for column in columns_of]
        if len(self._responses) >= KEPT_RESPONSES:  # what was not met since the last time is forgotten
            self._older, self._responses = self._responses, {}
        known, ends = self._responses, self._ends
        clients, servers = address_octets(pairs.client).tobytes(), address_octets(pairs.server).tobytes()
        columns = zip(
            pairs.id.tolist(), pairs.query.tolist(), pairs.response.tolist(),
            (pairs.answered_ns - pairs.asked_ns).tolist(), pairs.client_port.tolist(), pairs.server_port.tolist(),
            pairs.start.tolist(), pairs.end.tolist(), pairs.question_end.tolist(), pairs.type.tolist(),
            pairs.kind.tolist(),
            found.whole.tolist(),
            count_of(found.message, len(pairs)).tolist(), count_of(found.message[timed], len(pairs)).tolist(),
            strict=True,
        )  # fmt: skip
        made: list[str] = []
        first = first_timed = place = 0
        for at, (
            id, query, response, elapsed, client_port, server_port, start, end, question_end, kind, amounts, whole,
            count, timed_count,
        ) in enumerate(columns):  # fmt: skip
            key = untimed[start + 2 : end]
            one = known.get(key)
            if one is None:
                one = self._older.get(key)
                if one is None and whole:
                    one = self._response(
                        octets, start, end, question_end, kind, KINDS[amounts], lists, first, first + count
                    )
                if one is not None:
                    known[key] = one
            first += count
            stop = first_timed + timed_count
            if not one or 0 < elapsed < 1000 or elapsed < 0:  # orjson writes tiny numbers in another way
                made.append(orjson.dumps(dns_record(pairs.exchange(at)), option=orjson.OPT_APPEND_NEWLINE).decode())
            else:
                name, type_, verdict, pieces, tail = one
                if timed_count == 1:
                    records = f"{pieces[0]}{lives[first_timed]}{pieces[1]}"
                elif timed_count == 2:
                    records = f"{pieces[0]}{lives[first_timed]}{pieces[1]}{lives[first_timed + 1]}{pieces[2]}"
                elif timed_count:
                    times = map(str, lives[first_timed:stop])
                    records = "".join([part for two in zip(pieces, times, strict=False) for part in two]) + pieces[-1]
                else:
                    records = pieces[0]
                made.append(
                    f'{{"id":{id},"name":"{name}","type":{type_},"client":{ends[clients[place : place + 16]]},'
                    f'"server":{ends[servers[place : place + 16]]},"transport":"udp","query_packet":{query},'
                    f'"response_packet":{response},"query_packets":[{query}],"response_packets":[{response}],'
                    f'"rtt_ms":{elapsed / 1e6!r},{verdict},"answers":[{records}'
                    f'],"retransmissions":0,"protocol":"dns","client_port":{client_port},"server_port":{server_port},'
                    f"{tail}"
                )
            first_timed = stop
            place += 16
        return made

    def _response(
        self,
        octets: bytes,
        start: int,
        end: int,
        question_end: int,
        asked_type: int,
        amounts: str,
        records: list[list[int]],
        first: int,
        stop: int,
    ) -> _Response | None:
        """Read a response, which is there to its end; None where ``dns_record`` must read it.

        amounts: its kind
        records: the columns of ``Records`` as lists; from ``first`` to ``stop`` they are those of the response
        """
        _, flags, _, answers, authorities, _ = _HEADER.unpack_from(octets, start)
        asked = octets[start + 12 : start + question_end - 5]
        names, places, ends, types, classes, lives = records
        answer: list[str] = []
        authority: list[str] = []
        additional: list[str] = []
        last_answer, last_authority = first + answers, first + answers + authorities
        edns, extended = "null", 0
        addresses = self._addresses
        try:
            name = self._labels[asked]
            for number in range(first, stop):
                kind, place, after = types[number], places[number], ends[number]
                if kind == _OPT:
                    if edns != "null":
                        return None
                    life = lives[number]
                    extended = life >> 24
                    do = "true" if life & 0x8000 else "false"
                    edns = f'{{"udp_payload":{classes[number]},"version":{life >> 16 & 255},"do":{do}}}'
                    continue
                if octets[names[number] : place - 10] == _ASKED:
                    text = name
                else:
                    text = self._name(octets, start, end, names[number])[0]
                if (kind == 1 and after - place == 4) or (kind == 28 and after - place == 16):
                    said = addresses[octets[place:after]]
                else:
                    said = self._data(octets, start, end, kind, place, after)
                section = answer if number < last_answer else authority if number < last_authority else additional
                section.append(f'{{"name":"{text}","type":{_type(kind)},"ttl":{_TIME},"data":{said}}}')
        except _Odd:
            return None
        shown = "null"
        if b"--" in asked:
            shown = json_text(unicode_name(name_text(read_name(asked + b"\0", 0)[0])) or None)
        return (
            name,
            _type(asked_type),
            _verdict(flags, extended),
            f'{",".join(answer)}],"authority":[{",".join(authority)}],"additional":[{",".join(additional)}'.split(
                _TIME
            ),
            _tail(amounts, shown, edns),
        )

    def _data(self, octets: bytes, start: int, end: int, kind: int, data: int, after: int) -> str:
        """Return a record's data as JSON."""
        if kind in _NAMES:
            target, _, behind = self._name(octets, start, end, data)
            if behind != after:
                raise _Odd
            return f'"{target}"'
        if kind == Type.SOA:
            first, _, second = self._name(octets, start, end, data)
            mailbox, _, numbers = self._name(octets, start, end, second)
            if numbers + 20 != after:
                raise _Odd
            words = " ".join(map(str, _FIVE_NUMBERS.unpack_from(octets, numbers)))
            return f'"{first} {mailbox} {words}"'
        return json_text(data_text(octets[start:end], data - start, after - start, kind))

    def _name(self, octets: bytes, start: int, end: int, at: int, pointers: int = 0) -> tuple[str, int, int]:
        """Return a name as JSON without quotation marks, how long it is unpacked, and the place after it."""
        place = at
        while True:
            if place >= end:
                raise _Odd
            size = octets[place]
            if size == 0 or size >= 0xC0:
                break
            if size > 63:
                raise _Odd
            place += 1 + size
        text, length = self._labels[octets[at:place]] if place > at else "", place - at
        if size == 0:
            if length + 1 > LONGEST:
                raise _Odd
            return text or ".", length + 1, place + 1
        if place + 1 >= end:
            raise _Odd
        target = (size & 63) << 8 | octets[place + 1]
        # only backwards and not through many: everything else is for the reader that counts pointers
        if target >= at - start or pointers >= _POINTERS or target < _QUESTION_NAME:
            raise _Odd
        rest, more, _ = self._name(octets, start, end, start + target, pointers + 1)
        if length + more > LONGEST:
            raise _Odd
        if not text:
            return rest, more, place + 2
        return (text if rest == "." else f"{text}.{rest}"), length + more, place + 2


def json_text(text: str | None) -> str:
    """Return a text as JSON has it, quotation marks included."""
    return orjson.dumps(text).decode()


def _without_times(octets: bytes, data: NDArray[np.int64]) -> bytes:
    """Return octets with the times to live of the records whose data stands at ``data`` set to zero."""
    import numpy as np

    changed = np.frombuffer(octets, np.uint8).copy()
    for distance in range(3, 7):
        changed[data - distance] = 0
    return changed.tobytes()


def count_of(index: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return how often each number below ``size`` stands in ``index``."""
    import numpy as np

    return np.bincount(index, minlength=size)


@cache
def _verdict(flags: int, extended: int) -> str:
    said = [name for bit, name in FLAGS if flags & bit]
    return f'"rcode":"{rcode_name((flags & 15) | extended << 4)}","flags":{orjson.dumps(said).decode()}'


@cache
def _type(kind: int) -> str:
    return f'"{type_name(kind)}"'


@lru_cache(1024)
def _tail(amounts: str, shown: str, edns: str) -> str:
    return (
        f'"kind":"{amounts}","asked_for":null,"truncated":null,"asks":[],"zone":null,"steps_not_seen":[],'
        f'"from_cache":false,"unicode":{shown},"edns":{edns}}}\n'
    )


def _labels(octets: bytes) -> str:
    """Return whole labels as JSON without quotation marks."""
    try:
        labels, _ = read_name(octets + b"\0", 0)
    except BadName:
        raise _Odd from None
    return json_text(name_text(labels))[1:-1]


def _address(octets: bytes) -> str:
    return f'"{inet_ntop(AF_INET if len(octets) == 4 else AF_INET6, octets)}"'
