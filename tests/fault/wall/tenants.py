"""F69: a noisy tenant."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import time
from collections.abc import Iterator
from typing import Final

from tests.fault.wall.catalogue import scenario
from tests.fault.wall.tally import Tally
from tests.integration import test_keys
from tests.integration.test_keys import bearer, generate, stored
from tests.serving import Served, configured, serving
from tests.unit.access.records import a_key
from tierwise_server.app import settle_interpreter

QUIET: Final = 9
QUIET_EVERY_S: Final = 0.3
SCRIPT: Final = {"rules": [{"chunks": ["one ", "two"], "delta_interval_s": 0.1}]}


@contextlib.contextmanager
def settled() -> Iterator[None]:
    """Set the interpreter up as the server's program does, and back again: here its collections would be the test's."""
    thresholds, switch_s = gc.get_threshold(), sys.getswitchinterval()
    settle_interpreter()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(switch_s)


@scenario(
    "F69",
    "the noisy one is held to its limit; nine quiet ones are all served, their p99 at most 1.5 times what it is alone",
)
async def noisy_tenants(tally: Tally) -> None:
    noisy, noisy_key = a_key(tenant="noisy", streams=4)
    quiet = [a_key(tenant=f"quiet-{number}") for number in range(QUIET)]
    store = await stored(noisy_key, *(key for _, key in quiet))
    secrets = [secret for secret, _ in quiet]
    tally.witness.words += [noisy, *secrets]
    alone: list[float] = []
    beside: list[float] = []
    outcomes: list[str] = []
    with settled():
        async with serving(SCRIPT, configured(test_keys.REQUIRED), keys=store) as served:
            # In short turns, so that what else the machine does meets both alike.
            for _ in tally.times(20):
                alone += await _quiet_calls(tally, served, secrets)
                async with asyncio.TaskGroup() as tasks:
                    flood = tasks.create_task(_flood(served, noisy, outcomes))
                    beside += await _quiet_calls(tally, served, secrets)
                    flood.cancel()
            tally.witness.search_spans(served)
    with tally.run("the noisy one"):
        assert set(outcomes) == {"", "RATE_LIMITED"}
    if tally.scale == 1:
        with tally.run("the quiet ones"):
            assert _share(beside, 0.99) <= 1.5 * _share(alone, 0.99)
    times = [f"{_share(took, at) * 1000:.0f} ms" for at in (0.5, 0.99) for took in (alone, beside)]
    tally.detail = (
        f"median of the quiet {times[0]} alone, {times[1]} beside the noisy one; p99 {times[2]} and {times[3]}; "
        f"of {len(outcomes)} calls of the noisy one, 100 a second, {outcomes.count('RATE_LIMITED')} were refused"
    )


async def _flood(served: Served, secret: str, outcomes: list[str]) -> None:
    """Make 100 calls a second, whatever becomes of them, until it is ended; those under way are left."""
    async with asyncio.TaskGroup() as tasks:

        async def call() -> None:
            outcomes.append((await generate(served, bearer(secret))).reason)

        while True:
            tasks.create_task(call())
            await asyncio.sleep(0.01)


def _share(took: list[float], at: float) -> float:
    return sorted(took)[int(len(took) * at)]


async def _quiet_calls(tally: Tally, served: Served, secrets: list[str]) -> list[float]:
    """Have each of them make three calls, three a second, which leaves the machine room; return how long they took."""
    took: list[float] = []

    async def one(number: int, secret: str) -> None:
        await asyncio.sleep(QUIET_EVERY_S * number / QUIET)
        for _ in tally.times(3):
            with tally.run("a quiet tenant"):
                began = time.monotonic()
                assert (await generate(served, bearer(secret))).status == "OK"
                took.append(time.monotonic() - began)
            await asyncio.sleep(max(0.0, QUIET_EVERY_S - took[-1]))

    async with asyncio.TaskGroup() as tasks:
        for number, secret in enumerate(secrets):
            tasks.create_task(one(number, secret))
    return took
