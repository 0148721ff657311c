"""What the port offers and where it stops: health, reflection, limits, strange bytes, methods that are not there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.serving import KEY, Outcome, a_request, configured, failure_of, outcome_of, serving
from tierwise.v1 import router_pb2
from tierwise_server.config import Config
from tierwise_server.errors import ConfigurationError
from tierwise_server.rpc.service import SERVICE

GENERATE = f"/{SERVICE}/Generate"
LIMIT = 65_536


async def raw_outcome(channel: grpc.aio.Channel, method: str, payload: bytes) -> Outcome:
    call: Any = channel.unary_stream(method)
    return await outcome_of(call(payload, timeout=10))


def health_of(channel: grpc.aio.Channel) -> Any:
    return health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call, unused-ignore] # generated


@pytest.mark.parametrize("service", ["", SERVICE])
async def test_health_serves_each_service(service: str) -> None:
    async with serving() as served:
        stub = health_of(served.channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_health_says_not_serving_while_draining() -> None:
    async with serving(config=configured({"server": {"drain_delay_s": 30.0}})) as served:
        stub = health_of(served.channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        async with asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(served.app.listener.drain())
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            # Balancers need time to notice: calls are still taken.
            assert (await outcome_of(served.stub.Generate(a_request()))).status == "OK"
            watch.cancel()
            draining.cancel()


async def services_of(channel: grpc.aio.Channel) -> set[str]:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(cast("Any", channel))
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    async for answer in stub.ServerReflectionInfo(iter([request])):
        return {service.name for service in answer.list_services_response.service}
    return set()


async def test_reflection_is_on_for_this_machine() -> None:
    async with serving() as served:
        assert await services_of(served.channel) == {
            SERVICE,
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
        }


async def test_reflection_can_be_off() -> None:
    async with serving(config=configured({"server": {"reflection": False}})) as served:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await services_of(served.channel)
        assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("payload", [b"\xff\xff\xff", b"\x12\x80", b"\x12\x02\xff\xfe"])
async def test_bytes_that_are_no_request_are_invalid(payload: bytes) -> None:
    async with serving() as served:
        outcome = await raw_outcome(served.channel, GENERATE, payload)
        assert (outcome.status, outcome.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
        assert "Error" not in outcome.message
        assert len(served.simulator.journal) == 0


async def test_unknown_fields_are_ignored() -> None:
    unknown = b"\xfa\x3f\x05hello"
    async with serving() as served:
        payload = a_request().SerializeToString() + unknown
        call: Any = served.channel.unary_stream(
            GENERATE, response_deserializer=router_pb2.GenerateResponse.FromString
        )
        assert (await outcome_of(call(payload, timeout=10))).status == "OK"


@pytest.mark.parametrize(
    "method",
    [f"/{SERVICE}/Nothing", "/tierwise.v1.Other/Route", f"/{SERVICE}/route", f"//{SERVICE}/Route"],
)
async def test_a_method_that_is_not_there_is_unimplemented_with_details(method: str) -> None:
    async with serving() as served:
        outcome = await raw_outcome(served.channel, method, b"")
        assert (outcome.status, outcome.reason) == ("UNIMPLEMENTED", "UNIMPLEMENTED")


@pytest.mark.parametrize(("over", "status"), [(-1, "OK"), (0, "OK"), (1, "RESOURCE_EXHAUSTED")])
async def test_the_longest_message_is_as_configured(over: int, status: str) -> None:
    config = configured({"server": {"max_message_bytes": LIMIT}})
    async with serving(config=config) as served:
        request = a_request("x" * (LIMIT - 200))
        request.labels["pad"] = ""
        while request.ByteSize() < LIMIT + over:
            missing = LIMIT + over - request.ByteSize()
            request.messages[0].content[0].text.text += "x" * missing
        assert request.ByteSize() == LIMIT + over
        assert (await outcome_of(served.stub.Generate(request))).status == status


async def test_a_second_server_cannot_take_the_same_port() -> None:
    async with serving() as first:
        taken = configured({"server": {"listen": first.endpoint}})

        def over_variables(environ: Mapping[str, str]) -> Config:
            return taken({**environ, "TIERWISE_SERVER__LISTEN": first.endpoint})

        with pytest.raises(ConfigurationError, match="cannot listen"):
            async with serving(config=over_variables):
                pass


async def test_secrets_and_upstream_text_reach_no_caller() -> None:
    body = f"secret upstream text {KEY}"
    fault = {
        "kind": "status",
        "status": 400,
        "error_type": "invalid_request_error",
        "message": body,
    }
    async with serving({"rules": [{"fault": fault}]}) as served:
        call = served.stub.Generate(a_request())
        outcome = await outcome_of(call)
        assert (outcome.status, outcome.reason) == ("INTERNAL", "UPSTREAM_REJECTED")
        everything = repr((outcome.message, outcome.messages, outcome.details, outcome.trailers))
        assert "secret upstream text" not in everything
        assert KEY not in everything
        assert KEY not in repr(served.spans.spans())


async def test_an_expired_deadline_asks_nobody() -> None:
    async with serving() as served:
        outcome = await outcome_of(served.stub.Generate(a_request(), timeout=1e-6))
        assert outcome.status == "DEADLINE_EXCEEDED"
        assert len(served.simulator.journal) == 0


async def test_a_fault_of_ours_is_internal_without_its_text() -> None:
    class Broken:
        def stream(self, call: object) -> object:
            raise RuntimeError(f"boom {KEY}")

        async def aclose(self) -> None:
            return

    async with serving(providers={"anthropic": Broken()}) as served:  # type: ignore[dict-item] # broken on purpose
        outcome = await outcome_of(served.stub.Generate(a_request()))
        assert (outcome.status, outcome.reason) == ("INTERNAL", "INTERNAL")
        assert "boom" not in repr((outcome.message, outcome.details))


async def test_a_cancellation_of_our_own_does_not_leave_the_caller_waiting() -> None:
    class Confused:
        def stream(self, call: object) -> object:
            raise asyncio.CancelledError

        async def aclose(self) -> None:
            return

    async with serving(providers={"anthropic": Confused()}) as served:  # type: ignore[dict-item] # confused on purpose
        outcome = await outcome_of(served.stub.Generate(a_request(), timeout=10))
        assert (outcome.status, outcome.reason) == ("INTERNAL", "INTERNAL")


async def test_a_failed_route_has_its_details() -> None:
    async with serving() as served:
        request = router_pb2.RouteRequest(task_type="x" * 1000)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await served.stub.Route(request)
        outcome = failure_of(error.value)
        assert (outcome.status, outcome.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
        [violations] = [d.field_violations for d in outcome.all_of("BadRequest")]
        assert [violation.field for violation in violations] == ["task_type"]
