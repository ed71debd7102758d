"""What is known of each end of a TCP connection, and one segment as the state machine reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sniffkit.analysis.tcp.phases import Phase
    from sniffkit.analysis.tcp.states import State


MOST_SENT = 10_000
"""How many unconfirmed segments of one end are remembered."""


def ahead(a: int, b: int) -> int:
    """Return how far ``a`` is ahead of ``b`` on the circle of 2^32 sequence numbers, negative when behind."""
    return ((a - b + 0x80000000) & 0xFFFFFFFF) - 0x80000000


class End:
    """What is known of one end of a connection from the segments seen so far."""

    __slots__ = (
        "acknowledged",
        "fin",
        "fin_acknowledged",
        "fin_inferred",
        "fin_order",
        "first",
        "last",
        "listened",
        "next",
        "open_shown",
        "scale",
        "seen",
        "sent",
        "state",
        "syn",
        "syn_count",
        "syn_time",
        "window",
    )

    def __init__(self, state: State) -> None:
        self.state = state
        self.seen = False
        self.syn: int | None = None  # sequence number of its SYN
        self.syn_count = 0
        self.syn_time = 0
        self.listened = False  # came to SYN-RECEIVED from LISTEN, so a reset leads back there
        self.open_shown = False  # has sent something that only an ESTABLISHED end sends
        self.first: int | None = None  # the first sequence number seen of it
        self.next: int | None = None  # one past the highest sequence number known to have left it
        self.acknowledged: int | None = None  # its latest acknowledgment number
        self.window = 0
        self.scale = -1  # shift count of its window scale option; -1 unknown
        self.fin: int | None = None  # one past its FIN
        self.fin_order = 0  # 1 for the end that closed first
        self.fin_acknowledged = False
        self.fin_inferred = False
        self.sent: dict[int, tuple[int, int]] = {}  # what awaits confirmation: one past its end -> packet, time
        self.last: tuple[int, Phase, tuple[str, ...]] | None = None

    def confirm(self, acknowledgment: int) -> tuple[int, int] | None:
        """Return packet and time of the segment that an acknowledgment covers to its end; forget all it covers."""
        found = self.sent.get(acknowledgment)
        self.sent = {end: sent for end, sent in self.sent.items() if ahead(end, acknowledgment) > 0}
        return found


class Segment:
    """One TCP header as the state machine reads it (plain integers, one object a packet that needs it)."""

    __slots__ = (
        "acknowledgment",
        "direction",
        "flags",
        "length",
        "number",
        "scale",
        "sequence",
        "time_ns",
        "twice",
        "window",
    )

    def __init__(
        self,
        number: int,
        time_ns: int,
        direction: int,
        sequence: int,
        acknowledgment: int,
        flags: int,
        length: int = 0,
        window: int = 0,
        scale: int = -1,
        twice: int = 0,
    ) -> None:
        self.number = number
        self.time_ns = time_ns
        self.direction = direction
        self.sequence = sequence
        self.acknowledgment = acknowledgment
        self.flags = flags
        self.length = length
        self.window = window
        self.scale = scale
        self.twice = twice  # number of the packet that this one is a second capture of, or 0
