"""``sniffkit explain FILE``: a capture told packet by packet, or single packets field by field."""

from __future__ import annotations

from typing import Annotated

import typer

from sniffkit.commands.filtering import chosen_filter
from sniffkit.commands.help import say
from sniffkit.commands.reading import chosen_color, chosen_files, chosen_language, finish


def explain(
    files: Annotated[list[str] | None, typer.Argument(metavar="FILE...", help=say("files"), show_default=False)] = None,
    read: Annotated[list[str] | None, typer.Option("-r", metavar="FILE", help=say("read"))] = None,
    packet: Annotated[str | None, typer.Option("--packet", metavar="3,7-9", help=say("packet"))] = None,
    fields: Annotated[bool, typer.Option("--fields", help=say("fields"))] = False,
    conversation: Annotated[int | None, typer.Option("--conversation", metavar="N", help=say("conversation"))] = None,
    filter: Annotated[str | None, typer.Option("-Y", metavar="FILTER", help=say("filter"))] = None,
    only: Annotated[str | None, typer.Option("--only", metavar="WORD", help=say("only"))] = None,
    count: Annotated[int | None, typer.Option("-c", "--count", metavar="N", min=1, help=say("count"))] = None,
    json: Annotated[bool, typer.Option("--json", help=say("json"))] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help=say("quiet"))] = False,
    verbose: Annotated[int, typer.Option("-v", "--verbose", count=True, show_default=False, help=say("verbose"))] = 0,
    octets: Annotated[bool, typer.Option("-x", help=say("octets"))] = False,
    characters: Annotated[bool, typer.Option("-X", help=say("characters"))] = False,
    lang: Annotated[str | None, typer.Option("--lang", metavar="en|zh", help=say("lang"))] = None,
    color: Annotated[str, typer.Option("--color", metavar="auto|always|never", help=say("color"))] = "auto",
    no_names: Annotated[bool, typer.Option("-n", help=say("no-names"), hidden=True)] = False,
) -> None:
    """Tell a capture packet by packet (the help text stands in texts/help.toml)."""
    from sniffkit.commands.selection import Selection
    from sniffkit.commands.telling import Telling, Wishes
    from sniffkit.sources import open_captures

    paths = chosen_files(files, read)
    wishes = Wishes(
        chosen_language(lang),
        chosen_color(color),
        json,
        quiet,
        verbose,
        conversation,
        count,
        Selection.read(packet) if packet is not None else None,
        fields,
        "X" if characters else "x" if octets else "",
        chosen_filter(filter, only),
    )
    with open_captures(paths) as source:
        told = Telling(source, wishes)
        told.run()
        code = finish(source)
        told.check_selection()
        raise typer.Exit(code)
