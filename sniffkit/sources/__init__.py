"""Sources: where octets come in (and go out). ``open_capture("a.pcap")`` yields batches of packets."""

from __future__ import annotations

from sniffkit.errors import NotACapture
from sniffkit.sources.batch import Batch, Interface
from sniffkit.sources.octets import open_octets, read_prefix
from sniffkit.sources.source import BATCH_OCTETS, Comment, Source

__all__ = ["Batch", "Comment", "Interface", "Source", "open_capture"]

ENOUGH = 24
"""Octets that tell every format apart: a classic pcap's whole header; a live pipe may have no more yet."""


def open_capture(path: str, *, batch_octets: int = BATCH_OCTETS) -> Source:
    """Open a capture file, or standard input where ``path`` is "-"; the format is told by its first octets.

    Raises NotACapture (missing, a directory, empty, another kind of file) and NotPermitted. Damage further
    on is never raised: see ``Source.damage``.
    """
    stream = open_octets(path)
    try:
        prefix = read_prefix(stream, ENOUGH, 4096)
        from sniffkit.sources import pcap, pcapng, pcapng_blocks

        if prefix.startswith(pcapng_blocks.SECTION_MAGIC):
            return pcapng.PcapngSource(path, stream, prefix, batch_octets)
        if pcap.byte_order(prefix):
            return pcap.PcapSource(path, stream, prefix, batch_octets)
        raise NotACapture("capture.empty" if not prefix else "capture.unknown", file=path)
    except BaseException:
        stream.close()
        raise
