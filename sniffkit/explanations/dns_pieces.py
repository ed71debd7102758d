"""Names and data of many DNS messages as texts, in JSON or for people, each written once and kept.

What is unusual is None and for the reader that goes message by message: a name that cannot be read or whose pointers
do not lead backwards, data that does not fit its type.
"""

from __future__ import annotations

from socket import AF_INET, AF_INET6, inet_ntop
from struct import Struct
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from sniffkit.analysis.dns.sections import FIXED
from sniffkit.protocols.dns_data import Type, data_text
from sniffkit.protocols.dns_name import LONGEST, BadName, name_text, read_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from sniffkit.analysis.dns.pairs import DnsPairs
    from sniffkit.analysis.dns.sections import Records

KEPT = 65_536
"""How many texts of one kind are kept ready; past that all are forgotten."""

_POINTERS = 8
_QUESTION_NAME = 12

_FIVE_NUMBERS = Struct(">5I")
_NAMES = frozenset({Type.NS, Type.CNAME, Type.PTR, Type.DNAME})

Known = TypeVar("Known")


class _Odd(Exception):
    """A message that is read whole instead."""


class Texts(dict[Known, str], Generic[Known]):
    """Texts by what they are made of, made when first asked for."""

    def __init__(self, make: Callable[[Known], str]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, known: Known) -> str:
        if len(self) >= KEPT:
            self.clear()
        made = self[known] = self._make(known)
        return made


class MessageTexts:
    """Texts of the names and records in the responses of pairs.

    write: makes a text what it must be where it is going to stand
    mark:  what stands before and after the data of a record; names are without it
    """

    def __init__(self, write: Callable[[str], str], mark: str) -> None:
        self._write, self._mark = write, mark
        self._labels: Texts[bytes] = Texts(self._of_labels)
        self._addresses: Texts[bytes] = Texts(self._of_address)
        self._targets: dict[int, str] = {}  # names in the data of the records being read, by place

    def questions(self, pairs: DnsPairs) -> list[str | None]:
        """Return the name that each pair asks for."""
        octets, labels = pairs.octets, self._labels
        begin = (pairs.start + _QUESTION_NAME).tolist()
        end = (pairs.start + pairs.question_end - 5).tolist()  # without the root's empty label, type and class
        try:
            return [labels[octets[at:after]] for at, after in zip(begin, end, strict=True)]
        except _Odd:
            return [self._label(octets[at:after]) for at, after in zip(begin, end, strict=True)]

    def owners(self, pairs: DnsPairs, found: Records, names: list[str | None]) -> list[str | None]:
        """Return the name of each record; ``data`` must have been asked before."""
        octets = np.frombuffer(pairs.octets + b"\0", np.uint8)
        # a pointer to the name asked for is what most of them are
        asked = (octets[found.name] == 0xC0) & (octets[found.name + 1] == _QUESTION_NAME)
        owners = list(map(names.__getitem__, found.message.tolist()))
        other = np.flatnonzero(~asked)
        index = found.message[other]
        columns = zip(
            other.tolist(), pairs.start[index].tolist(), pairs.end[index].tolist(), found.name[other].tolist(),
            (found.data[other] - FIXED).tolist(),
            strict=True,
        )  # fmt: skip
        for at, start, end, begin, after in columns:
            try:
                owners[at] = self._whole_name(pairs.octets, start, end, begin, after)
            except _Odd:
                owners[at] = None
        return owners

    def data(self, pairs: DnsPairs, found: Records) -> list[str | None]:
        """Return the data of each record."""
        octets, addresses = pairs.octets, self._addresses
        self._targets.clear()
        length = found.end - found.data
        plain = ((found.type == Type.A) & (length == 4)) | ((found.type == Type.AAAA) & (length == 16))
        columns = zip(plain.tolist(), found.data.tolist(), found.end.tolist(), strict=True)
        said = [addresses[octets[at:after]] if easy else None for easy, at, after in columns]
        other = np.flatnonzero(~plain)
        index = found.message[other]
        places = zip(
            other.tolist(), found.type[other].tolist(), pairs.start[index].tolist(), pairs.end[index].tolist(),
            found.data[other].tolist(), found.end[other].tolist(),
            strict=True,
        )  # fmt: skip
        for at, kind, start, end, begin, after in places:
            try:
                said[at] = self._data(octets, start, end, kind, begin, after)
            except _Odd:
                continue
        return said

    def _label(self, octets: bytes) -> str | None:
        try:
            return self._labels[octets]
        except _Odd:
            return None

    def _whole_name(self, octets: bytes, start: int, end: int, begin: int, after: int) -> str:
        """Return the name that stands between two places; raise _Odd where it ends elsewhere."""
        raw = octets[begin:after]
        if raw[-1:] == b"\0" and (len(raw) < 2 or raw[-2] < 0xC0):  # surely no pointer at its end
            return self._labels[raw[:-1]]
        if len(raw) == 2:
            target = start + (int.from_bytes(raw, "big") & 0x3FFF)
            known = self._targets.get(target) if target < begin else None  # beyond it lie other messages
            if known is not None:
                return known
        name, _, behind = self._name(octets, start, end, begin)
        if behind != after:
            raise _Odd
        return name

    def _data(self, octets: bytes, start: int, end: int, kind: int, data: int, after: int) -> str:
        """Return a record's data."""
        mark = self._mark
        if kind in _NAMES:
            target = self._targets[data] = self._whole_name(octets, start, end, data, after)
            return f"{mark}{target}{mark}"
        if kind == Type.SOA:
            first, _, second = self._name(octets, start, end, data)
            mailbox, _, numbers = self._name(octets, start, end, second)
            if numbers + 20 != after:
                raise _Odd
            words = " ".join(map(str, _FIVE_NUMBERS.unpack_from(octets, numbers)))
            return f"{mark}{first} {mailbox} {words}{mark}"
        return f"{mark}{self._write(data_text(octets[start:end], data - start, after - start, kind))}{mark}"

    def _name(self, octets: bytes, start: int, end: int, at: int, pointers: int = 0) -> tuple[str, int, int]:
        """Return a name, how long it is unpacked, and the place after it."""
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

    def _of_labels(self, octets: bytes) -> str:
        """Return whole labels as text."""
        try:
            labels, _ = read_name(octets + b"\0", 0)
        except BadName:
            raise _Odd from None
        return self._write(name_text.__wrapped__(labels))  # kept here, so not there as well

    def _of_address(self, octets: bytes) -> str:
        return f"{self._mark}{inet_ntop(AF_INET if len(octets) == 4 else AF_INET6, octets)}{self._mark}"
