"""F11: streams that break off at every byte, in every way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from tests.fault.wall.catalogue import scenario
from tests.fault.wall.streams import ENDINGS, GOLDEN, Golden, StreamReading, stream_reading
from tests.fault.wall.tally import Tally
from tests.fault.wall.upstream import CHUNKS, LOST, USAGE, WHOLE
from tests.fault.worlds import GOOD, text_of

AT_ONCE: Final = 64
REASONS: Final = {
    "UPSTREAM_INTERRUPTED",
    "UPSTREAM_PROTOCOL",
    "UPSTREAM_TIMEOUT",
    "UPSTREAM_OVERLOADED",
    "UPSTREAM_UNAVAILABLE",
}

Cut = tuple[Golden, int, str]


@scenario("F11", "never OK without message_stop; a reason of the table; text is a true prefix")
async def every_byte(tally: Tally) -> None:
    cuts: list[Cut] = [
        (golden, at, ending)
        for golden in GOLDEN
        for ending in ENDINGS
        for at in range(len(golden.body) + 1)
    ]
    chosen = iter(tally.some(cuts))
    async with stream_reading() as reading:
        reading.upstream.bodies |= {golden.name.replace(" ", "-"): golden.body for golden in GOLDEN}
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(_worker(tally, reading, chosen))
    sizes = ", ".join(f"{golden.name} {len(golden.body)}" for golden in GOLDEN)
    tally.detail = f"bytes of the streams: {sizes}; endings: {', '.join(ENDINGS)}"


async def _worker(tally: Tally, reading: StreamReading, cuts: Iterable[Cut]) -> None:
    for golden, at, ending in cuts:
        with tally.run(f"{golden.name} at {at} by {ending}"):
            got = await reading.read(
                {
                    "x-body": golden.name.replace(" ", "-"),
                    "x-cut": str(at),
                    "x-ending": ending,
                }
            )
            if at >= golden.whole_at and ending != "error":
                assert (got.reason, got.text) == (None, golden.text), got
            else:
                assert got.reason in REASONS, got
                assert golden.text.startswith(got.text), got


@scenario("cuts, whole server", "UNAVAILABLE, an estimate on the bill, the next call is well")
async def through_the_server(tally: Tally) -> None:
    kinds = ("cut", "end", "reset")
    for number in tally.times(300):
        kind, at = kinds[number % 3], tally.chance.randrange(1400)
        with tally.run(f"{kind} at {at}"):
            fault = {"kind": kind, "at_byte": at}
            script = [{"chunks": CHUNKS, "usage": USAGE, "times": 1, "fault": fault}, dict(GOOD)]
            async with tally.world(script) as world:
                outcome = await world.ask()
                assert (outcome.status, outcome.reason in LOST) == ("UNAVAILABLE", True)
                assert WHOLE.startswith(text_of(outcome))
                await world.is_well_again()
