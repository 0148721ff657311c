"""The load: so many calls, so many at a time, over one channel per eight of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import grpc

from tierwise.v1 import message_pb2, router_pb2, router_pb2_grpc

PROMPT = "Name one hundred words that describe the sea."


@dataclass(frozen=True, slots=True)
class Load:
    """What a burst of calls took: wall seconds for all, and seconds to the first text of each."""

    calls: int
    wall_s: float
    first_text_s: tuple[float, ...] = ()

    @property
    def per_second(self) -> float:
        """Calls per second."""
        return self.calls / self.wall_s


def messages() -> list[message_pb2.Message]:
    """The conversation of every request."""
    block = message_pb2.ContentBlock(text=message_pb2.TextBlock(text=PROMPT))
    return [message_pb2.Message(role=message_pb2.ROLE_USER, content=[block])]


ROUTE = router_pb2.RouteRequest(task_type="classify_intent", messages=messages())
GENERATE = router_pb2.GenerateRequest(task_type="classify_intent", messages=messages())


Metadata = tuple[tuple[str, str], ...]


async def route_load(address: str, calls: int, concurrency: int, metadata: Metadata = ()) -> Load:
    """Call Route."""

    async def one(stub: router_pb2_grpc.RouterServiceAsyncStub) -> None:
        await stub.Route(ROUTE, metadata=metadata)

    return Load(calls, await _run(address, calls, concurrency, one))


async def generate_load(
    address: str, calls: int, concurrency: int, metadata: Metadata = ()
) -> Load:
    """Call Generate and read every event."""
    firsts: list[float] = []

    async def one(stub: router_pb2_grpc.RouterServiceAsyncStub) -> None:
        started = time.perf_counter()
        seen = False
        async for event in stub.Generate(GENERATE, metadata=metadata):
            if not seen and event.HasField("text_delta"):
                seen = True
                firsts.append(time.perf_counter() - started)
        if not seen:
            raise RuntimeError("an answer without text")

    wall_s = await _run(address, calls, concurrency, one)
    return Load(calls, wall_s, tuple(firsts))


async def _run(
    address: str,
    calls: int,
    concurrency: int,
    one: Callable[[router_pb2_grpc.RouterServiceAsyncStub], Awaitable[None]],
) -> float:
    left = iter(range(calls))
    channels = [
        grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
        for _ in range(-(-concurrency // 8))
    ]
    stubs = [router_pb2_grpc.RouterServiceStub(channel) for channel in channels]

    async def worker(number: int) -> None:
        for _ in left:
            await one(stubs[number % len(stubs)])

    for channel in channels:
        await channel.channel_ready()
    started = time.perf_counter()
    async with asyncio.TaskGroup() as workers:
        for number in range(concurrency):
            workers.create_task(worker(number))
    wall_s = time.perf_counter() - started
    for channel in channels:
        await channel.close()
    return wall_s
