"""Everything that records, opened for a server: the ledger, its bookkeeper, and a watch over both until it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from tierwise_server.ledger.bookkeeper import bookkeeping
from tierwise_server.ledger.books import UNWRITTEN, Books, LedgerBooks
from tierwise_server.ledger.emergencies import new_file, orphaned_files
from tierwise_server.ledger.opening import open_ledger
from tierwise_server.ledger.settings import MEMORY_URL

if TYPE_CHECKING:
    from tierwise_server.ledger.base import Ledger
    from tierwise_server.ledger.bookkeeper import Bookkeeper
    from tierwise_server.ledger.settings import LedgerSettings

log = structlog.get_logger("tierwise.ledger")

LOOK_S: Final = 0.25
"""How often the ledger's health is looked at: what a caller may notice of an outage is far longer."""


class Told(Protocol):
    """Hears how the ledger does, for metrics. Must not raise."""

    def unrecorded(self) -> None:
        """A call is made without a row."""
        ...

    def state(self, *, healthy: bool, waiting: int) -> None:
        """How it stands: whether it records, and the entries that wait in memory."""
        ...

    def emergency(self, *, spilled: int, lost: int, filled: float) -> None:
        """What became of entries that the ledger did not take since the start; `filled` is the file's share, 0 to 1."""
        ...


@dataclass(frozen=True, slots=True)
class Policy:
    """How a server records.

    Attributes:
        fail_open: calls are made even when the ledger cannot record them first, unless there is a budget to keep.
    """

    fail_open: bool = False


@dataclass(frozen=True, slots=True)
class Keeping:
    """What a server records with. `keeper` is None where nothing is recorded."""

    books: Books
    keeper: Bookkeeper | None = None
    ledger: Ledger | None = None


@asynccontextmanager
async def open_keeping(
    settings: LedgerSettings | None, policy: Policy, told: Told, ledger: Ledger | None = None
) -> AsyncIterator[Keeping]:
    """Open it; `ledger` takes the place of the one that the settings name. None, and none: nothing is recorded.

    Closes what it opened when the context ends, after writing what waits.

    Raises:
        ConfigurationError: the ledger cannot be used.
    """
    async with AsyncExitStack() as stack:
        emergency, orphaned = None, []
        if ledger is None:
            if settings is None:
                yield Keeping(UNWRITTEN)
                return
            ledger = await stack.enter_async_context(open_ledger(settings))
            if settings.url != MEMORY_URL:
                orphaned = orphaned_files(settings)
                for file in orphaned:
                    stack.callback(file.close)
                emergency = new_file(settings)
                stack.callback(emergency.close)
        keeper = await stack.enter_async_context(bookkeeping(ledger, emergency, orphaned=orphaned))
        books = LedgerBooks(
            ledger,
            keeper,
            fail_open=policy.fail_open,
            keeps_content=settings is not None and settings.keep_content_days > 0,
            unrecorded=told.unrecorded,
        )
        yield Keeping(books, keeper, ledger)


async def watch(
    keeping: Keeping, told: Told, changed: Callable[[bool], Awaitable[None]], *, every_s: float
) -> None:
    """Tell how the ledger does, for ever: `told` every time, `changed` its health, at first and when that changes."""
    keeper = keeping.keeper
    if keeper is None:
        return
    was: bool | None = None
    while True:
        healthy = keeper.healthy
        told.state(healthy=healthy, waiting=keeper.waiting)
        told.emergency(spilled=keeper.spilled, lost=keeper.lost, filled=keeper.filled)
        if healthy != was:
            if not healthy:
                log.error("the ledger does not record")
            elif was is not None:
                log.info("the ledger records again")
            await changed(healthy)
            was = healthy
        await asyncio.sleep(every_s)
