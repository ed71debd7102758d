"""Plays scenarios and records each into a capture: ``python -m sniffkit.lab.record DIRECTORY [NAME...]``.

The process moves into a network of its own before anything else; it never sees the machine's interfaces again.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys

from sniffkit.errors import ExitCode, SniffkitError, UsageError
from sniffkit.lab import namespaces
from sniffkit.lab.dns_scenes import DnsStage
from sniffkit.lab.dns_world import DnsWorld
from sniffkit.lab.scenarios import DNS_WORLD, SCENARIOS, Scenario, find
from sniffkit.lab.stage import Stage
from sniffkit.lab.wire import Recording
from sniffkit.lab.world import Classroom
from sniffkit.sources.batch import Interface
from sniffkit.sources.writer import ETHERNET, create_capture


def record(scenario: Scenario, path: str) -> int:
    """Play one scenario, write its capture to ``path`` (``-``: standard output); return the number of packets.

    The process must have called ``namespaces.enter`` or be root.
    """
    whose = "resolver" if scenario.at_resolver else "client"
    description = f"the {whose}'s line, recorded by the lab"
    line = Interface(ETHERNET, scenario.snap_length, name="eth0", description=description)
    with (
        build(scenario) as room,
        create_capture(path, interfaces=[line], snap_length=scenario.snap_length) as writer,
    ):
        room.line.settle()
        recording = room.line.record(Recording(writer, scenario.at))
        scenario.play(Stage(room, recording) if isinstance(room, Classroom) else DnsStage(room, recording))
        room.line.settle()
        recording.running = False
        return writer.written


def build(scenario: Scenario) -> Classroom | DnsWorld:
    """Make the world that a scenario plays in."""
    if scenario.world == DNS_WORLD:
        return DnsWorld(delay=scenario.delay, at_resolver=scenario.at_resolver, with_resolver=scenario.with_resolver)
    return Classroom(
        delay=scenario.delay,
        ask_arp=scenario.ask_arp,
        keep_offload=scenario.keep_offload,
        ipv6=scenario.ipv6,
    )


def record_into(scenario: Scenario, directory: str) -> int:
    """Record one scenario under its own name; an earlier capture is replaced only by a whole new one."""
    unfinished = os.path.join(directory, f".unfinished-{scenario.file_name}")
    try:
        count = record(scenario, unfinished)
        os.replace(unfinished, os.path.join(directory, scenario.file_name))
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished)
    return count


def main(arguments: list[str]) -> int:
    """Record the named scenarios, or all; one line each on standard output (none where the capture goes there)."""
    parser = argparse.ArgumentParser(prog="python -m sniffkit.lab.record", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("directory", help="where the captures are written; - for one scenario to standard output")
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios; all where none is named")
    asked = parser.parse_args(arguments)
    if asked.directory == "-" and len(asked.names) != 1:
        parser.error("standard output takes one scenario")
    try:
        chosen = [known(name) for name in asked.names] or list(SCENARIOS)
        namespaces.enter()
        if asked.directory == "-":
            record(chosen[0], "-")
            return ExitCode.OK
        os.makedirs(asked.directory, exist_ok=True)
        for scenario in chosen:
            print(f"{scenario.file_name}\t{record_into(scenario, asked.directory)}", flush=True)
    except SniffkitError as error:
        print(f"sniffkit lab: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return ExitCode.OK


def known(name: str) -> Scenario:
    """Return the scenario of that name; raises UsageError ``lab.unknown-scenario``."""
    scenario = find(name)
    if scenario is None:
        raise UsageError("lab.unknown-scenario", name=name, known=", ".join(each.name for each in SCENARIOS))
    return scenario


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
