"""Which lesson a step of TCP needs: the same flags mean different things when both ends open or close at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.analysis.segments import ACK, SYN
from sniffkit.analysis.tcp.phases import Phase
from sniffkit.analysis.tcp.states import State

if TYPE_CHECKING:
    from sniffkit.analysis.capture import BatchFacts


def states_of(facts: BatchFacts, at: int) -> tuple[tuple[State, State], tuple[State, State]]:
    """Return the sender's states before and after the segment, and the receiver's."""
    packed = int(facts.tcp.states[at])
    client = State(packed & 15), State(packed >> 4 & 15)
    server = State(packed >> 8 & 15), State(packed >> 12 & 15)
    return (client, server) if facts.tcp.from_client[at] else (server, client)


def step_lessons(facts: BatchFacts, at: int, sequence: int) -> list[tuple[str, str]]:
    """Return the id of each step's lesson with the key of its text.

    sequence: the segment's sequence number relative to its direction's first.
    """
    steps = facts.tcp.steps.get(at, ())
    (before, after), (receiver_before, receiver_after) = states_of(facts, at)
    lessons = []
    for step in steps:
        id = key = f"tcp.{step}"
        if step == "reset":
            id = key = _why_reset(facts, at, sequence)
        elif step == "handshake.syn-ack" and before in (State.SYN_SENT, State.SYN_RECEIVED):
            key += ".simultaneous"  # figure 7: its sender has asked as well
        elif step == "teardown.fin-2" and after == State.FIN_WAIT_1:
            key += ".crossed"
        elif step in ("teardown.ack-1", "teardown.ack-2") and after == receiver_after == State.CLOSING:
            key = "tcp.teardown.ack.crossed-first"
        elif step in ("teardown.ack-1", "teardown.ack-2") and before == receiver_before == State.CLOSING:
            key = "tcp.teardown.ack.crossed-second"
        elif step == "teardown.ack-1" and "teardown.fin-2" in steps:
            key += ".with-fin"
        lessons.append((id, key))
    if "teardown.ack-1" in steps and "teardown.fin-2" in steps:
        lessons.append(("tcp.close.three", "tcp.close.three"))
    if "handshake.ack" in steps and "teardown.fin-1" in steps:
        lessons.append(("tcp.close.open-with-fin", "tcp.close.open-with-fin"))
    return lessons


def _why_reset(facts: BatchFacts, at: int, sequence: int) -> str:
    """Return which of a reset's causes it is, as far as one segment and both ends' states show it."""
    if int(facts.tcp.phase[at]) == Phase.REFUSED:
        return "tcp.refused"
    (before, _), (receiver_before, receiver_after) = states_of(facts, at)
    if receiver_before == State.SYN_RECEIVED and receiver_after == State.LISTEN:
        return "tcp.reset.old-duplicate"
    if before == State.SYN_SENT and sequence != 1 and not int(facts.segments.flags[at]) & ACK:
        return "tcp.reset.half-open"  # its number is the one that the stray acknowledgment asked for
    if before == State.CLOSED:
        return "tcp.reset.gone"
    return "tcp.reset"


def marks_to_tell(facts: BatchFacts, at: int, names: list[str], told: set[str]) -> list[str]:
    """Leave out marks whose sentence would be untrue or said already: a mark knows numbers, not steps.

    told: ids of the facts of this segment.
    """
    untold: set[str] = set()
    flags = int(facts.segments.flags[at])
    if flags & SYN:  # nothing comes before a SYN, and whether it comes again is said by its step
        untold |= {"retransmission", "lost_segment"}
        if flags & ACK:
            untold.add("reused_ports")  # the SYN before it said so
    if "handshake.ack" in facts.tcp.steps.get(at, ()):
        untold |= {"keep_alive", "duplicate_ack", "ack_lost_segment"}
    if told & {"tcp.inferred", "tcp.half-open", "tcp.ack-not-of-syn"}:
        untold.add("ack_lost_segment")
    if "tcp.flags-odd" in told:
        untold |= {"keep_alive", "retransmission"}
    if int(facts.tcp.phase[at]) in (Phase.TEARDOWN, Phase.AFTER_CLOSE):
        untold.add("duplicate_ack")  # nothing more is awaited: it confirms a FIN again
    return [name for name in names if name not in untold]
