"""How long each step of the TCP analysis takes, and what it needs of memory.

    python -m benchmarks.analysis [FILE]        without FILE on the benchmark's own million packets

Seconds are this process's own (one core). The steps are fed batch by batch, as in every command.
"""

from __future__ import annotations

import resource
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from time import process_time
from typing import TypeVar

from sniffkit.analysis.segments import Segments
from sniffkit.analysis.streams import Streams
from sniffkit.analysis.tcp.ack_times import TcpAckTimes
from sniffkit.analysis.tcp.mark_names import MARK_NAMES
from sniffkit.analysis.tcp.marks import TcpMarks
from sniffkit.analysis.zeek.connections import ZeekConnections
from sniffkit.protocols.columns import Columns
from sniffkit.sources import open_capture

Result = TypeVar("Result")


def measure(file: str) -> None:
    """Print a line a step, then how often each mark was given."""
    spent: defaultdict[str, float] = defaultdict(float)
    marked: Counter[str] = Counter()
    packets = segments_seen = 0

    def timed(step: str, work: Callable[..., Result], *arguments: object) -> Result:
        begin = process_time()
        result = work(*arguments)
        spent[step] += process_time() - begin
        return result

    streams, marks, times, zeek = Streams(), TcpMarks(as_tshark=True), TcpAckTimes(), ZeekConnections()
    begin = process_time()
    with open_capture(file) as source:
        for batch in source:
            spent["reading"] += process_time() - begin
            columns = timed("columns", Columns, batch)
            segments = timed("columns", Segments.from_columns, columns)
            numbers = timed("stream numbers", streams.feed, segments)
            told = timed("all marks", marks.feed, segments, numbers)
            timed("ack times", times.feed, segments, numbers, told)
            timed("conn_state, history", zeek.feed, segments, numbers, told)
            packets += len(batch)
            segments_seen += len(segments)
            for bit, name in enumerate(MARK_NAMES):
                marked[name] += int((told.mask >> bit & 1).sum())
            begin = process_time()
    million = segments_seen / 1_000_000 or 1.0
    print(f"{packets} packets, {segments_seen} TCP segments in {streams.count} streams")
    for step, seconds in spent.items():
        print(f"{step:20} {seconds:7.3f} s   {seconds / million:7.3f} s a million segments")
    singly = marks.packet_by_packet
    print(f"{'packet by packet':20} {singly:7} segments ({singly / million / 10_000:.1f} %)")
    print(f"{'memory at most':20} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:7.0f} MB")
    print(", ".join(f"{name} {count}" for name, count in marked.items() if count))


if __name__ == "__main__":
    from benchmarks.capture import make

    measure(sys.argv[1] if len(sys.argv) > 1 else str(make(1_000_000)))
