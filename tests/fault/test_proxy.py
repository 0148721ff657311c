"""The proxy spoils what it says, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from tests.fault.proxy import (
    Bandwidth,
    Down,
    FaultProxy,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
    Toxic,
)

SENT = bytes(range(256)) * 4
SOON_S = 10.0


@asynccontextmanager
async def proxied(toxic: Toxic | None) -> AsyncIterator[FaultProxy]:
    """Put a proxy before a server that sends and closes."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SENT)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, FaultProxy(toxic) as proxy, asyncio.timeout(SOON_S):
        proxy.upstream = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield proxy


@asynccontextmanager
async def connected(proxy: FaultProxy) -> AsyncIterator[asyncio.StreamReader]:
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(proxy.base_url).port)
    try:
        yield reader
    finally:
        writer.close()


@pytest.mark.parametrize(
    "toxic",
    [None, Latency(0.01), Bandwidth(1e6), Slicer(1), Slicer(7, 0.0001), SlowClose(0.01)],
    ids=str,
)
async def test_what_only_slows_lets_everything_through(toxic: Toxic | None) -> None:
    async with proxied(toxic) as proxy:
        async with connected(proxy) as reader:
            assert await reader.read(-1) == SENT
        await proxy.closed()


@pytest.mark.parametrize("limit", [0, 1, 500])
async def test_limited_data_ends_there(limit: int) -> None:
    async with proxied(LimitData(limit)) as proxy, connected(proxy) as reader:
        assert await reader.read(-1) == SENT[:limit]


@pytest.mark.parametrize("limit", [0, 500])
async def test_a_reset_is_seen_as_one(limit: int) -> None:
    async with proxied(ResetPeer(limit)) as proxy, connected(proxy) as reader:
        with pytest.raises(ConnectionResetError):
            await reader.read(-1)
        await proxy.closed()


async def test_after_a_timeout_nothing_comes_and_the_connection_stays() -> None:
    async with proxied(Timeout(500)) as proxy:
        async with connected(proxy) as reader:
            assert await reader.readexactly(500) == SENT[:500]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await reader.read(1)
            assert proxy.open == 1
        await proxy.closed()


async def test_a_proxy_that_is_down_closes_at_once() -> None:
    async with proxied(Down()) as proxy, connected(proxy) as reader:
        assert await reader.read(-1) == b""


async def test_a_toxic_can_be_taken_away() -> None:
    async with proxied(LimitData(5)) as proxy:
        async with connected(proxy) as reader:
            assert await reader.read(-1) == SENT[:5]
        proxy.toxic = None
        async with connected(proxy) as reader:
            assert await reader.read(-1) == SENT
