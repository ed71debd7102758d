"""What ICMP errors say of conversations: each quotes the header of the datagram that did not arrive."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns, Rows

IcmpError = Literal["refused", "unreachable", "prohibited", "too-big", "exceeded"]

ERRORS: tuple[IcmpError | None, ...] = (None, "refused", "unreachable", "prohibited", "too-big", "exceeded")
"""What an error says, by the code under which it stands in columns: nobody listens on that port; no road leads there;
somebody on the way forbids it; the datagram is too big for the next link; it was forwarded too often."""

_MEANINGS: dict[str, tuple[tuple[int, tuple[int, ...], IcmpError], ...]] = {
    "icmp": (
        (3, tuple(range(16)), "unreachable"),
        (3, (3,), "refused"),
        (3, (4,), "too-big"),
        (3, (9, 10, 13), "prohibited"),
        (11, (0,), "exceeded"),
    ),
    "icmpv6": (
        (1, (0, 2, 3), "unreachable"),
        (1, (4,), "refused"),
        (1, (1, 5, 6), "prohibited"),
        (2, (0,), "too-big"),
        (3, (0,), "exceeded"),
    ),
}
"""Type, codes and meaning (RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1; RFC 4443 section 3); a later
row corrects an earlier one."""


@dataclass(frozen=True, slots=True)
class QuotedBy:
    """Errors that quote datagrams of one protocol: stream and packet number, int64 (k,), and uint8 (k,) of ERRORS."""

    stream: NDArray[np.int64]
    number: NDArray[np.int64]
    error: NDArray[np.uint8]


def quoting_errors(columns: Columns, rows: Rows, stream: NDArray[np.int64]) -> QuotedBy | None:
    """Return the errors of a batch that quote headers of a protocol, None where there are none.

    rows, stream: of all headers of that protocol; who is quoted has the stream of the conversation that he is of
    """
    quoted = np.flatnonzero(rows.quoted)
    if not len(quoted):
        return None
    error = np.zeros(len(columns.batch), np.uint8)
    for protocol in _MEANINGS:
        telling = columns.rows(protocol)
        if len(telling.row):
            kind, code = columns[f"{protocol}.type"].astype(np.int64), columns[f"{protocol}.code"].astype(np.int64)
            own = ~telling.quoted
            error[telling.row[own]] = _table(protocol)[kind * 256 + code][own]
    quoted = quoted[error[rows.row[quoted]] != 0]
    if not len(quoted):
        return None
    row = rows.row[quoted]
    return QuotedBy(stream[quoted], row + columns.batch.first, error[row])


@cache
def _table(protocol: str) -> NDArray[np.uint8]:
    """Return the code of ERRORS by type and code: uint8 (65536,)."""
    table = np.zeros((256, 256), np.uint8)
    for kind, codes, error in _MEANINGS[protocol]:
        table[kind, list(codes)] = ERRORS.index(error)
    return table.reshape(-1)
