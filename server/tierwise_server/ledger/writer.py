"""The thread that writes: it takes all that waits, writes it in one transaction, and tells everybody at once.

Nobody waits for company: while one transaction is being made durable the next one gathers, so that under load many
reservations share one flush to the disk and alone each has its own.

While the store is down, what comes in is refused at once, and the thread tries again by itself until it is back.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from tierwise_server.errors import LedgerUnavailable

if TYPE_CHECKING:
    from tierwise_server.errors import Reason
    from tierwise_server.ledger.entries import Budget, Entry, Reservation

log = structlog.get_logger("tierwise.ledger")

MOST_AT_ONCE = 256
"""Tasks in one transaction: far beyond where sharing a flush still pays, and still quick to do again."""

FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 1.0
"""How long a store that is down is left alone: recovery is noticed within this."""

PATIENCE_S = 0.01
"""How much later than due a transaction is looked at again."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """Write a reservation, if the budgets allow."""

    reservation: Reservation
    budgets: tuple[Budget, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """Write entries, all or none."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Undo a reservation if it was written: its caller was told that it was not."""

    reservation: Reservation
    at_s: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class Sweep:
    """Give up what no living server holds; answers how many rows."""


@dataclass(frozen=True, slots=True)
class Purge:
    """Delete content past its retention; answers how many."""


Task = Reserve | Record | GiveBack | Sweep | Purge


class Store(Protocol):
    """What the thread writes to. All but `interrupt` is called in the thread."""

    def apply(self, tasks: Sequence[Task]) -> Sequence[Any]:
        """Do all tasks durably; answer for each its result, or the exception that refuses it alone.

        Raises:
            LedgerUnavailable: none was done, or that is not known.
        """
        ...

    def beat(self) -> None:
        """Do what is due now and then, with at least one write, so that success means health.

        Raises:
            LedgerUnavailable: the store is down.
        """
        ...

    def interrupt(self) -> None:
        """Make a call that hangs in another thread fail."""
        ...

    def close(self) -> None:
        """Say farewell if possible, and close."""
        ...


@dataclass(slots=True)
class _Work:
    task: Task
    done: asyncio.Future[Any] | None


@dataclass(frozen=True, slots=True)
class Pace:
    """How much may wait, how long one transaction may take, how often the store's beat comes."""

    most_waiting: int = 10_000
    write_timeout_s: float = 5.0
    beat_s: float = 10.0


class Writer:
    """Owns the thread. All methods are called in the event loop that made it."""

    def __init__(self, store: Store, pace: Pace = Pace()) -> None:
        self._store = store
        self._pace = pace
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Work] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._failures = 0
        self._next_beat_s = time.monotonic() + pace.beat_s
        self._busy_since_s: float | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    @property
    def healthy(self) -> bool:
        """Whether the last transaction worked and none hangs; asking breaks off one that does."""
        self.hurry()
        return self._failures == 0 and not self._overdue_s() > 0

    def submit(self, task: Task) -> asyncio.Future[Any]:
        """Hand a task over. The future answers when it is durable; a cancelled one is skipped if there is still time.

        Raises:
            LedgerUnavailable: the store is down, or too much waits already.
        """
        done: asyncio.Future[Any] = self._loop.create_future()
        self._put(_Work(task, done))
        return done

    def submit_unheard(self, task: Task) -> None:
        """Hand a task over whose result nobody waits for, even while the store is down."""
        with self._changed:
            self._waiting.append(_Work(task, None))
            self._changed.notify()

    def hurry(self) -> None:
        """Break off a transaction that takes too long, now or when its time is over."""
        overdue_s = self._overdue_s()
        if overdue_s > 0:
            self._store.interrupt()
        elif self._busy_since_s is not None and self._alarm is None:
            self._alarm = self._loop.call_later(PATIENCE_S - overdue_s, self._ring)

    async def aclose(self) -> None:
        """Write what waits, and end the thread; what hangs is broken off, and then left behind."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._alarm is not None:
            self._alarm.cancel()
        for _ in range(2):
            await asyncio.to_thread(self._thread.join, self._pace.write_timeout_s)
            if not self._thread.is_alive():
                return
            self._store.interrupt()
        log.error("the ledger does not close")

    def _put(self, work: _Work) -> None:
        with self._changed:
            if self._failures:
                raise LedgerUnavailable
            if self._stopping or len(self._waiting) >= self._pace.most_waiting:
                raise LedgerUnavailable("the ledger has too much to write")
            self._waiting.append(work)
            self._changed.notify()

    def _ring(self) -> None:
        self._alarm = None
        self.hurry()

    def _overdue_s(self) -> float:
        """How long the running transaction should have been over; negative when it still has time, or there is none."""
        since = self._busy_since_s
        busy_s = 0.0 if since is None else time.monotonic() - since
        return busy_s - self._pace.write_timeout_s

    # In the thread.

    def _run(self) -> None:
        while (batch := self._take()) is not None:
            if batch:
                self._try(partial(self._write, batch), batch)
            if time.monotonic() >= self._next_beat_s:
                self._try(self._beat)
        self._store.close()

    def _take(self) -> list[_Work] | None:
        """Wait for work or the next beat; None at the end. While the store is down, only beats come."""
        with self._changed:
            while not self._waiting or self._failures:
                if self._stopping:
                    return None
                left_s = self._next_beat_s - time.monotonic()
                if left_s <= 0:
                    return []
                self._changed.wait(left_s)
            count = min(len(self._waiting), MOST_AT_ONCE)
            batch = [self._waiting.popleft() for _ in range(count)]
        return [work for work in batch if work.done is None or not work.done.cancelled()]

    def _try(self, write: Callable[[], None], batch: Sequence[_Work] = ()) -> None:
        """Write, and take note of how that went."""
        self._busy_since_s = time.monotonic()
        try:
            write()
        except LedgerUnavailable as error:
            self._fell(error, batch)
        except Exception:
            log.exception("the ledger's store failed in an unknown way")
            self._fell(LedgerUnavailable(), batch)
        else:
            if self._failures:
                log.info("the ledger is available again")
            self._failures = 0
        finally:
            self._busy_since_s = None

    def _write(self, batch: Sequence[_Work]) -> None:
        self._tell(batch, self._store.apply([work.task for work in batch]))

    def _beat(self) -> None:
        self._next_beat_s = time.monotonic() + self._pace.beat_s
        self._store.beat()

    def _fell(self, error: LedgerUnavailable, batch: Sequence[_Work]) -> None:
        """Refuse everybody who waits; keep what nobody waits for until the store is back."""
        if not self._failures:
            log.error("the ledger is unavailable", reason=error.message)
        pause_s = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(self._failures, 10))
        self._next_beat_s = time.monotonic() + pause_s
        with self._changed:
            self._failures += 1
            affected = [*batch, *self._waiting]
            unheard = [work for work in affected if work.done is None]
            self._waiting = deque(unheard[: self._pace.most_waiting])
        self._tell(affected, [error] * len(affected))

    def _tell(self, batch: Sequence[_Work], results: Sequence[Any]) -> None:
        try:
            self._loop.call_soon_threadsafe(_resolve, batch, results)
        except RuntimeError:
            log.warning("the event loop ended before the ledger", tasks=len(batch))


def _resolve(batch: Sequence[_Work], results: Sequence[Any]) -> None:
    for work, result in zip(batch, results, strict=True):
        if work.done is None or work.done.done():
            continue
        if isinstance(result, Exception):
            work.done.set_exception(result)
        else:
            work.done.set_result(result)
