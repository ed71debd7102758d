"""What only a large capture shows: two processes against one, and memory that does not grow with the packets.

    python -m benchmarks.large [--packets N] [--rounds N]      ten million packets (5 GB in build/bench) and 3 rounds

Both runs of a round follow each other, and their outputs are compared to the byte. Beside the seconds that passed stand
those of the processors, of all processes together: on a machine that others use, too, they tell more.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.capture import make
from benchmarks.run import OCTETS_PER_MAXRSS, read_once

SMALL = 1_000_000
FASTER = 1.4
MORE_MEMORY = 1.5


@dataclass(frozen=True)
class Taken:
    """A run: seconds by the clock, of the processors, the most memory one process held, and what was written."""

    seconds: float
    processor: float
    megabytes: float
    digest: str


def flows(path: Path, jobs: int) -> Taken:
    """Run ``flows --json`` once."""
    command = [sys.executable, "-m", "sniffkit", "flows", "--json", "--jobs", str(jobs), str(path)]
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout
    digest = hashlib.sha256()
    while part := process.stdout.read(1 << 20):
        digest.update(part)
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"exit code {process.returncode}")
    seconds = time.perf_counter() - begin
    memory = usage.ru_maxrss * OCTETS_PER_MAXRSS / 1e6
    return Taken(seconds, usage.ru_utime + usage.ru_stime, memory, digest.hexdigest())


def show(what: str, runs: list[Taken]) -> None:
    """Print the medians of some runs."""
    seconds, processor = median(run.seconds for run in runs), median(run.processor for run in runs)
    print(f"  {what:<24}{seconds:8.2f} s{processor:9.2f} s of processors{median(r.megabytes for r in runs):7.0f} MB")


def main() -> int:
    """Print the figures; the exit code says whether all outputs were the same."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large", description=__doc__)
    parser.add_argument("--packets", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    small, large = make(SMALL), make(options.packets)
    print(f"{options.packets:,} packets, {large.stat().st_size / 1e6:.0f} MB; {os.cpu_count()} cores")
    taken: dict[int, list[Taken]] = {1: [], 2: []}
    for _ in range(options.rounds):
        for jobs, runs in taken.items():
            read_once(large)
            runs.append(flows(large, jobs))
    for jobs, runs in taken.items():
        show(f"flows --json --jobs {jobs}", runs)
    ratio = median(one.seconds / two.seconds for one, two in zip(taken[1], taken[2], strict=True))
    said = "reached" if ratio >= FASTER else "NOT REACHED"
    print(f"  two jobs at least {FASTER} x as fast as one: {ratio:.2f} x  {said}")
    same = len({run.digest for runs in taken.values() for run in runs}) == 1
    print(f"  output the same to the byte: {'yes' if same else 'NO'}")
    little = [flows(small, 1) for _ in range(options.rounds)]
    show(f"{SMALL:,} packets", little)
    more = median(run.megabytes for run in taken[1]) / median(run.megabytes for run in little)
    said = "reached" if more <= MORE_MEMORY else "NOT REACHED"
    print(f"  memory at most {MORE_MEMORY} x that for a million: {more:.2f} x  {said}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
