"""One TCP conversation followed packet by packet: the state of both ends, the phase and the step.

The state table (``tcp_states``) is driven for both ends by what the capture shows. A capture point sees segments,
not states: what is told is inferred, "seen from the capture point". Sequence numbers are compared modulo 2^32
(RFC 9293 section 3.4).
"""

from __future__ import annotations

from enum import IntEnum

from sniffkit.analysis.facts import Fact, Level
from sniffkit.analysis.segments import ACK, FIN, RST, SYN
from sniffkit.analysis.tcp_ends import MOST_SENT, End, Segment, ahead
from sniffkit.analysis.tcp_states import Event, State, after

_OPENING = (State.SYN_SENT, State.SYN_RECEIVED, State.LISTEN)
_WAITS_FOR_NOTHING = (State.CLOSED, State.TIME_WAIT)


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


class Connection:
    """Both ends of one conversation, and the rules that move them (DESIGN: whose state changes at which packet).

    client:         the direction (0 or 1) of the client
    before:         states of both directions' ends before the latest segment; facts: what there is to say of it
    settled:        True when only a segment with SYN, FIN or RST, or one that confirms the unseen, changes anything
    resting_phase, resting_states: phase and packed states of every segment that changes nothing
    number:         of the latest packet; packets: how many, second captures not counted
    """

    __slots__ = (
        "before",
        "begun_in_the_middle",
        "client",
        "crossed",
        "ends",
        "facts",
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
        self._open_anew(client)
        self._come_to_rest()

    def _open_anew(self, client: int) -> None:
        self.client = client
        first, second = End(State.CLOSED), End(State.LISTEN)
        self.ends = (first, second) if client == 0 else (second, first)
        self.before = (self.ends[0].state, self.ends[1].state)
        self.over = False
        self.was_reset = self.was_refused = self.simultaneous = self.crossed = False
        self.reset_by = 0

    def _tell(self, id: str, level: Level = "note", **values: object) -> None:
        self.facts.append(Fact(id, level, values))

    def feed(self, segment: Segment) -> tuple[Phase, tuple[str, ...]]:
        """Move both ends by one segment; return its phase and steps. ``facts`` then holds what there is to say."""
        self.facts = []
        self.before = (self.ends[0].state, self.ends[1].state)
        self.number = segment.number
        me, peer = self.ends[segment.direction], self.ends[1 - segment.direction]
        if segment.twice:
            self._tell("tcp.captured-twice", number=segment.twice)
            told = (self._phase_at_rest(), ()) if me.last is None or me.last[0] != segment.twice else me.last[1:]
            me.last = (segment.number, *told)
            return told
        self.packets += 1
        flags = segment.flags
        steps: tuple[str, ...] = ()
        if (flags & SYN and flags & (FIN | RST)) or not flags & (SYN | FIN | RST | ACK):
            self._tell("tcp.flags-odd", "warning", flags=flags)
            phase = self._phase_at_rest()
        else:
            was_over = self.over
            if flags & RST:
                phase, steps = self._reset(segment, me, peer)
            elif flags & SYN and flags & ACK:
                phase, steps = self._syn_ack(segment, me, peer)
            elif flags & SYN:
                phase, steps = self._syn(segment, me, peer)
            else:
                phase, steps = self._ordinary(segment, me, peer)
            me, peer = self.ends[segment.direction], self.ends[1 - segment.direction]  # they may have begun anew
            self._remember(segment, me, peer)
            if not was_over and not flags & RST:
                self.over = me.state in _WAITS_FOR_NOTHING and peer.state in _WAITS_FOR_NOTHING
        me.last = (segment.number, phase, steps)
        self._come_to_rest()
        return phase, steps

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

    def _come_to_rest(self) -> None:
        """Note what holds for every segment to come that moves nothing, so that it can be told without a look."""
        self.settled = self.over or not any(
            end.state in _OPENING
            or end.state == State.CLOSED
            or (end.fin is not None and (end.fin_inferred or not end.fin_acknowledged))
            for end in self.ends
        )
        self.resting_phase = self._phase_at_rest()
        client, server = self.ends[self.client].state, self.ends[1 - self.client].state
        self.resting_states = pack_states(client, client, server, server)

    def _remember(self, segment: Segment, me: End, peer: End) -> None:
        flags = segment.flags
        me.seen = True
        if not flags & RST:
            end = (segment.sequence + segment.length + bool(flags & SYN) + bool(flags & FIN)) & 0xFFFFFFFF
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

    def _phase_at_rest(self) -> Phase:
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

    # -- opening -------------------------------------------------------------------------------------------------

    def _syn(self, segment: Segment, me: End, peer: End) -> tuple[Phase, tuple[str, ...]]:
        steps = ("handshake.syn",)
        if self.over and (me.syn is None or me.syn == segment.sequence):
            self._open_anew(segment.direction)
            me, peer = self.ends[segment.direction], self.ends[1 - segment.direction]
            self._tell("tcp.opened-anew")
        if me.syn is not None and me.syn == segment.sequence:
            return self._syn_again(segment, me, peer), steps
        if me.syn is not None or (self.begun_in_the_middle and not self.over):
            # Another beginning under the same stream number (its base was unknown): a fresh pair of ends.
            self._open_anew(segment.direction)
            self.begun_in_the_middle = False
            me, peer = self.ends[segment.direction], self.ends[1 - segment.direction]
        if not me.seen and not peer.seen:
            self._open_anew(segment.direction)
            me, peer = self.ends[segment.direction], self.ends[1 - segment.direction]
        me.syn, me.syn_time, me.syn_count = segment.sequence, segment.time_ns, 1
        if me.state == State.SYN_SENT:  # its answer was captured before it
            self._tell("tcp.handshake.late-syn")
        elif me.state in (State.CLOSED, State.LISTEN):
            if peer.state == State.SYN_SENT:
                self.simultaneous = True
                self._tell("tcp.simultaneous-open")
            me.state = after(me.state, Event.SEND_SYN)
        if segment.length:
            self._tell("tcp.syn-data", octets=segment.length)
        return Phase.HANDSHAKE, steps

    def _already_open(self) -> None:
        """Begin with both ends open: the capture began in the middle of this conversation."""
        self.begun_in_the_middle = True
        for end in self.ends:
            end.state = State.ESTABLISHED
        self.before = (State.ESTABLISHED, State.ESTABLISHED)

    def _syn_again(self, segment: Segment, me: End, peer: End) -> Phase:
        waited = segment.time_ns - me.syn_time
        me.syn_count += 1
        me.syn_time = segment.time_ns
        answered = peer.seen
        self._tell("tcp.syn-again", count=me.syn_count, waited_ns=waited, answered=answered)
        return Phase.HANDSHAKE if answered else Phase.UNANSWERED

    def _syn_ack(self, segment: Segment, me: End, peer: End) -> tuple[Phase, tuple[str, ...]]:
        steps = ("handshake.syn-ack",)
        if not me.seen and not peer.seen:
            # The client is the receiver of the first SYN,ACK; its SYN was not captured.
            self._open_anew(1 - segment.direction)
            me, peer = self.ends[segment.direction], self.ends[1 - segment.direction]
            peer.state = State.SYN_SENT
            self.before = (self.ends[0].state, self.ends[1].state)
            self._tell("tcp.inferred", what="syn")
        elif self.over:
            return Phase.AFTER_CLOSE, ()
        if me.syn is not None and me.syn == segment.sequence and me.state not in (State.SYN_SENT, State.LISTEN):
            if me.state == State.ESTABLISHED and not me.open_shown:
                me.state = State.SYN_RECEIVED
                self._tell("tcp.state.corrected", end=self._role(segment.direction), state=me.state.label, lost="ack")
            else:
                self._tell("tcp.syn-ack-again")
            return Phase.HANDSHAKE, steps
        if peer.syn is not None and ahead(segment.acknowledgment, peer.syn) <= 0:
            self._tell("tcp.ack-not-of-syn", "warning", expected=(peer.syn + 1) & 0xFFFFFFFF)
        elif peer.syn is not None and peer.next is not None and ahead(peer.next, segment.acknowledgment) > 0:
            self._tell("tcp.syn-data-refused", octets=ahead(peer.next, segment.acknowledgment))
        me.syn, me.syn_time = segment.sequence, segment.time_ns
        if me.state == State.SYN_SENT:  # both ends had sent a SYN: the simultaneous open of figure 7
            if peer.state == State.SYN_RECEIVED:
                me.state = peer.state = State.ESTABLISHED
                return Phase.HANDSHAKE, steps
            me.state = after(me.state, Event.SEND_SYN_ACK)
        elif me.state == State.LISTEN:
            me.state = after(me.state, Event.SEND_SYN_ACK)
            me.listened = True
        if segment.length:
            self._tell("tcp.data-in-syn-received", octets=segment.length)
        return Phase.HANDSHAKE, steps

    def _open_by(self, segment: Segment, me: End, peer: End) -> tuple[str, ...]:
        """Let an ordinary segment open what it proves open; return the step it carries."""
        ack = segment.acknowledgment
        if me.state == State.SYN_SENT:
            if peer.syn is not None and ahead(ack, peer.syn) <= 0:
                self._tell("tcp.ack-not-of-syn", "warning", expected=(peer.syn + 1) & 0xFFFFFFFF)
                return ()
            if peer.state != State.SYN_RECEIVED:  # its SYN,ACK was not captured
                self._tell("tcp.inferred", what="syn-ack")
                peer.state = State.SYN_RECEIVED
            elif me.syn is not None and peer.syn is not None and me.syn_count == 1:
                first, second = peer.syn_time - me.syn_time, segment.time_ns - peer.syn_time
                self._tell("tcp.handshake.took", elapsed_ns=first + second, first_ns=first, second_ns=second)
            me.state = after(me.state, Event.SEND_ACK_OF_SYN)
            peer.state = after(peer.state, Event.RECEIVE_ACK_OF_SYN)
            return ("handshake.ack",)
        if me.state == State.LISTEN and peer.state == State.SYN_SENT:
            old = peer.syn is None or ahead(ack, peer.syn) <= 0 or ahead(ack, peer.next or 0) > 0
            if old:  # an end that still lives in an earlier connection (figure 10)
                self._tell("tcp.half-open", "warning", ack=ack)
                return ()
            self._tell("tcp.inferred", what="syn-ack")
            me.state = peer.state = State.ESTABLISHED
            return ()
        if peer.state == State.SYN_RECEIVED and me.state != State.SYN_RECEIVED:
            if peer.syn is None or ahead(ack, peer.syn) > 0:
                peer.state = after(peer.state, Event.RECEIVE_ACK_OF_SYN)
                return ("handshake.ack",)
            return ()
        if me.state == State.SYN_RECEIVED:
            if peer.next is not None and ahead(ack, peer.next) > 0:
                what = "data"  # it confirms octets that only an open client sends
            elif not peer.seen:
                what = "ack"  # its program sends, so the third segment has arrived
            elif self.simultaneous and peer.state == State.SYN_RECEIVED:
                what = "syn-ack"
            else:
                if segment.length:
                    self._tell("tcp.data-in-syn-received", octets=segment.length)
                return ()
            self._tell("tcp.inferred", what=what)
            me.state = State.ESTABLISHED
            if peer.state in _OPENING:
                peer.state = State.ESTABLISHED
        return ()

    # -- open and closing ----------------------------------------------------------------------------------------

    def _ordinary(self, segment: Segment, me: End, peer: End) -> tuple[Phase, tuple[str, ...]]:
        """Handle a segment without SYN or RST: data, confirmations, FIN."""
        steps: tuple[str, ...] = ()
        if not me.seen and not peer.seen and segment.flags & ACK:
            self._already_open()
            self._tell("tcp.midstream")
        opening = any(end.state in (State.SYN_SENT, State.SYN_RECEIVED) for end in self.ends)
        if segment.flags & ACK and not self.over:
            steps += self._open_by(segment, me, peer)
        if not self.over:
            if me.fin is not None and me.fin_inferred and segment.length:
                self._was_no_fin(segment, me, peer)
            if segment.flags & ACK:
                self._infer_fin(segment, me, peer)
        if segment.flags & ACK:
            steps += self._confirm_fin(segment, me, peer)
        if segment.flags & FIN:
            steps += self._fin(segment, me, peer)
        if not segment.flags & ACK:
            self._tell("tcp.no-ack-flag", "warning")
        if me.state == State.ESTABLISHED:
            me.open_shown = True
        if any(step.startswith("teardown") for step in steps):
            return Phase.TEARDOWN, steps
        rest = self._phase_at_rest()
        if rest in (Phase.MIDSTREAM, Phase.DATA) and (steps or opening):
            return Phase.HANDSHAKE, steps
        return rest, steps

    def _infer_fin(self, segment: Segment, me: End, peer: End) -> None:
        """An acknowledgment one past all that was seen of the peer covers a FIN that was not captured."""
        if peer.fin is not None or peer.state not in (State.ESTABLISHED, State.CLOSE_WAIT):
            return
        ack = segment.acknowledgment
        if peer.seen:
            covers = peer.next is not None and ahead(ack, peer.next) == 1
        else:  # one direction only: the bare confirmation after our own FIN, one further than before
            covers = (
                me.fin is not None
                and segment.length == 0
                and segment.sequence == me.fin
                and me.acknowledged is not None
                and ahead(ack, me.acknowledged) == 1
            )
        if covers:
            self._tell("tcp.inferred", what="fin")
            peer.fin, peer.fin_inferred = ack, True
            peer.fin_order = 2 if me.fin is not None else 1
            if not peer.seen and me.state == State.FIN_WAIT_1:  # the peer's FIN confirmed ours as well
                me.fin_acknowledged = True
                me.state = after(me.state, Event.RECEIVE_ACK_OF_FIN)
                peer.state = after(peer.state, Event.SEND_ACK_OF_FIN)
            peer.state = after(peer.state, Event.SEND_FIN)

    def _was_no_fin(self, segment: Segment, me: End, peer: End) -> None:
        """Data at or after a FIN that was only inferred: it was an octet of data that the capture missed."""
        if me.fin is None or ahead((segment.sequence + segment.length) & 0xFFFFFFFF, me.fin) < 0:
            return
        me.state = State.CLOSE_WAIT if me.state == State.LAST_ACK else State.ESTABLISHED
        if peer.state == State.CLOSE_WAIT:
            peer.state = State.ESTABLISHED
        me.fin, me.fin_inferred, me.fin_acknowledged = None, False, False
        self._tell("tcp.state.corrected", end=self._role(segment.direction), state=me.state.label, lost="octet")

    def _confirm_fin(self, segment: Segment, me: End, peer: End) -> tuple[str, ...]:
        if peer.fin is None or peer.fin_acknowledged or ahead(segment.acknowledgment, peer.fin) < 0:
            return ()
        peer.fin_acknowledged = True
        step = ("teardown.ack-1",) if peer.fin_order == 1 else ("teardown.ack-2",)
        if me.state == State.FIN_WAIT_1 and peer.state == State.FIN_WAIT_1:
            me.state = peer.state = State.CLOSING  # figure 13: both FINs are out, the first is confirmed
        elif me.state == State.CLOSING and peer.state == State.CLOSING:
            me.state = peer.state = State.TIME_WAIT
        else:
            me.state = after(me.state, Event.SEND_ACK_OF_FIN)
            peer.state = after(peer.state, Event.RECEIVE_ACK_OF_FIN)
        return step

    def _fin(self, segment: Segment, me: End, peer: End) -> tuple[str, ...]:
        end = (segment.sequence + segment.length + 1) & 0xFFFFFFFF
        if me.fin is None or me.fin_inferred:
            if self.over or me.state in (State.CLOSED, State.LISTEN, State.SYN_SENT):
                return ()
            first_sight = me.fin is None
            me.fin, me.fin_inferred = end, False
            if first_sight:
                me.fin_order = 2 if peer.fin is not None else 1
                me.state = after(me.state, Event.SEND_FIN)
                if peer.state == State.FIN_WAIT_1 and me.state == State.FIN_WAIT_1:
                    self.crossed = True
                    self._tell("tcp.simultaneous-close")
            if segment.length:
                self._tell("tcp.fin-with-data", octets=segment.length)
        else:
            if self.over and self.was_reset:
                return ()
            me.fin = end if ahead(end, me.fin) > 0 else me.fin
            self._fin_again(segment, me, peer)
        return ("teardown.fin-1",) if me.fin_order == 1 else ("teardown.fin-2",)

    def _fin_again(self, segment: Segment, me: End, peer: End) -> None:
        """A FIN that comes again after its ACK proves that the ACK we saw never arrived."""
        back = {State.FIN_WAIT_2: State.FIN_WAIT_1}
        if peer.state == State.TIME_WAIT and me.fin_order == 2:
            back[State.CLOSED] = State.LAST_ACK
        if me.fin_acknowledged and me.state in back:
            me.state, me.fin_acknowledged, self.over = back[me.state], False, False
            self._tell("tcp.state.corrected", end=self._role(segment.direction), state=me.state.label, lost="ack")
        else:
            self._tell("tcp.fin-again")

    # -- reset ---------------------------------------------------------------------------------------------------

    def _reset(self, segment: Segment, me: End, peer: End) -> tuple[Phase, tuple[str, ...]]:
        if self.over and me.state == State.CLOSED and peer.state in (State.CLOSED, State.LISTEN):
            self._tell("tcp.reset-after-close")
            return Phase.AFTER_CLOSE, ()
        if not me.seen and not peer.seen:
            self._already_open()
        reason = self._reset_has_no_force(segment, peer)
        if reason:
            self._tell("tcp.reset-ignored", "warning", reason=reason)
            return self._phase_at_rest(), ()
        refused = peer.state == State.SYN_SENT and me.state == State.LISTEN and bool(segment.flags & ACK)
        back_to_listen = peer.state == State.SYN_RECEIVED and peer.listened
        me.state = State.CLOSED
        peer.state = State.LISTEN if back_to_listen else State.CLOSED
        self.over = self.was_reset = True
        self.was_refused, self.reset_by = refused, segment.direction
        return (Phase.REFUSED if refused else Phase.RESET), ("reset",)

    def _reset_has_no_force(self, segment: Segment, peer: End) -> str:
        """Return why a RST does not count for its receiver (RFC 9293 section 3.5.2), or an empty string."""
        if peer.state == State.SYN_SENT:
            expected = peer.next if peer.next is not None else None
            if not segment.flags & ACK:
                return "no-ack"
            if peer.syn is not None and expected is not None:
                covered = ahead(segment.acknowledgment, peer.syn)
                if not 0 < covered <= ahead(expected, peer.syn):
                    return "not-of-syn"
            return ""
        if peer.acknowledged is None or self.over:
            return ""
        distance = ahead(segment.sequence, peer.acknowledged)
        if distance < 0:
            return "outside-window"
        if distance and peer.scale >= 0 and peer.window <= distance:
            return "outside-window"
        return ""

    def _role(self, direction: int) -> str:
        return "client" if direction == self.client else "server"
