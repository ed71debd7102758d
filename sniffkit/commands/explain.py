"""``sniffkit explain FILE``: a capture told packet by packet, or single packets field by field."""

from __future__ import annotations

from typing import Annotated

from sniffkit.commands.filtering import chosen_filter
from sniffkit.commands.options import Argument, Option
from sniffkit.commands.reading import chosen_color, chosen_files, chosen_language, finish


def explain(
    files: Annotated[list[str] | None, Argument(metavar="FILE...", help="files", show_default=False)] = None,
    read: Annotated[list[str] | None, Option("-r", metavar="FILE", help="read")] = None,
    packet: Annotated[str | None, Option("--packet", metavar="3,7-9", help="packet")] = None,
    fields: Annotated[bool, Option("--fields", help="fields")] = False,
    conversation: Annotated[int | None, Option("--conversation", metavar="N", help="conversation")] = None,
    filter: Annotated[str | None, Option("-Y", metavar="FILTER", help="filter")] = None,
    only: Annotated[str | None, Option("--only", metavar="WORD", help="only")] = None,
    count: Annotated[int | None, Option("-c", "--count", metavar="N", min=1, help="count")] = None,
    json: Annotated[bool, Option("--json", help="json")] = False,
    quiet: Annotated[bool, Option("-q", "--quiet", help="quiet")] = False,
    verbose: Annotated[int, Option("-v", "--verbose", count=True, show_default=False, help="verbose")] = 0,
    octets: Annotated[bool, Option("-x", help="octets")] = False,
    characters: Annotated[bool, Option("-X", help="characters")] = False,
    lang: Annotated[str | None, Option("--lang", metavar="en|zh", help="lang")] = None,
    color: Annotated[str, Option("--color", metavar="auto|always|never", help="color")] = "auto",
    no_names: Annotated[bool, Option("-n", help="no-names", hidden=True)] = False,
) -> int:
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
        return code
