"""Of F25: the caller leaves while its call is reserved, while the provider is connected to, and while it is settled."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import grpc

from tests.fault.wall.state import a_folder
from tests.fault.wall.tally import Tally, secretive, with_config
from tests.fault.worlds import GOOD
from tests.serving import Served, configured, outcome_of, serving
from tests.unit.ledger.waiting import until, until_found
from tierwise_server.ledger.entries import RowState
from tierwise_server.ledger.opening import open_reader
from tierwise_server.ledger.settings import LedgerSettings
from tierwise_server.ledger.spend import SpendQuery
from tierwise_server.simulator.journal import Journal

TIMES: Final = 40
SYN_SENT: Final = "02"
ESTABLISHED: Final = "01"


@asynccontextmanager
async def recording(folder: Path, base_url: str = "") -> AsyncIterator[Served]:
    """A server of one place for everything, with a ledger whose file can be locked."""
    config = with_config({"ledger": {"directory": str(folder)}})
    rule = {**GOOD, "first_token_delay_s": 0.05}
    async with serving({"rules": [rule]}, configured(config), base_url=base_url) as served:
        yield served


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep the ledger from writing; shorter than it waits for that."""
    with closing(sqlite3.connect(folder / "ledger.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")


async def nothing_is_open(folder: Path) -> None:
    """Wait until no row is reserved any more; the sums are right."""
    async with open_reader(LedgerSettings(folder)) as reader:

        async def settled() -> bool:
            return not any(row.open_calls for row in await reader.spend(SpendQuery()))

        await until_found(settled)
        assert await reader.audit() == ()


async def place_is_free(served: Served) -> None:
    """Wait until the server has seen that the caller left, a moment after that."""
    await until(lambda: served.app.service.admission.running == 0)


async def the_next_is_well(served: Served) -> None:
    """Check that the one place of everything is free."""
    await place_is_free(served)
    outcome = await outcome_of(served.stub.Generate(secretive()))
    assert (outcome.status, outcome.reason) == ("OK", ""), "the next good call"


def holds(count: int, journal: Journal) -> bool:
    """Whether a journal has so many entries."""
    return len(journal) == count


async def leave_the_reservation(tally: Tally) -> None:
    """Nobody is asked, and nothing stays reserved."""
    with a_folder() as folder:
        async with recording(folder) as served:
            for _ in tally.times(TIMES):
                with tally.run("within the reservation"):
                    asked = len(served.simulator.journal)
                    with locked(folder):
                        call = served.stub.Generate(secretive())
                        # Nothing is told before the row is written.
                        await asyncio.sleep(0.05)
                        call.cancel()
                        assert await call.code() is grpc.StatusCode.CANCELLED
                    assert len(served.simulator.journal) == asked
                    await the_next_is_well(served)
                    await nothing_is_open(folder)


async def leave_the_settlement(tally: Tally) -> None:
    """What the provider was paid for is recorded, though its caller left before the end was told."""
    with a_folder() as folder:
        async with recording(folder) as served, open_reader(LedgerSettings(folder)) as reader:
            for number in tally.times(TIMES):
                with tally.run("within the settlement"):
                    journal = served.simulator.journal
                    asked = len(journal)
                    name = f"settled-{number}"
                    call = served.stub.Generate(secretive(request_id=name))
                    await journal.until(partial(holds, asked + 1))
                    with locked(folder):
                        # Its answer is to be remembered before its end is told, and waits for the lock like its row.
                        await journal.settled()
                        await asyncio.sleep(0.05)
                        call.cancel()
                        assert await call.code() is grpc.StatusCode.CANCELLED
                    await nothing_is_open(folder)
                    (run,) = await reader.find("", name)
                    assert [row.state for row in run.calls] == [RowState.SETTLED]
                    assert run.cost_nano_usd
                    await the_next_is_well(served)


@contextmanager
def out_of_reach() -> Iterator[socket.socket]:
    """A listener that takes no connection more: who connects waits."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        with socket.create_connection(listening.getsockname()):
            yield listening


def connecting_to(port: int) -> int:
    """How many sockets of this machine wait to be connected to a port."""
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    states = [(line.split()[2], line.split()[3]) for line in lines]
    return states.count((f"0100007F:{port:04X}", SYN_SENT))


async def leave_the_connecting(tally: Tally) -> None:
    """The socket is closed at once, nothing was billed, and the one place is free for the next, which connects too."""
    with a_folder() as folder, out_of_reach() as upstream:
        host, port = upstream.getsockname()
        async with recording(folder, f"http://{host}:{port}") as served:
            for _ in tally.times(TIMES):
                with tally.run("while connecting"):
                    call = served.stub.Generate(secretive())
                    await until(lambda: connecting_to(port) == 1)
                    call.cancel()
                    assert await call.code() is grpc.StatusCode.CANCELLED
                    await until(lambda: connecting_to(port) == 0)
                    await place_is_free(served)
                    await nothing_is_open(folder)
        async with open_reader(LedgerSettings(folder)) as reader:
            with tally.run("the bill of those that connected"):
                (total,) = await reader.spend(SpendQuery())
                assert (total.cost_nano_usd, total.open_calls) == (0, 0)
