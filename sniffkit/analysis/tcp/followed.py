"""All TCP conversations of a capture at two speeds: each segment told, or only how each conversation stands.

Told, every segment goes through both ends' states (``TcpConversations``). Counted, ordinary conversations are kept as
the events their word is made of (``TcpWords``), which takes a fortieth of the time, and only the others are looked at.
From one batch to the next either may follow the other; the states are the same.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.endpoint_pairs import distinct, grown
from sniffkit.analysis.tcp.conversations import FOLLOWED, NOTHING_FOLLOWED, TcpConversations, TcpFacts
from sniffkit.analysis.tcp.outcomes import chosen_numbers, spelled
from sniffkit.analysis.tcp.standing import Standing
from sniffkit.analysis.tcp.words import TcpWords

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from sniffkit.analysis.segments import Segments
    from sniffkit.analysis.streams import StreamNumbers
    from sniffkit.analysis.tcp.marks import Marks
    from sniffkit.analysis.tcp.phases import Connection

_ENDLESS = 1 << 62
_WORDS_KNOWN = 50_000


class FollowedConversations:
    """Fed batch by batch.

    let_go:   how many were let go before they had closed, because there were more than ``followed``
    released: int64, the streams let go (closed or not) when the latest batch came that have no part in it
    """

    def __init__(self, followed: int = FOLLOWED) -> None:
        self.let_go = 0
        self.released = np.zeros(0, np.int64)
        self._followed = followed
        self._looked_at = TcpConversations(followed=_ENDLESS)
        self._ordinary = TcpWords()
        self._ordinary_count = 0
        self._known: dict[bytes, Standing] = {}
        self._latest = np.zeros(0, np.uint32)  # by stream: in which batch it was heard of last
        self._batch = 0
        self._standings: list[Standing | None] = [None]
        self._place: dict[Standing, int] = {}
        self._gone: Counter[Standing] = Counter()
        self._left = np.zeros(0, np.uint16)  # by stream: place among the standings, of those let go

    def feed(
        self, segments: Segments, numbers: StreamNumbers, marks: Marks, twice: NDArray[np.int64], *, told: bool = True
    ) -> TcpFacts:
        """Follow one batch.

        twice: int64 (n,) for each packet of the batch the number of the packet it is a second capture of, or 0
        told:  return what each segment means; else nothing is returned, and it takes far less time
        """
        self.released = self.released[:0]
        if not len(segments):
            return NOTHING_FOLLOWED
        streams = marks.by_stream().stream
        if self.open + int(numbers.opened.sum()) > self._followed:
            self._let_go_of_the_silent()
            self.released = np.setdiff1d(self.released, streams)
        self._batch += 1
        self._reserve(int(streams[-1]) + 1)
        self._latest[streams] = self._batch
        self._looked_at.answers = told
        if not told:
            self._count(segments, numbers, marks, twice)
            return NOTHING_FOLLOWED
        if self._ordinary_count:
            known = self._ordinary.kept(streams)
            if len(known):
                self._look_back(known, marks)
                self._ordinary.give_up(known)
                self._ordinary_count -= len(known)
        return self._looked_at.feed(segments, numbers, twice)

    @property
    def open(self) -> int:
        """How many conversations are followed at the moment."""
        return len(self._looked_at.connections) + self._ordinary_count

    def streams(self) -> NDArray[np.int64]:
        """Return the streams that are followed at the moment."""
        looked_at = np.fromiter(self._looked_at.connections, np.int64, len(self._looked_at.connections))
        return np.concatenate((looked_at, self._ordinary.kept()))

    def connection(self, stream: int) -> Connection | None:
        """Return both ends of a conversation, None where it is not followed any more."""
        found = self._looked_at.connections.get(stream)
        if found is not None:
            return found
        kept = self._ordinary.kept(np.array([stream]))
        return self._recalled(kept).connections.get(stream) if len(kept) else None

    def standing(self, stream: int) -> Standing | None:
        """Return how a conversation stands, or stood when it was let go; None where it was never followed."""
        return next(self.standings([stream]))

    def standings(self, streams: Iterable[int]) -> Iterator[Standing | None]:
        """Yield how each of some conversations stands."""
        asked = np.fromiter(streams, np.int64)
        ordinary = dict(zip(*self._ordinary_standings(self._ordinary.kept(distinct(asked))), strict=True))
        for stream in asked.tolist():
            connection = self._looked_at.connections.get(stream)
            if connection is not None:
                yield Standing.of(connection)
            elif stream in ordinary:
                yield ordinary[stream]
            else:
                yield self._standings[int(self._left[stream])] if stream < len(self._left) else None

    def count(self) -> Counter[Standing]:
        """Return how many conversations stand in which way, those let go included."""
        found = Counter(Standing.of(connection) for connection in self._looked_at.connections.values())
        found.update(self._ordinary_standings(self._ordinary.kept())[1])
        followed = self.streams()
        left = np.bincount(self._left) - np.bincount(self._left[followed], minlength=int(self._left.max(initial=0)) + 1)
        for place, count in enumerate(left.tolist()):
            standing = self._standings[place]
            if standing is not None and count:
                found[standing] += count
        return found + self._gone

    def keep(self, streams: NDArray[np.int64]) -> None:
        """Forget all streams but these, ascending, which are numbered anew; all that are followed are among them."""
        left = self._left.copy()
        left[streams] = 0
        for place, count in enumerate(np.bincount(left).tolist()):
            standing = self._standings[place]
            if standing is not None:
                self._gone[standing] += count
        connections = self._looked_at.connections
        names = np.fromiter(connections, np.int64, len(connections))
        new = np.searchsorted(streams, names).tolist()
        self._looked_at.connections = dict(zip(new, connections.values(), strict=True))
        self._ordinary.keep(streams)
        self._latest, self._left = self._latest[streams], self._left[streams]

    def left(self) -> tuple[NDArray[np.int64], list[Standing]]:
        """Return the streams that were let go and are not followed again, and how each stood."""
        left = self._left.copy()
        left[self.streams()] = 0
        streams = np.flatnonzero(left)
        places = left[streams].tolist()
        return streams, [standing for place in places if (standing := self._standings[place]) is not None]

    def _reserve(self, streams: int) -> None:
        if streams > len(self._latest):
            size = max(1024, streams + streams // 4)
            self._latest, self._left = grown(self._latest, size), grown(self._left, size)

    def _count(self, segments: Segments, numbers: StreamNumbers, marks: Marks, twice: NDArray[np.int64]) -> None:
        """Take what is ordinary as it is, look at the rest."""
        streams = marks.by_stream().stream
        before = len(self._ordinary.kept(streams))
        look, given_up = self._ordinary.feed(segments, numbers, marks)
        if len(given_up):
            self._look_back(given_up, marks)
        self._ordinary_count += len(self._ordinary.kept(streams)) - before
        if look.any():
            rows, groups = marks.by_stream().choose(look)
            self._looked_at.feed(segments.take(rows), chosen_numbers(numbers, rows), twice, groups)

    def _look_back(self, streams: NDArray[np.int64], marks: Marks) -> None:
        """Bring streams that were ordinary, ascending, to where the batch begins."""
        told, self._looked_at.answers = self._looked_at.answers, False
        self._looked_at.recall(self._ordinary.of(streams))
        self._looked_at.answers = told
        self._looked_at.catch_up(streams, marks)

    def _recalled(self, streams: NDArray[np.int64]) -> TcpConversations:
        """Return ordinary conversations as both ends' states."""
        recalled = TcpConversations(followed=_ENDLESS, answers=False)
        recalled.recall(self._ordinary.of(streams))
        return recalled

    def _ordinary_standings(self, streams: NDArray[np.int64]) -> tuple[list[int], list[Standing]]:
        """Return ordinary conversations, ascending, and how each stands."""
        if not len(streams):
            return [], []
        found, words = spelled(self._ordinary.of(streams))
        unknown: dict[bytes, int] = {}
        if len(self._known) > _WORDS_KNOWN:
            self._known.clear()
        for stream, word in zip(found.tolist(), words, strict=True):
            if word not in self._known:
                unknown.setdefault(word, stream)
        if unknown:
            recalled = self._recalled(np.sort(np.array(list(unknown.values()), np.int64)))
            for word, stream in unknown.items():
                self._known[word] = Standing.of(recalled.connections[stream])
        return found.tolist(), [self._known[word] for word in words]

    def _place_of(self, standing: Standing | None) -> int:
        """Return where a standing is kept among all those that conversations were let go with, 0 for none."""
        if standing is None:
            return 0
        place = self._place.setdefault(standing, len(self._standings))
        if place == len(self._standings):
            self._standings.append(standing)
        return place

    def _let_go_of_the_silent(self) -> None:
        """Let go of the half that has been silent for longest; how each stood is kept."""
        every = self.streams()
        silent = np.sort(every[np.argsort(self._latest[every], kind="stable")[: len(every) // 2]])
        standings = list(self.standings(silent.tolist()))
        # Nearly all are the same few objects, and to compare two standings takes long: each object is looked up once.
        objects = {id(standing): standing for standing in standings}
        places = {of: self._place_of(standing) for of, standing in objects.items()}
        left = np.array([places[id(standing)] for standing in standings], np.uint16)
        self._left[silent] = np.where(left, left, self._left[silent])
        over = np.array([standing is None or standing.over for standing in self._standings])
        self.let_go += int((~over[left]).sum())
        self.released = silent
        self._ordinary_count -= len(self._ordinary.kept(silent))
        self._looked_at.forget(silent.tolist())
        self._ordinary.forget(silent)
        self._ordinary.make_small()
