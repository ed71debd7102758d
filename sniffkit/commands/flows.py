"""``sniffkit flows FILE``: every conversation with its verdict, or what is worth looking at."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from io import TextIOWrapper
from itertools import islice
from typing import TYPE_CHECKING, Annotated, cast

import typer

from sniffkit.commands.help import say
from sniffkit.commands.reading import (
    Color,
    Files,
    Lang,
    NoNames,
    Read,
    chosen_color,
    chosen_files,
    chosen_language,
    collect_rarely,
    finish,
    give_back_memory,
    share_one_heap,
)
from sniffkit.errors import UsageError

if TYPE_CHECKING:
    from sniffkit.analysis.flows.analysis import FlowAnalysis
    from sniffkit.analysis.flows.event_packets import EventPackets
    from sniffkit.analysis.flows.flow_parts import FlowPart
    from sniffkit.commands.second_process import SecondProcess
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.sources import Source

    Every = Callable[[], Iterator[FlowPart]]

BATCH_OCTETS = 24 * 1024 * 1024
"""Conversations are read in larger batches than packets, which takes less time: nobody waits for the first ones."""

GIVEN_BACK_EVERY = 4
"""After so many batches, 100 MB: what stays cuts what is free into pieces; a long run would take ever more pages."""

SHOWN = 20
"""Findings that a person is shown unless --top says how many."""


def flows(
    files: Files = None,
    read: Read = None,
    sort: Annotated[str, typer.Option("--sort", metavar="ORDER", help=say("sort"))] = "stream",
    top: Annotated[int | None, typer.Option("--top", metavar="N", min=1, help=say("top"))] = None,
    display_filter: Annotated[str | None, typer.Option("-Y", metavar="FILTER", help=say("filter-flows"))] = None,
    findings: Annotated[bool, typer.Option("--findings", help=say("findings"))] = False,
    json: Annotated[bool, typer.Option("--json", help=say("json-flows"))] = False,
    csv: Annotated[bool, typer.Option("--csv", help=say("csv-flows"))] = False,
    parquet: Annotated[str | None, typer.Option("--parquet", metavar="DIR", help=say("parquet-flows"))] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help=say("verbose-flows"))] = False,
    jobs: Annotated[int, typer.Option("--jobs", metavar="N", min=1, help=say("jobs"))] = 1,
    lang: Lang = None,
    color: Color = "auto",
    no_names: NoNames = False,
) -> None:
    """List every conversation (the help text stands in texts/help.toml)."""
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.sources import Source

    _check_order(sort)
    _check_together(sort, findings, {"--json": json, "--csv": csv, "--parquet": parquet is not None})
    catalogue, color = Catalogue(chosen_language(lang)), chosen_color(color)
    paths = chosen_files(files, read)
    collect_rarely()
    with opened(paths, display_filter, findings, jobs) as source:
        share_one_heap()
        analysis, events, wanted = read_flows(source, display_filter, findings)
        give_back_memory()

        def every() -> Iterator[FlowPart]:
            return filter(len, analysis.parts() if wanted is None else (part.of(wanted) for part in analysis.parts()))

        if events is not None:
            _show_findings(every, events, analysis.packets, catalogue, color, top, json)
        elif parquet is not None:
            _write_parquet(every, sort, top, parquet)
        elif json and not isinstance(source, Source) and sort == "stream" and top is None:
            _write_json_together(source, every(), catalogue)
        elif json:
            _write_json(every, sort, top, catalogue)
        elif csv:
            _write_csv(every, sort, top, catalogue)
        else:
            _draw(every, sort, analysis, catalogue, color, top, verbose)
        raise typer.Exit(_end(source, analysis, catalogue))


_HELP = "sniffkit flows --help"


def _check_order(sort: str) -> None:
    if sort != "stream":
        from sniffkit.analysis.flows.order import ORDERS

        if sort not in ORDERS:
            raise UsageError("usage.bad-value", option="--sort", value=sort, wanted="|".join(ORDERS), help=_HELP)


def _check_together(sort: str, findings: bool, forms: dict[str, bool]) -> None:
    """Refuse options of which one would be passed over without a word. Raises UsageError."""
    given = [name for name, asked in forms.items() if asked]
    if findings:  # ranked by themselves, and not made of columns
        given = ["--findings", *(["--sort"] if sort != "stream" else []), *(name for name in given if name != "--json")]
    if len(given) > 1:
        raise UsageError("usage.not-together", one=given[0], other=given[1], help=_HELP)


def opened(paths: list[str], display_filter: str | None, findings: bool, jobs: int) -> Source | SecondProcess:
    """Open captures, here or where more than one job is allowed in a second process."""
    from sniffkit.sources import open_captures

    if jobs > 1:
        from sniffkit.commands.second_process import SecondProcess

        try:
            return SecondProcess(paths, display_filter, findings, jobs, BATCH_OCTETS)
        except OSError:
            pass  # the system lets no process be started: it can be done without
    return open_captures(paths, batch_octets=BATCH_OCTETS)


def read_flows(
    source: Source | SecondProcess, display_filter: str | None = None, findings: bool = False
) -> tuple[FlowAnalysis, EventPackets | None, set[tuple[str, int]] | None]:
    """Read a capture to its end.

    Returns all conversations, the packets of events where findings are asked for, and where there is a filter the
    conversations (protocol and stream) with a packet that it lets through.
    """
    from sniffkit.analysis.flows.analysis import FlowAnalysis
    from sniffkit.analysis.flows.prepared import Preparer
    from sniffkit.renderers.progress import ProgressBar
    from sniffkit.sources import Source

    preparer = Preparer(findings=findings)
    analysis = FlowAnalysis(preparer=preparer)
    events: EventPackets | None = None
    if findings:
        from sniffkit.analysis.flows.event_packets import EventPackets

        events = EventPackets(preparer.checksums)
    wanted: set[tuple[str, int]] | None = None if display_filter is None else set()
    if display_filter is not None and isinstance(source, Source):
        from sniffkit.commands.filtering import PacketFilter

        packets = PacketFilter(display_filter)
        packets.read_from(source)
        preparer.choose = lambda batch: packets.feed(batch)[1]
    with ProgressBar("flows") as bar:
        batches = analysis.read(source) if isinstance(source, Source) else source.read(analysis)
        for count, fed in enumerate(batches, 1):
            if events is not None:
                events.feed(fed)
            if wanted is not None:
                wanted |= analysis.chosen(fed)
            bar.move(source.octets_read, source.octets_total)
            if count % GIVEN_BACK_EVERY == 0:
                give_back_memory()
    analysis.finish()
    if events is not None and not isinstance(source, Source) and source.checksums is not None:
        events.checksums = source.checksums
    return analysis, events, wanted


def _end(source: Source | SecondProcess, analysis: FlowAnalysis, catalogue: Catalogue) -> int:
    """Say how many conversations were let go for want of room and what was damaged; return the exit code."""
    if analysis.let_go:
        from sniffkit.analysis.flows.tcp import MOST_OPEN
        from sniffkit.renderers.screen import Screen

        sys.stdout.flush()
        text = catalogue.text("flows.let-go", most=MOST_OPEN, count=analysis.let_go)
        Screen.of(sys.stderr).write(text + "\n")
    return finish(cast("Source", source))


def _write_json(every: Every, sort: str, top: int | None, catalogue: Catalogue) -> None:
    from sniffkit.analysis.flows.order import in_order
    from sniffkit.explanations.flow_record import FEW, FlowRecords
    from sniffkit.renderers.json import write_made
    from sniffkit.renderers.json_columns import json_lines

    records = FlowRecords(catalogue)

    def lines(part: FlowPart) -> Iterator[bytes]:
        return json_lines(records.columns(part), len(part), FEW)

    write_made(sys.stdout.buffer, in_order(every, lines, sort, top))


def _write_json_together(source: SecondProcess, parts: Iterable[FlowPart], catalogue: Catalogue) -> None:
    """Do what ``_write_json`` does for all conversations in order, half of it in the second process."""
    from sniffkit.commands.answering import lines_of
    from sniffkit.explanations.flow_record import FlowRecords

    records = FlowRecords(catalogue)
    for text in source.texts(parts, lambda part: lines_of(part, records), catalogue.language):
        sys.stdout.buffer.write(text)


def _write_csv(every: Every, sort: str, top: int | None, catalogue: Catalogue) -> None:
    from sniffkit.analysis.flows.order import in_order
    from sniffkit.explanations.flow_record import CSV_COLUMNS, FlowRecords, cell
    from sniffkit.renderers.tables import write_csv

    records = in_order(every, FlowRecords(catalogue).records, sort, top)
    # Programs read it, so it is UTF-8 with plain line feeds whatever the terminal's encoding is. Without a byte order
    # mark, which most of them would take for a part of the first heading; help says how Excel is told.
    text = TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="\n")
    try:
        write_csv(text, CSV_COLUMNS, ([cell(record, path) for path in CSV_COLUMNS] for record in records))
        text.flush()
    finally:
        text.detach()


def _write_parquet(every: Every, sort: str, top: int | None, folder: str) -> None:
    from sniffkit.analysis.flows.order import in_order
    from sniffkit.explanations.flow_columns import KINDS, rows
    from sniffkit.renderers.tables import ParquetFile

    with ParquetFile(KINDS, folder, "flows") as file:
        if sort == "stream" and top is None:  # as they stand in the analysis
            for part in every():
                file.write(part.told())
            return
        chosen = in_order(every, rows, sort, top)
        while some := list(islice(chosen, 65_536)):
            file.write(dict(zip(KINDS, zip(*some, strict=True), strict=True)))


def _draw(
    every: Every, sort: str, analysis: FlowAnalysis, catalogue: Catalogue, color: str, top: int | None,
    verbose: bool,
) -> None:  # fmt: skip
    from sniffkit.analysis.flows.order import in_order
    from sniffkit.explanations.flow_lines import COLUMNS, RIGHT, FlowLines
    from sniffkit.renderers.flow_table import FlowTable
    from sniffkit.renderers.screen import Screen, stdout

    screen = Screen.of(stdout(), color)
    counted = [(len(part), part.begin_ns()) for part in every()]
    count = sum(number for number, _ in counted)
    begin = min((begin for _, begin in counted if begin is not None), default=None)
    in_all = sum(map(len, analysis.parts()))
    key = "flows.heading" if count == in_all else "flows.heading-chosen"
    heading = catalogue.text(key, count=count, every=in_all, packets=analysis.packets)
    screen.write(screen.paint(heading, "heading") + "\n")
    if not count:
        if analysis.packets:
            screen.note(catalogue.text("flows.none-chosen" if in_all else "flows.none"), "lesson")
        return
    lines = FlowLines(catalogue, begin, verbose)
    table = FlowTable(screen, lines.headings, [name in RIGHT for name in COLUMNS])
    table.draw(lambda: in_order(every, lines.lines, sort, top))
    if top is not None and top < count:
        screen.write(catalogue.text("flows.more", count=count - top) + "\n")


def _show_findings(
    every: Every, events: EventPackets, packets: int, catalogue: Catalogue, color: str, top: int | None, json: bool
) -> None:
    from sniffkit.analysis.flows.findings import gravest
    from sniffkit.explanations.finding_lines import finding_line, finding_record
    from sniffkit.renderers.json import write_lines
    from sniffkit.renderers.screen import Screen, stdout

    screen = Screen.of(stdout(), color)
    most = top if json else top or SHOWN
    shown, count = gravest(every, events, most, brief=not json)
    if json:
        write_lines(sys.stdout.buffer, (finding_record(one, catalogue) for one in shown))
        return
    conversations = sum(map(len, every()))
    heading = catalogue.text("flows.found-heading", count=count, conversations=conversations, packets=packets)
    screen.write(screen.paint(heading, "heading") + "\n")
    if not shown and packets:
        screen.note(catalogue.text("flows.found-none" if conversations else "flows.none"), "lesson")
    for place, one in enumerate(shown, 1):
        line = finding_line(one, catalogue)
        head = screen.paint(f"{place:3d}. {line.where}".rstrip(), "number")
        screen.write(head + "\n")
        for text in (line.text, line.see, line.filter):
            for wrapped in screen.wrapped(text, "     ", "     ") if text else ():
                screen.write((wrapped if text is line.text else screen.paint(wrapped, "dim")) + "\n")
    if len(shown) < count:
        screen.write(catalogue.text("flows.more", count=count - len(shown)) + "\n")
