"""From the core's events and values to the contract's messages. Pure.

Enums of core and contract have the same names; the maps are made from the names once, so that a name missing on either
side fails at import, not on the wire.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from tierwise.v1 import accounting_pb2, reason_pb2, router_pb2, routing_pb2
from tierwise_server.core import account, cascade, model, stream, table
from tierwise_server.errors import Reason

if TYPE_CHECKING:
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
    response = router_pb2.GenerateResponse
    match event:
        case stream.TextDelta(attempt, text, provisional):
            delta = router_pb2.TextDelta(attempt=attempt, text=text, provisional=provisional)
            return response(sequence=sequence, text_delta=delta)
        case stream.Started():
            return response(sequence=sequence, started=_started(event))
        case stream.AttemptStarted():
            return response(sequence=sequence, attempt_started=_attempt_started(event))
        case stream.AttemptFinished(record):
            finished = router_pb2.AttemptFinished(call=_call_record(record))
            return response(sequence=sequence, attempt_finished=finished)
        case stream.ConfidenceChecked():
            return response(sequence=sequence, confidence_checked=_checked(event))
        case stream.AttemptSuperseded(attempt, replacement, reason):
            superseded = router_pb2.AttemptSuperseded(
                attempt=attempt, replacement_attempt=replacement, reason=_CLIMBS[reason]
            )
            return response(sequence=sequence, attempt_superseded=superseded)
        case stream.Finished(summary):
            done = router_pb2.Finished(summary=summary_message(summary))
            return response(sequence=sequence, finished=done)
        case _:
            return None


def heartbeat_message(sequence: int) -> router_pb2.GenerateResponse:
    """Make a heartbeat."""
    return router_pb2.GenerateResponse(sequence=sequence, heartbeat=router_pb2.Heartbeat())


def decision_message(plan: table.Plan) -> routing_pb2.RouteDecision:
    """Make the contract's decision of a plan."""
    first = plan.cascade[0]
    return routing_pb2.RouteDecision(
        tier=first.name,
        model=first.model.id,
        cascade=[tier.name for tier in plan.cascade],
        rule=_RULES[plan.rule],
        adjustments=[_ADJUSTMENTS[change] for change in plan.adjustments],
        why=plan.why,
        confidence_method=plan.method,
        confidence_threshold=plan.threshold if plan.escalates else None,
        table_version=plan.table_version,
        task_type=plan.task_type,
    )


def route_message(
    plan: table.Plan, estimates: tuple[TierEstimate, ...], price_book_version: str
) -> router_pb2.RouteResponse:
    """Make the answer of Route."""
    return router_pb2.RouteResponse(
        decision=decision_message(plan),
        tiers=[_estimate(estimate, price_book_version) for estimate in estimates],
        evidence=None if plan.policy.evidence is None else _evidence(plan.policy.evidence),
    )


def summary_message(summary: account.Summary) -> accounting_pb2.GenerationSummary:
    """Make the contract's summary."""
    final = summary.final
    message = accounting_pb2.GenerationSummary(
        request_id=summary.request_id,
        table_version=summary.table_version,
        escalated=summary.escalated,
        confidence=summary.confidence,
        usage=_usage(summary.usage),
        cost=_cost(summary.cost),
        calls=[_call_record(record) for record in summary.records],
        counterfactuals=[_counterfactual(other) for other in summary.counterfactuals],
        time_to_first_text=None
        if summary.first_text_s is None
        else _duration(summary.first_text_s),
        duration=_duration(summary.duration_s),
    )
    if final is not None and summary.acceptance is not None:
        message.final_attempt = final.call.attempt
        message.tier = final.call.tier.name
        message.model = final.call.tier.model.id
        message.acceptance = _ACCEPTANCES[summary.acceptance]
        if final.finish_reason is not None:
            message.finish_reason = _FINISHES[final.finish_reason]
        if final.finish_reason is model.FinishReason.OTHER:
            message.raw_finish_reason = final.raw_finish_reason
    return message


def _started(event: stream.Started) -> router_pb2.Started:
    seconds = int(event.started_at_s)
    nanos = int((event.started_at_s - seconds) * NANOS_PER_SECOND)
    return router_pb2.Started(
        request_id=event.request_id,
        decision=decision_message(event.plan),
        start_time=Timestamp(seconds=seconds, nanos=nanos),
    )


def _attempt_started(event: stream.AttemptStarted) -> router_pb2.AttemptStarted:
    call = event.call
    return router_pb2.AttemptStarted(
        attempt=call.attempt,
        kind=_KINDS[call.kind],
        tier=call.tier.name,
        model=call.tier.model.id,
        ignored_options=event.ignored_options,
    )


def _checked(event: stream.ConfidenceChecked) -> router_pb2.ConfidenceChecked:
    return router_pb2.ConfidenceChecked(
        attempt=event.check.record.call.attempt,
        method=event.method,
        confidence=event.check.confidence,
        score=event.check.score,
        threshold=event.threshold,
        outcome=_OUTCOMES[event.outcome],
        call=_call_record(event.check.record),
    )


def _call_record(record: account.CallRecord) -> accounting_pb2.CallRecord:
    return accounting_pb2.CallRecord(
        attempt=record.call.attempt,
        kind=_KINDS[record.call.kind],
        status=_STATUSES[record.status],
        tier=record.call.tier.name,
        model=record.call.tier.model.id,
        usage=None if record.usage is None else _usage(record.usage),
        cost=_cost(record.cost),
        usage_estimated=record.estimated,
        superseded=record.superseded,
        finish_reason=None if record.finish_reason is None else _FINISHES[record.finish_reason],
        failure_reason=None if record.failure is None else _REASONS[record.failure],
        tries=record.tries,
        response_id=record.response_id,
        duration=_duration(record.duration_s),
    )


def _usage(usage: model.Usage) -> accounting_pb2.Usage:
    return accounting_pb2.Usage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )


def _cost(cost: Cost | None) -> accounting_pb2.Cost | None:
    if cost is None:
        return None
    return accounting_pb2.Cost(
        total_nano_usd=cost.total_nano_usd,
        input_nano_usd=cost.input_nano_usd,
        cache_read_nano_usd=cost.cache_read_nano_usd,
        cache_write_nano_usd=cost.cache_write_nano_usd,
        output_nano_usd=cost.output_nano_usd,
        price_book_version=cost.price_book_version,
    )


def _counterfactual(other: account.Counterfactual) -> accounting_pb2.Counterfactual:
    return accounting_pb2.Counterfactual(
        tier=other.tier,
        model=other.model,
        cost_nano_usd=other.cost_nano_usd,
        basis=_BASES[other.basis],
    )


def _estimate(estimate: TierEstimate, price_book_version: str) -> routing_pb2.TierEstimate:
    return routing_pb2.TierEstimate(
        tier=estimate.tier.name,
        model=estimate.tier.model.id,
        estimated_input_tokens=estimate.input_tokens,
        assumed_output_tokens=estimate.assumed_output_tokens,
        estimated_cost_nano_usd=estimate.cost_nano_usd,
        max_cost_nano_usd=estimate.max_cost_nano_usd,
        fits_context=estimate.fits_context,
        price_book_version=price_book_version,
    )


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
    )


def _duration(seconds: float) -> Duration:
    whole = int(seconds)
    return Duration(seconds=whole, nanos=int((seconds - whole) * NANOS_PER_SECOND))
