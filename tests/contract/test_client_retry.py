"""gRPC asks again while nothing was started, and never after: money is not spent twice in silence."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import tierwise_client as client
from tests.contract.client_forms import ClientForm, both_clients
from tierwise_client.testing import FakeServer, answered, failed, routed

pytestmark = pytest.mark.fault
AT_ONCE = 1


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as fake:
        yield fake


@both_clients
async def test_a_busy_server_is_asked_again_before_the_task_started(
    form: ClientForm, server: FakeServer
) -> None:
    server.play(failed("OVERLOADED", pushback_ms=AT_ONCE))
    server.play(failed("SHUTTING_DOWN"))
    server.play(answered("Third time lucky"))
    async with form(server.endpoint) as caller:
        assert (await caller.generate("Hi")).text == "Third time lucky"
    assert len(server.calls) == 3
    assert "grpc-previous-rpc-attempts" in server.calls[2].metadata


@both_clients
async def test_three_tries_are_all(form: ClientForm, server: FakeServer) -> None:
    for _ in range(5):
        server.play(failed("OVERLOADED", pushback_ms=AT_ONCE))
    async with form(server.endpoint) as caller:
        with pytest.raises(client.UnavailableError) as caught:
            await caller.generate("Hi")
    assert len(server.calls) == 3
    assert not caught.value.started


@both_clients
async def test_a_started_task_is_never_asked_again(form: ClientForm, server: FakeServer) -> None:
    server.play([answered()[0], failed("UPSTREAM_OVERLOADED", pushback_ms=AT_ONCE)])
    async with form(server.endpoint) as caller:
        with pytest.raises(client.UpstreamError) as caught:
            await caller.generate("Hi")
    assert len(server.calls) == 1
    assert caught.value.started


@both_clients
@pytest.mark.parametrize(
    "reason", ["RATE_LIMITED", "INTERNAL", "REQUEST_IN_FLIGHT", "INVALID_REQUEST"]
)
async def test_other_failures_are_not_asked_again(
    form: ClientForm, server: FakeServer, reason: str
) -> None:
    server.play(failed(reason))
    async with form(server.endpoint) as caller:
        with pytest.raises(client.TierwiseError):
            await caller.generate("Hi")
    assert len(server.calls) == 1


@both_clients
async def test_a_server_that_says_not_to_come_back_is_left_alone(
    form: ClientForm, server: FakeServer
) -> None:
    server.play(failed("OVERLOADED", pushback_ms=-1))
    async with form(server.endpoint) as caller:
        with pytest.raises(client.UnavailableError):
            await caller.generate("Hi")
    assert len(server.calls) == 1


@both_clients
async def test_a_long_prompt_is_asked_again_too(form: ClientForm, server: FakeServer) -> None:
    server.reply(failed("OVERLOADED", pushback_ms=AT_ONCE))
    server.reply(routed())
    async with form(server.endpoint) as caller:
        await caller.route("x" * 2_000_000)
    assert len(server.calls) == 2


@both_clients
async def test_retries_stop_when_too_many_calls_fail(form: ClientForm, server: FakeServer) -> None:
    for _ in range(40):
        server.reply(failed("OVERLOADED", pushback_ms=AT_ONCE))
    async with form(server.endpoint) as caller:
        for _ in range(10):
            with pytest.raises(client.UnavailableError):
                await caller.route()
    # Ten calls with three tries each would be thirty.
    assert 10 < len(server.calls) < 20


@both_clients
async def test_a_port_where_nobody_listens_is_unavailable(
    form: ClientForm, server: FakeServer
) -> None:
    endpoint = server.endpoint
    server.stop()
    async with form(endpoint) as caller:
        with pytest.raises(client.UnavailableError) as caught:
            await caller.generate("Hi")
    assert (caught.value.reason, caught.value.started) == ("", False)
