"""The Anthropic SDK alone, reading the raw stream of the same upstream on its aiohttp transport.

For each line `COUNT CONCURRENCY` on standard input it reads so many answers and prints `done CPU_SECONDS WALL_SECONDS`.
"""

from __future__ import annotations

import asyncio
import sys
import time

import uvloop
from anthropic import AsyncAnthropic, DefaultAioHttpClient

from tests.bench.load import PROMPT
from tests.bench.processes import pin


def client_of(upstream: str) -> AsyncAnthropic:
    """The SDK's client on its aiohttp transport."""
    http = DefaultAioHttpClient()
    return AsyncAnthropic(base_url=upstream, api_key="bench", max_retries=0, http_client=http)


async def read_one(client: AsyncAnthropic) -> None:
    request = client.messages.with_streaming_response.create(
        model="claude-haiku-4-5-20251001",
        max_tokens=4096,
        messages=[{"role": "user", "content": PROMPT}],
        stream=True,
    )
    async with request as response:
        async for _ in response.iter_bytes():
            pass


async def read_many(client: AsyncAnthropic, count: int, concurrency: int) -> None:
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            await read_one(client)

    async with asyncio.TaskGroup() as workers:
        for _ in range(concurrency):
            workers.create_task(worker())


async def main(upstream: str) -> None:
    async with client_of(upstream) as client:
        await read_many(client, 50, 8)
        sys.stdout.write("ready sdk\n")
        sys.stdout.flush()
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            count, concurrency = (int(word) for word in line.split())
            cpu, wall = time.process_time(), time.perf_counter()
            await read_many(client, count, concurrency)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            sys.stdout.write(f"done {cpu} {wall}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    pin(int(sys.argv[1]))
    uvloop.run(main(sys.argv[2]))
