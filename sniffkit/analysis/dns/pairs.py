"""Questions with their one answer, found in columns: what most of DNS is, and what costs nothing to pair in bulk.

A pair here is plain: one question over UDP and one answer that repeats it, nothing else between these ends under this
id. Everything else goes the long way, message by message (``DnsResolution``).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.addresses import address_octets, ip_text
from sniffkit.analysis.dns.exchange import DnsExchange
from sniffkit.analysis.dns.kinds import NODATA_KNOWN, response_kinds
from sniffkit.analysis.dns.messages import DNS, UDP
from sniffkit.analysis.open_questions import LINGER_NS
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.dns.seen import SeenMessages

_ODD = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
"""Odd numbers whose products spread their bits (D. Lemire and others use them to mix hashes)."""

WORD = 8


@dataclass(slots=True)
class DnsPairs:
    """Pairs in the order of their questions; every array has one entry a pair, but for ``octets``.

    octets:       bytes, the responses as they were captured, one after the other
    place:        int64, number of the exchange; hash: uint64, of its ends; heard_ns: int64, as in ``DnsExchange``
    query, response: int64, packet numbers; asked_ns, answered_ns: int64
    id, query_flags, response_flags, type, client_port, server_port, answers, authorities, additionals: int64
    client, server: uint64 (m, 2)
    kind:         index into ``dns_kinds.KINDS``
    start, end:   int64, where the response stands in ``octets``; question_end: int64, from its start
    taken:        bool, no longer plain: it went on as a ``DnsExchange``
    """

    octets: bytes
    place: NDArray[np.int64]
    hash: NDArray[np.uint64]
    heard_ns: NDArray[np.int64]
    query: NDArray[np.int64]
    response: NDArray[np.int64]
    asked_ns: NDArray[np.int64]
    answered_ns: NDArray[np.int64]
    id: NDArray[np.int64]
    query_flags: NDArray[np.int64]
    response_flags: NDArray[np.int64]
    type: NDArray[np.int64]
    client: NDArray[np.uint64]
    server: NDArray[np.uint64]
    client_port: NDArray[np.int64]
    server_port: NDArray[np.int64]
    answers: NDArray[np.int64]
    authorities: NDArray[np.int64]
    additionals: NDArray[np.int64]
    kind: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    question_end: NDArray[np.int64]
    taken: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.place)

    def part(self, which: slice | NDArray[Any]) -> DnsPairs:
        """Return some of the pairs; the octets are shared."""
        names = [field.name for field in fields(self) if field.name != "octets"]
        return DnsPairs(self.octets, **{name: getattr(self, name)[which] for name in names})

    def exchange(self, at: int) -> DnsExchange:
        """Return a pair as the exchange that it is."""
        from sniffkit.analysis.dns.kinds import KINDS

        start, question_end = int(self.start[at]), int(self.question_end[at])
        exchange = DnsExchange(
            "dns",
            "udp",
            int(self.id[at]),
            self.octets[start + 12 : start + question_end - 4],
            int(self.type[at]),
            ip_text(address_octets(self.client[at : at + 1]).tobytes()),
            int(self.client_port[at]),
            ip_text(address_octets(self.server[at : at + 1]).tobytes()),
            int(self.server_port[at]),
            query_flags=int(self.query_flags[at]),
            query_packets=[int(self.query[at])],
            response_packets=[int(self.response[at])],
            asked_ns=int(self.asked_ns[at]),
            last_ns=int(self.answered_ns[at]),
            elapsed_ns=int(self.answered_ns[at] - self.asked_ns[at]),
            response_flags=int(self.response_flags[at]),
            kind=KINDS[self.kind[at]],
            response=self.octets[start : int(self.end[at])],
        )
        exchange.place, exchange.heard_ns = int(self.place[at]), int(self.heard_ns[at])
        return exchange

    def key(self, at: int) -> tuple[bytes, bytes]:
        """Return the ends of a pair and its question in small letters, as ``SeenMessage`` has them."""
        numbers = struct.pack(">HHHBB", self.client_port[at], self.server_port[at], self.id[at], DNS, UDP)
        addresses = address_octets(np.stack((self.client[at], self.server[at]))).tobytes()
        start = int(self.start[at])
        return addresses + numbers, self.octets[start + 12 : start + int(self.question_end[at]) - 2].lower()


def hash_of_ends(seen: SeenMessages) -> NDArray[np.uint64]:
    """Return a hash of both addresses, both ports and the id of each message: the same for a question and its answer.

    In LLMNR a question goes to all and is answered by one: there the server counts for nothing.
    """
    messages = seen.messages
    ports = seen.client_port.astype(np.uint64) << np.uint64(32) | seen.server_port.astype(np.uint64) << np.uint64(16)
    mixed = (ports | messages.id) * np.uint64(_ODD[0])
    own = np.where(messages.family == DNS, np.uint64(1), np.uint64(0))
    for place, (address, factor) in enumerate(((seen.client, _ODD[1]), (seen.server, _ODD[2]))):
        for half in (0, 1):
            mixed ^= address[:, half] * own if place else address[:, half]
            mixed *= np.uint64(factor)
            mixed ^= mixed >> np.uint64(29 + half)
    return mixed


def plain_pairs(
    seen: SeenMessages, hashes: NDArray[np.uint64], clock: NDArray[np.int64], allowed: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the messages that are the question and the answer of a plain pair, and the answer's kind; ascending.

    clock:   int64 (m,) time that never goes back, at each message
    allowed: bool (m,) messages that nothing outside this batch belongs to
    """
    messages = seen.messages
    able = allowed & (messages.family == DNS) & (messages.transport == UDP) & (messages.questions == 1)
    able &= (messages.question_end > 16) & ((messages.flags >> 11 & 15) == 0) & (messages.time_ns != NO_TIME)
    kind = response_kinds(messages)
    answered = (kind >= 0) & ((kind != NODATA_KNOWN[0]) | ((messages.flags & NODATA_KNOWN[1]) != 0))
    able &= ~seen.response | answered
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    begin = np.flatnonzero(first)
    pair = begin[np.diff(begin, append=len(order)) == 2]
    query, response = order[pair], order[pair + 1]
    good = able[query] & able[response] & ~seen.response[query] & seen.response[response]
    good &= messages.question_end[query] == messages.question_end[response]
    good &= clock[response] - clock[query] <= LINGER_NS
    asked, told = messages.time_ns[query], messages.time_ns[response]
    good &= (told >= asked) & (told - asked >= 0)  # no clock set back, none further on than 64 bits hold
    for column in (messages.id, seen.client_port, seen.server_port):
        good &= column[query] == column[response]
    for address in (seen.client, seen.server):
        good &= (address[query] == address[response]).all(axis=1)
    query, response = query[good], response[good]
    same = same_octets(
        messages.octets,
        messages.offset[query] + 12,
        messages.offset[response] + 12,
        messages.question_end[query] - 14,  # but for the class
    )
    query, response = query[same], response[same]
    by_question = np.argsort(query)
    query, response = query[by_question], response[by_question]
    return query, response, kind[response]


def same_octets(
    octets: NDArray[np.uint8], one: NDArray[np.int64], other: NDArray[np.int64], length: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Say whether so many octets at two places each are the same; all at once, a word at a time.

    Fewer than a word are said to differ.
    """
    words = np.ndarray((len(octets) - WORD + 1,), "<u8", octets.data, strides=(1,))
    same = length >= WORD
    at = np.flatnonzero(same)
    step = 0
    while len(at):
        # the last word is taken so that it ends where the octets end
        place = np.minimum(step, length[at] - WORD)
        equal = words[one[at] + place] == words[other[at] + place]
        same[at[~equal]] = False
        step += WORD
        at = at[equal & (length[at] > step)]
    return same


def pairs_of(
    seen: SeenMessages,
    hashes: NDArray[np.uint64],
    clock: NDArray[np.int64],
    query: NDArray[np.int64],
    response: NDArray[np.int64],
    kind: NDArray[np.int64],
    place: NDArray[np.int64],
) -> DnsPairs:
    """Return the pairs of the messages ``query`` and ``response`` with copies of what they need to be told."""
    messages = seen.messages
    data, begin = seen.data, messages.offset[response]
    length = messages.present[response]
    octets = b"".join([data[at:end] for at, end in zip(begin.tolist(), (begin + length).tolist(), strict=True)])
    end = np.cumsum(length)

    def numbers(column: NDArray[Any], which: NDArray[np.int64]) -> NDArray[np.int64]:
        return column[which].astype(np.int64)

    return DnsPairs(
        octets=octets,
        place=place,
        hash=hashes[query],
        heard_ns=clock[response],
        query=messages.number[query],
        response=messages.number[response],
        asked_ns=messages.time_ns[query],
        answered_ns=messages.time_ns[response],
        id=numbers(messages.id, query),
        query_flags=numbers(messages.flags, query),
        response_flags=numbers(messages.flags, response),
        type=numbers(messages.type, query),
        client=seen.client[query],
        server=seen.server[query],
        client_port=numbers(seen.client_port, query),
        server_port=numbers(seen.server_port, query),
        answers=numbers(messages.answers, response),
        authorities=numbers(messages.authorities, response),
        additionals=numbers(messages.additionals, response),
        kind=kind,
        start=end - length,
        end=end,
        question_end=messages.question_end[response],
        taken=np.zeros(len(query), np.bool_),
    )


def _no_pairs() -> DnsPairs:
    number, half = np.zeros(0, np.int64), np.zeros((0, 2), np.uint64)
    special = {"octets": b"", "hash": half[:, 0], "client": half, "server": half, "taken": number.astype(np.bool_)}
    return DnsPairs(**{field.name: special.get(field.name, number) for field in fields(DnsPairs)})  # type: ignore[arg-type]


NO_PAIRS = _no_pairs()
