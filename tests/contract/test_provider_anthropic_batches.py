"""What a batch says of each of its calls is read one by one: one that cannot be read spoils no other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.anthropic_calls import CANARY
from tests.contract.raw_upstream import raw_upstream, response
from tierwise_server.errors import Reason, UpstreamError
from tierwise_server.providers.anthropic.batches import AnthropicBatches
from tierwise_server.providers.batches import BatchAnswer

MESSAGE = {
    "id": "msg_1",
    "content": [{"type": "text", "text": "yes"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 1},
}


async def results_of(*lines: dict[str, Any] | str) -> dict[str, BatchAnswer | UpstreamError]:
    body = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    async with raw_upstream(response(body.encode())) as upstream:
        batches = AnthropicBatches("any", base_url=upstream.base_url)
        try:
            return {name: result async for name, result in batches.results("msgbatch_1")}
        finally:
            await batches.aclose()


def succeeded(name: str, message: Any) -> dict[str, Any]:
    return {"custom_id": name, "result": {"type": "succeeded", "message": message}}


def errored(name: str, kind: str, message: str) -> dict[str, Any]:
    error = {"type": "error", "error": {"type": kind, "message": message}}
    return {"custom_id": name, "result": {"type": "errored", "error": error}}


@pytest.mark.parametrize(
    ("kind", "message", "reason"),
    [
        ("invalid_request_error", "prompt is too long: 9 tokens > 8", Reason.CONTEXT_TOO_LONG),
        ("request_too_large", "", Reason.CONTEXT_TOO_LONG),
        ("invalid_request_error", CANARY, Reason.UPSTREAM_REJECTED),
        ("rate_limit_error", "", Reason.UPSTREAM_RATE_LIMITED),
        ("overloaded_error", "prompt is too long", Reason.UPSTREAM_OVERLOADED),
        ("api_error", CANARY, Reason.UPSTREAM_UNAVAILABLE),
        ("brand_new_error", "", Reason.UPSTREAM_UNAVAILABLE),
    ],
)
async def test_an_errored_call_has_the_reason_it_has_outside_of_batches(
    kind: str, message: str, reason: Reason
) -> None:
    found = await results_of(errored("one", kind, message))
    error = found["one"]
    assert isinstance(error, UpstreamError)
    assert error.reason is reason
    assert CANARY not in error.message


@pytest.mark.parametrize(
    "spoilt",
    [
        succeeded("spoilt", {**MESSAGE, "content": None}),
        succeeded("spoilt", {**MESSAGE, "content": [{"type": "text"}]}),
        succeeded("spoilt", {**MESSAGE, "usage": 7}),
        succeeded("spoilt", ["no object"]),
        {"custom_id": "spoilt"},
        {"custom_id": "spoilt", "result": {"type": "errored", "error": "words"}},
    ],
)
async def test_a_result_that_cannot_be_read_fails_alone(spoilt: dict[str, Any]) -> None:
    found = await results_of(succeeded("one", MESSAGE), spoilt, succeeded("two", MESSAGE))
    assert isinstance(found["one"], BatchAnswer)
    assert isinstance(found["two"], BatchAnswer)
    error = found["spoilt"]
    assert isinstance(error, UpstreamError)
    assert error.reason is Reason.UPSTREAM_PROTOCOL


@pytest.mark.parametrize("line", ["<html>", "{}", "[1]"])
async def test_a_page_that_is_no_list_of_results_is_none(line: str) -> None:
    """Nobody's result: the batch is not taken as read, so that it can be read again."""
    with pytest.raises(UpstreamError) as caught:
        await results_of(succeeded("one", MESSAGE), line)
    assert caught.value.reason is Reason.UPSTREAM_PROTOCOL
