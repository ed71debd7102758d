"""sniffkit: packets captured, decoded and explained.

octets ─▶ Batch ─▶ Columns ─▶ Facts ─────────▶ Lesson ───────────▶ screen, JSON, HTML
sources   sources  protocols  analysis          explanations        renderers

>>> import sniffkit
>>> with sniffkit.open("captures/handshake-close-4.pcap") as capture:
...     for flow in capture.flows():
...         print(flow.client.address, flow.server.port, flow.opened, flow.closed_by, flow.history)
10.0.0.2 80 handshake client ShADadFf
>>> with sniffkit.open("captures/handshake-close-4.pcap") as capture:
...     [columns["tcp.dstport"].tolist() for columns in capture.columns()]
[[80, 50000, 80, 80, 50000, 50000, 80, 80, 50000, 50000, 80]]
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import os

    from sniffkit.analysis.flows.analysis import FlowAnalysis
    from sniffkit.analysis.flows.records import Flow
    from sniffkit.protocols.columns import Columns
    from sniffkit.sources import Batch, Source

__all__ = ["Capture", "open"]


class Capture:
    """One capture, or several read as one by time; its packets are read once, from the beginning to the end.

    What they amount to is kept: ``flows`` and ``flow_table`` may be asked for as often as you like.

    source: where the packets come from; ``source.damage`` tells what could not be read
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self._read = False
        self._flows: FlowAnalysis | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.source.close()

    def batches(self) -> Iterator[Batch]:
        """Yield the packets in batches: octets, lengths and times as NumPy arrays."""
        if self._read:
            raise RuntimeError("this capture has been read to its end: open it again")
        yield from self.source
        self._read = True

    def columns(self) -> Iterator[Columns]:
        """Yield the headers of each batch: ``columns["tcp.seq_raw"]`` is an array with a value a TCP header."""
        from sniffkit.protocols.columns import Columns

        for batch in self.batches():
            yield Columns(batch)

    def flows(self) -> Iterator[Flow]:
        """Yield every conversation of the capture, by protocol and stream number."""
        yield from self._analysis().records()

    def flow_table(self) -> Any:
        """Return every conversation as a ``pyarrow.Table`` (``to_pandas()``, ``polars.from_arrow``); needs pyarrow.

        Times are ``timestamp[ns, UTC]`` and int64 nanoseconds, addresses text, what is not known null. The numbers
        stand in the memory that the analysis filled.
        """
        from sniffkit.explanations.flow_columns import KINDS
        from sniffkit.renderers.tables import arrow_table

        return arrow_table(KINDS, (part.told() for part in self._analysis().parts()))

    def _analysis(self) -> FlowAnalysis:
        from sniffkit.analysis.flows.analysis import FlowAnalysis

        if self._flows is None:
            analysis = FlowAnalysis()
            for _ in analysis.read(self.batches()):
                pass
            analysis.finish()
            self._flows = analysis
        return self._flows


def open(path: str | os.PathLike[str], *more: str | os.PathLike[str]) -> Capture:
    """Open capture files (pcap, pcapng, compressed or not); "-" is standard input.

    Raises ``sniffkit.errors.NotACapture`` and ``NotPermitted``.
    """
    from os import fspath

    from sniffkit.sources import open_captures

    return Capture(open_captures([fspath(each) for each in (path, *more)]))
