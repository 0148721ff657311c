"""F48: many calls race for the last of a budget, in the ledger and through a server."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.contract.ledger.test_ledger_budgets import race
from tests.fault.wall.catalogue import scenario
from tests.fault.wall.state import RACERS, a_folder
from tests.fault.wall.tally import Tally
from tests.integration import test_postgres_served as served_races
from tests.serving import Outcome, Served, configured, serving
from tests.unit.access.records import a_key
from tests.unit.ledger.rows import DAY_S, NOON_S, a_day
from tierwise_server.access.entries import Allowance
from tierwise_server.access.memory import MemoryKeyStore
from tierwise_server.ledger.opening import open_ledger, open_reader
from tierwise_server.ledger.settings import LedgerSettings

SERVED_RACES: Final = 40


@scenario(
    "F48",
    "64 racers for a budget that pays one: one wins; 64 calls of a tenant's two keys through a server for one that "
    "pays ten and less than eleven: ten are answered, the others BUDGET_EXCEEDED; overspend 0",
)
async def races(tally: Tally) -> None:
    with a_folder() as folder:
        async with open_ledger(LedgerSettings(folder)) as ledger:
            for number in tally.times(1000):
                with tally.run(f"race {number}"):
                    assert await race([ledger], NOON_S + number * DAY_S, a_day(199)) == 1
            with tally.run("the sums"):
                assert await ledger.audit() == ()
    with a_folder() as folder:
        await _through_a_server(tally, folder)
    served = len(tally.times(SERVED_RACES))
    tally.detail = f"{RACERS} racers in each; {served} of the races through a server"


async def _through_a_server(tally: Tally, folder: Path) -> None:
    input_tokens, most = served_races.the_most()
    usage = {"input_tokens": input_tokens, "output_tokens": served_races.OUTPUT_TOKENS}
    rule = {"chunks": ["one"], "first_token_delay_s": 0.2, "usage": usage}
    store = MemoryKeyStore()
    tenants: dict[str, list[str]] = {}
    budget = Allowance(month_nano_usd=served_races.PAID * most + most - 1)
    for number in tally.times(SERVED_RACES):
        tenant = f"tenant-{number}"
        keys = [a_key(tenant=tenant) for _ in range(2)]
        await store.allow(tenant, budget)
        for _, key in keys:
            await store.add(key)
        tenants[tenant] = [secret for secret, _ in keys]
        tally.witness.words += tenants[tenant]
    config = configured({"auth": {"mode": "required"}, "ledger": {"directory": str(folder)}})
    async with serving({"rules": [rule]}, config, keys=store) as served:
        outcomes = {tenant: await _race(served, secrets) for tenant, secrets in tenants.items()}
    async with open_reader(LedgerSettings(folder)) as reader:
        for tenant, told in outcomes.items():
            with tally.run(f"the race of {tenant}"):
                await served_races.check_race(reader, tenant, told, most)
        with tally.run("the sums of the server"):
            assert await reader.audit() == ()


async def _race(served: Served, secrets: list[str]) -> dict[str, Outcome]:
    return await served_races.race([(served, secret) for secret in secrets])
