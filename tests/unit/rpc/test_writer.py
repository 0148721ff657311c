"""The writer of one stream: numbers without gaps, one write at a time, heartbeats, and a reader that stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import grpc
import pytest

from tests.unit.core.builders import a_plan, a_tier
from tierwise.v1 import router_pb2
from tierwise_server.core.stream import CheckStarted, Started, TextDelta
from tierwise_server.errors import Reason, RequestError
from tierwise_server.rpc.writer import EventWriter

STARTED = Started("r-1", a_plan(a_tier("efficient")), 0.0)
NEVER_S = 60.0


@dataclass
class Wire:
    """What a caller would read. A write takes a few turns of the loop, or as long as `holds`."""

    messages: list[router_pb2.GenerateResponse] = field(default_factory=list)
    holds: Callable[[router_pb2.GenerateResponse], Awaitable[object]] | None = None
    busy: bool = False
    overlaps: int = 0

    async def write(self, message: router_pb2.GenerateResponse) -> None:
        self.overlaps += self.busy
        self.busy = True
        try:
            for _ in range(3):
                await asyncio.sleep(0)
            if self.holds is not None:
                await self.holds(message)
            self.messages.append(message)
        finally:
            self.busy = False

    @property
    def kinds(self) -> list[str | None]:
        return [message.WhichOneof("event") for message in self.messages]

    def check(self) -> None:
        assert not self.overlaps
        assert [m.sequence for m in self.messages] == list(range(len(self.messages)))


def text(piece: str) -> TextDelta:
    return TextDelta(1, piece)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - it looks at what no event tells
            await asyncio.sleep(0.001)


async def test_events_are_numbered_and_others_passed_over() -> None:
    wire = Wire()
    async with EventWriter(wire.write, heartbeat_s=NEVER_S, stall_s=NEVER_S) as writer:
        await writer(STARTED)
        await writer(CheckStarted(None))  # type: ignore[arg-type]  # its call is not looked at
        await writer(text("Hi"))
    assert wire.kinds == ["started", "text_delta"]
    wire.check()


async def test_silence_is_filled_with_heartbeats_and_only_after_started() -> None:
    wire = Wire()
    async with EventWriter(wire.write, heartbeat_s=0.01, stall_s=NEVER_S) as writer:
        await asyncio.sleep(0.05)
        assert wire.kinds == []
        await writer(STARTED)
        await until(lambda: wire.kinds.count("heartbeat") >= 3)
        await writer(text("Hi"))
    assert wire.kinds[0] == "started"
    assert "text_delta" in wire.kinds
    wire.check()
    after = len(wire.messages)
    await asyncio.sleep(0.05)
    assert len(wire.messages) == after


async def test_an_event_beside_a_heartbeat_waits_for_its_turn() -> None:
    wire = Wire()
    loop = asyncio.get_running_loop()
    async with EventWriter(wire.write, heartbeat_s=0.05, stall_s=NEVER_S) as writer:
        await writer(STARTED)
        # The loop is held up, so that both timers are due in one turn, the event's first.
        loop.call_later(0.01, time.sleep, 0.06)
        await asyncio.sleep(0.04)
        await writer(text("Hi"))
        await writer(text("Ho"))
    assert [kind for kind in wire.kinds if kind != "heartbeat"] == [
        "started",
        "text_delta",
        "text_delta",
    ]
    wire.check()


async def test_an_event_waits_for_a_heartbeat_that_is_being_written() -> None:
    gate = asyncio.Event()

    async def hold(message: router_pb2.GenerateResponse) -> None:
        if message.HasField("heartbeat"):
            await gate.wait()

    wire = Wire(holds=hold)
    async with EventWriter(wire.write, heartbeat_s=0.01, stall_s=NEVER_S) as writer:
        await writer(STARTED)
        await until(lambda: wire.busy)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(writer(text("Hi")))
            await asyncio.sleep(0.01)
            gate.set()
    assert wire.kinds[:3] == ["started", "heartbeat", "text_delta"]
    wire.check()


async def stuck(_: object) -> None:
    await asyncio.Event().wait()


async def test_a_reader_that_stopped_is_too_slow() -> None:
    wire = Wire()
    async with EventWriter(wire.write, heartbeat_s=NEVER_S, stall_s=0.02) as writer:
        await writer(STARTED)
        wire.holds = stuck
        with pytest.raises(RequestError) as failure:
            await writer(text("Hi"))
    assert failure.value.reason is Reason.CLIENT_TOO_SLOW
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_reader_that_stopped_before_a_heartbeat_is_too_slow_at_the_next_event() -> None:
    wire = Wire()
    async with EventWriter(wire.write, heartbeat_s=0.01, stall_s=0.03) as writer:
        await writer(STARTED)
        wire.holds = stuck
        await until(lambda: wire.busy)
        # What the engine waits for meanwhile is not interrupted: the next event says it.
        await asyncio.sleep(0.1)
        with pytest.raises(RequestError) as failure:
            await writer(text("Hi"))
    assert failure.value.reason is Reason.CLIENT_TOO_SLOW


async def test_a_slow_model_is_no_slow_reader() -> None:
    wire = Wire()
    async with EventWriter(wire.write, heartbeat_s=NEVER_S, stall_s=0.01) as writer:
        await writer(STARTED)
        await asyncio.sleep(0.05)
        await writer(text("Hi"))
    assert wire.kinds == ["started", "text_delta"]


async def test_a_cancelled_event_stays_cancelled() -> None:
    wire = Wire(holds=stuck)

    async def write() -> None:
        async with EventWriter(wire.write, heartbeat_s=NEVER_S, stall_s=NEVER_S) as writer:
            await writer(STARTED)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(write())
        await until(lambda: wire.busy)
        task.cancel()
    assert task.cancelled()


async def test_a_write_to_a_caller_that_left_says_so() -> None:
    async def broken(_: object) -> None:
        raise grpc.aio.InternalError("what grpcio says then")

    wire = Wire()
    async with EventWriter(wire.write, heartbeat_s=NEVER_S, stall_s=NEVER_S) as writer:
        await writer(STARTED)
        wire.holds = broken
        with pytest.raises(RequestError) as failure:
            await writer(text("Hi"))
    assert failure.value.reason is Reason.CANCELLED


async def test_a_cancellation_beside_a_stall_stays_a_cancellation() -> None:
    wire = Wire()
    async with asyncio.TaskGroup() as tasks:

        async def write() -> None:
            async with EventWriter(wire.write, heartbeat_s=NEVER_S, stall_s=0.02) as writer:
                await writer(STARTED)
                wire.holds = stuck
                await writer(text("Hi"))

        def leave() -> None:
            # In the very turn in which the stalled write is interrupted, as a caller's leaving may be.
            if task.cancelling() == 0:
                loop.call_soon(leave)
            else:
                task.cancel()

        loop = asyncio.get_running_loop()
        task = tasks.create_task(write())
        loop.call_soon(leave)
    assert task.cancelled()
