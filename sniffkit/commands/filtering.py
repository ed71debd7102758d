"""``-Y FILTER`` and ``--only WORD``: which packets a command tells, the same for every command that reads packets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.analysis.tcp.prefixed_messages import StreamMessage
    from sniffkit.analysis.tcp.stream import TcpStreams
    from sniffkit.protocols.batch_fields import BatchFields
    from sniffkit.protocols.columns import Columns
    from sniffkit.protocols.display_filter import DisplayFilter
    from sniffkit.sources import Batch, Source

ONLY = {
    "handshake": "tcp.phase in {handshake, unanswered, refused}",
    "teardown": "tcp.phase == teardown",
    "reset": "tcp.flags.reset == 1",
    "retransmission": "tcp.analysis.retransmission",
    "dns": "dns || mdns || llmnr",
    "arp": "arp",
}
"""A learner's words for filters."""


def chosen_filter(expression: str | None, only: str | None) -> PacketFilter | None:
    """Return what ``-Y`` and ``--only`` ask for together, None where neither is given."""
    return None if expression is None and only is None else PacketFilter(expression, only)


class PacketFilter:
    """What a command line asks for, ready to be used on batch after batch.

    Feed it every batch of the capture in order: some fields depend on the packets before.
    """

    def __init__(self, expression: str | None = None, only: str | None = None, fields: Iterable[str] = ()) -> None:
        """Read filter and word; raise UsageError where they are wrong.

        fields: ids that will be read from ``BatchFields`` besides those that the filter names
        """
        from sniffkit.analysis.tcp import fields as tcp_fields

        if only is not None and only not in ONLY:
            raise UsageError("filter.only", word=only, words=tuple(ONLY))
        written = [text for text in (expression, ONLY[only] if only else None) if text is not None]
        self._filters: list[DisplayFilter] = []
        if written:
            from sniffkit.protocols.display_filter import DisplayFilter

            self._filters = [DisplayFilter(text, tcp_fields.types()) for text in written]
        named = set(fields).union(*(one.fields for one in self._filters))
        self._tcp = tcp_fields.TcpFields(named)
        self._dns: TcpStreams[StreamMessage] | None = None
        if any(id.partition(".")[0] == "dns" for id in named):
            from sniffkit.analysis.tcp.prefixed_messages import dns_streams

            self._dns = dns_streams()
        self._source: Source | None = None

    @property
    def asks(self) -> bool:
        """Whether anything is filtered at all."""
        return bool(self._filters)

    def read_from(self, source: Source) -> None:
        """Say where the batches come from."""
        from sniffkit.protocols.frame_fields import FrameFields
        from sniffkit.protocols.reassembly import Reassembler

        self._reassembler = Reassembler()

        self._frames = FrameFields(source.interface_ids)

    def read(self, source: Source, ahead: bool = True) -> Iterator[tuple[BatchFields, NDArray[np.bool_]]]:
        """Read a capture to its end; yield what ``feed`` returns of batch after batch.

        ahead: prepare the next batches in other threads meanwhile, if the source is a file (nobody waits for a pipe);
        whoever may stop early says no, so that damage is told only as far as packets were asked for
        """
        from sniffkit.analysis.read_ahead import read_ahead

        self.read_from(source)
        batches: Iterable[Batch] = source
        if not ahead or source.octets_total is None:
            yield from map(self.feed, batches)
            return
        for columns in read_ahead(read_ahead(batches, lambda batch: batch), self._columns):
            yield self.judge(columns)

    def feed(self, batch: Batch) -> tuple[BatchFields, NDArray[np.bool_]]:
        """Return the fields of the next batch and which of its packets are asked for, bool (n,)."""
        return self.judge(self._columns(batch))

    def _columns(self, batch: Batch) -> Columns:
        from sniffkit.protocols.columns import Columns

        return Columns(batch, self._reassembler)

    def judge(self, columns: Columns) -> tuple[BatchFields, NDArray[np.bool_]]:
        """Do what ``feed`` does for a batch whose columns are there already, read with a Reassembler."""
        import numpy as np

        from sniffkit.protocols.batch_fields import BatchFields

        batch = columns.batch
        self._frames.feed(batch)
        fields = BatchFields(columns, self._frames, self._tcp.feed(columns), self._messages(columns))
        wanted = np.ones(len(batch), np.bool_)
        for one in self._filters:
            wanted &= one.matching(fields)
        return fields, wanted

    def _messages(self, columns: Columns) -> dict[int, list[tuple[bytes, int]]] | None:
        """Return the DNS messages that TCP streams hold by the packet they become whole with; None: nobody asks."""
        if self._dns is None:
            return None
        from sniffkit.analysis.tcp.prefixed_messages import dns_segments

        found: dict[int, list[tuple[bytes, int]]] = {}
        row = columns.rows("tcp").row
        for index, message in self._dns.feed(columns, dns_segments(columns)):
            found.setdefault(int(row[index]), []).append((message.octets, message.length))
        return found


class ChosenPackets:
    """Which packets a filter lets through, remembered for commands that tell of several packets together.

    An exchange is told where one of its packets is chosen, its question or its answer; so the columns are read through
    here, and whoever knows the numbers of an exchange asks afterwards. One bit is kept for each packet.
    """

    def __init__(self, packets: PacketFilter | None) -> None:
        import numpy as np

        self._packets = packets
        self._bits = np.zeros(1 << 16, np.uint8)

    @property
    def asks(self) -> bool:
        """Whether there is a filter at all."""
        return self._packets is not None

    def columns(self, source: Source) -> Iterator[Columns]:
        """Yield the columns of batch after batch, each when it is known which of its packets are chosen."""
        if self._packets is None:
            yield from self._all_columns(source)
            return
        for fields, wanted in self._packets.read(source):
            first = fields.batch.first
            self._note(wanted.nonzero()[0] + first, first + len(fields))
            yield fields.columns

    def _all_columns(self, source: Source) -> Iterator[Columns]:
        """Yield the columns of every batch, those of a file made ready in another thread (nobody waits for a pipe)."""
        from sniffkit.analysis.read_ahead import read_ahead
        from sniffkit.protocols.columns import Columns
        from sniffkit.protocols.reassembly import Reassembler

        reassembler = Reassembler()

        def ready(batch: Batch) -> Columns:
            columns = Columns(batch, reassembler)
            columns.rows("ip")  # finds all headers
            return columns

        batches: Iterable[Batch] = source
        yield from map(ready, batches) if source.octets_total is None else read_ahead(batches, ready)

    def among(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say which of these packets are chosen, bool of the same shape; without a filter all are."""
        import numpy as np

        if self._packets is None:
            return np.ones(numbers.shape, np.bool_)
        chosen: NDArray[np.bool_] = (self._bits[numbers >> 3] >> (numbers & 7) & 1).astype(np.bool_)
        return chosen

    def any_of(self, numbers: Iterable[int]) -> bool:
        """Say whether one of these packets is chosen."""
        return self._packets is None or any(self._bits[number >> 3] >> (number & 7) & 1 for number in numbers)

    def _note(self, numbers: NDArray[np.int64], end: int) -> None:
        import numpy as np

        if end >> 3 >= len(self._bits):
            self._bits = np.concatenate((self._bits, np.zeros(max(end >> 3, len(self._bits)), np.uint8)))
        np.bitwise_or.at(self._bits, numbers >> 3, (1 << (numbers & 7)).astype(np.uint8))
