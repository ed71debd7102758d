"""``sniffkit explain FILE``: a capture told packet by packet."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from sniffkit.commands.help import say
from sniffkit.errors import ExitCode, UsageError
from sniffkit.explanations.language import LANGUAGES, Language, preferred_language

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.analysis.capture import BatchFacts
    from sniffkit.sources import Source


def explain(
    files: Annotated[list[str] | None, typer.Argument(metavar="FILE...", help=say("files"), show_default=False)] = None,
    read: Annotated[list[str] | None, typer.Option("-r", metavar="FILE", help=say("read"))] = None,
    conversation: Annotated[int | None, typer.Option("--conversation", metavar="N", help=say("conversation"))] = None,
    count: Annotated[int | None, typer.Option("-c", "--count", metavar="N", min=1, help=say("count"))] = None,
    json: Annotated[bool, typer.Option("--json", help=say("json"))] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help=say("quiet"))] = False,
    verbose: Annotated[int, typer.Option("-v", "--verbose", count=True, help=say("verbose"))] = 0,
    lang: Annotated[str | None, typer.Option("--lang", metavar="en|zh", help=say("lang"))] = None,
    color: Annotated[str, typer.Option("--color", metavar="auto|always|never", help=say("color"))] = "auto",
    no_names: Annotated[bool, typer.Option("-n", help=say("no-names"), hidden=True)] = False,
) -> None:
    """Tell a capture packet by packet (the help text stands in texts/help.toml)."""
    from sniffkit.sources import open_captures

    paths = [*(files or ()), *(read or ())]
    if not paths:
        raise UsageError("usage.no-file")
    language = chosen_language(lang)
    if color not in ("auto", "always", "never"):
        raise UsageError("usage.color", value=color)
    with open_captures(paths) as source:
        told = _Telling(source, language, color, json, quiet, verbose, conversation, count)
        told.run()
        raise typer.Exit(finish(source))


def chosen_language(lang: str | None) -> Language:
    """Return the language that ``--lang`` names, else that of the environment."""
    if lang is None:
        return preferred_language()
    for language in LANGUAGES:
        if lang == language:
            return language
    raise UsageError("usage.language", value=lang)


def finish(source: Source) -> int:
    """Tell what was damaged in the capture, and return the exit code."""
    from sniffkit.commands.complaint import complain

    sys.stdout.flush()
    for damage in source.damage:
        complain(damage)
    return ExitCode.DAMAGED if source.damage else ExitCode.OK


class _Telling:
    """One run of the command: from batches to the screen."""

    def __init__(
        self,
        source: Source,
        language: Language,
        color: str,
        json: bool,
        quiet: bool,
        verbose: int,
        conversation: int | None,
        count: int | None,
    ) -> None:
        from sniffkit.analysis.capture import CaptureAnalysis
        from sniffkit.explanations.catalogue import Catalogue
        from sniffkit.explanations.listing import Listing
        from sniffkit.explanations.record import Records
        from sniffkit.explanations.story import Story
        from sniffkit.renderers.screen import Screen, stdout
        from sniffkit.renderers.terminal import Terminal

        self.source = source
        self.json, self.quiet = json, quiet
        self.conversation, self.left = conversation, count
        self.catalogue = Catalogue(language)
        self.analysis = CaptureAnalysis()
        self.listing = Listing()
        self.story = Story(self.catalogue, unfolded=verbose > 0)
        self.records = Records(self.catalogue, self.story, brief=quiet)
        self.terminal = Terminal(Screen.of(stdout(), color))
        self.protocols: Counter[str] = Counter()

    def run(self) -> None:
        """Read to the end, or until enough packets were told."""
        from sniffkit.renderers.json import write_lines

        for batch in self.source:
            facts = self.analysis.feed(batch)
            lines = self.listing.lines(facts)
            wanted = self._wanted(facts)
            self.protocols.update(lines.protocol)
            if self.json:
                rows = range(len(batch)) if wanted is None else wanted.nonzero()[0].tolist()
                write_lines(sys.stdout.buffer, (self.records.record(facts, lines, row) for row in rows))
            elif self.quiet:
                self.terminal.listing(lines, None if wanted is None else wanted.nonzero()[0].tolist())
            else:
                self.terminal.tell(self.story.tell(facts, lines, wanted))
            if self.left == 0:
                break
        if not self.json and not self.quiet:
            from sniffkit.explanations.summary import summarise

            self.terminal.tell(self.story.end_of_run())
            self.terminal.summary(summarise(self.analysis, self.protocols, self.catalogue))

    def _wanted(self, facts: BatchFacts) -> NDArray[np.bool_] | None:
        """Return which packets are told: those of the conversation asked for, as many as asked for."""
        import numpy as np

        wanted: NDArray[np.bool_] | None = None
        if self.conversation is not None:
            stream = np.full(len(facts.tcp_at), -1)
            has = facts.tcp_at >= 0
            stream[has] = facts.numbers.stream[facts.tcp_at[has]]
            wanted = stream == self.conversation
        if self.left is not None:
            wanted = np.ones(len(facts.tcp_at), np.bool_) if wanted is None else wanted
            chosen = np.flatnonzero(wanted)
            wanted[chosen[self.left :]] = False
            self.left -= min(self.left, len(chosen))
        return wanted
