"""One TCP connection as Zeek tells it: a history of letters, and in the end one word, its ``conn_state``.

``ShADadFf``: the originator's letters are upper case, the responder's lower case. S is a SYN, h a SYN,ACK, A the first
bare ack, D the first data, F a FIN, R a RST; ^ says that the two were turned round. ``SF`` means opened and closed in
order. The words and letters are Zeek's (https://docs.zeek.org, base/protocols/conn); the rules are written anew.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from operator import itemgetter

from sniffkit.analysis.segments import ACK, FIN, RST, SYN
from sniffkit.analysis.zeek.endpoint import (
    CLOSED,
    ESTABLISHED,
    HANDSHAKE,
    IDLE,
    INACTIVE,
    PARTIAL,
    RESET,
    SYN_ACK_SENT,
    SYN_SENT,
    Endpoint,
    signed,
)

_MODULO = 0xFFFFFFFF
_JUMP = 1 << 20
"""A SYN or RST this far from the last number seen is not believed."""

# fmt: off
SERVER_PORTS = frozenset((
    21, 22, 25, 53, 79, 80, 81, 88, 135, 139, 143, 389, 443, 445, 465, 502, 514, 563, 585, 587, 614, 631, 636, 989, 990,
    992, 993, 995, 1080, 1434, 1883, 2811, 3128, 3268, 3306, 3389, 5222, 5223, 5269, 5432, 6379, 6666, 6667, 6668, 6669,
    8000, 8080, 8888, 20000,
))
# fmt: on
"""Ports that Zeek takes for a server's: those its protocol scripts register."""


_RESET_BY_ORIGINATOR = re.compile(r"\^?S[^HAFGIQ]*R")


def is_turned(flags: int, source_port: int, destination_port: int) -> bool:
    """Return whether the first packet of a connection came from the responder, judged by flags and ports."""
    if flags & (SYN | ACK) == SYN or source_port not in SERVER_PORTS:
        return False
    return destination_port not in SERVER_PORTS or (not flags & SYN and source_port < destination_port)


class ZeekConnection:
    """One connection, fed with its packets; ``conn_state()`` and ``history`` are always up to date.

    ends: of the first packet's sender (0) and of the other (1); originator: which of them is the originator
    quietly: since the latest packet given to ``packet`` quiet ones (``connections``) may have been passed over
    """

    __slots__ = ("ends", "history", "originator", "partial", "quietly")

    def __init__(self, flags: int, source_port: int, destination_port: int, side: int = 0) -> None:
        """Begin with the first packet: its flags and ports tell who is the originator."""
        self.ends = (Endpoint(), Endpoint())
        self.originator = side
        self.history = ""
        self.partial = self.quietly = False
        if is_turned(flags, source_port, destination_port):
            self.originator = 1 - side
            self.history = "^"

    def packet(
        self,
        side: int,
        flags: int,
        sequence: int,
        acknowledgment: int,
        length: int,
        window: int,
        captured: bool = True,
    ) -> None:
        """Take the next packet of the connection.

        side: 0 where it comes from the first packet's sender; length: payload octets; captured: all of them are there
        """
        own, peer = self.ends[side], self.ends[1 - side]
        if own.state == INACTIVE:
            self._partial(side, flags, peer)
        space = (0 if flags & RST else length) + bool(flags & SYN) + bool(flags & FIN)
        self._begin(own, flags, sequence, sequence + space)
        relative = own.relative(sequence)
        self._letter(side, own, flags, relative, length)
        if not window and not flags & RST and peer.state != CLOSED and own.state != RESET:
            own.zeros += 1
            self._counted(side, "W", own.zeros)
        if flags & FIN:
            own.fin = True
            own.fin_at = relative + space
        relative_ack = 0
        if flags & ACK:
            relative_ack = self._acknowledge(peer, flags, acknowledgment)
        self._advance(side, own, flags, sequence + space, length)
        self._move(side, own, peer, flags, length)
        if flags & ACK:
            self._gaps(1 - side, peer, own, relative_ack)
        if length > 0 and captured and not flags & RST and relative >= 0 and not own.stopped:
            own.deliver(relative + bool(flags & SYN), length)

    def is_in_step(self, one: int, other: int) -> bool:
        """Return whether quiet packets (``connections``) move nothing but numbers from now on.

        one, other: highest sequence number sent so far in direction 0 and 1, counted as Wireshark does, 0 = none yet
        """
        for end, peer, highest in zip(self.ends, self.ends[::-1], (one, other), strict=True):
            if end.state == INACTIVE:
                if end.seen:
                    return False  # any packet of it may wake it
            elif end.state == RESET or not highest or highest != end.last or end.has_hole():
                return False
            elif end.acked == end.start and end.delivered == 1 and peer.state != INACTIVE:
                return False  # of the peer's acks the first counts: see Endpoint.deliver
        return True

    def catch_up(self, one: int, other: int, *, forward: bool = False) -> None:
        """Take note of the quiet packets that were not given to ``packet``; one, other: as of ``is_in_step``.

        forward: they can only have gone forward, by up to 4 GiB
        """
        for end, highest in zip(self.ends, (one, other), strict=True):
            if end.state in (INACTIVE, RESET):
                continue
            more = (highest - end.last) & _MODULO if forward and highest else signed(highest - end.last)
            if more > 0:
                if not end.stopped:
                    end.deliver(end.sent, more)
                end.advance(more)

    def _partial(self, side: int, flags: int, peer: Endpoint) -> None:
        """Note whether the beginning of the connection was missed."""
        if side == self.originator:
            self.partial = flags & (SYN | ACK) != SYN
        elif not self.partial and peer.state != INACTIVE:
            self.partial = not flags & SYN

    @staticmethod
    def _begin(own: Endpoint, flags: int, sequence: int, end: int) -> None:
        """Set the numbers an end is measured from: at its first packet, and again at a SYN."""
        state = own.state
        if state == INACTIVE:
            if flags & SYN:
                own.begin(sequence, end)
            else:
                own.begin(sequence - 1, sequence)
        elif flags & SYN and (
            (state in HANDSHAKE and sequence != own.start)
            or state in (ESTABLISHED, PARTIAL)
            or (state == RESET and own.previous == INACTIVE)
        ):
            own.begin(sequence, end)

    def _letter(self, side: int, own: Endpoint, flags: int, relative: int, length: int) -> None:
        """Write the letter of the packet's flags: at most one, mostly only the first time."""
        three = flags & (SYN | FIN | RST)
        if three == SYN:
            letter = "H" if flags & ACK else "S"
            if "S" not in own.seen:
                own.seen += "S"
                self._add(side, letter)
            elif relative != own.last_syn:
                self._add(side, letter)
            own.last_syn = relative
        elif three == FIN:
            if self._first(side, own, "F") is False and relative + length != own.last_fin:
                self._add(side, "F")
            own.last_fin = relative + length
        elif three == RST:
            if self._first(side, own, "R") is False and relative != own.last_rst:
                self._add(side, "R")
            own.last_rst = relative
        elif three:
            self._first(side, own, "I" if three & (FIN | RST) == FIN | RST else "Q")
        elif length:
            self._first(side, own, "D")
        elif flags & ACK:
            self._first(side, own, "A")

    def _first(self, side: int, own: Endpoint, letter: str) -> bool:
        """Write a letter if this end has not had it, and return whether it was written."""
        if letter in own.seen:
            return False
        own.seen += letter
        if letter in "AD" and self.history == "H":
            # A SYN,ACK came first and was answered: its sender is the responder, the SYN was missed.
            self.originator = 1 - self.originator
            self.history = "^h"
            self.partial = False
        self._add(side, letter)
        return True

    def _add(self, side: int, letter: str) -> None:
        self.history += letter if side == self.originator else letter.lower()

    def _counted(self, side: int, letter: str, count: int) -> None:
        """Write a letter at the first, tenth, hundredth ... time."""
        while count % 10 == 0:
            count //= 10
        if count == 1:
            self._add(side, letter)

    @staticmethod
    def _acknowledge(peer: Endpoint, flags: int, acknowledgment: int) -> int:
        """Move up what of the peer is acknowledged; return the number relative to its start."""
        if peer.state == INACTIVE:
            peer.begin(acknowledgment - 1, acknowledgment - 1)
            return 1
        relative = peer.relative(acknowledgment)
        if relative < 0:
            return 0
        if not flags & RST:
            more = signed(acknowledgment - peer.acked)
            if more > 0 and not (acknowledgment == 0 and more > _JUMP):
                peer.acked = acknowledgment
        return relative

    def _advance(self, side: int, own: Endpoint, flags: int, end: int, length: int) -> None:
        """Move up the highest number an end has sent, or count the payload as sent again."""
        more = signed(end - own.last)
        if flags & (SYN | RST) and abs(more) > _JUMP:
            return
        if flags & FIN and own.last == (own.start + 1) & _MODULO:
            own.advance(more)
        elif own.state == RESET:
            return
        elif more > 0:
            own.advance(more)
        elif length > 0:
            own.repeats += 1
            self._counted(side, "T", own.repeats)

    def _move(self, side: int, own: Endpoint, peer: Endpoint, flags: int, length: int) -> None:
        """Change the states of both ends."""
        state = own.state
        if state == INACTIVE:
            self._wake(side, own, peer, flags, length)
        elif state in HANDSHAKE:
            if flags & FIN:
                own.become(CLOSED)
            if flags & RST:
                own.become(RESET)
        elif state in (ESTABLISHED, PARTIAL):
            if flags & (SYN | ACK) == SYN and state == PARTIAL and peer.state == INACTIVE:
                own.become(SYN_SENT)
            if flags & FIN and not flags & RST:
                own.become(CLOSED)
                if peer.state == RESET and peer.previous == CLOSED:
                    peer.become(CLOSED)  # a FIN and then a RST was an ordinary close
            if flags & RST:
                own.become(RESET)
        elif state == CLOSED and flags & RST and peer.state != CLOSED:
            own.become(RESET)

    def _wake(self, side: int, own: Endpoint, peer: Endpoint, flags: int, length: int) -> None:
        """Take the first packet of an end that was silent."""
        if flags & SYN:
            if side == self.originator:
                own.become(SYN_ACK_SENT if flags & ACK else SYN_SENT)
            else:
                self._answer(side, own, peer, flags)
        if flags & FIN:
            own.become(CLOSED)
        if flags & RST:
            own.become(RESET)
        if own.state == INACTIVE:
            if side != self.originator and length == 0 and self.ends[self.originator].state == SYN_SENT:
                return  # some acknowledge a SYN before they send their own
            if flags & ACK and peer.state == ESTABLISHED:
                own.become(ESTABLISHED)
                self.partial = False
            else:
                own.become(PARTIAL)

    def _answer(self, side: int, own: Endpoint, peer: Endpoint, flags: int) -> None:
        """Take a SYN of the responder."""
        if not flags & ACK and peer.state == SYN_ACK_SENT and own.last_syn == 0:
            # The capture has SYN and SYN,ACK in reverse order.
            self.originator = side
            self.history += "^"
            self.partial = False
            peer.become(ESTABLISHED)
        if peer.state == SYN_SENT:
            peer.become(ESTABLISHED)
        own.become(ESTABLISHED)

    def _gaps(self, side: int, end: Endpoint, acker: Endpoint, relative: int) -> None:
        """Count the holes in what ``end`` was seen to send that are acknowledged all the same."""
        if end.fin:
            relative = min(relative, end.fin_at - 1)
        if relative <= end.delivered or end.stopped:
            return
        whole = all(
            some.state == ESTABLISHED or (some.state == CLOSED and some.previous == ESTABLISHED)
            for some in (end, acker)
        )
        # Blocks neither touch nor overlap, so between two of them there is a hole.
        below = end.blocks[: bisect_left(end.blocks, relative, key=itemgetter(0))]
        begins = [end.delivered, *(block[1] for block in below)]
        stops = [*(block[0] for block in below), relative]
        holes = [(begin, stop) for begin, stop in zip(begins, stops, strict=True) if begin < stop]
        if self.partial and holes[0][0] == 1 and holes[0][1] - 1 <= 2:
            holes = holes[1:]
        if whole:
            for _ in holes:
                end.gaps += 1
                self._counted(side, "G", end.gaps)
        end.reach(relative)

    def conn_state(self) -> str:
        """Return the connection in one word; the first that fits."""
        originator, responder = self.ends[self.originator], self.ends[1 - self.originator]
        o, r = originator.state, responder.state
        if r == RESET:
            nothing = originator.size(responder) == 0 and responder.size(originator) == 0
            if o in HANDSHAKE or (o == RESET and nothing):
                return "REJ"
            return "RSTRH" if o in IDLE else "RSTR"
        if o == RESET:
            if r not in IDLE:
                return "RSTO"
            return "RSTOS0" if _RESET_BY_ORIGINATOR.match(self.history) else "OTH"
        if o == CLOSED:
            return "SF" if r == CLOSED else "SH" if r in IDLE else "S2"
        if r == CLOSED:
            return "SHR" if o in IDLE else "S3"
        if o == SYN_SENT and r == INACTIVE:
            return "S0"
        return "S1" if o == r == ESTABLISHED else "OTH"
