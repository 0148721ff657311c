"""The shared store when its database is gone, silent, read-only or somebody else's, and when servers fall behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import psycopg
import pytest

from tests.contract.ledger.wire import Wire, a_wire
from tests.postgres import Cluster
from tests.unit.ledger.rows import a_day, a_reservation, a_settlement, an_origin
from tests.unit.ledger.waiting import SOON_S, until, until_found
from tierwise_server.errors import ConfigurationError, LedgerUnavailable
from tierwise_server.ledger.base import Ledger
from tierwise_server.ledger.bookkeeper import Limits, bookkeeping
from tierwise_server.ledger.emergency import EmergencyFile
from tierwise_server.ledger.entries import RowState
from tierwise_server.ledger.opening import open_ledger
from tierwise_server.ledger.settings import LedgerSettings
from tierwise_server.ledger.spend import SpendQuery

pytestmark = pytest.mark.fault


@pytest.fixture
def settings(postgres: Cluster, tmp_path: Path) -> LedgerSettings:
    return LedgerSettings(tmp_path, postgres.space(), reserve_timeout_s=0.3, write_timeout_s=0.4)


@pytest.fixture
async def wire(postgres: Cluster) -> AsyncIterator[Wire]:
    async with a_wire(postgres.port) as wire:
        yield wire


def through(settings: LedgerSettings, wire: Wire, port: int) -> LedgerSettings:
    return replace(settings, url=settings.url.replace(f":{port}/", f":{wire.port}/"))


async def until_reserved(ledger: Ledger, request_id: str) -> None:
    """Try until a reservation works."""
    async with asyncio.timeout(SOON_S):
        while True:
            try:
                await ledger.reserve(a_reservation(an_origin(request_id=request_id)))
            except LedgerUnavailable:
                await asyncio.sleep(0.02)
            else:
                return


async def test_a_silent_database_refuses_calls_in_time_and_is_used_again_by_itself(
    settings: LedgerSettings, wire: Wire, postgres: Cluster
) -> None:
    async with (
        asyncio.timeout(3 * SOON_S),
        open_ledger(through(settings, wire, postgres.port)) as ledger,
    ):
        await ledger.reserve(a_reservation(an_origin(request_id="before")), [a_day(1_000)])
        wire.go_silent()
        with pytest.raises(LedgerUnavailable):
            await ledger.reserve(a_reservation(an_origin(request_id="during")), [a_day(1_000)])
        await until(lambda: not ledger.healthy)
        wire.mend()
        await until(lambda: ledger.healthy)
        await until_reserved(ledger, "after")
        for request_id in ("before", "after"):
            assert len((await ledger.find("acme", request_id))[0].calls) == 1
        # What was refused holds no money, though the database may have heard of it.
        await until_found(partial(is_closed, ledger, "during"))


async def is_closed(ledger: Ledger, request_id: str) -> bool:
    """Whether no call of the request holds money."""
    return not any(
        call.state is RowState.RESERVED
        for account in await ledger.find("acme", request_id)
        for call in account.calls
    )


async def test_a_connection_that_never_answers_again_is_given_up(
    settings: LedgerSettings, wire: Wire, postgres: Cluster
) -> None:
    async with (
        asyncio.timeout(2 * SOON_S),
        open_ledger(through(settings, wire, postgres.port)) as ledger,
    ):
        await until_reserved(ledger, "before")
        wire.strand()
        with pytest.raises(LedgerUnavailable):
            await ledger.reserve(a_reservation(an_origin(request_id="during")))
        await until_reserved(ledger, "after")
        assert len(await ledger.find("acme", "before")) == 1


async def test_a_cut_connection_is_replaced(
    settings: LedgerSettings, wire: Wire, postgres: Cluster
) -> None:
    async with open_ledger(through(settings, wire, postgres.port)) as ledger:
        for number in range(5):
            await until_reserved(ledger, f"request-{number}")
            wire.cut()
        await until_reserved(ledger, "last")
        for number in range(5):
            assert len(await ledger.find("acme", f"request-{number}")) == 1
        assert await ledger.audit() == ()


async def test_settlements_during_an_outage_are_recorded_after_it(
    settings: LedgerSettings, wire: Wire, postgres: Cluster, tmp_path: Path
) -> None:
    with closing(EmergencyFile(tmp_path / "emergency")) as emergency:
        async with (
            asyncio.timeout(3 * SOON_S),
            open_ledger(through(settings, wire, postgres.port)) as ledger,
            bookkeeping(ledger, emergency, Limits(retry_s=0.05)) as bookkeeper,
        ):
            rows = [a_reservation(an_origin(request_id=f"{number}")) for number in range(20)]
            for row in rows:
                await ledger.reserve(row)
            wire.go_silent()
            for row in rows:
                bookkeeper.settle_soon(a_settlement(row))
            await until(lambda: not emergency.empty)
            wire.mend()
            await until(lambda: bookkeeper.healthy)
            (total,) = await ledger.spend(SpendQuery())
            assert (total.cost_nano_usd, total.open_calls) == (800, 0)
            assert await ledger.audit() == ()


async def test_a_database_that_does_not_answer_is_told_at_the_start(
    settings: LedgerSettings, wire: Wire, postgres: Cluster
) -> None:
    wire.go_silent()
    async with asyncio.timeout(SOON_S):
        with pytest.raises(ConfigurationError) as caught:
            async with open_ledger(through(settings, wire, postgres.port)):
                pass
    assert caught.value.faults[0].path == "ledger.url"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://tierwise:CANARY@127.0.0.1:1/nothing",
        "postgresql://tierwise:CANARY@no.such.host.invalid/nothing",
        "mysql://tierwise:CANARY@127.0.0.1/nothing",
        "CANARY",
    ],
)
async def test_a_database_that_cannot_be_used_is_told_at_the_start_without_its_password(
    url: str, tmp_path: Path
) -> None:
    async with asyncio.timeout(SOON_S):
        with pytest.raises(ConfigurationError) as caught:
            async with open_ledger(LedgerSettings(tmp_path, url)):
                pass
    assert caught.value.faults[0].path == "ledger.url"
    assert "CANARY" not in str(caught.value)


async def test_a_database_that_turns_read_only_refuses_calls_until_it_turns_back(
    settings: LedgerSettings,
) -> None:
    async with open_ledger(settings) as ledger:
        await until_reserved(ledger, "before")
        with psycopg.connect(settings.url, autocommit=True) as admin:
            admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            admin.execute("SELECT pg_reload_conf()")
            try:
                await until_refused(ledger)
                assert not ledger.healthy
            finally:
                admin.execute("SET default_transaction_read_only = off")
                admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
                admin.execute("SELECT pg_reload_conf()")
        await until_reserved(ledger, "after")
        await until(lambda: ledger.healthy)
        assert await ledger.audit() == ()


async def until_refused(ledger: Ledger) -> None:
    async with asyncio.timeout(SOON_S):
        while True:
            try:
                await ledger.reserve(a_reservation(an_origin(request_id="meanwhile")))
            except LedgerUnavailable:
                return


async def test_a_server_that_fell_silent_is_given_up_and_corrects_that_when_it_is_back(
    settings: LedgerSettings, wire: Wire, postgres: Cluster, tmp_path: Path
) -> None:
    short = replace(settings, owner_lease_s=0.6)
    behind = replace(through(short, wire, postgres.port), directory=tmp_path / "behind")
    async with (
        asyncio.timeout(3 * SOON_S),
        open_ledger(behind) as silent,
        open_ledger(short) as other,
    ):
        row = a_reservation()
        await silent.reserve(row)
        wire.go_silent()
        # The other server's own beat finds it.
        await until_found(partial(is_closed, other, "request"))
        (account,) = await other.find("acme", "request")
        assert (account.outcome, account.cost_nano_usd) == ("ORPHANED", 100)
        wire.mend()
        await until(lambda: silent.healthy)
        await until_reserved(silent, "next")
        await silent.record([a_settlement(row, 40)])
        (account,) = await other.find("acme", "request")
        assert account.cost_nano_usd == 40
        assert (await other.find("acme", "next"))[0].calls[0].state is RowState.RESERVED
        assert await other.audit() == ()


async def test_many_servers_may_start_on_an_empty_database_at_once(
    settings: LedgerSettings, tmp_path: Path
) -> None:
    patient = replace(settings, reserve_timeout_s=10.0, write_timeout_s=10.0)

    async def start(number: int) -> None:
        own = replace(patient, directory=tmp_path / f"{number}")
        async with open_ledger(own) as ledger:
            await ledger.reserve(a_reservation(an_origin(request_id=f"{number}")))

    async with asyncio.timeout(2 * SOON_S), asyncio.TaskGroup() as tasks:
        for number in range(4):
            tasks.create_task(start(number))
