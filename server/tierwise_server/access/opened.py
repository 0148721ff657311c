"""Everything that says who may call, opened for a server: keys, gate and limits, kept up to date until it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwise_server.access.fallback_limits import FallbackLimits
from tierwise_server.access.gate import NO_CERTIFICATES, Certified, Gate
from tierwise_server.access.memory import MemoryKeyStore
from tierwise_server.access.memory_limits import MemoryLimits
from tierwise_server.access.opening import open_keys
from tierwise_server.access.ring import KeyRing
from tierwise_server.access.sql_limits import SqlLimits
from tierwise_server.access.sql_worker import SqlWorker
from tierwise_server.access.turnstile import Turnstile
from tierwise_server.ledger.opening import database_of
from tierwise_server.ledger.settings import MEMORY_URL
from tierwise_server.ledger.upkeep import Upkeep

if TYPE_CHECKING:
    from tierwise_server.access.base import KeyStore, Limits
    from tierwise_server.ledger.settings import LedgerSettings


LIMIT_TIMEOUT_S = 2.0
"""How long the shared limits may take before the server's own hold."""


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Who may call.

    Attributes:
        ledger: where keys are kept; None keeps none.
        always_open: everybody may call, keys or none.
        open_without_keys: everybody may call until the first key is made.
        certified: who the names in client certificates stand for.
    """

    ledger: LedgerSettings | None = None
    always_open: bool = False
    open_without_keys: bool = False
    certified: Certified = NO_CERTIFICATES


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call, and how much."""

    gate: Gate
    turnstile: Turnstile


@asynccontextmanager
async def open_access(
    settings: AccessSettings, store: KeyStore | None = None, upkeep: Upkeep | None = None
) -> AsyncIterator[Access]:
    """Open it; `store` takes the place of the settings' one, and `upkeep` keeps it up to date.

    Closes what it opened when the context ends.

    Raises:
        ConfigurationError: the store cannot be used.
        LedgerUnavailable: the store cannot be read.
    """
    if settings.always_open:
        yield Access(Gate(None), Turnstile(MemoryLimits()))
        return
    upkeep = upkeep or Upkeep()
    async with AsyncExitStack() as stack:
        if store is None:
            store = await _stored(settings, stack)
        ring = KeyRing(store)
        await ring.refresh()
        await stack.enter_async_context(upkeep.running(ring.keep, "keys"))
        gate = Gate(
            ring, open_without_keys=settings.open_without_keys, certified=settings.certified
        )
        yield Access(gate, Turnstile(await _limits(settings, stack, upkeep)))


async def _stored(settings: AccessSettings, stack: AsyncExitStack) -> KeyStore:
    if settings.ledger is None or settings.ledger.url == MEMORY_URL:
        return MemoryKeyStore()
    return await stack.enter_async_context(open_keys(settings.ledger))


async def _limits(settings: AccessSettings, stack: AsyncExitStack, upkeep: Upkeep) -> Limits:
    if settings.ledger is None or settings.ledger.url in ("", MEMORY_URL):
        return MemoryLimits()
    limits = SqlLimits(SqlWorker(database_of(settings.ledger), LIMIT_TIMEOUT_S))
    stack.push_async_callback(limits.aclose)
    await stack.enter_async_context(upkeep.running(limits.keep, "limits"))
    return FallbackLimits(limits)
