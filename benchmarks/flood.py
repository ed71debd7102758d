"""A SYN flood: every SYN from another address, and what ``sniffkit flows`` needs of memory for it.

python -m benchmarks.flood [SOURCES]      a million; prints octets a source above what a capture of a few needs
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

from benchmarks.capture import FOLDER

A_SECOND = 100_000
"""SYNs in a second."""

BOUND = 350
"""Octets a source that the README promises at most."""


def make(sources: int) -> Path:
    """Return a capture of so many SYNs, made unless it is there already."""
    import numpy as np

    path = FOLDER / f"syn-flood-{sources}.pcap"
    if path.exists():
        return path
    FOLDER.mkdir(parents=True, exist_ok=True)
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)
    frame = bytes.fromhex(
        "020000000001" "020000000002" "0800" "45000028000140004006" "0000" "00000000" "0a000002"
        "0400" "0050" "00000001" "00000000" "5002" "ffff" "0000" "0000"
    )  # fmt: skip
    record = np.dtype(
        [("seconds", "<u4"), ("fraction", "<u4"), ("captured", "<u4"), ("length", "<u4"), ("frame", "V54")]
    )
    made = np.zeros(sources, record)
    number = np.arange(sources)
    made["seconds"] = 1_700_000_000 + number // A_SECOND
    made["fraction"] = number % A_SECOND * (1_000_000 // A_SECOND)
    made["captured"] = made["length"] = len(frame)
    octets = np.tile(np.frombuffer(frame, np.uint8), (sources, 1))
    mixed = (number * 2_654_435_761) & 0xFFFFFFFF  # an odd factor: no address comes twice
    octets[:, 26:30] = mixed.astype(">u4").view(np.uint8).reshape(-1, 4)
    octets[:, 38:42] = (mixed ^ 0x5A5A5A5A).astype(">u4").view(np.uint8).reshape(-1, 4)
    made["frame"] = np.ascontiguousarray(octets).view("V54").reshape(-1)
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(head + made.tobytes())
    unfinished.replace(path)
    return path


def main() -> int:
    """Measure a small and a large flood."""
    from benchmarks.large import flows, show

    sources = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    few = flows(make(sources // 10), 1)
    many = flows(make(sources), 1)
    show(f"{sources // 10:,} sources", [few])
    show(f"{sources:,} sources", [many])
    octets = (many.megabytes - few.megabytes) * 1e6 / (sources - sources // 10)
    print(f"  at most {BOUND} octets a source: {octets:.0f}  {'reached' if octets <= BOUND else 'NOT REACHED'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
