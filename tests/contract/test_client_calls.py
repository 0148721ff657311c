"""What both clients send and give back, over real sockets."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

import tierwise_client as client
from tests.contract.client_forms import ClientForm, both_clients
from tierwise.v1 import router_pb2
from tierwise_client import AsyncClient, Client
from tierwise_client.testing import FakeServer, Hold, answered, escalated, failed, routed
from tierwise_client.testing._scripts import numbered

# A decision's tier, and a started's request id, that are not UTF-8.
NOT_UTF_8 = b"\x0a\x04\x0a\x02\xc3\x28\x12\x04\x0a\x02\xc3\x28"


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as fake:
        yield fake


@both_clients
async def test_route_gives_the_decision(form: ClientForm, server: FakeServer) -> None:
    server.reply(routed("frontier", "claude-sonnet-4-6"))
    async with form(server.endpoint) as caller:
        result = await caller.route(task_type="generate_response", max_tier="frontier")
    assert (result.decision.tier, result.tiers[0].tier) == ("frontier", "frontier")
    assert result.proto.decision.model == "claude-sonnet-4-6"
    [call] = server.calls
    assert isinstance(call.request, router_pb2.RouteRequest)
    assert call.request.routing.max_tier == "frontier"
    assert not call.request.messages


@both_clients
async def test_generate_gives_the_answer_that_the_stream_amounts_to(
    form: ClientForm, server: FakeServer
) -> None:
    async with form(server.endpoint) as caller:
        for _ in range(2):
            server.play(escalated("Perhaps.", "Certainly."))
        answer = await caller.generate("Sure?", system="Be sure.")
        async with caller.stream("Sure?", system="Be sure.") as stream:
            pieces = [piece async for piece in stream.text]
        assert "".join(pieces) == answer.text == "Certainly."
        assert stream.answer == answer
    first, second = server.calls
    assert first.request == second.request


@both_clients
async def test_one_client_runs_many_calls_at_once(form: ClientForm, server: FakeServer) -> None:
    for _ in range(8):
        server.play(answered("same"))
    async with form(server.endpoint) as caller, asyncio.TaskGroup() as group:
        tasks = [group.create_task(caller.generate(str(number))) for number in range(8)]
    assert {task.result().text for task in tasks} == {"same"}


@both_clients
async def test_every_call_carries_key_agent_and_metadata(
    form: ClientForm, server: FakeServer
) -> None:
    metadata = {"x-team": "search", "x-blob-bin": b"\x00\xff"}
    async with form(server.endpoint, api_key="tw-key", default_metadata=metadata) as caller:
        await caller.route()
        await caller.generate("Hi")
    for call in server.calls:
        assert call.metadata["authorization"] == "Bearer tw-key"
        assert call.metadata["x-team"] == "search"
        assert call.metadata["x-blob-bin"] == b"\x00\xff"
        agent = call.metadata["user-agent"]
        assert str(agent).startswith(f"tierwise-python/{client.__version__} grpc-python")


@both_clients
async def test_endpoint_and_key_come_from_the_environment(
    form: ClientForm, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIERWISE_ENDPOINT", server.endpoint)
    monkeypatch.setenv("TIERWISE_API_KEY", "tw-environment")
    async with form() as caller:
        await caller.route()
    assert server.calls[0].metadata["authorization"] == "Bearer tw-environment"


@both_clients
async def test_a_call_s_own_deadline_reaches_the_server_instead_of_the_default(
    form: ClientForm, server: FakeServer
) -> None:
    async with form(server.endpoint, timeout_s=50) as caller:
        for timeout_s in (None, 5, 5000, math.inf):
            await caller.route(timeout_s=timeout_s)
            await caller.generate("Hi", timeout_s=timeout_s)
    limits = [call.timeout_s for call in server.calls]
    # gRPC rounds what it sends up to a coarser unit.
    for (low, high), seen in zip(
        [(6, 51)] * 2 + [(0, 6)] * 2 + [(51, 5100)] * 2, limits, strict=False
    ):
        assert seen is not None
        assert low < seen <= high
    assert limits[6:] == [None, None]


@both_clients
async def test_a_deadline_that_passes_is_an_error_of_its_own(
    form: ClientForm, server: FakeServer
) -> None:
    server.play([*answered("Hello")[:3], Hold()])
    async with form(server.endpoint) as caller:
        with pytest.raises(client.DeadlineExceededError) as caught:
            await caller.generate("Hi", timeout_s=0.3)
    error = caught.value
    assert (error.status, error.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "")
    assert (error.started, error.partial_text, error.request_id) == (True, "Hell", "request-1")
    assert server.calls[0].ended.wait(10)
    assert server.calls[0].cancelled


@both_clients
async def test_a_server_s_error_says_what_was_delivered_and_spent(
    form: ClientForm, server: FakeServer
) -> None:
    script = answered("Hello", request_id="request-7")
    finished = script[-1]
    assert isinstance(finished, router_pb2.Finished)
    broken = failed("UPSTREAM_INTERRUPTED", "it broke off", summary=finished.summary)
    server.play([*script[:4], broken])
    async with form(server.endpoint) as caller:
        with pytest.raises(client.UpstreamError, match="it broke off") as caught:
            await caller.generate("Hi")
    error = caught.value
    assert (error.started, error.partial_text, error.request_id) == (True, "Hello", "request-7")
    assert error.summary is not None
    assert error.summary.cost is not None
    assert error.summary.cost.total_nano_usd == 110_000


@both_clients
async def test_route_s_errors_are_typed_too(form: ClientForm, server: FakeServer) -> None:
    server.reply(failed("UNKNOWN_TIER", fields={"routing.tier": "'x' is not configured"}))
    async with form(server.endpoint) as caller:
        with pytest.raises(client.InvalidRequestError) as caught:
            await caller.route(tier="x")
    assert caught.value.field_violations[0].field == "routing.tier"
    assert not caught.value.started


@both_clients
async def test_a_server_that_breaks_the_contract_is_a_protocol_error(
    form: ClientForm, server: FakeServer
) -> None:
    server.play(answered()[:-1])
    async with form(server.endpoint) as caller:
        with pytest.raises(client.ProtocolError, match="finished"):
            await caller.generate("Hi")


@both_clients
@pytest.mark.parametrize("garbage", [b"\xff\xff", NOT_UTF_8], ids=["wire", "utf-8"])
async def test_bytes_that_are_no_message_are_the_server_s_fault(
    form: ClientForm, garbage: bytes
) -> None:
    methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "Route": grpc.unary_unary_rpc_method_handler(lambda _request, _context: garbage),
        "Generate": grpc.unary_stream_rpc_method_handler(
            lambda _request, _context: iter([b"\x12\x00", garbage])
        ),
    }
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        server.add_registered_method_handlers("tierwise.v1.RouterService", methods)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        async with form(f"127.0.0.1:{port}") as caller:
            with pytest.raises(client.ServerError):
                await caller.route()
            with pytest.raises(client.ServerError) as caught:
                await caller.generate("Hi")
        server.stop(None).wait()
    assert caught.value.status is grpc.StatusCode.INTERNAL
    assert caught.value.started


@both_clients
async def test_events_that_are_newer_than_the_client_are_left_out(
    form: ClientForm, server: FakeServer
) -> None:
    first, *rest = list(numbered(answered("Hello")))
    newer = router_pb2.GenerateResponse.FromString(b"\x9a\x3f\x03new")
    script = [first, newer, *rest]
    for sequence, step in enumerate(script):
        assert isinstance(step, router_pb2.GenerateResponse)
        step.sequence = sequence
    server.play(script)
    async with form(server.endpoint) as caller, caller.stream("Hi") as stream:
        kinds = [type(event).__name__ async for event in stream.events]
        assert stream.answer.text == "Hello"
    assert kinds[:2] == ["Started", "AttemptStarted"]


@both_clients
async def test_wrong_arguments_are_refused_before_anything_is_sent(
    form: ClientForm, server: FakeServer
) -> None:
    colour: Any = {"colour": "blue"}
    delivery: Any = {"draft_delivery": "LIVE"}
    async with form(server.endpoint) as caller:
        with pytest.raises(TypeError, match="unknown option 'colour'"):
            await caller.generate("Hi", **colour)
        with pytest.raises(TypeError, match="draft_delivery"):
            await caller.generate("Hi", **delivery)
        with pytest.raises(ValueError, match="timeout_s"):
            caller.stream("Hi", timeout_s=-1)
        with pytest.raises(ValueError, match="system="):
            await caller.route([("system", "Be brief.")])
    assert not server.calls


@both_clients
async def test_a_closed_client_says_so(form: ClientForm, server: FakeServer) -> None:
    caller = form(server.endpoint)
    await caller.route()
    await caller.close()
    await caller.close()
    with pytest.raises(RuntimeError, match="closed"):
        await caller.route()
    with pytest.raises(RuntimeError, match="closed"):
        async with caller.stream("Hi"):
            pass


@both_clients
async def test_a_prompt_near_the_size_limit_passes_and_one_above_does_not(
    form: ClientForm, server: FakeServer
) -> None:
    async with form(server.endpoint) as caller:
        await caller.route("x" * 3_000_000)
        with pytest.raises(client.LimitError, match="larger than max"):
            await caller.route("x" * 17_000_000)


def test_an_async_client_may_be_made_outside_of_a_loop_but_belongs_to_one(
    server: FakeServer,
) -> None:
    caller = AsyncClient(server.endpoint)
    with asyncio.Runner() as first:
        first.run(caller.route())
        with asyncio.Runner() as second, pytest.raises(RuntimeError, match="event loop"):
            second.run(caller.route())
        first.run(caller.close())


def test_both_clients_have_the_same_methods_and_arguments() -> None:
    def shape(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(member).parameters)
            for name, member in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_") or name == "__init__"
        }

    assert shape(AsyncClient) == shape(Client)
    assert shape(client.AsyncStream) == shape(client.Stream)
