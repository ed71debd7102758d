"""``sniffkit dns FILE``: every DNS question with its answers, and what they amount to."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import typer

from sniffkit.commands.filtering import ChosenPackets, chosen_filter
from sniffkit.commands.reading import (
    Color,
    Files,
    Filter,
    Json,
    Lang,
    NoNames,
    Read,
    Verbose,
    chosen_color,
    chosen_files,
    chosen_language,
    collect_rarely,
    finish,
)

if TYPE_CHECKING:
    from sniffkit.analysis.dns.listing import DnsRun
    from sniffkit.explanations.language import Language
    from sniffkit.sources import Source
    from sniffkit.sources.batch import Batch


NOW_NS = 60 * 10**9
"""So far the clock of another machine may be from ours."""


def dns(
    files: Files = None,
    read: Read = None,
    filter: Filter = None,
    json: Json = False,
    verbose: Verbose = 0,
    lang: Lang = None,
    color: Color = "auto",
    no_names: NoNames = False,
) -> None:
    """List DNS questions with their answers (the help text stands in texts/help.toml)."""
    from sniffkit.sources import open_captures

    language, color = chosen_language(lang), chosen_color(color)
    paths = chosen_files(files, read)
    chosen = ChosenPackets(chosen_filter(filter, None))
    collect_rarely()
    with open_captures(paths) as source:
        if json:
            write_json(source, chosen)
        else:
            tell(source, chosen, language, color, verbose > 0)
        raise typer.Exit(finish(source))


def happens_now(batch: Batch) -> bool:
    """Say whether packets of a pipe are being captured while we read them: then somebody watches."""
    return bool(abs(time.time_ns() - int(batch.time_ns[-1])) < NOW_NS)


def write_json(source: Source, chosen: ChosenPackets) -> None:
    """Write every question as a line, in the order of first packets."""
    from sniffkit.analysis.captured_twice import CapturedTwice
    from sniffkit.analysis.dns.listing import DnsListing
    from sniffkit.explanations.dns_lines import DnsLines

    listing, twice, lines, out = DnsListing(), CapturedTwice(), DnsLines(), sys.stdout.buffer

    def write(run: DnsRun) -> None:
        out.writelines(lines.lines(run.among(chosen.among) if chosen.asks else run))

    for columns in chosen.columns(source):
        for run in listing.feed(columns, twice.feed(columns)):
            write(run)
    for run in listing.finish():
        write(run)


def tell(source: Source, chosen: ChosenPackets, language: Language, color: str, verbose: bool) -> None:
    """Tell the questions in order, then what there were of them."""
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.explanations.dns_story import DnsStory
    from sniffkit.renderers.screen import Screen, stdout
    from sniffkit.renderers.terminal import Terminal

    story = DnsStory(Catalogue(language), verbose, chosen.any_of if chosen.asks else None)
    terminal = Terminal(Screen.of(stdout(), color))
    for columns in chosen.columns(source):
        terminal.tell(story.tell(columns))
        if source.octets_total is None and happens_now(columns.batch):
            terminal.tell(story.so_far())
            terminal.screen.stream.flush()
    terminal.tell(story.end())
    terminal.summary(story.summary())
