"""What the analysis knows of one packet, in the form in which reasons are made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.analysis.segments import SYN
from sniffkit.analysis.tcp.mark_names import Mark, names_of
from sniffkit.analysis.tcp.phases import Phase
from sniffkit.analysis.tcp.states import LABELS
from sniffkit.explanations.asked_field import FieldFacts

if TYPE_CHECKING:
    from sniffkit.analysis.capture import BatchFacts
    from sniffkit.protocols.checksum import Checksum
    from sniffkit.protocols.packet import Layer

_PHASES = tuple(phase.label for phase in Phase)


def field_facts(facts: BatchFacts, row: int) -> FieldFacts:
    """Return what is known of the outermost TCP segment or UDP datagram of a packet; nothing of a quoted one."""
    at = int(facts.tcp_at[row])
    if at < 0:
        stream = int(facts.udp_stream[row])
        return FieldFacts(stream=stream) if stream >= 0 else FieldFacts()
    segments, numbers, tcp, marks = facts.segments, facts.numbers, facts.tcp, facts.marks
    length = int(segments.length[at])
    if length < 0:
        return FieldFacts()
    states, scale = int(tcp.states[at]), int(marks.window_scale[at])
    known = FieldFacts(
        stream=int(numbers.stream[at]),
        sender="client" if tcp.from_client[at] else "server",
        phase=_PHASES[tcp.phase[at]],
        steps=tcp.steps.get(at, ()),
        marks=tuple(names_of(int(marks.mask[at]) & ~Mark.CAPTURED_TWICE)),
        client=(LABELS[states & 15], LABELS[states >> 4 & 15]),
        server=(LABELS[states >> 8 & 15], LABELS[states >> 12 & 15]),
        relative_seq=int(numbers.sequence[at]),
        relative_ack=int(numbers.acknowledgment[at]),
        next_seq=int(numbers.next_sequence[at]),
        payload_length=length,
    )
    if not int(segments.flags[at]) & SYN:  # the window of a SYN is never scaled (RFC 7323 section 2.2)
        known["window_scale"] = scale
        known["window_scaled"] = int(marks.window_size[at]) if scale >= 0 else None
    if tcp.answers[at] and tcp.elapsed_ns[at] >= 0:
        known["acked_packet"] = int(tcp.answers[at])
        known["acked_rtt_ns"] = int(tcp.elapsed_ns[at])
    if tcp.advance[at] >= 0:
        known["ack_advance"] = int(tcp.advance[at])
    return known


def checksum_state(layer: Layer) -> str:
    """Return how a layer's checksum fares: ``good``, ``bad``, ``offload`` or ``unchecked``; "" where it has none."""
    checksum: Checksum | None = layer.checksum
    if checksum is None:
        return ""
    if checksum.expected is None:
        return "unchecked"
    return "offload" if checksum.unfinished else "good" if checksum.state else "bad"


def vendors(layer: Layer) -> FieldFacts:
    """Return who made the network cards of a frame, as far as their addresses tell."""
    from sniffkit.protocols.beyond import mac_vendor

    known = FieldFacts()
    source, destination = layer.first("eth.src"), layer.first("eth.dst")
    if source is not None and isinstance(source.value, str) and (maker := mac_vendor(source.value)):
        known["vendor_eth_src"] = maker
    if destination is not None and isinstance(destination.value, str) and (maker := mac_vendor(destination.value)):
        known["vendor_eth_dst"] = maker
    return known
