"""``-Y FILTER`` and ``--only WORD``: which packets a command tells, the same for every command that reads packets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.protocols.batch_fields import BatchFields
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
        from sniffkit.protocols.display_filter import DisplayFilter

        if only is not None and only not in ONLY:
            raise UsageError("filter.only", word=only, words=", ".join(ONLY))
        written = [text for text in (expression, ONLY[only] if only else None) if text is not None]
        self._filters = [DisplayFilter(text, tcp_fields.types()) for text in written]
        named = set(fields).union(*(one.fields for one in self._filters))
        self._tcp = tcp_fields.TcpFields(named)
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

    def feed(self, batch: Batch) -> tuple[BatchFields, NDArray[np.bool_]]:
        """Return the fields of the next batch and which of its packets are asked for, bool (n,)."""
        import numpy as np

        from sniffkit.protocols.batch_fields import BatchFields
        from sniffkit.protocols.columns import Columns

        columns = Columns(batch, self._reassembler)
        columns.rows("ip")
        self._frames.feed(batch)
        fields = BatchFields(columns, self._frames, self._tcp.feed(columns))
        wanted = np.ones(len(batch), np.bool_)
        for one in self._filters:
            wanted &= one.matching(fields)
        return fields, wanted
