"""Where every record of many DNS messages stands, found for all messages at once; nothing is unpacked."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.dns.messages import skip_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.dns.pairs import DnsPairs

MOST_RECORDS = 64
"""A message with more is left to be read by itself."""

FIXED = 10
"""Octets of a record between its name and its data: type, class, time to live, length (RFC 1035 section 4.1.3)."""


@dataclass(frozen=True, slots=True)
class Records:
    """Records by message and in order; all arrays but the last (k,).

    message: int64, index of the message; order: int64, how many records of the message stand before this one
    name, data, end: int64, places of the record's name, of its data, and of what follows, in the octets
    type: int64; class_: int64; ttl: int64, seconds
    whole: bool (m,), of each message: every record that its header counts is there, and none beyond MOST_RECORDS
    """

    message: NDArray[np.int64]
    order: NDArray[np.int64]
    name: NDArray[np.int64]
    data: NDArray[np.int64]
    end: NDArray[np.int64]
    type: NDArray[np.int64]
    class_: NDArray[np.int64]
    ttl: NDArray[np.int64]
    whole: NDArray[np.bool_]

    def part(self, which: NDArray[np.bool_]) -> Records:
        """Return some of the records, of the same messages."""
        names = (field.name for field in fields(self) if field.name != "whole")
        return replace(self, **{name: getattr(self, name)[which] for name in names})


def records_of(pairs: DnsPairs) -> Records:
    """Find the records of the responses of pairs."""
    octets = np.frombuffer(pairs.octets + bytes(FIXED), np.uint8)
    total = pairs.answers + pairs.authorities + pairs.additionals
    whole = total <= MOST_RECORDS
    at = np.flatnonzero(whole & (total > 0))
    place = pairs.start[at] + pairs.question_end[at]
    found: list[tuple[NDArray[np.int64], ...]] = []
    step = 0
    while len(at):
        limit = pairs.end[at]
        name_end = skip_names(octets, place, limit)
        there = (name_end >= 0) & (name_end + FIXED <= limit)
        fixed = np.where(there, name_end, 0)
        word = [octets[fixed + offset].astype(np.int64) << 8 | octets[fixed + offset + 1] for offset in range(0, 10, 2)]
        end = fixed + FIXED + word[4]
        there &= end <= limit
        whole[at[~there]] = False
        found.append((at, np.full(len(at), step), place, fixed + FIXED, end, word[0], word[1], word[2] << 16 | word[3]))
        step += 1
        on = there & (total[at] > step)
        at, place = at[on], end[on]
    if not found:
        nothing = np.zeros(0, np.int64)
        return Records(*(nothing,) * 8, whole)
    columns = [np.concatenate(parts) for parts in zip(*found, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    index, step_of, begin, data, end, kind, category, lifetime = (column[order] for column in columns)
    return Records(index, step_of, begin, data, end, kind, category, lifetime, whole)
