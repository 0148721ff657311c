"""Remembered answers in memory: for one server, until it ends."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from tierwise_server.idempotency.base import LEASE_S, Claim, Place, Room, conflict, reused

MOST_BYTES = 64 * 1024 * 1024
"""What all answers together may take; beyond that the tenant that takes most loses its oldest."""


@dataclass(slots=True)
class _Entry:
    body_hash: bytes
    token: str
    ends_at_s: float
    answer: bytes | None = None


class MemoryAnswers:
    """The port to remembered answers in memory. See base.py for what it promises.

    A claim ends with its server, which is this one; so it needs no lease.
    """

    def __init__(
        self,
        room: Room,
        *,
        most_bytes: int = MOST_BYTES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._room = room
        self._most_bytes = most_bytes
        self._monotonic = monotonic
        self._entries: dict[Place, _Entry] = {}
        self._finished: dict[str, dict[Place, None]] = {}
        self._bytes: Counter[str] = Counter()
        self._numbers = itertools.count()

    async def claim(self, place: Place, body_hash: bytes) -> Claim | bytes:
        """Take the right to run a request, or get its answer."""
        entry = self._entries.get(place)
        if entry is not None and entry.ends_at_s <= self._monotonic():
            self._forget(place)
            entry = None
        if entry is None:
            claim = Claim(place, str(next(self._numbers)))
            self._entries[place] = _Entry(body_hash, claim.token, float("inf"))
            return claim
        if entry.answer is None:
            raise conflict(body_hash, entry.body_hash)
        if entry.body_hash != body_hash:
            raise reused()
        return entry.answer

    async def finish(self, claim: Claim, answer: bytes) -> None:
        """Keep the answer."""
        entry = self._entries.get(claim.place)
        if entry is None or entry.token != claim.token or entry.answer is not None:
            return
        entry.answer, entry.ends_at_s = answer, self._monotonic() + self._room.keep_s
        tenant = claim.place.tenant
        # In the order in which they are forgotten.
        self._finished.setdefault(tenant, {})[claim.place] = None
        self._bytes[tenant] += len(answer)
        while self._bytes[tenant] > self._room.tenant_bytes:
            self._forget(next(iter(self._finished[tenant])))
        while self._bytes.total() > self._most_bytes:
            ((largest, _),) = self._bytes.most_common(1)
            self._forget(next(iter(self._finished[largest])))

    def release(self, claim: Claim) -> None:
        """Give the id back."""
        entry = self._entries.get(claim.place)
        if entry is not None and entry.token == claim.token and entry.answer is None:
            self._forget(claim.place)

    async def keep(self) -> None:
        """Forget what is over, for ever."""
        while True:
            await asyncio.sleep(LEASE_S)
            now_s = self._monotonic()
            for place in [p for p, each in self._entries.items() if each.ends_at_s <= now_s]:
                self._forget(place)

    def _forget(self, place: Place) -> None:
        answer = self._entries.pop(place).answer
        if answer is None:
            return
        tenant = place.tenant
        del self._finished[tenant][place]
        self._bytes[tenant] -= len(answer)
        if not self._finished[tenant]:
            del self._finished[tenant], self._bytes[tenant]
