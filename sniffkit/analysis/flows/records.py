"""What is known of one conversation, as a typed record: who, how much, how it opened and closed, what went wrong.

The records are not frozen: to make a frozen one takes Python three times as long, and there may be millions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sniffkit.analysis.conversations import Closed, ClosedBy, Opened
from sniffkit.analysis.flows.icmp_errors import IcmpError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffkit.analysis.flows.flow_columns import FlowColumns

FlowProtocol = Literal["tcp", "udp", "icmp"]


@dataclass(slots=True)
class AnswerTime:
    """How long an end takes to acknowledge what it is sent, seen from the capture point, in nanoseconds."""

    least: int
    median: int
    greatest: int
    count: int


@dataclass(slots=True)
class FlowEnd:
    """One end of a conversation, and what it sent.

    ip_bytes: octets of its IP datagrams, payload_bytes: of what TCP, UDP or ICMP echo carried
    port:     None for ICMP echo
    The rest is TCP's: its state now; segments it sent that were repeats, out of order, after a gap, duplicate acks,
    keep-alives, with a window of zero, or filling the other's window; the options of its SYN (None: not seen or not
    there); and how long it took to acknowledge.
    """

    address: str
    port: int | None
    packets: int
    ip_bytes: int
    payload_bytes: int
    state: str | None = None
    retransmissions: int = 0
    fast_retransmissions: int = 0
    spurious_retransmissions: int = 0
    out_of_order: int = 0
    lost_segments: int = 0
    duplicate_acks: int = 0
    keep_alives: int = 0
    zero_windows: int = 0
    window_full: int = 0
    mss: int | None = None
    window_scale: int | None = None
    sack_permitted: bool | None = None
    timestamps: bool | None = None
    answer: AnswerTime | None = None
    syns: int = 0


@dataclass(slots=True)
class Flow:
    """One conversation, or one part of it (``part`` counts on where it was let go for idleness and went on).

    stream:       tcp.stream, udp.stream; of ICMP echo its number in order of appearance
    identifier:   of ICMP echo (RFC 792)
    start_ns, duration_ns: None where packets have no time
    handshake_ns: from SYN to the third segment; handshake_server_ns: of that, from SYN to its answer, the part between
                  the capture point and the server. None where something was sent again or not captured
    silence_ns, silence_packet: the longest time between two packets, and the packet that ended it
    repeated_last: segments that were sent again, and keep-alives, after the last packet of the other end
    course:       words on how it went (``outcomes.COURSE``)
    icmp_error:   what an ICMP error says of its packets, None where none came
    """

    protocol: FlowProtocol
    stream: int
    part: int
    client: FlowEnd
    server: FlowEnd
    start_ns: int | None
    duration_ns: int | None
    first_packet: int
    last_packet: int
    silence_ns: int
    silence_packet: int
    conn_state: str
    history: str
    identifier: int | None = None
    opened: Opened | None = None
    closed: Closed | None = None
    closed_by: ClosedBy = None
    handshake_ns: int | None = None
    handshake_server_ns: int | None = None
    repeated_last: int = 0
    last_sender: Literal["client", "server"] = "client"
    course: tuple[str, ...] = ()
    icmp_error: IcmpError | None = None

    @property
    def midstream(self) -> bool:
        """Whether the capture began in its middle."""
        return self.opened == "midstream"

    @property
    def packets(self) -> int:
        """Packets both ways."""
        return self.client.packets + self.server.packets

    @property
    def ip_bytes(self) -> int:
        """Octets of IP datagrams both ways."""
        return self.client.ip_bytes + self.server.ip_bytes

    @property
    def retransmissions(self) -> int:
        """Segments sent again, both ways."""
        return self.client.retransmissions + self.server.retransmissions

    def role(self, end: FlowEnd) -> Literal["client", "server"]:
        """Return which of its two ends this is."""
        return "client" if end is self.client else "server"


_BEFORE = ("protocol", "stream", "part")
_AFTER = (
    "start", "duration_ns", "first_packet", "last_packet", "silence_ns", "silence_packet", "conn_state", "history",
    "identifier", "opened", "closed", "closed_by", "handshake_ns", "handshake_server_ns", "repeated_last",
    "last_sender", "course", "icmp_error",
)  # fmt: skip
_TIMES = ("ack_least_ns", "ack_median_ns", "ack_greatest_ns", "answers")
_END = (
    "address", "port", "packets", "ip_bytes", "payload_bytes", "state", "retransmissions", "fast_retransmissions",
    "spurious_retransmissions", "out_of_order", "lost_segments", "duplicate_acks", "keep_alives", "zero_windows",
    "window_full", "mss", "window_scale", "sack_permitted", "timestamps",
)  # fmt: skip
"""Columns in the order in which the records above take them."""

_COUNTS = frozenset(_END[_END.index("retransmissions") : _END.index("mss")])
"""What TCP counts: 0 in the records of other protocols, too, so that sums need no care; nothing in their columns."""


def flow_records(columns: FlowColumns) -> Iterator[Flow]:
    """Yield a record for each row of the columns of conversations."""
    before, after = ([columns[name].tolist() for name in names] for names in (_BEFORE, _AFTER))
    ends = [_ends(columns, role) for role in ("client", "server")]
    for values in zip(*before, *ends, *after, strict=True):
        yield Flow(*values)


def _ends(columns: FlowColumns, role: str) -> list[FlowEnd]:
    times = zip(*(columns[f"{role}_{name}"].tolist() for name in _TIMES), strict=True)
    answers = [AnswerTime(*four) if four[3] else None for four in times]
    fields = [_values(columns[f"{role}_{name}"], name in _COUNTS) for name in _END]
    return [FlowEnd(*values) for values in zip(*fields, answers, columns[f"{role}_syns"].tolist(), strict=True)]


def _values(column: Any, counted: bool) -> list[Any]:
    values: list[Any] = (column.values if counted else column).tolist()
    return values
