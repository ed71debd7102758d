"""Zeek's letters and words once more, slowly and in the order of its rules: every packet, every octet, no short cut.

Written from the rules alone, to be compared with ``sniffkit.analysis.zeek``. What was seen of an end is a list of
intervals; what an acknowledgment shows to be lost is whatever lies between them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sniffkit.analysis.segments import ACK, FIN, RST, SYN
from sniffkit.analysis.zeek.endpoint import MOST_BLOCKS

CIRCLE = 2**32
FAR = 2**30
HANDSHAKE = ("SYN_SENT", "SYN_ACK_SENT")


def distance(a: int, b: int) -> int:
    """How far ``a`` is after ``b`` on the circle of sequence numbers, negative before it."""
    return (a - b + CIRCLE // 2) % CIRCLE - CIRCLE // 2


def united(intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for begin, end in sorted(intervals):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((begin, end))
    return found


@dataclass
class Side:
    """One end; all numbers but ``start``, ``last`` and ``acked`` count from ``start``."""

    state: str = "INACTIVE"
    before: str = "INACTIVE"
    start: int = 0
    last: int = 0
    sent: int = 0  # of last, counted on past the circle
    acked: int = 0
    written: dict[str, int] = field(default_factory=dict)  # a letter once written, and its latest number
    counts: dict[str, int] = field(default_factory=dict)
    fin: int | None = None
    seen: list[tuple[int, int]] = field(default_factory=lambda: [(-CIRCLE, 1)])
    stopped: bool = False

    def become(self, state: str) -> None:
        if state != self.state:
            self.before, self.state = self.state, state

    def relative(self, number: int) -> int:
        """How far a number is from the start, in the round nearest to the highest number sent."""
        if self.sent < FAR:
            return distance(number, self.start)
        return min((number - self.start + turn * CIRCLE for turn in range(-1, 9)), key=lambda at: abs(at - self.sent))

    @property
    def whole(self) -> bool:
        return self.state == "ESTABLISHED" or (self.state == "CLOSED" and self.before == "ESTABLISHED")


class Model:
    """One connection; ``flags`` are those of its first packet, sent by ``side``."""

    def __init__(self, side: int, turned: bool) -> None:
        self.sides = Side(), Side()
        self.originator = 1 - side if turned else side
        self.history = "^" if turned else ""
        self.begun_before = False

    def write(self, side: int, letter: str) -> None:
        self.history += letter.upper() if side == self.originator else letter.lower()

    def count(self, side: int, letter: str) -> None:
        """W, T and G: at the first, tenth, hundredth ... time."""
        counts = self.sides[side].counts
        counts[letter] = counts.get(letter, 0) + 1
        if re.fullmatch("10*", str(counts[letter])):
            self.write(side, letter)

    def packet(self, side: int, flags: int, seq: int, ack: int, length: int, window: int) -> None:
        me, peer = self.sides[side], self.sides[1 - side]
        syn, fin, rst = bool(flags & SYN), bool(flags & FIN), bool(flags & RST)
        end = seq + (0 if rst else length) + syn + fin
        if me.state == "INACTIVE":
            if side == self.originator:
                self.begun_before = flags & (SYN | ACK) != SYN
            elif not self.begun_before and peer.state != "INACTIVE":
                self.begun_before = not syn
        self.measure(me, syn, seq, end)
        relative = me.relative(seq)
        self.letter(side, flags, relative, length)
        if window == 0 and not rst and peer.state != "CLOSED" and me.state != "RESET":
            self.count(side, "W")
        if fin:
            me.fin = relative + end - seq
        confirmed = self.confirm(peer, flags, ack) if flags & ACK else 0
        self.advance(side, flags, end, length)
        self.move(side, flags, length)
        if flags & ACK:
            self.lost(1 - side, confirmed)
        if length > 0 and not rst and relative >= 0 and not me.stopped:
            me.seen = united([*me.seen, (relative + syn, relative + syn + length)])
            first, *above = me.seen
            # Only what was added now can stop it: above a hole at the very beginning, with nothing acknowledged.
            if above and relative + syn > first[1] == 1 and me.acked == me.start:
                me.stopped = sum(stop - begin for begin, stop in above) > 16 * 1024
                me.seen = [first] if me.stopped else me.seen
            if len(me.seen) - 1 > MOST_BLOCKS:  # the lowest hole is taken for filled
                me.seen = united([*me.seen, (-CIRCLE, me.seen[1][1])])

    def measure(self, me: Side, syn: bool, seq: int, end: int) -> None:
        if me.state == "INACTIVE":
            me.start = me.acked = (seq if syn else seq - 1) % CIRCLE
            me.last = (end if syn else seq) % CIRCLE
            me.sent = distance(me.last, me.start)
        elif syn:
            another = me.state in HANDSHAKE and seq != me.start
            if another or me.state in ("ESTABLISHED", "PARTIAL") or (me.state, me.before) == ("RESET", "INACTIVE"):
                me.start, me.acked, me.last, me.sent = seq, seq, end % CIRCLE, end - seq

    def letter(self, side: int, flags: int, relative: int, length: int) -> None:
        three = flags & (SYN | FIN | RST)
        many = {SYN: ("H" if flags & ACK else "S", relative), FIN: ("F", relative + length), RST: ("R", relative)}
        written = self.sides[side].written
        if three in many:
            letter, number = many[three]
            kind = letter.replace("H", "S")
            if written.get(kind) != number:
                self.write(side, letter)
            written[kind] = number
            return
        if three:
            letter = "I" if flags & FIN and flags & RST else "Q"
        else:
            letter = "D" if length else "A" if flags & ACK else ""
        if not letter or letter in written:
            return
        written[letter] = 0
        if letter in "DA" and self.history == "H":
            self.originator, self.history, self.begun_before = 1 - self.originator, "^h", False
        self.write(side, letter)

    def confirm(self, peer: Side, flags: int, ack: int) -> int:
        """Move what of the peer is acknowledged; return the number from its start, 0 where it counts for nothing."""
        if peer.state == "INACTIVE":
            peer.start = peer.acked = peer.last = (ack - 1) % CIRCLE
            return 1
        relative = peer.relative(ack)
        if relative < 0:
            return 0
        more = distance(ack, peer.acked)
        if more > 0 and not flags & RST and not (ack == 0 and more > 2**20):
            peer.acked = ack
        return relative

    def advance(self, side: int, flags: int, end: int, length: int) -> None:
        me = self.sides[side]
        more = distance(end, me.last)
        if flags & (SYN | RST) and abs(more) > 2**20:
            return
        if flags & FIN and me.last == (me.start + 1) % CIRCLE:
            me.last, me.sent = end % CIRCLE, me.sent + more
        elif me.state != "RESET":
            if more > 0:
                me.last, me.sent = end % CIRCLE, me.sent + more
            elif length > 0:
                self.count(side, "T")

    def move(self, side: int, flags: int, length: int) -> None:
        me, peer = self.sides[side], self.sides[1 - side]
        state = me.state
        if state == "INACTIVE":
            self.wake(side, flags, length)
        elif state in HANDSHAKE:
            if flags & FIN:
                me.become("CLOSED")
            if flags & RST:
                me.become("RESET")
        elif state in ("ESTABLISHED", "PARTIAL"):
            if state == "PARTIAL" and peer.state == "INACTIVE" and flags & SYN and not flags & ACK:
                me.become("SYN_SENT")
            if flags & FIN and not flags & RST:
                me.become("CLOSED")
                if (peer.before, peer.state) == ("CLOSED", "RESET"):
                    peer.become("CLOSED")
            if flags & RST:
                me.become("RESET")
        elif state == "CLOSED" and flags & RST and peer.state != "CLOSED":
            me.become("RESET")

    def wake(self, side: int, flags: int, length: int) -> None:
        me, peer = self.sides[side], self.sides[1 - side]
        if flags & SYN:
            if side == self.originator:
                me.become("SYN_ACK_SENT" if flags & ACK else "SYN_SENT")
            else:
                if not flags & ACK and peer.state == "SYN_ACK_SENT" and me.written.get("S", 0) == 0:
                    self.originator, self.begun_before = side, False
                    self.history += "^"
                    peer.become("ESTABLISHED")
                if peer.state == "SYN_SENT":
                    peer.become("ESTABLISHED")
                me.become("ESTABLISHED")
        if flags & FIN:
            me.become("CLOSED")
        if flags & RST:
            me.become("RESET")
        if me.state != "INACTIVE":
            return
        if side != self.originator and not length and peer.state == "SYN_SENT":
            return
        if flags & ACK and peer.state == "ESTABLISHED":
            me.become("ESTABLISHED")
            self.begun_before = False
        else:
            me.become("PARTIAL")

    def lost(self, side: int, confirmed: int) -> None:
        """Count the holes below what was acknowledged of an end; they are not waited for any more."""
        me, acker = self.sides[side], self.sides[1 - side]
        if me.fin is not None:
            confirmed = min(confirmed, me.fin - 1)
        if me.stopped or confirmed <= me.seen[0][1]:
            return
        begins = [stop for _, stop in me.seen if stop < confirmed]
        holes = [(begin, min([*(run for run, _ in me.seen if run >= begin), confirmed])) for begin in begins]
        if self.begun_before and holes[0][0] == 1 and holes[0][1] <= 3:
            holes = holes[1:]
        if me.whole and acker.whole:
            for _ in holes:
                self.count(side, "G")
        me.seen = united([*me.seen, (-CIRCLE, confirmed)])

    def size(self, side: int) -> int:
        me = self.sides[side]
        octets = max(me.sent, me.relative(me.acked)) - 1
        return max(octets - (me.fin is not None), 0)

    def conn_state(self) -> str:
        o, r = (self.sides[side].state for side in (self.originator, 1 - self.originator))
        o_idle, r_idle = o in ("INACTIVE", "PARTIAL"), r in ("INACTIVE", "PARTIAL")
        nothing = self.size(0) == self.size(1) == 0
        unanswered = re.match(r"\^?S[^HAFGIQ]*R", self.history)
        words = (
            (r == "RESET" and (o in HANDSHAKE or (o == "RESET" and nothing)), "REJ"),
            (r == "RESET", "RSTRH" if o_idle else "RSTR"),
            (o == "RESET" and r_idle, "RSTOS0" if unanswered else "OTH"),
            (o == "RESET", "RSTO"),
            (o == r == "CLOSED", "SF"),
            (o == "CLOSED", "SH" if r_idle else "S2"),
            (r == "CLOSED", "SHR" if o_idle else "S3"),
            (o == "SYN_SENT" and r == "INACTIVE", "S0"),
            (o == r == "ESTABLISHED", "S1"),
            (True, "OTH"),
        )
        return next(word for fits, word in words if fits)
