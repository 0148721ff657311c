"""Keys in memory: found without a query, looked for in bounded numbers, served for a while without a store."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from tests.unit.access.records import NOW_S, a_key
from tierwise_server.access.entries import Book
from tierwise_server.access.memory import MemoryKeyStore
from tierwise_server.access.ring import GRACE_S, LOOK_S, REFRESH_S, REVOKED_WITHIN_S, KeyRing
from tierwise_server.errors import LedgerUnavailable


class Store(MemoryKeyStore):
    """Counts the questions, and can be away."""

    def __init__(self) -> None:
        super().__init__()
        self.questions = 0
        self.away = False
        self.failure: Exception = LedgerUnavailable()

    async def read(self, known: Book | None = None) -> Book:
        self.questions += 1
        if self.away:
            raise self.failure
        return await super().read(known)


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


async def test_a_known_key_costs_no_question() -> None:
    store, (_, key) = Store(), a_key()
    await store.add(key)
    ring = KeyRing(store)
    await ring.refresh()
    for _ in range(100):
        assert await ring.find(key.key_id) == key
    assert store.questions == 1


async def test_a_key_made_just_now_is_found_at_once() -> None:
    store, (_, key) = Store(), a_key()
    ring = KeyRing(store)
    await ring.refresh()
    assert not ring.has_keys
    await store.add(key)
    assert await ring.find(key.key_id) == key


async def test_a_flood_of_invented_keys_is_one_question() -> None:
    store = Store()
    ring = KeyRing(store)
    await ring.refresh()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ring.find(f"invented{number}")) for number in range(1000)]
    assert {task.result() for task in tasks} == {None}
    assert store.questions <= 3


async def test_a_revoked_key_is_known_as_such_in_time() -> None:
    store, (_, key) = Store(), a_key()
    await store.add(key)
    ring = KeyRing(store)
    await ring.refresh()
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(ring.keep())
        await store.revoke(key.key_id, NOW_S)
        async with asyncio.timeout(REVOKED_WITHIN_S):
            while True:
                found = await ring.find(key.key_id)
                assert found is not None
                if found.revoked_at_s:
                    break
                await asyncio.sleep(0.05)
        keeping.cancel()


async def test_without_a_store_known_keys_serve_for_the_grace_and_unknown_ones_do_not() -> None:
    store, clock, (_, key) = Store(), Clock(), a_key()
    await store.add(key)
    ring = KeyRing(store, monotonic=clock)
    await ring.refresh()
    store.away = True
    clock.now_s += GRACE_S - 1
    assert await ring.find(key.key_id) == key
    with pytest.raises(LedgerUnavailable):
        await ring.find("unknown")
    clock.now_s += 2
    with pytest.raises(LedgerUnavailable):
        await ring.find(key.key_id)
    store.away = False
    clock.now_s += LOOK_S
    await ring.refresh()
    assert await ring.find(key.key_id) == key


async def test_a_store_that_fails_in_any_way_is_away_and_comes_back() -> None:
    store, (_, key) = Store(), a_key()
    await store.add(key)
    ring = KeyRing(store)
    await ring.refresh()
    store.failure, store.away = ValueError("a row that nobody can read"), True
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(ring.keep())
        with pytest.raises(LedgerUnavailable):
            await ring.refresh()
        await store.revoke(key.key_id, NOW_S)
        await asyncio.sleep(REFRESH_S + 0.1)
        store.away = False
        async with asyncio.timeout(REVOKED_WITHIN_S):
            while not (await ring.find(key.key_id) or key).revoked_at_s:  # noqa: ASYNC110 - the store tells nobody
                await asyncio.sleep(0.05)
        keeping.cancel()


async def test_keys_that_cannot_be_read_open_nothing() -> None:
    class Unreadable(MemoryKeyStore):
        async def read(self, known: Book | None = None) -> Book:
            return Book(unreadable={"spoiled": "tiers is no list"})

    ring = KeyRing(Unreadable())
    with structlog.testing.capture_logs() as logs:
        await ring.refresh()
        await ring.refresh()
    assert [(line["event"], line["key_id"]) for line in logs] == [("key_unreadable", "spoiled")]
    assert ring.has_keys
    assert await ring.find("spoiled") is None


async def test_revoking_the_last_key_opens_nothing() -> None:
    store, (_, key) = Store(), a_key()
    await store.add(key)
    await store.revoke(key.key_id, NOW_S)
    ring = KeyRing(store)
    await ring.refresh()
    assert ring.has_keys


def test_the_promise_about_revocation_leaves_room_for_a_refresh_that_fails() -> None:
    assert 2 * REFRESH_S < REVOKED_WITHIN_S
