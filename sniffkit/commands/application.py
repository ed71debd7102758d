"""The command line as a whole: its commands, and how every error ends in one clear line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from sniffkit.commands import arp, dns, explain, interfaces, live
from sniffkit.commands.complaint import complain, wrong_command, wrong_option
from sniffkit.commands.help import say
from sniffkit.errors import ExitCode, SniffkitError

app = typer.Typer(
    help=say("sniffkit"),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("explain", help=say("explain"))(explain.explain)
app.command("dns", help=say("dns"))(dns.dns)
app.command("arp", help=say("arp"))(arp.arp)
app.command("live", help=say("live"), cls=live.LiveCommand)(live.live)
app.command("interfaces", help=say("interfaces"))(interfaces.interfaces)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"sniffkit {version('sniffkit')}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(False, "--version", "-V", callback=_version, is_eager=True, help=say("version")),
) -> None:
    """Options before the command."""


def application(arguments: Sequence[str] | None = None) -> int:
    """Run sniffkit with ``arguments`` (those of the process by default) and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        mistake = wrong_command(given, (command.name or "" for command in app.registered_commands))
        if mistake is not None:
            raise mistake
        code = app(given or ["--help"], standalone_mode=False)
        sys.stdout.flush()
        return int(code or 0)
    except typer.TyperException as error:
        complain(wrong_option(error, given), given)
        return ExitCode.USAGE
    except typer.Exit as stop:
        return stop.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except SniffkitError as error:
        complain(error, given)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output has gone (| head): that is not an error, and Python must not flush again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
