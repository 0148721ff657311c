"""F1 to F10, and F22 to F24: what a provider, and the way to it, can do wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.fault.proxy import Down, LimitData, ResetPeer, Timeout
from tests.fault.wall.catalogue import scenario
from tests.fault.wall.tally import BODY, Tally, with_config
from tests.fault.worlds import GOOD, ONE_PLACE, STRONG, text_of
from tests.messages import plain
from tests.serving import KEY, Outcome, a_request
from tierwise.v1 import routing_pb2

CHUNKS = ["Once ", "upon ", "a time ", "there ", "was a router."]
WHOLE = "".join(CHUNKS)
USAGE = {"input_tokens": 10, "output_tokens": 12}
EVENTS = 11
"""Events of that answer: start, block, ping, five deltas, block end, message end, stop."""

LOST = {"UPSTREAM_UNAVAILABLE", "UPSTREAM_INTERRUPTED", "UPSTREAM_PROTOCOL"}
QUICK = with_config(
    {"upstream": {"retry": {"max_tries": 3, "base_delay_s": 0.001, "max_delay_s": 0.001}}}
)


def rules(fault: Mapping[str, Any], times: int = 1, **fields: Any) -> list[dict[str, Any]]:
    """A script that strikes the first answers, and then is well."""
    answer = {"chunks": CHUNKS, "usage": USAGE, **fields}
    return [{**answer, "times": times, "fault": dict(fault)}, dict(GOOD)]


def status(code: int, **fields: Any) -> dict[str, Any]:
    return {"kind": "status", "status": code, "message": f"{BODY} {KEY}", **fields}


def check_failed_calls(outcome: Outcome, tries: int) -> None:
    """The bill has the call, how often it was tried, and no cost where nothing began."""
    assert outcome.summary is not None
    [call] = plain(outcome.summary)["calls"]
    assert call["status"] == "FAILED"
    assert call["tries"] == tries
    assert (call["usage"] is None) or call["usage_estimated"]


async def strike(
    tally: Tally,
    fault: Mapping[str, Any],
    *,
    code: str = "UNAVAILABLE",
    reasons: Sequence[str] | set[str],
    tries: int = 1,
    config: Mapping[str, Any] = ONE_PLACE,
    then: str = "",
) -> None:
    """Play a fault once: status, reason, bill, tries; then all is well again, at the tier `then` where it is given."""
    with tally.run(str(dict(fault))):
        async with tally.world(rules(fault, times=tries), config=config) as world:
            outcome = await world.ask()
            seen = text_of(outcome)
            allowed = {"UPSTREAM_INTERRUPTED"} if seen else set(reasons)
            assert (outcome.status, outcome.reason) in {(code, reason) for reason in allowed}
            assert WHOLE.startswith(seen)
            assert world.posts == tries
            check_failed_calls(outcome, tries)
            await world.is_well_again(then)


@scenario("F1", "waits at least as long as it is told, then answers")
async def rate_limited(tally: Tally) -> None:
    async def play(_: int) -> None:
        async with tally.world(rules(status(429, retry_after="1")), config=QUICK) as world:
            outcome = await world.ask()
            assert (outcome.status, text_of(outcome)) == ("OK", GOOD["answer"])
            first, second = world.served.simulator.journal.messages
            assert first.ended_s is not None
            assert second.started_s - first.ended_s >= 0.99
            await world.is_well_again()

    await tally.together(len(tally.times(20)), play)


@scenario("F2", "UNAVAILABLE at once, the wait in RetryInfo; asked once, by nobody until then")
async def rate_limited_for_long(tally: Tally) -> None:
    took: list[float] = []
    for number in tally.times(20):
        long = number % 2 == 0
        with tally.run("120 s" if long else "beyond the deadline"):
            wait_s = 120 if long else 30
            fault = status(429, retry_after=str(wait_s))
            async with tally.world(rules(fault), config=QUICK) as world:
                began = time.monotonic()
                timeout_s = None if long else 5.0
                outcome = await world.ask(timeout_s=timeout_s)
                took.append(time.monotonic() - began)
                assert (outcome.status, outcome.reason) == ("UNAVAILABLE", "UPSTREAM_RATE_LIMITED")
                [info] = outcome.all_of("RetryInfo")
                assert info.retry_delay.seconds == wait_s
                assert took[-1] < 1.0
                check_failed_calls(outcome, 1)
                again = await world.ask(timeout_s=timeout_s)
                assert (again.status, again.reason) == ("UNAVAILABLE", "UPSTREAM_RATE_LIMITED")
                check_failed_calls(again, 0)
                assert world.posts == 1
                await world.is_well_again("frontier")
    tally.detail = f"told within {max(took, default=0) * 1000:.0f} ms at most"


@scenario("F3", "FAILED_PRECONDITION UPSTREAM_SPEND_LIMIT, asked once")
async def spend_limit(tally: Tally) -> None:
    for _ in tally.times(20):
        await strike(
            tally,
            status(402, error_type="billing_error"),
            code="FAILED_PRECONDITION",
            reasons={"UPSTREAM_SPEND_LIMIT"},
            config=QUICK,
        )


@scenario("F4", "no advice: tried three times without waiting; the absurd is not waited for")
async def odd_advice(tally: Tally) -> None:
    past = "Sun, 06 Nov 1994 08:49:37 GMT"
    for _ in tally.times(4):
        for advice in ("0", "-5", "abc", "", "nan", "inf", past):
            await strike(
                tally,
                status(429, retry_after=advice),
                reasons={"UPSTREAM_RATE_LIMITED"},
                tries=3,
                config=QUICK,
            )
        fault = status(429, retry_after="1000000000")
        await strike(tally, fault, reasons={"UPSTREAM_RATE_LIMITED"}, config=QUICK, then="frontier")


@scenario("F5", "three tries, then UNAVAILABLE UPSTREAM_OVERLOADED, as a status and as an event")
async def overloaded(tally: Tally) -> None:
    for _ in tally.times(20):
        reasons = {"UPSTREAM_OVERLOADED"}
        await strike(tally, status(529), reasons=reasons, tries=3, config=QUICK)
        fault = {"kind": "error_event", "at_event": 0, "error_type": "overloaded_error"}
        await strike(tally, fault, reasons=reasons, tries=3, config=QUICK)


@scenario("F6", "exactly three tries, then UNAVAILABLE UPSTREAM_UNAVAILABLE")
async def server_errors(tally: Tally) -> None:
    for _ in tally.times(20):
        for code in (500, 502, 503, 504, 408, 409):
            await strike(
                tally, status(code), reasons={"UPSTREAM_UNAVAILABLE"}, tries=3, config=QUICK
            )


@scenario("F7", "INVALID_ARGUMENT CONTEXT_TOO_LONG, asked once")
async def too_long(tally: Tally) -> None:
    words = {"kind": "status", "status": 400, "message": "prompt is too long: 200001 tokens"}
    for _ in tally.times(20):
        with tally.run():
            fault = {**words, "error_type": "invalid_request_error"}
            async with tally.world([*rules(fault)], config=QUICK) as world:
                outcome = await world.ask(routing=routing_pb2.RoutingOptions(max_tier="efficient"))
                assert (outcome.status, outcome.reason) == ("INVALID_ARGUMENT", "CONTEXT_TOO_LONG")
                assert world.posts == 1
                await world.is_well_again()


@scenario("F8", "INTERNAL UPSTREAM_AUTH, nothing of the body is told")
async def refused_key(tally: Tally) -> None:
    for _ in tally.times(20):
        for code in (401, 403):
            await strike(
                tally, status(code), code="INTERNAL", reasons={"UPSTREAM_AUTH"}, config=QUICK
            )


@scenario("F9", "INTERNAL UPSTREAM_MODEL_MISSING, asked once")
async def missing_model(tally: Tally) -> None:
    for _ in tally.times(20):
        await strike(
            tally, status(404), code="INTERNAL", reasons={"UPSTREAM_MODEL_MISSING"}, config=QUICK
        )


@scenario("F10", "text already told stays; UNAVAILABLE, an estimate on the bill; a draft gives way")
async def error_events(tally: Tally) -> None:
    types = {
        "overloaded_error": {"UPSTREAM_OVERLOADED"},
        "api_error": {"UPSTREAM_INTERRUPTED"},
        "made_up_error": {"UPSTREAM_INTERRUPTED"},
    }
    for at in tally.some(range(EVENTS)):
        for error_type, reasons in types.items():
            fault = {"kind": "error_event", "at_event": at, "error_type": error_type}
            await strike(tally, fault, reasons=reasons)
            await give_way(tally, fault)


async def give_way(tally: Tally, fault: Mapping[str, Any]) -> None:
    """Strike a draft that is held, and one that is live: the answer is the stronger tier's alone."""
    for delivery in ("DRAFT_DELIVERY_HELD", "DRAFT_DELIVERY_LIVE"):
        with tally.run(f"{dict(fault)}, {delivery}"):
            weak = {"model": "claude-haiku-*", "kind": "answer"}
            script = [{**rule, **weak} for rule in rules(fault)[:1]]
            async with tally.world([*script, dict(STRONG), dict(GOOD)]) as world:
                outcome = await world.ask(escalation=True, delivery=delivery)
                assert (outcome.status, outcome.reason) == ("OK", "")
                told = [(e["attempt"], e["text"]) for k, e in outcome.events if k == "text_delta"]
                assert "".join(text for attempt, text in told if attempt == 2) == STRONG["answer"]
                assert delivery.endswith("LIVE") or {attempt for attempt, _ in told} == {2}
                await world.is_well_again()


@scenario("F22", "UNAVAILABLE UPSTREAM_UNAVAILABLE after three tries, no call billed")
async def unreachable(tally: Tally) -> None:
    for _ in tally.times(20):
        for toxic in (Down(), LimitData(0), ResetPeer(0)):
            with tally.run(str(toxic)):
                async with tally.world([dict(GOOD)], toxic=toxic, config=QUICK) as world:
                    outcome = await world.ask()
                    assert (outcome.status, outcome.reason) == (
                        "UNAVAILABLE",
                        "UPSTREAM_UNAVAILABLE",
                    )
                    check_failed_calls(outcome, 3)
                    await world.is_well_again()


@scenario("F23", "a bounded wait, then UNAVAILABLE OVERLOADED with RetryInfo; never asked")
async def no_connection_left(tally: Tally) -> None:
    full: dict[str, Any] = {
        "server": {"max_concurrent_requests": 100},
        "upstream": {"max_connections": 2, "max_queue": 8, "queue_timeout_s": 0.2},
    }
    for _ in tally.times(20):
        with tally.run():
            script = [{"times": 2, "fault": {"kind": "hang"}}, dict(GOOD)]
            patient = {"upstream": {"first_event_timeout_s": 1.0}}
            async with tally.world(script, config=with_config(full, patient)) as world:
                async with asyncio.TaskGroup() as tasks:
                    asked = [tasks.create_task(world.ask()) for _ in range(10)]
                outcomes = [task.result() for task in asked]
                shed = [o for o in outcomes if o.reason == "OVERLOADED"]
                assert len(shed) == 8
                assert all(o.status == "UNAVAILABLE" and o.all_of("RetryInfo") for o in shed)
                assert world.posts == 2
                await world.is_well_again()


@scenario("F24", "not followed: UNAVAILABLE UPSTREAM_PROTOCOL; nobody else hears the key")
async def redirects(tally: Tally) -> None:
    for _ in tally.times(20):
        with tally.run():
            async with tally.world(rules({"kind": "redirect"})) as world:
                outcome = await world.ask()
                assert (outcome.status, outcome.reason) == ("UNAVAILABLE", "UPSTREAM_PROTOCOL")
                paths = {entry.path for entry in world.served.simulator.journal}
                assert paths == {"/v1/messages"}
                await world.is_well_again()


@scenario("broken connections", "never an answer, whatever byte of the connection is the last")
async def broken_connections(tally: Tally) -> None:
    kinds = (LimitData, ResetPeer, Timeout)
    toxics = [kind(limit) for kind in kinds for limit in range(0, 1200, 40)]

    async def play(number: int) -> None:
        script = [{"chunks": CHUNKS, "usage": USAGE, "times": 1}, dict(GOOD)]
        async with tally.world(script, toxic=chosen[number]) as world:
            outcome = await world.ask(a_request("Go."))
            assert outcome.status == "UNAVAILABLE"
            assert outcome.reason in {*LOST, "UPSTREAM_TIMEOUT"}
            assert WHOLE.startswith(text_of(outcome))
            await world.is_well_again()

    chosen = tally.some(toxics)
    await tally.together(len(chosen), play, at_once=10)
