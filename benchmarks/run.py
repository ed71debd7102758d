"""Times sniffkit and its peers on one capture, side by side in one run, and prints a table (``make bench``).

Every run is a whole process, start-up included. The programs of a case take turns (A B C, A B C ...), so that a
machine that slows down slows all of them; a comparison is the median of the rounds' own ratios.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.capture import make
from benchmarks.cases import Case, Goal, Run, cases
from benchmarks.dns_capture import make as make_questions

OCTETS_PER_MAXRSS = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Measure:
    """How long a run took and the most memory it held."""

    seconds: float
    megabytes: float


class CommandFailed(Exception):
    """A program under test ended with an error; its last words are the message."""


def measure(run: Run) -> Measure:
    """Run the command once with its output thrown away."""
    begin = time.perf_counter()
    process = subprocess.Popen(run.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.stderr.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        last = said.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        raise CommandFailed(f"exit code {process.returncode}: {last[0]}")
    return Measure(seconds, usage.ru_maxrss * OCTETS_PER_MAXRSS / 1e6)


def scaled(run: Run, taken: Measure) -> Measure:
    """Return what the whole capture would have taken, where only a part was read (start-up, small, is scaled too)."""
    return Measure(taken.seconds * (run.whole or run.packets) / run.packets, taken.megabytes) if run.whole else taken


def is_there(run: Run) -> bool:
    """Say whether the peer is installed."""
    return not run.needs or bool(shutil.which(run.needs) or importlib.util.find_spec(run.needs))


def judge(goal: Goal, ours: list[Measure], peers: dict[str, list[Measure]], packets: int) -> str:
    """Return a goal, the figure beside it, and whether it was reached."""
    seconds, megabytes = median(m.seconds for m in ours), max(m.megabytes for m in ours)
    if goal.faster_than:
        asked = f"at least {goal.at_least:g} x as fast as {goal.faster_than}"
        if not peers[goal.faster_than]:
            return f"{asked}: not measured"
        turns = zip(ours, peers[goal.faster_than], strict=False)
        ratio = median(theirs.seconds / mine.seconds for mine, theirs in turns)
        figure, reached = f"{ratio:.1f} x", ratio >= goal.at_least
    elif goal.rate:
        rate = packets / seconds
        asked, figure, reached = f"at least {goal.rate:,.0f} packets/s", f"{rate:,.0f}", rate >= goal.rate
    elif goal.seconds:
        asked, figure, reached = f"under {goal.seconds} s", f"{seconds:.2f} s", seconds < goal.seconds
    else:
        asked, figure, reached = f"under {goal.megabytes:g} MB", f"{megabytes:.0f} MB", megabytes < goal.megabytes
    return f"{asked}: {figure}  {'reached' if reached else 'NOT REACHED'}"


def take_turns(case: Case, rounds: int) -> dict[str, list[Measure]]:
    """Measure the programs of a case in turns, so many times each; who is missing or fails is told and left out."""
    taken: dict[str, list[Measure]] = {run.who: [] for run in case.runs}
    runs = list(case.runs)
    for turn in range(rounds):
        for run in list(runs):
            if run.whole and turn:  # a figure scaled from a part is only a rough one: once is enough
                continue
            try:
                if not is_there(run):
                    raise CommandFailed("not installed")
                taken[run.who].append(scaled(run, measure(run)))
            except CommandFailed as error:
                print(f"  {run.who:<10} left out: {error}")
                runs.remove(run)
                taken[run.who].clear()
    return taken


def report(case: Case, rounds: int) -> bool:
    """Measure a case, print its rows and goals; return False where sniffkit itself failed."""
    print(f"\n{case.title}", flush=True)
    taken = take_turns(case, rounds)
    for run in case.runs:
        if not (measures := taken[run.who]):
            continue
        seconds, megabytes = median(m.seconds for m in measures), max(m.megabytes for m in measures)
        packets = run.whole or run.packets
        rate = f"{packets / seconds:>11,.0f} packets/s" if packets > 1000 else " " * 21
        note = f"   (scaled from {run.packets:,} packets)" if run.whole > run.packets else ""
        print(f"  {run.who:<10}{seconds:9.2f} s {rate} {megabytes:7.0f} MB{note}")
    ours = taken["sniffkit"]
    for goal in case.goals if ours else ():
        print("  " + judge(goal, ours, taken, case.runs[0].packets))
    return bool(ours)


def read_once(path: Path) -> None:
    """Bring the file into the page cache, so that the first to read it pays no more than the others."""
    with path.open("rb") as file:
        while file.read(1 << 20):
            pass


def version_of(program: str) -> str:
    """Return the first line a program says of its version."""
    if not shutil.which(program):
        return f"no {program}"
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).splitlines()[0]


def main() -> int:
    """Measure everything; the exit code says whether sniffkit ran, not whether it was fast."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--packets", type=int, default=1_000_000, help="packets in the capture (a million)")
    parser.add_argument("--quick", action="store_true", help="100,000 packets, one round: a rough figure")
    parser.add_argument("--only", default="", help="only cases with this word in their title")
    options = parser.parse_args()
    packets = 100_000 if options.quick else options.packets
    capture, small, questions = make(packets), make(16), make_questions(packets)
    print(f"{packets:,} packets, {capture.stat().st_size / 1e6:.0f} MB; {os.cpu_count()} cores, {platform.machine()}")
    print(f"Python {platform.python_version()}; {version_of('tshark')}; {version_of('tcpdump')}")
    read_once(capture)
    read_once(questions)
    went_well = [
        report(case, 1 if options.quick and case.rounds <= 3 else case.rounds)
        for case in cases(capture, packets, small, questions)
        if options.only in case.title
    ]
    return 0 if all(went_well) else 1


if __name__ == "__main__":
    sys.exit(main())
