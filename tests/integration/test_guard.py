"""The wrapper of every method keeps a fault's text in, also where no task is under way."""

from __future__ import annotations

import grpc

from tests.serving import KEY, failure_of
from tierwise.v1 import router_pb2, router_pb2_grpc
from tierwise_server.rpc.entry import Entry
from tierwise_server.rpc.guard import Guard, Rpc
from tierwise_server.rpc.service import SERVICE
from tierwise_server.telemetry import Telemetry


async def explode(_: router_pb2.RouteRequest, __: Rpc) -> router_pb2.RouteResponse:
    raise LookupError(f"boom {KEY}")


async def test_a_fault_outside_a_task_is_internal_without_its_text() -> None:
    guard = Guard(Telemetry.off(), Entry())
    methods = {"Route": guard.unary(f"{SERVICE}/Route", router_pb2.RouteRequest, explode)}
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            try:
                await router_pb2_grpc.RouterServiceStub(channel).Route(router_pb2.RouteRequest())
            except grpc.aio.AioRpcError as error:
                outcome = failure_of(error)
            else:
                raise AssertionError("a fault was not told")
    finally:
        await server.stop(None)
    assert (outcome.status, outcome.reason) == ("INTERNAL", "INTERNAL")
    assert not [word for word in ("boom", KEY) if word in repr((outcome.message, outcome.details))]
