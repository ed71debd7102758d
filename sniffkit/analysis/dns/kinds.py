"""What a DNS response amounts to, in a word: told from its header and the type of its first record.

RFC 1034 section 4.3.2 (answers, referrals), RFC 2308 (NXDOMAIN and NODATA), RFC 6895 (response codes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from sniffkit.analysis.dns.messages import AUTHORITATIVE, RECURSION_AVAILABLE, TRUNCATED
from sniffkit.protocols.dns_data import Rcode, Type

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.analysis.dns.messages import DnsMessages
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

KINDS: tuple[ResponseKind, ...] = get_args(ResponseKind)
"""Every kind; its place here stands for it in columns."""

NODATA_KNOWN = KINDS.index("nodata"), AUTHORITATIVE | RECURSION_AVAILABLE
"""A NODATA with one of these flags is what it looks like; without them the server may be lame."""

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


def response_kinds(messages: DnsMessages) -> NDArray[np.int64]:
    """Return the kind of each response to a standard query as its place in KINDS, int64 (m,).

    -1 where more must be known than the header and the first record: referrals (which may be lame), and answers cut
    short (which are asked again).
    """
    import numpy as np

    flags, first_type = messages.flags, messages.first_type
    rcode = (flags & 15).astype(np.int64)
    by_rcode = np.full(16, KINDS.index("other-error"))
    for code, kind in _BY_RCODE.items():
        by_rcode[code] = KINDS.index(kind)
    alias = np.isin(first_type, (Type.CNAME, Type.DNAME)) & ~np.isin(messages.type, list(ANY_NAME))
    referral = (messages.authorities > 0) & (first_type == Type.NS) & ((flags & AUTHORITATIVE) == 0)
    found = np.where(alias, KINDS.index("cname-chain"), KINDS.index("answer"))
    empty = messages.answers == 0
    found = np.where(empty, np.where(referral, -1, KINDS.index("nodata")), found)
    found = np.where(flags & TRUNCATED, -1, found)
    return np.where(rcode > 0, by_rcode[rcode], found)


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
