"""``sniffkit fields FILE -e FIELD...``: fields as columns of text, exactly as ``tshark -n -T fields`` prints them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from sniffkit.commands.help import say
from sniffkit.commands.reading import Files, Lang, NoNames, Read, chosen_files, chosen_language, finish
from sniffkit.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.explanations.language import Language
    from sniffkit.protocols.batch_fields import BatchFields
    from sniffkit.protocols.field_types import FieldType
    from sniffkit.renderers.field_table import Layout

SIGNS = {"/t": "\t", "/s": " ", "\\t": "\t"}
"""How tshark's ``-E`` spells signs that a shell would swallow."""

ABOUT_THE_FILE = ("bom", "escape")
"""Settings of ``-E`` that are accepted with tshark's default only."""


def fields(
    files: Files = None,
    read: Read = None,
    field: Annotated[list[str] | None, typer.Option("-e", metavar="FIELD", help=say("field"))] = None,
    setting: Annotated[list[str] | None, typer.Option("-E", metavar="NAME=VALUE", help=say("field-setting"))] = None,
    filter: Annotated[str | None, typer.Option("-Y", metavar="FILTER", help=say("filter"))] = None,
    only: Annotated[str | None, typer.Option("--only", metavar="WORD", help=say("only"))] = None,
    count: Annotated[int | None, typer.Option("-c", "--count", metavar="N", min=1, help=say("count"))] = None,
    parquet: Annotated[str | None, typer.Option("--parquet", metavar="DIR", help=say("parquet-fields"))] = None,
    listed: Annotated[bool, typer.Option("--list", help=say("field-list"))] = False,
    lang: Lang = None,
    type: Annotated[str | None, typer.Option("-T", metavar="fields", hidden=True)] = None,
    no_names: NoNames = False,
) -> None:
    """Print fields as columns (the help text stands in texts/help.toml)."""
    language = chosen_language(lang)
    if listed:
        show_list(files or [], language)
        return
    layout = chosen_layout(setting or [])
    if type not in (None, "fields"):
        raise UsageError("fields.output", word=type)
    if not field:
        raise UsageError("fields.none")
    run([known_field(id) for name in field for id in name.split(",")], layout, chosen_files(files, read), filter, only,
        count, parquet)  # fmt: skip


def show_list(patterns: list[str], language: Language) -> None:
    """List the fields that can be asked for: in columns on a terminal, with tabs between in a pipe."""
    from sniffkit.explanations.field_list import listed
    from sniffkit.renderers.screen import Screen, stdout
    from sniffkit.renderers.terminal import Terminal

    table = listed(patterns, language)
    if sys.stdout.isatty():
        Terminal(Screen.of(stdout(), "auto")).table(table)
    else:
        sys.stdout.writelines("\t".join(row) + "\n" for row in table.rows)


def run(
    fields: list[FieldType], layout: Layout, paths: list[str], filter: str | None, only: str | None, count: int | None,
    parquet: str | None = None,
) -> None:  # fmt: skip
    """Read the captures and write the table."""
    from sniffkit.commands.filtering import PacketFilter
    from sniffkit.renderers.field_table import FieldTable
    from sniffkit.sources import open_captures

    chosen = PacketFilter(filter, only, [field.id for field in fields])
    with open_captures(paths) as source:
        with ExitStack() as stack:
            write: Callable[[BatchFields, NDArray[np.bool_] | None], None]
            if parquet is None:
                write = FieldTable(fields, layout, sys.stdout.buffer, sys.stdout.isatty()).write
            else:
                write = stack.enter_context(dataset(fields, layout.occurrence, parquet))
            for found, wanted in chosen.read(source, ahead=count is None):
                if count is not None:
                    places = wanted.nonzero()[0]
                    wanted[places[count:]] = False
                    count -= min(count, len(places))
                write(found, wanted)
                if count == 0:
                    break
        raise typer.Exit(finish(source))


@contextmanager
def dataset(
    fields: list[FieldType], occurrence: str, folder: str
) -> Iterator[Callable[[BatchFields, NDArray[np.bool_] | None], None]]:
    """Open a Parquet file, and return what writes to it; it is whole when the block ends."""
    from sniffkit.explanations.field_columns import FieldColumns
    from sniffkit.renderers.tables import ParquetFile

    made = FieldColumns(list(dict.fromkeys(fields)), occurrence)
    with ParquetFile(made.kinds, folder, "fields") as file:
        yield lambda found, wanted: file.write(made.columns(found, wanted))


def chosen_layout(settings: list[str]) -> Layout:
    """Return what ``-E`` says."""
    from sniffkit.renderers.field_table import Layout

    found: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise UsageError("fields.setting-form", value=setting)
        found[name] = value
    header = chosen(found, "header", {"y": "y", "n": ""}, "n")
    quote = chosen(found, "quote", {"d": '"', "s": "'", "n": ""}, "n")
    occurrence = chosen(found, "occurrence", {"f": "f", "l": "l", "a": "a"}, "a")
    separator = sign(found.pop("separator", "/t"), "separator")
    aggregator = sign(found.pop("aggregator", ","), "aggregator")
    if found.pop("bom", "n") != "n" or found.pop("escape", "y") != "y":
        raise UsageError("fields.setting-fixed", words=tuple(ABOUT_THE_FILE))
    if found:
        raise UsageError("fields.setting-unknown", word=next(iter(found)))
    return Layout(bool(header), separator, quote, occurrence, aggregator)


def chosen(found: dict[str, str], name: str, words: dict[str, str], default: str) -> str:
    """Return what a setting's word stands for."""
    word = found.pop(name, default)
    if word not in words:
        raise UsageError("fields.setting-value", name=name, word=word, words=tuple(words))
    return words[word]


def sign(value: str, name: str) -> str:
    """Return the one character that a setting names."""
    found = SIGNS.get(value, value)
    if len(found) != 1 or not found.isascii():
        raise UsageError("fields.setting-sign", name=name, word=value)
    return found


def known_field(id: str) -> FieldType:
    """Return a field's type; raise UsageError with the nearest name where there is none."""
    from sniffkit.analysis.tcp.fields import types
    from sniffkit.protocols.field_types import field_types, protocol_names

    known = types().get(id) or field_types().get(id)
    if known is not None:
        return known
    if id in protocol_names():
        raise UsageError("fields.protocol", name=id)
    import difflib

    near = difflib.get_close_matches(id, [*field_types(), *types()], 1, 0.6)
    if near:
        raise UsageError("filter.unknown-field-near", field=id, near=near[0])
    raise UsageError("filter.unknown-field", field=id)
