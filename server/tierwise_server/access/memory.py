"""Keys in memory: for tests, and for a server that may forget."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tierwise_server.access.entries import Book

if TYPE_CHECKING:
    from tierwise_server.access.entries import Allowance, Key


class MemoryKeyStore:
    """The port to keys in memory. See access/base.py for what it promises."""

    def __init__(self) -> None:
        self._book = Book()

    async def add(self, key: Key) -> None:
        """Keep a key."""
        book = self._book
        self._book = replace(book, change=book.change + 1, keys={**book.keys, key.key_id: key})

    async def revoke(self, key_id: str, at_s: float) -> bool:
        """Revoke a key."""
        key = self._book.keys.get(key_id)
        if key is None:
            return False
        if key.revoked_at_s is None:
            await self.add(replace(key, revoked_at_s=at_s))
        return True

    async def allow(self, tenant: str, allowance: Allowance) -> None:
        """Set an allowance."""
        book = self._book
        tenants = {**book.tenants, tenant: allowance}
        self._book = replace(book, change=book.change + 1, tenants=tenants)

    async def read(self, known: Book | None = None) -> Book:
        """Everything."""
        return known if known is not None and known.change == self._book.change else self._book

    async def aclose(self) -> None:
        """Nothing to close."""
