"""Use the installed client where nothing of the server's extras is installed.

Both clients call the fake server that the client ships, and a port on which nobody listens: that call must end as the
client's own typed error.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys

import grpc

import tierwise_client
from tierwise_client.testing import FakeServer, answered, failed

ABSENT = ("anthropic", "opentelemetry", "pydantic", "typer")


def call_sync(endpoint: str) -> str:
    """Return an answer's text, got with the sync client."""
    with tierwise_client.Client(endpoint) as client:
        assert client.route().decision.tier == "efficient"  # noqa: S101 - this is a proof
        return client.generate("Hi").text


async def call_async(endpoint: str) -> str:
    """Return a streamed answer's text, got with the async client."""
    async with tierwise_client.AsyncClient(endpoint) as client, client.stream("Hi") as stream:
        return "".join([piece async for piece in stream.text])


def call_nobody(endpoint: str) -> str:
    """Return the name of the error when nobody listens."""
    try:
        return call_sync(endpoint)
    except tierwise_client.TierwiseError as error:
        return type(error).__name__


def main() -> str | None:
    """Return what is wrong, or None."""
    present = [name for name in ABSENT if importlib.util.find_spec(name)]
    if present:
        return f"the client is not alone: {present} are installed"
    for name in tierwise_client.__all__:
        getattr(tierwise_client, name)
    with FakeServer() as server:
        server.play(failed("OVERLOADED", pushback_ms=1))
        server.play(answered("sync"))
        server.play(answered("async"))
        said = [call_sync(server.endpoint), asyncio.run(call_async(server.endpoint))]
    said.append(call_nobody(server.endpoint))
    if said != ["sync", "async", "UnavailableError"]:
        return f"the calls ended with {said}"
    print(
        f"tierwise_client {tierwise_client.__version__} works alone, on grpcio {grpc.__version__}"
    )
    return None


if __name__ == "__main__":
    sys.exit(main())
