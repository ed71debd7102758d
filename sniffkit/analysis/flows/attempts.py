"""Conversations that came to nothing, taken together: a flood of SYNs, a scan of ports or of addresses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from sniffkit.analysis.conversations import CLOSED, OPENED
from sniffkit.analysis.flows.event_packets import SHOWN
from sniffkit.analysis.flows.icmp_errors import ERRORS
from sniffkit.analysis.tcp.states import LABELS
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sniffkit.analysis.flows.flow_parts import FlowPart

CrowdKind = Literal["syn-flood", "port-scan", "address-scan", "udp-scan"]

SCANNED = 10
"""So many ports of one host, or hosts on one port, that one address tries in vain are a scan."""

FLOOD = 100
"""So many connections to one port that are opened and never completed are a flood ..."""

FLOOD_NS = 10**8
"""... where they come, on average, no further apart than this."""

REFUSED, SILENT, ANSWERED = range(3)
"""How an attempt ended: by a RST or an ICMP error, by nothing, by a SYN,ACK that its sender did not take up."""

_FACTOR = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Crowd:
    """Conversations that are one thing together.

    client, server: addresses, uint64 (2,), and port; None where there are several
    endings:        how many were refused, got no answer, were answered
    clients, servers, ports: how many different ones; first: their first packets
    """

    kind: CrowdKind
    client: NDArray[np.uint64] | None
    server: NDArray[np.uint64] | None
    port: int | None
    count: int
    endings: tuple[int, int, int]
    clients: int
    servers: int
    ports: int
    first: tuple[int, ...]
    lasted_ns: int | None


@dataclass(slots=True)
class _Tried:
    """Attempts, an entry each; place: of the conversation among all that were fed."""

    place: NDArray[np.int64]
    client: NDArray[np.uint64]
    server: NDArray[np.uint64]
    port: NDArray[np.uint16]
    ending: NDArray[np.uint8]
    first: NDArray[np.int64]
    start_ns: NDArray[np.int64]

    def take(self, which: NDArray[np.int64] | NDArray[np.bool_]) -> _Tried:
        return _Tried(*(getattr(self, name)[which] for name in _TRIED))


_TRIED = ("place", "client", "server", "port", "ending", "first", "start_ns")


@dataclass(slots=True)
class Attempts:
    """Fed all conversations part by part; then tells the crowds among them."""

    count: int = 0
    _tcp: list[_Tried] = field(default_factory=list)
    _udp: list[_Tried] = field(default_factory=list)

    def feed(self, part: FlowPart) -> None:
        """Add conversations."""
        ending = _tcp_endings(part) if part.protocol == "tcp" else _udp_endings(part)
        which = np.flatnonzero(ending >= 0)
        if len(which):
            columns = part.columns
            client_second = columns["client"][which] != 0 if part.protocol == "tcp" else columns["turned"][which]
            one, _, other, other_port = (values[which] for values in part.ends)
            port = np.where(client_second, part.ends[1][which], other_port)
            turned = client_second[:, np.newaxis]
            tried = _Tried(
                which + self.count,
                np.where(turned, other, one),
                np.where(turned, one, other),
                port,
                ending[which].astype(np.uint8),
                columns["first_packet"][which],
                columns["start_ns"][which],
            )
            (self._tcp if part.protocol == "tcp" else self._udp).append(tried)
        self.count += len(part)

    def crowds(self) -> tuple[list[Crowd], NDArray[np.bool_]]:
        """Return the crowds, and which conversations belong to one, bool (count,), in the order they were fed."""
        member = np.zeros(self.count, np.bool_)
        found: list[Crowd] = []
        for kind, parts in (("udp-scan", self._udp), ("tcp", self._tcp)):
            if not parts:
                continue
            left = _Tried(*(np.concatenate([getattr(part, name) for part in parts]) for name in _TRIED))
            parts.clear()
            kinds: tuple[CrowdKind, ...] = ("port-scan", "address-scan", "syn-flood")
            for one in ("udp-scan",) if kind == "udp-scan" else kinds:
                taken = np.zeros(len(left.place), np.bool_)
                for rows in _groups(left, one):
                    found.append(_crowd(left.take(rows), one))
                    taken[rows] = True
                member[left.place[taken]] = True
                left = left.take(~taken)
        return found, member


def _tcp_endings(part: FlowPart) -> NDArray[np.int8]:
    """Return how each attempt ended, -1 for what is none: int8 (n,)."""
    columns = part.columns
    row, server = np.arange(len(part)), 1 - (columns["client"] != 0)
    opened, state = columns["opened"], columns["state"][row, server]
    still_open = columns["closed"] == CLOSED.index("open")
    ending = np.full(len(part), -1, np.int8)
    ending[opened == OPENED.index("refused")] = REFUSED
    ending[(opened == OPENED.index("unanswered")) & still_open] = SILENT
    begun = opened == OPENED.index("handshake")
    ending[begun & still_open & (state == LABELS.index("SYN-RECEIVED"))] = ANSWERED
    ending[begun & (columns["closed"] == CLOSED.index("reset")) & (state == LABELS.index("LISTEN"))] = ANSWERED
    ending[columns["syn"][row, 1 - server] == 0] = -1
    return ending


def _udp_endings(part: FlowPart) -> NDArray[np.int8]:
    if part.protocol != "udp":
        return np.full(len(part), -1, np.int8)
    alone = ~part.columns["packets"].all(axis=1)
    error = part.columns["error"]
    return np.where(alone & (error != 0), np.where(error == ERRORS.index("refused"), REFUSED, SILENT), -1).astype(
        np.int8
    )


def _groups(tried: _Tried, kind: CrowdKind) -> Iterator[NDArray[np.int64]]:
    """Yield the attempts of each crowd, ascending."""
    client, server, port = _mixed(*tried.client.T), _mixed(*tried.server.T), tried.port.astype(np.uint64)
    if kind == "syn-flood":
        key, different = _mixed(server, port), np.arange(len(port)).astype(np.uint64)
        rows = np.flatnonzero(tried.ending != REFUSED)
    else:
        key, different = (_mixed(client, port), server) if kind == "address-scan" else (_mixed(client, server), port)
        rows = np.arange(len(port))
    rows = rows[np.argsort(key[rows], kind="stable")]
    if not len(rows):
        return
    begins = np.flatnonzero(np.append(True, key[rows][1:] != key[rows][:-1]))
    least = FLOOD if kind == "syn-flood" else SCANNED
    for begin, end in zip(begins.tolist(), np.append(begins[1:], len(rows)).tolist(), strict=True):
        if end - begin < least:
            continue
        mine = rows[begin:end]
        if len(np.unique(different[mine])) < least:
            continue
        if kind == "syn-flood" and (_lasted(tried.start_ns[mine]) or 0) > FLOOD_NS * len(mine):
            continue
        yield mine


def _crowd(mine: _Tried, kind: CrowdKind) -> Crowd:
    clients, servers, ports = (
        len(np.unique(values)) for values in (_mixed(*mine.client.T), _mixed(*mine.server.T), mine.port)
    )
    return Crowd(
        kind,
        mine.client[0] if clients == 1 else None,
        mine.server[0] if servers == 1 else None,
        int(mine.port[0]) if ports == 1 else None,
        len(mine.place),
        tuple(np.bincount(mine.ending, minlength=3).tolist()),
        clients,
        servers,
        ports,
        tuple(np.sort(mine.first)[:SHOWN].tolist()),
        _lasted(mine.start_ns),
    )


def _lasted(start_ns: NDArray[np.int64]) -> int | None:
    """Return the time between the first attempt and the last; None where none has a time."""
    known = start_ns[start_ns != NO_TIME]
    return int(known.max()) - int(known.min()) if len(known) else None


def _mixed(*columns: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return one number for each row, uint64 (n,), that is another one for other values (but once in 2^64)."""
    found = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        found = (found ^ column) * _FACTOR
        found ^= found >> np.uint64(29)
    return found
