"""Capture files written: classic pcap and pcapng, one packet after the other.

pcap:   draft-ietf-opsawg-pcap, a 24-octet file header and 16 octets before each packet.
pcapng: draft-ietf-opsawg-pcapng, a Section Header Block, an Interface Description Block for each interface and an
        Enhanced Packet Block for each packet, time in nanoseconds.

A file is a valid capture after every ``flush``: records are handed over whole.
"""

from __future__ import annotations

import contextlib
import struct
import sys
from typing import TYPE_CHECKING, BinaryIO

from sniffkit.errors import NotPermitted, UsageError
from sniffkit.sources.batch import NO_TIME, Interface

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from sniffkit.sources.batch import Batch

ETHERNET = 1
SNAP_LENGTH = 262_144
"""The longest packet kept by default, as tcpdump and tshark have it."""

MICROSECOND_MAGIC = 0xA1B2C3D4
NANOSECOND_MAGIC = 0xA1B23C4D

SECTION_HEADER_BLOCK = 0x0A0D0D0A
INTERFACE_DESCRIPTION_BLOCK = 1
ENHANCED_PACKET_BLOCK = 6
BYTE_ORDER_MAGIC = 0x1A2B3C4D
UNKNOWN_SECTION_LENGTH = -1
OPTION_END = 0
OPTION_COMMENT = 1
OPTION_NAME = 2
OPTION_DESCRIPTION = 3
OPTION_TIME_RESOLUTION = 9
OPTION_APPLICATION = 4
NANOSECONDS = 9
"""Time resolution 10**-9 in a pcapng interface."""


class Writer:
    """An open capture file; use it in ``with``.

    ``written`` counts the packets, ``octets_written`` the octets of the file so far.
    """

    def __init__(self, file: BinaryIO, *, snap_length: int = SNAP_LENGTH, owned: bool = True) -> None:
        self.file = file
        self.snap_length = snap_length
        self.written = 0
        self.octets_written = 0
        self._owned = owned

    def write(self, octets: bytes, time_ns: int, *, length: int | None = None, interface: int = 0) -> None:
        """Append one packet.

        octets:    what was captured of it; cut to the snap length here
        time_ns:   nanoseconds since 1970-01-01 UTC (NO_TIME is written as 0)
        length:    octets it had on the wire, where that is more than ``octets``
        interface: number of its interface (pcapng only)
        """
        on_the_wire = len(octets) if length is None else length
        record = self._record(octets[: self.snap_length], max(time_ns, 0), on_the_wire, interface)
        self._put(record)
        self.written += 1

    def write_batch(self, batch: Batch) -> None:
        """Append every packet of a batch."""
        buffer = memoryview(batch.octets)  # type: ignore[arg-type]
        records: list[bytes] = []
        rows = zip(
            batch.offset.tolist(),
            batch.captured.tolist(),
            batch.length.tolist(),
            batch.time_ns.tolist(),
            batch.interface.tolist(),
            strict=True,
        )
        for offset, captured, length, time_ns, interface in rows:
            octets = bytes(buffer[offset : offset + min(captured, self.snap_length)])
            records.append(self._record(octets, 0 if time_ns == NO_TIME else time_ns, length, interface))
        self._put(b"".join(records))
        self.written += len(batch)

    def write_records(self, records: bytes | memoryview, count: int) -> None:
        """Append records that were made elsewhere (``packed_records``), whole and in this file's format."""
        self._put(records)
        self.written += count

    def flush(self) -> None:
        """Hand everything written so far to the system; the file is then a valid capture."""
        self.file.flush()

    def close(self) -> None:
        """Flush and close; standard output is only flushed."""
        if self.file.closed:
            return
        self.file.flush()
        if self._owned:
            self.file.close()

    def _record(self, octets: bytes, time_ns: int, length: int, interface: int) -> bytes:
        raise NotImplementedError

    def _put(self, octets: bytes | memoryview) -> None:
        self.file.write(octets)
        self.octets_written += len(octets)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:  # what went wrong first matters more than a disk that is full on closing
            with contextlib.suppress(OSError):
                self.close()


class PcapWriter(Writer):
    """Classic pcap: one link type for the whole file, microseconds or nanoseconds."""

    def __init__(
        self,
        file: BinaryIO,
        *,
        link_type: int = ETHERNET,
        snap_length: int = SNAP_LENGTH,
        nanoseconds: bool = True,
        owned: bool = True,
    ) -> None:
        super().__init__(file, snap_length=snap_length, owned=owned)
        self._unit = 1 if nanoseconds else 1000
        magic = NANOSECOND_MAGIC if nanoseconds else MICROSECOND_MAGIC
        self._put(struct.pack("<IHHiIII", magic, 2, 4, 0, 0, snap_length, link_type))

    def _record(self, octets: bytes, time_ns: int, length: int, interface: int) -> bytes:
        seconds, rest = divmod(time_ns, 1_000_000_000)
        return struct.pack("<IIII", seconds, rest // self._unit, len(octets), length) + octets


class PcapngWriter(Writer):
    """pcapng: interfaces with their own link type and name; time in nanoseconds."""

    def __init__(
        self,
        file: BinaryIO,
        *,
        interfaces: list[Interface] | None = None,
        snap_length: int = SNAP_LENGTH,
        application: str = "sniffkit",
        owned: bool = True,
    ) -> None:
        super().__init__(file, snap_length=snap_length, owned=owned)
        section = struct.pack("<IHHq", BYTE_ORDER_MAGIC, 1, 0, UNKNOWN_SECTION_LENGTH)
        self._put(block(SECTION_HEADER_BLOCK, section + options([(OPTION_APPLICATION, application.encode())])))
        self.interfaces: list[Interface] = []
        for interface in interfaces if interfaces is not None else [Interface(ETHERNET)]:
            self.add_interface(interface)

    def add_interface(self, interface: Interface) -> int:
        """Describe one more interface; return the number its packets carry."""
        told = [
            (OPTION_NAME, interface.name.encode()),
            (OPTION_DESCRIPTION, interface.description.encode()),
            (OPTION_TIME_RESOLUTION, bytes([NANOSECONDS])),
        ]
        snap_length = interface.snap_length or self.snap_length
        body = struct.pack("<HHI", interface.link_type, 0, snap_length)
        self._put(block(INTERFACE_DESCRIPTION_BLOCK, body + options(told)))
        self.interfaces.append(interface)
        return len(self.interfaces) - 1

    def write_comment(self, octets: bytes, time_ns: int, comment: str, *, interface: int = 0) -> None:
        """Append one packet with a comment that Wireshark shows above it."""
        told = options([(OPTION_COMMENT, comment.encode())])
        self._put(self._record(octets[: self.snap_length], max(time_ns, 0), len(octets), interface, told))
        self.written += 1

    def _record(self, octets: bytes, time_ns: int, length: int, interface: int, told: bytes = b"") -> bytes:
        high, low = time_ns >> 32, time_ns & 0xFFFFFFFF
        head = struct.pack("<IIIII", interface, high, low, len(octets), length)
        return block(ENHANCED_PACKET_BLOCK, head + padded(octets) + told)


def create_capture(
    path: str,
    *,
    interfaces: list[Interface] | None = None,
    snap_length: int = SNAP_LENGTH,
    nanoseconds: bool = True,
) -> Writer:
    """Open a capture for writing: pcapng where the name says so, else pcap; ``-`` is standard output.

    Raises NotPermitted ``writer.cannot-create`` and UsageError ``writer.binary-to-terminal``.
    """
    described = interfaces or [Interface(ETHERNET)]
    file: BinaryIO
    if path == "-":
        if sys.stdout.isatty():
            raise UsageError("writer.binary-to-terminal")
        file, owned = sys.stdout.buffer, False
    else:
        try:
            file, owned = open(path, "wb"), True  # noqa: SIM115 - the writer closes it
        except OSError as error:
            raise NotPermitted("writer.cannot-create", file=path, reason=error.strerror) from error
    if path.endswith((".pcapng", ".ntar")):
        return PcapngWriter(file, interfaces=described, snap_length=snap_length, owned=owned)
    return PcapWriter(
        file, link_type=described[0].link_type, snap_length=snap_length, nanoseconds=nanoseconds, owned=owned
    )


def block(kind: int, body: bytes) -> bytes:
    """One pcapng block: type, length, body, the length again."""
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def options(told: list[tuple[int, bytes]]) -> bytes:
    """Options of a pcapng block, the empty ones left out, closed with the end mark where there are any."""
    parts = [struct.pack("<HH", code, len(value)) + padded(value) for code, value in told if value]
    return b"".join([*parts, struct.pack("<HH", OPTION_END, 0)]) if parts else b""


def padded(octets: bytes) -> bytes:
    """Fill up to a multiple of four octets, as pcapng aligns everything."""
    return octets + bytes(-len(octets) % 4)
