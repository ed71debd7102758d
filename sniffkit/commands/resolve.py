"""``sniffkit resolve NAME [TYPE]``: a name looked up from the root servers down, each step told."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from sniffkit.commands.help import say
from sniffkit.commands.reading import Color, Lang, Verbose, chosen_color, chosen_language
from sniffkit.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.explanations.language import Language
    from sniffkit.renderers.screen import Screen
    from sniffkit.sources.resolver.system import Opinion
    from sniffkit.sources.resolver.trace import Result
    from sniffkit.sources.resolver.walk import Walk

Name = Annotated[str | None, typer.Argument(metavar="NAME", help=say("resolve-name"), show_default=False)]
Kind = Annotated[str | None, typer.Argument(metavar="[TYPE]", help=say("resolve-type"), show_default=False)]
Root = Annotated[list[str] | None, typer.Option("--root", metavar="HOST[:PORT]", help=say("resolve-root"))]
Dnssec = Annotated[bool, typer.Option("--dnssec", help=say("resolve-dnssec"))]
Anchor = Annotated[str | None, typer.Option("--anchor", metavar="FILE", help=say("resolve-anchor"))]
Compare = Annotated[bool, typer.Option("--compare", help=say("resolve-compare"))]
Resolver = Annotated[str | None, typer.Option("--resolver", metavar="HOST[:PORT]", help=say("resolve-resolver"))]
Record = Annotated[str | None, typer.Option("--record", "-w", metavar="FILE", help=say("resolve-record"))]
Json = Annotated[bool, typer.Option("--json", help=say("resolve-json"))]
Only4 = Annotated[bool, typer.Option("-4", help=say("resolve-4"))]
Only6 = Annotated[bool, typer.Option("-6", help=say("resolve-6"))]
Tcp = Annotated[bool, typer.Option("--tcp", help=say("resolve-tcp"))]
NoEdns = Annotated[bool, typer.Option("--no-edns", help=say("resolve-no-edns"))]
LEAST_WAIT, MOST_WAIT = 0.05, 60
Timeout = Annotated[
    float, typer.Option("--timeout", metavar="S", min=LEAST_WAIT, max=MOST_WAIT, help=say("resolve-timeout"))
]
Questions = Annotated[int, typer.Option("--questions", metavar="N", min=1, help=say("resolve-questions"))]


def resolve(
    name: Name = None,
    kind: Kind = None,
    root: Root = None,
    dnssec: Dnssec = False,
    anchor: Anchor = None,
    compare: Compare = False,
    resolver: Resolver = None,
    record: Record = None,
    json: Json = False,
    verbose: Verbose = 0,
    only_4: Only4 = False,
    only_6: Only6 = False,
    tcp: Tcp = False,
    no_edns: NoEdns = False,
    timeout: Timeout = 2.0,
    questions: Questions = 100,
    lang: Lang = None,
    color: Color = "auto",
) -> None:
    """Resolve a name from the root down (the help text stands in texts/help.toml)."""
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.renderers.screen import Screen, stdout
    from sniffkit.sources.resolver import named_root, named_server, question_of
    from sniffkit.sources.resolver.asking import Asker
    from sniffkit.sources.resolver.roots import root_servers
    from sniffkit.sources.resolver.saved import save
    from sniffkit.sources.resolver.system import ask_system
    from sniffkit.sources.resolver.walk import Limits, Walk
    from sniffkit.sources.writer import create_capture

    language, color = chosen_language(lang), chosen_color(color)
    if not name:
        raise UsageError("resolver.no-name")
    if only_4 and only_6:
        raise UsageError("resolver.families")
    if not timeout >= LEAST_WAIT:  # Typer compares, and NaN is less than nothing
        raise UsageError("usage.number-between", option="--timeout", value=timeout, least=LEAST_WAIT, most=MOST_WAIT)
    wire_name, wire_kind = question_of(name, kind)
    trust = None
    if dnssec or anchor is not None:
        from sniffkit.sources.resolver.signatures import read_anchors
        from sniffkit.sources.resolver.trust import Trust

        trust = Trust(read_anchors(anchor))
    roots = [named_root(each) for each in root] if root else root_servers()
    other = named_server(resolver, "--resolver") if resolver is not None else None
    limits = Limits(questions, (4,) if only_4 else (6,) if only_6 else (4, 6), not no_edns, tcp)
    walk = Walk(wire_name, wire_kind, roots, Asker(timeout=timeout, dnssec=trust is not None), limits, trust)

    def opinion() -> Opinion | None:
        if not compare and other is None:
            return None
        return ask_system(wire_name, wire_kind, timeout=timeout, resolver=other)

    writer = create_capture(record) if record is not None else None
    screen = Screen.of(sys.stderr if record == "-" else stdout(), color)
    try:
        if json:
            write_json(walk, opinion)
        else:
            tell(walk, language, screen, verbose > 0, timeout, opinion)
    finally:
        if writer is not None:  # after Ctrl-C, too: what was asked so far
            save(walk.asked, writer)
            writer.close()
    if writer is not None and not json:
        said = Catalogue(language).text("resolver.saved", packets=writer.written, file=record)
        screen.write("\n".join(screen.wrapped(said)) + "\n")
    raise typer.Exit(end(walk.result, Catalogue(language)))


def write_json(walk: Walk, opinion: Callable[[], Opinion | None]) -> None:
    """Write every question as a line when it is answered, the result as the last one."""
    from sniffkit.explanations.resolution_records import ResolutionRecords, opinion_record, result_record
    from sniffkit.renderers.json import write_lines

    records = ResolutionRecords()
    for event in walk.run():
        write_lines(sys.stdout.buffer, records.of(event))
        sys.stdout.buffer.flush()
    found = opinion()
    if found is not None:
        write_lines(sys.stdout.buffer, [opinion_record(found)])
    write_lines(sys.stdout.buffer, [result_record(walk.result)])


def tell(
    walk: Walk,
    language: Language,
    screen: Screen,
    verbose: bool,
    timeout: float,
    opinion: Callable[[], Opinion | None],
) -> None:
    """Tell the walk while it is made, then the tree, the result, and what this machine says."""
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.explanations.resolution_story import ResolutionStory
    from sniffkit.renderers.resolution import ResolutionText
    from sniffkit.sources.resolver import shown_unicode

    story = ResolutionStory(Catalogue(language), verbose=verbose, timeout=timeout)
    text = ResolutionText(screen)
    name = walk.result.name
    text.tell(story.heading(name, walk.result.type, shown_unicode(name)))
    for event in walk.run():
        text.tell(story.tell(event))
    text.tree(*story.tree())
    text.tell(story.result(walk.result))
    found = opinion()
    if found is not None:
        text.tell(story.compare(walk.result, found))


def end(result: Result, catalogue: Catalogue) -> int:
    """Say on standard error why there is no answer, or none to be trusted; return the exit code."""
    from sniffkit.commands.complaint import complain
    from sniffkit.sources.resolver.trace import ResolutionFailed

    sys.stdout.flush()
    failure = result.failure
    if failure is None and result.security == "bogus":
        failure = ResolutionFailed("resolver.bogus", hop=result.bogus_hop or result.hops, name=result.name)
    if failure is None:
        return ExitCode.OK
    if failure.values.get("zone") == ".":
        failure.values["zone"] = catalogue.text("resolver.root")
    complain(failure)
    return failure.exit_code
