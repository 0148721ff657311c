"""More is asked than can be served: what there is room for is served, and the rest is told so and costs nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from google.rpc import error_details_pb2

from tests.fault.worlds import GOOD, SOON_S
from tests.integration.invariants import check_bill, check_stream
from tests.serving import Outcome, Served, a_request, configured, outcome_of, serving
from tierwise.v1 import routing_pb2
from tierwise_server.rpc.admission import Admission

SLOW = {**GOOD, "first_token_delay_s": 0.1}
ANSWER_S = 0.25
LEAST_GOODPUT = 0.8


class WatchedAdmission(Admission):
    """Notes from when to when each place was held."""

    def __init__(self, places: int) -> None:
        super().__init__(places)
        self.held: list[tuple[float, float]] = []

    @contextmanager
    def place(self) -> Iterator[None]:
        with super().place():
            began_s = time.monotonic()
            try:
                yield
            finally:
                self.held.append((began_s, time.monotonic()))

    def held_s(self, until_s: float) -> float:
        """All places together, until then."""
        return sum(max(0.0, min(ended_s, until_s) - began_s) for began_s, ended_s in self.held)


async def offered(served: Served, count: int, every_s: float) -> tuple[list[Outcome], float]:
    """Make calls at a rate of their own, whatever becomes of them: an open loop; return when the last one came, too."""
    outcomes: list[Outcome] = []

    async def call() -> None:
        outcomes.append(await outcome_of(served.stub.Generate(a_request())))

    async with asyncio.timeout(SOON_S), asyncio.TaskGroup() as tasks:
        for _ in range(count):
            tasks.create_task(call())
            await asyncio.sleep(every_s)
        until_s = time.monotonic()
    return outcomes, until_s


def check_refusal(outcome: Outcome) -> None:
    """Check that a caller is told why, and when to come back, in its own words and in gRPC's."""
    assert (outcome.status, outcome.reason) == ("UNAVAILABLE", "OVERLOADED")
    [info] = outcome.all_of("RetryInfo")
    assert isinstance(info, error_details_pb2.RetryInfo)
    wait_ms = info.retry_delay.seconds * 1000 + info.retry_delay.nanos / 1e6
    assert wait_ms > 0
    assert abs(int(outcome.trailers["grpc-retry-pushback-ms"]) - wait_ms) <= 1


async def test_three_times_too_many_calls_are_served_as_far_as_there_is_room() -> None:
    assert await goodput() >= LEAST_GOODPUT


async def goodput() -> float:
    """Offer three times what the places allow; return what is served of what they allow.

    That is how much of the time the places are held, all by calls that are served: so a machine that is busy with other
    things, where each call takes longer, serves fewer of them, and is not taken for a server that turns away too many.
    """
    places = 10
    config: dict[str, Any] = {"server": {"max_concurrent_requests": places}}
    slow = {**GOOD, "first_token_delay_s": ANSWER_S}
    async with serving({"rules": [slow]}, configured(config)) as served:
        admission = served.app.service.admission = WatchedAdmission(places)
        # A place serves four calls in a second, so 40 in all; 120 come.
        began_s = time.monotonic()
        outcomes, until_s = await offered(served, 240, ANSWER_S / places / 3)
        journal = served.simulator.journal
        await journal.settled()
        served_well = [outcome for outcome in outcomes if outcome.status == "OK"]
        assert len(served_well) < 240
        for outcome in outcomes:
            check_stream(outcome)
            check_bill(outcome)
            if outcome.status != "OK":
                check_refusal(outcome)
                assert outcome.messages == []
        # Who was turned away cost nothing.
        assert len(journal) == len(served_well)
        assert at_once(served) <= places
        assert (await outcome_of(served.stub.Generate(a_request()))).status == "OK"
        assert len(admission.held) == len(served_well) + 1
        return admission.held_s(until_s) / (places * (until_s - began_s))


def at_once(served: Served) -> int:
    """The most calls that the upstream served at one time."""
    spans = [(entry.started_s, entry.ended_s or 0.0) for entry in served.simulator.journal]
    return max(sum(begin <= at < end for begin, end in spans) for at, _ in spans)


async def test_a_full_provider_makes_some_wait_and_turns_the_rest_away() -> None:
    config: dict[str, Any] = {"upstream": {"max_connections": 2, "max_queue": 3}}
    async with serving({"rules": [SLOW]}, configured(config)) as served:
        outcomes, _ = await offered(served, 10, 0.0)
        statuses = sorted(outcome.status for outcome in outcomes)
        assert statuses == ["OK"] * 5 + ["UNAVAILABLE"] * 5
        for outcome in outcomes:
            check_stream(outcome)
            check_bill(outcome)
            if outcome.status != "OK":
                check_refusal(outcome)
                check_never_asked(outcome)
        assert len(served.simulator.journal) == 5
        assert at_once(served) <= 2


def check_never_asked(outcome: Outcome) -> None:
    """Check that a call without a place was not asked, not billed, and not handed on to the next tier's queue."""
    assert outcome.summary is not None
    [call] = outcome.summary.calls
    assert call.tries == 0
    assert not call.HasField("usage")
    assert outcome.summary.cost.total_nano_usd == 0


async def test_callers_that_leave_the_queue_make_room_in_it() -> None:
    config: dict[str, Any] = {"upstream": {"max_connections": 1, "max_queue": 2}}
    rules = [{"times": 1, "fault": {"kind": "hang"}}, GOOD]
    routing = routing_pb2.RoutingOptions(tier="efficient")
    async with asyncio.timeout(SOON_S), serving({"rules": rules}, configured(config)) as served:
        for _ in range(20):
            waiting = [served.stub.Generate(a_request(routing=routing)) for _ in range(3)]
            for call in waiting:
                # `started` and `attempt_started`: it holds the place, or waits for it.
                await call.read()
                await call.read()
            for call in waiting:
                call.cancel()
            await served.simulator.journal.settled()
        assert (await outcome_of(served.stub.Generate(a_request()))).status == "OK"
