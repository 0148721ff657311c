from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.simulator.bodies import (
    CATALOGUE,
    HAIKU,
    HAIKU_5,
    OPUS,
    OPUS_5,
    SCORE_SCHEMA,
    SONNET,
    SONNET_5,
    a_body,
    a_request,
    as_schema,
    assistant,
    user,
)
from tierwise_server.simulator.api_errors import ApiError
from tierwise_server.simulator.models import Catalogue
from tierwise_server.simulator.validate import check_body, check_length, parse_body

TEXT_BLOCK = {"type": "text", "text": "hi"}


def refusal(body: dict[str, Any], *, counting: bool = False) -> ApiError:
    with pytest.raises(ApiError) as caught:
        check_body(body, CATALOGUE, counting=counting)
    return caught.value


def says(content: Any) -> dict[str, Any]:
    return a_body(messages=[{"role": "user", "content": content}])


def without(field: str) -> dict[str, Any]:
    return {key: value for key, value in a_body().items() if key != field}


def thinks(model: str, form: str, **fields: Any) -> dict[str, Any]:
    return a_body(model=model, thinking={"type": form, **fields})


def with_effort(model: str, effort: str, **fields: Any) -> dict[str, Any]:
    return a_body(model=model, output_config={"effort": effort}, **fields)


SHAPES = [
    (without("model"), "model: Field required"),
    (without("messages"), "messages: Field required"),
    (without("max_tokens"), "max_tokens: Field required"),
    (a_body(model=3), "model: Input should be a valid string"),
    (a_body(temprature=1), "temprature: Extra inputs are not permitted"),
    (a_body(stream="yes"), "stream: Input should be a valid boolean"),
    (a_body(thinking="on"), "thinking: Input should be an object"),
    (a_body(system=3), "system: Input should be a valid string or a non-empty list"),
    (a_body(tools=["x"]), "tools: Input should be a valid list of objects"),
    (a_body(stop_sequences="x"), "stop_sequences: Input should be a valid list of strings"),
    (a_body(stop_sequences=[" "]), "each stop sequence must contain non-whitespace"),
    (a_body(messages={}), "messages: Input should be a valid list"),
    (a_body(messages=[]), "messages: at least one message is required"),
    (a_body(messages=["hi"]), "messages.0: Input should be an object"),
    (a_body(messages=[{"role": "user"}]), "messages.0.content: Field required"),
    (a_body(messages=[user("a"), {"role": "tool", "content": "b"}]), "messages.1.role: Input"),
    (a_body(messages=[assistant("a")]), 'first message must use the "user" role'),
    (says(""), "text content blocks must be non-empty"),
    (says([]), "Input should be a valid string or a non-empty list"),
    (says(["x"]), "messages.0.content.0: Input should be an object"),
    (says([{"type": "poem"}]), "messages.0.content.0: Input tag 'poem'"),
    (says([{"type": "text"}]), "messages.0.content.0.text.text: Field required"),
    (says([{"type": "text", "text": " "}]), "must contain non-whitespace text"),
    (a_body(max_tokens="9"), "max_tokens: Input should be a valid integer"),
    (a_body(max_tokens=True), "max_tokens: Input should be a valid integer"),
    (a_body(max_tokens=-1), "max_tokens: Input should be greater than or equal to 0"),
    (a_body(cache_control={"type": "x"}), "cache_control.type"),
    (a_body(cache_control={"type": "ephemeral", "ttl": "2h"}), "cache_control.ephemeral.ttl"),
]

MODEL_RULES = [
    (a_body(max_tokens=64_001), "max_tokens: 64001 > 64000, which is the maximum allowed"),
    (thinks(HAIKU, "adaptive"), "adaptive thinking is not supported on this model"),
    (thinks(OPUS, "enabled", budget_tokens=2000), '"thinking.type.enabled" is not supported'),
    (thinks(HAIKU_5, "enabled", budget_tokens=2000), '"thinking.type.enabled" is not supported'),
    (thinks(OPUS_5, "disabled"), '"thinking.type.disabled" is not supported'),
    (thinks(SONNET_5, "disabled"), '"thinking": {"type": "between_tools"}'),
    (thinks(SONNET, "between_tools"), '"thinking.type.between_tools" is not supported'),
    (thinks(SONNET, "deep"), "thinking: Input tag 'deep'"),
    (thinks(SONNET, "adaptive", display="all"), "thinking.display"),
    (thinks(SONNET, "adaptive", budget_tokens=2000), "Extra inputs are not permitted"),
    (thinks(HAIKU, "enabled"), "budget_tokens: Field required"),
    (thinks(HAIKU, "enabled", budget_tokens="9"), "budget_tokens: Input should be a valid integer"),
    (thinks(HAIKU, "enabled", budget_tokens=1023), "greater than or equal to 1024"),
    (thinks(HAIKU, "enabled", budget_tokens=4096), "`max_tokens` must be greater than"),
    (with_effort(HAIKU, "low"), "This model does not support the effort parameter."),
    (with_effort(SONNET, "xhigh"), "does not support effort level 'xhigh'"),
    (with_effort(SONNET, "huge"), "output_config.effort: Input should be"),
    (with_effort(HAIKU_5, "max", thinking={"type": "disabled"}), "while thinking is off"),
    (a_body(model=OPUS, temperature=0.5), "`temperature` is deprecated for this model."),
    (a_body(model=HAIKU_5, top_p=0.9), "`top_p` is deprecated for this model."),
    (a_body(model=OPUS_5, top_k=5), "`top_k` is deprecated for this model."),
    (a_body(temperature=1.5), "temperature: range: 0..1"),
    (a_body(temperature="hot"), "temperature: Input should be a valid number"),
    (a_body(temperature=0.5, top_p=0.5), "cannot both be specified"),
    (a_body(model=SONNET, thinking={"type": "adaptive"}, temperature=0.5), "may only be set to 1"),
    (a_body(model=SONNET, messages=[user("a"), assistant("b")]), "assistant message prefill"),
    (a_body(output_config={"format": {"type": "xml"}}), "Input should be 'json_schema'"),
    (a_body(output_config={"format": {"type": "json_schema"}}), "schema: Field required"),
]

ACCEPTED = [
    a_body(),
    a_body(max_tokens=0),
    a_body(model="claude-haiku-4-5", temperature=0.2),
    a_body(system=[TEXT_BLOCK], stop_sequences=["END"], metadata={"user_id": "u"}),
    a_body(messages=[user("a"), assistant("b")]),
    a_body(messages=[user("a"), {"role": "system", "content": "b"}, user("c")]),
    a_body(model=OPUS, temperature=1, top_p=1),
    thinks(HAIKU, "enabled", budget_tokens=1024),
    thinks(HAIKU, "disabled"),
    thinks(SONNET, "adaptive"),
    thinks(SONNET, "enabled", budget_tokens=1024, display="omitted"),
    thinks(SONNET_5, "between_tools"),
    thinks(OPUS_5, "adaptive", display="summarized"),
    with_effort(OPUS, "max"),
    with_effort(HAIKU_5, "high", thinking={"type": "disabled"}),
    a_body(output_config=as_schema(SCORE_SCHEMA)),
]


@pytest.mark.parametrize(("body", "message"), SHAPES + MODEL_RULES, ids=lambda v: str(v)[:60])
def test_a_bad_request_is_refused_in_the_apis_words(body: dict[str, Any], message: str) -> None:
    error = refusal(body)
    assert error.status == 400
    assert message in error.message


@pytest.mark.parametrize("body", ACCEPTED, ids=lambda v: str(v)[:60])
def test_a_good_request_names_its_model(body: dict[str, Any]) -> None:
    assert check_body(body, CATALOGUE).id.startswith("claude-")


@pytest.mark.parametrize("model", ["claude-nova", "claude-sonnet-4-20250514", ""])
def test_a_model_that_is_unknown_or_retired_is_not_found(model: str) -> None:
    error = refusal(a_body(model=model))
    assert (error.status, error.message) == (404, f"model: {model}")


def test_a_deprecated_model_still_answers() -> None:
    assert check_body(a_body(model="claude-sonnet-4-5"), CATALOGUE).lifecycle == "deprecated"


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"x"', b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(ApiError):
        parse_body(raw)


def test_counting_needs_no_max_tokens_and_takes_none() -> None:
    assert check_body(without("max_tokens"), CATALOGUE, counting=True).id == HAIKU
    assert "max_tokens: Extra inputs" in refusal(a_body(), counting=True).message


def test_a_model_without_structured_outputs_refuses_a_schema() -> None:
    plain = Catalogue([replace(model, takes_schema=False) for model in CATALOGUE])
    with pytest.raises(ApiError, match="does not support structured outputs"):
        check_body(a_body(output_config=as_schema(SCORE_SCHEMA)), plain)


def test_more_than_four_cache_marks_are_refused() -> None:
    marked = {**TEXT_BLOCK, "cache_control": {"type": "ephemeral"}}
    assert "Found 5" in refusal(says([marked] * 5)).message
    assert check_body(says([marked] * 4), CATALOGUE).id == HAIKU


def test_a_prompt_longer_than_the_context_is_refused() -> None:
    check_length(a_request("x" * 4 * (200_000 - 4)))
    with pytest.raises(ApiError, match="prompt is too long: 200001 tokens > 200000 maximum"):
        check_length(a_request("x" * 4 * (200_001 - 4)))
