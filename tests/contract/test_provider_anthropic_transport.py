"""The client under the SDK is still an httpx2 client: what it is asked for goes out, and no more comes in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import yarl
from anthropic import AsyncAnthropic

from tests.contract.raw_upstream import raw_upstream, response
from tierwise_server.core.tally import Wire
from tierwise_server.providers.anthropic.sending import MessagesSender
from tierwise_server.providers.anthropic.transport import (
    MAX_ERROR_BYTES,
    MAX_REPLY_BYTES,
    AiohttpTransport,
    Connections,
    DirectClient,
)


@pytest.fixture(autouse=True)
async def _in_time() -> AsyncIterator[None]:
    async with asyncio.timeout(20):
        yield


@asynccontextmanager
async def direct_client() -> AsyncIterator[DirectClient]:
    async with DirectClient(AiohttpTransport(Connections())) as client:
        yield client


@asynccontextmanager
async def sdk_client(base_url: str) -> AsyncIterator[tuple[AsyncAnthropic, AiohttpTransport]]:
    """The SDK's client as the provider makes it, and what it sends through."""
    transport = AiohttpTransport(Connections())
    headers = {"accept-encoding": "identity"}
    async with AsyncAnthropic(
        api_key="key",
        base_url=base_url,
        max_retries=0,
        timeout=None,
        http_client=DirectClient(transport),
        default_headers=headers,
    ) as sdk:
        yield sdk, transport


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


async def test_every_request_is_the_one_that_the_sdk_would_send() -> None:
    async with (
        raw_upstream(response(b"{}")) as upstream,
        sdk_client(upstream.base_url) as (
            sdk,
            transport,
        ),
    ):
        sender = MessagesSender(sdk, transport, f"{upstream.base_url}/v1/messages")
        for content in (b"{}", b"{ }"):
            await (await sender.send(content, {"x-a": "b"}, Wire())).read()
        await sdk.post(
            "/v1/messages", content=b"{}", cast_to=object, options={"headers": {"x-a": "b"}}
        )
    first, second, own = (sorted(head.lower().split(b"\r\n")) for head in upstream.requests)
    assert first == own
    assert [line for line in second if not line.startswith(b"content-length")] == [
        line for line in own if not line.startswith(b"content-length")
    ]


@pytest.mark.parametrize(
    ("status", "limit_bytes"), [("200 OK", MAX_REPLY_BYTES), ("500 Oops", MAX_ERROR_BYTES)]
)
async def test_what_is_no_stream_is_read_only_so_far(status: str, limit_bytes: int) -> None:
    raw = response(b"x" * (2 * MAX_REPLY_BYTES), status=status)
    async with raw_upstream(raw) as upstream, direct_client() as client:
        reply = await client.get(upstream.base_url)
    # What was waiting when the limit was reached is in it, so a little more than the limit.
    assert limit_bytes <= len(reply.content) < limit_bytes + 1024 * 1024


async def test_little_waits_for_a_reader_that_is_behind() -> None:
    long = response(b"x" * (4 * 1024 * 1024))
    async with raw_upstream(long) as upstream:
        transport = AiohttpTransport(Connections())
        body = await transport.send("GET", yarl.URL(upstream.base_url), (), b"")
        await asyncio.sleep(0.2)
        waiting = await body.read()
        await body.aclose()
        await transport.aclose()
    # With the buffer that the kernel gives by itself it is a piece of 128 KB, and then another.
    assert len(waiting) < 100 * 1024


async def test_a_closed_client_stays_closed() -> None:
    async with raw_upstream(response(b"{}")) as upstream:
        async with direct_client() as client:
            await client.get(upstream.base_url)
        with pytest.raises(RuntimeError, match="closed"):
            await client.get(upstream.base_url)
