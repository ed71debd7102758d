"""Unpacks compressed captures while they are read: gzip, zstd, lz4, xz and bzip2, told by their first octets.

Nothing is unpacked ahead of need: a file of a few kilobytes that unpacks to terabytes costs time, not memory. A
file may be several compressed ones one behind the other (``cat a.gz b.gz``), and zero octets may follow the last.
Formats: RFC 1952 (gzip), RFC 8878 (zstd), lz4_Frame_format.md, xz-file-format.txt.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import zlib
    from collections.abc import Callable

    from sniffkit.sources.octets import Octets

MAGICS = {
    "gzip": re.compile(rb"\x1f\x8b\x08"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", re.DOTALL),  # or a frame to be skipped
    "lz4": re.compile(rb"\x04\x22\x4d\x18"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    "bzip2": re.compile(rb"BZh[1-9]"),
}

MOST_MEMORY = 128 * 1024 * 1024
"""Octets a decompressor may look back on; xz -9 needs 65 MiB, zstd without --long no more than 128 MiB."""

READ_AT_ONCE = 64 * 1024
MADE_AT_ONCE = 64 * 1024
"""Octets unpacked by one call; so many are lost at most where the compressed octets turn out to be damaged."""

ZSTD_FED_AT_ONCE = 1024
"""zstandard takes no limit on what it makes of an input: of these octets 32 MiB at most (4 make up to 128 KiB)."""


def compression(prefix: bytes) -> str:
    """Return the name of the compression whose magic ``prefix`` begins with, or ""."""
    return next((kind for kind, magic in MAGICS.items() if magic.match(prefix)), "")


class Decompressor(Protocol):
    """What bz2, lzma and lz4 offer alike, and the two classes below for zlib and zstd."""

    @property
    def eof(self) -> bool:
        """Whether the end of this member was reached."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out before something more goes in."""

    @property
    def unused_data(self) -> bytes | None:
        """What stands behind the end."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return up to ``max_length`` octets."""


class GzipMember:
    """One gzip member. A wrong checksum at its end takes away none of the octets before it."""

    def __init__(self) -> None:
        import zlib

        self._zlib = zlib
        self._inflate = zlib.decompressobj(wbits=31)
        self._rest = b""
        self._full = False
        self._error: Exception | None = None

    @property
    def eof(self) -> bool:
        """Whether the member's end was reached."""
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        """Whether all input was used up."""
        return not (self._rest or self._full or self.eof)

    @property
    def unused_data(self) -> bytes:
        """What stands behind the member."""
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return up to ``max_length`` octets; raise zlib.error only when no octet is left to return."""
        if self._error:
            raise self._error
        data = self._rest + data
        before = self._inflate.copy()
        try:
            made = self._inflate.decompress(data, max_length)
        except self._zlib.error as error:
            self._error = error
            made = self._up_to_damage(before, data, max_length)
            self._rest = b""
            self._full = True  # ask again: the error is still to be raised
            return made
        self._rest = self._inflate.unconsumed_tail
        self._full = len(made) == max_length
        return made

    def _up_to_damage(self, inflate: zlib._Decompress, data: bytes, max_length: int) -> bytes:
        made = bytearray()
        try:
            for place in range(len(data)):
                made += inflate.decompress(data[place : place + 1])
        except self._zlib.error:
            pass
        return bytes(made[:max_length])


class ZstdFrame:
    """One zstd frame, fed so little at a time that what comes out stays small."""

    def __init__(self) -> None:
        import zstandard

        self._frame = zstandard.ZstdDecompressor(max_window_size=MOST_MEMORY).decompressobj()
        self._waiting = memoryview(b"")
        self._made = memoryview(b"")

    @property
    def eof(self) -> bool:
        """Whether the frame's end was reached and all of it was returned."""
        return self._frame.eof and not self._made

    @property
    def needs_input(self) -> bool:
        """Whether all input was used up."""
        return not (self._waiting or self._made or self._frame.eof)

    @property
    def unused_data(self) -> bytes:
        """What stands behind the frame."""
        return self._frame.unused_data + bytes(self._waiting)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return up to ``max_length`` octets."""
        if data:
            self._waiting = memoryview(bytes(self._waiting) + data)
        if not self._made and not self._frame.eof:
            fed, self._waiting = self._waiting[:ZSTD_FED_AT_ONCE], self._waiting[ZSTD_FED_AT_ONCE:]
            self._made = memoryview(self._frame.decompress(fed))
        made, self._made = self._made[:max_length], self._made[max_length:]
        return bytes(made)


def _xz_stream() -> Decompressor:
    import lzma

    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_MEMORY)


def _bzip2_stream() -> Decompressor:
    import bz2

    return bz2.BZ2Decompressor()


def _lz4_frame() -> Decompressor:
    import lz4.frame

    frame: Decompressor = lz4.frame.LZ4FrameDecompressor()
    return frame


MEMBERS: dict[str, Callable[[], Decompressor]] = {
    "gzip": GzipMember,
    "zstd": ZstdFrame,
    "lz4": _lz4_frame,
    "xz": _xz_stream,
    "bzip2": _bzip2_stream,
}


class UnpackedOctets:
    """The octets that a compressed stream unpacks to; see ``octets.Octets``.

    Where the compressed octets are damaged or end too early, the stream ends there and ``failure`` says why.
    """

    def __init__(self, packed: Octets, prefix: bytes, kind: str) -> None:
        self._packed = packed
        self._input = prefix
        self._kind = kind
        self._member: Decompressor | None = MEMBERS[kind]()
        self.total = packed.total
        self.failure: tuple[str, dict[str, object]] | None = None

    @property
    def octets_read(self) -> int:
        """How many octets of the compressed file were read."""
        return self._packed.octets_read

    def readinto(self, view: memoryview) -> int:
        """Unpack some octets into ``view``; return 0 at the end, or where the damage is."""
        while self._member is not None:
            if self._member.eof:
                self._member = self._next_member()
                continue
            if self._member.needs_input and not self._input:
                self._input = self._read()
                if not self._input:
                    self._fail("compressed.cut")
                    break
            data, self._input = self._input, b""
            try:
                made = self._member.decompress(data, min(len(view), MADE_AT_ONCE))
            except Exception as error:  # each library has its own; all say that the octets are damaged
                self._fail("compressed.damaged", reason=str(error))
                break
            if made:
                view[: len(made)] = made
                return len(made)
        return 0

    def _next_member(self) -> Decompressor | None:
        """Begin the next member behind one that ended, or return None at the end of the file."""
        assert self._member is not None
        rest = self._member.unused_data or b""  # lz4 says None where nothing follows
        while True:
            rest = rest.lstrip(b"\0")
            more = b"" if len(rest) >= 6 else self._read()
            if not more:
                break
            rest += more
        if not rest:
            self.failure = self._packed.failure
            return None
        if not MAGICS[self._kind].match(rest):
            self._fail("compressed.rest-unknown", behind=len(rest))
            return None
        self._input = rest
        return MEMBERS[self._kind]()

    def _read(self) -> bytes:
        buffer = bytearray(READ_AT_ONCE)
        return bytes(buffer[: self._packed.readinto(memoryview(buffer))])

    def _fail(self, id: str, **values: object) -> None:
        self._member = None
        self.failure = self._packed.failure or (
            id,
            {"compression": self._kind, "packed": self.octets_read, **values},
        )

    def ready(self, seconds: float) -> bool:
        """Tell whether something can be unpacked without waiting for more input."""
        member = self._member
        return member is None or bool(self._input) or not member.needs_input or self._packed.ready(seconds)

    def close(self) -> None:
        """Close the compressed file."""
        self._packed.close()
