"""Of F62: whatever callers write, metrics have the same series as before."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import grpc

from tests.fault.wall.programs import programs
from tests.fault.wall.tally import Tally
from tests.otlp import OtlpReceiver
from tests.serving import a_request, outcome_of
from tierwise.v1 import router_pb2, router_pb2_grpc

Series = set[tuple[str, frozenset[tuple[str, object]]]]

AT_ONCE: Final = 20
EXPORTED_EVERY_MS: Final = 200
MARK: Final = "series-"
"""In everything that callers write here."""


def series_in(receiver: OtlpReceiver) -> Series:
    """What the newest export tells apart."""
    return {
        (name, frozenset(point.attributes.items()))
        for name, points in receiver.metrics.items()
        for point in points
    }


async def _ask(stub: Any, value: str) -> None:
    """Make one call of each method, with that value wherever a caller may write."""
    metadata = (("user-agent", value), ("x-request-id", value), (f"x-{value}", value))
    generate = a_request(value, value, request_id=value, labels={value: value}, system=value)
    assert (await outcome_of(stub.Generate(generate, metadata=metadata))).status == "OK"
    await stub.Route(router_pb2.RouteRequest(task_type=value), metadata=metadata)


async def constant_series(tally: Tally) -> str:
    """Play it; returns what was measured, in words."""
    count = len(tally.times(5_000))
    with OtlpReceiver() as receiver:
        variables: dict[str, Any] = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "OTEL_METRIC_EXPORT_INTERVAL": str(EXPORTED_EVERY_MS),
        }
        async with programs([{"answer": "All is well."}], **variables) as run:
            async with grpc.aio.insecure_channel(run.endpoint) as channel:
                stub: Any = router_pb2_grpc.RouterServiceStub(channel)
                for number in range(3):
                    await _ask(stub, f"{MARK}first-{number}")
                await asyncio.sleep(5 * EXPORTED_EVERY_MS / 1000)
                before = series_in(receiver)
                places = asyncio.Semaphore(AT_ONCE)

                async def one(number: int) -> None:
                    async with places:
                        with tally.run(f"value {number}"):
                            await _ask(stub, f"{MARK}{number}")

                async with asyncio.TaskGroup() as tasks:
                    for number in range(count):
                        tasks.create_task(one(number))
            with tally.run("the end"):
                assert await run.stopped(tally.witness) == 0
        after = series_in(receiver)
    with tally.run("the series"):
        assert before
        assert after == before, (
            f"{len(after - before)} more: {sorted(map(str, after - before))[:2]}"
        )
        assert MARK not in str(after)
    return f"{len(after)} series after {count + 3:,} values, as after 3"
