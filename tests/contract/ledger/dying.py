"""A server that does nothing but reserve and settle, until it is killed; it tells what was acknowledged."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from tests.unit.ledger.rows import a_reservation, a_settlement, an_end, an_origin
from tierwise_server.ledger.base import Ledger
from tierwise_server.ledger.opening import open_ledger
from tierwise_server.ledger.settings import LedgerSettings

WORKERS = 16

# Everything is loaded once, so that a new victim costs milliseconds.
_FORKS = get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])


@dataclass
class Victim:
    """A running server of that kind."""

    process: BaseProcess
    acknowledged: Connection

    def kill(self) -> list[tuple[str, str]]:
        """Kill it, and return what it had acknowledged: ("reserved" or "settled", row id)."""
        self.process.kill()
        self.process.join()
        told = []
        try:
            while True:
                told.append(self.acknowledged.recv())
        except (EOFError, OSError):
            self.acknowledged.close()
            self.process.close()
        return told


def start(settings: LedgerSettings, number: int) -> Victim:
    """Start a server, and return when it has acknowledged its first row."""
    receiving, sending = _FORKS.Pipe(duplex=False)
    process = _FORKS.Process(target=_live, args=(settings, number, sending), daemon=True)
    process.start()
    sending.close()
    assert receiving.poll(30), "the server does not start"
    return Victim(process, receiving)


def _live(settings: LedgerSettings, number: int, told: Connection) -> None:
    asyncio.run(_serve(settings, number, told))


async def _serve(settings: LedgerSettings, number: int, told: Connection) -> None:
    async with open_ledger(settings) as ledger, asyncio.TaskGroup() as tasks:
        for worker in range(WORKERS):
            tasks.create_task(_work(ledger, f"{number}-{worker}", told))


async def _work(ledger: Ledger, name: str, told: Connection) -> None:
    for count in range(1_000_000):
        origin = an_origin(run_id=f"{name}-{count}", request_id=name)
        reservation = a_reservation(origin)
        await ledger.reserve(reservation)
        told.send(("reserved", reservation.row_id))
        await ledger.record([a_settlement(reservation), an_end(origin)])
        told.send(("settled", reservation.row_id))
