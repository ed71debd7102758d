"""The states of a TCP end and the transitions between them, as one table (RFC 9293 section 3.3.2, figure 5).

Over each row stands what it says in one sentence. A transition that the figure draws with a *send* is shown on
the packet that is sent; one drawn with no send is shown on the packet that arrives. ``tcp_phases`` drives this
table for both ends; nothing else in the program knows a transition.
"""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """The eleven states of RFC 9293 section 3.3.2; CLOSED is the absence of a connection."""

    CLOSED = 0
    LISTEN = 1
    SYN_SENT = 2
    SYN_RECEIVED = 3
    ESTABLISHED = 4
    FIN_WAIT_1 = 5
    FIN_WAIT_2 = 6
    CLOSE_WAIT = 7
    CLOSING = 8
    LAST_ACK = 9
    TIME_WAIT = 10

    @property
    def label(self) -> str:
        """The name as the RFC prints it: ``SYN-SENT``."""
        return self.name.replace("_", "-")


LABELS = tuple(state.label for state in State)
"""State labels by code, for turning arrays of codes into words."""


class Event(IntEnum):
    """What a segment means for the end that sends it, or for the one that it reaches."""

    SEND_SYN = 0
    SEND_SYN_ACK = 1
    SEND_ACK_OF_SYN = 2
    SEND_FIN = 3
    SEND_ACK_OF_FIN = 4
    RECEIVE_ACK_OF_SYN = 5
    RECEIVE_ACK_OF_FIN = 6


_S, _E = State, Event

TRANSITIONS: dict[tuple[State, Event], State] = {
    # The client's program calls connect(): a SYN leaves and the end waits for a matching one.
    (_S.CLOSED, _E.SEND_SYN): _S.SYN_SENT,
    # An end that was listening opens actively itself: the other half of a simultaneous open (figure 7).
    (_S.LISTEN, _E.SEND_SYN): _S.SYN_SENT,
    # A listening end got a SYN, remembers it and answers with a SYN of its own.
    (_S.LISTEN, _E.SEND_SYN_ACK): _S.SYN_RECEIVED,
    # Both called at once: the SYN that arrived is answered, but ours is not yet confirmed (figure 7).
    (_S.SYN_SENT, _E.SEND_SYN_ACK): _S.SYN_RECEIVED,
    # The client got SYN,ACK: its own SYN is confirmed, it confirms the server's, and is open.
    (_S.SYN_SENT, _E.SEND_ACK_OF_SYN): _S.ESTABLISHED,
    # The confirmation of our SYN arrives: open, with nothing left to say about opening.
    (_S.SYN_RECEIVED, _E.RECEIVE_ACK_OF_SYN): _S.ESTABLISHED,
    # The program closed before the opening was confirmed: the FIN goes out all the same.
    (_S.SYN_RECEIVED, _E.SEND_FIN): _S.FIN_WAIT_1,
    # The program closed first: this end has no more data and waits for that to be confirmed.
    (_S.ESTABLISHED, _E.SEND_FIN): _S.FIN_WAIT_1,
    # The other end's FIN is confirmed; this end may go on sending until its own program closes.
    (_S.ESTABLISHED, _E.SEND_ACK_OF_FIN): _S.CLOSE_WAIT,
    # Our FIN is confirmed; the other end may still send.
    (_S.FIN_WAIT_1, _E.RECEIVE_ACK_OF_FIN): _S.FIN_WAIT_2,
    # The other end's FIN came before the confirmation of ours: both closed at once (figure 13).
    (_S.FIN_WAIT_1, _E.SEND_ACK_OF_FIN): _S.CLOSING,
    # The other end's FIN is confirmed: this end closed first, so it keeps the memory of the connection for 2 MSL.
    (_S.FIN_WAIT_2, _E.SEND_ACK_OF_FIN): _S.TIME_WAIT,
    # The program closed second: its FIN goes out and only the last confirmation is awaited.
    (_S.CLOSE_WAIT, _E.SEND_FIN): _S.LAST_ACK,
    # The last confirmation arrives: nothing is left to remember.
    (_S.LAST_ACK, _E.RECEIVE_ACK_OF_FIN): _S.CLOSED,
    # Both FINs are confirmed after a simultaneous close.
    (_S.CLOSING, _E.RECEIVE_ACK_OF_FIN): _S.TIME_WAIT,
}


def after(state: State, event: Event) -> State:
    """Return the state that follows ``state`` on ``event``; an event the table does not know changes nothing."""
    return TRANSITIONS.get((state, event), state)
