"""Sources: where octets come in (and go out). ``open_capture("a.pcap")`` yields batches of packets."""

from __future__ import annotations

from sniffkit.errors import NotACapture
from sniffkit.sources.batch import Batch, Interface
from sniffkit.sources.compressed import UnpackedOctets, compression
from sniffkit.sources.file_kinds import not_a_capture
from sniffkit.sources.octets import Octets, open_octets, read_prefix
from sniffkit.sources.source import BATCH_OCTETS, Comment, Source

__all__ = ["Batch", "Comment", "Interface", "Source", "open_capture"]

ENOUGH = 24
"""Octets that tell every format apart: a classic pcap's whole header; a live pipe may have no more yet."""

PREFIX = 4096
"""Octets looked at where they are there at once, to say what a file is that is no capture."""


def open_capture(path: str, *, batch_octets: int = BATCH_OCTETS) -> Source:
    """Open a capture file, or standard input where ``path`` is "-"; the format is told by its first octets.

    Raises NotACapture (missing, a directory, empty, another kind of file) and NotPermitted. Damage further
    on is never raised: see ``Source.damage``.
    """
    stream: Octets = open_octets(path)
    try:
        prefix = read_prefix(stream, ENOUGH, PREFIX)
        packed = compression(prefix)
        if packed:
            stream = UnpackedOctets(stream, prefix, packed)
            prefix = read_prefix(stream, ENOUGH, PREFIX)
        source = _recognise(path, stream, prefix, batch_octets)
        source.compression = packed
        return source
    except BaseException:
        stream.close()
        raise


def _recognise(path: str, stream: Octets, prefix: bytes, batch_octets: int) -> Source:
    from sniffkit.sources.pcap import PcapSource, byte_order
    from sniffkit.sources.pcapng import PcapngSource
    from sniffkit.sources.pcapng_blocks import SECTION_MAGIC

    if prefix.startswith(SECTION_MAGIC):
        return PcapngSource(path, stream, prefix, batch_octets)
    if byte_order(prefix):
        return PcapSource(path, stream, prefix, batch_octets)
    if stream.failure is not None and len(prefix) < ENOUGH:
        id, values = stream.failure
        raise NotACapture(id, file=path, packet=1, octet=len(prefix), **values)
    twice = compression(prefix)
    if twice:
        raise NotACapture("compressed.twice", file=path, compression=twice)
    raise not_a_capture(path, prefix)
