"""Each implementation of the ledger port, with servers that open it, close it and die."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import pytest
import sqlalchemy as sa

from tests.postgres import Cluster
from tests.unit.ledger.rows import NOON_S
from tierwise_server.ledger.base import Ledger
from tierwise_server.ledger.memory import MemoryBooks, MemoryLedger
from tierwise_server.ledger.opening import open_ledger
from tierwise_server.ledger.settings import LedgerSettings

NAMES = ("memory", "sqlite", "postgres")
KEEP_DAYS = 30


@dataclass
class Clock:
    """A wall clock that stands still until it is moved."""

    now_s: float = NOON_S

    def __call__(self) -> float:
        return self.now_s


class World(Protocol):
    """One ledger, empty at first, and its servers."""

    shared: bool
    """Whether several servers may have it open at once."""
    clock: Clock
    """What leases go by, except where the database has a clock of its own."""

    async def open(self, *, keep_content_days: int = KEEP_DAYS) -> Ledger:
        """Start a server; it recovers what dead ones left."""
        ...

    async def let_die(self, ledger: Ledger) -> None:
        """Let a server die without a word."""
        ...

    async def aclose(self) -> None:
        """Close every server."""
        ...


@dataclass
class MemoryWorld:
    shared = True
    clock: Clock = field(default_factory=Clock)
    books: MemoryBooks = field(default_factory=MemoryBooks)

    async def open(self, *, keep_content_days: int = KEEP_DAYS) -> Ledger:
        ledger = MemoryLedger(
            self.books, keep_content_days=keep_content_days, wall_clock=self.clock
        )
        await ledger.recover()
        return ledger

    async def let_die(self, ledger: Ledger) -> None:
        assert isinstance(ledger, MemoryLedger)
        self.books.living.discard(ledger.number)

    async def aclose(self) -> None:
        self.books.living.clear()


@dataclass
class SqlWorld:
    """Over SQL, servers live in this process; one that dies closes, and its farewell is taken back."""

    settings: LedgerSettings
    shared: bool
    clock: Clock
    bury: Callable[[], None]
    contexts: dict[int, AsyncIterator[Ledger]] = field(default_factory=dict)

    async def open(self, *, keep_content_days: int = KEEP_DAYS) -> Ledger:
        settings = replace(self.settings, keep_content_days=keep_content_days)
        if self.shared:
            folder = settings.directory / secrets.token_hex(4)
            settings = replace(settings, directory=folder)
        context = _entered(settings)
        ledger = await anext(context)
        self.contexts[id(ledger)] = context
        return ledger

    async def let_die(self, ledger: Ledger) -> None:
        await self._close(self.contexts.pop(id(ledger)))
        self.bury()

    async def aclose(self) -> None:
        while self.contexts:
            await self._close(self.contexts.popitem()[1])

    async def _close(self, context: AsyncIterator[Ledger]) -> None:
        with pytest.raises(StopAsyncIteration):
            await anext(context)


async def _entered(settings: LedgerSettings) -> AsyncIterator[Ledger]:
    async with open_ledger(settings) as ledger:
        yield ledger


@asynccontextmanager
async def a_world(name: str, folder: Path, cluster: Callable[[], Cluster]) -> AsyncIterator[World]:
    """Make the named world, and close it."""
    clock = Clock()
    world: World
    if name == "memory":
        world = MemoryWorld(clock)
    elif name == "sqlite":
        world = SqlWorld(LedgerSettings(folder, wall_clock=clock), False, clock, lambda: None)
    else:
        url = cluster().space()
        settings = LedgerSettings(folder, url, wall_clock=clock)
        world = SqlWorld(settings, True, clock, lambda: _take_back_farewells(url))
    try:
        yield world
    finally:
        await world.aclose()


def _take_back_farewells(url: str) -> None:
    """Make those who left look like those whose lease ended."""
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE ledger_owner SET closed_at_s = NULL, expires_at_s = expires_at_s - 3600 "
                "WHERE closed_at_s IS NOT NULL"
            )
        )
    engine.dispose()
