"""tests/cases against the server: real gRPC in front, the real SDK and the simulator behind."""

from __future__ import annotations

import grpc
import pytest

from tests.integration.invariants import check_all, check_spans, expected_tree, tree_of
from tests.messages import check, plain
from tests.serving import Outcome, Served, failure_of, outcome_of, serving
from tests.transcripts import Expectation, Transcript, transcripts
from tierwise.v1 import router_pb2

GENERATE = [case for case in transcripts() if case.call == "Generate"]
ROUTE = [case for case in transcripts() if case.call == "Route"]


@pytest.mark.parametrize("case", GENERATE, ids=lambda case: case.name)
async def test_generate_does_what_the_transcript_says(case: Transcript) -> None:
    async with serving(case.script, case.configuration) as served:
        request = case.message
        assert isinstance(request, router_pb2.GenerateRequest)
        outcome = await outcome_of(served.stub.Generate(request, timeout=case.timeout_s))
        await served.simulator.journal.settled()
    check(expected(case.expect), told_by(outcome))
    check_all(outcome, served)
    check_tree(case.expect, served)


@pytest.mark.parametrize("case", ROUTE, ids=lambda case: case.name)
async def test_route_does_what_the_transcript_says(case: Transcript) -> None:
    async with serving(None, case.configuration) as served:
        request = case.message
        assert isinstance(request, router_pb2.RouteRequest)
        try:
            response = plain(await served.stub.Route(request, timeout=case.timeout_s))
            outcome = Outcome("OK", "", [], [], {})
        except grpc.aio.AioRpcError as error:
            response, outcome = {}, failure_of(error)
    check(case.expect.response, response, "response")
    check(expected(case.expect), told_by(outcome))
    assert len(served.simulator.journal) == 0
    check_spans(outcome, served.spans.spans())
    check_tree(case.expect, served)


def check_tree(expect: Expectation, served: Served) -> None:
    if expect.spans:
        tree = tree_of(served.spans.spans())
        check(expected_tree(expect.spans), tree, "spans")


def expected(expect: Expectation) -> dict[str, object]:
    """Return what a caller is to get, for `differences`."""
    return {
        "status": expect.status,
        "reason": expect.reason,
        "retry_after_s": expect.retry_after_s,
        "violations": expect.violations,
        "kinds": [kind for event in expect.events for kind in event],
        "events": [fields for event in expect.events for fields in event.values()],
        "answer": expect.answer,
        "cost_nano_usd": expect.cost_nano_usd,
        "calls": expect.calls,
        "summary": expect.summary,
    }


def told_by(outcome: Outcome) -> dict[str, object]:
    """Return what a caller got, under the same names."""
    summary = {} if outcome.summary is None else plain(outcome.summary)
    cost = summary.get("cost")
    retries = outcome.all_of("RetryInfo")
    violations = [v.field for bad in outcome.all_of("BadRequest") for v in bad.field_violations]
    return {
        "status": outcome.status,
        "reason": outcome.reason,
        "retry_after_s": retries[0].retry_delay.ToTimedelta().total_seconds() if retries else None,
        "violations": violations,
        "kinds": outcome.kinds,
        "events": [event for _, event in outcome.events],
        "answer": answer_of(outcome),
        "cost_nano_usd": None if cost is None else cost["total_nano_usd"],
        "calls": summary.get("calls", []),
        "summary": summary,
    }


def answer_of(outcome: Outcome) -> str | None:
    """Return the text of the final attempt, told from the events as the contract says."""
    if outcome.status != "OK" or not outcome.messages:
        return None
    final = outcome.messages[-1].finished.summary.final_attempt
    texts = {event["attempt"]: "" for kind, event in outcome.events if kind == "attempt_started"}
    for kind, event in outcome.events:
        if kind == "text_delta":
            texts[event["attempt"]] += event["text"]
        if kind == "attempt_superseded":
            del texts[event["attempt"]]
    return texts[final]
