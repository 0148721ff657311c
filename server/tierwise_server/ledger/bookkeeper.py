"""Settles calls apart from the requests that made them, so that a cancelled request's spending is recorded as well.

One bookkeeper lives as long as the server. A request hands over what happened without waiting; one task writes it, in
batches. What the ledger cannot take goes to the emergency file, and from there into the ledger when it is back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from tierwise_server.errors import LedgerUnavailable
from tierwise_server.ledger.base import Unrecordable
from tierwise_server.ledger.entries import Content

if TYPE_CHECKING:
    from tierwise_server.ledger.base import Ledger
    from tierwise_server.ledger.emergency import EmergencyFile
    from tierwise_server.ledger.entries import Entry, RequestRow, Settlement

log = structlog.get_logger("tierwise.ledger")

MOST_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Limits:
    """What the bookkeeper may hold and take.

    Attributes:
        most_waiting: entries in memory; beyond them entries go to the emergency file at once.
        most_content_characters: prompts and answers in memory; beyond them more are not kept.
        retry_s: how often the emergency file is tried.
        drain_s: how long the end may take.
    """

    most_waiting: int = 10_000
    most_content_characters: int = 32 * 1024 * 1024
    retry_s: float = 0.5
    drain_s: float = 5.0


class Bookkeeper:
    """Takes entries from requests. Made by `bookkeeping`; all methods are called in its event loop.

    Attributes:
        spilled: entries put into the emergency file since the start.
        lost: entries that were refused for good, or could be written nowhere, since the start.
    """

    def __init__(
        self,
        ledger: Ledger,
        emergency: EmergencyFile | None,
        limits: Limits,
        orphaned: Sequence[EmergencyFile] = (),
    ) -> None:
        self._ledger = ledger
        self._emergency = emergency
        self._orphaned = list(orphaned)
        self._limits = limits
        self._waiting: deque[Entry] = deque()
        self._in_hand: Sequence[Entry] = ()
        self._content_characters = 0
        self._changed = asyncio.Event()
        self._closing = False
        self._stuck: set[EmergencyFile] = set()
        self.spilled = 0
        self.lost = 0

    @property
    def healthy(self) -> bool:
        """Whether the ledger takes what it is given and nothing waits in an emergency file."""
        return self._ledger.healthy and not self._spilled()

    @property
    def filled(self) -> float:
        """The share of the emergency file that is full, 0 to 1."""
        return 0.0 if self._emergency is None else self._emergency.filled

    @property
    def waiting(self) -> int:
        """How many entries are still to be written."""
        return len(self._waiting) + len(self._in_hand)

    def settle_soon(self, settlement: Settlement) -> None:
        """Record what a call came to, soon. Never waits, never raises."""
        self._take(settlement)

    def finish_soon(self, row: RequestRow) -> None:
        """Record how a request ended, soon. Never waits, never raises."""
        self._take(row)

    def keep_soon(self, content: Content) -> None:
        """Keep a prompt and its answer, soon, if the ledger keeps any; they may get lost. Never waits, never raises."""
        characters = len(content.prompt) + len(content.answer)
        if self._content_characters + characters <= self._limits.most_content_characters:
            self._content_characters += characters
            self._take(content)

    async def work(self) -> None:
        """Write until the end; run by `bookkeeping`."""
        while not (self._closing and not self._waiting):
            if self._waiting:
                await self._write_some()
            for file in self._spilled():
                await self._try_replay(file)
            if not self._waiting and not self._closing:
                await self._idle()

    def close(self) -> None:
        """Let `work` end when everything is written."""
        self._closing = True
        self._changed.set()

    def save(self) -> None:
        """Put what could not be written in time into the emergency file."""
        entries = [*self._in_hand, *self._waiting]
        self._in_hand = ()
        self._waiting.clear()
        self._spill(entries)

    def _spilled(self) -> list[EmergencyFile]:
        """The emergency files in which something waits, what dead servers left first."""
        files = self._orphaned if self._emergency is None else [*self._orphaned, self._emergency]
        return [file for file in files if not file.empty]

    def _take(self, entry: Entry) -> None:
        if len(self._waiting) < self._limits.most_waiting:
            self._waiting.append(entry)
            self._changed.set()
        else:
            self._spill([entry])

    async def _idle(self) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(self._limits.retry_s if self._spilled() else None):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _write_some(self) -> None:
        count = min(len(self._waiting), MOST_AT_ONCE)
        self._in_hand = [self._waiting.popleft() for _ in range(count)]
        self._content_characters -= sum(map(_characters, self._in_hand))
        try:
            await self._record(self._in_hand)
        except LedgerUnavailable:
            await asyncio.to_thread(self._spill, self._in_hand)
        except Exception:
            log.exception("entries cannot be recorded", entries=count)
            await asyncio.to_thread(self._spill, self._in_hand)
        self._in_hand = ()

    async def _record(self, entries: Sequence[Entry]) -> None:
        """Record entries; those that are refused for good are left out."""
        try:
            await self._ledger.record(entries)
        except Unrecordable as error:
            if len(entries) > 1:
                for entry in entries:
                    await self._record([entry])
                return
            self.lost += 1
            log.error("an entry is refused; its reservation stays charged", cause=str(error))

    async def _try_replay(self, file: EmergencyFile) -> None:
        """Replay; whatever is in the way is told once, and the entries stay where they are until it is gone."""
        try:
            await self._replay(file)
        except Exception as error:
            if file not in self._stuck:
                log.error("an emergency file cannot be replayed", exc_info=error)
            self._stuck.add(file)
        else:
            self._stuck.discard(file)

    async def _replay(self, file: EmergencyFile) -> None:
        """Bring what waits in an emergency file into the ledger, if that is back."""
        if not self._ledger.healthy:
            return
        entries, mark = await asyncio.to_thread(file.read)
        try:
            for at in range(0, len(entries), MOST_AT_ONCE):
                await self._record(entries[at : at + MOST_AT_ONCE])
        except LedgerUnavailable:
            return
        if await asyncio.to_thread(file.clear, mark):
            log.info("an emergency file is empty again", entries=len(entries))
            if file in self._orphaned:
                self._orphaned.remove(file)
                await asyncio.to_thread(file.close)

    def _spill(self, entries: Sequence[Entry]) -> None:
        kept = [entry for entry in entries if not isinstance(entry, Content)]
        try:
            written = 0 if self._emergency is None else self._emergency.append(kept)
        except OSError as error:
            log.error("the emergency file cannot be written", cause=error.strerror)
            written = 0
        except Exception:
            log.exception("entries cannot be written to the emergency file", entries=len(kept))
            written = 0
        self.spilled += written
        if written < len(kept):
            self.lost += len(kept) - written
            log.error(
                "entries are lost; their calls will be charged at their worst case",
                entries=len(kept) - written,
            )


@asynccontextmanager
async def bookkeeping(
    ledger: Ledger,
    emergency: EmergencyFile | None = None,
    limits: Limits = Limits(),
    *,
    orphaned: Sequence[EmergencyFile] = (),
) -> AsyncIterator[Bookkeeper]:
    """Run a bookkeeper. When the context ends, it writes what it has, within a bounded time, and saves the rest.

    What waits in `orphaned` files it brings into the ledger as well, and puts nothing into them.
    """
    bookkeeper = Bookkeeper(ledger, emergency, limits, orphaned)
    failure: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(bookkeeper.work())
        try:
            yield bookkeeper
        except Exception as error:
            # Raised below: the group would wrap what is the caller's own.
            failure = error
        finally:
            bookkeeper.close()
            try:
                await asyncio.wait([working], timeout=limits.drain_s)
            finally:
                working.cancel()
                bookkeeper.save()
    if failure is not None:
        raise failure


def _characters(entry: Entry) -> int:
    return len(entry.prompt) + len(entry.answer) if isinstance(entry, Content) else 0
