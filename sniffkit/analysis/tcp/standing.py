"""How a TCP conversation stands, in few words: what is told of it in a summary, and what is kept once it is let go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sniffkit.analysis.conversations import Outcome, outcome_of

if TYPE_CHECKING:
    from sniffkit.analysis.tcp.phases import Connection
    from sniffkit.analysis.tcp.states import State


@dataclass(frozen=True, slots=True)
class Standing:
    """How a conversation stands after its latest segment.

    client:  the direction (0 or 1) of the client
    states:  of the end that sends direction 0, and of the other
    over:    both ends have closed
    begun_before: its opening is not in the capture
    completed: at least one end has sent what only an open end sends
    one_way: only one end was captured although the conversation was open (a SYN without answer is no such)
    """

    client: int
    states: tuple[State, State]
    outcome: Outcome
    over: bool
    begun_before: bool
    completed: bool
    one_way: bool

    @classmethod
    def of(cls, connection: Connection) -> Standing:
        """Return how a conversation stands that is followed."""
        one, other = connection.ends
        completed = one.open_shown or other.open_shown
        one_way = completed and not (one.seen and other.seen)
        states = one.state, other.state
        begun_before = connection.begun_in_the_middle
        outcome = outcome_of(connection)
        return cls(connection.client, states, outcome, connection.over, begun_before, completed, one_way)
