"""docs/guides/reliability.md: with its service config, servers can be restarted one after the other."""

from __future__ import annotations

import asyncio
from typing import Final

from tests.docs.pages import blocks
from tests.fault.wall.process import free_port, started
from tierwise_client import AsyncClient

NAME: Final = "docs/guides/reliability.md"


async def test_no_call_breaks_while_servers_restart_one_after_the_other() -> None:
    (block,) = blocks("json", NAME)
    ports = [free_port(), free_port()]
    servers = [await started(port) for port in ports]
    target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
    options = (("grpc.service_config", block.code), ("grpc.max_reconnect_backoff_ms", 200))
    answers = 0
    async with (
        asyncio.timeout(60),
        AsyncClient(target, tls=False, channel_options=options) as client,
    ):
        going = True

        async def caller() -> None:
            nonlocal answers
            while going:
                assert (await client.generate("Hello?")).text
                answers += 1

        async with asyncio.TaskGroup() as tasks:
            for _ in range(8):
                tasks.create_task(caller())
            for at in (0, 1):
                before = answers
                await servers[at][0].app.listener.drain()
                await servers[at][1].aclose()
                servers[at] = await started(ports[at])
                await asyncio.sleep(1)
                assert answers > before
            going = False
    for _, stack in servers:
        await stack.aclose()
