"""Random TCP packets that no stack would send, to find where two readings of the same rules differ.

Sequence numbers stand around 0, 2^31 and the wrap, windows are often zero, data often one octet, flags are mixed at
will and time runs backward now and then; in between there is enough sense for the rare marks to appear.
"""

from __future__ import annotations

import random
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sniffkit.analysis.segments import ACK, FIN, RST, SYN, Segments

ANCHORS = (0, 1, 2**31, 2**32 - 1, 2**32 - 3000, 12345)
FLAGS = (
    [ACK] * 12
    + [ACK | 8] * 3
    + [SYN] * 2
    + [SYN | ACK] * 2
    + [FIN | ACK] * 2
    + [RST, RST | ACK, 0, FIN, SYN | FIN, SYN | RST, SYN | FIN | ACK, FIN | RST | ACK, 0x3F, SYN | ACK | RST]
)
STEPS = (0, 0, 0, 0, 0, 0, -1, -1, 1, -2, -1000, 1000, 2**31, -(2**31), 2**31 - 1, 2**30)
WAITS = (0, 1_000, 1_000_000, 2_999_000, 3_000_000, 4_000_000, 19_999_000, 20_000_000, 10**9, -1_000_000, -(10**9))


@dataclass
class Talk:
    """One pair of ends, with what each would send next if it were sane."""

    ports: tuple[int, int]
    addresses: tuple[int, int]
    next: list[int]
    last_ack: list[int]
    window: list[int]


def hostile(count: int, seed: int, talks: int = 12, life: int = 400) -> Segments:
    """Return ``count`` random segments of about ``talks`` pairs at a time, each replaced after ``life`` packets."""
    chance = random.Random(seed)
    rows = []
    time = 1_600_000_000 * 10**9
    port = 40_000

    def begin() -> Talk:
        nonlocal port
        port += 1
        alike = chance.random() < 0.05
        return Talk(
            (port, port if alike else 30_000),
            (1, 1) if alike or chance.random() < 0.1 else (1, 2),
            [chance.choice(ANCHORS), chance.choice(ANCHORS)],
            [0, 0],
            [chance.choice((0, 1, 100, 65535)), 1000],
        )

    open_talks = [begin() for _ in range(talks)]
    for _ in range(count):
        if chance.random() < 1 / life:
            open_talks[chance.randrange(talks)] = begin()
        talk = chance.choice(open_talks)
        side = chance.randrange(2)
        flags = chance.choice(FLAGS)
        length = chance.choice((0, 0, 0, 0, 1, 1, 2, 10, 1000, 1448))
        sane = chance.random() < 0.75
        step = chance.choice(STEPS[:9] if sane else STEPS)
        sequence = talk.next[side] + step if chance.random() < 0.97 else chance.choice(ANCHORS)
        ack = talk.last_ack[side]
        if chance.random() < 0.4:
            ack = talk.next[1 - side] + chance.choice((0, 0, 0, 0, -10, 1) if sane else STEPS)
        if chance.random() < 0.05:
            talk.window[side] = chance.choice((0, 0, 1, 2, 100, 1000, 65535))
        if chance.random() < 0.05:  # fill the window of the other side exactly
            length = talk.last_ack[1 - side] + talk.window[1 - side] - sequence
            length = length if 0 < length < 60_000 else 1
        sequence %= 2**32
        ack %= 2**32
        option = chance.choice((-1, 0, 2, 14, 20)) if flags & SYN or chance.random() < 0.01 else -1
        rows.append((talk.ports, talk.addresses, side, sequence, ack, flags, talk.window[side], length, option, time))
        end = (sequence + length + bool(flags & (SYN | FIN))) % 2**32
        if chance.random() < 0.8:
            talk.next[side] = end
        talk.last_ack[side] = ack
        time += chance.choice(WAITS) if chance.random() < 0.5 else 1_000_000
    return segments_of(rows)


def segments_of(
    rows: list[tuple[tuple[int, int], tuple[int, int], int, int, int, int, int, int, int, int]],
) -> Segments:
    count = len(rows)

    def column(values: list[int], dtype: type) -> np.ndarray:
        return np.array(values, dtype=np.int64).astype(dtype)

    source = np.zeros((count, 2), np.uint64)
    destination = np.zeros((count, 2), np.uint64)
    source[:, 1] = [0xFFFF0A000000 + row[1][row[2]] for row in rows]
    destination[:, 1] = [0xFFFF0A000000 + row[1][1 - row[2]] for row in rows]
    length = column([row[7] for row in rows], np.int64)
    return Segments(
        row=np.arange(count),
        number=np.arange(1, count + 1),
        time_ns=column([row[9] for row in rows], np.int64),
        source=source,
        destination=destination,
        source_port=column([row[0][row[2]] for row in rows], np.uint16),
        destination_port=column([row[0][1 - row[2]] for row in rows], np.uint16),
        sequence=column([row[3] for row in rows], np.uint32),
        acknowledgment=column([row[4] for row in rows], np.uint32),
        flags=column([row[5] for row in rows], np.uint16),
        window=column([row[6] for row in rows], np.uint16),
        length=length,
        captured=length,
        header_ok=np.ones(count, bool),
        options_ok=np.ones(count, bool),
        scale_shift=column([row[8] for row in rows], np.int16),
        mss=np.full(count, -1, np.int32),
        sack_permitted=np.zeros(count, bool),
        identification=np.arange(count, dtype=np.int32) & 0xFFFF,
        checksum=np.zeros(count, np.uint16),
    )


def write_pcap(segments: Segments, path: Path) -> None:
    """Write the segments as raw IPv4 packets with nanosecond times, cut after the TCP header."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 101))
        for at in range(len(segments)):
            shift = int(segments.scale_shift[at])
            options = b"" if shift < 0 else bytes((1, 3, 3, shift))
            length = 40 + len(options) + int(segments.length[at])
            ip = struct.pack(
                "!BBHHHBBHII",
                0x45,
                0,
                length,
                int(segments.identification[at]),
                0x4000,
                64,
                6,
                0,
                int(segments.source[at, 1]) & 0xFFFFFFFF,
                int(segments.destination[at, 1]) & 0xFFFFFFFF,
            )
            tcp = struct.pack(
                "!HHIIHHHH",
                int(segments.source_port[at]),
                int(segments.destination_port[at]),
                int(segments.sequence[at]),
                int(segments.acknowledgment[at]),
                (20 + len(options)) // 4 << 12 | int(segments.flags[at]),
                int(segments.window[at]),
                0,
                0,
            )
            packet = ip + tcp + options
            seconds, rest = divmod(int(segments.time_ns[at]), 10**9)
            file.write(struct.pack("<IIII", seconds, rest, len(packet), length))
            file.write(packet)


def tshark_fields(path: Path, fields: list[str]) -> dict[str, list[str]]:
    """Return what tshark prints of each field, one text a packet."""
    arguments = [part for field in fields for part in ("-e", field)]
    run = subprocess.run(
        ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "occurrence=f", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split("\t") for line in run.stdout.rstrip("\n").split("\n")]
    return {field: [row[at] for row in rows] for at, field in enumerate(fields)}
