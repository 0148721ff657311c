"""tests/cases through the Python client, sync and async: the same answers, bills and errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.contract.client_forms import AnyClient, ClientForm, both_clients
from tests.messages import check, plain
from tests.serving import serving
from tests.transcripts import Request, Transcript, transcripts
from tierwise.v1 import router_pb2
from tierwise_client import Answer, TierwiseError
from tierwise_client._status import CLASS_OF_REASON

GENERATE = [case for case in transcripts() if case.call == "Generate"]
ROUTE = [case for case in transcripts() if case.call == "Route"]
ROUTING = ("tier", "max_tier", "escalation", "confidence_threshold", "max_cost_nano_usd")
GENERATION = ("max_output_tokens", "temperature", "top_p")


def options_of(request: Request) -> dict[str, Any]:
    """Return the client's options that make this request."""
    options: dict[str, Any] = {"task_type": request.task_type, "system": request.system}
    for group, names in ((request.routing, ROUTING), (request.generation, GENERATION)):
        options |= {name: value for name, value in plain(group).items() if name in names}
    options["stop_sequences"] = list(request.generation.stop_sequences)
    if isinstance(request, router_pb2.GenerateRequest):
        options |= {"request_id": request.request_id, "labels": dict(request.labels)}
    return options


def is_live(request: Request) -> bool:
    live = router_pb2.DRAFT_DELIVERY_LIVE
    return isinstance(request, router_pb2.GenerateRequest) and request.draft_delivery == live


async def answered(client: AnyClient, case: Transcript) -> Answer:
    request = case.message
    options = options_of(request)
    if not is_live(request):
        return await client.generate(list(request.messages), **options)
    async with client.stream(list(request.messages), draft_delivery="LIVE", **options) as stream:
        async for _ in stream.events:
            pass
        return stream.answer


@both_clients
@pytest.mark.parametrize("case", GENERATE, ids=lambda case: case.name)
async def test_the_client_folds_what_the_transcript_says(
    form: ClientForm, case: Transcript
) -> None:
    async with serving(case.script, case.configuration) as served, form(served.endpoint) as client:
        try:
            answer = await answered(client, case)
        except TierwiseError as error:
            check_error(case, error)
        else:
            check_answer(case, answer)


@both_clients
@pytest.mark.parametrize("case", ROUTE, ids=lambda case: case.name)
async def test_the_client_routes_as_the_transcript_says(form: ClientForm, case: Transcript) -> None:
    async with serving(None, case.configuration) as served, form(served.endpoint) as client:
        try:
            result = await client.route(list(case.message.messages), **options_of(case.message))
        except TierwiseError as error:
            check_error(case, error)
        else:
            assert case.expect.status == "OK"
            check(case.expect.response, in_words(result, case.expect.response), "response")


def check_answer(case: Transcript, answer: Answer) -> None:
    expect = case.expect
    assert expect.status == "OK"
    check(expect.answer, answer.text, "answer")
    check(expect.cost_nano_usd, None if answer.cost is None else answer.cost.total_nano_usd, "cost")
    check(expect.summary, in_words(answer, expect.summary), "summary")
    calls = [
        in_words(call, wanted) for call, wanted in zip(answer.calls, expect.calls, strict=True)
    ]
    check(expect.calls, calls, "calls")


def check_error(case: Transcript, error: TierwiseError) -> None:
    expect = case.expect
    assert (error.status.name, error.reason) == (expect.status, expect.reason)
    assert type(error) is CLASS_OF_REASON[expect.reason]
    assert [violation.field for violation in error.field_violations] == expect.violations
    assert error.retry_after_s == expect.retry_after_s
    assert error.started is bool(expect.events)
    cost = error.summary.cost if error.summary else None
    check(expect.cost_nano_usd, None if cost is None else cost.total_nano_usd, "cost")
    texts = [event["text_delta"]["text"] for event in expect.events if "text_delta" in event]
    assert error.partial_text == "".join(texts[-1:])


def in_words(value: object, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a client's value that an expectation names."""
    return {name: _word(getattr(value, name), part) for name, part in wanted.items()}


def _word(value: Any, wanted: Any) -> Any:
    if isinstance(wanted, Mapping):
        return None if value is None else in_words(value, wanted)
    if isinstance(wanted, list):
        parts = [*wanted, *[None] * (len(value) - len(wanted))]
        return [_word(item, part) for item, part in zip(value, parts, strict=False)]
    return str(value) if isinstance(value, str) else value
