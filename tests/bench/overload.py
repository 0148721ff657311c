"""Measure overload: what is served, and how soon the rest is turned away, when three times too much is asked.

`make bench-overload` writes build/bench/overload.json. The real server has so many places, whose upstream
answers after a set time. A round first fills the places and no more, which gives the peak; then it makes calls at three
times that rate, whatever becomes of them (an open loop). How long a refusal takes is measured at the caller, and so
holds the load's own turns as well; a call of Route, made alone, stands beside it.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import uvloop

from tests.bench.load import GENERATE, ROUTE, messages
from tests.bench.rows import Row, publish, row
from tests.programs import running, simulating
from tierwise.v1 import router_pb2, router_pb2_grpc

ROUNDS = 5
PLACES = 10
ANSWER_S = 0.1
ROUND_S = 3.0
OVERLOAD = 3
TENANTS = 10


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run the server and its upstream, each as a program of its own; gives the server's address."""
    script = folder / "script.json"
    rule = {"answer": "The sea.", "first_token_delay_s": ANSWER_S}
    script.write_text(json.dumps({"rules": [rule]}))
    with simulating("--script", str(script)) as upstream:
        variables = {
            "ANTHROPIC_API_KEY": "bench",
            "TIERWISE_SERVER__LISTEN": "127.0.0.1:0",
            "TIERWISE_SERVER__MAX_CONCURRENT_REQUESTS": str(PLACES),
            "TIERWISE_UPSTREAM__ANTHROPIC__BASE_URL": upstream,
        }
        with running("serve", **variables) as program:
            yield program.until("serving on ").rpartition(" ")[2]


async def answered(
    stub: router_pb2_grpc.RouterServiceAsyncStub, request: router_pb2.GenerateRequest = GENERATE
) -> bool:
    """Make a call; return whether it was served, not turned away."""
    try:
        async for _ in stub.Generate(request):
            pass
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return False
    return True


async def peak(stub: router_pb2_grpc.RouterServiceAsyncStub) -> float:
    """Keep all places taken and no more; return the answers per second."""
    served = 0
    start_s = time.perf_counter()

    async def fill() -> None:
        nonlocal served
        while time.perf_counter() - start_s < ROUND_S:
            if await answered(stub):
                served += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(PLACES):
            tasks.create_task(fill())
    return served / (time.perf_counter() - start_s)


async def alone_ms(stub: router_pb2_grpc.RouterServiceAsyncStub) -> list[float]:
    """What one call of Route takes when nothing else is asked, shortest first."""
    waits = []
    for _ in range(200):
        start_s = time.perf_counter()
        await stub.Route(ROUTE)
        waits.append((time.perf_counter() - start_s) * 1000)
    return sorted(waits)


async def flood(
    stub: router_pb2_grpc.RouterServiceAsyncStub, per_second: float
) -> tuple[list[int], list[float]]:
    """Make calls at a rate of their own; returns the served of each of so many callers, and how long refusals took."""
    served = [0] * TENANTS
    refused_ms: list[float] = []
    start_s = time.perf_counter()

    async def call(number: int) -> None:
        began_s = time.perf_counter()
        if await answered(stub, REQUESTS[number % TENANTS]):
            served[number % TENANTS] += 1
        else:
            refused_ms.append((time.perf_counter() - began_s) * 1000)

    async with asyncio.TaskGroup() as tasks:
        for number in range(round(per_second * ROUND_S)):
            await asyncio.sleep(start_s + number / per_second - time.perf_counter())
            tasks.create_task(call(number))
    return served, sorted(refused_ms)


REQUESTS = [
    router_pb2.GenerateRequest(
        task_type="classify_intent", messages=messages(), labels={"caller": str(number)}
    )
    for number in range(TENANTS)
]


def jain(shares: list[int]) -> float:
    """How fair shares are, from 1/n to 1: Jain, Chiu and Hawe (1984), "A quantitative measure of fairness"."""
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))


async def measure(address: str) -> list[Row]:
    """Measure every round."""
    figures: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        figures.setdefault(name, []).append(value)

    async with grpc.aio.insecure_channel(address) as channel:
        stub = router_pb2_grpc.RouterServiceStub(channel)
        await peak(stub)
        for _ in range(ROUNDS):
            alone = await alone_ms(stub)
            most = await peak(stub)
            served, refused = await flood(stub, OVERLOAD * PLACES / ANSWER_S)
            note("peak", most)
            note("served", sum(served) / ROUND_S)
            note("share", sum(served) / ROUND_S / most)
            note("fair", jain(served))
            note("p50", refused[len(refused) // 2])
            note("p99", refused[len(refused) * 99 // 100])
            note("alone", alone[len(alone) // 2])
            note("ratio", refused[len(refused) // 2] / alone[len(alone) // 2])
    return rows_of(figures)


def rows_of(figures: dict[str, list[float]]) -> list[Row]:
    """Make the rows."""
    return [
        row(
            "Served at three times the load, beside the peak", figures["share"], "x", goal=">= 0.8"
        ),
        row("Turned away, p99", figures["p99"], "ms", goal="< 10"),
        row("Turned away, p50, beside Route alone", figures["ratio"], "x"),
        row("Fairness among ten alike callers (Jain)", figures["fair"], "", goal=">= 0.9"),
        row("Turned away, p50", figures["p50"], "ms"),
        row("Route alone, p50", figures["alone"], "ms"),
        row("Peak", figures["peak"], "/s"),
        row("Served at three times the load", figures["served"], "/s"),
    ]


def main() -> None:
    """Run the benchmark."""
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as address:
        rows = uvloop.run(measure(address))
    publish(rows, "overload.json")


if __name__ == "__main__":
    main()
