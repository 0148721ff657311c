"""F55: configurations, good and bad, taken over while the server serves."""

from __future__ import annotations

import asyncio
from typing import Final

from tests.fault.wall.catalogue import scenario
from tests.fault.wall.state import a_folder
from tests.fault.wall.tally import Tally
from tests.integration.test_reloading import BAD, ROW, put, reloadable, tier_of
from tests.serving import a_request, outcome_of

CALLERS: Final = 4
TIERS: Final = ("efficient", "frontier")


@scenario(
    "F55", "a bad file changes nothing, a good one counts from the next request; no call fails"
)
async def reloads(tally: Tally) -> None:
    bad = list(BAD.values())
    refused = calls = 0
    broken: list[str] = []
    with a_folder() as folder:
        path = folder / "tierwise.toml"
        path.write_text(ROW.format(TIERS[0]))
        async with reloadable(path) as (served, reloader):
            going = True

            async def caller() -> None:
                nonlocal calls
                while going:
                    outcome = await outcome_of(served.stub.Generate(a_request()))
                    calls += 1
                    if outcome.status != "OK":
                        broken.append(f"{outcome.status} {outcome.reason}")

            async with asyncio.TaskGroup() as tasks:
                for _ in range(CALLERS):
                    tasks.create_task(caller())
                for number in tally.times(1000):
                    with tally.run(f"reload {number}"):
                        version = served.app.engine.table.version
                        if number % 3 == 2:
                            put(path, bad[number // 3 % len(bad)])
                            assert not await reloader.reload()
                            assert served.app.engine.table.version == version
                            refused += 1
                        else:
                            tier = TIERS[number % 2]
                            put(path, ROW.format(tier))
                            assert await reloader.reload()
                            assert await tier_of(served) == tier
                going = False
    tally.count(calls, broken)
    tally.detail = f"{refused} bad files among the reloads, under {calls:,} calls"
