"""The TCP connections there are at this moment: how many in which stage, and each with both ends' states.

For a screen that is drawn anew while packets come in. What nobody would call open any more is left out: closed, reset,
or in TIME-WAIT for longer than Linux keeps it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Literal

import numpy as np

from sniffkit.analysis.tcp.states import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.capture import CaptureAnalysis
    from sniffkit.analysis.tcp.phases import Connection

Stage = Literal["open", "opening", "closing", "time-wait", "closed"]
STAGES: tuple[Stage, ...] = ("open", "opening", "closing", "time-wait", "closed")

TIME_WAIT_NS = 60_000_000_000
"""How long Linux remembers a closed connection (RFC 9293 says 4 minutes)."""

CLOSED_SHOWN_NS = 5_000_000_000
"""How long a connection that is gone stays in the list, so that the eye catches its end."""

RATE_NS = 2_000_000_000
"""The stretch of time a rate is measured over."""

LOOKED_AT, MOST_LOOKED_AT = 500, 10_000
"""So many connections are looked at together, in all so many, those heard of last first, to find the ones to show."""

_BEFORE = (State.CLOSED, State.LISTEN)
_OPENING = (State.SYN_SENT, State.SYN_RECEIVED)


@dataclass(frozen=True, slots=True)
class OpenConnection:
    """One connection: stream number, ends as (address, port), states, packets and octets by end (client, server).

    rate:   octets a second, of late; rtt_ns: from the SYN to the third segment, 0 where that was not captured
    age_ns, silent_ns: since its first and its last packet
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
    silent_ns: int = 0


class OpenConnections:
    """Looks into an analysis when the screen is drawn."""

    def __init__(self, analysis: CaptureAnalysis) -> None:
        self._analysis = analysis
        self._before: dict[int, tuple[int, int, float]] = {}

    def count(self, now_ns: int) -> Counter[Stage]:
        """Return how many connections are in each stage."""
        conversations = self._analysis.conversations
        streams = conversations.streams()
        left, stood = conversations.left()
        count: Counter[Stage] = Counter()
        for of, standings in ((streams, conversations.standings(streams.tolist())), (left, stood)):
            silent = self._silent_ns(of, now_ns)
            for standing, silence in zip(standings, silent, strict=True):
                if standing is not None and _is_living(stage := stage_of(*standing.states), silence, 0):
                    count[stage] += 1
        return count

    def rows(self, now_ns: int, lines: int) -> list[OpenConnection]:
        """Return the connections that were heard of last, of each stage as many as of the others where there are more.

        lines: on the screen, of which each stage that is there takes one for its heading
        """
        conversations = self._analysis.conversations
        streams = conversations.streams()
        latest = streams[np.argsort(-self._analysis.tcp_totals.last_ns[streams], kind="stable")]
        living: list[tuple[int, Stage]] = []
        for begin in range(0, min(len(latest), MOST_LOOKED_AT), LOOKED_AT):
            some = latest[begin : begin + LOOKED_AT]
            silent = self._silent_ns(some, now_ns)
            standings = conversations.standings(some.tolist())
            for stream, standing, silence in zip(some.tolist(), standings, silent, strict=True):
                if standing is not None:
                    stage = stage_of(*standing.states)
                    if _is_living(stage, silence, CLOSED_SHOWN_NS):
                        living.append((stream, stage))
            if len(living) >= lines:
                break
        kept, self._before = self._before, {}
        return [
            self._row(stream, connection, stage, now_ns, kept)
            for stream, stage in shared(living, lines)
            if (connection := conversations.connection(stream)) is not None
        ]

    def _silent_ns(self, streams: NDArray[np.int64], now_ns: int) -> list[int]:
        silent: list[int] = (now_ns - self._analysis.tcp_totals.last_ns[streams]).tolist()
        return silent

    def _row(
        self, stream: int, connection: Connection, stage: Stage, now_ns: int, kept: dict[int, tuple[int, int, float]]
    ) -> OpenConnection:
        totals = self._analysis.tcp_totals
        one, one_port, other, other_port = self._analysis.streams.ends(np.array([stream]))
        ends = [(_text(one[0]), int(one_port[0])), (_text(other[0]), int(other_port[0]))]
        client = connection.client
        octets = totals.octets[stream].tolist()
        total = sum(octets)
        number = int(totals.numbers(np.array([stream]))[0])
        time, counted, rate = kept.get(number, (now_ns, total, 0.0))
        if now_ns - time >= RATE_NS // 4:
            # a moving average, so that a figure stands still long enough to be read
            fresh = (total - counted) * 1e9 / (now_ns - time)
            weight = min((now_ns - time) / RATE_NS, 1.0)
            time, counted, rate = now_ns, total, rate + (fresh - rate) * weight
        self._before[number] = (time, counted, rate)
        packets = totals.packets[stream].tolist()
        return OpenConnection(
            number,
            ends[client],
            ends[1 - client],
            (connection.ends[client].state.label, connection.ends[1 - client].state.label),
            stage,
            (packets[client], packets[1 - client]),
            (octets[client], octets[1 - client]),
            rate,
            sum(connection.handshake or ()),
            max(now_ns - int(totals.first_ns[stream]), 0),
            max(now_ns - int(totals.last_ns[stream]), 0),
        )


def stage_of(one: State, other: State) -> Stage:
    """Return the stage that both ends' states amount to."""
    if one in _OPENING or other in _OPENING:
        return "opening"
    if one in _BEFORE and other in _BEFORE:
        return "closed"
    if State.TIME_WAIT in (one, other):
        return "time-wait" if {one, other} <= {State.TIME_WAIT, State.CLOSED} else "closing"
    return "open" if one == other == State.ESTABLISHED else "closing"


def shared(living: list[tuple[int, Stage]], lines: int) -> list[tuple[int, Stage]]:
    """Return those that fit on so many lines: one of each stage in turn, so that a flood of closed ones hides none."""
    stages = [group for stage in STAGES if (group := [each for each in living if each[1] == stage])]
    stages = stages[: max(lines // 2, 1)]
    in_turn = [each for several in zip_longest(*stages) for each in several if each is not None]
    return in_turn[: max(lines - len(stages), 1)]


def _is_living(stage: Stage, silent_ns: int, closed_for: int) -> bool:
    """Return whether a connection belongs on the screen; closed_for: nanoseconds for which closed ones are shown."""
    if stage == "time-wait":
        return silent_ns <= TIME_WAIT_NS
    return stage != "closed" or silent_ns < closed_for


def _text(address: object) -> str:
    """Write an address of ``Streams.ends``: two 64-bit words, IPv4 mapped into IPv6."""
    import socket

    high, low = (int(word) for word in address)  # type: ignore[attr-defined]
    if high == 0 and low >> 32 == 0xFFFF:
        return socket.inet_ntoa((low & 0xFFFFFFFF).to_bytes(4, "big"))
    return socket.inet_ntop(socket.AF_INET6, (high << 64 | low).to_bytes(16, "big"))
