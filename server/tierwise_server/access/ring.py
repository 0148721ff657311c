"""The keys as a server has them: in memory, so that a request costs no query.

A server asks every REFRESH_S whether anything has changed, and reads everything when it has: a key that was revoked is
refused within REVOKED_WITHIN_S everywhere. A key that is not known yet is looked for at once, but for all such requests
together at most every LOOK_S, so that a flood of invented keys costs the store nothing. While the store is away, known
keys serve for another `grace_s`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from tierwise_server.access.entries import Book
from tierwise_server.errors import LedgerUnavailable

if TYPE_CHECKING:
    from tierwise_server.access.base import KeyStore
    from tierwise_server.access.entries import Allowance, Key

log = structlog.get_logger("tierwise.access")

REFRESH_S: Final = 1.0
LOOK_S: Final = 0.25
REVOKED_WITHIN_S: Final = 5.0
"""What is promised of revocation: a refresh that fails once or is slow is within it."""
GRACE_S: Final = 300.0


class KeyRing:
    """Finds keys by id. `refresh` it once before use, and let `keep` run."""

    def __init__(
        self,
        store: KeyStore,
        *,
        grace_s: float = GRACE_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._grace_s = grace_s
        self._monotonic = monotonic
        self._book = Book()
        self._read_at_s = float("-inf")
        self._asked_at_s = float("-inf")
        self._reading = asyncio.Lock()
        self._away = False

    @property
    def has_keys(self) -> bool:
        """Whether there is any key, or was: a key that is revoked or cannot be read opens nothing."""
        return bool(self._book.keys or self._book.unreadable)

    async def find(self, key_id: str) -> Key | None:
        """Find a key, revoked and expired ones too.

        Raises:
            LedgerUnavailable: it is not known, or has not been confirmed for too long, and the store is away.
        """
        key = self._book.keys.get(key_id)
        if key is None:
            await self._look()
            key = self._book.keys.get(key_id)
        since_s = self._monotonic() - self._read_at_s
        if since_s > (self._grace_s if key is not None else LOOK_S + REFRESH_S):
            raise LedgerUnavailable("keys cannot be checked now")
        return key

    def allowance(self, tenant: str) -> Allowance | None:
        """What the tenant's keys may spend together; None where nothing was set."""
        return self._book.tenants.get(tenant)

    async def refresh(self) -> None:
        """Take over what has changed.

        Raises:
            LedgerUnavailable: the store does not answer, or with what cannot be read: for who calls, it is away.
        """
        self._asked_at_s = self._monotonic()
        known = self._book
        try:
            self._book = await self._store.read(self._book)
        except Exception as error:
            away = isinstance(error, LedgerUnavailable)
            if not self._away:
                cause = None if away else error
                log.warning("keys_unavailable", serving_known_for_s=self._grace_s, exc_info=cause)
            self._away = True
            if away:
                raise
            raise LedgerUnavailable("the store of keys cannot be read") from error
        # The time of the question: what changed after it is not known yet.
        self._read_at_s = self._asked_at_s
        self._away = False
        if self._book is not known:
            _tell_of_unreadable(self._book, known)

    async def keep(self) -> None:
        """Refresh for ever."""
        while True:
            await asyncio.sleep(REFRESH_S)
            async with self._reading:
                await self._try()

    async def _look(self) -> None:
        """Refresh, unless somebody does so after this was asked for."""
        arrived_s = self._monotonic()
        async with self._reading:
            if self._asked_at_s >= arrived_s:
                return
            await asyncio.sleep(max(0.0, LOOK_S - (self._monotonic() - self._asked_at_s)))
            await self._try()

    async def _try(self) -> None:
        try:
            await self.refresh()
        except LedgerUnavailable:
            return


def _tell_of_unreadable(book: Book, known: Book) -> None:
    for key_id in book.unreadable.keys() - known.unreadable.keys():
        log.error("key_unreadable", key_id=key_id, cause=book.unreadable[key_id])
    for tenant in book.unreadable_tenants.keys() - known.unreadable_tenants.keys():
        log.error("allowance_unreadable", tenant=tenant, cause=book.unreadable_tenants[tenant])
