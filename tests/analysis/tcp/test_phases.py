"""Every way a TCP connection opens, lives and ends, drawn as ladders (DESIGN: whose state changes at which packet)."""

from __future__ import annotations

import pytest

from sniffkit.analysis.tcp.states import TRANSITIONS, State
from tests.analysis.ladder import climb

OPENED = """
    > S    100           client SYN-SENT      server LISTEN         handshake handshake.syn
    < SA   300   ack 101 client SYN-SENT      server SYN-RECEIVED   handshake handshake.syn-ack
    > A    101   ack 301 client ESTABLISHED   server ESTABLISHED    handshake handshake.ack
"""

LADDERS = {
    # The classroom case: three segments to open, four to close, the client closes first and waits.
    "four-segment close by the client": OPENED
    + """
    > PA   101:20 ack 301 client ESTABLISHED  server ESTABLISHED    data
    < A    301   ack 121 client ESTABLISHED   server ESTABLISHED    data
    > FA   121   ack 301 client FIN-WAIT-1    server ESTABLISHED    teardown teardown.fin-1
    < A    301   ack 122 client FIN-WAIT-2    server CLOSE-WAIT     teardown teardown.ack-1
    < FA   301   ack 122 client FIN-WAIT-2    server LAST-ACK       teardown teardown.fin-2
    > A    122   ack 302 client TIME-WAIT     server CLOSED         teardown teardown.ack-2
    """,
    # Either end may close first; an HTTP/1.0 server does. Then the server holds TIME-WAIT.
    "four-segment close by the server": OPENED
    + """
    < FA   301   ack 101 client ESTABLISHED   server FIN-WAIT-1     teardown teardown.fin-1
    > A    101   ack 302 client CLOSE-WAIT    server FIN-WAIT-2     teardown teardown.ack-1
    > FA   101   ack 302 client LAST-ACK      server FIN-WAIT-2     teardown teardown.fin-2
    < A    302   ack 102 client CLOSED        server TIME-WAIT      teardown teardown.ack-2
    """,
    # The second FIN carries the ACK of the first: three segments, CLOSE-WAIT passes unseen.
    "close in three": OPENED
    + """
    > FA   101   ack 301 client FIN-WAIT-1    server ESTABLISHED    teardown teardown.fin-1
    < FA   301   ack 102 client FIN-WAIT-2    server LAST-ACK       teardown teardown.ack-1 teardown.fin-2
    > A    102   ack 302 client TIME-WAIT     server CLOSED         teardown teardown.ack-2
    < A    302   ack 102 client TIME-WAIT     server CLOSED         after-close
    """,
    # The third segment may carry data, and even the FIN.
    "third segment with data and FIN": """
    > S    100           client SYN-SENT      server LISTEN         handshake handshake.syn
    < SA   300   ack 101 client SYN-SENT      server SYN-RECEIVED   handshake handshake.syn-ack
    > FPA  101:5 ack 301 client FIN-WAIT-1    server ESTABLISHED    teardown handshake.ack teardown.fin-1
    < A    301   ack 106 client FIN-WAIT-1    server ESTABLISHED    teardown
    < A    301   ack 107 client FIN-WAIT-2    server CLOSE-WAIT     teardown teardown.ack-1
    """,
    # After the first FIN the other direction is still open: data there changes no state.
    "half-close": OPENED
    + """
    > FA   101   ack 301 client FIN-WAIT-1    server ESTABLISHED    teardown teardown.fin-1
    < A    301   ack 102 client FIN-WAIT-2    server CLOSE-WAIT     teardown teardown.ack-1
    < PA   301:50 ack 102 client FIN-WAIT-2   server CLOSE-WAIT     teardown
    > A    102   ack 351 client FIN-WAIT-2    server CLOSE-WAIT     teardown
    < FA   351   ack 102 client FIN-WAIT-2    server LAST-ACK       teardown teardown.fin-2
    > A    102   ack 352 client TIME-WAIT     server CLOSED         teardown teardown.ack-2
    """,
    # Both FINs cross: CLOSING on both sides, then TIME-WAIT on both (figure 13).
    "simultaneous close": OPENED
    + """
    > FA   101   ack 301 client FIN-WAIT-1    server ESTABLISHED    teardown teardown.fin-1
    < FA   301   ack 101 client FIN-WAIT-1    server FIN-WAIT-1     teardown teardown.fin-2 +tcp.simultaneous-close
    > A    102   ack 302 client CLOSING       server CLOSING        teardown teardown.ack-2
    < A    302   ack 102 client TIME-WAIT     server TIME-WAIT      teardown teardown.ack-1
    """,
    # Both call at once (figure 7); the client is the sender of the first SYN.
    "simultaneous open": """
    > S    100           client SYN-SENT      server LISTEN         handshake handshake.syn
    < S    300           client SYN-SENT      server SYN-SENT       handshake handshake.syn +tcp.simultaneous-open
    > SA   100   ack 301 client SYN-RECEIVED  server SYN-SENT       handshake handshake.syn-ack
    < SA   300   ack 101 client ESTABLISHED   server ESTABLISHED    handshake handshake.syn-ack
    > A    101   ack 301 client ESTABLISHED   server ESTABLISHED    data
    """,
    "refused": """
    > S    100           client SYN-SENT      server LISTEN         handshake handshake.syn
    < RA   0     ack 101 client CLOSED        server CLOSED         refused reset
    """,
    # In SYN-SENT only a reset that acknowledges the SYN counts (section 3.10.7.3).
    "reset that does not know our SYN": """
    > S    100           client SYN-SENT      server LISTEN         handshake handshake.syn
    < RA   0     ack 77  client SYN-SENT      server LISTEN         handshake +tcp.reset-ignored
    < R    0             client SYN-SENT      server LISTEN         handshake +tcp.reset-ignored
    < RA   0     ack 101 client CLOSED        server CLOSED         refused reset
    """,
    "unanswered, then answered": """
    > S    100  @0       client SYN-SENT      server LISTEN         handshake handshake.syn
    > S    100  @1       client SYN-SENT      server LISTEN         unanswered handshake.syn +tcp.syn-again
    > S    100  @3       client SYN-SENT      server LISTEN         unanswered handshake.syn
    < SA   300   ack 101 client SYN-SENT      server SYN-RECEIVED   handshake handshake.syn-ack +tcp.answers-syn-again
    > S    100           client SYN-SENT      server SYN-RECEIVED   handshake handshake.syn
    """,
    # The third segment was lost: the server asks again, so it is still in SYN-RECEIVED.
    "SYN,ACK again after step three": OPENED
    + """
    < SA   300   ack 101 client ESTABLISHED   server SYN-RECEIVED   handshake handshake.syn-ack +tcp.state.corrected
    > A    101   ack 301 client ESTABLISHED   server ESTABLISHED    handshake handshake.ack
    < PA   301:9 ack 101 client ESTABLISHED   server ESTABLISHED    data
    < SA   300   ack 101 client ESTABLISHED   server ESTABLISHED    handshake handshake.syn-ack
    """,
    # Why TIME-WAIT exists: the last ACK was lost, so the FIN comes again.
    "FIN again into TIME-WAIT": OPENED
    + """
    > FA   101   ack 301 client FIN-WAIT-1    server ESTABLISHED    teardown teardown.fin-1
    < A    301   ack 102 client FIN-WAIT-2    server CLOSE-WAIT     teardown teardown.ack-1
    < FA   301   ack 102 client FIN-WAIT-2    server LAST-ACK       teardown teardown.fin-2
    > A    102   ack 302 client TIME-WAIT     server CLOSED         teardown teardown.ack-2
    < FA   301   ack 102 client TIME-WAIT     server LAST-ACK       teardown teardown.fin-2 +tcp.state.corrected
    > A    102   ack 302 client TIME-WAIT     server CLOSED         teardown teardown.ack-2
    """,
    "first FIN again": OPENED
    + """
    > FA   101   ack 301 client FIN-WAIT-1    server ESTABLISHED    teardown teardown.fin-1
    > FA   101   ack 301 client FIN-WAIT-1    server ESTABLISHED    teardown teardown.fin-1 +tcp.fin-again
    < A    301   ack 102 client FIN-WAIT-2    server CLOSE-WAIT     teardown teardown.ack-1
    > FA   101   ack 301 client FIN-WAIT-1    server CLOSE-WAIT     teardown teardown.fin-1 +tcp.state.corrected
    < A    301   ack 102 client FIN-WAIT-2    server CLOSE-WAIT     teardown teardown.ack-1
    """,
    # An old SYN turns up: the client answers the unexpected SYN,ACK with a reset (figure 8).
    "old duplicate SYN": """
    > S    90            client SYN-SENT      server LISTEN         handshake handshake.syn
    < SA   300   ack 91  client SYN-SENT      server SYN-RECEIVED   handshake handshake.syn-ack
    > R    91            client CLOSED        server LISTEN         reset reset
    """,
    # One end crashed and begins anew; the other still lives in the old connection (figure 10).
    "half-open peer": """
    > S    400           client SYN-SENT      server LISTEN         handshake handshake.syn
    < A    300   ack 100 client SYN-SENT      server LISTEN         handshake +tcp.half-open
    > R    100           client CLOSED        server CLOSED         reset reset
    > S    400           client SYN-SENT      server LISTEN         handshake handshake.syn
    """,
    "reset in life": OPENED
    + """
    > PA   101:20 ack 301 client ESTABLISHED  server ESTABLISHED    data
    < R    301           client CLOSED        server CLOSED         reset reset
    < R    301           client CLOSED        server CLOSED         after-close
    > A    121   ack 301 client CLOSED        server CLOSED         after-close
    """,
    # A blind reset outside the window is ignored (section 3.10.7.4).
    "reset outside the window": """
    > S    100    scale 0 win 500   client SYN-SENT     server LISTEN        handshake handshake.syn
    < SA   300   ack 101 scale 0    client SYN-SENT     server SYN-RECEIVED  handshake handshake.syn-ack
    > A    101   ack 301 win 500    client ESTABLISHED  server ESTABLISHED   handshake handshake.ack
    < R    900                      client ESTABLISHED  server ESTABLISHED   data +tcp.reset-ignored
    < R    200                      client ESTABLISHED  server ESTABLISHED   data +tcp.reset-ignored
    < R    700                      client CLOSED       server CLOSED        reset reset
    """,
    "data on SYN": """
    > S    100:10        client SYN-SENT      server LISTEN         handshake handshake.syn +tcp.syn-data
    < SA   300   ack 111 client SYN-SENT      server SYN-RECEIVED   handshake handshake.syn-ack
    < PA   301:7 ack 111 client SYN-SENT      server SYN-RECEIVED   handshake +tcp.data-in-syn-received
    > A    111   ack 308 client ESTABLISHED   server ESTABLISHED    handshake handshake.ack
    """,
    "data on SYN refused": """
    > S    100:10        client SYN-SENT      server LISTEN         handshake handshake.syn
    < SA   300   ack 101 client SYN-SENT      server SYN-RECEIVED   handshake handshake.syn-ack +tcp.syn-data-refused
    > PA   101:10 ack 301 client ESTABLISHED  server ESTABLISHED    handshake handshake.ack
    """,
    # A capture that begins with a keep-alive, one below the next number: its answer confirms no FIN.
    "begun with a keep-alive": """
    > A    5000 ack 9000 client ESTABLISHED   server ESTABLISHED    midstream +tcp.midstream
    < A    9000 ack 5001 client ESTABLISHED   server ESTABLISHED    midstream
    > A    5000 ack 9000 client ESTABLISHED   server ESTABLISHED    midstream
    < A    9000 ack 5001 client ESTABLISHED   server ESTABLISHED    midstream
    > PA   5001:5 ack 9000 client ESTABLISHED server ESTABLISHED    midstream
    < A    9000 ack 5007 client FIN-WAIT-2    server CLOSE-WAIT     teardown teardown.ack-1 +tcp.inferred
    """,
    "begun in the middle": """
    > PA   5000:10 ack 9000 client ESTABLISHED server ESTABLISHED   midstream +tcp.midstream
    < A    9000 ack 5010 client ESTABLISHED   server ESTABLISHED    midstream
    < FA   9000 ack 5010 client ESTABLISHED   server FIN-WAIT-1     teardown teardown.fin-1
    """,
    "begins with a FIN": """
    > FA   5000 ack 9000 client FIN-WAIT-1    server ESTABLISHED    teardown teardown.fin-1
    < FA   9000 ack 5001 client FIN-WAIT-2    server LAST-ACK       teardown teardown.ack-1 teardown.fin-2
    """,
    # One direction only: what the client sends proves what it has received.
    "only the client's direction": """
    > S    100           client SYN-SENT      server LISTEN         handshake handshake.syn
    > A    101   ack 301 client ESTABLISHED   server ESTABLISHED    handshake handshake.ack +tcp.inferred
    > PA   101:9 ack 301 client ESTABLISHED   server ESTABLISHED    data
    > A    110   ack 501 client ESTABLISHED   server ESTABLISHED    data
    > FA   110   ack 501 client FIN-WAIT-1    server ESTABLISHED    teardown teardown.fin-1
    > A    111   ack 502 client TIME-WAIT     server CLOSED         teardown teardown.ack-2 +tcp.inferred
    """,
    # A first-seen SYN,ACK: its receiver is the client.
    "only the server's direction": """
    < SA   300   ack 101 client SYN-SENT      server SYN-RECEIVED   handshake handshake.syn-ack +tcp.inferred
    < A    301   ack 120 client ESTABLISHED   server ESTABLISHED    handshake +tcp.inferred
    < PA   301:9 ack 120 client ESTABLISHED   server ESTABLISHED    data
    """,
    # The capture missed the client's FIN: the acknowledgment one past its data covers it.
    "FIN lost in the capture": OPENED
    + """
    > PA   101:20 ack 301 client ESTABLISHED  server ESTABLISHED    data
    < A    301   ack 122 client FIN-WAIT-2    server CLOSE-WAIT     teardown teardown.ack-1 +tcp.inferred
    < FA   301   ack 122 client FIN-WAIT-2    server LAST-ACK       teardown teardown.fin-2
    > A    122   ack 302 client TIME-WAIT     server CLOSED         teardown teardown.ack-2
    """,
    "an octet lost, not a FIN": OPENED
    + """
    > PA   101:20 ack 301 client ESTABLISHED  server ESTABLISHED    data
    < A    301   ack 122 client FIN-WAIT-2    server CLOSE-WAIT     teardown teardown.ack-1
    > PA   122:1 ack 301 client ESTABLISHED   server ESTABLISHED    data +tcp.state.corrected
    """,
    "SYN,ACK and third segment lost in the capture": """
    > S    100           client SYN-SENT      server LISTEN         handshake handshake.syn
    < A    301   ack 101 client ESTABLISHED   server ESTABLISHED    handshake +tcp.inferred
    """,
    "same SYN after a close opens anew": """
    > S    100           client SYN-SENT      server LISTEN         handshake handshake.syn
    < RA   0     ack 101 client CLOSED        server CLOSED         refused reset
    > S    100           client SYN-SENT      server LISTEN         handshake handshake.syn
    """,
    # The same packet captured twice is not a re-sent one.
    "captured twice": """
    > S    100           client SYN-SENT      server LISTEN         handshake handshake.syn
    > S    100  =1       client SYN-SENT      server LISTEN         handshake handshake.syn +tcp.captured-twice
    < SA   300   ack 101 client SYN-SENT      server SYN-RECEIVED   handshake handshake.syn-ack
    < SA   300   ack 101 =3 client SYN-SENT   server SYN-RECEIVED   handshake handshake.syn-ack
    """,
    "flags that mean nothing": """
    > S    100           client SYN-SENT      server LISTEN         handshake handshake.syn
    > SF   100           client SYN-SENT      server LISTEN         handshake +tcp.flags-odd
    > -    100           client SYN-SENT      server LISTEN         handshake +tcp.flags-odd
    > FSRPAU 100         client SYN-SENT      server LISTEN         handshake +tcp.flags-odd
    """,
    # A probe that no TCP sends opens nothing; the answer to it closes nothing that was open.
    "probe with SYN and FIN": """
    > SF   100           client CLOSED        server LISTEN         midstream +tcp.flags-odd
    < RA   0   ack 102   client CLOSED        server CLOSED         reset reset
    """,
    "SYN captured after its answer": """
    < SA   300   ack 101 client SYN-SENT      server SYN-RECEIVED   handshake handshake.syn-ack
    > S    100           client SYN-SENT      server SYN-RECEIVED   handshake handshake.syn
    > A    101   ack 301 client ESTABLISHED   server ESTABLISHED    handshake handshake.ack
    """,
    # Sequence numbers pass through zero.
    "across the wrap": """
    > S    4294967295    client SYN-SENT      server LISTEN         handshake handshake.syn
    < SA   4294967290 ack 0 client SYN-SENT   server SYN-RECEIVED   handshake handshake.syn-ack
    > A    0 ack 4294967291 client ESTABLISHED server ESTABLISHED   handshake handshake.ack
    < FPA  4294967291:10 ack 0 client ESTABLISHED server FIN-WAIT-1 teardown teardown.fin-1
    > FA   0 ack 6       client LAST-ACK      server FIN-WAIT-2     teardown teardown.ack-1 teardown.fin-2
    < A    6 ack 1       client CLOSED        server TIME-WAIT      teardown teardown.ack-2
    """,
}


@pytest.mark.parametrize("name", LADDERS)
def test_ladder(name: str) -> None:
    climb(LADDERS[name])


def test_the_table_holds_only_transitions_of_the_figure() -> None:
    """Every state but LISTEN and CLOSED is reached by some row, and no row stays where it is."""
    reached = set(TRANSITIONS.values())
    assert reached == set(State) - {State.LISTEN}
    assert all(state != following for (state, _), following in TRANSITIONS.items())
