"""Captures the same traffic with sniffkit, tcpdump and Scapy in turn, and prints a table (``make bench-live``).

Everything happens between two hosts of the lab: a sender (``benchmarks.sender``) at one end of a veth pair, a capturing
program at the other. No interface of this machine is touched. CPU is that of the capturing process while packets come,
start-up left out.

Every packet is counted on its way, so that one that is missing is missing at a known place: sent by the sender, arrived
at the interface (rx_packets), reached the program's socket, and of those either kept (the program says it has them),
dropped (the kernel found no room for them) or left (handed to nobody, because the program ended before). Where fewer
arrived than were sent, or fewer reached the socket than arrived, a line says so.

A program is told to end SETTLED seconds after the last packet. The kernel hands packets over in blocks, and tcpdump
lets it gather a block for a second; what is not handed over when tcpdump is interrupted it does not read. After 0.3
seconds it lacked up to 1,600 packets that had reached its socket, always fewer than a block holds.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from sniffkit.lab import namespaces
from sniffkit.lab.host import Host
from sniffkit.lab.world import World

RATES = (20_000, 100_000, 250_000)
PACKETS = 3_000_000
QUICK = 300_000
READY = {"sniffkit": "The socket is open|This root counts", "tcpdump": "listening on", "scapy": "capturing"}
"""What a program says on standard error when it captures."""

COUNTED = {
    "sniffkit": r"([\d,]+) packets captured, ([\d,]+) received by the filter, ([\d,]+) dropped",
    "tcpdump": r"(\d+) packets captured\s+(\d+) packets received by filter\s+(\d+) packets dropped by kernel",
    "scapy": r"(\d+) packets captured, (\d+) received, (\d+) dropped",
}
"""How it tells what it captured, what reached its socket and what was dropped there; the last such line counts."""

SETTLED = 1.5
TICKS = os.sysconf("SC_CLK_TCK")
SAMPLED_EVERY = 10.0
GROWTH_ALLOWED = 1.1
"""What is kept of a connection that is long gone is its number and its totals."""

PATIENCE = 600.0
"""Seconds a program may take to end: what waits in its memory is still told."""

SCAPY = """
import signal, struct, sys, threading
from scapy.config import conf
from scapy.sendrecv import AsyncSniffer
import scapy.layers.l2
count = 0
def one(packet):
    global count
    count += 1
handle = conf.L2listen(iface="in")
sniffer = AsyncSniffer(opened_socket=handle, store=False, prn=one)
sniffer.start()
stop = threading.Event()
signal.signal(signal.SIGINT, lambda *_: stop.set())
print("capturing", file=sys.stderr, flush=True)
stop.wait()
sniffer.stop()
received, dropped = struct.unpack("II", handle.ins.getsockopt(263, 6, 8))  # PACKET_STATISTICS
print(f"{count} packets captured, {received} received, {dropped} dropped", file=sys.stderr)
"""


@dataclass(frozen=True)
class Capturer:
    """A program that captures: its name in the table, whose output it speaks, and its command line."""

    title: str
    who: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """One run: how many packets got how far; CPU seconds, largest memory in megabytes, seconds to end."""

    arrived: int
    reached: int
    kept: int
    dropped: int
    cpu: float
    megabytes: float
    ending: float

    @property
    def left(self) -> int:
        """How many reached the socket and were neither dropped nor kept."""
        return self.reached - self.kept - self.dropped


def capturers(folder: str) -> list[Capturer]:
    """Return who takes part."""
    sniffkit = (sys.executable, "-m", "sniffkit", "live", "in")
    return [
        Capturer("sniffkit live -q", "sniffkit", (*sniffkit, "-q")),
        Capturer("sniffkit live -q -w", "sniffkit", (*sniffkit, "-q", "-w", f"{folder}/a.pcap")),
        Capturer("sniffkit live -qq -w", "sniffkit", (*sniffkit, "-qq", "-w", f"{folder}/c.pcap")),
        Capturer("sniffkit live --json", "sniffkit", (*sniffkit, "--json")),
        Capturer("tcpdump -w", "tcpdump", ("tcpdump", "-i", "in", "-w", f"{folder}/b.pcap")),
        Capturer("Scapy AsyncSniffer", "scapy", (sys.executable, "-c", SCAPY)),
    ]


def cpu_of(process: int) -> float:
    """Return the CPU seconds a process has used, all its threads together."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(capturer: Capturer, near: Host, far: Host, kind: str, rate: int, packets: int, patience: float) -> Result:
    """Let one program capture one stretch of traffic; what it has not told within ``patience`` seconds it need not."""
    with tempfile.TemporaryFile() as said:
        process = far.start(capturer.command, stdout=subprocess.DEVNULL, stderr=said, stdin=subprocess.DEVNULL)
        try:
            wait_for(READY[capturer.who], said.fileno(), process)
            time.sleep(0.5)
            before, there = cpu_of(process.pid), arrived(far)
            sender = [sys.executable, "-m", "benchmarks.sender", "out", kind, str(rate), str(packets)]
            near.start(sender, stdout=subprocess.DEVNULL).wait()
            time.sleep(SETTLED)
            came = arrived(far) - there
            if capturer.who == "sniffkit":
                process.send_signal(signal.SIGUSR1)  # its counters, in case nobody waits for its end
                time.sleep(0.3)
            stopped = time.monotonic()
            process.send_signal(signal.SIGINT)
            usage = ended_within(process, patience)
            ended = time.monotonic() - stopped
            if usage is None:
                process.send_signal(signal.SIGINT)
                usage, ended = ended_within(process, 20), float("inf")
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()
        text = spoken(said.fileno())
    found = re.findall(COUNTED[capturer.who], text)
    if not found or usage is None:
        raise SystemExit(f"{capturer.title}: {text.strip().splitlines()[-1:] or ['said nothing']}")
    kept, reached, dropped = (int(number.replace(",", "")) for number in found[-1])
    cpu = usage.ru_utime + usage.ru_stime - before
    return Result(came, reached, kept, dropped, cpu, usage.ru_maxrss / 1000, ended)


def arrived(host: Host) -> int:
    """Return how many packets have arrived at the interface of the capturing host."""
    process = host.start(("cat", "/proc/net/dev"), stdout=subprocess.PIPE)
    found = re.search(rb"^ *in: *\d+ +(\d+)", process.communicate()[0], re.MULTILINE)
    return int(found[1]) if found else 0


def watch_memory(minutes: float, rate: int, near: Host, far: Host, *options: str) -> bool:
    """Capture connections that are always new, and print the memory again and again; return whether it keeps growing.

    The first third is for getting under way: as many connections are followed as may be.
    """
    print(f"\nmemory of live {' '.join(options)}")
    print(f"short TCP connections, always new ones, {rate:,} packets a second, {minutes:g} minutes")
    with tempfile.TemporaryFile() as said:
        command = (sys.executable, "-m", "sniffkit", "live", "in", *options)
        process = far.start(command, stdout=subprocess.DEVNULL, stderr=said, stdin=subprocess.DEVNULL)
        wait_for(READY["sniffkit"], said.fileno(), process)
        packets = int(rate * minutes * 60)
        sender = [sys.executable, "-m", "benchmarks.sender", "out", "tcp", str(rate), str(packets)]
        sending = near.start(sender, stdout=subprocess.DEVNULL)
        begin, seen = time.monotonic(), []
        while sending.poll() is None:
            time.sleep(min(SAMPLED_EVERY, minutes * 6))
            seen.append(resident(process.pid))
            print(f"  {time.monotonic() - begin:6.0f} s {seen[-1]:7.1f} MB", flush=True)
        process.send_signal(signal.SIGINT)
        ended_within(process, PATIENCE)
        text = spoken(said.fileno())
    later = seen[len(seen) // 3 :]
    half = len(later) // 2
    first, last = (sum(part) / len(part) for part in (later[:half], later[half:]))
    connections = packets // 10 // 3  # of ten packets; between the middles of the two thirds
    each = (last - first) * 1e6 / connections
    print(f"  on average {first:.1f} MB, then {last:.1f} MB: {each:.0f} octets a new connection")
    for line in text.strip().splitlines()[-2:]:  # its counters, and what it wrote
        print(f"  {line}")
    return last > first * GROWTH_ALLOWED


def resident(process: int) -> float:
    """Return the memory of a process in megabytes that is in use now."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) * 1.024 / 1000 if found else 0.0


def ended_within(process: subprocess.Popen[bytes], seconds: float) -> resource.struct_rusage | None:
    """Wait for the end of a process and return what it used, None where it goes on."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, status, usage = os.wait4(process.pid, os.WNOHANG)
        if found:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage
        time.sleep(0.02)
    return None


def wait_for(pattern: str, descriptor: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a program says that it captures."""
    end = time.monotonic() + 20
    while not re.search(pattern, spoken(descriptor)):
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"does not capture: {spoken(descriptor).strip()}")
        time.sleep(0.05)


def spoken(descriptor: int) -> str:
    """Return what a program has said so far."""
    return os.pread(descriptor, 1 << 20, 0).decode(errors="replace")


def main() -> int:
    """Measure everything; the exit code says whether sniffkit kept all that tcpdump kept."""
    parser = argparse.ArgumentParser(prog="make bench-live", description=__doc__)
    parser.add_argument("--packets", type=int, default=PACKETS, help="packets a rate (three million)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} packets a rate: a rough figure")
    parser.add_argument("--rates", type=int, nargs="*", default=RATES, help="packets a second")
    parser.add_argument("--kinds", nargs="*", default=("udp", "tcp"), help="udp, tcp")
    parser.add_argument("--only", default="", help="only programs with this word in their title")
    parser.add_argument("--memory", type=float, metavar="MINUTES", help="watch the memory of live -q for so long")
    parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds a program may take to end")
    options = parser.parse_args()
    packets = QUICK if options.quick else options.packets
    namespaces.enter()
    print(f"{packets:,} packets a rate; {os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}")
    lost = False
    with tempfile.TemporaryDirectory() as folder, World() as world:
        near, far = world.host("sender"), world.host("capturing")
        world.cable(near, "out", far, "in")
        os.environ |= {"XDG_STATE_HOME": folder, "SNIFFKIT_LANG": "en"}
        if options.memory:
            rotation = ("-w", f"{folder}/a.pcap", "-C", "100", "-W", "2")
            return int(watch_memory(options.memory, RATES[0], near, far, "-q", *rotation))
        for kind in options.kinds:
            for rate in options.rates:
                lost |= report(kind, rate, packets, near, far, folder, options.only, options.patience)
    return 1 if lost else 0


def report(kind: str, rate: int, packets: int, near: Host, far: Host, folder: str, only: str, patience: float) -> bool:
    """Measure all programs at one rate; return whether sniffkit (-q, -w) lost packets where tcpdump lost none."""
    what = "64-byte datagrams" if kind == "udp" else "short TCP connections"
    print(f"\n{what} at {rate:,} packets a second", flush=True)
    print(f"  {'':<22}{'reached':>10}{'kept':>11}  {'':6}{'dropped':>11}{'left':>7}", end="")
    print(f"{'CPU':>9}{'CPU/packet':>12}{'memory':>9}{'to end':>8}")
    results: dict[str, Result] = {}
    for capturer in capturers(folder):
        if only not in capturer.title or (capturer.who == "tcpdump" and not shutil.which("tcpdump")):
            continue
        result = results[capturer.title] = measure(capturer, near, far, kind, rate, packets, patience)
        share, each = result.kept / max(result.arrived, 1), result.cpu / max(result.kept, 1) * 1e6
        cost = f"{each:.2f} µs" if result.ending < patience else "-"  # else not all of it was told
        print(
            f"  {capturer.title:<22}{result.reached:>10,}{result.kept:>11,}  {share:6.1%}{result.dropped:>11,}"
            f"{result.left:>7,}{result.cpu:>7.2f} s{cost:>12}{result.megabytes:>6.0f} MB"
            f"{ending(result.ending, patience):>8}",
            flush=True,
        )
        if result.arrived != packets:
            print(f"    {result.arrived:,} arrived at the interface")
        if result.reached < result.arrived:
            print(f"    {result.arrived - result.reached:,} arrived and did not reach the socket")
    ours = [result for title, result in results.items() if title in ("sniffkit live -q", "sniffkit live -q -w")]
    tcpdump = results.get("tcpdump -w")
    lost = bool(tcpdump and tcpdump.kept >= tcpdump.arrived and any(each.kept < each.arrived for each in ours))
    for title, result in results.items():
        if tcpdump and tcpdump.cpu and "-w" in title and title != "tcpdump -w":
            print(f"  CPU of {title}: {result.cpu / tcpdump.cpu:.1f} times tcpdump's")
    if lost:
        print("  sniffkit LOST packets where tcpdump lost none")
    return lost


def ending(seconds: float, patience: float) -> str:
    """Return how long a program took to end."""
    return f"{seconds:.1f} s" if seconds < patience else f">{patience:.0f} s"


if __name__ == "__main__":
    sys.exit(main())
