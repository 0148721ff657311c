"""One contract for every store of keys."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.postgres import Cluster
from tests.unit.access.records import NOW_S, a_key
from tierwise_server.access.base import KeyStore
from tierwise_server.access.entries import Allowance
from tierwise_server.access.memory import MemoryKeyStore
from tierwise_server.access.opening import open_keys
from tierwise_server.errors import ConfigurationError
from tierwise_server.ledger.opening import open_ledger
from tierwise_server.ledger.settings import MEMORY_URL, LedgerSettings
from tierwise_server.ledger.sqlite import DATABASE_FILE, DirectoryLock, SqliteDatabase

Opening = Callable[[], AbstractAsyncContextManager[KeyStore]]


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def opening(request: pytest.FixtureRequest, tmp_path: Path) -> Opening:
    """Each store in turn, empty; opened again, it is the same one."""
    if request.param == "memory":
        store = MemoryKeyStore()

        @asynccontextmanager
        async def opened() -> AsyncIterator[KeyStore]:
            yield store

        return opened
    if request.param == "sqlite":
        return lambda: open_keys(LedgerSettings(tmp_path))
    cluster: Cluster = request.getfixturevalue("postgres")
    url = cluster.space()
    return lambda: open_keys(LedgerSettings(tmp_path, url))


async def test_a_new_store_is_empty(opening: Opening) -> None:
    async with opening() as store:
        book = await store.read()
    assert (book.keys, book.tenants) == ({}, {})


async def test_what_is_kept_comes_back_whole(opening: Opening) -> None:
    _, plain = a_key(name="'; DROP TABLE access_key; -- \U0001f600")
    _, rich = a_key(
        tenant="other",
        expires_at_s=NOW_S + 0.25,
        tiers=frozenset({"efficient", "frontier"}),
        task_types=frozenset(),
        requests_per_minute=60,
        streams=4,
        allowance=Allowance(2**53, 0),
    )
    async with opening() as store:
        await store.add(plain)
        await store.add(rich)
        await store.allow("acme", Allowance(1, None))
        await store.allow("acme", Allowance(None, 2))
    async with opening() as store:
        book = await store.read()
    assert book.keys == {plain.key_id: plain, rich.key_id: rich}
    assert book.tenants == {"acme": Allowance(None, 2)}


async def test_the_first_revocation_stands_and_nothing_else_is_touched(opening: Opening) -> None:
    (_, key), (_, other) = a_key(), a_key()
    async with opening() as store:
        await store.add(key)
        await store.add(other)
        assert await store.revoke(key.key_id, NOW_S + 1)
        assert await store.revoke(key.key_id, NOW_S + 2)
        assert not await store.revoke("nobody", NOW_S)
        book = await store.read()
    assert book.keys == {
        key.key_id: replace(key, revoked_at_s=NOW_S + 1),
        other.key_id: other,
    }


async def test_who_knows_the_book_is_told_of_changes_and_of_nothing_else(opening: Opening) -> None:
    async with opening() as mine, opening() as other:
        known = await mine.read()
        assert await mine.read(known) is known
        _, key = a_key()
        changes: list[Callable[[], Awaitable[object]]] = [
            lambda: other.add(key),
            lambda: other.allow("acme", Allowance(1, 1)),
            lambda: other.revoke(key.key_id, NOW_S),
        ]
        for change in changes:
            await change()
            seen = await mine.read(known)
            assert seen is not known
            assert seen != known
            known = seen
            assert await mine.read(known) is known


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("tiers", "not json"),
        ("tiers", "null"),
        ("task_types", '{"a": 1}'),
        ("tiers", "[1]"),
        ("streams", "many"),
        ("expires_at_s", "never"),
        ("day_nano_usd", "all"),
    ],
)
async def test_a_key_that_cannot_be_read_takes_no_other_with_it(
    column: str, value: str, tmp_path: Path
) -> None:
    (_, good), (_, bad) = a_key(), a_key()
    async with open_keys(LedgerSettings(tmp_path)) as store:
        await store.add(good)
        await store.add(bad)
        with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as connection:
            change = f"UPDATE access_key SET {column} = ? WHERE key_id = ?"  # noqa: S608 - the test's own words
            connection.execute(change, (value, bad.key_id))
            connection.commit()
        book = await store.read()
        assert book.keys == {good.key_id: good}
        assert book.unreadable.keys() == {bad.key_id}
        assert await store.revoke(bad.key_id, NOW_S)


async def test_an_allowance_that_cannot_be_read_is_nothing(tmp_path: Path) -> None:
    async with open_keys(LedgerSettings(tmp_path)) as store:
        await store.allow("acme", Allowance(1, None))
        with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as connection:
            connection.execute("UPDATE access_tenant SET day_nano_usd = 'all'")
            connection.commit()
        book = await store.read()
        assert book.tenants == {"acme": Allowance(0, 0)}
        assert book.unreadable_tenants.keys() == {"acme"}


def test_the_digest_and_no_more_of_a_key_is_on_the_disk(tmp_path: Path) -> None:
    secret, key = a_key()

    async def keep() -> None:
        async with open_keys(LedgerSettings(tmp_path)) as store:
            await store.add(key)

    asyncio.run(keep())
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert key.digest.encode() in written
    assert secret.split("_")[2][:20].encode() not in written


async def test_keys_are_written_while_a_server_has_the_directory(tmp_path: Path) -> None:
    settings = LedgerSettings(tmp_path)
    _, key = a_key()
    async with open_ledger(settings) as ledger:
        async with open_keys(settings) as store:
            await store.add(key)
            assert key.key_id in (await store.read()).keys
        assert ledger.healthy
    async with open_keys(settings) as store, open_ledger(settings):
        assert await store.revoke(key.key_id, NOW_S)


async def test_a_directory_of_an_older_server_that_runs_is_left_alone(tmp_path: Path) -> None:
    settings = LedgerSettings(tmp_path)
    async with open_keys(settings):
        pass
    database = SqliteDatabase(tmp_path / DATABASE_FILE, settings.wall_clock)
    with database.connect() as connection, connection.begin():
        connection.exec_driver_sql("UPDATE ledger_version SET version_num = '0001'")
    lock = DirectoryLock(tmp_path)
    try:
        with pytest.raises(ConfigurationError, match="in use by another server"):
            async with open_keys(settings):
                pass
    finally:
        lock.release()


async def test_a_ledger_in_memory_keeps_no_keys(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="keeps no keys"):
        async with open_keys(LedgerSettings(tmp_path, MEMORY_URL)):
            pass
