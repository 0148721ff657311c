"""Remembered answers, opened for a server where its settings want them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tierwise_server.access.sql_worker import SqlWorker
from tierwise_server.idempotency.memory import MemoryAnswers
from tierwise_server.idempotency.sql import SqlAnswers
from tierwise_server.ledger.opening import database_of
from tierwise_server.ledger.settings import MEMORY_URL
from tierwise_server.ledger.upkeep import Upkeep

if TYPE_CHECKING:
    from tierwise_server.idempotency.base import AnswerStore, Room
    from tierwise_server.ledger.settings import LedgerSettings

_WHAT = "remembered answers"


@asynccontextmanager
async def open_answers(
    kept: LedgerSettings | None, room: Room, upkeep: Upkeep | None = None
) -> AsyncIterator[AnswerStore | None]:
    """Open the store beside the ledger that is `kept`, whose tables are there; in memory where none is.

    Nothing is remembered, and None given, where they are kept for no time. Closes what it opened when the context ends.
    """
    upkeep = upkeep or Upkeep()
    if not room.keep_s:
        yield None
        return
    if kept is None or kept.url == MEMORY_URL:
        memory = MemoryAnswers(room)
        async with upkeep.running(memory.keep, _WHAT):
            yield memory
        return
    answers = SqlAnswers(SqlWorker(database_of(kept), kept.write_timeout_s), room)
    try:
        await answers.begin()
        async with upkeep.running(answers.keep, _WHAT):
            yield answers
    finally:
        await answers.aclose()
