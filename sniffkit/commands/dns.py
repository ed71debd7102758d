"""``sniffkit dns FILE``: every DNS question with its answers, and what they amount to."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from sniffkit.commands.reading import (
    Color,
    Files,
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
    from sniffkit.explanations.language import Language
    from sniffkit.sources import Source


def dns(
    files: Files = None,
    read: Read = None,
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
    collect_rarely()
    with open_captures(paths) as source:
        if json:
            write_json(source)
        else:
            tell(source, language, color, verbose > 0)
        raise typer.Exit(finish(source))


def write_json(source: Source) -> None:
    """Write every question as a line, in the order of first packets."""
    from sniffkit.analysis.dns.listing import DnsListing
    from sniffkit.explanations.dns_lines import DnsLines
    from sniffkit.protocols.columns import Columns

    listing, lines, out = DnsListing(), DnsLines(), sys.stdout.buffer
    for batch in source:
        for run in listing.feed(Columns(batch)):
            out.writelines(lines.lines(run))
    for run in listing.finish():
        out.writelines(lines.lines(run))


def tell(source: Source, language: Language, color: str, verbose: bool) -> None:
    """Tell the questions in order, then what there were of them."""
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.explanations.dns_story import DnsStory
    from sniffkit.protocols.columns import Columns
    from sniffkit.renderers.screen import Screen, stdout
    from sniffkit.renderers.terminal import Terminal

    story = DnsStory(Catalogue(language), verbose)
    terminal = Terminal(Screen.of(stdout(), color))
    for batch in source:
        terminal.tell(story.tell(Columns(batch)))
    terminal.tell(story.end())
    terminal.summary(story.summary())
