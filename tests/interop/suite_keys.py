"""What a key lets its owner do, and a request with an id of the caller's own, through every language's client, on the
real server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from tests.integration.test_keys import keyed
from tests.interop.driving import Called, Driver, Played
from tests.interop.languages import Language
from tests.messages import check
from tests.serving import Served
from tierwise_server.access.entries import Allowance
from tierwise_server.access.secret import new_key

SLOW: Final = {"rules": [{"chunks": ["word "] * 50, "delta_interval_s": 0.04}]}


@dataclass(frozen=True, slots=True)
class Door:
    """A running server that asks for keys, and the one key it knows."""

    served: Served
    secret: str
    driver: Driver

    async def play(self, call: str = "Generate", **words: Any) -> Played:
        """Make a call with the key, unless another is given; None is no key."""
        fields = words.pop("fields", {})
        request = {"task_type": "classify_intent", **fields}
        if call == "Generate":
            content = [{"text": {"text": "Where is my parcel?"}}]
            request |= {"messages": [{"role": "ROLE_USER", "content": content}]}
            words = {"read": "answer", **words}
        endpoint = self.served.endpoint
        sent: Called = {"call": call, "endpoint": endpoint, "request": request, "timeout_s": 10}
        if "api_key" not in words:
            words["api_key"] = self.secret
        sent |= {name: word for name, word in words.items() if word is not None}
        return await asyncio.to_thread(self.driver.play, sent)


@asynccontextmanager
async def door(
    driver: Driver, script: Mapping[str, Any] | None = None, **fields: Any
) -> AsyncIterator[Door]:
    async with keyed(script, **fields) as (served, _, secret, _):
        yield Door(served, secret, driver)


def refused(kind: str, status: str, reason: str, **more: Any) -> dict[str, Any]:
    """An error of a call that was never begun and that cost nothing."""
    told = {"class": kind, "status": status, "reason": reason, "started": False}
    return {**told, "partial_text": "", "summary": None, **more}


async def test_key_opens_every_method(driver: Driver) -> None:
    async with door(driver) as at:
        assert (await at.play()).answer["text"]
        assert "response" in (await at.play("Route")).end


async def test_no_key_and_a_wrong_key_are_told_apart(driver: Driver) -> None:
    missing = refused("AuthenticationError", "UNAUTHENTICATED", "MISSING_CREDENTIALS")
    invalid = refused("AuthenticationError", "UNAUTHENTICATED", "INVALID_CREDENTIALS")
    async with door(driver) as at:
        for call in ("Generate", "Route"):
            check(missing, (await at.play(call, api_key=None)).error)
            check(invalid, (await at.play(call, api_key=new_key())).error)
        assert not len(at.served.simulator.journal)


async def test_key_uses_its_tiers_and_task_types_alone(driver: Driver) -> None:
    may: dict[str, Any] = {
        "tiers": frozenset({"efficient"}),
        "task_types": frozenset({"classify_intent"}),
    }
    tier = refused("PermissionDeniedError", "PERMISSION_DENIED", "TIER_NOT_ALLOWED")
    task_type = refused("PermissionDeniedError", "PERMISSION_DENIED", "TASK_TYPE_NOT_ALLOWED")
    async with door(driver, **may) as at:
        for call in ("Generate", "Route"):
            played = await at.play(call, fields={"routing": {"tier": "frontier"}})
            check(tier, played.error)
            check(task_type, (await at.play(call, fields={"task_type": "answer_faq"})).error)
        assert (await at.play()).answer["tier"] == "efficient"


async def test_rate_of_a_key_is_held_and_says_when_to_come_back(driver: Driver) -> None:
    async with door(driver, requests_per_minute=1) as at:
        assert (await at.play()).answer["text"]
        error = (await at.play()).error
        asked = len(at.served.simulator.journal)
    check(refused("RateLimitedError", "RESOURCE_EXHAUSTED", "RATE_LIMITED"), error)
    assert 0 < error["retry_after_s"] <= 60
    assert asked == 1


async def test_budget_that_cannot_pay_refuses_the_call(driver: Driver) -> None:
    async with door(driver, allowance=Allowance(day_nano_usd=10)) as at:
        error = (await at.play()).error
        assert not len(at.served.simulator.journal)
    check(refused("BudgetExceededError", "RESOURCE_EXHAUSTED", "BUDGET_EXCEEDED"), error)


async def test_request_that_is_in_flight_is_not_run_beside_itself(
    language: Language, driver: Driver
) -> None:
    apart = Driver(language.run)
    fields = {"request_id": "r-1"}
    async with door(driver, SLOW) as at, asyncio.TaskGroup() as tasks:
        first = tasks.create_task(replace(at, driver=apart).play(fields=fields))
        await at.served.simulator.journal.until(lambda journal: len(journal) == 1)
        error = (await at.play(fields=fields)).error
        assert (await first).answer["text"]
        assert len(at.served.simulator.journal) == 1
    apart.finish()
    in_flight = refused("RequestInFlightError", "ABORTED", "REQUEST_IN_FLIGHT")
    check({**in_flight, "retry_after_s": 1}, error)


async def test_request_sent_again_is_answered_the_same_and_unpaid(driver: Driver) -> None:
    async with door(driver) as at:
        told = [(await at.play(fields={"request_id": "r-1"})).answer for _ in range(2)]
        other = {"request_id": "r-1", "task_type": "answer_faq"}
        error = (await at.play(fields=other)).error
        asked = len(at.served.simulator.journal)
    assert told[0]["text"]
    assert told[0] == told[1]
    violations = {"violations": ["request_id"]}
    reused = refused("InvalidRequestError", "INVALID_ARGUMENT", "REQUEST_ID_REUSED")
    check(reused | violations, error)
    assert asked == 1
