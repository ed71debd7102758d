"""How segments open a connection: SYN, SYN,ACK, the third segment, and what stands for one that was not captured."""

from __future__ import annotations

from sniffkit.analysis.open_questions import elapsed
from sniffkit.analysis.tcp.connection import OPENING, ConnectionState, Phase
from sniffkit.analysis.tcp.ends import End, Segment, ahead
from sniffkit.analysis.tcp.states import Event, State, after
from sniffkit.analysis.time_stamps import MOST_NS


def syn(connection: ConnectionState, segment: Segment, me: End, peer: End) -> tuple[Phase, tuple[str, ...]]:
    """Begin a connection, join one that the peer began, or say that a SYN comes again."""
    steps = ("handshake.syn",)
    if connection.over and (me.syn is None or me.syn == segment.sequence):
        connection.open_anew(segment.direction)
        me, peer = connection.ends[segment.direction], connection.ends[1 - segment.direction]
        connection.tell("tcp.opened-anew")
    if me.syn is not None and me.syn == segment.sequence:
        return _syn_again(connection, segment, me, peer), steps
    if me.syn is not None or (connection.begun_in_the_middle and not connection.over):
        # Another beginning under the same stream number (its base was unknown): a fresh pair of ends.
        connection.open_anew(segment.direction)
        connection.begun_in_the_middle = False
        me, peer = connection.ends[segment.direction], connection.ends[1 - segment.direction]
    if not me.seen and not peer.seen:
        connection.open_anew(segment.direction)
        me, peer = connection.ends[segment.direction], connection.ends[1 - segment.direction]
    me.syn, me.syn_time, me.syn_count = segment.sequence, segment.time_ns, 1
    if me.state == State.SYN_SENT:  # its answer was captured before it
        connection.tell("tcp.handshake.late-syn")
    elif me.state in (State.CLOSED, State.LISTEN):
        if peer.state == State.SYN_SENT:
            connection.simultaneous = True
            connection.tell("tcp.simultaneous-open")
        me.state = after(me.state, Event.SEND_SYN)
    if segment.length:
        connection.tell("tcp.syn-data", octets=segment.length)
    return Phase.HANDSHAKE, steps


def _syn_again(connection: ConnectionState, segment: Segment, me: End, peer: End) -> Phase:
    waited = elapsed(segment.time_ns, me.syn_time)
    me.syn_count += 1
    me.syn_time = segment.time_ns
    answered = peer.seen
    connection.tell("tcp.syn-again", count=me.syn_count, waited_ns=waited, answered=answered)
    return Phase.HANDSHAKE if answered else Phase.UNANSWERED


def syn_ack(connection: ConnectionState, segment: Segment, me: End, peer: End) -> tuple[Phase, tuple[str, ...]]:
    """Answer a SYN, seen or not, or say that the answer comes again."""
    steps = ("handshake.syn-ack",)
    if not me.seen and not peer.seen:
        # The client is the receiver of the first SYN,ACK; its SYN was not captured.
        connection.open_anew(1 - segment.direction)
        me, peer = connection.ends[segment.direction], connection.ends[1 - segment.direction]
        peer.state = State.SYN_SENT
        connection.before = (connection.ends[0].state, connection.ends[1].state)
        connection.tell("tcp.inferred", what="syn")
    elif connection.over:
        return Phase.AFTER_CLOSE, ()
    if me.syn is not None and me.syn == segment.sequence and me.state not in (State.SYN_SENT, State.LISTEN):
        if me.state == State.ESTABLISHED and not me.open_shown:
            me.state = State.SYN_RECEIVED
            connection.tell(
                "tcp.state.corrected", end=connection.role(segment.direction), state=me.state.label, lost="ack"
            )
        else:
            connection.tell("tcp.syn-ack-again")
        return Phase.HANDSHAKE, steps
    if peer.syn is not None and ahead(segment.acknowledgment, peer.syn) <= 0:
        connection.tell("tcp.ack-not-of-syn", "warning", expected=(peer.syn + 1) & 0xFFFFFFFF)
    elif peer.syn is not None and peer.next is not None and ahead(peer.next, segment.acknowledgment) > 0:
        connection.tell("tcp.syn-data-refused", octets=ahead(peer.next, segment.acknowledgment))
    if peer.syn_count > 1:
        waited = elapsed(segment.time_ns, peer.syn_time)
        connection.tell("tcp.answers-syn-again", count=peer.syn_count, waited_ns=waited)
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
        connection.tell("tcp.data-in-syn-received", octets=segment.length)
    return Phase.HANDSHAKE, steps


def open_by(connection: ConnectionState, segment: Segment, me: End, peer: End) -> tuple[str, ...]:
    """Let an ordinary segment open what it proves open; return the step it carries."""
    ack = segment.acknowledgment
    if me.state == State.SYN_SENT:
        if peer.syn is not None and ahead(ack, peer.syn) <= 0:
            connection.tell("tcp.ack-not-of-syn", "warning", expected=(peer.syn + 1) & 0xFFFFFFFF)
            return ()
        if peer.state != State.SYN_RECEIVED:  # its SYN,ACK was not captured
            connection.tell("tcp.inferred", what="syn-ack")
            peer.state = State.SYN_RECEIVED
        elif me.syn is not None and peer.syn is not None and me.syn_count == 1:
            first, second = elapsed(peer.syn_time, me.syn_time), elapsed(segment.time_ns, peer.syn_time)
            if first is not None and second is not None and min(first, second) >= 0 and first + second < MOST_NS:
                # else a clock was set, back or by centuries
                connection.handshake = first, second
                connection.tell("tcp.handshake.took", elapsed_ns=first + second, first_ns=first, second_ns=second)
        me.state = after(me.state, Event.SEND_ACK_OF_SYN)
        peer.state = after(peer.state, Event.RECEIVE_ACK_OF_SYN)
        return ("handshake.ack",)
    if me.state == State.LISTEN and peer.state == State.SYN_SENT:
        old = peer.syn is None or ahead(ack, peer.syn) <= 0 or ahead(ack, peer.next or 0) > 0
        if old:  # an end that still lives in an earlier connection (figure 10)
            connection.tell("tcp.half-open", "warning", ack=ack)
            return ()
        connection.tell("tcp.inferred", what="syn-ack")
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
        elif connection.simultaneous and peer.state == State.SYN_RECEIVED:
            what = "syn-ack"
        else:
            if segment.length:
                connection.tell("tcp.data-in-syn-received", octets=segment.length)
            return ()
        connection.tell("tcp.inferred", what=what)
        me.state = State.ESTABLISHED
        if peer.state in OPENING:
            peer.state = State.ESTABLISHED
    return ()
