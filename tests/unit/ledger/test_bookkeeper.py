"""The bookkeeper records what requests hand over, whatever becomes of the request, the ledger, or the server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from tests.unit.ledger.rows import NOON_S, a_reservation, a_settlement, an_end, an_origin
from tests.unit.ledger.waiting import SOON_S, until
from tierwise_server.errors import LedgerUnavailable
from tierwise_server.ledger.base import Unrecordable
from tierwise_server.ledger.bookkeeper import Limits, bookkeeping
from tierwise_server.ledger.emergency import EmergencyFile
from tierwise_server.ledger.entries import OK, Content, Entry, RequestAccount, Settlement
from tierwise_server.ledger.faulty import FaultyLedger, LedgerFault
from tierwise_server.ledger.memory import MemoryLedger

QUICK = Limits(retry_s=0.01, drain_s=2.0)


@pytest.fixture
def emergency(tmp_path: Path) -> Iterator[EmergencyFile]:
    with closing(EmergencyFile(tmp_path / "emergency.jsonl", 1024 * 1024)) as file:
        yield file


def down(inner: MemoryLedger) -> FaultyLedger:
    return FaultyLedger(inner, rate=1.0, kinds=[LedgerFault.REFUSED])


async def the_only(ledger: MemoryLedger) -> RequestAccount:
    (account,) = await ledger.find("acme", "request")
    return account


class RefusingLedger(MemoryLedger):
    """Refuses one settlement for good, in whatever company it comes."""

    def __init__(self, refused: str) -> None:
        super().__init__()
        self.refused = refused

    async def record(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if isinstance(entry, Settlement) and entry.reservation.row_id == self.refused:
                raise Unrecordable("no")
        await super().record(entries)


class HangingLedger(MemoryLedger):
    """Never answers."""

    async def record(self, entries: Sequence[Entry]) -> None:
        await asyncio.Event().wait()


async def test_what_is_handed_over_is_recorded(emergency: EmergencyFile) -> None:
    ledger = MemoryLedger()
    reservation = a_reservation()
    async with bookkeeping(ledger, emergency) as bookkeeper:
        await ledger.reserve(reservation)
        bookkeeper.settle_soon(a_settlement(reservation))
        bookkeeper.finish_soon(an_end(reservation.origin))
        await until(lambda: bookkeeper.waiting == 0)
        assert bookkeeper.healthy
    account = await the_only(ledger)
    assert (account.outcome, account.cost_nano_usd) == (OK, 40)
    assert emergency.empty


async def test_a_cancelled_request_is_settled_all_the_same() -> None:
    ledger = MemoryLedger()
    reservation = a_reservation()
    async with bookkeeping(ledger) as bookkeeper:
        started = asyncio.Event()

        async def request() -> None:
            await ledger.reserve(reservation)
            try:
                started.set()
                await asyncio.Event().wait()
            finally:
                bookkeeper.settle_soon(a_settlement(reservation))

        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(request())
            await started.wait()
            running.cancel()
    assert (await the_only(ledger)).cost_nano_usd == 40


async def test_the_end_of_the_server_writes_what_waits() -> None:
    ledger = MemoryLedger()
    with contextlib.suppress(RuntimeError):
        async with bookkeeping(ledger) as bookkeeper:
            for _ in range(1000):
                bookkeeper.settle_soon(a_settlement(a_reservation()))
            raise RuntimeError
    assert len(await ledger.find("acme", "request")) == 1000


async def test_while_the_ledger_is_down_the_emergency_file_takes_it_and_gives_it_back(
    emergency: EmergencyFile,
) -> None:
    ledger = MemoryLedger()
    away = down(ledger)
    reservation = a_reservation()
    async with bookkeeping(away, emergency, QUICK) as bookkeeper:
        bookkeeper.settle_soon(a_settlement(reservation))
        await until(lambda: not emergency.empty)
        assert not bookkeeper.healthy
        assert bookkeeper.filled > 0
        assert await ledger.find("acme", "request") == ()
        away.rate = 0.0
        await until(lambda: bookkeeper.healthy)
    assert (await the_only(ledger)).cost_nano_usd == 40
    assert (bookkeeper.spilled, bookkeeper.lost, bookkeeper.filled) == (1, 0, 0.0)


async def test_the_next_server_records_what_the_last_one_could_not(
    emergency: EmergencyFile,
) -> None:
    ledger = MemoryLedger()
    reservation = a_reservation()
    async with bookkeeping(down(ledger), emergency, QUICK) as bookkeeper:
        bookkeeper.settle_soon(a_settlement(reservation))
    assert not emergency.empty
    async with bookkeeping(ledger, emergency, QUICK):
        await until(lambda: emergency.empty)
    assert (await the_only(ledger)).cost_nano_usd == 40


async def test_whatever_is_in_the_way_of_a_replay_ends_nothing_and_loses_nothing(
    emergency: EmergencyFile,
) -> None:
    class Puzzled(MemoryLedger):
        puzzled = True

        async def record(self, entries: Sequence[Entry]) -> None:
            if self.puzzled:
                raise RecursionError("deep")
            await super().record(entries)

    first, second, ledger = a_reservation(), a_reservation(an_origin(request_id="2")), Puzzled()
    async with bookkeeping(ledger, emergency, QUICK) as bookkeeper:
        with structlog.testing.capture_logs() as logs:
            bookkeeper.settle_soon(a_settlement(first))
            await until(lambda: logs and "replayed" in logs[-1]["event"])
            await asyncio.sleep(5 * QUICK.retry_s)
        assert sum("replayed" in line["event"] for line in logs) == 1
        bookkeeper.settle_soon(a_settlement(second))
        ledger.puzzled = False
        await until(lambda: emergency.empty and not bookkeeper.waiting)
    assert (await the_only(ledger)).cost_nano_usd == 40
    assert len(await ledger.find("acme", "2")) == 1
    assert bookkeeper.lost == 0


async def test_replies_that_get_lost_do_no_harm(emergency: EmergencyFile) -> None:
    ledger = MemoryLedger()
    faulty = FaultyLedger(ledger, rate=0.5, seed=3, slow_s=0.001)
    async with bookkeeping(faulty, emergency, QUICK) as bookkeeper:
        for _ in range(200):
            bookkeeper.settle_soon(a_settlement(a_reservation()))
            await asyncio.sleep(0)
        await until(lambda: bookkeeper.waiting == 0 and emergency.empty)
    found = await ledger.find("acme", "request")
    assert [account.cost_nano_usd for account in found] == [40] * 200
    assert faulty.faults > 0


async def test_a_ledger_that_hangs_does_not_hold_up_the_end(emergency: EmergencyFile) -> None:
    settlements = [a_settlement(a_reservation()) for _ in range(3)]
    async with asyncio.timeout(SOON_S):
        async with bookkeeping(HangingLedger(), emergency, replace(QUICK, drain_s=0.05)) as keeper:
            for settlement in settlements:
                keeper.settle_soon(settlement)
            await asyncio.sleep(0.01)
    assert emergency.read()[0] == settlements


async def test_what_is_refused_for_good_does_not_hold_up_the_rest(
    emergency: EmergencyFile,
) -> None:
    rows = [a_reservation(an_origin(request_id=f"{number}")) for number in range(10)]
    ledger = RefusingLedger(rows[4].row_id)
    async with bookkeeping(ledger, emergency, QUICK) as bookkeeper:
        for row in rows:
            bookkeeper.settle_soon(a_settlement(row))
    found = [len(await ledger.find("acme", f"{number}")) for number in range(10)]
    assert found == [1, 1, 1, 1, 0, 1, 1, 1, 1, 1]
    assert bookkeeper.lost == 1
    assert emergency.empty


async def test_more_than_may_wait_goes_to_the_emergency_file_at_once(
    emergency: EmergencyFile,
) -> None:
    limits = Limits(most_waiting=5, drain_s=0.05)
    async with bookkeeping(HangingLedger(), emergency, limits) as bookkeeper:
        settlements = [a_settlement(a_reservation()) for _ in range(8)]
        for settlement in settlements:
            bookkeeper.settle_soon(settlement)
        assert emergency.read()[0] == settlements[5:]
        assert bookkeeper.waiting == 5
    assert len(emergency.read()[0]) == 8


async def test_what_fits_nowhere_is_counted_as_lost(tmp_path: Path) -> None:
    with closing(EmergencyFile(tmp_path / "small", 4096)) as small:
        async with bookkeeping(down(MemoryLedger()), small, QUICK) as bookkeeper:
            for _ in range(20):
                bookkeeper.settle_soon(a_settlement(a_reservation()))
            await until(lambda: bookkeeper.waiting == 0)
        assert bookkeeper.lost == 20 - len(small.read()[0])
        assert bookkeeper.lost > 0


async def test_prompts_are_bounded_in_memory_and_never_in_the_emergency_file(
    emergency: EmergencyFile, tmp_path: Path
) -> None:
    limits = replace(QUICK, most_content_characters=100)
    content = Content(an_origin(), "CANARY" * 10, "an answer", NOON_S)
    async with bookkeeping(down(MemoryLedger()), emergency, limits) as bookkeeper:
        bookkeeper.keep_soon(content)
        bookkeeper.keep_soon(content)
        assert bookkeeper.waiting == 1
        bookkeeper.settle_soon(a_settlement(a_reservation()))
        await until(lambda: bookkeeper.waiting == 0)
        bookkeeper.keep_soon(content)
        assert bookkeeper.waiting == 1
    assert len(emergency.read()[0]) == 1
    assert b"CANARY" not in (tmp_path / "emergency.jsonl").read_bytes()


async def test_without_an_emergency_file_nothing_waits_for_a_ledger_that_is_down() -> None:
    async with bookkeeping(down(MemoryLedger()), None, QUICK) as bookkeeper:
        bookkeeper.settle_soon(a_settlement(a_reservation()))
        await until(lambda: bookkeeper.waiting == 0)
        assert bookkeeper.lost == 1
        assert not bookkeeper.healthy
        with pytest.raises(LedgerUnavailable):
            await down(MemoryLedger()).reserve(a_reservation())
