"""The core's events and values as the contract's messages: nothing is lost, and absent stays absent."""

from __future__ import annotations

import enum
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.messages import plain, words_of
from tests.unit.core.builders import EFFICIENT, FRONTIER, a_plan
from tests.unit.telemetry.recording import CANARY, Story, a_record, escalated
from tierwise.v1 import accounting_pb2, reason_pb2, router_pb2, routing_pb2
from tierwise_client._fold import fold
from tierwise_server.core import account, cascade, model, stream, table
from tierwise_server.core.prices import PriceBook
from tierwise_server.errors import Reason
from tierwise_server.rpc.responses import (
    decision_message,
    event_message,
    heartbeat_message,
    summary_message,
)


def messages_of(events: list[stream.StreamEvent]) -> list[router_pb2.GenerateResponse]:
    """Return what a caller is sent of these events, numbered."""
    sent: list[router_pb2.GenerateResponse] = []
    for event in events:
        message = event_message(event, len(sent))
        if message is not None:
            sent.append(message)
    return sent


def test_a_story_is_told_in_the_contracts_events() -> None:
    sent = messages_of(escalated())
    assert [message.WhichOneof("event") for message in sent] == [
        "started",
        "attempt_started",
        "text_delta",
        "attempt_finished",
        "confidence_checked",
        "attempt_superseded",
        "attempt_started",
        "text_delta",
        "attempt_finished",
        "finished",
    ]
    assert [message.sequence for message in sent] == list(range(len(sent)))


def test_the_client_folds_it_to_the_same_account() -> None:
    events = escalated()
    [summary] = [event.summary for event in events if isinstance(event, stream.Finished)]
    # The story shows its draft, as LIVE delivery does.
    answer = fold(messages_of(events), held=False)
    assert answer.text == CANARY
    assert summary.cost is not None
    assert answer.cost is not None
    assert answer.cost.total_nano_usd == summary.cost.total_nano_usd
    assert answer.usage.input_tokens == summary.usage.input_tokens
    assert [call.superseded for call in answer.calls] == [True, False, False]
    assert [other.cost_nano_usd for other in answer.counterfactuals] == [
        other.cost_nano_usd for other in summary.counterfactuals
    ]
    assert answer.time_to_first_text_s == pytest.approx(summary.first_text_s)


def test_a_call_arrives_with_all_of_its_fields() -> None:
    record = replace(a_record(cascade.Call(2, model.CallKind.DIRECT, FRONTIER)), tries=3)
    message = event_message(stream.AttemptFinished(record), 7)
    assert message is not None
    assert plain(message.attempt_finished.call) == {
        "attempt": 2,
        "kind": "DIRECT",
        "status": "COMPLETED",
        "tier": "frontier",
        "model": "claude-sonnet-4-6",
        "usage": {
            "input_tokens": 100,
            "cache_read_tokens": 40,
            "cache_write_tokens": 0,
            "cache_write_1h_tokens": 0,
            "output_tokens": 20,
            "reasoning_tokens": 0,
        },
        # 60 x 3,000 + 40 x 300 + 20 x 15,000
        "cost": {
            "total_nano_usd": 492_000,
            "input_nano_usd": 180_000,
            "cache_read_nano_usd": 12_000,
            "cache_write_nano_usd": 0,
            "output_nano_usd": 300_000,
            "price_book_version": "prices-1",
        },
        "usage_estimated": False,
        "superseded": False,
        "finish_reason": "STOP",
        "failure_reason": "UNSPECIFIED",
        "tries": 3,
        "response_id": "msg_1",
    }


def test_a_call_that_was_not_billed_has_neither_usage_nor_cost() -> None:
    call = cascade.Call(1, model.CallKind.DIRECT, EFFICIENT)
    failed = replace(
        a_record(call),
        status=account.CallStatus.FAILED,
        usage=None,
        cost=None,
        finish_reason=None,
        failure=Reason.UPSTREAM_OVERLOADED,
    )
    message = event_message(stream.AttemptFinished(failed), 0)
    assert message is not None
    told = plain(message.attempt_finished.call)
    assert (told["usage"], told["cost"]) == (None, None)
    assert (told["finish_reason"], told["failure_reason"]) == (
        "UNSPECIFIED",
        "UPSTREAM_OVERLOADED",
    )


def test_a_model_without_a_price_has_no_cost_and_not_zero() -> None:
    empty = PriceBook("empty", {})
    call = cascade.Call(1, model.CallKind.DIRECT, EFFICIENT)
    record = replace(a_record(call), cost=None)
    others = account.counterfactuals(a_plan(EFFICIENT), (EFFICIENT, FRONTIER), record, empty)
    summary = account.Summary("r-1", "table-1", (record,), 1.0, counterfactuals=others)
    told = plain(summary_message(summary))
    assert told["cost"] is None
    assert told["calls"][0]["cost"] is None
    assert told["usage"]["input_tokens"] == 100
    assert [other["cost_nano_usd"] for other in told["counterfactuals"]] == [None, None]


def test_a_summary_without_an_answer_names_none() -> None:
    told = plain(summary_message(account.Summary("r-1", "table-1", (), 0.0)))
    assert (told["final_attempt"], told["tier"], told["acceptance"]) == (0, "", "UNSPECIFIED")
    assert told["confidence"] is None
    assert told["cost"]["total_nano_usd"] == 0


@pytest.mark.parametrize("confidence", [None, 0.0, 0.4])
def test_a_confidence_of_zero_is_told_apart_from_none(confidence: float | None) -> None:
    summary = account.Summary("r-1", "table-1", (), 0.0, confidence=confidence)
    assert plain(summary_message(summary))["confidence"] == confidence


def test_an_unreadable_check_has_neither_confidence_nor_score() -> None:
    story = Story().ask(model.CallKind.DRAFT).answer()
    story.check(None, cascade.CheckOutcome.ESCALATED)
    told = plain(messages_of(story.events)[-1])["confidence_checked"]
    assert (told["confidence"], told["score"], told["outcome"]) == (None, None, "ESCALATED")
    assert told["threshold"] == 0.8


def test_a_decision_that_checks_nothing_has_no_threshold() -> None:
    assert plain(decision_message(a_plan(EFFICIENT)))["confidence_threshold"] is None
    climbing = plain(decision_message(a_plan(EFFICIENT, FRONTIER)))
    assert climbing["confidence_threshold"] == 0.8
    assert climbing["cascade"] == ["efficient", "frontier"]


def test_a_heartbeat_is_numbered_like_any_event() -> None:
    assert plain(heartbeat_message(5))["sequence"] == 5
    assert heartbeat_message(5).HasField("heartbeat")


@given(st.floats(min_value=0, max_value=1e9))
def test_a_duration_is_exact_to_the_nanosecond(seconds: float) -> None:
    summary = account.Summary("r-1", "table-1", (), seconds, first_text_s=seconds)
    message = summary_message(summary)
    for duration in (message.duration, message.time_to_first_text):
        assert 0 <= duration.nanos < 1_000_000_000
        assert duration.seconds + duration.nanos / 1e9 == pytest.approx(
            seconds, abs=1e-8, rel=1e-15
        )


PAIRS: list[tuple[type[enum.Enum], Any]] = [
    (table.Rule, routing_pb2.RoutingRule),
    (table.Adjustment, routing_pb2.RoutingAdjustment),
    (model.CallKind, accounting_pb2.CallKind),
    (model.DraftDelivery, router_pb2.DraftDelivery),
    (account.CallStatus, accounting_pb2.CallStatus),
    (model.FinishReason, reason_pb2.FinishReason),
    (Reason, reason_pb2.ErrorReason),
    (cascade.EscalationReason, reason_pb2.EscalationReason),
    (cascade.Acceptance, accounting_pb2.Acceptance),
    (cascade.CheckOutcome, router_pb2.CheckOutcome),
    (account.Basis, accounting_pb2.CounterfactualBasis),
]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=lambda kind: getattr(kind, "__name__", ""))
def test_core_and_contract_have_the_same_words(ours: type[enum.Enum], theirs: Any) -> None:
    words = set(words_of(theirs.DESCRIPTOR).values())
    assert {member.name for member in ours} == words - {"UNSPECIFIED"}
