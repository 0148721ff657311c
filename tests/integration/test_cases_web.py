"""tests/cases against the web port, by JSON and the Connect protocol: the same assertions as on the gRPC port."""

from __future__ import annotations

import pytest

from tests.integration.invariants import check_all
from tests.integration.test_cases_server import (
    GENERATE,
    ROUTE,
    check_tree,
    expected,
    told_by,
)
from tests.messages import check, plain
from tests.transcripts import Transcript
from tests.web_calls import (
    generating_over_connect,
    outcome_over_connect,
    route_over_connect,
    web_serving,
)
from tierwise.v1 import router_pb2


@pytest.mark.parametrize("case", GENERATE, ids=lambda case: case.name)
async def test_generate_over_the_web_does_what_the_transcript_says(case: Transcript) -> None:
    request = case.message
    assert isinstance(request, router_pb2.GenerateRequest)
    async with web_serving(case.script, case.configuration) as (served, session):
        asked = generating_over_connect(session, request, case.timeout_s)
        async with asked as stream:
            outcome = await outcome_over_connect(stream)
        await served.simulator.journal.settled()
    check(expected(case.expect), told_by(outcome))
    check_all(outcome, served)
    check_tree(case.expect, served)


@pytest.mark.parametrize("case", ROUTE, ids=lambda case: case.name)
async def test_route_over_the_web_does_what_the_transcript_says(case: Transcript) -> None:
    request = case.message
    assert isinstance(request, router_pb2.RouteRequest)
    async with web_serving(None, case.configuration) as (served, session):
        response, outcome = await route_over_connect(session, request)
    check(case.expect.response, plain(response) if outcome.status == "OK" else {}, "response")
    check(expected(case.expect), told_by(outcome))
    check_tree(case.expect, served)
