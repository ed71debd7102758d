"""A file that holds no capture is told for what it is, because then one knows what to do."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from sniffkit.errors import ExitCode, NotACapture
from sniffkit.sources import open_capture


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.pcap", b"x" * 50)
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.pcap"))
    return file.getvalue()


def erf() -> bytes:
    record = struct.pack("<II", 0, 1_700_000_000) + struct.pack(">BBHHH", 2, 4, 80, 0, 60) + bytes(64)
    return record * 3


FILES = {
    "empty": (b"", "capture.empty", None),
    "text": (b"12:00:01.000000 IP 10.0.0.2.50000 > 10.0.0.1.80: Flags [S]\n" * 100, "capture.text", None),
    "Chinese text": ("第一个分组是 SYN。\n".encode() * 1000, "capture.text", None),
    "UTF-16 text": ("No capture at all".encode("utf-16"), "capture.text", None),
    "hex dump": (b"0000  45 00 00 3c 1c 46 40 00 40 06 b1 e6 c0 a8 00 68\n", "capture.hex-dump", None),
    "web page": (b"\n<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n", "capture.html", None),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "capture.git-lfs", None),
    "zip": (zipped(), "capture.archive", "zip"),
    "tar": (tarred(), "capture.archive", "tar"),
    "snoop": (b"snoop\0\0\0" + bytes(40), "capture.other-format", "snoop (Solaris)"),
    "netmon": (b"GMBU" + bytes(40), "capture.other-format", "Microsoft Network Monitor 2"),
    "ERF": (erf(), "capture.other-format", "ERF (Endace)"),
    "program": (b"\x7fELF\x02\x01\x01" + bytes(60), "capture.other-file", "ELF"),
    "octets": (bytes(range(128, 228)), "capture.unknown", None),
    "zero octets": (bytes(5000), "capture.unknown", None),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_told_for_what_it_is(tmp_path: Path, name: str) -> None:
    octets, id, kind = FILES[name]
    path = tmp_path / "file.pcap"
    path.write_bytes(octets)
    with pytest.raises(NotACapture) as refused:
        open_capture(str(path))
    assert refused.value.id == id
    assert refused.value.values.get("kind") == kind
    assert refused.value.values["file"] == str(path)
    assert refused.value.exit_code == ExitCode.NOT_A_CAPTURE
