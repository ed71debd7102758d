"""What the opening of a stream settles for the rest of it: window scale, initial round-trip time, completeness.

These depend on flags, times and options alone, not on sequence numbers. Rules as in Wireshark 4.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.segments import ACK, FIN, RST, SYN
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.segments import Segments
    from sniffkit.analysis.tcp.lanes import CarriedState, Groups

UNKNOWN_SCALE, NO_SCALE = -1, -2
"""The window scale when the handshake was not seen, and when one side did not offer it (RFC 7323 section 2.2)."""
LARGEST_SCALE = 14
"""RFC 7323 section 2.3."""

_ROUNDS = 6


@dataclass(slots=True)
class Scales:
    """Window scales that hold *before* each segment, int16 (m,) in stream order."""

    own: NDArray[np.int16]
    other: NDArray[np.int16]


def window_scales(segments: Segments, groups: Groups, flags: NDArray[np.uint16], carried: CarriedState) -> Scales:
    """Return the window scales in force at each segment and carry them on.

    flags: uint16 (m,) in stream order
    """
    scale = carried.lane["scale"][groups.slot]
    first, second = scale[:, 0][groups.of], scale[:, 1][groups.of]
    option = segments.scale_shift[groups.order]
    events = np.flatnonzero((((flags & SYN) != 0) | (option >= 0)) & segments.header_ok[groups.order])
    if len(events):
        group = groups.of[events]
        # a SYN whose options were cut does not say that it has none
        syn = np.where(segments.options_ok[groups.order][events], flags[events] & (SYN | ACK), 0)
        after = _settle(scale, group, groups.second[events], syn, option[events])
        carried.lane["scale"][groups.slot] = scale
        happened = np.zeros(len(flags), np.int64)
        happened[events] = 1
        latest = np.cumsum(happened) - happened - 1  # index into events of the latest one before each place
        known = latest >= np.searchsorted(group, np.arange(len(groups.start)))[groups.of]
        first = np.where(known, after[latest, 0], first)
        second = np.where(known, after[latest, 1], second)
    return Scales(np.where(groups.second, second, first), np.where(groups.second, first, second))


def _settle(
    scale: NDArray[np.int16],
    group: NDArray[np.int64],
    second: NDArray[np.bool_],
    syn: NDArray[Any],
    option: NDArray[np.int16],
) -> NDArray[np.int16]:
    """Read SYNs and scale options in order; bring ``scale`` (g, 2) up to date and return it after each event.

    The k-th events of all streams are read together, since one stream's do not touch another's.
    """
    after = np.empty((len(group), 2), np.int16)
    begins = np.flatnonzero(np.append(True, group[1:] != group[:-1]))
    rank = np.arange(len(group)) - np.repeat(begins, np.diff(np.append(begins, len(group))))
    for turn in range(min(int(rank.max()) + 1, _ROUNDS)):
        at = np.flatnonzero(rank == turn)
        of, side = group[at], second[at].astype(np.int64)
        own, other = scale[of, side], scale[of, 1 - side]
        own = np.where(option[at] >= 0, np.minimum(option[at], LARGEST_SCALE), own)
        unscaled = (syn[at] & SYN != 0) & (own == UNKNOWN_SCALE)
        answer = (syn[at] == (SYN | ACK)) & (other == NO_SCALE)
        own = np.where(unscaled | answer, NO_SCALE, own)
        other = np.where(unscaled, NO_SCALE, other)
        scale[of, side], scale[of, 1 - side] = own, other
        after[at] = scale[of]
    for event in np.flatnonzero(rank >= _ROUNDS).tolist():
        both, mine = scale[group[event]], int(second[event])
        if option[event] >= 0:
            both[mine] = min(int(option[event]), LARGEST_SCALE)
        if syn[event] & SYN and both[mine] == UNKNOWN_SCALE:
            both[:] = NO_SCALE
        elif syn[event] == (SYN | ACK) and both[1 - mine] == NO_SCALE:
            both[mine] = NO_SCALE
        after[event] = both
    return after


def initial_round_trips(
    segments: Segments, groups: Groups, flags: NDArray[np.uint16], carried: CarriedState
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the initial round-trip time known before and after each segment, int64 (m,) in stream order, 0 = not yet.

    It is the time from the newest SYN to the first segment with ACK and without SYN.
    """
    rtt = carried.stream["initial_rtt_ns"][groups.slot]
    syn_time = carried.stream["syn_time_ns"][groups.slot]
    value = rtt[groups.of]
    syn = (flags & (SYN | ACK)) == SYN
    any_syn = syn.any()
    if not any_syn and not ((rtt == 0) & (syn_time != 0)).any():
        return value, value
    time = segments.time_ns[groups.order]
    time = np.where(time == NO_TIME, 0, time)
    sent = syn_time[groups.of]
    if any_syn:
        place = np.arange(len(flags))
        latest = np.maximum.accumulate(np.where(syn, place, -1))
        sent = np.where(latest >= groups.start[groups.of], time[latest], sent)
        last = np.append(groups.start[1:], len(flags)) - 1
        carried.stream["syn_time_ns"][groups.slot] = sent[last]
    answers = np.flatnonzero(((flags & (SYN | ACK)) == ACK) & (value == 0) & (sent != 0) & (time != sent))
    if len(answers):
        of = groups.of[answers]
        first = answers[np.flatnonzero(np.append(True, of[1:] != of[:-1]))]
        of = groups.of[first]
        rtt[of] = time[first] - sent[first]
        carried.stream["initial_rtt_ns"][groups.slot] = rtt
        begin = np.full(len(groups.start), len(flags))
        begin[of] = first
        begins = begin[groups.of]
        after = np.where(np.arange(len(flags)) >= begins, rtt[groups.of], value)
        return np.where(np.arange(len(flags)) > begins, after, value), after
    return value, value


def completeness_bits(
    segments: Segments,
    groups: Groups,
    flags: NDArray[np.uint16],
    opened: NDArray[np.bool_],
    reused: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    """Return what each segment adds to tcp.completeness: uint8 (m,) in stream order.

    1 SYN, 2 SYN,ACK, 4 ACK, 8 ACK with payload, 16 FIN, 32 RST. Of the first packet of a stream only a SYN and its
    payload count, and on reused ports its RST in place of the payload.
    """
    some = segments.length[groups.order] > 0
    synchronised = flags & (SYN | ACK)
    ack = (flags & ACK) != 0
    bits = np.where(synchronised == (SYN | ACK), 2, 0)
    bits |= np.where(synchronised == ACK, np.where(some, 8, 4), 0)
    bits |= np.where(ack & ((flags & FIN) != 0), 16, 0)
    bits |= np.where((flags & RST) != 0, 32, 0)
    opening = np.where(reused, 1 | (bits & 32), np.where(synchronised == SYN, np.where(some, 9, 1), 0))
    bits = np.where(opened, opening, bits)
    return np.where(segments.header_ok[groups.order], bits, 0).astype(np.uint8)


def completeness_before(
    groups: Groups, bits: NDArray[np.uint8], carried: NDArray[np.uint8], reused: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Return tcp.completeness as tshark prints it, the state *before* each segment: uint8 (m,) in stream order.

    carried: uint8 (g,) the state before the batch. A stream on reused ports shows its SYN on the first segment.
    """
    place = np.arange(len(bits))
    value = carried[groups.of]
    for bit in (1, 2, 4, 8, 16, 32):
        having = np.where(bits & bit, place, len(bits))
        first = np.minimum.reduceat(having, groups.start) if len(bits) else having
        value |= np.where(place > first[groups.of], np.uint8(bit), np.uint8(0))
    return np.where(reused, value | np.uint8(1), value)
