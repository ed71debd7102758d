"""``sniffkit live [INTERFACE] [FILTER]``: packets explained while they happen."""

from __future__ import annotations

import os
import re
import sys
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sniffkit.commands.help import say
from sniffkit.commands.reading import Color, Lang, chosen_color, chosen_language
from sniffkit.commands.spoken import SpokenCommand
from sniffkit.errors import UsageError

if TYPE_CHECKING:
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.sources.interfaces import NetworkInterface
    from sniffkit.sources.live import LiveSource
    from sniffkit.sources.privilege import Given
    from sniffkit.sources.recording import Recording, Rotation

LINK_TYPES = {"LINUX_SLL": 113, "LINUX_SLL2": 276}
BEHIND_DASHES = "sniffkit.command"

COMPRESSING = {"gz": "gzip", "zst": "zstd", "lz4": "lz4", "xz": "xz", "bz2": "bzip2"}
"""What makes a file of a name with such an ending."""


class LiveCommand(SpokenCommand):
    """Keeps what stands behind ``--`` apart: it is a command to run and not a word of the filter."""

    examples = (
        ("sniffkit live", "example-live"),
        ("sniffkit live eth0 tcp port 80", "example-live-filter"),
        ("sniffkit live --table", "example-live-table"),
        ("sniffkit live any -w a.pcapng", "example-live-write"),
        ("sniffkit live -- curl URL", "example-live-command"),
    )

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the command off the arguments."""
        if "--" in args:
            place = args.index("--")
            ctx.meta[BEHIND_DASHES] = args[place + 1 :]
            args = args[:place]
        return super().parse_args(ctx, args)


COMMAND = LiveCommand
"""What the command line makes of ``live``."""


def live(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[INTERFACE] [FILTER...] [-- COMMAND...]", help=say("live-words"), show_default=False),
    ] = None,
    interface: Annotated[str | None, typer.Option("-i", metavar="INTERFACE", help=say("live-interface"))] = None,
    listing: Annotated[bool, typer.Option("-D", help=say("live-list"))] = False,
    filter: Annotated[str | None, typer.Option("-f", metavar="FILTER", help=say("live-filter"))] = None,
    display_filter: Annotated[str | None, typer.Option("-Y", metavar="FILTER", help=say("filter-live"))] = None,
    only: Annotated[str | None, typer.Option("--only", metavar="WORD", help=say("only"))] = None,
    write: Annotated[str | None, typer.Option("-w", metavar="FILE", help=say("live-write"))] = None,
    ring: Annotated[list[str] | None, typer.Option("-b", metavar="RULE", help=say("live-ring"))] = None,
    megabytes: Annotated[
        int, typer.Option("-C", metavar="MB", min=0, show_default=False, help=say("live-megabytes"))
    ] = 0,
    rotate: Annotated[int, typer.Option("-G", metavar="S", min=0, show_default=False, help=say("live-rotate"))] = 0,
    most_files: Annotated[int, typer.Option("-W", metavar="N", min=0, show_default=False, help=say("live-files"))] = 0,
    count: Annotated[int | None, typer.Option("-c", "--count", metavar="N", min=1, help=say("live-count"))] = None,
    duration: Annotated[float | None, typer.Option(metavar="S", min=0.001, help=say("live-duration"))] = None,
    stop: Annotated[list[str] | None, typer.Option("-a", metavar="RULE", help=say("live-stop"))] = None,
    snap_length: Annotated[
        int, typer.Option("-s", metavar="OCTETS", min=0, show_default=False, help=say("live-snap"))
    ] = 0,
    not_promiscuous: Annotated[bool, typer.Option("-p", help=say("live-promiscuous"))] = False,
    cooked: Annotated[str | None, typer.Option("-y", metavar="TYPE", help=say("live-cooked"))] = None,
    table: Annotated[bool, typer.Option("--table", help=say("live-table"))] = False,
    json: Annotated[bool, typer.Option("--json", help=say("json"))] = False,
    quiet: Annotated[int, typer.Option("-q", "--quiet", count=True, show_default=False, help=say("live-quiet"))] = 0,
    verbose: Annotated[
        int, typer.Option("-v", "--verbose", count=True, show_default=False, help=say("live-verbose"))
    ] = 0,
    lang: Lang = None,
    color: Color = "auto",
    no_names: Annotated[bool, typer.Option("-n", help=say("no-names"), hidden=True)] = False,
    by_line: Annotated[bool, typer.Option("-l", help=say("live-habit"), hidden=True)] = False,
    by_packet: Annotated[bool, typer.Option("-U", help=say("live-habit"), hidden=True)] = False,
) -> None:
    """Capture and tell (the help text stands in texts/help.toml)."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # whatever the user set: such threads would keep the rights given up here
    from sniffkit.commands.filtering import chosen_filter
    from sniffkit.commands.watching import LiveWishes, Watching
    from sniffkit.sources.privilege import leave_homes_alone

    leave_homes_alone()
    language, shown = chosen_language(lang), chosen_color(color)
    if listing:
        _list(language, shown, json)
        return
    if cooked is not None and cooked not in LINK_TYPES:
        raise UsageError("usage.bad-value", option="-y", value=cooked, wanted="LINUX_SLL2|LINUX_SLL", help="-h")
    if write is not None and (ending := re.search(r"\.(gz|zst|lz4|xz|bz2)$", write)):
        plain = write.removesuffix(ending[0])
        raise UsageError("live.compressed-file", file=write, plain=plain, program=COMPRESSING[ending[1]])
    if table and (json or quiet > 0 or write == "-" or not sys.stdout.isatty()):
        raise UsageError("live.table-alone")
    if table and os.environ.get("TERM") == "dumb":
        raise UsageError("live.table-dumb")
    if json and write == "-":
        raise UsageError("live.json-and-octets")
    if duration is not None and not isfinite(duration):  # Typer compares, and NaN is less than nothing
        raise UsageError("usage.number-small", option="--duration", value=duration, least=0.001)
    seconds = duration or _seconds(stop or [])
    rotation = _rotation(ring or [], megabytes, rotate, most_files, write)
    command = context.meta.get(BEHIND_DASHES) or []
    chosen_packets = chosen_filter(display_filter, only)
    if chosen_packets is not None and (table or quiet > 0):
        raise UsageError("live.filter-nothing-told", option="--table" if table else "-q")
    wishes = LiveWishes(language, shown, json, quiet > 0, verbose > 0, table, write == "-", chosen_packets)
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.renderers.screen import Screen
    from sniffkit.sources.interfaces import choose, with_default_route
    from sniffkit.sources.live import SNAP_LENGTH, open_live
    from sniffkit.sources.recorder import Recorder
    from sniffkit.sources.recording import form_of

    catalogue, aside = Catalogue(language), Screen.of(sys.stderr, shown)
    asked, filter = _interface_and_filter(interface, words or [], filter)
    chosen = choose(asked) if asked else with_default_route()
    kept = snap_length or SNAP_LENGTH
    with open_live(
        chosen,
        filter=filter,
        snap_length=min(kept, SNAP_LENGTH),
        promiscuous=not not_promiscuous,
        link_type=LINK_TYPES.get(cooked or ""),
        form=form_of(write or ""),
        patient=quiet > 0,
    ) as source:
        recording = _recording(write, source, rotation)
        try:
            recorder = Recorder(source, recording, count=count or 0, seconds=seconds, keep=quiet < 2)
            watching = Watching(source, recorder, wishes)
            with watching.signals:  # who is told that packets are captured may end it in order from now on
                law = _law_file()
                if not os.path.exists(law):
                    aside.note(catalogue.text("live.law"))
                for line in _opening_lines(catalogue, chosen, source, filter, by_default=not asked):
                    aside.note(line)
                given = _give_up_rights(command, watching, recording)
                _tell_rights(catalogue, aside, given)
                _remember_law(law)
                recorder.start()
                code = watching.run()
        finally:
            if recording is not None:
                recording.close()
        if recording is not None and recording.path != "-":
            key = "live.written" if recording.files == 1 else "live.written-files"
            if recording.kept < recording.files:
                key = "live.written-kept"
            values = {
                "packets": f"{recording.written:,}",
                "file": recording.newest,
                "files": recording.files,
                "kept": recording.kept,
            }
            aside.note(catalogue.text(key, "text", **values))
    raise typer.Exit(code)


def _list(language: Any, color: str, json: bool) -> None:
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.explanations.live_view import interface_record, interface_table
    from sniffkit.renderers.json import write_lines
    from sniffkit.renderers.screen import Screen, stdout
    from sniffkit.renderers.terminal import Terminal
    from sniffkit.sources.interfaces import network_interfaces

    found = network_interfaces()
    if json:
        write_lines(sys.stdout.buffer, map(interface_record, found))
    else:
        Terminal(Screen.of(stdout(), color)).table(interface_table(found, Catalogue(language)))


def _interface_and_filter(interface: str | None, words: list[str], filter: str | None) -> tuple[str, str]:
    """Return the interface that was asked for ("" for none) and the capture filter."""
    if interface is None and words:
        interface, *words = words
    if words and filter:
        raise UsageError("live.filter-twice", filter=filter, words=" ".join(words))
    return interface or "", (filter or " ".join(words)).strip()


def _seconds(rules: list[str]) -> float:
    for rule in rules:
        found = re.fullmatch(r"duration:([0-9]+(?:\.[0-9]+)?)", rule)
        if not found or float(found[1]) <= 0:
            raise UsageError("live.stop-rule", value=rule)
        return float(found[1])
    return 0.0


def _rotation(rules: list[str], megabytes: int, rotate: int, most_files: int, write: str | None) -> Rotation | None:
    """Return when to go on in another file, in tshark's words (``rules``) or tcpdump's."""
    if not rules and not megabytes and not rotate:
        if most_files:
            raise UsageError("live.rotation-when", value=f"-W {most_files}")
        return None
    from sniffkit.sources.recording import Rotation

    if write in (None, "-"):
        raise UsageError("live.rotation-without-file")
    if rules and (megabytes or rotate or most_files):
        raise UsageError("live.rotation-mixed")
    if not rules:
        names = "timed" if rotate else "counted"
        return Rotation(names, megabytes * 1_000_000, rotate, most_files)  # type: ignore[arg-type]
    asked: dict[str, float] = {}
    for rule in rules:
        found = re.fullmatch(r"(filesize|duration|files):([0-9]+(?:\.[0-9]+)?)", rule)
        if not found or float(found[2]) <= 0 or (found[1] != "duration" and "." in found[2]):
            raise UsageError("live.rotation", value=rule)
        asked[found[1]] = float(found[2])
    if asked.keys() == {"files"}:
        raise UsageError("live.rotation-when", value="-b files")
    return Rotation(
        "numbered", int(asked.get("filesize", 0) * 1000), asked.get("duration", 0.0), int(asked.get("files", 0))
    )


def _recording(write: str | None, source: LiveSource, rotation: Rotation | None) -> Recording | None:
    if write is None:
        return None
    from sniffkit.sources.privilege import behind_sudo
    from sniffkit.sources.recording import Recording

    person = behind_sudo() if sys.platform != "win32" else None
    owner = (person.user, person.group) if person else None
    return Recording(write, source.interfaces, source.snap_length, rotation=rotation, owner=owner, form=source.form)


def _opening_lines(
    catalogue: Catalogue, interface: NetworkInterface, source: LiveSource, filter: str, by_default: bool
) -> list[str]:
    """Return what is said before the first packet."""
    from sniffkit.explanations.plain import escaped
    from sniffkit.sources.interfaces import default_routes

    say = catalogue.text
    key = "live.begins"
    if by_default:
        key = "live.begins-default" if interface.name in default_routes() else "live.begins-first"
    lines = [say(key, name=escaped(interface.name), what=say(f"live.what.{interface.what}"))]
    if filter:
        from sniffkit.sources.bpf import asks_for_tags

        lines.append(say("live.begins-filter", filter=escaped(filter)))
        if asks_for_tags(filter) and not source.sees_tags:
            lines.append(say("live.filter-vlan"))
    if source.through == "scapy":
        lines.append(say("live.through-scapy"))
    return lines


def _give_up_rights(command: list[str], watching: Any, recording: Recording | None) -> Given:
    """Load what the run will need, start the command, then give up every right; no packet was looked at until here."""
    from sniffkit.commands.provisions import load_everything
    from sniffkit.sources.privilege import behind_sudo, give_up_privilege, has_rights

    person = None
    if sys.platform != "win32":
        person = behind_sudo()
        if has_rights():
            load_everything()
    if command:
        from sniffkit.commands.started_command import StartedCommand

        watching.go_with(StartedCommand(command, person, keep=watching.wishes.table))
    return give_up_privilege(recording.directory if recording is not None else "")


def _tell_rights(catalogue: Catalogue, aside: Any, given: Given) -> None:
    if given.way != "nothing":
        aside.note(catalogue.text(f"live.dropped-rights.{given.way}", user=given.user, directory=given.directory))


def _law_file() -> str:
    """Return the file that says that this person was told once what may be captured: whoever called sudo, not root."""
    from sniffkit.sources.privilege import behind_sudo

    person = behind_sudo()
    home = person.home if person else os.path.expanduser("~")
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(home, ".local", "state")
    return os.path.join(state, "sniffkit", "told-what-may-be-captured")


def _remember_law(path: str) -> None:
    if not os.path.exists(path):
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w"):
                pass
        except OSError:  # then it is said again next time
            return
