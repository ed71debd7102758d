"""What the opening of a stream settles for the rest of it: window scale, initial round-trip time, completeness.

These depend on flags, times and options alone, not on sequence numbers. Rules as in Wireshark 4.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.segments import ACK, FIN, RST, SYN
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.segments import Segments
    from sniffkit.analysis.tcp.lanes import Groups

UNKNOWN_SCALE, NO_SCALE = -1, -2
"""The window scale when the handshake was not seen, and when one side did not offer it (RFC 7323 section 2.2)."""
LARGEST_SCALE = 14
"""RFC 7323 section 2.3."""

_ROUNDS = 6
_TURNS = 8
_SEGMENT_BITS = 40
_NEVER = 1 << 62


@dataclass(slots=True)
class WindowScales:
    """Window scales in the streams of a batch; ``lane`` counts directions: two times the stream's place, plus 0 or 1.

    begun, settled: int16 (g, 2) before the batch, and after it
    last:  int64 (g,) the latest segment that says something about them, -1 where none does
    key:   int64 (k,) all such segments, the stream's place 2^40 times; after: int16 (k, 2) what holds after each
    """

    begun: NDArray[np.int16]
    settled: NDArray[np.int16]
    last: NDArray[np.int64]
    key: NDArray[np.int64]
    after: NDArray[np.int16]

    def before(self, lane: NDArray[np.int64], segment: NDArray[np.int64]) -> NDArray[np.int16]:
        """Return the scale of directions that holds before segments of their streams: int16 (n,)."""
        group = lane >> 1
        scale = self.settled.reshape(-1)[lane]
        early = np.flatnonzero(segment <= self.last[group])
        if len(early):
            lane, group = lane[early], group[early]
            at = np.searchsorted(self.key, (group << _SEGMENT_BITS) + segment[early]) - 1
            known = (at >= 0) & (self.key[at] >> _SEGMENT_BITS == group)
            after = self.after.reshape(-1)[2 * at + (lane & 1)]
            scale[early] = np.where(known, after, self.begun.reshape(-1)[lane])
        return scale


def window_scales(
    segments: Segments, groups: Groups, flags: NDArray[np.uint16], syn: NDArray[np.int64], begun: NDArray[np.int16]
) -> WindowScales:
    """Return the window scales in force in a batch.

    flags: uint16 (m,) in stream order; syn: int64, the places of the SYNs there; begun: int16 (g, 2) before the batch
    """
    begun, scale = begun.copy(), begun.copy()
    last = np.full(len(scale), -1)
    events = _saying(segments, groups, flags, syn)
    group, segment = groups.of[events], groups.order[events]
    whole = segments.header_ok[segment]
    if not whole.all():
        events, group, segment = events[whole], group[whole], segment[whole]
    option = segments.scale_shift[segment]
    # a SYN whose options were cut does not say that it has none
    kind = np.where(segments.options_ok[segment], flags[events] & (SYN | ACK), 0)
    after = _settle(scale, group, groups.second[events], kind, option)
    last[group] = segment
    return WindowScales(begun, scale, last, (group << _SEGMENT_BITS) + segment, after)


def _saying(segments: Segments, groups: Groups, flags: NDArray[np.uint16], syn: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of segments that say something of the window scale: SYNs, and others with the option."""
    others = (segments.scale_shift >= 0).nonzero()[0]
    others = others[(segments.flags[others] & SYN) == 0]
    if not len(others):
        return syn
    says = np.zeros(len(flags), np.bool_)
    says[others] = True
    says = says.take(groups.order)
    says[syn] = True
    return says.nonzero()[0]


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
    if not len(group):
        return after
    place = np.arange(len(group))
    begins = np.ones(len(group), np.bool_)
    np.not_equal(group[1:], group[:-1], out=begins[1:])
    rank = place - np.maximum.accumulate(np.where(begins, place, 0))
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


@dataclass(slots=True)
class InitialRoundTrips:
    """The initial round-trip time of the streams of a batch, nanoseconds, 0 = not known yet.

    begun, settled: int64 (g,) before the batch, and after it; since: int64 (g,) the segment that made it known
    """

    begun: NDArray[np.int64]
    settled: NDArray[np.int64]
    since: NDArray[np.int64]

    def before(self, group: NDArray[np.int64], segment: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what is known before segments of streams."""
        return np.where(segment > self.since[group], self.settled[group], self.begun[group])

    def upto(self, group: NDArray[np.int64], segment: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what is known with segments of streams."""
        return np.where(segment >= self.since[group], self.settled[group], self.begun[group])


def initial_round_trips(
    segments: Segments, groups: Groups, flags: NDArray[np.uint16], syn: NDArray[np.int64], carried: NDArray[Any]
) -> InitialRoundTrips:
    """Return the initial round-trip times in a batch and carry them on.

    It is the time from the newest SYN to the first segment with ACK and without SYN.
    flags: uint16 (m,) in stream order; syn: int64, the places there of SYNs without ACK; carried: STREAM_STATE (g,)
    """
    begun, syn_time = carried["initial_rtt_ns"].copy(), carried["syn_time_ns"].copy()
    told = InitialRoundTrips(begun, begun, np.full(len(begun), _NEVER))
    waiting = ((begun == 0) & (syn_time != 0)).nonzero()[0]
    if not len(syn) and not len(waiting):
        return told
    sent = segments.time_ns[groups.order[syn]]
    sent[sent == NO_TIME] = 0
    of = groups.of[syn]
    place = np.concatenate((groups.start[waiting], syn + 1))
    group, since = np.concatenate((waiting, of)), np.concatenate((syn_time[waiting], sent))
    syn_time[of] = sent
    carried["syn_time_ns"] = syn_time
    asks = np.flatnonzero((since != 0) & (begun[group] == 0))
    answer = _first_answer(segments, groups, flags, place[asks], group[asks], since[asks])
    found = np.flatnonzero(answer >= 0)
    found = found[np.argsort(-answer[found], kind="stable")]  # of several of one stream the first one stays
    group, segment = group[asks[found]], groups.order[answer[found]]
    time = segments.time_ns[segment]
    told.settled = begun.copy()
    told.settled[group] = np.where(time == NO_TIME, 0, time) - since[asks[found]]
    told.since[group] = segment
    carried["initial_rtt_ns"] = told.settled
    return told


def _first_answer(
    segments: Segments,
    groups: Groups,
    flags: NDArray[np.uint16],
    place: NDArray[np.int64],
    group: NDArray[np.int64],
    since: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the first segment with ACK and without SYN, from ``place`` on, at another time than ``since``.

    Places in stream order, int64 (k,), -1 where the stream has none before its next SYN. All go forward together, a
    segment a turn: the answer is nearly always the second one.
    """
    answer = np.full(len(place), -1)
    end = groups.last[group] + 1
    going = np.arange(len(place))
    for _ in range(_TURNS):
        going = going[place[going] < end[going]]
        if not len(going):
            return answer
        at = place[going]
        kind = flags[at] & (SYN | ACK)
        time = segments.time_ns[groups.order[at]]
        answers = (kind == ACK) & (np.where(time == NO_TIME, 0, time) != since[going])
        answer[going[answers]] = at[answers]
        going = going[~answers & (kind != SYN)]
        place[going] += 1
    kinds = flags & (SYN | ACK)
    for ask in going.tolist():  # a stream of many segments without ACK: about never
        mine = slice(int(place[ask]), int(end[ask]))
        time = segments.time_ns[groups.order[mine]]
        stops = (kinds[mine] == SYN) | ((kinds[mine] == ACK) & (np.where(time == NO_TIME, 0, time) != since[ask]))
        first = np.flatnonzero(stops)[:1]
        if len(first) and kinds[mine][first[0]] == ACK:
            answer[ask] = int(place[ask]) + int(first[0])
    return answer


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
    bits: NDArray[np.uint8] = _bits_of_flags()[(flags & 0xFF) | (some.astype(np.uint16) << np.uint16(8))]
    begin = np.flatnonzero(opened)
    opening = np.where((flags[begin] & (SYN | ACK)) == SYN, np.where(some[begin], 9, 1), 0)
    bits[begin] = np.where(reused[begin], (bits[begin] & 32) | 1, opening)
    if not segments.header_ok.all():
        bits[~segments.header_ok[groups.order]] = 0
    return bits


@cache
def _bits_of_flags() -> NDArray[np.uint8]:
    """Return what a segment adds by the lower eight flags, with payload (from 256 on) and without: uint8 (512,)."""
    flags = np.arange(512)
    synchronised = flags & (SYN | ACK)
    bits = np.where(synchronised == (SYN | ACK), 2, 0)
    bits |= np.where(synchronised == ACK, np.where(flags >= 256, 8, 4), 0)
    bits |= np.where(((flags & ACK) != 0) & ((flags & FIN) != 0), 16, 0)
    bits |= np.where((flags & RST) != 0, 32, 0)
    return bits.astype(np.uint8)


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
