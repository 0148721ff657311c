"""The ports to keys and to limits.

A store of keys is small and read whole: servers keep it in memory and ask only whether it has changed. Every change
is durable when its method returns. Limits are reservations: a rate is taken at once, a stream is a lease that ends by
itself when its server does. Every method answers within a bounded time, with LedgerUnavailable when the store is gone.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tierwise_server.access.entries import Allowance, Book, Key


class KeyStore(Protocol):
    """Keeps keys and tenants' allowances. Keys are revoked, never deleted: the ledger names them."""

    async def add(self, key: Key) -> None:
        """Keep a new key.

        Raises:
            LedgerUnavailable: the store does not answer.
        """
        ...

    async def revoke(self, key_id: str, at_s: float) -> bool:
        """Revoke a key; False where there is none. The first time stands.

        Raises:
            LedgerUnavailable: the store does not answer.
        """
        ...

    async def allow(self, tenant: str, allowance: Allowance) -> None:
        """Set what a tenant's keys may spend together, in place of what was set before.

        Raises:
            LedgerUnavailable: the store does not answer.
        """
        ...

    async def read(self, known: Book | None = None) -> Book:
        """Everything; `known` itself when nothing has changed since.

        Raises:
            LedgerUnavailable: the store does not answer.
        """
        ...

    async def aclose(self) -> None:
        """Close."""
        ...


class Limits(Protocol):
    """Counts requests and streams of subjects, for every server that shares it."""

    async def take(self, subject: str, per_minute: int) -> None:
        """Take one request from the subject's bucket.

        Raises:
            LimitExceeded: it is empty; says when it is not.
        """
        ...

    def hold(self, subject: str, streams: int) -> AbstractAsyncContextManager[None]:
        """Hold one of the subject's streams in the block.

        Raises:
            LimitExceeded: all are held.
        """
        ...
