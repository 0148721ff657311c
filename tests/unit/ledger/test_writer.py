"""The writer's thread: what waits together is written together, and a store that fails harms nobody for long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.unit.ledger.rows import a_reservation
from tests.unit.ledger.waiting import SOON_S, until
from tierwise_server.errors import LedgerUnavailable, Reason, RequestError
from tierwise_server.ledger.base import Unrecordable
from tierwise_server.ledger.writer import Pace, Record, Reserve, Task, Writer


@dataclass
class ScriptedStore:
    """Does what the test says: waits for the gate, fails while it is down, refuses what it must."""

    batches: list[Sequence[Task]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)
    down: bool = False
    broken: bool = False
    refused: dict[int, Exception] = field(default_factory=dict)
    beats: int = 0
    interrupts: int = 0
    closed: bool = False

    def apply(self, tasks: Sequence[Task]) -> Sequence[Any]:
        self.entered.set()
        self.gate.wait()
        self._fail()
        self.batches.append(tasks)
        return [self.refused.get(id(task)) for task in tasks]

    def beat(self) -> None:
        self.beats += 1
        self._fail()

    def interrupt(self) -> None:
        self.interrupts += 1
        self.down = True
        self.gate.set()

    def close(self) -> None:
        self.closed = True

    def _fail(self) -> None:
        if self.broken:
            raise ZeroDivisionError
        if self.down:
            raise LedgerUnavailable


@asynccontextmanager
async def writing(store: ScriptedStore, pace: Pace | None = None) -> AsyncIterator[Writer]:
    writer = Writer(store, pace or Pace())
    writer.start()
    try:
        async with asyncio.timeout(SOON_S):
            yield writer
    finally:
        store.gate.set()
        await writer.aclose()


def a_task() -> Task:
    return Reserve(a_reservation(), ())


async def test_what_gathers_during_one_write_is_written_together_in_order() -> None:
    store = ScriptedStore()
    tasks = [a_task() for _ in range(20)]
    async with writing(store) as writer:
        first = writer.submit(a_task())
        await until(store.entered.is_set)
        rest = [writer.submit(task) for task in tasks]
        store.gate.set()
        await asyncio.wait([first, *rest])
    assert [len(batch) for batch in store.batches] == [1, 20]
    assert list(store.batches[1]) == tasks
    assert store.closed


async def test_a_task_cancelled_while_it_waits_is_not_written() -> None:
    store = ScriptedStore()
    async with writing(store) as writer:
        first = writer.submit(a_task())
        await until(store.entered.is_set)
        left, stays = writer.submit(a_task()), writer.submit(a_task())
        left.cancel()
        store.gate.set()
        await asyncio.wait([first, stays])
    assert [len(batch) for batch in store.batches] == [1, 1]


async def test_a_refusal_reaches_only_its_own_task() -> None:
    store = ScriptedStore()
    good, bad = a_task(), Record(())
    store.refused[id(bad)] = Unrecordable("no")
    store.gate.set()
    async with writing(store) as writer:
        fine, refused = writer.submit(good), writer.submit(bad)
        assert await fine is None
        with pytest.raises(Unrecordable):
            await refused
        assert writer.healthy


async def test_while_the_store_is_down_tasks_are_refused_at_once_until_a_beat_works() -> None:
    store = ScriptedStore(down=True)
    store.gate.set()
    async with writing(store) as writer:
        with pytest.raises(LedgerUnavailable):
            await writer.submit(a_task())
        assert not writer.healthy
        with pytest.raises(RequestError) as caught:
            writer.submit(a_task())
        assert caught.value.reason is Reason.LEDGER_UNAVAILABLE
        assert caught.value.retry_after_s is not None
        assert store.batches == []
        store.down = False
        await until(lambda: writer.healthy)
        await writer.submit(a_task())
    assert store.beats >= 1


async def test_a_store_with_a_fault_of_its_own_does_not_end_the_thread() -> None:
    store = ScriptedStore(broken=True)
    store.gate.set()
    async with writing(store) as writer:
        with pytest.raises(LedgerUnavailable):
            await writer.submit(a_task())
        store.broken = False
        await until(lambda: writer.healthy)
        await writer.submit(a_task())


async def test_what_nobody_waits_for_is_written_when_the_store_is_back() -> None:
    store = ScriptedStore(down=True)
    store.gate.set()
    unheard = a_task()
    async with writing(store) as writer:
        with pytest.raises(LedgerUnavailable):
            await writer.submit(a_task())
        writer.submit_unheard(unheard)
        store.down = False
        await until(lambda: store.batches)
    assert list(store.batches[0]) == [unheard]


async def test_too_much_waiting_is_refused() -> None:
    store = ScriptedStore()
    async with writing(store, Pace(most_waiting=3)) as writer:
        first = writer.submit(a_task())
        await until(store.entered.is_set)
        rest = [writer.submit(a_task()) for _ in range(3)]
        with pytest.raises(LedgerUnavailable):
            writer.submit(a_task())
        store.gate.set()
        await asyncio.wait([first, *rest])


async def test_a_write_that_hangs_is_broken_off_and_unhealthy_meanwhile() -> None:
    store = ScriptedStore()
    async with writing(store, Pace(write_timeout_s=0.05)) as writer:
        waiting = writer.submit(a_task())
        await until(store.entered.is_set)
        assert writer.healthy
        writer.hurry()
        with pytest.raises(LedgerUnavailable):
            await waiting
        assert store.interrupts >= 1
        assert not writer.healthy


async def test_the_end_writes_what_waits() -> None:
    store = ScriptedStore()
    async with writing(store) as writer:
        tasks = [writer.submit(a_task()) for _ in range(5)]
    await asyncio.sleep(0)
    assert all(task.done() for task in tasks)
    assert sum(map(len, store.batches)) == 5
    with pytest.raises(LedgerUnavailable):
        writer.submit(a_task())


async def test_the_end_does_not_wait_for_ever() -> None:
    store = ScriptedStore()
    writer = Writer(store, Pace(write_timeout_s=0.05))
    writer.start()
    waiting = writer.submit(a_task())
    async with asyncio.timeout(SOON_S):
        await writer.aclose()
    assert store.interrupts
    with pytest.raises(LedgerUnavailable):
        await waiting


async def test_the_beat_goes_on_without_work() -> None:
    store = ScriptedStore()
    async with writing(store, Pace(beat_s=0.01)):
        await until(lambda: store.beats > 3)
