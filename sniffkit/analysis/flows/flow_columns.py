"""Conversations as columns: which end is the client, how much each sent, how it opened and closed.

Records, tables and JSON are all made of these, so what a column means is said here only.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.conversations import CLOSED, CLOSED_BY, OPENED
from sniffkit.analysis.endpoint_pairs import distinct
from sniffkit.analysis.flows.icmp_errors import ERRORS
from sniffkit.analysis.flows.tcp import EVENTS
from sniffkit.analysis.tcp.outcomes import COURSE
from sniffkit.analysis.tcp.states import LABELS
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sniffkit.analysis.flows.flow_parts import FlowPart

SERVICES = 1024
"""Ports below this are a server's (RFC 6335 section 6: assigned by a standards action)."""


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of texts: the text of each row is ``known[index]``, none where the index is -1."""

    index: NDArray[np.int64]
    known: Sequence[Any]

    def tolist(self) -> list[Any]:
        """Return the text of each row."""
        known = [*self.known, None]
        return list(map(known.__getitem__, self.index.tolist())) if self.index.any() else known[:1] * len(self.index)

    def take(self, rows: NDArray[np.int64]) -> Texts:
        """Return some of the rows."""
        return Texts(self.index[rows], self.known)


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column of fixed width; missing: bool (n,) rows without a value, None where all have one."""

    values: NDArray[Any]
    missing: NDArray[np.bool_] | None = None

    def tolist(self) -> list[Any]:
        """Return the value of each row, None where it is missing."""
        if self.missing is not None and self.missing.all():
            return [None] * len(self.values)
        alike = len(self.values) > 0 and (self.values == self.values[0]).all()
        found: list[Any] = self.values[:1].tolist() * len(self.values) if alike else self.values.tolist()
        if self.missing is not None:
            for row in np.flatnonzero(self.missing).tolist():
                found[row] = None
        return found

    def take(self, rows: NDArray[np.int64]) -> Numbers:
        """Return some of the rows."""
        return Numbers(self.values[rows], None if self.missing is None else self.missing[rows])

    def __truediv__(self, by: float) -> Numbers:
        """Return the column in a larger unit, as float64."""
        return Numbers(self.values / by, self.missing)


def row_keys(columns: Sequence[NDArray[Any]]) -> list[bytes]:
    """Return octets for each row that are the same where rows are: columns of whole numbers, (n,) each.

    They are compared in half the time that tuples take.
    """
    rows = np.stack(columns, axis=1, dtype=np.int64, casting="unsafe")
    keys: list[bytes] = rows.view(f"V{8 * len(columns)}")[:, 0].tolist()
    return keys


FlowColumns = dict[str, Texts | Numbers]
"""By the names of ``Flow`` and, led by ``client_`` and ``server_``, of ``FlowEnd``; times and their units as there."""


def flow_columns(part: FlowPart) -> FlowColumns:
    """Return the columns of conversations, one row each."""
    return _tcp(part) if part.protocol == "tcp" else _pairs(part)


def _same(text: str | None, count: int) -> Texts:
    return Texts(np.full(count, -1 if text is None else 0), [text])


def _totals(part: FlowPart) -> FlowColumns:
    columns = part.columns
    timeless = columns["start_ns"] == NO_TIME
    timeless_or_none = timeless if timeless.any() else None
    start, end = (np.where(timeless, 0, columns[name]) for name in ("start_ns", "end_ns"))
    lasted = np.where(end > start, end - start, 0)
    lasted[lasted < 0] = np.iinfo(np.int64).max  # more than the 292 years that 64 bits hold
    return {
        "protocol": _same(part.protocol, len(part)),
        "stream": Numbers(part.streams),
        "part": Numbers(columns["part"].astype(np.int32)),
        "start": Numbers(columns["start_ns"], timeless_or_none),
        "duration_ns": Numbers(lasted, timeless_or_none),
        "icmp_error": Texts(columns["error"].astype(np.int64), ERRORS),
        **{name: Numbers(columns[name]) for name in ("first_packet", "last_packet", "silence_ns", "silence_packet")},
    }


def _ends(part: FlowPart, server_first: NDArray[np.bool_]) -> dict[str, FlowColumns]:
    """Return who the ends are and what they sent; server_first: bool (n,) the server sent the first packet."""
    one, one_port, other, other_port = part.ends
    count = len(part)
    addresses = address_texts(np.concatenate((one, other)))
    ones, others = addresses.index[:count], addresses.index[count:]
    port_missing = np.ones(count, np.bool_) if part.protocol == "icmp" else None
    found: dict[str, FlowColumns] = {}
    for role, second in (("client", server_first), ("server", ~server_first)):
        end = found[role] = {
            "address": Texts(np.where(second, others, ones), addresses.known),
            "port": Numbers(np.where(second, other_port, one_port).astype(np.int32), port_missing),
        }
        for name in ("packets", "ip_bytes", "payload_bytes"):
            end[name] = _of_end(part, name, second)
    return found


def _of_end(part: FlowPart, name: str, second: NDArray[np.bool_], missing: NDArray[np.bool_] | None = None) -> Numbers:
    """Return a column of one end, numbers as int64; second: bool (n,) it did not send the first packet."""
    values = np.where(second, part.columns[name][:, 1], part.columns[name][:, 0])
    return Numbers(values if values.dtype == np.bool_ else values.astype(np.int64), missing)


def _tcp(part: FlowPart) -> FlowColumns:
    columns = part.columns
    unmeasured = columns["handshake_ns"] < 0
    zeek, course = distinct(columns["zeek"]), distinct(columns["course"])
    zeek_at, course_at = np.searchsorted(zeek, columns["zeek"]), np.searchsorted(course, columns["course"])
    words = [part.words[at] for at in zeek.tolist()]
    found = _totals(part) | {
        "opened": Texts(columns["opened"].astype(np.int64), OPENED),
        "closed": Texts(columns["closed"].astype(np.int64), CLOSED),
        "closed_by": Texts(columns["closed_by"].astype(np.int64), CLOSED_BY),
        "midstream": Numbers(columns["opened"] == OPENED.index("midstream")),
        "conn_state": Texts(zeek_at, [state for state, _ in words]),
        "history": Texts(zeek_at, [history for _, history in words]),
        "identifier": Numbers(columns["zeek"], np.ones(len(part), np.bool_)),
        "handshake_ns": Numbers(columns["handshake_ns"], unmeasured),
        "handshake_server_ns": Numbers(columns["handshake_server_ns"], unmeasured),
        "repeated_last": Numbers(columns["repeated_last"]),
        "last_sender": Texts((columns["latest_direction"] != columns["client"]).astype(np.int64), _ROLES),
        "course": Texts(course_at, [_course(bits) for bits in course.tolist()]),
    }
    first = columns["client"] != 0
    for (role, end), second in zip(_ends(part, first).items(), (first, ~first), strict=True):
        end["state"] = Texts(_of_end(part, "state", second).values, LABELS)
        end |= {name: _of_end(part, name, second) for name in EVENTS}
        answers, syns = _of_end(part, "answers", second), _of_end(part, "syn", second)
        silent, unseen = answers.values == 0, syns.values == 0
        end |= {"answers": answers, "syns": syns}
        end |= {name: _of_end(part, at, second, silent) for name, at in _TIMES.items()}
        for name in ("mss", "window_scale"):
            values = _of_end(part, name, second).values.astype(np.int32)
            end[name] = Numbers(values, unseen | (values < 0))
        end |= {name: _of_end(part, name, second, unseen) for name in ("sack_permitted", "timestamps")}
        found |= {f"{role}_{name}": values for name, values in end.items()}
    return found


_ROLES = ("client", "server")
_TIMES = {"ack_least_ns": "answer_least", "ack_median_ns": "answer_median", "ack_greatest_ns": "answer_greatest"}


def _pairs(part: FlowPart) -> FlowColumns:
    """Return the columns of conversations without states; what only TCP has is nothing, or none at all."""
    columns, count = part.columns, len(part)
    _, one_port, _, other_port = part.ends
    first = columns["turned"].copy()
    if part.protocol == "udp":
        first |= (one_port < SERVICES) & (other_port >= SERVICES)
    ends = _ends(part, first)
    asked, answered = (_of_end(part, "packets", second).values > 0 for second in (first, ~first))
    how = np.where(asked & answered, 0, np.where(asked, 1, 2))
    all_missing = np.ones(count, np.bool_)
    nothing, none = Numbers(np.zeros(count, np.int64)), Numbers(np.zeros(count, np.int64), all_missing)
    small, unknown = Numbers(np.zeros(count, np.int32), all_missing), Numbers(~all_missing, all_missing)
    found = _totals(part) | {
        **dict.fromkeys(("opened", "closed", "closed_by"), _same(None, count)),
        "midstream": Numbers(~all_missing),
        "conn_state": Texts(how, ["SF", "S0", "SHR"]),
        "history": Texts(how, ["Dd", "D", "d"]),
        "identifier": none if part.protocol == "udp" else Numbers(one_port),
        **dict.fromkeys(("handshake_ns", "handshake_server_ns"), none),
        "repeated_last": nothing,
        "last_sender": _same("client", count),
        "course": Texts(np.zeros(count, np.int64), [()]),
    }
    missing: FlowColumns = {
        "state": _same(None, count),
        **dict.fromkeys(("answers", "syns"), nothing),
        **dict.fromkeys((*EVENTS, *_TIMES), none),
        **dict.fromkeys(("mss", "window_scale"), small),
        **dict.fromkeys(("sack_permitted", "timestamps"), unknown),
    }
    for role, end in ends.items():
        found |= {f"{role}_{name}": values for name, values in (end | missing).items()}
    return found


def address_texts(addresses: NDArray[np.uint64]) -> Texts:
    """Write addresses, uint64 (n, 2), IPv4 mapped into IPv6, as tshark prints them; each of them once."""
    octets = np.ascontiguousarray(addresses.astype(">u8")).view("V16")[:, 0].tolist()
    number = {one: at for at, one in enumerate(dict.fromkeys(octets))}
    index = np.fromiter(map(number.__getitem__, octets), np.int64, len(octets))
    return Texts(index, [_address_text(one) for one in number])


def _address_text(octets: bytes) -> str:
    if octets.startswith(b"\0" * 10 + b"\xff\xff"):
        return socket.inet_ntoa(octets[12:])
    return socket.inet_ntop(socket.AF_INET6, octets)


def _course(bits: int) -> tuple[str, ...]:
    return tuple(id for place, id in enumerate(COURSE) if bits >> place & 1)
