"""A bare grpc.aio server that answers with the same messages as tierwise, made once: the floor of any gRPC server.

The second argument is the file of the messages: a RouteResponse and the events of one Generate, length-prefixed.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import grpc
import uvloop

from tests.bench.canned import read_messages
from tests.bench.processes import pin
from tierwise.v1 import router_pb2, router_pb2_grpc


class Echo(router_pb2_grpc.RouterServiceServicer):
    def __init__(
        self, route: router_pb2.RouteResponse, events: list[router_pb2.GenerateResponse]
    ) -> None:
        self._route = route
        self._events = events

    async def Route(  # noqa: N802 - the generated name
        self, request: router_pb2.RouteRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> router_pb2.RouteResponse:
        return self._route

    async def Generate(  # type: ignore[override]  # noqa: N802 - the generated name; it writes, as aio allows
        self, request: router_pb2.GenerateRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> None:
        for event in self._events:
            await context.write(event)


async def main(messages: Path) -> None:
    route, *events = read_messages(messages)
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    echo = Echo(
        router_pb2.RouteResponse.FromString(route),
        [router_pb2.GenerateResponse.FromString(event) for event in events],
    )
    router_pb2_grpc.add_RouterServiceServicer_to_server(echo, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"ready 127.0.0.1:{port}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    pin(int(sys.argv[1]))
    uvloop.run(main(Path(sys.argv[2])))
