"""The spans of one request: their tree, and what stands on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from tests.unit.core.builders import EFFICIENT, FRONTIER, a_plan
from tests.unit.telemetry.recording import (
    CANARY,
    GENERATE,
    PEER,
    Recording,
    Story,
    accepted,
    cancelled,
    cut_in_a_check,
    direct,
    escalated,
    failed,
)
from tierwise_server.core.account import CallStatus
from tierwise_server.core.cascade import Call, CheckOutcome, EscalationReason
from tierwise_server.core.model import CallKind
from tierwise_server.core.stream import AttemptFinished, AttemptStarted, StreamEvent
from tierwise_server.errors import Reason
from tierwise_server.telemetry import names

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

HAIKU = "chat claude-haiku-4-5-20251001"
SONNET = "chat claude-sonnet-4-6"


@pytest.fixture
def recording() -> Recording:
    return Recording()


def tree_of(spans: Sequence[ReadableSpan]) -> list[tuple[str, str]]:
    """Pair each span with its parent's name, in the order of their starts."""
    by_id = {span.context.span_id: span.name for span in spans if span.context}
    return [
        (by_id.get(span.parent.span_id, "?") if span.parent else "", span.name) for span in spans
    ]


def attributes_of(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def test_an_escalated_request_is_one_tree(recording: Recording) -> None:
    recording.play(escalated())
    assert tree_of(recording.spans()) == [
        ("", GENERATE),
        (GENERATE, "route"),
        ("route", HAIKU),
        ("route", "confidence_check"),
        ("confidence_check", HAIKU),
        ("route", SONNET),
    ]
    assert [span.kind for span in recording.spans()] == [
        SpanKind.SERVER,
        SpanKind.INTERNAL,
        SpanKind.CLIENT,
        SpanKind.INTERNAL,
        SpanKind.CLIENT,
        SpanKind.CLIENT,
    ]
    assert len({span.context.trace_id for span in recording.spans() if span.context}) == 1


def test_a_call_carries_what_it_used_and_cost(recording: Recording) -> None:
    recording.play(direct())
    call = attributes_of(recording.span(HAIKU))
    assert call[names.PROVIDER] == "anthropic"
    assert call[names.SERVER_ADDRESS] == "api.anthropic.com"
    assert call[names.SERVER_PORT] == 443
    assert (call[names.TIER], call[names.ATTEMPT], call[names.KIND]) == ("efficient", 1, "direct")
    assert (call[names.INPUT_TOKENS], call[names.OUTPUT_TOKENS]) == (100, 20)
    assert call[names.CACHE_READ] == 40
    # 60 tokens at 1 USD, 40 at 0.1 and 20 at 5 per million.
    assert call[names.COST_NANO_USD] == 60_000 + 4_000 + 100_000
    assert call[names.COST_USD] == 0.000164
    assert call[names.FINISH_REASONS] == ("stop",)
    assert call[names.RAW_FINISH] == "end_turn"
    assert call[names.FIRST_CHUNK] == 0.05
    assert call[names.SUPERSEDED] is False
    assert names.ERROR_TYPE not in call


def test_costs_of_calls_add_up_to_the_total_and_stand_nowhere_else(recording: Recording) -> None:
    recording.play(escalated())
    costs = [
        cost
        for span in recording.spans()
        if isinstance(cost := attributes_of(span).get(names.COST_NANO_USD), int)
    ]
    assert len(costs) == 3
    assert attributes_of(recording.span("route"))[names.TOTAL_NANO_USD] == sum(costs)
    with_total = [s.name for s in recording.spans() if names.TOTAL_NANO_USD in attributes_of(s)]
    assert with_total == ["route"]


def test_a_superseded_draft_says_so_and_ends_when_its_call_ended(recording: Recording) -> None:
    recording.play(escalated())
    draft = recording.span(HAIKU, {names.KIND: "draft"})
    check = recording.span("confidence_check")
    assert attributes_of(draft)[names.SUPERSEDED] is True
    assert (draft.end_time or 0) <= (check.start_time or 0)
    answer = attributes_of(recording.span(SONNET))
    assert answer[names.SUPERSEDED] is False
    assert answer[names.ESCALATION_REASON] == "low_confidence"


def test_the_route_tells_the_decision_the_climb_and_the_savings(recording: Recording) -> None:
    recording.play(escalated())
    span = recording.span("route")
    route = attributes_of(span)
    assert route[names.RULE] == "task_type"
    assert route[names.CASCADE] == ("efficient", "frontier")
    assert route[names.TABLE_VERSION] == "table-1"
    assert (route[names.TIER], route[names.MODEL]) == ("frontier", "claude-sonnet-4-6")
    assert (route[names.ATTEMPTS], route[names.ESCALATED]) == (2, True)
    assert (route[names.SCORE], route[names.CONFIDENCE], route[names.THRESHOLD]) == (4, 0.4, 0.8)
    assert route[names.CHECK_OUTCOME] == "escalated"
    at_reasoning = route["tierwise.counterfactual.reasoning.nano_usd"]
    # 100 input tokens at 5 USD and 20 output tokens at 25 per million.
    assert at_reasoning == 1_000_000
    total = route[names.TOTAL_NANO_USD]
    assert isinstance(total, int)
    assert route["tierwise.saving.reasoning.nano_usd"] == at_reasoning - total
    assert [event.name for event in span.events] == ["confidence_checked", "attempt_superseded"]
    assert dict(span.events[1].attributes or {}) == {
        names.ATTEMPT: 1,
        names.REPLACEMENT: 2,
        names.ESCALATION_REASON: "low_confidence",
    }


@pytest.mark.parametrize(
    ("score", "status", "label", "value"),
    [
        (9, CallStatus.COMPLETED, "pass", 0.9),
        (8, CallStatus.COMPLETED, "pass", 0.8),
        (7, CallStatus.COMPLETED, "fail", 0.7),
        (None, CallStatus.COMPLETED, "unreadable", None),
        (None, CallStatus.FAILED, "unanswered", None),
    ],
)
def test_a_check_is_an_evaluation(
    recording: Recording, score: int | None, status: CallStatus, label: str, value: float | None
) -> None:
    story = Story().ask(CallKind.DRAFT).answer()
    recording.play(story.check(score, CheckOutcome.ACCEPTED_LOW, status=status).finish())
    event = recording.span("confidence_check").events[0]
    assert event.name == "gen_ai.evaluation.result"
    attributes = dict(event.attributes or {})
    assert attributes[names.EVALUATION_LABEL] == label
    assert attributes.get(names.EVALUATION_VALUE) == value


def test_a_failed_call_is_an_error_with_its_reason(recording: Recording) -> None:
    recording.play(failed(), status="UNAVAILABLE", reason="UPSTREAM_INTERRUPTED")
    call = recording.span(HAIKU)
    assert call.status.status_code is StatusCode.ERROR
    assert attributes_of(call)[names.ERROR_TYPE] == "UPSTREAM_INTERRUPTED"
    assert attributes_of(call)[names.FINISH_REASONS] == ("error",)
    route = recording.span("route")
    assert route.status.status_code is StatusCode.ERROR
    assert attributes_of(route)[names.OUTCOME] == "failed"
    assert attributes_of(route)[names.TIER] == "efficient"


def test_a_cancelled_request_keeps_its_usage_and_is_nobodys_error(recording: Recording) -> None:
    recording.play(cancelled(), status="CANCELLED", reason="CANCELLED")
    call = attributes_of(recording.span(HAIKU))
    assert call[names.STATUS] == "cancelled"
    assert call[names.ESTIMATED] is True
    assert call[names.OUTPUT_TOKENS] == 20
    assert call[names.COST_NANO_USD] == 164_000
    assert call[names.ERROR_TYPE] == "CANCELLED"
    assert attributes_of(recording.span("route"))[names.OUTCOME] == "cancelled"
    assert {span.status.status_code for span in recording.spans()} == {StatusCode.UNSET}


def test_calls_cut_off_with_the_request_are_closed_with_it(recording: Recording) -> None:
    recording.play(cut_in_a_check(), status="DEADLINE_EXCEEDED", reason="DEADLINE_EXCEEDED")
    assert len(recording.spans()) == 5
    check = recording.span("confidence_check")
    assert attributes_of(check)[names.ERROR_TYPE] == "CANCELLED"


def test_a_call_that_never_reported_is_closed_from_the_summary(recording: Recording) -> None:
    story = Story(a_plan(EFFICIENT)).ask().answer(status=CallStatus.CANCELLED, finish_reason=None)
    told = [e for e in story.fail(Reason.CANCELLED) if not isinstance(e, AttemptFinished)]
    recording.play(told, status="CANCELLED")
    assert attributes_of(recording.span(HAIKU))[names.OUTPUT_TOKENS] == 20


def test_a_failed_draft_that_climbs_is_superseded_too(recording: Recording) -> None:
    story = Story().ask(CallKind.DRAFT)
    story.answer(
        status=CallStatus.FAILED, failure=Reason.UPSTREAM_OVERLOADED, usage=None, cost=None
    )
    recording.play(story.climb(EscalationReason.ATTEMPT_FAILED).answer().finish())
    draft = recording.span(HAIKU)
    assert attributes_of(draft)[names.SUPERSEDED] is True
    assert draft.status.status_code is StatusCode.ERROR
    assert names.INPUT_TOKENS not in attributes_of(draft)
    assert recording.span("route").status.status_code is StatusCode.UNSET


def test_the_server_span_names_the_request(recording: Recording) -> None:
    recording.play(accepted())
    server = attributes_of(recording.span(GENERATE))
    assert server[names.REQUEST_ID] == "request-1"
    assert server[names.TASK_TYPE] == "classify_intent"
    assert server[names.TIER] == "efficient"
    assert server[names.ESCALATED] is False
    assert (server[names.PEER_ADDRESS], server[names.PEER_PORT]) == ("127.0.0.1", 50000)


def test_what_goes_upstream_names_the_call_started_last(recording: Recording) -> None:
    observer = recording.telemetry.server_span(GENERATE, (), PEER).observer()
    seen = []
    for event in escalated():
        observer.observe(event)
        seen.append(observer.propagation()["traceparent"].split("-")[2])
    ids = [
        f"{span.context.span_id:016x}"
        for span in recording.spans()
        if span.context and span.name != "confidence_check"
    ]
    assert list(dict.fromkeys(seen)) == ids


def test_interleaved_requests_keep_their_own_trees(recording: Recording) -> None:
    stories = [escalated(), direct(), accepted()]
    spans = [recording.telemetry.server_span(GENERATE, (), PEER) for _ in stories]
    observers = [span.observer() for span in spans]
    told: list[tuple[int, StreamEvent]] = list(
        chain.from_iterable(
            [(at, event) for at, event in enumerate(turn) if event is not None]
            for turn in zip_longest(*stories)
        )
    )
    for at, event in told:
        observers[at].observe(event)
        assert trace.get_current_span() is trace.INVALID_SPAN
    for span in spans:
        span.end("OK")
    by_trace: dict[int, int] = {}
    for ended in recording.spans():
        assert ended.context is not None
        by_trace[ended.context.trace_id] = by_trace.get(ended.context.trace_id, 0) + 1
    assert sorted(by_trace.values()) == [3, 5, 6]


def test_no_text_of_prompt_or_answer_is_on_any_span(recording: Recording) -> None:
    for events in (escalated(), accepted(), failed()):
        recording.play(events)
    assert not [span.name for span in recording.spans() if CANARY in span.to_json()]


def test_strings_of_callers_and_providers_are_made_plain_and_short(recording: Recording) -> None:
    nasty = "a\n\x1b[31m\x00\u202eb\ud800" + "x" * 10_000
    story = Story(replace(a_plan(EFFICIENT), task_type=nasty), request_id=nasty)
    recording.play(story.ask().answer(response_id=nasty, raw_finish_reason=nasty).finish())
    for span in recording.spans():
        for key, value in attributes_of(span).items():
            if isinstance(value, str):
                assert value.isprintable(), key
                assert len(value) <= 256, key
    assert str(attributes_of(recording.span(HAIKU))[names.RESPONSE_ID]).startswith("a[31mbxxx")


def test_effort_and_ignored_options_are_told(recording: Recording) -> None:
    tier = replace(FRONTIER, effort="high")
    story = Story(a_plan(tier))
    call = Call(1, CallKind.DIRECT, tier)
    story.events.append(AttemptStarted(call, ("temperature",)))
    story.last = call
    recording.play(story.answer().finish())
    asked = attributes_of(recording.span(SONNET))
    assert asked[names.IGNORED] == ("temperature",)
    assert asked[names.REASONING_LEVEL] == "high"
