"""All TCP conversations of a capture followed batch by batch: client, phase, step and states at each packet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.segments import ACK, FIN, RST, SYN, Segments
from sniffkit.analysis.tcp_ends import MOST_SENT, Segment, ahead
from sniffkit.analysis.tcp_phases import Connection, pack_states

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.facts import Fact
    from sniffkit.analysis.streams import StreamNumbers

FOLLOWED = 100_000
"""How many conversations are followed at once; past that the ones silent for longest are let go and counted."""

_SPECIAL = SYN | FIN | RST | ACK
_CIRCLE, _HALF = 0xFFFFFFFF, 0x80000000


@dataclass(frozen=True, slots=True)
class TcpFacts:
    """What each TCP header of a batch means; arrays in the order of ``Segments``.

    from_client: bool (m,)
    phase:       uint8 (m,) codes of ``Phase``
    states:      uint16 (m,) client before and after, server before and after, four bits each (codes of ``State``)
    advance:     int64 (m,) octets (SYN and FIN counted) that this acknowledgment confirms beyond its sender's last one,
                 -1 where that is not known
    answers:     int64 (m,) number of the packet that this acknowledgment confirms to its last octet, or 0
    elapsed_ns:  int64 (m,) time since that packet
    steps:       the steps of the rows that take some
    told:        facts of the rows that have some
    """

    from_client: NDArray[np.bool_]
    phase: NDArray[np.uint8]
    states: NDArray[np.uint16]
    advance: NDArray[np.int64]
    answers: NDArray[np.int64]
    elapsed_ns: NDArray[np.int64]
    steps: dict[int, tuple[str, ...]]
    told: dict[int, list[Fact]]


_NO_ROWS = np.zeros(0, np.int64)
NOTHING_FOLLOWED = TcpFacts(
    _NO_ROWS.astype(np.bool_),
    _NO_ROWS.astype(np.uint8),
    _NO_ROWS.astype(np.uint16),
    _NO_ROWS,
    _NO_ROWS,
    _NO_ROWS,
    {},
    {},
)
"""The facts of a batch whose conversations nobody follows."""


class TcpConversations:
    """Feeds every conversation its segments.

    connections: stream number -> Connection, the ones followed at the moment
    let_go:      how many were let go because there were more than FOLLOWED
    """

    def __init__(self, services: frozenset[int] = frozenset(), followed: int = FOLLOWED) -> None:
        self.connections: dict[int, Connection] = {}
        self.let_go = 0
        self._services = services
        self._followed = followed

    def feed(self, segments: Segments, numbers: StreamNumbers, twice: NDArray[np.int64]) -> TcpFacts:
        """Follow one batch.

        twice: int64 (n,) for each packet of the batch the number of the packet it is a second capture of, or 0.
        Headers of unknown payload length (quoted in an ICMP error) move nothing.
        """
        if len(self.connections) + int(numbers.opened.sum()) > self._followed:
            self._let_go_of_the_silent()
        connections = self.connections
        from_client: list[bool] = []
        phases: list[int] = []
        states: list[int] = []
        advances: list[int] = []
        steps: dict[int, tuple[str, ...]] = {}
        told: dict[int, list[Fact]] = {}
        answers = np.zeros(len(segments), np.int64)
        elapsed = np.zeros(len(segments), np.int64)
        columns = zip(
            numbers.stream.tolist(),
            numbers.direction.tolist(),
            segments.number.tolist(),
            segments.time_ns.tolist(),
            segments.sequence.tolist(),
            segments.acknowledgment.tolist(),
            segments.flags.tolist(),
            segments.length.tolist(),
            segments.window.tolist(),
            twice[segments.row].tolist(),
            strict=True,
        )
        for row, (stream, direction, number, time, sequence, acknowledgment, flags, length, window, same) in enumerate(
            columns
        ):
            connection = connections.get(stream)
            if connection is not None and flags & _SPECIAL == ACK and not same and connection.settled and length >= 0:
                me, peer = connection.ends[direction], connection.ends[1 - direction]
                # Nothing but numbers moves: kept short because most packets are of this kind.
                if (
                    me.acknowledged is not None
                    and me.next is not None
                    and (peer.next is None or (acknowledgment - peer.next - 1) & _CIRCLE > _HALF)
                    and (peer.seen or me.fin is None)
                ):
                    gained = (acknowledgment - me.acknowledged) & _CIRCLE
                    if gained >= _HALF:
                        gained = 0
                    elif gained:
                        me.acknowledged = acknowledgment
                        if peer.sent:
                            answered = peer.confirm(acknowledgment)
                            if answered is not None:
                                answers[row], elapsed[row] = answered[0], time - answered[1]
                    if length and len(me.sent) < MOST_SENT:
                        me.sent.setdefault((sequence + length) & _CIRCLE, (number, time))
                    if (sequence + length - me.next) & _CIRCLE < _HALF:
                        me.next = (sequence + length) & _CIRCLE
                    me.window = window << me.scale if me.scale > 0 else window
                    me.open_shown = True
                    me.last = None
                    connection.packets += 1
                    connection.number = number
                    from_client.append(direction == connection.client)
                    phases.append(connection.resting_phase)
                    states.append(connection.resting_states)
                    advances.append(gained)
                    continue
            if connection is None:
                connection = connections[stream] = Connection(self._client(segments, row, direction))
            if length < 0:
                from_client.append(direction == connection.client)
                phases.append(connection.resting_phase)
                states.append(connection.resting_states)
                advances.append(-1)
                continue
            before = connection.ends[direction].acknowledged
            segment = Segment(
                number,
                time,
                direction,
                sequence,
                acknowledgment,
                flags,
                length,
                window,
                int(segments.scale_shift[row]),
                same,
            )
            phase, happened = connection.feed(segment)
            if not same:
                answered = connection.answered(segment)
                if answered is not None:
                    answers[row], elapsed[row] = answered[0], time - answered[1]
            old, new = connection.before, [end.state for end in connection.ends]
            one, other = connection.client, 1 - connection.client
            from_client.append(direction == one)
            phases.append(phase)
            states.append(pack_states(old[one], new[one], old[other], new[other]))
            gained = -1
            if flags & ACK and before is not None and not flags & SYN:
                gained = max(ahead(acknowledgment, before), 0)
            advances.append(gained)
            if happened:
                steps[row] = happened
            if connection.facts:
                told[row] = connection.facts
        return TcpFacts(
            np.array(from_client, np.bool_),
            np.array(phases, np.uint8),
            np.array(states, np.uint16),
            np.array(advances, np.int64),
            answers,
            elapsed,
            steps,
            told,
        )

    def _client(self, segments: Segments, row: int, direction: int) -> int:
        """Return the direction of the client as far as ports tell it; a SYN tells it better."""
        only_sender_serves = self._serves(int(segments.source_port[row])) and not self._serves(
            int(segments.destination_port[row])
        )
        return 1 - direction if only_sender_serves and not segments.flags[row] & SYN else direction

    def _serves(self, port: int) -> bool:
        return port < 1024 or port in self._services

    def _let_go_of_the_silent(self) -> None:
        """Let go of the half that has been silent for longest (closed ones among them)."""
        by_age = sorted(self.connections, key=lambda stream: self.connections[stream].number)
        for stream in by_age[: len(by_age) // 2]:
            del self.connections[stream]
            self.let_go += 1
