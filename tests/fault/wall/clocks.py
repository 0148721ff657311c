"""F54: the clock jumps, under everything that has a clock of its own to be given."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from tests.contract.access import test_limits
from tests.contract.idempotency import test_answers
from tests.contract.ledger.test_ledger_budgets import is_granted
from tests.contract.ledger.worlds import Clock
from tests.fault.wall.catalogue import scenario
from tests.fault.wall.state import a_folder
from tests.fault.wall.tally import Tally
from tests.postgres import running_cluster
from tests.unit.access.records import NOW_S, a_key
from tests.unit.engine_world import Heard, an_engine, climbing, score, script
from tests.unit.ledger.rows import DAY_S, NOON_S, a_day, a_reservation, a_settlement, an_origin
from tierwise_server.access.gate import Credentials, Gate
from tierwise_server.access.memory import MemoryKeyStore
from tierwise_server.access.ring import KeyRing
from tierwise_server.errors import RequestError
from tierwise_server.ledger.base import Ledger
from tierwise_server.ledger.opening import open_ledger
from tierwise_server.ledger.settings import LedgerSettings
from tierwise_server.ledger.spend import SpendQuery
from tierwise_server.providers.scripted import answer

JUMPS_S: Final = (3600.0, -3600.0, DAY_S, -DAY_S, 1e9, -1e9, 0.5)


@scenario(
    "F54",
    "durations do not follow it; leases, budgets, limits, keys and named requests neither lock up nor unlock; "
    "whatever was given up too early is corrected",
)
async def jumping_clocks(tally: Tally) -> None:
    for number in tally.times(200):
        with tally.run("a duration"):
            await _a_duration(JUMPS_S[number % len(JUMPS_S)])
    await _ledger(tally)
    for number in tally.times(70):
        by_s = JUMPS_S[number % len(JUMPS_S)]
        with tally.run(f"a key, {by_s:+g} s"):
            await _a_key(by_s)
        with tally.run(f"a named request, {by_s:+g} s"), a_folder() as folder:
            check = test_answers.test_a_clock_that_jumps_lets_no_request_run_twice_at_once
            await check(by_s, folder)
    await _limits(tally)


async def _a_duration(by_s: float) -> None:
    now_s = NOON_S

    def jumping() -> float:
        nonlocal now_s
        now_s += by_s
        return now_s

    engine, provider = an_engine(script(answer("A draft."), score("3"), answer("The answer.")))
    heard = Heard()
    summary = await replace(engine, wall_clock=jumping).generate(
        climbing(), heard, heard, time_left_s=5.0
    )
    assert 0 <= summary.duration_s < 5
    assert provider.open_streams == 0


async def _ledger(tally: Tally) -> None:
    clock = Clock()
    with a_folder() as folder:
        async with open_ledger(LedgerSettings(folder, wall_clock=clock)) as ledger:
            for number in tally.times(140):
                by_s = JUMPS_S[number % len(JUMPS_S)]
                with tally.run(f"the ledger, {by_s:+g} s"):
                    clock.now_s = NOON_S
                    await _a_lease_and_a_budget(ledger, clock, f"key-{number}", by_s)
            with tally.run("the sums"):
                assert await ledger.audit() == ()
                (total,) = await ledger.spend(SpendQuery())
                assert (total.open_calls, total.open_nano_usd) == (0, 0)


async def _a_lease_and_a_budget(ledger: Ledger, clock: Clock, key_id: str, by_s: float) -> None:
    """A day pays one call of two at a time; whatever the clock does meanwhile, and what the sweeper makes of it."""

    async def granted() -> bool:
        origin = an_origin(key_id=key_id, request_id=key_id, at_s=clock.now_s)
        another = a_reservation(origin)
        if not await is_granted(ledger, another, a_day(199)):
            return False
        await ledger.record([a_settlement(another, 90)])
        return True

    running = a_reservation(an_origin(key_id=key_id, request_id=key_id))
    assert await is_granted(ledger, running, a_day(199))
    clock.now_s += by_s
    await ledger.recover()
    same_day = clock.now_s // DAY_S == NOON_S // DAY_S
    # Another day has a budget of its own, and of that the whole: two calls that come to 90 each, and not three.
    assert await granted() is not same_day
    if not same_day:
        assert await granted()
        assert not await granted()
    clock.now_s = NOON_S
    await ledger.recover()
    assert not await granted()
    await ledger.record([a_settlement(running, 40)])
    assert await granted()
    found = await ledger.find("acme", key_id)
    (run,) = [run for run in found if run.origin == running.origin]
    assert run.cost_nano_usd == 40


async def _a_key(by_s: float) -> None:
    """A key holds until its date, whenever that is; a revoked one never again."""
    clock = Clock(NOW_S)
    store = MemoryKeyStore()
    secret, key = a_key(expires_at_s=NOW_S + 60)
    revoked_secret, revoked = a_key()
    for each in (key, revoked):
        await store.add(each)
    await store.revoke(revoked.key_id, NOW_S)
    ring = KeyRing(store)
    await ring.refresh()
    gate = Gate(ring, wall_clock=clock)

    async def holds(shown: str) -> bool:
        try:
            await gate.identify(Credentials((f"Bearer {shown}",)))
        except RequestError:
            return False
        return True

    for now_s in (NOW_S, NOW_S + by_s, NOW_S):
        clock.now_s = now_s
        assert await holds(secret) is (now_s < NOW_S + 60)
        assert not await holds(revoked_secret)


async def _limits(tally: Tally) -> None:
    """Limits in memory have no date in them; shared ones go by the database's clock."""
    try:
        with running_cluster() as cluster:
            for number in tally.times(30):
                by_s = abs(JUMPS_S[number % 6])
                with tally.run(f"shared limits, set back by {by_s:g} s"), a_folder() as folder:
                    check = test_limits.test_a_clock_that_is_set_back_neither_locks_up_nor_unlocks_a_limit
                    await check(by_s, cluster, folder)
    except pytest.skip.Exception as missing:
        tally.detail = f"without shared limits: {missing}"
