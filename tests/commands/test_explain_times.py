"""Packets without a time stamp, and clocks set back: nothing is computed from a time that is not there."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

SEGMENTS = ((">", 2, 100, 0), ("<", 18, 500, 101), (">", 16, 101, 501))


def block(type: int, body: bytes) -> bytes:
    return struct.pack("<II", type, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))


def handshake(path: Path, times: tuple[int | None, ...]) -> Path:
    """Write a handshake as pcapng on a raw IP link; ``times`` in seconds, None for a packet without one."""
    blocks = [block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)), block(1, struct.pack("<HHI", 101, 0, 0))]
    for (arrow, flags, sequence, acknowledgment), time in zip(SEGMENTS, times, strict=True):
        client, server = (bytes((10, 0, 0, 2)), 40000), (bytes((10, 0, 0, 9)), 80)
        (source, port), (target, to) = (client, server) if arrow == ">" else (server, client)
        packet = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + source + target
        packet += struct.pack("!HHIIBBHHH", port, to, sequence, acknowledgment, 0x50, flags, 8192, 0, 0)
        if time is None:
            blocks.append(block(3, struct.pack("<I", 40) + packet))
        else:
            blocks.append(block(6, struct.pack("<IIIII", 0, *divmod(time * 1_000_000, 1 << 32), 40, 40) + packet))
    path.write_bytes(b"".join(blocks))
    return path


def test_a_packet_without_a_time_stamp(sniffkit: Callable[..., Any], tmp_path: Path) -> None:
    for missing in range(3):
        times = [1_700_000_000, 1_700_000_001, 1_700_000_002]
        run = sniffkit("explain", handshake(tmp_path / "a.pcapng", (*times[:missing], None, *times[missing + 1 :])))
        assert (run.code, run.err) == (0, "")
        head = next(line for line in run.out.splitlines() if line.startswith(f"    {missing + 1}"))
        assert head.split()[1] == "-"
        assert "Opening took" not in run.out
        assert ("an unknown time" in run.out) == (missing < 2)


def test_a_clock_set_back_makes_no_negative_durations(sniffkit: Callable[..., Any], tmp_path: Path) -> None:
    run = sniffkit("explain", handshake(tmp_path / "a.pcapng", (1_700_000_009, 1_700_000_004, 1_700_000_001)))
    assert (run.code, run.err) == (0, "")
    assert "after -" not in run.out
    assert "took -" not in run.out
    assert "the clock was set back" in run.out
