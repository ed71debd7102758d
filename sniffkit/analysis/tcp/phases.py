"""One TCP conversation followed packet by packet: the state of both ends, the phase and the step.

The state table (``tcp_states``) is driven for both ends by what the capture shows. A capture point sees segments,
not states: what is told is inferred, "seen from the capture point". Sequence numbers are compared modulo 2^32
(RFC 9293 section 3.4).
"""

from __future__ import annotations

from sniffkit.analysis.segments import ACK, FIN, RST, SYN
from sniffkit.analysis.tcp.closing import confirm_fin, fin, infer_fin, reset, was_no_fin
from sniffkit.analysis.tcp.connection import STEPS, ConnectionState, Phase, pack_states
from sniffkit.analysis.tcp.ends import End, Segment
from sniffkit.analysis.tcp.opening import open_by, syn, syn_ack
from sniffkit.analysis.tcp.states import State

__all__ = ["STEPS", "Connection", "Phase", "pack_states"]

_WAITS_FOR_NOTHING = (State.CLOSED, State.TIME_WAIT)


class Connection(ConnectionState):
    """Both ends of one conversation, and what moves them (DESIGN: whose state changes at which packet)."""

    __slots__ = ()

    def feed(self, segment: Segment) -> tuple[Phase, tuple[str, ...]]:
        """Move both ends by one segment; return its phase and steps. ``facts`` then holds what there is to say."""
        self.facts = []
        self.before = (self.ends[0].state, self.ends[1].state)
        self.number = segment.number
        me, peer = self.ends[segment.direction], self.ends[1 - segment.direction]
        if segment.twice:
            self.tell("tcp.captured-twice", number=segment.twice)
            told = (self.phase_at_rest(), ()) if me.last is None or me.last[0] != segment.twice else me.last[1:]
            me.last = (segment.number, *told)
            return told
        self.packets += 1
        flags = segment.flags
        steps: tuple[str, ...] = ()
        if (flags & SYN and flags & (FIN | RST)) or not flags & (SYN | FIN | RST | ACK):
            self.tell("tcp.flags-odd", "warning", flags=flags)
            phase = self.phase_at_rest()
        else:
            was_over = self.over
            if flags & RST:
                phase, steps = reset(self, segment, me, peer)
            elif flags & SYN and flags & ACK:
                phase, steps = syn_ack(self, segment, me, peer)
            elif flags & SYN:
                phase, steps = syn(self, segment, me, peer)
            else:
                phase, steps = self._ordinary(segment, me, peer)
            me, peer = self.ends[segment.direction], self.ends[1 - segment.direction]  # they may have begun anew
            self.remember(segment, me, peer)
            if not was_over and not flags & RST:
                self.over = me.state in _WAITS_FOR_NOTHING and peer.state in _WAITS_FOR_NOTHING
        me.last = (segment.number, phase, steps)
        self.come_to_rest()
        return phase, steps

    def _ordinary(self, segment: Segment, me: End, peer: End) -> tuple[Phase, tuple[str, ...]]:
        """Handle a segment without SYN or RST: data, confirmations, FIN."""
        steps: tuple[str, ...] = ()
        if not me.seen and not peer.seen and segment.flags & ACK:
            self.already_open()
            self.tell("tcp.midstream")
        opening = any(end.state in (State.SYN_SENT, State.SYN_RECEIVED) for end in self.ends)
        if segment.flags & ACK and not self.over:
            steps += open_by(self, segment, me, peer)
        if not self.over:
            if me.fin is not None and me.fin_inferred and segment.length:
                was_no_fin(self, segment, me, peer)
            if segment.flags & ACK:
                infer_fin(self, segment, me, peer)
        if segment.flags & ACK:
            steps += confirm_fin(self, segment, me, peer)
        if segment.flags & FIN:
            steps += fin(self, segment, me, peer)
        if not segment.flags & ACK:
            self.tell("tcp.no-ack-flag", "warning")
        if me.state == State.ESTABLISHED:
            me.open_shown = True
        if any(step.startswith("teardown") for step in steps):
            return Phase.TEARDOWN, steps
        rest = self.phase_at_rest()
        if rest in (Phase.MIDSTREAM, Phase.DATA) and (steps or opening):
            return Phase.HANDSHAKE, steps
        return rest, steps
