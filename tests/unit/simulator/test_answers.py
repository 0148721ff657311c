from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.simulator.bodies import (
    HAIKU_5,
    OPUS_5,
    SCORE_SCHEMA,
    SONNET,
    a_check,
    a_request,
    as_schema,
    assistant,
    user,
)
from tierwise_server.core.confidence import CHECK_MARK, check_prompt
from tierwise_server.core.model import Message, Prompt, Role
from tierwise_server.simulator.answers import Answer, write_answer
from tierwise_server.simulator.requests import MessagesRequest
from tierwise_server.simulator.script import Defaults, Rule
from tierwise_server.simulator.tokens import estimate_tokens

BUDGET = {"type": "enabled", "budget_tokens": 1024}


def answer(request: MessagesRequest, *, seed: int = 0, **rule: Any) -> Answer:
    return write_answer(request, Rule(**rule), Defaults(), seed, request.input_tokens)


def text(written: Answer) -> str:
    return "".join(written.content.text)


def test_a_generated_answer_depends_on_seed_model_and_prompt_alone() -> None:
    first = answer(a_request("Sort this ticket"))
    assert answer(a_request("Sort this ticket", max_tokens=500)) == first
    others = [
        answer(a_request("Sort this ticket"), seed=1),
        answer(a_request("Sort this ticket", model=SONNET)),
        answer(a_request("Sort that ticket")),
    ]
    assert all(text(other) != text(first) for other in others)


def test_prompts_that_differ_only_far_in_get_different_answers() -> None:
    long = "word " * 200
    assert text(answer(a_request(long + "a"))) != text(answer(a_request(long + "b")))


@given(st.integers(0, 500))
def test_words_sets_the_length_of_a_generated_answer(count: int) -> None:
    assert len(text(answer(a_request(), words=count)).split()) == count


@given(st.text(min_size=1), st.integers(1, 40))
def test_deltas_splits_the_whole_text_into_as_many_parts(said: str, deltas: int) -> None:
    pieces = answer(a_request(), answer=said, deltas=deltas).content.text
    assert "".join(pieces) == said
    assert len(pieces) == min(deltas, len(said))
    assert all(pieces)


@given(st.text())
def test_without_deltas_each_word_is_one_and_no_text_is_lost(said: str) -> None:
    pieces = answer(a_request(), answer=said).content.text
    assert "".join(pieces) == said
    assert len(pieces) == (len(said.split()) or (1 if said else 0))


def test_chunks_are_the_deltas() -> None:
    assert answer(a_request(), chunks=["a", " b"]).content.text == ("a", " b")


@given(st.text(max_size=400), st.integers(0, 60))
def test_an_answer_never_exceeds_max_tokens(said: str, max_tokens: int) -> None:
    written = answer(a_request(max_tokens=max_tokens), answer=said)
    assert said.startswith(text(written))
    assert written.output_tokens <= max_tokens
    if max_tokens and estimate_tokens(said) <= max_tokens:
        assert (text(written), written.stop_reason) == (said, "end_turn")
    else:
        assert written.stop_reason == "max_tokens"


def test_an_answer_that_fills_the_context_stops_there() -> None:
    request = a_request("x" * 4 * 199_990, max_tokens=4000)
    written = answer(request, words=3000)
    assert written.stop_reason == "model_context_window_exceeded"
    assert request.input_tokens + written.output_tokens <= 200_000


def test_a_scripted_stop_reason_leaves_the_text_whole() -> None:
    written = answer(a_request(max_tokens=1), answer="far too long", stop_reason="pause_turn")
    assert (text(written), written.stop_reason) == ("far too long", "pause_turn")


def test_an_empty_answer_still_costs_a_token() -> None:
    written = answer(a_request(), answer="")
    assert (written.content.text, written.output_tokens) == ((), 1)


def test_the_first_stop_sequence_in_the_text_ends_it() -> None:
    request = a_request(stop_sequences=["three", "two"])
    written = answer(request, answer="one two three")
    assert text(written) == "one "
    assert (written.stop_reason, written.stop_sequence) == ("stop_sequence", "two")


def test_stop_sequences_that_do_not_come_change_nothing() -> None:
    written = answer(a_request(stop_sequences=["nine"]), answer="one two")
    assert (text(written), written.stop_reason) == ("one two", "end_turn")


def test_a_model_thinks_only_when_asked_unless_it_does_by_default() -> None:
    assert answer(a_request(model=SONNET)).thinking_tokens == 0
    assert answer(a_request(model=SONNET, thinking={"type": "adaptive"})).thinking_tokens > 0
    assert answer(a_request(model=HAIKU_5)).thinking_tokens > 0
    assert answer(a_request(model=HAIKU_5, thinking={"type": "disabled"})).thinking_tokens == 0


def test_more_effort_thinks_more() -> None:
    counts = [
        answer(a_request(model=OPUS_5, output_config={"effort": effort})).thinking_tokens
        for effort in ("low", "medium", "high", "xhigh", "max")
    ]
    assert counts == sorted(set(counts))


def test_thinking_text_is_shown_or_left_out_but_always_counted() -> None:
    shown = answer(a_request(model=SONNET, thinking={"type": "adaptive"}))
    hidden = answer(a_request(model=SONNET, thinking={"type": "adaptive", "display": "omitted"}))
    assert shown.content.thinking
    assert hidden.content.thinking == ()
    assert hidden.content.signature == shown.content.signature
    assert hidden.thinking_tokens == shown.thinking_tokens > 0
    said = estimate_tokens(text(shown))
    assert shown.output_tokens == shown.thinking_tokens + said


def test_thinking_keeps_to_its_budget_and_uses_up_max_tokens() -> None:
    assert 0 < answer(a_request(thinking=BUDGET)).thinking_tokens <= 1024
    assert answer(a_request(thinking=BUDGET), thinking_tokens=3000).thinking_tokens == 3000
    cut = answer(a_request(thinking=BUDGET, max_tokens=1025), thinking_tokens=3000)
    assert (cut.thinking_tokens, cut.content.text) == (1025, ())
    assert cut.stop_reason == "max_tokens"


def test_a_check_is_known_by_its_schema_or_its_mark() -> None:
    assert a_check().kind == "answer"
    assert a_check(output_config=as_schema(SCORE_SCHEMA)).kind == "check"
    assert a_check(f"[{CHECK_MARK}] How sure are you?").kind == "check"
    assert a_check(system=f"{CHECK_MARK}").kind == "check"


def test_the_question_of_the_core_is_a_check() -> None:
    prompt = check_prompt(Prompt("", (Message(Role.USER, ("Sort this",)),)), "a", structured=False)
    messages = [{"role": m.role.value, "content": m.texts[0]} for m in prompt.messages]
    request = a_request(messages=messages)
    assert (request.kind, request.draft_text) == ("check", "a")
    assert "Sort this" in request.task_text


def test_a_mark_in_the_draft_alone_makes_no_check() -> None:
    messages = [user("What is a fold?"), assistant(CHECK_MARK), user("Thanks.")]
    assert a_request(messages=messages).kind == "answer"


@pytest.mark.parametrize(("confidence", "plain"), [(None, "9"), (3, "3"), ("8/10", "8/10")])
def test_a_check_answers_with_the_confidence(confidence: int | str | None, plain: str) -> None:
    structured = a_check(output_config=as_schema(SCORE_SCHEMA))
    assert text(answer(a_check(CHECK_MARK), confidence=confidence)) == plain
    said = text(answer(structured, confidence=confidence))
    if isinstance(confidence, str):
        assert said == confidence
    else:
        assert json.loads(said) == {"confidence": int(plain)}


def test_an_answer_follows_its_schema() -> None:
    colour = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"colour": {"enum": ["red", "blue"]}},
    }
    said = text(answer(a_request(output_config=as_schema(colour))))
    assert json.loads(said)["colour"] in ("red", "blue")
