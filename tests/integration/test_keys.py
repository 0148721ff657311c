"""Keys over real sockets: who comes in, what a key may do, how much, and what is said to everybody else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.serving import Outcome, Served, a_request, configured, failure_of, outcome_of, serving
from tests.unit.access.records import NOW_S, a_key
from tests.web_calls import SERVICE as PATH
from tests.web_calls import outcome_over_grpc_web, web_serving
from tierwise.v1 import router_pb2, routing_pb2
from tierwise_client import (
    AsyncClient,
    AuthenticationError,
    PermissionDeniedError,
    RateLimitedError,
)
from tierwise_server.access.entries import NO_LIMITS, Allowance, Book, Key
from tierwise_server.access.memory import MemoryKeyStore
from tierwise_server.access.ring import REVOKED_WITHIN_S
from tierwise_server.access.secret import new_key
from tierwise_server.core.table import Adjustment
from tierwise_server.errors import LedgerUnavailable
from tierwise_server.rpc.service import SERVICE

REQUIRED = {"auth": {"mode": "required"}}
CLIMB = routing_pb2.RoutingOptions(escalation=True)


async def stored(*keys: Key) -> MemoryKeyStore:
    store = MemoryKeyStore()
    for key in keys:
        await store.add(key)
    return store


@asynccontextmanager
async def keyed(
    script: Mapping[str, Any] | None = None, **fields: Any
) -> AsyncIterator[tuple[Served, MemoryKeyStore, str, Key]]:
    """Run a server that asks for keys, and has one."""
    secret, key = a_key(**fields)
    store = await stored(key)
    async with serving(script, configured(REQUIRED), keys=store) as served:
        yield served, store, secret, key


def bearer(secret: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {secret}"),)


async def generate(
    served: Served, metadata: Any = (), request: router_pb2.GenerateRequest | None = None
) -> Outcome:
    return await outcome_of(served.stub.Generate(request or a_request(), metadata=metadata))


async def route(
    served: Served, metadata: Any = (), **fields: Any
) -> tuple[router_pb2.RouteResponse | None, Outcome]:
    request = router_pb2.RouteRequest(task_type="classify_intent")
    request.MergeFrom(router_pb2.RouteRequest(**fields))
    try:
        return await served.stub.Route(request, metadata=metadata), Outcome("OK", "", [], [], {})
    except grpc.aio.AioRpcError as error:
        return None, failure_of(error)


async def refused_in_time(served: Served, metadata: Any = ()) -> None:
    async with asyncio.timeout(REVOKED_WITHIN_S):
        while (await route(served, metadata))[1].status == "OK":  # noqa: ASYNC110 - it is another program's state
            await asyncio.sleep(0.1)


async def test_a_key_opens_every_method() -> None:
    async with keyed() as (served, _, secret, _):
        for scheme in ("Bearer", "bearer", "BEARER"):
            metadata = (("authorization", f"{scheme} {secret}"),)
            assert (await generate(served, metadata)).status == "OK"
            assert (await route(served, metadata))[1].status == "OK"


async def test_a_call_is_traced_under_its_tenant_and_the_keys_public_id() -> None:
    async with keyed() as (served, _, secret, key):
        await route(served, bearer(secret))
        await route(served)
        known, unknown = (dict(span.attributes or {}) for span in served.spans.spans())
    assert (known["tierwise.tenant"], known["tierwise.key_id"]) == ("acme", key.key_id)
    assert not {"tierwise.tenant", "tierwise.key_id"} & unknown.keys()


@pytest.mark.parametrize("scope", ["key", "tenant"])
async def test_a_budget_that_cannot_pay_is_named_and_nothing_is_spent(scope: str) -> None:
    spare = Allowance(day_nano_usd=10)
    async with keyed(allowance=spare if scope == "key" else NO_LIMITS) as (
        served,
        store,
        secret,
        _,
    ):
        if scope == "tenant":
            await store.allow("acme", spare)
            async with asyncio.timeout(REVOKED_WITHIN_S):
                while (await generate(served, bearer(secret))).status == "OK":  # noqa: ASYNC110 - told to nobody
                    await asyncio.sleep(0.1)
        asked = len(served.simulator.journal)
        outcome = await generate(served, bearer(secret))
        assert len(served.simulator.journal) == asked
    assert (outcome.status, outcome.reason) == ("RESOURCE_EXHAUSTED", "BUDGET_EXCEEDED")
    (quota,) = outcome.all_of("QuotaFailure")
    assert quota.violations[0].subject == f"budget.{scope}.day"


async def test_the_client_sends_the_key_and_raises_what_it_names() -> None:
    async with keyed() as (served, _, secret, _):
        async with AsyncClient(served.endpoint, api_key=secret) as client:
            assert (await client.generate("Hello")).text
        async with AsyncClient(served.endpoint, api_key=new_key()) as client:
            with pytest.raises(AuthenticationError):
                await client.generate("Hello")


async def test_without_credentials_nothing_is_said_but_that() -> None:
    async with keyed() as (served, _, _, _):
        for outcome in (await generate(served), (await route(served))[1]):
            assert (outcome.status, outcome.reason) == ("UNAUTHENTICATED", "MISSING_CREDENTIALS")
        unknown: Any = served.channel.unary_unary(f"/{SERVICE}/Nothing")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await unknown(b"")
        assert failure_of(refused.value).reason == "MISSING_CREDENTIALS"
        assert not len(served.simulator.journal)


METHODS = {"Route": router_pb2.RouteRequest(), "Generate": a_request()}


async def test_every_method_of_the_contract_needs_a_key() -> None:
    service = router_pb2.DESCRIPTOR.services_by_name["RouterService"]
    assert {method.name for method in service.methods} == METHODS.keys()
    async with keyed() as (served, _, secret, _):
        for name, request in METHODS.items():
            call: Any = served.channel.unary_stream(f"/{SERVICE}/{name}")
            for metadata, status in (
                ((), "UNAUTHENTICATED"),
                (bearer(new_key()), "UNAUTHENTICATED"),
                (bearer(secret), "OK"),
            ):
                told = "OK"
                try:
                    async for _ in call(request.SerializeToString(), metadata=metadata):
                        pass
                except grpc.aio.AioRpcError as error:
                    told = error.code().name
                assert told == status


async def test_an_unknown_method_is_unimplemented_for_who_may_come_in() -> None:
    async with keyed() as (served, _, secret, _):
        for path in (f"/{SERVICE}/Nothing", f"/{SERVICE}/generate", f"//{SERVICE}/Generate"):
            nothing: Any = served.channel.unary_unary(path)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await nothing(b"", metadata=bearer(secret))
            assert failure_of(refused.value).reason == "UNIMPLEMENTED"


async def test_health_is_open_and_says_nothing_else() -> None:
    async with keyed() as (served, _, _, _):
        stub: Any = health_pb2_grpc.HealthStub(served.channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=SERVICE))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize(
    "shown",
    ["", "Bearer", "Bearer ", "Basic {}", "{}", "Bearer  {}", "Bearer {}x", "Token {}", "Bearer x"],
)
async def test_what_is_not_a_key_is_invalid(shown: str) -> None:
    async with keyed() as (served, _, secret, _):
        outcome = await generate(served, (("authorization", shown.format(secret)),))
    assert (outcome.status, outcome.reason) == ("UNAUTHENTICATED", "INVALID_CREDENTIALS")


async def test_a_key_that_does_not_hold_is_refused_in_the_same_words() -> None:
    good, key = a_key()
    expired, old = a_key(expires_at_s=NOW_S - 1_000_000_000)
    revoked, gone = a_key(revoked_at_s=NOW_S)
    wrong, other = a_key()
    store = await stored(key, old, gone, replace(other, digest=key.digest))
    told = set()
    async with serving(config=configured(REQUIRED), keys=store) as served:
        for secret in (expired, revoked, wrong, new_key()):
            outcome = await generate(served, bearer(secret))
            told.add((outcome.status, outcome.reason, outcome.message))
        twice = await generate(served, bearer(good) + bearer(good))
        assert (await generate(served, bearer(good))).status == "OK"
    assert twice.reason == "INVALID_CREDENTIALS"
    assert told == {("UNAUTHENTICATED", "INVALID_CREDENTIALS", "the key is not valid")}


async def test_a_key_made_or_revoked_while_the_server_runs_counts_in_time() -> None:
    async with keyed() as (served, store, first, key):
        second, another = a_key()
        await store.add(another)
        assert (await generate(served, bearer(second))).status == "OK"
        await store.revoke(key.key_id, NOW_S)
        await refused_in_time(served, bearer(first))


async def test_on_loopback_without_keys_everybody_may_call_until_the_first_key() -> None:
    store = MemoryKeyStore()
    async with serving(keys=store) as served:
        assert (await generate(served)).status == "OK"
        assert (await generate(served, bearer("anything"))).status == "OK"
        secret, key = a_key()
        await store.add(key)
        await refused_in_time(served)
        assert (await generate(served)).reason == "MISSING_CREDENTIALS"
        assert (await generate(served, bearer(secret))).status == "OK"


async def test_an_open_server_stays_open() -> None:
    _, key = a_key()
    open_ = configured({"auth": {"mode": "open"}})
    async with serving(config=open_, keys=await stored(key)) as served:
        assert (await generate(served)).status == "OK"


class Away(MemoryKeyStore):
    """Goes away when it is told to."""

    away = False

    async def read(self, known: Book | None = None) -> Book:
        if self.away:
            raise LedgerUnavailable
        return await super().read(known)


async def test_while_the_store_is_away_known_keys_serve_and_others_are_to_come_back() -> None:
    secret, key = a_key()
    store = Away()
    await store.add(key)
    async with serving(config=configured(REQUIRED), keys=store) as served:
        store.away = True
        await asyncio.sleep(1.3)
        assert (await generate(served, bearer(secret))).status == "OK"
        outcome = await generate(served, bearer(new_key()))
    assert (outcome.status, outcome.reason) == ("UNAVAILABLE", "LEDGER_UNAVAILABLE")
    assert outcome.all_of("RetryInfo")


# What a key may do.


async def test_a_key_uses_its_tiers_and_no_other() -> None:
    async with keyed(tiers=frozenset({"efficient"})) as (served, _, secret, _):
        assert (await generate(served, bearer(secret))).status == "OK"
        for request in (
            a_request(task_type="plan_architecture"),
            a_request(routing=routing_pb2.RoutingOptions(tier="frontier")),
        ):
            outcome = await generate(served, bearer(secret), request)
            assert (outcome.status, outcome.reason) == ("PERMISSION_DENIED", "TIER_NOT_ALLOWED")
        _, refused = await route(served, bearer(secret), task_type="plan_architecture")
        assert refused.reason == "TIER_NOT_ALLOWED"
        async with AsyncClient(served.endpoint, api_key=secret) as client:
            with pytest.raises(PermissionDeniedError):
                await client.generate("Hello", task_type="plan_architecture")


async def test_a_cascade_never_climbs_to_a_tier_that_the_key_may_not_use() -> None:
    script = {"rules": [{"kind": "check", "confidence": 1}, {"answer": "A draft."}]}
    async with keyed(script, tiers=frozenset({"efficient"})) as (served, _, secret, _):
        outcome = await generate(served, bearer(secret), a_request(routing=CLIMB))
        answer, _ = await route(served, bearer(secret), routing=CLIMB)
        await served.simulator.journal.settled()
        models = {entry.model for entry in served.simulator.journal}
    assert outcome.summary is not None
    assert outcome.summary.tier == "efficient"
    assert all("haiku" in str(model) for model in models)
    assert answer is not None
    assert list(answer.decision.cascade) == ["efficient"]
    adjustment = getattr(routing_pb2, f"ROUTING_ADJUSTMENT_{Adjustment.CAPPED.name}")
    assert adjustment in answer.decision.adjustments


async def test_a_key_does_its_task_types_and_no_other() -> None:
    async with keyed(task_types=frozenset({"classify_intent"})) as (served, _, secret, _):
        assert (await generate(served, bearer(secret))).status == "OK"
        outcome = await generate(served, bearer(secret), a_request(task_type="answer_faq"))
        assert (outcome.status, outcome.reason) == ("PERMISSION_DENIED", "TASK_TYPE_NOT_ALLOWED")
        _, refused = await route(served, bearer(secret), task_type="answer_faq")
        # classify_intent was merged over: the last one set counts.
        assert refused.reason == "TASK_TYPE_NOT_ALLOWED"


# How much.


def violations(outcome: Outcome) -> list[str]:
    (failure,) = outcome.all_of("QuotaFailure")
    assert isinstance(failure, error_details_pb2.QuotaFailure)
    return [violation.subject for violation in failure.violations]


async def test_requests_per_minute_are_counted_over_all_methods() -> None:
    async with keyed(requests_per_minute=3) as (served, _, secret, _):
        assert (await generate(served, bearer(secret))).status == "OK"
        assert (await route(served, bearer(secret)))[1].status == "OK"
        assert (await route(served, bearer(secret)))[1].status == "OK"
        outcome = await generate(served, bearer(secret))
        assert (outcome.status, outcome.reason) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
        assert violations(outcome) == ["key.requests_per_minute"]
        (retry,) = outcome.all_of("RetryInfo")
        assert 0 < retry.retry_delay.ToTimedelta().total_seconds() <= 20
        assert (await generate(served, bearer(new_key()))).reason == "INVALID_CREDENTIALS"
        async with AsyncClient(served.endpoint, api_key=secret) as client:
            with pytest.raises(RateLimitedError):
                await client.generate("Hello")


async def test_streams_at_once_are_counted_and_given_back() -> None:
    script = {"rules": [{"chunks": ["one", "two"], "first_token_delay_s": 0.4}]}
    async with keyed(script, streams=2) as (served, _, secret, _):
        calls = [served.stub.Generate(a_request(), metadata=bearer(secret)) for _ in range(3)]
        began_s = time.monotonic()
        outcomes = [await outcome_of(call) for call in calls]
        assert time.monotonic() - began_s < 5
        assert sorted(outcome.status for outcome in outcomes) == ["OK", "OK", "RESOURCE_EXHAUSTED"]
        (refused,) = (outcome for outcome in outcomes if outcome.status != "OK")
        assert refused.reason == "RATE_LIMITED"
        assert violations(refused) == ["key.streams"]
        for call in [served.stub.Generate(a_request(), metadata=bearer(secret)) for _ in range(2)]:
            call.cancel()
        await asyncio.sleep(0.1)
        both = [served.stub.Generate(a_request(), metadata=bearer(secret)) for _ in range(2)]
        assert {(await outcome_of(call)).status for call in both} == {"OK"}


# The web port.


async def test_the_web_port_asks_for_the_same_keys() -> None:
    secret, key = a_key(tiers=frozenset({"efficient"}))
    async with web_serving(config=configured(REQUIRED), keys=await stored(key)) as (_, session):
        body = {"taskType": "classify_intent"}
        for shown, status in (("", 401), ("Bearer x", 401), (f"Bearer {secret}", 200)):
            headers = {"authorization": shown} if shown else {}
            async with session.post(f"{PATH}/Route", json=body, headers=headers) as response:
                assert response.status == status
        headers = {"authorization": f"Bearer {secret}"}
        deep = {"taskType": "plan_architecture"}
        async with session.post(f"{PATH}/Route", json=deep, headers=headers) as response:
            assert response.status == 403
        refused = await outcome_over_grpc_web(session, a_request())
        assert refused.reason == "MISSING_CREDENTIALS"
        async with aiohttp.ClientSession(session._base_url, headers=headers) as caller:
            assert (await outcome_over_grpc_web(caller, a_request())).status == "OK"
