"""Says what a file is that holds no capture we read: text, a web page, an archive, another program's capture."""

from __future__ import annotations

import re
import struct

from sniffkit.errors import NotACapture

ARCHIVES = {
    "zip": re.compile(rb"PK(\x03\x04|\x05\x06|\x07\x08)"),
    "7z": re.compile(rb"7z\xbc\xaf\x27\x1c"),
    "rar": re.compile(rb"Rar!\x1a\x07"),
    "tar": re.compile(rb".{257}ustar", re.DOTALL),
}
"""Archives, which may hold several files; a program has to unpack them first."""

OTHER_CAPTURES = {  # names of formats, the same in every language
    "snoop (Solaris)": re.compile(rb"snoop\0\0\0"),
    "btsnoop (Bluetooth)": re.compile(rb"btsnoop\0"),
    "Microsoft Network Monitor 1": re.compile(rb"RTSS"),
    "Microsoft Network Monitor 2": re.compile(rb"GMBU"),
    "Sniffer": re.compile(rb"TRSNIFF data    \x1a"),
    "Sniffer (NetXRay)": re.compile(rb"XCP\0|VL\0\0"),
    "Network Instruments Observer": re.compile(rb"ObserverPktBuffer"),
    "Visual Networks": re.compile(rb"\x05VNF"),
    "OmniPeek": re.compile(rb"\x7fver"),
    "iptrace (AIX)": re.compile(rb"iptrace [12]\.0"),
    "EyeSDN": re.compile(rb"EyeSDN"),
    "Catapult DCT2000": re.compile(rb"Session Transcript"),
    "pcap (Ixia)": re.compile(rb"\x1c\x00\x01[\xab\xac]|[\xab\xac]\x01\x00\x1c"),
}
"""Captures that tshark reads and we do not, by their magic numbers (Wireshark, wiretap/)."""

OTHERS = {
    "ELF": re.compile(rb"\x7fELF"),
    "PDF": re.compile(rb"%PDF-"),
    "PNG": re.compile(rb"\x89PNG"),
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "SQLite": re.compile(rb"SQLite format 3"),
    "EXE": re.compile(rb"MZ[\x00-\xff]{2}[\x00-\x10]\x00"),
}

HTML = re.compile(rb"\s*<(!doctype html|html|head|body)", re.IGNORECASE)
LARGE_FILE_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec")
HEX_DUMP = re.compile(rb"\s*(0x)?[0-9a-fA-F]{4,8}:?\s+[0-9a-fA-F]{2}[0-9a-fA-F]{0,2} [0-9a-fA-F]{2}")
CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")

ERF_HEADER = 16
ERF_TYPES = 48
ERF_SINCE = 800_000_000  # 1995: the format is no older
ERF_UNTIL = 2**31


def not_a_capture(name: str, prefix: bytes) -> NotACapture:
    """Return the error that says what the file ``name`` is, going by its first octets."""
    if not prefix:
        return NotACapture("capture.empty", file=name)
    for kind, magic in ARCHIVES.items():
        if magic.match(prefix):
            return NotACapture("capture.archive", file=name, kind=kind)
    for kind, magic in OTHER_CAPTURES.items():
        if magic.match(prefix):
            return NotACapture("capture.other-format", file=name, kind=kind)
    for kind, magic in OTHERS.items():
        if magic.match(prefix):
            return NotACapture("capture.other-file", file=name, kind=kind)
    if LARGE_FILE_POINTER.match(prefix):
        return NotACapture("capture.git-lfs", file=name)
    if HTML.match(prefix):
        return NotACapture("capture.html", file=name)
    if is_text(prefix):
        return NotACapture("capture.hex-dump" if HEX_DUMP.match(prefix) else "capture.text", file=name)
    if is_erf(prefix):
        return NotACapture("capture.other-format", file=name, kind="ERF (Endace)")
    return NotACapture("capture.unknown", file=name, magic=prefix[:4].hex(" "))


def is_text(prefix: bytes) -> bool:
    """Tell whether ``prefix`` is text in UTF-8 (its last character may be cut) or UTF-16."""
    if prefix.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    if CONTROLS.search(prefix):
        return False
    try:
        prefix.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(prefix) - 3 and error.start > 0
    return True


def is_erf(prefix: bytes) -> bool:
    """Tell whether ``prefix`` begins like records of Endace's format, which has no magic number.

    A record has a time stamp (8 octets, little endian, seconds in the upper half), a type, flags, its own length.
    """
    position = 0
    records = 0
    while position + ERF_HEADER <= len(prefix):
        _, seconds, kind, _, length = struct.unpack_from("<IIBB2s", prefix, position)
        (octets,) = struct.unpack(">H", length)
        if not 0 < kind & 0x7F <= ERF_TYPES or octets < ERF_HEADER or not ERF_SINCE <= seconds < ERF_UNTIL:
            return False
        position += octets
        records += 1
    return records > 0
