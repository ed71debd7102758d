"""The command line as a whole: its commands, and how every error ends in one clear line and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from importlib import import_module

import typer

from sniffkit.commands.help import remember, say
from sniffkit.commands.spoken import SpokenCommand, SpokenGroup
from sniffkit.errors import ExitCode, SniffkitError

DEBUG = "--debug"
"""Anywhere on the command line: a mistake of the program shows its traceback."""

COMMANDS = {
    "explain": "explain",
    "flows": "flows",
    "fields": "fields-command",
    "dns": "dns",
    "arp": "arp",
    "resolve": "resolve",
    "live": "live",
    "interfaces": "interfaces",
}
"""Name of each command, in the order of ``--help`` -> what it does; a file of that name has a function of that name."""


def _until_nobody_reads(command: Callable[..., None]) -> Callable[..., None]:
    """End a command quietly when the reader of its output has gone (``| head``).

    Typer would make exit code 1 of it, which here means a damaged capture.
    """

    @wraps(command)
    def run(*positional: object, **named: object) -> None:
        try:
            command(*positional, **named)
            sys.stdout.flush()
        except BrokenPipeError:
            # Python flushes standard output once more when it ends, and must find a place for it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit from None

    return run


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"sniffkit {version('sniffkit')}")
        raise typer.Exit


def _program(names: Iterable[str]) -> typer.Typer:
    """Return the command line with some of its commands: to set one up takes 5 ms, and a run needs only its own."""
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
        app.command(name, help=told, short_help=told, cls=cls)(_until_nobody_reads(getattr(module, name)))
    return app


def application(arguments: Sequence[str] | None = None) -> int:
    """Run sniffkit with ``arguments`` (those of the process by default) and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = DEBUG in given
    given = [word for word in given if word != DEBUG]
    remember(given)
    given = _language_last(given)
    try:
        name = next((word for word in given if not word.startswith("-") or word == "-"), None)
        if name is not None and name not in COMMANDS:
            from sniffkit.commands.complaint import wrong_command

            raise wrong_command(name, COMMANDS)
        # An option before the command may ask for the page that lists all of them.
        app = _program([name] if name is not None and name == given[0] else COMMANDS)
        return int(app(given or ["--help"], standalone_mode=False) or 0)
    except typer.TyperException as error:
        from sniffkit.commands.complaint import wrong_option

        _complain(wrong_option(error, given), given)
        return ExitCode.USAGE
    except typer.Exit as stop:
        return stop.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except SniffkitError as error:
        _complain(error, given)
        return error.exit_code
    except Exception as error:
        if debug:
            raise
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EIO, errno.EDQUOT):
            # Python flushes standard output once more when it ends, and must find a place for it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            _complain(SniffkitError("usage.output-failed", reason=error.strerror), given)
        else:
            _complain(_our_fault(error), given)
        return ExitCode.DAMAGED


def _complain(error: SniffkitError, given: list[str]) -> None:
    from sniffkit.commands.complaint import complain

    complain(error, given)


def _language_last(given: list[str]) -> list[str]:
    """Put ``--lang`` that stands before the command behind it, where commands expect it; without one it is done with.

    The language of help and errors is read from the arguments as they were given.
    """
    language: list[str] = []
    others: list[str] = []
    rest = given
    while rest and rest[0].startswith("-"):
        taken = 2 if rest[0] == "--lang" and len(rest) > 1 else 1
        kept = language if rest[0] == "--lang" or rest[0].startswith("--lang=") else others
        kept += rest[:taken]
        rest = rest[taken:]
    if rest:
        return [*others, rest[0], *language, *rest[1:]]
    return others


def _our_fault(error: Exception) -> SniffkitError:
    """Put a mistake of the program into one line: what, and where in it."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{os.path.basename(place.tb_frame.f_code.co_filename)}:{place.tb_lineno}" if place is not None else "?"
    return SniffkitError("usage.our-fault", kind=type(error).__name__, reason=str(error)[:200], where=where)
