"""Ordinary TCP conversations that are a little damaged: what is mostly quick to tell, and must be told right.

Each opens, talks and closes as a stack would; then segments are lost, repeated, exchanged, split or cut, or one too
many stands in between. Unlike ``hostile_segments`` nearly all of it is plausible, so the quick ways are taken.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from sniffkit.analysis.segments import ACK, FIN, RST, SYN, Segments
from tests.analysis.hostile_segments import segments_of


@dataclass(frozen=True)
class Sent:
    """A segment of a conversation; its numbers count from the sender's and the receiver's SYN."""

    side: int
    flags: int
    seq: int
    ack: int
    length: int = 0
    window: int = 1000


def conversation(chance: random.Random) -> list[Sent]:
    """Return an undamaged conversation."""
    sent = [Sent(0, SYN, 0, 0)]
    if chance.random() < 0.1:
        return [*sent, Sent(1, RST | ACK, 0, 1)]
    sent += [Sent(1, SYN | ACK, 0, 1), Sent(0, ACK, 1, 1)]
    following = [1, 1]

    def add(side: int, flags: int, length: int = 0) -> None:
        sent.append(Sent(side, flags, following[side], following[1 - side], length))
        following[side] += length + bool(flags & FIN)

    for _ in range(chance.randrange(6)):
        side = chance.randrange(2)
        for _ in range(chance.choice((1, 1, 2, 5))):
            add(side, ACK, chance.choice((1, 2, 10, 1000, 1448)))
        if chance.random() < 0.8:
            add(1 - side, ACK)
    closer, way = chance.randrange(2), chance.random()
    if way < 0.5:
        add(closer, FIN | ACK, chance.choice((0, 0, 0, 20)))
        if chance.random() < 0.6:
            add(1 - closer, ACK)
        if chance.random() < 0.2:
            add(1 - closer, ACK, 100)
            add(closer, ACK)
        if chance.random() < 0.9:
            add(1 - closer, FIN | ACK)
            add(closer, ACK)
    elif way < 0.6:  # both at the same time
        sent.append(Sent(closer, FIN | ACK, following[closer], following[1 - closer]))
        sent.append(Sent(1 - closer, FIN | ACK, following[1 - closer], following[closer]))
        following[0], following[1] = following[0] + 1, following[1] + 1
        add(0, ACK)
        add(1, ACK)
    elif way < 0.8:
        add(closer, RST | chance.choice((0, ACK)))
        if chance.random() < 0.3:
            add(chance.randrange(2), chance.choice((ACK, RST, FIN | ACK)), 0)
    return sent


def frayed(sent: list[Sent], chance: random.Random) -> list[Sent]:
    """Return a conversation with a few damages."""
    sent = list(sent)
    for _ in range(chance.choice((0, 1, 1, 2, 3, 6))):
        if not sent:
            break
        at = chance.randrange(len(sent))
        one = sent[at]
        later = min(len(sent), at + chance.choice((1, 1, 2, 4, 9)))
        match chance.randrange(12):
            case 0:
                del sent[at]
            case 1 | 2:
                sent.insert(later, one)
            case 3:
                sent.insert(min(later, len(sent) - 1), sent.pop(at))
            case 4:
                sent[at] = replace(one, window=chance.choice((0, 0, 1, 500)))
            case 5:
                sent[at] = replace(one, ack=max(one.ack + chance.choice((-10, -1, 1, 10, 3000)), 0))
            case 6 if one.length > 1:
                half = one.length // 2
                sent[at : at + 1] = [replace(one, length=half), replace(one, seq=one.seq + half, length=half)]
            case 7 if one.length:  # again, as part of more than was sent
                sent.insert(later, replace(one, length=one.length + chance.choice((-1, 1, 500))))
            case 8:
                sent.insert(later, replace(one, flags=ACK, seq=one.seq - 1, length=chance.choice((0, 1))))
            case 9:
                flags = chance.choice((RST, RST | ACK, FIN | ACK, SYN, SYN | ACK, FIN | RST, 0))
                sent.insert(later, replace(one, flags=flags, seq=one.seq + one.length, length=0))
            case 10:
                del sent[: chance.choice((1, 2, 3))]
            case 11:
                side = chance.randrange(2)
                sent = [some for some in sent if some.side == side or chance.random() < 0.3]
    return sent


def damaged(conversations: int, seed: int, at_once: int = 8, repeated: int = 1) -> Segments:
    """Return segments of so many conversations; each damage stands in ``repeated`` of them one after the other."""
    chance = random.Random(seed)
    waiting: list[tuple[int, tuple[int, int], list[Sent]]] = []
    for port in range(conversations):
        if port % repeated == 0:
            sent = frayed(conversation(chance), chance)
        first = [chance.choice((7, 2**31 - 50, 2**32 - 1, 2**32 - 2000, chance.randrange(2**32))) for _ in range(2)]
        if sent:
            waiting.append((20_000 + port, (first[0], first[1]), list(sent)))
    waiting.reverse()
    rows = []
    time = 1_600_000_000 * 10**9
    open_ones: list[tuple[int, tuple[int, int], list[Sent]]] = []
    while waiting or open_ones:
        while waiting and len(open_ones) < at_once:
            open_ones.append(waiting.pop())
        one = chance.choice(open_ones)
        port, first, sent = one
        some = sent.pop(0)
        if not sent:
            open_ones.remove(one)
        sequence = (some.seq + first[some.side]) % 2**32
        ack = (some.ack + first[1 - some.side]) % 2**32 if some.flags & ACK else 0
        scale = 7 if some.flags & SYN else -1
        rows.append(((port, 80), (1, 2), some.side, sequence, ack, some.flags, some.window, some.length, scale, time))
        time += chance.choice((10_000, 1_000_000, 30_000_000))
    return segments_of(rows)
