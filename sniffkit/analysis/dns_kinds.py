"""What a DNS response amounts to, in a word: told from its header and the type of its first record.

RFC 1034 section 4.3.2 (answers, referrals), RFC 2308 (NXDOMAIN and NODATA), RFC 6895 (response codes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sniffkit.analysis.dns_messages import AUTHORITATIVE, TRUNCATED
from sniffkit.protocols.dns_data import Rcode, Type

if TYPE_CHECKING:
    from sniffkit.protocols.dns_message import Message, Record

ResponseKind = Literal[
    "answer",
    "cname-chain",
    "referral",
    "lame",
    "nodata",
    "nxdomain",
    "truncated",
    "servfail",
    "refused",
    "formerr",
    "notimp",
    "other-error",
    "done",
]

_BY_RCODE: dict[int, ResponseKind] = {
    Rcode.NXDOMAIN: "nxdomain",
    Rcode.SERVFAIL: "servfail",
    Rcode.REFUSED: "refused",
    Rcode.FORMERR: "formerr",
    Rcode.NOTIMP: "notimp",
}

ANY_NAME = {Type.CNAME, Type.DNAME, Type.ANY, Type.RRSIG}
"""Questions to which an alias is the answer itself and no chain to follow."""


def response_kind(flags: int, question_type: int, answers: int, authorities: int, first_type: int) -> ResponseKind:
    """Return the kind of a response to a standard query.

    first_type: type of the first record, of the answers if there are any, else of the authority section; -1 unknown
    """
    if flags >> 11 & 15:
        return "done"  # an update, a notification: nothing was looked up
    rcode = flags & 15
    if rcode:
        return _BY_RCODE.get(rcode, "other-error")
    if flags & TRUNCATED:
        return "truncated"
    if answers:
        alias = first_type in (Type.CNAME, Type.DNAME) and question_type not in ANY_NAME
        return "cname-chain" if alias else "answer"
    if authorities and first_type == Type.NS and not flags & AUTHORITATIVE:
        return "referral"
    return "nodata"


def referred_zone(message: Message) -> tuple[str, list[str], list[Record]]:
    """Return the zone a referral leads to, the names of its servers, and those of their addresses that came along."""
    servers = [record for record in message.authorities if record.type == Type.NS]
    zone = servers[0].name if servers else "."
    names = [record.data for record in servers if record.name.lower() == zone.lower()]
    wanted = {name.lower() for name in names}
    glue = [
        record for record in message.additionals if record.type in (Type.A, Type.AAAA) and record.name.lower() in wanted
    ]
    return zone, names, glue


def lies_below(name: str, zone: str) -> bool:
    """Tell whether a name is in a zone (or is its top)."""
    name, zone = name.lower(), zone.lower()
    return zone in (".", name) or name.endswith("." + zone)


def chain(message: Message) -> list[str]:
    """Return the names that the answers lead through, from the name asked for to the last alias's target."""
    if not message.questions:
        return []
    aliases = {record.name.lower(): record.data for record in message.answers if record.type == Type.CNAME}
    names = [message.questions[0].name]
    while (target := aliases.pop(names[-1].lower(), None)) is not None:
        names.append(target)
    return names
