"""Plain answers told in bulk: once the lesson was given, a name with its address is one sentence, made of columns.

It says what ``DnsWords`` says of the same question; whatever is not plain is left to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.addresses import address_octets, ip_text
from sniffkit.analysis.dns.facts import LONGEST_SHOWN, some
from sniffkit.analysis.dns.kinds import KINDS
from sniffkit.analysis.dns.messages import AUTHORITATIVE, RECURSION_AVAILABLE
from sniffkit.analysis.dns.sections import records_of
from sniffkit.explanations.dns_pieces import MessageTexts, Texts
from sniffkit.explanations.language import duration
from sniffkit.explanations.lesson import Line, Note, PacketLesson
from sniffkit.explanations.plain import escaped
from sniffkit.explanations.told_briefly import seconds
from sniffkit.protocols.dns_data import Rcode, Type, type_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from sniffkit.analysis.dns.pairs import DnsPairs
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.explanations.language import Language

PLAIN = {"answer": Rcode.NOERROR, "nodata": Rcode.NOERROR, "nxdomain": Rcode.NXDOMAIN}
"""Kinds of responses that are told here, with the code that each has."""

_ANSWER = KINDS.index("answer")


class PlainAnswers:
    """Makes lessons of plain pairs; remembers the texts that come again and again.

    sentence: gives what is said of a fact, with blanks
    first_ns: time of the capture's first packet
    """

    def __init__(self, sentence: Callable[[str], str], catalogue: Catalogue, first_ns: int | None) -> None:
        ids = {kind: f"dns.response.{kind}" for kind in PLAIN}
        self._kinds = [(ids[kind], sentence(ids[kind]), PLAIN[kind].name) if kind in PLAIN else None for kind in KINDS]
        self._language: Language = catalogue.language
        self._listed = catalogue.listed
        self._first_ns = first_ns
        self._texts = MessageTexts(escaped, "")
        self._ends: Texts[bytes] = Texts(ip_text)

    def of(self, pairs: DnsPairs) -> list[PacketLesson | None]:
        """Return the lesson of each pair, None where it is not plain."""
        clients, servers = address_octets(pairs.client).tobytes(), address_octets(pairs.server).tobytes()
        columns = zip(
            range(0, 16 * len(pairs), 16), self._texts.questions(pairs), self._data(pairs), pairs.type.tolist(),
            pairs.query.tolist(), pairs.response.tolist(), pairs.asked_ns.tolist(), pairs.answered_ns.tolist(),
            pairs.kind.tolist(),
            strict=True,
        )  # fmt: skip
        ends, language, first_ns = self._ends, self._language, self._first_ns
        lessons: list[PacketLesson | None] = []
        for at, name, data, asked, query, response, asked_ns, answered_ns, amounts in columns:
            how = self._kinds[amounts]
            if how is None or data is None or name is None or "--" in name:  # another script is shown both ways
                lessons.append(None)
                continue
            id, sentence, rcode = how
            kind = type_name(asked)
            elapsed = duration(answered_ns - asked_ns, language)
            text = sentence.format(number=query, elapsed=elapsed, name=name, type=kind, data=data)
            summary = f"{name} {kind} → {response} {rcode}"
            client, server = ends[clients[at : at + 16]], ends[servers[at : at + 16]]
            line = Line(query, seconds(asked_ns, first_ns), client, server, "DNS", 0, summary)
            lessons.append(PacketLesson(line, notes=(Note(id, "lesson", text),)))
        return lessons

    def _data(self, pairs: DnsPairs) -> list[str | None]:
        """Return what each answer says, None where that is not plain."""
        found = records_of(pairs)
        heard = (pairs.response_flags & (AUTHORITATIVE | RECURSION_AVAILABLE)) > 0
        plain = found.whole & ((pairs.kind != _ANSWER) | heard)
        plain[found.message[(found.type == Type.OPT) & (found.ttl >> 24 > 0)]] = False  # the code goes on in EDNS
        index = found.message
        mine = plain[index] & (found.order < pairs.answers[index])
        mine &= (found.type == pairs.type[index]) | (found.type == Type.CNAME)
        found = found.part(mine)
        texts = self._texts.data(pairs, found)
        count = np.bincount(found.message, minlength=len(pairs))
        plain &= (pairs.kind != _ANSWER) | (count > 0)
        said: list[str | None] = []
        for end, many, fine in zip(np.cumsum(count).tolist(), count.tolist(), plain.tolist(), strict=True):
            told = [text for text in texts[end - many : end] if text is not None and is_plain(text)]
            said.append(self._listed(some(told)) if fine and len(told) == many else None)
        return said


def is_plain(data: str) -> bool:
    """Say whether data is told as it is, neither shortened nor in another script as well."""
    return len(data) <= LONGEST_SHOWN and "--" not in data
