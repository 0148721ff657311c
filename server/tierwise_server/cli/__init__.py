"""The command line: arguments and terminal output, nothing else. The only server code that uses the client SDK."""

from __future__ import annotations

import typer

from tierwise_server import __version__
from tierwise_server.cli import calling, checking, serving
from tierwise_server.cli.failing import one_line_errors
from tierwise_server.cli.keys import keys, tenants
from tierwise_server.cli.ledger import ledger
from tierwise_server.cli.measuring import measure

__all__ = ["command", "run"]

command = typer.Typer(
    name="tierwise",
    help="Send each LLM task to the cheapest model tier that does it well.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
command.command()(serving.serve)
command.command()(calling.route)
command.command()(calling.generate)
command.command()(checking.check)
command.command()(serving.simulate)
command.add_typer(measure)
command.add_typer(keys)
command.add_typer(tenants)
command.add_typer(ledger)


@command.command()
def demo() -> None:
    """Show routing, an accepted draft, a withdrawn one and a reasoning task. No key, no network, no cost."""
    # Loaded when asked for: the server and its SDK take a second, which other commands need not wait.
    from tierwise_server.cli.demo import play

    play()


@command.callback(invoke_without_command=True)
def _root(
    version: bool = typer.Option(
        False, "--version", help="Print the version and exit.", is_eager=True
    ),
) -> None:
    if version:
        typer.echo(f"tierwise {__version__}")
        raise typer.Exit


def run() -> None:
    """Run the command line; a failure is one clear line per fault on standard error, never a traceback."""
    with one_line_errors():
        command()
