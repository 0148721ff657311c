"""A bare grpc.aio server that answers with the same messages as tierwise, made once: the floor of any gRPC server.

The second argument is the file of the messages: a RouteResponse and the events of one Generate, length-prefixed. With
the address of an upstream as the third, it has the SDK read an answer there before it writes its events: what the two
halves of a relay cost in one process, with nothing of ours between them.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import uvloop

from tests.bench.canned import read_messages
from tests.bench.processes import pin
from tests.bench.run_sdk import client_of, read_one
from tierwise.v1 import router_pb2, router_pb2_grpc

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic


class Echo(router_pb2_grpc.RouterServiceServicer):
    def __init__(
        self,
        route: router_pb2.RouteResponse,
        events: list[router_pb2.GenerateResponse],
        sdk: AsyncAnthropic | None,
    ) -> None:
        self._route = route
        self._events = events
        self._sdk = sdk

    async def Route(  # noqa: N802 - the generated name
        self, request: router_pb2.RouteRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> router_pb2.RouteResponse:
        return self._route

    async def Generate(  # type: ignore[override]  # noqa: N802 - the generated name; it writes, as aio allows
        self, request: router_pb2.GenerateRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> None:
        if self._sdk is not None:
            await read_one(self._sdk)
        for event in self._events:
            await context.write(event)


async def main(messages: Path, upstream: str) -> None:
    route, *events = read_messages(messages)
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    echo = Echo(
        router_pb2.RouteResponse.FromString(route),
        [router_pb2.GenerateResponse.FromString(event) for event in events],
        client_of(upstream) if upstream else None,
    )
    router_pb2_grpc.add_RouterServiceServicer_to_server(echo, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"ready 127.0.0.1:{port}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    pin(int(sys.argv[1]))
    uvloop.run(main(Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else ""))
