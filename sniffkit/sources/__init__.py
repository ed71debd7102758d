"""Sources: where octets come in (and go out). ``open_capture("a.pcap")`` yields batches of packets."""

from __future__ import annotations

from collections.abc import Sequence

from sniffkit.errors import NotACapture
from sniffkit.sources.batch import Batch, Interface
from sniffkit.sources.compressed import UnpackedOctets, compression
from sniffkit.sources.file_kinds import not_a_capture
from sniffkit.sources.octets import Octets, open_octets, read_prefix
from sniffkit.sources.source import BATCH_OCTETS, Comment, Source

__all__ = ["Batch", "Comment", "Interface", "Source", "open_capture", "open_captures"]

ENOUGH = 24
"""Octets that tell every format apart: a classic pcap's whole header; a live pipe may have no more yet."""

LEAST_SHARE = 256 * 1024
"""Octets of a batch of each file, where many files are merged."""

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


def open_captures(paths: Sequence[str], *, batch_octets: int = BATCH_OCTETS) -> Source:
    """Open several captures as one, packet by packet by time; a single one as ``open_capture`` does.

    Packets are numbered over all of them, interfaces stand one file's after the other's. Raises what
    ``open_capture`` raises, for the first file that cannot be read.
    """
    if len(paths) == 1:
        return open_capture(paths[0], batch_octets=batch_octets)
    from sniffkit.sources.merge import MergedSource

    share = max(batch_octets // max(len(paths), 1), LEAST_SHARE)
    sources: list[Source] = []
    try:
        for path in paths:
            sources.append(open_capture(path, batch_octets=share))
    except BaseException:
        for source in sources:
            source.close()
        raise
    return MergedSource(sources)


def _recognise(path: str, stream: Octets, prefix: bytes, batch_octets: int) -> Source:
    from sniffkit.sources.pcap import PcapSource, byte_order

    if byte_order(prefix):  # then what reads pcapng need not be loaded
        return PcapSource(path, stream, prefix, batch_octets)
    from sniffkit.sources.pcapng import PcapngSource
    from sniffkit.sources.pcapng_blocks import SECTION_MAGIC

    if prefix.startswith(SECTION_MAGIC):
        return PcapngSource(path, stream, prefix, batch_octets)
    if stream.failure is not None and len(prefix) < ENOUGH:
        id, values = stream.failure
        raise NotACapture(id, file=path, packet=1, octet=len(prefix), **values)
    twice = compression(prefix)
    if twice:
        raise NotACapture("compressed.twice", file=path, compression=twice)
    raise not_a_capture(path, prefix)
