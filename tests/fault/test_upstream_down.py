"""A provider that is down gets hardly more tries than there are calls, and is not overrun when it comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pytest

from tests.fault.worlds import SOON_S
from tests.serving import Served, a_request, configured, outcome_of, serving, variables
from tierwise.v1 import router_pb2, routing_pb2
from tierwise_server import app
from tierwise_server.errors import Reason, UpstreamError
from tierwise_server.providers.base import ModelCall
from tierwise_server.providers.scripted import Pause, ScriptedProvider, Step, answer
from tierwise_server.telemetry.overload import Overload

DOWN: Mapping[str, Any] = {"rules": [{"fault": {"kind": "status", "status": 529}}]}
CLIENTS = 8


def quick(retry: Mapping[str, Any] | None = None, **upstream: Any) -> dict[str, Any]:
    """Settings with short pauses between tries."""
    pauses = {"base_delay_s": 0.001, "max_delay_s": 0.001}
    return {"upstream": {"retry": {**pauses, **(retry or {})}, **upstream}}


def pinned() -> router_pb2.GenerateRequest:
    """Make a request for one tier alone, so that it is one call."""
    return a_request(routing=routing_pb2.RoutingOptions(tier="efficient"))


async def many(
    served: Served, count: int, request: Callable[[], router_pb2.GenerateRequest] = pinned
) -> list[str]:
    """Make so many calls, a few at a time; return their reasons."""
    reasons: list[str] = []

    async def client() -> None:
        while len(reasons) < count:
            reasons.append("")
            at = len(reasons) - 1
            reasons[at] = (await outcome_of(served.stub.Generate(request()))).reason

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for _ in range(CLIENTS):
            tasks.create_task(client())
    return reasons


async def test_retries_are_a_tenth_of_the_calls_once_the_reserve_is_used_up() -> None:
    config = quick({"budget_reserve": 20}, breaker={"enabled": False})
    async with serving(DOWN, configured(config)) as served:
        assert set(await many(served, 20)) == {"UPSTREAM_OVERLOADED"}
        at_start = len(served.simulator.journal)
        assert 20 < at_start <= 20 + 20 + 2
        await many(served, 300)
        steady = len(served.simulator.journal) - at_start
        # What is left of the reserve after the start may be spent as well.
        assert 300 <= steady <= 1.1 * 300 + 2


FALLBACKS: Final = {
    "tiers": [
        {"name": "efficient", "fallbacks": ["claude-haiku-5-5"]},
        {"name": "frontier", "fallbacks": ["claude-opus-4-8"]},
    ]
}
"""With them, six models may be asked for one request."""

FULLY_DOWN: Final = tuple(
    (code, breaker, fallbacks)
    for code in (404, 429, 529)
    for breaker in (True, False)
    for fallbacks in (True, False)
)


MOST_POSTS: Final = 1.1 + 2 / 300
"""For each request of 300, as what is left of the reserves may be used up as well."""


@pytest.mark.parametrize(("code", "breaker", "fallbacks"), FULLY_DOWN)
async def test_fallbacks_do_not_multiply_what_a_provider_that_is_fully_down_is_asked(
    code: int, breaker: bool, fallbacks: bool
) -> None:
    assert await posts_per_request(code, breaker=breaker, fallbacks=fallbacks) <= MOST_POSTS


async def posts_per_request(code: int, *, breaker: bool, fallbacks: bool) -> float:
    """Have every model fail; return what that costs the provider for each request, once the reserves are used up."""
    config = quick({"budget_reserve": 20}, breaker={"enabled": breaker})
    down = {"rules": [{"fault": {"kind": "status", "status": code}}]}
    async with serving(down, configured({**config, **(FALLBACKS if fallbacks else {})})) as served:
        await many(served, 200, a_request)
        at_start = len(served.simulator.journal)
        reasons = await many(served, 300, a_request)
        assert set(reasons) <= {REASONS[code], "UPSTREAM_UNAVAILABLE"}
        posts = len(served.simulator.journal) - at_start
        assert posts > 0 or breaker
        return posts / 300


REASONS: Final = {
    404: "UPSTREAM_MODEL_MISSING",
    429: "UPSTREAM_RATE_LIMITED",
    529: "UPSTREAM_OVERLOADED",
}


@pytest.mark.parametrize("code", [404, 429, 529])
@pytest.mark.parametrize("breaker", [True, False])
async def test_one_model_that_is_down_is_replaced_every_time(code: int, breaker: bool) -> None:
    config = quick({"budget_reserve": 0}, breaker={"enabled": breaker})
    rules = [
        {"model": "claude-haiku-*", "fault": {"kind": "status", "status": code}},
        {"answer": "From above."},
    ]
    async with serving({"rules": rules}, configured(config)) as served:
        assert set(await many(served, 300, a_request)) == {""}


async def test_a_model_that_comes_back_is_found_by_those_whose_own_is_down() -> None:
    fault = {"fault": {"kind": "status", "status": 429}}
    rules = [
        {"model": "claude-haiku-*", **fault},
        {**fault, "times": 110},
        {"answer": "From above."},
    ]
    async with serving({"rules": rules}, configured(quick({"budget_reserve": 0}))) as served:
        assert "UPSTREAM_RATE_LIMITED" in await many(served, 200, a_request)
        assert set(await many(served, 100, a_request)) == {""}


async def test_a_model_that_asked_for_a_pause_is_asked_by_nobody_until_it_is_over() -> None:
    busy = {"kind": "status", "status": 429, "retry_after": "30"}
    rules = [{"model": "claude-haiku-*", "fault": busy}, {"answer": "From above."}]
    async with serving({"rules": rules}, configured(quick())) as served:
        for _ in range(20):
            outcome = await outcome_of(served.stub.Generate(a_request(), timeout=10))
            assert outcome.status == "OK"
        models = [entry.model for entry in served.simulator.journal]
        assert sum(model.startswith("claude-haiku") for model in models) == 1


async def test_an_open_breaker_keeps_everybody_from_asking() -> None:
    async with serving(DOWN, configured(quick())) as served:
        reasons = await many(served, 300)
        # The failures that open it, and what was on its way by then.
        assert len(served.simulator.journal) <= 10 + CLIENTS
        assert reasons.count("UPSTREAM_UNAVAILABLE") >= 300 - 10 - CLIENTS
        outcome = await outcome_of(served.stub.Generate(pinned()))
        assert outcome.status == "UNAVAILABLE"
        assert outcome.trailers.keys() >= {"grpc-retry-pushback-ms"}
        assert outcome.summary is not None
        [call] = outcome.summary.calls
        assert (call.tries, call.HasField("usage")) == (0, False)


async def test_an_open_breaker_leaves_the_way_to_the_next_tier_open() -> None:
    rules = [
        {"model": "claude-haiku-*", "fault": {"kind": "status", "status": 529}},
        {"answer": "From above."},
    ]
    async with serving({"rules": rules}, configured(quick())) as served:
        await many(served, 20)
        asked = len(served.simulator.journal)
        outcome = await outcome_of(served.stub.Generate(a_request()))
        assert outcome.status == "OK"
        assert [entry.model for entry in served.simulator.journal][asked:] == ["claude-sonnet-4-6"]


@dataclass
class Recovering:
    """A model that is down, then comes back with so many places, and falls over where more is asked of it."""

    places: int
    up: bool = False
    calls_while_down: int = 0
    overruns: int = 0

    def __post_init__(self) -> None:
        self.provider = ScriptedProvider(self.play)

    def play(self, _: ModelCall) -> Sequence[Step]:
        if not self.up:
            self.calls_while_down += 1
        elif self.provider.open_streams > self.places:
            self.overruns += 1
        else:
            return (Pause(0.002), *answer("Back."))
        return (UpstreamError(Reason.UPSTREAM_OVERLOADED, "busy", retryable=True),)


class Changes(Overload):
    """Remembers the states of breakers."""

    def __init__(self) -> None:
        super().__init__(None)
        self.states: list[str] = []

    def breaker_changed(self, model: str, state: str) -> None:
        assert model == "claude-haiku-4-5-20251001"
        self.states.append(state)


@pytest.mark.parametrize("clients", [200])
async def test_a_herd_finds_a_model_that_has_come_back_and_does_not_overrun_it(
    clients: int,
) -> None:
    breaker = {"open_s": 0.05, "max_open_s": 0.1}
    config = configured(quick(max_connections=20, queue_timeout_s=30.0, breaker=breaker))
    upstream, changes = Recovering(places=20), Changes()
    settings = config(variables("http://127.0.0.1:9"))
    guarded = app.guarded("anthropic", upstream.provider, settings.upstream, changes)
    async with (
        asyncio.timeout(SOON_S),
        serving(None, config, providers={"anthropic": guarded}) as served,
        asyncio.TaskGroup() as tasks,
    ):

        async def client() -> None:
            outcome = await outcome_of(served.stub.Generate(pinned()))
            while outcome.status != "OK":
                await asyncio.sleep(0.05)
                outcome = await outcome_of(served.stub.Generate(pinned()))

        for _ in range(clients):
            tasks.create_task(client())
        while changes.states.count("probing") < 2:  # noqa: ASYNC110 - breakers change without telling the loop
            await asyncio.sleep(0.01)
        # 200 clients asked twenty times a second; the model heard what opened the breaker, and probes.
        assert upstream.calls_while_down < clients
        upstream.up = True
    assert changes.states[-1] == "closed"
    assert upstream.overruns == 0
    assert upstream.provider.open_streams == 0
