"""F47: the same request sent again, while it runs, after it ended, and with another body."""

from __future__ import annotations

import asyncio
from typing import Final

from tests.fault.wall.catalogue import scenario
from tests.fault.wall.tally import Tally
from tests.serving import a_request, outcome_of, serving

DRIP: Final = {"rules": [{"chunks": ["word "] * 5, "delta_interval_s": 0.02}]}
AT_ONCE: Final = 64


@scenario("F47", "of 64 at once one asks the provider; sent again it is answered the same, unpaid")
async def same_request_twice(tally: Tally) -> None:
    async with serving(DRIP) as served:
        journal = served.simulator.journal

        async def play(number: int) -> None:
            asked = len(journal)
            request = a_request(request_id=f"r-{number}")
            async with asyncio.TaskGroup() as tasks:
                calls = [
                    tasks.create_task(outcome_of(served.stub.Generate(request)))
                    for _ in range(AT_ONCE)
                ]
            outcomes = [call.result() for call in calls]
            answers = [outcome for outcome in outcomes if outcome.status == "OK"]
            told = {outcome.reason for outcome in outcomes if outcome.status != "OK"}
            assert answers
            assert told <= {"REQUEST_IN_FLIGHT"}
            again = await outcome_of(served.stub.Generate(request))
            assert again.messages == answers[0].messages
            other = a_request("Something else", request_id=f"r-{number}")
            assert (await outcome_of(served.stub.Generate(other))).reason == "REQUEST_ID_REUSED"
            assert len(journal) == asked + 1

        for number in tally.times(50):
            with tally.run():
                await play(number)
    tally.detail = f"{AT_ONCE} at once"
