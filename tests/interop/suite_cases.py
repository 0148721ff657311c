"""tests/cases through every language's client: the same assertions for all."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import pytest

from tests.interop.driving import Called, Driver, Played
from tests.messages import check
from tests.serving import Served, serving
from tests.transcripts import Expectation, Transcript, transcripts
from tierwise_client._status import CLASS_OF_REASON

GENERATE = [case for case in transcripts() if case.call == "Generate"]
ROUTE = [case for case in transcripts() if case.call == "Route"]


@pytest.mark.parametrize("case", GENERATE, ids=lambda case: case.name)
async def test_generate(driver: Driver, case: Transcript) -> None:
    is_live = case.request.get("draft_delivery") == "DRAFT_DELIVERY_LIVE"
    for read in ("events",) if is_live else ("events", "text", "answer"):
        async with serving(case.script, case.configuration) as served:
            played = await play(driver, served, case, read=read)
        check_played(case.expect, played, read)


@pytest.mark.parametrize("case", ROUTE, ids=lambda case: case.name)
async def test_route(driver: Driver, case: Transcript) -> None:
    async with serving(None, case.configuration) as served:
        played = await play(driver, served, case)
    if case.expect.status == "OK":
        check(case.expect.response, played.end.get("response"), "response")
    else:
        check_error(case.expect, played)


async def play(driver: Driver, served: Served, case: Transcript, **words: Any) -> Played:
    """Play a case within a trace of its own, which the server must have seen, and once."""
    trace_id = secrets.token_hex(16)
    call: Called = {
        "call": case.call,
        "endpoint": served.endpoint,
        "request": case.request,
        "traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01",
        **words,
    }
    if case.timeout_s is not None:
        call["timeout_s"] = case.timeout_s
    played = await asyncio.to_thread(driver.play, call)
    await served.simulator.journal.settled()
    if "refused" not in played.end:
        servers = [span.trace_id for span in served.spans.spans() if span.kind == "SERVER"]
        assert servers == [trace_id]
    return played


def check_played(expect: Expectation, played: Played, read: str) -> None:
    if played.end.keys() == {"refused"} and expect.status == "INVALID_ARGUMENT":
        # A client may refuse what the server would; it says so before anything is sent.
        return
    if read == "events":
        check(
            [kind for event in expect.events for kind in event], [kind for kind, _ in played.told]
        )
        fields = [fields for event in expect.events for fields in event.values()]
        check(fields, [event for _, event in played.told], "events")
    if expect.status == "OK":
        check_answer(expect, played, read)
    else:
        check_error(expect, played)


def check_answer(expect: Expectation, played: Played, read: str) -> None:
    answer = played.answer
    check(expect.answer, answer["text"], "answer")
    if read == "text":
        check(expect.answer, "".join(played.texts), "text")
    check_account(expect, answer)


def check_account(expect: Expectation, account: dict[str, Any]) -> None:
    check(expect.summary, account, "summary")
    check(expect.calls, account.get("calls", []), "calls")
    cost = account.get("cost")
    check(expect.cost_nano_usd, None if cost is None else cost["total_nano_usd"], "cost")


def check_error(expect: Expectation, played: Played) -> None:
    texts = [event["text_delta"]["text"] for event in expect.events if "text_delta" in event]
    wanted = {
        "class": CLASS_OF_REASON[expect.reason].__name__,
        "status": expect.status,
        "reason": expect.reason,
        "violations": expect.violations,
        "retry_after_s": expect.retry_after_s,
        "started": bool(expect.events),
        "partial_text": "".join(texts[-1:]),
    }
    check(wanted, played.error, "error")
    check_account(expect, played.error["summary"] or {})
