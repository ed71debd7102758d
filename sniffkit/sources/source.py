"""A source: anything that packets come from, batch by batch: a file, a pipe, some files, a network card."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sniffkit.errors import DamagedCapture
from sniffkit.sources.batch import Batch, Heads, Interface

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.sources.octets import Octets

BATCH_OCTETS = 8 * 1024 * 1024
"""How many octets of a capture one batch holds, unless the caller asks for another number."""

BATCH_PACKETS = 131_072
"""How many packets one batch holds at most: columns cost memory per packet, even for an empty one."""

MAX_CAPTURED = 262_144
"""The longest packet believed, in octets: tcpdump's and tshark's own limit. More is damage."""

MAX_LENGTH = 2**31 - 1
"""A longer length on the wire is told as this one, as tshark does."""

DAMAGE_TOLD = 100
"""How many places of damage are kept one by one; further ones are only counted."""

TEXTS_KEPT = 10_000
"""How many comments, and how many names of addresses, a source keeps."""

TEXT_KEPT = 4096
"""How many characters of one comment or name are kept."""


@dataclass(frozen=True, slots=True)
class Comment:
    """What somebody wrote into the capture: about ``packet``, or about the whole of it where that is 0."""

    packet: int
    text: str


class Source:
    """Packets as batches, and what there is to say about where they come from.

    name:          the file name as it was given ("-" is standard input)
    format:        "pcap", "pcapng", "merged", ...
    compression:   "gzip", "zstd", "lz4", "xz", "bzip2", or "" for none
    interfaces:    grows while the capture is read; ``Batch.interface`` is an index into it
    interface_ids: whether packets say on which interface they were captured (a classic pcap does not: its
                   packets all have interface 0, and tshark prints no frame.interface_id for them)
    damage:        filled while the capture is read; never raised, what can be read is handed out
    damage_untold: how many places of damage came after ``damage`` was full
    comments:      what people wrote into the capture (pcapng)
    names:         address -> name, from the capture's name resolution blocks (pcapng)
    packets:       how many packets were handed out so far
    octets_read, octets_total: for a progress bar; of the compressed file where it is compressed;
                   the total is None where nobody knows it (a pipe)

    A source can be iterated once; to go on after a ``break``, iterate again.
    """

    def __init__(self, name: str, format: str) -> None:
        self.name = name
        self.format = format
        self.compression = ""
        self.interfaces: list[Interface] = []
        self.interface_ids = True
        self.damage: list[DamagedCapture] = []
        self.damage_untold = 0
        self.comments: list[Comment] = []
        self.names: dict[str, str] = {}
        self.packets = 0
        self._running: Iterator[Batch] | None = None

    @property
    def octets_read(self) -> int:
        """How many octets of the file were read so far."""
        return 0

    @property
    def octets_total(self) -> int | None:
        """How many octets the file has, or None where it has no known end."""
        return None

    def batches(self) -> Iterator[Batch]:
        """Yield the packets; what a subclass implements."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the file."""

    def __iter__(self) -> Iterator[Batch]:
        if self._running is None:
            self._running = self.batches()
        return self._running

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def hand_out(
        self,
        octets: NDArray[np.uint8],
        offset: NDArray[np.int64],
        captured: NDArray[np.int64],
        length: NDArray[np.int64],
        time_ns: NDArray[np.int64],
        link_type: NDArray[np.int32],
        interface: NDArray[np.int32],
        heads: Heads | None = None,
    ) -> Iterator[Batch]:
        """Make batches of no more than BATCH_PACKETS packets of those in one buffer, and count them."""
        for low in range(0, len(offset), BATCH_PACKETS):
            rows = slice(low, min(low + BATCH_PACKETS, len(offset)))
            batch = Batch(
                octets,
                offset[rows],
                captured[rows],
                length[rows],
                time_ns[rows],
                link_type[rows],
                interface[rows],
                self.packets + 1,
                None if heads is None else heads.part(rows),
            )
            self.packets += len(batch)
            yield batch

    def note_damage(self, id: str, **values: object) -> None:
        """Remember a place where the capture is damaged."""
        if len(self.damage) < DAMAGE_TOLD:
            self.damage.append(DamagedCapture(id, file=self.name, **values))
        else:
            self.damage_untold += 1

    @property
    def comments_full(self) -> bool:
        """Whether no more comments are kept."""
        return len(self.comments) >= TEXTS_KEPT

    def note_name(self, address: str, name: str) -> None:
        """Remember the first name of an address, as long as there is room."""
        if len(self.names) < TEXTS_KEPT:
            self.names.setdefault(address, name[:TEXT_KEPT])

    def note_comment(self, packet: int, text: str) -> None:
        """Remember a comment, as long as there is room."""
        if not self.comments_full:
            self.comments.append(Comment(packet, text[:TEXT_KEPT]))


class FileSource(Source):
    """A capture file of any format, read through a stream of octets."""

    def __init__(self, name: str, format: str, stream: Octets) -> None:
        super().__init__(name, format)
        self.stream = stream

    @property
    def octets_read(self) -> int:
        """Octets of the file read so far, compressed ones where it is compressed."""
        return self.stream.octets_read

    @property
    def octets_total(self) -> int | None:
        """Octets of the file."""
        return self.stream.total

    def close(self) -> None:
        """Close the file."""
        self.stream.close()

    def note_failure(self, packet: int, octet: int) -> None:
        """Remember why the stream ended before its end, if it did."""
        if self.stream.failure is not None:
            id, values = self.stream.failure
            self.note_damage(id, packet=packet, octet=octet, **values)
