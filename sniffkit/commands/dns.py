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
    from sniffkit.analysis.dns_resolution import DnsResolution
    from sniffkit.explanations.exchange_records import dns_record
    from sniffkit.protocols.columns import Columns
    from sniffkit.renderers.json import write_lines

    resolution = DnsResolution(tell=False)
    for batch in source:
        resolution.feed(Columns(batch))
        write_lines(sys.stdout.buffer, map(dns_record, resolution.take()))
    write_lines(sys.stdout.buffer, map(dns_record, resolution.finish()))


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
