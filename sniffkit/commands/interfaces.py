"""``sniffkit interfaces``: what can be captured on."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sniffkit.commands.help import say
from sniffkit.commands.reading import Color, Lang, chosen_color, chosen_language


def interfaces(
    json: Annotated[bool, typer.Option("--json", help=say("interfaces-json"))] = False,
    lang: Lang = None,
    color: Color = "auto",
) -> None:
    """List the interfaces (the help text stands in texts/help.toml)."""
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.explanations.live_view import interface_record, interface_table
    from sniffkit.renderers.screen import Screen, stdout
    from sniffkit.renderers.terminal import Terminal
    from sniffkit.sources.interfaces import network_interfaces

    language, shown = chosen_language(lang), chosen_color(color)
    found = network_interfaces()
    if json:
        from sniffkit.renderers.json import write_lines

        write_lines(sys.stdout.buffer, map(interface_record, found))
    else:
        Terminal(Screen.of(stdout(), shown)).table(interface_table(found, Catalogue(language)))
