"""`tierwise serve` and `tierwise simulate`: programs that run until they are told to stop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from tierwise_server import config
from tierwise_server.cli.failing import say
from tierwise_server.errors import ConfigurationError

CONFIG_VARIABLE = "TIERWISE_CONFIG"

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar=CONFIG_VARIABLE,
        metavar="FILE",
        help="The TOML configuration. Without it the published routing table applies.",
    ),
]


def environment() -> dict[str, str]:
    """The environment that the configuration may see: all but the variable that names its file."""
    return {name: value for name, value in os.environ.items() if name != CONFIG_VARIABLE}


def run_loop(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on uvloop where there is one."""
    try:
        import uvloop
    except ModuleNotFoundError:
        asyncio.run(work)
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


def serve(
    config_file: ConfigFile = None,
    listen: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Where to listen, instead of what is configured."),
    ] = None,
    web: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Where to listen for browsers and curl. Needs the extra web."
        ),
    ] = None,
) -> None:
    """Serve Route and Generate over gRPC until SIGTERM or Ctrl-C.

    The key of the model provider comes from ANTHROPIC_API_KEY or a configured file. Beyond this machine the server
    listens with TLS only, unless the configuration says otherwise.
    """
    variables = environment()
    if listen is not None:
        variables["TIERWISE_SERVER__LISTEN"] = listen
    if web is not None:
        variables["TIERWISE_SERVER__WEB__LISTEN"] = web
    source = config.Source.at(config_file, variables)
    settings = config.load(config_file, variables)
    faults = config.bind_faults(settings.server)
    if faults:
        raise ConfigurationError(tuple(faults))
    # Loaded when asked for: the provider's SDK takes a second, which other commands need not wait.
    from tierwise_server import app
    from tierwise_server.telemetry import configure_logging

    logging = configure_logging(settings.telemetry.log_level)
    try:
        run_loop(app.serve(settings, source, partial(_announce, settings.server)))
    finally:
        logging.close()


def _announce(server: config.ServerSettings, port: int, web_port: int | None) -> None:
    address, _, _ = server.listen.rpartition(":")
    # First, so that who waits for the line below has both.
    if web_port is not None:
        scheme = "https" if server.tls.enabled else "http"
        host, _, _ = (server.web.listen or "").rpartition(":")
        say(f"serving the web on {scheme}://{host}:{web_port}")
    say(f"serving on {address}:{port}")


def simulate(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="The port; 0 takes a free one.")
    ] = 8700,
    script: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What to answer (TOML or JSON).")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Chooses generated text and ids.")] = None,
    journal: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a JSON line per request.")
    ] = None,
) -> None:
    """Run a local server that speaks the Messages API: no key, no network, no cost."""
    from tierwise_server.simulator import SimulatorOptions, run_simulator

    options = SimulatorOptions(host=host, port=port, script=script, seed=seed, journal=journal)
    run_loop(run_simulator(options, lambda url: say(f"simulating the Messages API on {url}")))
