"""The TCP connections there are at this moment: how many in which stage, and each with both ends' states.

For a screen that is drawn anew while packets come in. What nobody would call open any more is left out: closed, reset,
or in TIME-WAIT for longer than Linux keeps it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sniffkit.analysis.tcp.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffkit.analysis.capture import BatchFacts, CaptureAnalysis
    from sniffkit.analysis.tcp.phases import Connection

Stage = Literal["open", "opening", "closing", "time-wait", "closed"]
STAGES: tuple[Stage, ...] = ("open", "opening", "closing", "time-wait", "closed")

TIME_WAIT_NS = 60_000_000_000
"""How long Linux remembers a closed connection (RFC 9293 says 4 minutes)."""

CLOSED_SHOWN_NS = 5_000_000_000
"""How long a connection that is gone stays in the list, so that the eye catches its end."""

RATE_NS = 2_000_000_000
"""The stretch of time a rate is measured over."""

_BEFORE = (State.CLOSED, State.LISTEN)
_OPENING = (State.SYN_SENT, State.SYN_RECEIVED)


@dataclass(frozen=True, slots=True)
class OpenConnection:
    """One connection: stream number, ends as (address, port), states, packets and octets by end (client, server).

    rate:   octets a second, of late; rtt_ns: from the SYN to the third segment, 0 where that was not captured
    age_ns: since its first packet
    """

    stream: int
    client: tuple[str, int]
    server: tuple[str, int]
    states: tuple[str, str]
    stage: Stage
    packets: tuple[int, int]
    octets: tuple[int, int]
    rate: float
    rtt_ns: int
    age_ns: int


class OpenConnections:
    """Follows an analysis; ``feed`` each batch's facts, and ask when the screen is drawn."""

    def __init__(self, analysis: CaptureAnalysis) -> None:
        self._analysis = analysis
        self._asked: dict[int, int] = {}
        self._rtt: dict[int, int] = {}
        self._before: dict[int, tuple[int, int, float]] = {}

    def feed(self, facts: BatchFacts) -> None:
        """Note when handshakes began and ended."""
        for row, steps in facts.tcp.steps.items():
            stream, time = int(facts.numbers.stream[row]), int(facts.segments.time_ns[row])
            if "handshake.syn" in steps:
                self._asked.setdefault(stream, time)
            elif "handshake.ack" in steps and stream in self._asked:
                self._rtt[stream] = time - self._asked.pop(stream)
        if len(self._asked) + len(self._rtt) > 4 * len(self._analysis.conversations.connections) + 1000:
            known = self._analysis.conversations.connections
            self._asked = {stream: time for stream, time in self._asked.items() if stream in known}
            self._rtt = {stream: time for stream, time in self._rtt.items() if stream in known}

    def count(self, now_ns: int) -> Counter[Stage]:
        """Return how many connections are in each stage."""
        return Counter(stage for _, _, stage in self._living(now_ns, 0))

    def rows(self, now_ns: int, most: int) -> list[OpenConnection]:
        """Return the connections that were heard of last, at most so many, in the order of their numbers."""
        last = self._analysis.tcp_totals.last_ns
        living = sorted(self._living(now_ns, CLOSED_SHOWN_NS), key=lambda each: -int(last[each[0]]))[:most]
        kept, self._before = self._before, {}
        return [
            self._row(stream, connection, stage, now_ns, kept.get(stream))
            for stream, connection, stage in sorted(living, key=lambda each: each[0])
        ]

    def _living(self, now_ns: int, closed_for: int) -> Iterator[tuple[int, Connection, Stage]]:
        last = self._analysis.tcp_totals.last_ns
        for stream, connection in self._analysis.conversations.connections.items():
            stage = stage_of(connection)
            if stage == "time-wait" and now_ns - int(last[stream]) > TIME_WAIT_NS:
                continue
            if stage == "closed" and now_ns - int(last[stream]) > closed_for:
                continue
            yield stream, connection, stage

    def _row(
        self, stream: int, connection: Connection, stage: Stage, now_ns: int, before: tuple[int, int, float] | None
    ) -> OpenConnection:
        import numpy as np

        totals = self._analysis.tcp_totals
        one, one_port, other, other_port = self._analysis.streams.ends(np.array([stream]))
        ends = [(_text(one[0]), int(one_port[0])), (_text(other[0]), int(other_port[0]))]
        client = connection.client
        octets = totals.octets[stream].tolist()
        total = sum(octets)
        if before is None:
            before = (now_ns, total, 0.0)
        time, counted, rate = before
        if now_ns - time >= RATE_NS // 4:
            # a moving average, so that a figure stands still long enough to be read
            fresh = (total - counted) * 1e9 / (now_ns - time)
            weight = min((now_ns - time) / RATE_NS, 1.0)
            time, counted, rate = now_ns, total, rate + (fresh - rate) * weight
        self._before[stream] = (time, counted, rate)
        packets = totals.packets[stream].tolist()
        return OpenConnection(
            stream,
            ends[client],
            ends[1 - client],
            (connection.ends[client].state.label, connection.ends[1 - client].state.label),
            stage,
            (packets[client], packets[1 - client]),
            (octets[client], octets[1 - client]),
            rate,
            self._rtt.get(stream, 0),
            max(now_ns - int(totals.first_ns[stream]), 0),
        )


def stage_of(connection: Connection) -> Stage:
    """Return the stage that both ends' states amount to."""
    one, other = connection.ends[0].state, connection.ends[1].state
    if one in _OPENING or other in _OPENING:
        return "opening"
    if one in _BEFORE and other in _BEFORE:
        return "closed"
    if State.TIME_WAIT in (one, other):
        return "time-wait" if {one, other} <= {State.TIME_WAIT, State.CLOSED} else "closing"
    return "open" if one == other == State.ESTABLISHED else "closing"


def _text(address: object) -> str:
    """Write an address of ``Streams.ends``: two 64-bit words, IPv4 mapped into IPv6."""
    import socket

    high, low = (int(word) for word in address)  # type: ignore[attr-defined]
    if high == 0 and low >> 32 == 0xFFFF:
        return socket.inet_ntoa((low & 0xFFFFFFFF).to_bytes(4, "big"))
    return socket.inet_ntop(socket.AF_INET6, (high << 64 | low).to_bytes(16, "big"))
