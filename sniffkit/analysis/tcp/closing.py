"""How segments close a connection: FINs and their acknowledgments, and resets."""

from __future__ import annotations

from sniffkit.analysis.segments import ACK
from sniffkit.analysis.tcp.connection import ConnectionState, Phase
from sniffkit.analysis.tcp.ends import End, Segment, ahead
from sniffkit.analysis.tcp.states import Event, State, after


def infer_fin(connection: ConnectionState, segment: Segment, me: End, peer: End) -> None:
    """An acknowledgment one past all that was seen of the peer covers a FIN that was not captured."""
    if peer.fin is not None or peer.state not in (State.ESTABLISHED, State.CLOSE_WAIT):
        return
    ack = segment.acknowledgment
    if peer.seen and connection.begun_in_the_middle and peer.next == peer.first:
        return  # it sent nothing but bare acks: the first was a keep-alive, one below its next number
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
        connection.tell("tcp.inferred", what="fin")
        peer.fin, peer.fin_inferred = ack, True
        peer.fin_order = 2 if me.fin is not None else 1
        if not peer.seen and me.state == State.FIN_WAIT_1:  # the peer's FIN confirmed ours as well
            me.fin_acknowledged = True
            me.state = after(me.state, Event.RECEIVE_ACK_OF_FIN)
            peer.state = after(peer.state, Event.SEND_ACK_OF_FIN)
        peer.state = after(peer.state, Event.SEND_FIN)


def was_no_fin(connection: ConnectionState, segment: Segment, me: End, peer: End) -> None:
    """Data at or after a FIN that was only inferred: it was an octet of data that the capture missed."""
    if me.fin is None or ahead((segment.sequence + segment.length) & 0xFFFFFFFF, me.fin) < 0:
        return
    me.state = State.CLOSE_WAIT if me.state == State.LAST_ACK else State.ESTABLISHED
    if peer.state == State.CLOSE_WAIT:
        peer.state = State.ESTABLISHED
    me.fin, me.fin_inferred, me.fin_acknowledged = None, False, False
    connection.tell("tcp.state.corrected", end=connection.role(segment.direction), state=me.state.label, lost="octet")


def confirm_fin(connection: ConnectionState, segment: Segment, me: End, peer: End) -> tuple[str, ...]:
    """Let an acknowledgment that covers the peer's FIN move both ends; return its step."""
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


def fin(connection: ConnectionState, segment: Segment, me: End, peer: End) -> tuple[str, ...]:
    """Let a FIN close its direction, or say that it comes again; return its step."""
    end = (segment.sequence + segment.length + 1) & 0xFFFFFFFF
    if me.fin is None or me.fin_inferred:
        if connection.over or me.state in (State.CLOSED, State.LISTEN, State.SYN_SENT):
            return ()
        first_sight = me.fin is None
        me.fin, me.fin_inferred = end, False
        if first_sight:
            me.fin_order = 2 if peer.fin is not None else 1
            me.state = after(me.state, Event.SEND_FIN)
            if peer.state == State.FIN_WAIT_1 and me.state == State.FIN_WAIT_1:
                connection.crossed = True
                connection.tell("tcp.simultaneous-close")
        if segment.length:
            connection.tell("tcp.fin-with-data", octets=segment.length)
    else:
        if connection.over and connection.was_reset:
            return ()
        me.fin = end if ahead(end, me.fin) > 0 else me.fin
        _fin_again(connection, segment, me, peer)
    return ("teardown.fin-1",) if me.fin_order == 1 else ("teardown.fin-2",)


def _fin_again(connection: ConnectionState, segment: Segment, me: End, peer: End) -> None:
    """A FIN that comes again after its ACK proves that the ACK we saw never arrived."""
    back = {State.FIN_WAIT_2: State.FIN_WAIT_1}
    if peer.state == State.TIME_WAIT and me.fin_order == 2:
        back[State.CLOSED] = State.LAST_ACK
    if me.fin_acknowledged and me.state in back:
        me.state, me.fin_acknowledged, connection.over = back[me.state], False, False
        connection.tell("tcp.state.corrected", end=connection.role(segment.direction), state=me.state.label, lost="ack")
    else:
        connection.tell("tcp.fin-again")


def reset(connection: ConnectionState, segment: Segment, me: End, peer: End) -> tuple[Phase, tuple[str, ...]]:
    """Break the connection off unless the RST has no force; return phase and step."""
    if connection.over and me.state == State.CLOSED and peer.state in (State.CLOSED, State.LISTEN):
        connection.tell("tcp.reset-after-close")
        return Phase.AFTER_CLOSE, ()
    if connection.packets == 1:  # the capture shows nothing of this conversation before its end
        connection.already_open()
    reason = _reset_has_no_force(connection, segment, peer)
    if reason:
        connection.tell("tcp.reset-ignored", "warning", reason=reason)
        return connection.phase_at_rest(), ()
    refused = peer.state == State.SYN_SENT and me.state == State.LISTEN and bool(segment.flags & ACK)
    back_to_listen = peer.state == State.SYN_RECEIVED and peer.listened
    me.state = State.CLOSED
    peer.state = State.LISTEN if back_to_listen else State.CLOSED
    connection.over = connection.was_reset = True
    connection.was_refused, connection.reset_by = refused, segment.direction
    return (Phase.REFUSED if refused else Phase.RESET), ("reset",)


def _reset_has_no_force(connection: ConnectionState, segment: Segment, peer: End) -> str:
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
    if peer.acknowledged is None or connection.over:
        return ""
    distance = ahead(segment.sequence, peer.acknowledged)
    if distance < 0:
        return "outside-window"
    if distance and peer.scale >= 0 and peer.window <= distance:
        return "outside-window"
    return ""
