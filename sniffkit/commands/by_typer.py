"""The command line as Typer reads it: help pages, mistakes, and all that is not plain."""

from __future__ import annotations

from functools import wraps
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import typer

from sniffkit.commands.application import COMMANDS, until_nobody_reads
from sniffkit.commands.complaint import complain, wrong_option
from sniffkit.commands.help import say
from sniffkit.commands.options import Argument, Option
from sniffkit.commands.spoken import SpokenCommand, SpokenGroup
from sniffkit.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def answer(given: list[str], names: Iterable[str]) -> int:
    """Do what the command line asks for, with some of the commands: to set one up takes 5 ms; return the exit code."""
    try:
        return int(_program(names)(given or ["--help"], standalone_mode=False) or 0)
    except typer.TyperException as error:
        complain(wrong_option(error, given), given)
        return ExitCode.USAGE
    except typer.Exit as stop:
        return stop.exit_code
    except typer.Abort:
        return ExitCode.INTERRUPTED


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"sniffkit {version('sniffkit')}")
        raise typer.Exit


def _program(names: Iterable[str]) -> typer.Typer:
    app = typer.Typer(
        cls=SpokenGroup,
        help=say("sniffkit"),
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def options(
        version: bool = typer.Option(False, "--version", "-V", callback=_version, is_eager=True, help=say("version")),
    ) -> None:
        """Options before the command."""

    for name in names:
        module = import_module(f"sniffkit.commands.{name}")
        cls, told = getattr(module, "COMMAND", SpokenCommand), say(COMMANDS[name])
        command = with_typers_options(until_nobody_reads(getattr(module, name)))
        app.command(name, help=told, short_help=told, cls=cls)(command)
    return app


def with_typers_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command with its options as Typer declares them."""

    @wraps(command)
    def declared(*positional: Any, **named: Any) -> Any:
        return command(*positional, **named)

    hints = get_type_hints(command, include_extras=True)
    for name, hint in hints.items():
        type, *more = get_args(hint) if hasattr(hint, "__metadata__") else (hint,)
        if more and isinstance(more[0], Option):
            hints[name] = Annotated[type, _typers(more[0])]
    told = signature(command)
    parameters = [each.replace(annotation=hints[name]) for name, each in told.parameters.items()]
    declared.__annotations__ = hints
    declared.__signature__ = told.replace(parameters=parameters)  # type: ignore[attr-defined]
    return declared


def _typers(option: Option) -> Any:
    help = None if option.help is None else say(option.help)
    shown: dict[str, Any] = {"metavar": option.metavar, "min": option.min, "max": option.max, **option.shown}
    if isinstance(option, Argument):
        return typer.Argument(help=help, **shown)
    return typer.Option(*option.names, help=help, **shown)
