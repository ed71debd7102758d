"""What is known of one TCP connection: both ends, its phase, and what a quiet segment means for it."""

from __future__ import annotations

from enum import IntEnum

from sniffkit.analysis.facts import Fact, Level
from sniffkit.analysis.segments import ACK, FIN, RST, SYN
from sniffkit.analysis.tcp.ends import MOST_SENT, End, Segment, ahead
from sniffkit.analysis.tcp.states import State

OPENING = (State.SYN_SENT, State.SYN_RECEIVED, State.LISTEN)
"""States of an end that is not open yet."""


class Phase(IntEnum):
    """What a packet belongs to; of several the first that fits (CONTRACT: the names in lower case)."""

    REFUSED = 0
    RESET = 1
    TEARDOWN = 2
    HANDSHAKE = 3
    UNANSWERED = 4
    AFTER_CLOSE = 5
    MIDSTREAM = 6
    DATA = 7

    @property
    def label(self) -> str:
        """The name as JSON and filters spell it: ``after-close``."""
        return self.name.lower().replace("_", "-")


STEPS = (
    "handshake.syn",
    "handshake.syn-ack",
    "handshake.ack",
    "teardown.fin-1",
    "teardown.ack-1",
    "teardown.fin-2",
    "teardown.ack-2",
    "reset",
)


def pack_states(client_before: State, client_after: State, server_before: State, server_after: State) -> int:
    """Return the states of both ends before and after as one number, four bits each."""
    return client_before | client_after << 4 | server_before << 8 | server_after << 12


class ConnectionState:
    """Both ends of one conversation; ``tcp_phases`` moves them.

    client:         the direction (0 or 1) of the client
    before:         states of both directions' ends before the latest segment; facts: what there is to say of it
    settled:        True when only a segment with SYN, FIN or RST, or one that confirms the unseen, changes anything
    resting_phase, resting_states: phase and packed states of every segment that changes nothing
    handshake:      nanoseconds from the SYN to its answer and from there to the third segment, where nothing came again
    number:         of the latest packet; packets: how many, second captures not counted
    """

    __slots__ = (
        "before",
        "begun_in_the_middle",
        "client",
        "crossed",
        "ends",
        "facts",
        "handshake",
        "number",
        "over",
        "packets",
        "reset_by",
        "resting_phase",
        "resting_states",
        "settled",
        "simultaneous",
        "was_refused",
        "was_reset",
    )

    def __init__(self, client: int = 0) -> None:
        self.packets = self.number = 0
        self.begun_in_the_middle = self.settled = False
        self.facts: list[Fact] = []
        self.open_anew(client)
        self.come_to_rest()

    def open_anew(self, client: int) -> None:
        """Forget both ends: the direction ``client`` begins to open."""
        self.client = client
        first, second = End(State.CLOSED), End(State.LISTEN)
        self.ends = (first, second) if client == 0 else (second, first)
        self.before = (self.ends[0].state, self.ends[1].state)
        self.over = False
        self.was_reset = self.was_refused = self.simultaneous = self.crossed = False
        self.reset_by = 0
        self.handshake: tuple[int, int] | None = None

    def tell(self, id: str, level: Level = "note", **values: object) -> None:
        """Note a fact about the segment at hand."""
        self.facts.append(Fact(id, level, values))

    def answered(self, segment: Segment) -> tuple[int, int] | None:
        """Return packet and time of what a segment confirms, if it was captured; remember what it sends itself."""
        me, peer = self.ends[segment.direction], self.ends[1 - segment.direction]
        flags = segment.flags
        if flags & RST:
            return None
        if (flags & (SYN | FIN) or segment.length) and len(me.sent) < MOST_SENT:
            end = (segment.sequence + segment.length + bool(flags & SYN) + bool(flags & FIN)) & 0xFFFFFFFF
            me.sent.setdefault(end, (segment.number, segment.time_ns))
        return peer.confirm(segment.acknowledgment) if flags & ACK and peer.sent else None

    def come_to_rest(self) -> None:
        """Note what holds for every segment to come that moves nothing, so that it can be told without a look."""
        self.settled = self.over or not any(
            end.state in OPENING
            or end.state == State.CLOSED
            or (end.fin is not None and (end.fin_inferred or not end.fin_acknowledged))
            for end in self.ends
        )
        self.resting_phase = self.phase_at_rest()
        client, server = self.ends[self.client].state, self.ends[1 - self.client].state
        self.resting_states = pack_states(client, client, server, server)

    def remember(self, segment: Segment, me: End, peer: End) -> None:
        """Note the numbers of a segment after it has moved the ends."""
        flags = segment.flags
        me.seen = True
        if not flags & RST:
            end = (segment.sequence + segment.length + bool(flags & SYN) + bool(flags & FIN)) & 0xFFFFFFFF
            if me.next is None:
                me.first = segment.sequence
            if me.next is None or ahead(end, me.next) > 0:
                me.next = end
            me.window = segment.window
            if flags & SYN:
                me.scale = segment.scale if segment.scale >= 0 else 0
                if segment.scale < 0:
                    peer.scale = 0  # scaling is used only when both SYNs offer it (RFC 7323 section 2.2)
            elif me.scale > 0:
                me.window <<= me.scale
        if flags & ACK and not flags & RST:
            ack = segment.acknowledgment
            if me.acknowledged is None or ahead(ack, me.acknowledged) > 0:
                me.acknowledged = ack
            if peer.next is not None and ahead(ack, peer.next) > 0:
                peer.next = ack  # octets confirmed but not captured did leave the peer

    def phase_at_rest(self) -> Phase:
        """Return the phase of a segment that carries no step."""
        if self.over:
            return Phase.AFTER_CLOSE
        if any(end.fin is not None for end in self.ends):
            return Phase.TEARDOWN
        if any(end.state in (State.SYN_SENT, State.SYN_RECEIVED) for end in self.ends):
            return Phase.HANDSHAKE
        if self.begun_in_the_middle or self.packets == 1:
            return Phase.MIDSTREAM
        return Phase.DATA

    def already_open(self) -> None:
        """Begin with both ends open: the capture began in the middle of this conversation."""
        self.begun_in_the_middle = True
        for end in self.ends:
            end.state = State.ESTABLISHED
        self.before = (State.ESTABLISHED, State.ESTABLISHED)

    def role(self, direction: int) -> str:
        """Return "client" or "server"."""
        return "client" if direction == self.client else "server"
