"""The client under the SDK is still an httpx2 client: what it is asked for goes out, and no more comes in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from tests.contract.raw_upstream import raw_upstream, response
from tierwise_server.providers.anthropic.transport import (
    MAX_ERROR_BYTES,
    MAX_REPLY_BYTES,
    Connections,
    DirectClient,
)


@pytest.fixture(autouse=True)
async def _in_time() -> AsyncIterator[None]:
    async with asyncio.timeout(20):
        yield


@asynccontextmanager
async def direct_client() -> AsyncIterator[DirectClient]:
    async with DirectClient(Connections()) as client:
        yield client


async def test_query_headers_and_body_go_out_as_asked() -> None:
    async with raw_upstream(response(b"{}")) as upstream, direct_client() as client:
        url = f"{upstream.base_url}/v1/models"
        reply = await client.get(url, params={"limit": "5"}, headers={"x-a": "b"})
        assert reply.json() == {}
        await client.post(url, content=b"body")
    get, post = upstream.requests
    assert get.startswith(b"GET /v1/models?limit=5 HTTP/1.1\r\n")
    assert b"\r\nx-a: b\r\n" in get.lower()
    assert b"\r\ncontent-length: 4\r\n" in post.lower()


async def test_a_parsed_request_is_the_same_on_the_wire() -> None:
    headers = httpx2.Headers({"x-a": "b", "content-type": "application/json"})
    async with raw_upstream(response(b"{}")) as upstream, direct_client() as client:
        url = f"{upstream.base_url}/v1/messages"
        ready = client.build_request("POST", httpx2.URL(url), headers=headers, content=b"{}")
        plain = client.build_request("POST", url, headers=dict(headers), content=b"{}")
        assert (ready.content, plain.content) == (b"{}", b"{}")
        await client.send(ready)
        await client.send(plain)
    first, second = (sorted(head.lower().split(b"\r\n")) for head in upstream.requests)
    assert first == second


@pytest.mark.parametrize(
    ("status", "limit_bytes"), [("200 OK", MAX_REPLY_BYTES), ("500 Oops", MAX_ERROR_BYTES)]
)
async def test_what_is_no_stream_is_read_only_so_far(status: str, limit_bytes: int) -> None:
    raw = response(b"x" * (2 * MAX_REPLY_BYTES), status=status)
    async with raw_upstream(raw) as upstream, direct_client() as client:
        reply = await client.get(upstream.base_url)
    # What was waiting when the limit was reached is in it, so a little more than the limit.
    assert limit_bytes <= len(reply.content) < limit_bytes + 1024 * 1024


async def test_a_closed_client_stays_closed() -> None:
    async with raw_upstream(response(b"{}")) as upstream:
        async with direct_client() as client:
            await client.get(upstream.base_url)
        with pytest.raises(RuntimeError, match="closed"):
            await client.get(upstream.base_url)
