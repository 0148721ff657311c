"""From the core's events and values to the contract's messages. Pure.

Enums of core and contract have the same names; the maps are made from the names once, so that a name missing on either
side fails at import, not on the wire.

Messages are filled in place: one that is passed to the constructor of another is copied, once per level (measured:
three times the cost).
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from google.protobuf.timestamp_pb2 import Timestamp

from tierwise.v1 import accounting_pb2, reason_pb2, router_pb2, routing_pb2
from tierwise_server.core import account, cascade, model, stream, table
from tierwise_server.errors import Reason

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration

    from tierwise_server.core.prices import Cost
    from tierwise_server.core.quote import TierEstimate

NANOS_PER_SECOND = 1_000_000_000


def _numbers(members: type[enum.Enum], message_enum: Any, prefix: str) -> dict[Any, Any]:
    return {member: message_enum.Value(f"{prefix}_{member.name}") for member in members}


_RULES = _numbers(table.Rule, routing_pb2.RoutingRule, "ROUTING_RULE")
_ADJUSTMENTS = _numbers(table.Adjustment, routing_pb2.RoutingAdjustment, "ROUTING_ADJUSTMENT")
_KINDS = _numbers(model.CallKind, accounting_pb2.CallKind, "CALL_KIND")
_STATUSES = _numbers(account.CallStatus, accounting_pb2.CallStatus, "CALL_STATUS")
_FINISHES = _numbers(model.FinishReason, reason_pb2.FinishReason, "FINISH_REASON")
_REASONS = _numbers(Reason, reason_pb2.ErrorReason, "ERROR_REASON")
_CLIMBS = _numbers(cascade.EscalationReason, reason_pb2.EscalationReason, "ESCALATION_REASON")
_ACCEPTANCES = _numbers(cascade.Acceptance, accounting_pb2.Acceptance, "ACCEPTANCE")
_OUTCOMES = _numbers(cascade.CheckOutcome, router_pb2.CheckOutcome, "CHECK_OUTCOME")
_BASES = _numbers(account.Basis, accounting_pb2.CounterfactualBasis, "COUNTERFACTUAL_BASIS")


def event_message(event: stream.StreamEvent, sequence: int) -> router_pb2.GenerateResponse | None:
    """Make the contract's message of an event; None for events that are not part of the contract."""
    message = router_pb2.GenerateResponse(sequence=sequence)
    match event:
        case stream.TextDelta(attempt, text, provisional):
            delta = message.text_delta
            delta.attempt, delta.text, delta.provisional = attempt, text, provisional
        case stream.Started():
            _fill_started(message.started, event)
        case stream.AttemptStarted():
            _fill_attempt_started(message.attempt_started, event)
        case stream.AttemptFinished(record):
            _fill_call(message.attempt_finished.call, record)
        case stream.ConfidenceChecked():
            _fill_checked(message.confidence_checked, event)
        case stream.AttemptSuperseded(attempt, replacement, reason):
            superseded = message.attempt_superseded
            superseded.attempt, superseded.replacement_attempt = attempt, replacement
            superseded.reason = _CLIMBS[reason]
        case stream.Finished(summary):
            _fill_summary(message.finished.summary, summary)
        case _:
            return None
    return message


def heartbeat_message(sequence: int) -> router_pb2.GenerateResponse:
    """Make a heartbeat."""
    return router_pb2.GenerateResponse(sequence=sequence, heartbeat=router_pb2.Heartbeat())


def decision_message(plan: table.Plan) -> routing_pb2.RouteDecision:
    """Make the contract's decision of a plan."""
    message = routing_pb2.RouteDecision()
    _fill_decision(message, plan)
    return message


def route_message(
    plan: table.Plan, estimates: tuple[TierEstimate, ...], price_book_version: str
) -> router_pb2.RouteResponse:
    """Make the answer of Route."""
    message = router_pb2.RouteResponse()
    _fill_decision(message.decision, plan)
    for estimate in estimates:
        _fill_estimate(message.tiers.add(), estimate, price_book_version)
    if plan.policy.evidence is not None:
        message.evidence.CopyFrom(_evidence(plan.policy.evidence))
    return message


def summary_message(summary: account.Summary) -> accounting_pb2.GenerationSummary:
    """Make the contract's summary."""
    message = accounting_pb2.GenerationSummary()
    _fill_summary(message, summary)
    return message


def _fill_decision(message: routing_pb2.RouteDecision, plan: table.Plan) -> None:
    first = plan.cascade[0]
    message.tier = first.name
    message.model = first.model.id
    message.cascade.extend([tier.name for tier in plan.cascade])
    message.rule = _RULES[plan.rule]
    if plan.adjustments:
        message.adjustments.extend([_ADJUSTMENTS[change] for change in plan.adjustments])
    message.why = plan.why
    message.confidence_method = plan.method
    if plan.escalates:
        message.confidence_threshold = plan.threshold
    message.table_version = plan.table_version
    message.task_type = plan.task_type


def _fill_summary(message: accounting_pb2.GenerationSummary, summary: account.Summary) -> None:
    message.request_id = summary.request_id
    message.table_version = summary.table_version
    message.escalated = summary.escalated
    if summary.confidence is not None:
        message.confidence = summary.confidence
    _fill_usage(message.usage, summary.usage)
    if (cost := summary.cost) is not None:
        _fill_cost(message.cost, cost)
    for record in summary.records:
        _fill_call(message.calls.add(), record)
    for other in summary.counterfactuals:
        _fill_counterfactual(message.counterfactuals.add(), other)
    if summary.first_text_s is not None:
        _fill_duration(message.time_to_first_text, summary.first_text_s)
    _fill_duration(message.duration, summary.duration_s)
    if summary.final is not None and summary.acceptance is not None:
        _fill_answer(message, summary.final, summary.acceptance)


def _fill_answer(
    message: accounting_pb2.GenerationSummary,
    final: account.CallRecord,
    acceptance: cascade.Acceptance,
) -> None:
    message.final_attempt = final.call.attempt
    message.tier = final.call.tier.name
    message.model = final.call.tier.model.id
    message.acceptance = _ACCEPTANCES[acceptance]
    if final.finish_reason is not None:
        message.finish_reason = _FINISHES[final.finish_reason]
    if final.finish_reason is model.FinishReason.OTHER:
        message.raw_finish_reason = final.raw_finish_reason


def _fill_started(message: router_pb2.Started, event: stream.Started) -> None:
    seconds = int(event.started_at_s)
    message.request_id = event.request_id
    _fill_decision(message.decision, event.plan)
    message.start_time.seconds = seconds
    message.start_time.nanos = int((event.started_at_s - seconds) * NANOS_PER_SECOND)


def _fill_attempt_started(message: router_pb2.AttemptStarted, event: stream.AttemptStarted) -> None:
    call = event.call
    message.attempt = call.attempt
    message.kind = _KINDS[call.kind]
    message.tier = call.tier.name
    message.model = call.tier.model.id
    message.ignored_options.extend(event.ignored_options)


def _fill_checked(message: router_pb2.ConfidenceChecked, event: stream.ConfidenceChecked) -> None:
    check = event.check
    message.attempt = check.record.call.attempt
    message.method = event.method
    if check.confidence is not None:
        message.confidence = check.confidence
    if check.score is not None:
        message.score = check.score
    message.threshold = event.threshold
    message.outcome = _OUTCOMES[event.outcome]
    _fill_call(message.call, check.record)


def _fill_call(message: accounting_pb2.CallRecord, record: account.CallRecord) -> None:
    call = record.call
    message.attempt = call.attempt
    message.kind = _KINDS[call.kind]
    message.status = _STATUSES[record.status]
    message.tier = call.tier.name
    message.model = call.tier.model.id
    if record.usage is not None:
        _fill_usage(message.usage, record.usage)
    if record.cost is not None:
        _fill_cost(message.cost, record.cost)
    message.usage_estimated = record.estimated
    message.superseded = record.superseded
    if record.finish_reason is not None:
        message.finish_reason = _FINISHES[record.finish_reason]
    if record.failure is not None:
        message.failure_reason = _REASONS[record.failure]
    message.tries = record.tries
    message.response_id = record.response_id
    _fill_duration(message.duration, record.duration_s)


def _fill_usage(message: accounting_pb2.Usage, usage: model.Usage) -> None:
    message.input_tokens = usage.input_tokens
    message.cache_read_tokens = usage.cache_read_tokens
    message.cache_write_tokens = usage.cache_write_tokens
    message.cache_write_1h_tokens = usage.cache_write_1h_tokens
    message.output_tokens = usage.output_tokens
    message.reasoning_tokens = usage.reasoning_tokens


def _fill_cost(message: accounting_pb2.Cost, cost: Cost) -> None:
    message.total_nano_usd = cost.total_nano_usd
    message.input_nano_usd = cost.input_nano_usd
    message.cache_read_nano_usd = cost.cache_read_nano_usd
    message.cache_write_nano_usd = cost.cache_write_nano_usd
    message.output_nano_usd = cost.output_nano_usd
    message.price_book_version = cost.price_book_version


def _fill_counterfactual(
    message: accounting_pb2.Counterfactual, other: account.Counterfactual
) -> None:
    message.tier = other.tier
    message.model = other.model
    if other.cost_nano_usd is not None:
        message.cost_nano_usd = other.cost_nano_usd
    message.basis = _BASES[other.basis]


def _fill_estimate(
    message: routing_pb2.TierEstimate, estimate: TierEstimate, price_book_version: str
) -> None:
    message.tier = estimate.tier.name
    message.model = estimate.tier.model.id
    message.estimated_input_tokens = estimate.input_tokens
    message.assumed_output_tokens = estimate.assumed_output_tokens
    if estimate.cost_nano_usd is not None:
        message.estimated_cost_nano_usd = estimate.cost_nano_usd
    if estimate.max_cost_nano_usd is not None:
        message.max_cost_nano_usd = estimate.max_cost_nano_usd
    message.fits_context = estimate.fits_context
    message.price_book_version = price_book_version


def _evidence(evidence: table.Evidence) -> routing_pb2.Evidence:
    return routing_pb2.Evidence(
        sample_size=evidence.sample_size,
        quality=evidence.quality,
        quality_low=evidence.quality_low,
        quality_high=evidence.quality_high,
        mean_cost_nano_usd=evidence.mean_cost_nano_usd,
        judge=evidence.judge,
        dataset_hash=evidence.dataset_hash,
        price_book_version=evidence.price_book_version,
        measure_time=Timestamp(seconds=evidence.measured_at_s),
        expire_time=Timestamp(seconds=evidence.expires_at_s),
        escalation_rate=evidence.escalation_rate,
        tolerance=evidence.tolerance,
        confidence=evidence.confidence,
        loss_bound=evidence.loss_bound,
    )


def _fill_duration(message: Duration, seconds: float) -> None:
    whole = int(seconds)
    message.seconds = whole
    message.nanos = int((seconds - whole) * NANOS_PER_SECOND)
