"""Callers that are known by their certificates, over real sockets: what they may, and until when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import trustme

from tests.integration.test_keys import stored
from tests.integration.test_tls import client_credentials, files
from tests.serving import KEY, Served, a_request, outcome_of, serving
from tests.unit.access.records import NOW_S, a_key
from tierwise.v1 import router_pb2_grpc, routing_pb2
from tierwise_server import config
from tierwise_server.access.entries import Allowance, Key
from tierwise_server.access.memory import MemoryKeyStore
from tierwise_server.access.ring import REVOKED_WITHIN_S

if TYPE_CHECKING:
    from tierwise.v1.router_pb2_grpc import RouterServiceAsyncStub

NAME = "caller@example.test"
TLS = """
[auth]
mode = "required"
[server.tls]
cert_file = "cert.pem"
key_file = "key.pem"
client_ca_file = "ca.pem"
"""
AS_KEY = TLS + '[auth.certificate_keys]\n"{}" = "{}"\n'
AS_TENANT = TLS + '[auth.certificates]\n"{}" = "acme"\n'


@asynccontextmanager
async def called(
    folder: Path, text: str, *keys: Key
) -> AsyncIterator[tuple[Served, RouterServiceAsyncStub, MemoryKeyStore]]:
    """A server with this configuration, and a connection that shows a certificate for `NAME`."""
    authority = trustme.CA()
    files(folder, authority)
    path = folder / "tierwise.toml"
    path.write_text(text)
    store = await stored(*keys)
    async with serving(None, lambda environ: config.load(path, environ), keys=store) as served:
        credentials = client_credentials(authority, authority)
        async with grpc.aio.secure_channel(served.endpoint, credentials) as channel:
            yield served, router_pb2_grpc.RouterServiceStub(channel), store


async def reload(served: Served, folder: Path, text: str) -> None:
    path = folder / "tierwise.toml"
    path.write_text(text)
    source = config.Source(path, {"ANTHROPIC_API_KEY": KEY})
    assert await served.app.reloader(source).reload()


LIMITED: dict[str, tuple[dict[str, Any], str]] = {
    "task type": ({"task_types": frozenset({"answer_faq"})}, "TASK_TYPE_NOT_ALLOWED"),
    "tier": ({"tiers": frozenset({"efficient"})}, "TIER_NOT_ALLOWED"),
    "rate": ({"requests_per_minute": 1}, "RATE_LIMITED"),
    "streams": ({"streams": 0}, "RATE_LIMITED"),
    "budget": ({"allowance": Allowance(day_nano_usd=1)}, "BUDGET_EXCEEDED"),
}


@pytest.mark.parametrize("name", LIMITED)
async def test_a_certificate_has_the_limits_of_the_key_it_stands_for(
    name: str, tmp_path: Path
) -> None:
    fields, reason = LIMITED[name]
    _, key = a_key(**fields)
    request = a_request(routing=routing_pb2.RoutingOptions(tier="frontier"))
    async with called(tmp_path, AS_KEY.format(NAME, key.key_id), key) as (served, stub, _):
        if name == "rate":
            assert (await outcome_of(stub.Generate(request))).status == "OK"
        asked = len(served.simulator.journal)
        assert (await outcome_of(stub.Generate(request))).reason == reason
        assert len(served.simulator.journal) == asked


async def test_a_certificate_ends_with_the_key_it_stands_for(tmp_path: Path) -> None:
    _, key = a_key()
    async with called(tmp_path, AS_KEY.format(NAME, key.key_id), key) as (_, stub, store):
        assert (await outcome_of(stub.Generate(a_request()))).status == "OK"
        await store.revoke(key.key_id, NOW_S)
        async with asyncio.timeout(REVOKED_WITHIN_S):
            while (outcome := await outcome_of(stub.Generate(a_request()))).status == "OK":  # noqa: ASYNC110 - told to nobody
                await asyncio.sleep(0.1)
        assert outcome.reason == "INVALID_CREDENTIALS"


async def test_a_name_is_withdrawn_and_given_by_a_reload_on_connections_that_are_open(
    tmp_path: Path,
) -> None:
    _, key = a_key(task_types=frozenset({"answer_faq"}))
    async with called(tmp_path, AS_TENANT.format(NAME), key) as (served, stub, _):
        assert (await outcome_of(stub.Generate(a_request()))).status == "OK"
        for text, reason in (
            (AS_TENANT.format("another@example.test"), "MISSING_CREDENTIALS"),
            (TLS, "MISSING_CREDENTIALS"),
            (AS_KEY.format(NAME, key.key_id), "TASK_TYPE_NOT_ALLOWED"),
            (AS_TENANT.format(NAME), ""),
        ):
            await reload(served, tmp_path, text)
            assert (await outcome_of(stub.Generate(a_request()))).reason == reason
