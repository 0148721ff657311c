"""The simulator is the Messages API as far as the real SDK can tell."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import AsyncAnthropic

from tierwise_server.errors import ConfigurationError
from tierwise_server.simulator import (
    Script,
    Simulator,
    SimulatorOptions,
    estimate_tokens,
    run_simulator,
)

HAIKU = "claude-haiku-4-5"
SCORE_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"confidence": {"type": "integer", "enum": list(range(1, 11))}},
    "required": ["confidence"],
    "additionalProperties": False,
}
RULES = [
    {"kind": "check", "model": "claude-haiku-*", "contains": "[hard]", "confidence": 4},
    {"contains": "[hard]", "answer": "It is difficult to say."},
]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(script={"rules": RULES}) as running:
        yield running


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[AsyncAnthropic]:
    async with sdk(simulator.base_url) as made:
        yield made


def sdk(base_url: str) -> AsyncAnthropic:
    return AsyncAnthropic(base_url=base_url, api_key="test", max_retries=0)


def asking(text: str, **fields: Any) -> dict[str, Any]:
    return {
        "model": HAIKU,
        "max_tokens": 500,
        "messages": [{"role": "user", "content": text}],
    } | fields


def broken(**fault: Any) -> Mapping[str, str]:
    return {"x-simulator-fault": json.dumps(fault)}


async def test_a_message_has_text_usage_and_ids(
    simulator: Simulator, client: AsyncAnthropic
) -> None:
    message = await client.messages.create(**asking("This is [hard]."))
    text = "It is difficult to say."
    assert [block.to_dict() for block in message.content] == [{"type": "text", "text": text}]
    assert (message.model, message.stop_reason) == ("claude-haiku-4-5-20251001", "end_turn")
    assert message.usage.input_tokens == estimate_tokens("This is [hard].") + 4
    assert message.usage.output_tokens == estimate_tokens(text)
    entry = simulator.journal[-1]
    assert (message.id, message._request_id) == (entry.message_id, entry.request_id)
    assert (entry.rule, entry.kind, entry.stream) == ("rules.1", "answer", False)


async def test_a_stream_ends_in_the_same_message_as_no_stream(client: AsyncAnthropic) -> None:
    whole = await client.messages.create(**asking("Explain tides."))
    async with client.messages.stream(**asking("Explain tides.")) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        streamed = await stream.get_final_message()
    assert streamed.usage == whole.usage
    assert streamed.content[0].to_dict(exclude_none=True) == whole.content[0].to_dict()
    assert text == whole.content[0].to_dict()["text"]


async def test_thinking_comes_first_and_its_tokens_are_told(client: AsyncAnthropic) -> None:
    fields = asking("Prove it.", model="claude-sonnet-4-6", thinking={"type": "adaptive"})
    async with client.messages.stream(**fields) as stream:
        message = await stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].to_dict()["signature"]
    details = message.usage.output_tokens_details
    assert details is not None
    assert 0 < details.thinking_tokens < message.usage.output_tokens


@pytest.mark.parametrize(("task", "score"), [("This is [hard].", 4), ("Easy.", 9)])
async def test_a_check_answers_its_schema_with_the_scripted_score(
    simulator: Simulator, client: AsyncAnthropic, task: str, score: int
) -> None:
    messages = [
        {"role": "user", "content": task},
        {"role": "assistant", "content": "Forty-two."},
        {"role": "user", "content": "How sure are you?"},
    ]
    message = await client.messages.create(
        **asking("", messages=messages),
        output_config={"format": {"type": "json_schema", "schema": SCORE_SCHEMA}},
    )
    assert json.loads(message.content[0].to_dict()["text"]) == {"confidence": score}
    assert simulator.journal[-1].kind == "check"


async def test_a_cached_prefix_is_written_and_then_read(client: AsyncAnthropic) -> None:
    long = "A sentence of some length about nothing. " * 500
    system = [{"type": "text", "text": long, "cache_control": {"type": "ephemeral"}}]
    asked = asking("Go on.", system=system, output_config={})
    first = (await client.messages.create(**asked)).usage
    second = (await client.messages.create(**asked)).usage
    written = estimate_tokens(long)
    assert (first.cache_creation_input_tokens, first.cache_read_input_tokens) == (written, 0)
    assert (second.cache_creation_input_tokens, second.cache_read_input_tokens) == (0, written)
    assert first.input_tokens == second.input_tokens == estimate_tokens("Go on.") + 4


async def test_models_are_listed_page_by_page_without_retired_ones(client: AsyncAnthropic) -> None:
    listed = [model async for model in client.models.list(limit=2)]
    ids = [model.id for model in listed]
    assert len(ids) == len(set(ids)) == 8
    assert {model.lifecycle for model in listed} == {"active", "deprecated"}
    page = await client.models.list(before_id=ids[4], limit=2)
    assert [model.id for model in page.data] == ids[2:4]
    retired = [model async for model in client.models.list(lifecycle=["retired"])]
    assert [model.lifecycle for model in retired] == ["retired"]


@pytest.mark.parametrize("limit", ["0", "1001", "few"])
async def test_a_page_has_a_sensible_size(client: AsyncAnthropic, limit: str) -> None:
    with pytest.raises(anthropic.BadRequestError):
        await client.models.list(extra_query={"limit": limit})


async def test_a_model_tells_its_limits_and_what_it_takes(client: AsyncAnthropic) -> None:
    model = await client.models.retrieve(HAIKU)
    assert (model.id, model.max_tokens) == ("claude-haiku-4-5-20251001", 64_000)
    assert model.max_input_tokens == 200_000
    assert model.capabilities is not None
    types = model.capabilities.thinking.types
    assert (types.enabled.supported, types.adaptive.supported) == (True, False)
    assert not model.capabilities.effort.supported
    with pytest.raises(anthropic.NotFoundError):
        await client.models.retrieve("claude-nova")


async def test_counting_tokens_agrees_with_the_bill(client: AsyncAnthropic) -> None:
    fields = asking("Count this, please.", system="You count.")
    counted = await client.messages.count_tokens(
        **{key: value for key, value in fields.items() if key != "max_tokens"}
    )
    assert counted.input_tokens == (await client.messages.create(**fields)).usage.input_tokens


STATUSES = [
    (400, anthropic.BadRequestError, "invalid_request_error"),
    (401, anthropic.AuthenticationError, "authentication_error"),
    (403, anthropic.PermissionDeniedError, "permission_error"),
    (404, anthropic.NotFoundError, "not_found_error"),
    (408, anthropic.RequestTimeoutError, "timeout_error"),
    (409, anthropic.ConflictError, "invalid_request_error"),
    (413, anthropic.ContentTooLargeError, "request_too_large"),
    (429, anthropic.RateLimitError, "rate_limit_error"),
    (500, anthropic.InternalServerError, "api_error"),
    (502, anthropic.InternalServerError, "api_error"),
    (503, anthropic.ServiceUnavailableError, "api_error"),
    (504, anthropic.GatewayTimeoutError, "timeout_error"),
    (529, anthropic.OverloadedError, "overloaded_error"),
]


@pytest.mark.parametrize(("status", "error", "kind"), STATUSES)
async def test_each_status_raises_the_sdks_own_error(
    client: AsyncAnthropic, status: int, error: type[anthropic.APIStatusError], kind: str
) -> None:
    headers = broken(kind="status", status=status)
    with pytest.raises(error) as caught:
        await client.messages.create(**asking("Hi."), extra_headers=headers)
    assert (caught.value.status_code, caught.value.type) == (status, kind)
    assert caught.value.request_id


async def test_an_error_event_raises_by_its_type(client: AsyncAnthropic) -> None:
    stream = client.messages.stream(**asking("Hi."), extra_headers=broken(kind="error_event"))
    with pytest.raises(anthropic.APIStatusError) as caught:
        async with stream as opened:
            await opened.until_done()
    assert (caught.value.status_code, caught.value.type) == (200, "overloaded_error")


async def test_a_cut_stream_is_a_transport_error(client: AsyncAnthropic) -> None:
    headers = broken(kind="cut", at_byte=900)
    with pytest.raises(httpx2.RemoteProtocolError):
        async with client.messages.stream(**asking("Hi."), extra_headers=headers) as stream:
            await stream.until_done()


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        (asking("Hi.", model="claude-nova"), anthropic.NotFoundError),
        (asking("Hi.", max_tokens=64_001), anthropic.BadRequestError),
        (
            asking("Hi.", model="claude-opus-4-8", extra_body={"temperature": 0.5}),
            anthropic.BadRequestError,
        ),
        (asking("Hi.", thinking={"type": "adaptive"}), anthropic.BadRequestError),
        (asking("x" * 4 * 200_001), anthropic.BadRequestError),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_request_the_api_refuses_is_refused_and_costs_nothing(
    simulator: Simulator,
    client: AsyncAnthropic,
    fields: dict[str, Any],
    error: type[anthropic.APIStatusError],
) -> None:
    with pytest.raises(error):
        await client.messages.create(**fields, timeout=30)
    entry = simulator.journal[-1]
    assert (entry.outcome, entry.input_tokens, entry.output_tokens) == ("completed", 0, 0)


async def test_a_request_without_a_key_or_a_version_is_refused(simulator: Simulator) -> None:
    async with httpx2.AsyncClient(base_url=simulator.base_url) as http:
        nameless = await http.post("/v1/messages", json=asking("Hi."))
        versionless = await http.post(
            "/v1/messages", json=asking("Hi."), headers={"x-api-key": "test"}
        )
        bearer = {"authorization": "Bearer x", "anthropic-version": "2023-06-01"}
        accepted = await http.post("/v1/messages", json=asking("Hi."), headers=bearer)
    assert nameless.json()["error"]["type"] == "authentication_error"
    assert [r.status_code for r in (nameless, versionless, accepted)] == [401, 400, 200]


async def test_a_body_over_the_limit_and_a_path_nobody_knows_get_the_apis_errors(
    simulator: Simulator,
) -> None:
    async with httpx2.AsyncClient(base_url=simulator.base_url, timeout=30) as http:
        large = await http.post("/v1/messages", content=b"x" * (32 * 1024 * 1024 + 1))
        unknown = await http.get("/v1/messages")
    assert large.json()["error"]["type"] == "request_too_large"
    assert (unknown.status_code, unknown.json()["error"]["type"]) == (404, "not_found_error")


async def test_a_cancelled_call_shows_in_the_journal(
    simulator: Simulator, client: AsyncAnthropic
) -> None:
    simulator.use({"rules": [{"answer": "a b c d", "delta_interval_s": 60}]})

    async def ask() -> None:
        async with client.messages.stream(**asking("Hi.")) as stream:
            await stream.until_done()

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        call = tasks.create_task(ask())
        await simulator.journal.until(lambda seen: len(seen) == 1 and seen[0].output_tokens == 1)
        call.cancel()
        await simulator.journal.settled()
    entry = simulator.journal[-1]
    assert (entry.outcome, entry.output_tokens) == ("client_left", 1)


async def test_rules_may_break_the_other_endpoints_too(
    simulator: Simulator, client: AsyncAnthropic
) -> None:
    fault = {"kind": "status", "status": 503}
    simulator.use({"rules": [{"kind": "models", "times": 1, "fault": fault}]})
    with pytest.raises(anthropic.ServiceUnavailableError):
        await client.models.list()
    assert (await client.models.list()).data
    assert (await client.messages.create(**asking("Hi."))).content


async def test_trace_context_reaches_the_journal(
    simulator: Simulator, client: AsyncAnthropic
) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await client.messages.create(**asking("Hi."), extra_headers={"traceparent": parent})
    assert simulator.journal[-1].headers["traceparent"] == parent


async def test_the_journal_is_served_and_reset_over_http(
    simulator: Simulator, client: AsyncAnthropic
) -> None:
    await client.messages.create(**asking("Hi."))
    async with httpx2.AsyncClient(base_url=simulator.base_url) as http:
        assert (await http.get("/simulator/health")).json()["requests"] == 1
        (entry,) = (await http.get("/simulator/journal")).json()["entries"]
        assert entry == simulator.journal[0].as_json()
        assert (await http.post("/simulator/reset")).status_code == 204
        assert (await http.get("/simulator/journal")).json() == {"entries": []}


async def test_another_script_may_take_over(simulator: Simulator, client: AsyncAnthropic) -> None:
    before = await client.messages.create(**asking("This is [hard]."))
    with pytest.raises(ConfigurationError):
        simulator.use({"rules": "none"})
    assert (await client.messages.create(**asking("This is [hard]."))).content == before.content
    simulator.use(Script.from_toml('rules = [{answer = "New."}]'))
    after = await client.messages.create(**asking("This is [hard]."))
    assert after.content[0].to_dict()["text"] == "New."
    assert len(simulator.journal) == 3


async def test_stopping_twice_is_stopping_once(simulator: Simulator) -> None:
    await simulator.stop()
    await simulator.stop()


async def test_a_reset_simulator_repeats_itself(
    simulator: Simulator, client: AsyncAnthropic
) -> None:
    first, second = [await client.messages.create(**asking("Hi.")) for _ in range(2)]
    simulator.reset()
    again = await client.messages.create(**asking("Hi."))
    assert first.id == again.id != second.id


async def test_the_program_serves_a_script_until_it_is_cancelled(tmp_path: Path) -> None:
    script, journal = tmp_path / "script.toml", tmp_path / "journal.jsonl"
    script.write_text('[[rules]]\nname = "hello"\nanswer = "Hello."\n', encoding="utf-8")
    ready: asyncio.Queue[str] = asyncio.Queue()
    options = SimulatorOptions(script=script, seed=3, journal=journal)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(run_simulator(options, ready.put_nowait))
        async with sdk(await ready.get()) as client:
            message = await client.messages.create(**asking("Hi."))
        serving.cancel()
    assert message.content[0].to_dict()["text"] == "Hello."
    (line,) = journal.read_text(encoding="utf-8").splitlines()
    assert (json.loads(line)["rule"], json.loads(line)["outcome"]) == ("hello", "completed")


async def test_a_port_that_is_taken_is_an_os_error(simulator: Simulator) -> None:
    port = int(simulator.base_url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        await Simulator(port=port).start()
