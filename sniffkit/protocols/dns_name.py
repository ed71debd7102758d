"""A domain name: labels unpacked from a message and written as people write them (RFC 1035 sections 4.1.4, 5.1)."""

from __future__ import annotations

from functools import lru_cache

LONGEST = 255
"""Octets of a name, the lengths of its labels included."""

MOST_POINTERS = 128
"""Compression pointers followed for one name: a name has no more labels than that."""

_QUOTED = frozenset(b'"().;\\@$')
_PLAIN = bytes(octet for octet in range(0x21, 0x7F) if octet not in _QUOTED)


class BadName(Exception):
    """A name that cannot be read: an id (``dns.name-loop``) and the octet of the message where it breaks off."""

    def __init__(self, id: str, place: int) -> None:
        super().__init__(id)
        self.id = id
        self.place = place


def read_name(octets: bytes, at: int) -> tuple[tuple[bytes, ...], int]:
    """Return the labels of the name at a place, and the place after it.

    A compression pointer should lead backwards (RFC 1035 section 4.1.4, "a prior occurrence"); one that does not is
    followed too, as tshark does: what ends a loop is that pointers are counted.
    """
    labels: list[bytes] = []
    after = -1
    length, pointers = 1, 0
    while True:
        if at >= len(octets):
            raise BadName("dns.message-cut", at)
        size = octets[at]
        if size >= 0xC0:
            if at + 2 > len(octets):
                raise BadName("dns.message-cut", at)
            if after < 0:
                after = at + 2
            pointers += 1
            if pointers > MOST_POINTERS:
                raise BadName("dns.name-loop", at)
            at = (size & 0x3F) << 8 | octets[at + 1]
            continue
        if size > 63:
            raise BadName("dns.label-kind", at)
        at += 1
        if not size:
            return tuple(labels), (at if after < 0 else after)
        length += size + 1
        if length > LONGEST:
            raise BadName("dns.name-long", at)
        if at + size > len(octets):
            raise BadName("dns.message-cut", at)
        labels.append(octets[at : at + size])
        at += size


@lru_cache(8192)
def name_text(labels: tuple[bytes, ...]) -> str:
    r"""Write a name without its final dot; the root is ``.``.

    Dots within a label, other signs with a meaning of their own and octets that are no printable ASCII are escaped
    (``\.``, ``\032``).
    """
    return ".".join(map(_label_text, labels)) if labels else "."


def _label_text(label: bytes) -> str:
    if not label.translate(None, _PLAIN):
        return label.decode("ascii")
    return "".join(
        f"\\{chr(octet)}" if octet in _QUOTED else chr(octet) if 0x20 < octet < 0x7F else f"\\{octet:03d}"
        for octet in label
    )


def unicode_name(name: str) -> str:
    """Return a name in its own script where it has labels in punycode (RFC 3492, RFC 5890), "" otherwise.

    A label that is none, or that has signs which are not printable in it, stays as it is.
    """
    if "xn--" not in name.lower():
        return ""
    shown = ".".join(map(_unicode_label, name.split(".")))
    return shown if shown != name else ""


def both_ways(name: str) -> str:
    """Return a name as it is sent, and behind it in its own script where it has one: ``xn--fiq228c (中文)``."""
    shown = unicode_name(name)
    return f"{name} ({shown})" if shown else name


def _unicode_label(label: str) -> str:
    if not label.lower().startswith("xn--") or "\\" in label:
        return label
    ascii = label[4:].lower().encode("ascii")
    try:
        text = ascii.decode("punycode")
        if text.encode("punycode") != ascii:  # nobody who registers names writes it so
            return label
    except (UnicodeError, ValueError, OverflowError):
        return label
    return text if text.isprintable() and not text.isascii() and not any(map(_leads_astray, text)) else label


def _leads_astray(sign: str) -> bool:
    """Say whether a sign is one that a name in that script cannot have: it would look like the end of a label."""
    return sign in "\u3002\uff0e\uff61\u2024()（）/" or sign.isspace()
