"""`tierwise check`: everything wrong with a configuration, at once, before anything starts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from tierwise_server import config
from tierwise_server.cli.failing import FAILED
from tierwise_server.cli.serving import environment


def check(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="The TOML configuration; without it, the defaults."),
    ] = None,
    online: Annotated[
        bool, typer.Option("--online", help="Also ask the provider what it says of the models.")
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the file's JSON Schema, for editors, and exit.")
    ] = False,
) -> None:
    """Check a configuration; exits 1 if anything is wrong. Starts nothing and spends nothing."""
    if schema:
        typer.echo(config.schema_text(), nl=False)
        return
    variables = environment()
    found = config.examine(file, variables)
    faults: list[object] = list(found.faults)
    warnings: list[object] = list(found.warnings)
    if found.config is not None and online:
        from tierwise_server import app  # loads the provider's SDK, which takes a second

        listed = asyncio.run(app.list_models(found.config, variables))
        for finding in config.check_online(found.config, listed):
            (warnings if isinstance(finding, config.ConfigWarning) else faults).append(finding)
    for fault in faults:
        typer.echo(f"error: {fault}")
    for warning in warnings:
        typer.echo(f"warning: {warning}")
    if faults:
        raise typer.Exit(FAILED)
    if found.config is not None:
        _say_what_holds(found.config)


def _say_what_holds(settings: config.Config) -> None:
    table = settings.routing_table()
    typer.echo(f"ok: routing table {table.version}, prices {settings.price_book().version}")
    for tier in table.tiers:
        typer.echo(f"    {tier.name}: {tier.model.id}")
