"""A call becomes the body that its model accepts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.providers.calls import (
    CALL,
    HAIKU_4_5,
    HAIKU_5_5,
    OPUS_4_8,
    OPUS_5_5,
    QUESTION,
    SONNET_4_6,
)
from tierwise_server.core.confidence import SCORE_SCHEMA, check_prompt
from tierwise_server.core.model import CallKind, Message, Model, Prompt, Role, ThinkingForm
from tierwise_server.providers.anthropic.request import request_body, request_headers
from tierwise_server.providers.base import ModelCall

MARK = {"type": "ephemeral"}


def body_of(call: ModelCall) -> dict[str, Any]:
    body = json.loads(request_body(call))
    assert isinstance(body, dict)
    return body


def test_a_plain_call_says_no_more_than_it_must() -> None:
    assert body_of(CALL) == {
        "model": "claude-haiku-4-5-20251001",
        "max_tokens": 256,
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "What is a tier?"}]},
        ],
        "stream": True,
    }


def test_an_empty_system_prompt_is_left_out() -> None:
    assert "system" not in body_of(replace(CALL, prompt=Prompt("", QUESTION.messages)))


def test_blocks_and_turns_keep_their_order() -> None:
    turns = (
        Message(Role.USER, ("one", "two")),
        Message(Role.ASSISTANT, ("three",)),
        Message(Role.USER, ("four",)),
    )
    messages = body_of(replace(CALL, prompt=Prompt("", turns)))["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert [block["text"] for message in messages for block in message["content"]] == [
        "one",
        "two",
        "three",
        "four",
    ]


@pytest.mark.parametrize(
    ("model", "form", "thinking"),
    [
        (HAIKU_4_5, ThinkingForm.NONE, None),
        (HAIKU_4_5, ThinkingForm.BUDGET, {"type": "enabled", "budget_tokens": 2048}),
        (SONNET_4_6, ThinkingForm.ADAPTIVE, {"type": "adaptive"}),
        (OPUS_4_8, ThinkingForm.NONE, None),
        (HAIKU_5_5, ThinkingForm.NONE, {"type": "disabled"}),
        (HAIKU_5_5, ThinkingForm.ADAPTIVE, {"type": "adaptive"}),
        (OPUS_5_5, ThinkingForm.NONE, None),
        (OPUS_5_5, ThinkingForm.ADAPTIVE, {"type": "adaptive"}),
    ],
)
def test_thinking_takes_the_form_that_the_model_knows(
    model: Model, form: ThinkingForm, thinking: object
) -> None:
    call = replace(CALL, model=model, thinking=form, thinking_budget_tokens=2048)
    assert body_of(call).get("thinking") == thinking


@pytest.mark.parametrize(
    ("model", "thinking"),
    [(HAIKU_4_5, None), (HAIKU_5_5, {"type": "disabled"}), (OPUS_5_5, None)],
)
def test_a_check_never_thinks_where_that_can_be_helped(model: Model, thinking: object) -> None:
    call = replace(CALL, kind=CallKind.CHECK, model=model, thinking=ThinkingForm.ADAPTIVE)
    assert body_of(call).get("thinking") == thinking


@pytest.mark.parametrize(("model", "config"), [(SONNET_4_6, {"effort": "high"}), (HAIKU_4_5, None)])
def test_effort_is_sent_to_models_that_take_it(model: Model, config: object) -> None:
    assert body_of(replace(CALL, model=model, effort="high")).get("output_config") == config


def test_a_schema_is_sent_to_models_that_can_be_held_to_one() -> None:
    call = replace(CALL, schema=SCORE_SCHEMA)
    assert body_of(call)["output_config"] == {
        "format": {"type": "json_schema", "schema": SCORE_SCHEMA}
    }
    unable = replace(HAIKU_4_5, takes_structured_output=False)
    assert "output_config" not in body_of(replace(call, model=unable))


def test_sampling_options_never_reach_a_model_that_rejects_them() -> None:
    call = replace(CALL, temperature=0.0, top_p=0.5)
    body = body_of(call)
    assert (body["temperature"], body["top_p"]) == (0.0, 0.5)
    assert not {"temperature", "top_p"} & body_of(replace(call, model=OPUS_4_8)).keys()


def test_sampling_options_take_the_api_version_that_has_them() -> None:
    trace = {"traceparent": "x"}
    plain = replace(CALL, headers=trace)
    sampled = replace(plain, temperature=0.0)
    assert request_headers(plain) == trace
    assert request_headers(replace(sampled, model=OPUS_4_8)) == trace
    assert request_headers(sampled) == {**trace, "anthropic-version": "2023-06-01"}


def test_stop_sequences_are_sent() -> None:
    assert body_of(replace(CALL, stop_sequences=("END",)))["stop_sequences"] == ["END"]


def test_a_draft_and_its_check_mark_the_same_block_for_the_cache() -> None:
    draft = body_of(replace(CALL, kind=CallKind.DRAFT, cache_prompt=True))
    prompt = check_prompt(QUESTION, "A class of models.", structured=False)
    check = body_of(replace(CALL, kind=CallKind.CHECK, prompt=prompt, cache_prompt=True))
    assert draft["messages"][0]["content"][-1]["cache_control"] == MARK
    assert check["messages"][0] == draft["messages"][0]
    assert str(check).count("cache_control") == 1


def test_a_check_of_nothing_marks_nothing() -> None:
    call = replace(CALL, kind=CallKind.CHECK, cache_prompt=True)
    assert b"cache_control" not in request_body(call)


def test_without_the_wish_nothing_is_marked_for_the_cache() -> None:
    assert b"cache_control" not in request_body(CALL)


def test_text_that_is_no_unicode_is_refused() -> None:
    call = replace(CALL, prompt=Prompt("\ud83d", QUESTION.messages))
    with pytest.raises(ValueError, match="surrogate"):
        request_body(call)
