"""The metrics of requests: their sums, and that no caller can add a time series."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.core.builders import EFFICIENT, FRONTIER, a_plan
from tests.unit.telemetry.recording import (
    GENERATE,
    PEER,
    Recording,
    Story,
    a_record,
    accepted,
    cancelled,
    direct,
    escalated,
    failed,
)
from tierwise_server.core.account import CallRecord, CallStatus, Summary
from tierwise_server.core.cascade import CheckOutcome
from tierwise_server.core.model import CallKind, Usage
from tierwise_server.core.table import Evidence, Policy, RoutingTable, Rule
from tierwise_server.errors import Reason
from tierwise_server.telemetry import Telemetry, instruments, names
from tierwise_server.telemetry.metrics import overhead_s

DRAFT_USD = 0.000164
CHECK_USD = 0.000089
ANSWER_USD = 0.000492


@pytest.fixture
def recording() -> Recording:
    return Recording()


def test_requests_are_counted_by_how_they_ended(recording: Recording) -> None:
    for events in (direct(), direct(), accepted(), escalated(), failed(), cancelled()):
        recording.play(events)
    points = recording.metrics()["tierwise.requests"]
    counted = {(p[names.OUTCOME], p[names.TIER], p[names.ESCALATED]): n for p, n in points}
    assert counted == {
        ("unchecked", "efficient", False): 2,
        ("accepted", "efficient", False): 1,
        ("unchecked", "frontier", True): 1,
        ("failed", "efficient", False): 1,
        ("cancelled", "efficient", False): 1,
    }
    errors = {p[names.OUTCOME]: p.get(names.ERROR_TYPE) for p, _ in points}
    assert errors["failed"] == "UPSTREAM_INTERRUPTED"
    assert errors["unchecked"] is None


def test_cost_is_counted_by_call_and_says_what_was_thrown_away(recording: Recording) -> None:
    recording.play(escalated())
    assert recording.total("tierwise.cost", {names.SUPERSEDED: True}) == DRAFT_USD
    assert recording.total("tierwise.cost", {names.KIND: "check"}) == CHECK_USD
    assert recording.total("tierwise.cost", {names.TIER: "frontier"}) == ANSWER_USD


def test_cost_is_added_up_exactly(recording: Recording) -> None:
    story = Story(a_plan(EFFICIENT)).ask()
    cost = a_record(story.last).cost
    assert cost is not None
    one_nano = replace(cost, input_nano_usd=1, cache_read_nano_usd=0, output_nano_usd=0)
    events = story.answer(cost=one_nano).finish()
    for _ in range(1000):
        recording.play(events)
    assert recording.total("tierwise.cost") == 1e-6


def test_what_the_answer_would_have_cost_elsewhere_is_counted(recording: Recording) -> None:
    recording.play(direct())
    assert recording.total("tierwise.counterfactual.cost", {names.TIER: "reasoning"}) == 0.001


def test_tokens_are_counted_as_the_conventions_name_them(recording: Recording) -> None:
    recording.play(escalated())
    prefix = "gen_ai.client.inference.usage."
    assert recording.total(f"{prefix}input_tokens") == 300
    assert recording.total(f"{prefix}cache_read.input_tokens") == 120
    assert recording.total(f"{prefix}output_tokens") == 45
    assert f"{prefix}reasoning.output_tokens" not in recording.metrics()


def test_escalations_name_the_tier_given_up(recording: Recording) -> None:
    recording.play(escalated())
    labels = {
        names.TASK_TYPE: "classify_intent",
        names.TIER: "efficient",
        names.ESCALATION_REASON: "low_confidence",
    }
    assert recording.metrics()["tierwise.escalations"] == [(labels, 1)]


def test_confidence_is_counted_only_where_it_was_readable(recording: Recording) -> None:
    recording.play(escalated())
    unreadable = Story().ask(CallKind.DRAFT).answer().check(None, CheckOutcome.ACCEPTED_LOW)
    recording.play(unreadable.finish())
    assert [total for _, total in recording.metrics()["tierwise.confidence.score"]] == [4]


def test_a_billed_call_without_a_price_is_counted_and_costs_nothing(recording: Recording) -> None:
    recording.play(Story(a_plan(EFFICIENT)).ask().answer(cost=None).finish())
    assert recording.total("tierwise.unpriced_calls") == 1
    assert "tierwise.cost" not in recording.metrics()


def test_an_unbilled_call_is_not_called_unpriced(recording: Recording) -> None:
    story = Story(a_plan(EFFICIENT)).ask()
    story.answer(
        status=CallStatus.FAILED, failure=Reason.UPSTREAM_OVERLOADED, usage=None, cost=None
    )
    recording.play(story.fail(Reason.UPSTREAM_OVERLOADED))
    assert "tierwise.unpriced_calls" not in recording.metrics()


def test_retries_are_the_tries_after_the_first(recording: Recording) -> None:
    recording.play(Story(a_plan(EFFICIENT)).ask().answer(tries=3).finish())
    assert recording.total("tierwise.retries") == 2


def test_overhead_is_the_time_no_model_was_waited_for() -> None:
    calls = [a_record(Story().ask().last, duration_s=seconds) for seconds in (0.25, 0.5)]
    assert overhead_s(_summary(calls, 0.875)) == 0.125
    assert overhead_s(_summary(calls, 0.5)) == 0.0


def _summary(records: list[CallRecord], duration_s: float) -> Summary:
    return Summary("r", "t", tuple(records), duration_s)


def test_durations_are_recorded_once_per_request_and_call(recording: Recording) -> None:
    recording.play(escalated())
    metrics = recording.metrics()
    assert [total for _, total in metrics["gen_ai.server.request.duration"]] == [0.5]
    assert [total for _, total in metrics["gen_ai.server.time_to_first_token"]] == [0.3]
    assert recording.total("gen_ai.client.inference.duration") == pytest.approx(0.3)
    assert recording.total("gen_ai.client.inference.time_to_first_chunk") == pytest.approx(0.15)
    assert [total for _, total in metrics["tierwise.request.overhead"]] == [pytest.approx(0.2)]


def test_callers_cannot_add_time_series(recording: Recording) -> None:
    for at in range(300):
        plan = replace(a_plan(EFFICIENT), task_type=f"invented {at}", rule=Rule.DEFAULT)
        recording.play(Story(plan, request_id=f"request {at}").ask().answer().finish())
        pinned = replace(plan, rule=Rule.PINNED)
        recording.play(Story(pinned).ask().answer().finish())
        recording.telemetry.server_span(f"evil.Service/{at}", (), PEER).end("UNIMPLEMENTED")
    metrics = recording.metrics()
    task_types = {p[names.TASK_TYPE] for p, _ in metrics["tierwise.requests"]}
    assert task_types == {"other", "pinned"}
    methods = {p[names.RPC_METHOD] for p, _ in metrics["rpc.server.call.duration"]}
    assert methods == {GENERATE, "_OTHER"}
    assert max(len(points) for points in metrics.values()) <= 3


def test_every_label_is_in_the_table(recording: Recording) -> None:
    usage = Usage(100, cache_write_1h_tokens=50, output_tokens=20, reasoning_tokens=10)
    rare = Story(a_plan(FRONTIER)).ask(tier=FRONTIER).answer(usage=usage, tries=2, cost=None)
    for events in (escalated(), accepted(), failed(), cancelled()):
        recording.play(events, status="UNAVAILABLE", reason="UPSTREAM_UNAVAILABLE")
    recording.play(rare.finish())
    overload = recording.telemetry.overload
    overload.breaker_changed("claude-sonnet-4-6", "open")
    overload.call_waited("anthropic", 0.5)
    overload.call_shed("anthropic")
    recording.telemetry.expect(a_measured_table("v1", 0.25))
    recording.telemetry.reloads.table_loaded("v1")
    recording.telemetry.reloads.reloaded()
    recording.telemetry.bookings.unrecorded()
    recording.telemetry.bookings.state(healthy=True, waiting=2)
    recording.telemetry.bookings.emergency(spilled=3, lost=1, filled=0.5)
    found = recording.metrics()
    for name, points in found.items():
        for labels, _ in points:
            assert set(labels) <= set(instruments.METRICS[name].keys), name
    assert set(found) == set(instruments.METRICS)


def a_measured_table(version: str, escalation_rate: float | None) -> RoutingTable:
    evidence = Evidence(
        100, 0.9, 0.8, 0.95, 2_500_000, "check", "d", "p", 0, 1, escalation_rate=escalation_rate
    )
    cascade = (EFFICIENT.name, FRONTIER.name)
    rows = {"answer_faq": Policy(cascade, 0.8, evidence=evidence), "debug": Policy(cascade, 0.8)}
    return RoutingTable(version, (EFFICIENT, FRONTIER), rows, None, Policy(cascade, 0.8))


def test_what_the_evidence_expects_stands_beside_what_happens(recording: Recording) -> None:
    """Rows without evidence expect nothing; a new table's expectations replace the old one's."""
    recording.telemetry.expect(a_measured_table("v1", 0.25))
    recording.telemetry.expect(a_measured_table("v2", 0.5))
    found = recording.metrics()
    labels = {names.TASK_TYPE: "answer_faq", names.TABLE_VERSION: "v2"}
    assert found["tierwise.expected.escalation_rate"] == [(labels, 0.5)]
    assert found["tierwise.expected.cost"] == [(labels, 0.0025)]
    recording.telemetry.expect(a_measured_table("v3", None))
    assert "tierwise.expected.escalation_rate" not in recording.metrics()


def test_the_cost_of_task_types_is_the_cost_of_calls(recording: Recording) -> None:
    for events in (direct(), accepted(), escalated(), failed(), cancelled()):
        recording.play(events)
    by_type = recording.metrics()["tierwise.request.cost"]
    assert {labels[names.TASK_TYPE] for labels, _ in by_type} == {"classify_intent"}
    total = sum(value for _, value in recording.metrics()["tierwise.cost"])
    assert sum(value for _, value in by_type) == pytest.approx(total)
    assert total > 0


def test_what_is_turned_away_is_counted_apart_for_requests_and_calls(recording: Recording) -> None:
    overload = recording.telemetry.overload
    overload.request_shed()
    overload.call_shed("anthropic")
    overload.call_shed("anthropic")
    points = recording.metrics()["tierwise.shed"]
    assert {point.get(names.PROVIDER): count for point, count in points} == {
        None: 1,
        "anthropic": 2,
    }


def test_overload_without_metrics_is_told_to_nobody() -> None:
    overload = Telemetry.off().overload
    overload.request_shed()
    overload.call_shed("anthropic")
    overload.call_waited("anthropic", 1.0)
    overload.breaker_changed("claude-sonnet-4-6", "open")


def test_calls_that_fail_are_counted_by_what_the_caller_was_told(recording: Recording) -> None:
    recording.play(direct())
    for reason in ("LEDGER_UNAVAILABLE", "RATE_LIMITED", "RATE_LIMITED"):
        recording.play((), status="UNAVAILABLE", reason=reason)
    points = recording.metrics()["tierwise.failures"]
    assert {labels[names.REASON]: count for labels, count in points} == {
        "LEDGER_UNAVAILABLE": 1,
        "RATE_LIMITED": 2,
    }
