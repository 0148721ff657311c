"""F69: a noisy tenant."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from tests.fault.wall.catalogue import scenario
from tests.fault.wall.tally import Tally
from tests.integration import test_keys
from tests.integration.test_keys import bearer, generate, stored
from tests.serving import Served, configured, serving
from tests.unit.access.records import a_key

QUIET: Final = 9
SCRIPT: Final = {"rules": [{"chunks": ["one ", "two"], "delta_interval_s": 0.005}]}


@scenario("F69", "the noisy one is held to its limit; nine quiet ones are all served")
async def noisy_tenants(tally: Tally) -> None:
    noisy, noisy_key = a_key(tenant="noisy", streams=4)
    quiet = [a_key(tenant=f"quiet-{number}") for number in range(QUIET)]
    store = await stored(noisy_key, *(key for _, key in quiet))
    secrets = [secret for secret, _ in quiet]
    tally.witness.words += [noisy, *secrets]
    async with serving(SCRIPT, configured(test_keys.REQUIRED), keys=store) as served:
        alone = await _quiet_calls(tally, served, secrets)
        refused = 0
        going = True

        async def flood() -> None:
            nonlocal refused
            while going:
                outcome = await generate(served, bearer(noisy))
                assert outcome.status == "OK" or outcome.reason == "RATE_LIMITED"
                refused += outcome.status != "OK"
                await asyncio.sleep(0.02)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(20):
                tasks.create_task(flood())
            beside = await _quiet_calls(tally, served, secrets)
            going = False
        tally.witness.search_spans(served)
    if tally.scale == 1:
        with tally.run("the noisy one"):
            assert refused > 0
    tally.detail = (
        f"median of the quiet {alone * 1000:.0f} ms alone, {beside * 1000:.0f} ms beside the noisy "
        f"one, which was refused {refused} times"
    )


async def _quiet_calls(tally: Tally, served: Served, secrets: list[str]) -> float:
    took: list[float] = []

    async def one(secret: str) -> None:
        for _ in tally.times(40):
            with tally.run("a quiet tenant"):
                began = time.monotonic()
                assert (await generate(served, bearer(secret))).status == "OK"
                took.append(time.monotonic() - began)

    async with asyncio.TaskGroup() as tasks:
        for secret in secrets:
            tasks.create_task(one(secret))
    return sorted(took)[len(took) // 2]
