"""Messages of the contract into the client's values. Pure, and total: what is unknown becomes UNSPECIFIED."""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from tierwise.v1 import accounting_pb2, reason_pb2, router_pb2, routing_pb2
from tierwise_client import _enums, _events, _values

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
    from google.protobuf.timestamp_pb2 import Timestamp

Word = TypeVar("Word", bound=enum.StrEnum)


def _words(kind: type[Word], wire: EnumTypeWrapper, prefix: str) -> Callable[[int], Word]:
    """Return the function from a number on the wire to the word it stands for."""
    known = {wire.Value(f"{prefix}_{word.value}"): word for word in kind}
    unknown = kind("UNSPECIFIED")
    return lambda number: known.get(number, unknown)


_finish_reason = _words(_enums.FinishReason, reason_pb2.FinishReason, "FINISH_REASON")
_error_reason = _words(_enums.ErrorReason, reason_pb2.ErrorReason, "ERROR_REASON")
_escalation_reason = _words(
    _enums.EscalationReason, reason_pb2.EscalationReason, "ESCALATION_REASON"
)
_acceptance = _words(_enums.Acceptance, accounting_pb2.Acceptance, "ACCEPTANCE")
_call_kind = _words(_enums.CallKind, accounting_pb2.CallKind, "CALL_KIND")
_call_status = _words(_enums.CallStatus, accounting_pb2.CallStatus, "CALL_STATUS")
_basis = _words(
    _enums.CounterfactualBasis, accounting_pb2.CounterfactualBasis, "COUNTERFACTUAL_BASIS"
)
_outcome = _words(_enums.CheckOutcome, router_pb2.CheckOutcome, "CHECK_OUTCOME")
_rule = _words(_enums.RoutingRule, routing_pb2.RoutingRule, "ROUTING_RULE")
_adjustment = _words(_enums.RoutingAdjustment, routing_pb2.RoutingAdjustment, "ROUTING_ADJUSTMENT")


def _seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos / 1e9


def _time(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(UTC)


def usage(proto: accounting_pb2.Usage) -> _values.Usage:
    """Return tokens."""
    return _values.Usage(
        input_tokens=proto.input_tokens,
        cache_read_tokens=proto.cache_read_tokens,
        cache_write_tokens=proto.cache_write_tokens,
        cache_write_1h_tokens=proto.cache_write_1h_tokens,
        output_tokens=proto.output_tokens,
        reasoning_tokens=proto.reasoning_tokens,
    )


def cost(proto: accounting_pb2.Cost) -> _values.Cost:
    """Return money."""
    return _values.Cost(
        total_nano_usd=proto.total_nano_usd,
        input_nano_usd=proto.input_nano_usd,
        cache_read_nano_usd=proto.cache_read_nano_usd,
        cache_write_nano_usd=proto.cache_write_nano_usd,
        output_nano_usd=proto.output_nano_usd,
        price_book_version=proto.price_book_version,
    )


def call_record(proto: accounting_pb2.CallRecord) -> _values.CallRecord:
    """Return the account of one call."""
    return _values.CallRecord(
        attempt=proto.attempt,
        kind=_call_kind(proto.kind),
        status=_call_status(proto.status),
        tier=proto.tier,
        model=proto.model,
        usage=usage(proto.usage) if proto.HasField("usage") else None,
        cost=cost(proto.cost) if proto.HasField("cost") else None,
        usage_estimated=proto.usage_estimated,
        superseded=proto.superseded,
        finish_reason=_finish_reason(proto.finish_reason),
        failure_reason=_error_reason(proto.failure_reason),
        tries=proto.tries,
        response_id=proto.response_id,
        duration_s=_seconds(proto.duration),
    )


def counterfactual(proto: accounting_pb2.Counterfactual) -> _values.Counterfactual:
    """Return what one tier alone would have cost."""
    return _values.Counterfactual(
        tier=proto.tier,
        model=proto.model,
        cost_nano_usd=proto.cost_nano_usd if proto.HasField("cost_nano_usd") else None,
        basis=_basis(proto.basis),
    )


def summary(proto: accounting_pb2.GenerationSummary) -> _values.GenerationSummary:
    """Return the account of a request."""
    has_first_text = proto.HasField("time_to_first_text")
    return _values.GenerationSummary(
        final_attempt=proto.final_attempt,
        tier=proto.tier,
        model=proto.model,
        finish_reason=_finish_reason(proto.finish_reason),
        raw_finish_reason=proto.raw_finish_reason,
        escalated=proto.escalated,
        acceptance=_acceptance(proto.acceptance),
        confidence=proto.confidence if proto.HasField("confidence") else None,
        usage=usage(proto.usage),
        cost=cost(proto.cost) if proto.HasField("cost") else None,
        calls=tuple(call_record(call) for call in proto.calls),
        counterfactuals=tuple(counterfactual(other) for other in proto.counterfactuals),
        table_version=proto.table_version,
        time_to_first_text_s=_seconds(proto.time_to_first_text) if has_first_text else None,
        duration_s=_seconds(proto.duration),
        request_id=proto.request_id,
        proto=proto,
    )


def route_decision(proto: routing_pb2.RouteDecision) -> _values.RouteDecision:
    """Return which tier a task gets."""
    has_threshold = proto.HasField("confidence_threshold")
    return _values.RouteDecision(
        tier=proto.tier,
        model=proto.model,
        cascade=tuple(proto.cascade),
        rule=_rule(proto.rule),
        adjustments=tuple(_adjustment(number) for number in proto.adjustments),
        why=proto.why,
        confidence_method=proto.confidence_method,
        confidence_threshold=proto.confidence_threshold if has_threshold else None,
        table_version=proto.table_version,
        task_type=proto.task_type,
    )


def tier_estimate(proto: routing_pb2.TierEstimate) -> _values.TierEstimate:
    """Return what one tier would cost."""
    has_estimate = proto.HasField("estimated_cost_nano_usd")
    return _values.TierEstimate(
        tier=proto.tier,
        model=proto.model,
        estimated_input_tokens=proto.estimated_input_tokens,
        assumed_output_tokens=proto.assumed_output_tokens,
        estimated_cost_nano_usd=proto.estimated_cost_nano_usd if has_estimate else None,
        max_cost_nano_usd=proto.max_cost_nano_usd if proto.HasField("max_cost_nano_usd") else None,
        fits_context=proto.fits_context,
        price_book_version=proto.price_book_version,
    )


def evidence(proto: routing_pb2.Evidence) -> _values.Evidence:
    """Return the measurement behind a row."""
    return _values.Evidence(
        sample_size=proto.sample_size,
        quality=proto.quality,
        quality_low=proto.quality_low,
        quality_high=proto.quality_high,
        mean_cost_nano_usd=proto.mean_cost_nano_usd,
        judge=proto.judge,
        dataset_hash=proto.dataset_hash,
        price_book_version=proto.price_book_version,
        measure_time=_time(proto.measure_time) if proto.HasField("measure_time") else None,
        expire_time=_time(proto.expire_time) if proto.HasField("expire_time") else None,
        escalation_rate=proto.escalation_rate if proto.HasField("escalation_rate") else None,
        tolerance=proto.tolerance if proto.HasField("tolerance") else None,
        confidence=proto.confidence if proto.HasField("confidence") else None,
        loss_bound=proto.loss_bound if proto.HasField("loss_bound") else None,
    )


def route_result(proto: router_pb2.RouteResponse) -> _values.RouteResult:
    """Return the answer to Route."""
    return _values.RouteResult(
        decision=route_decision(proto.decision),
        tiers=tuple(tier_estimate(tier) for tier in proto.tiers),
        evidence=evidence(proto.evidence) if proto.HasField("evidence") else None,
        proto=proto,
    )


def _started(proto: router_pb2.Started) -> _events.Started:
    return _events.Started(
        request_id=proto.request_id,
        decision=route_decision(proto.decision),
        start_time=_time(proto.start_time),
    )


def _attempt_started(proto: router_pb2.AttemptStarted) -> _events.AttemptStarted:
    return _events.AttemptStarted(
        attempt=proto.attempt,
        kind=_call_kind(proto.kind),
        tier=proto.tier,
        model=proto.model,
        ignored_options=tuple(proto.ignored_options),
    )


def _text_delta(proto: router_pb2.TextDelta) -> _events.TextDelta:
    return _events.TextDelta(proto.attempt, proto.text, proto.provisional)


def _attempt_finished(proto: router_pb2.AttemptFinished) -> _events.AttemptFinished:
    return _events.AttemptFinished(call_record(proto.call))


def _confidence_checked(proto: router_pb2.ConfidenceChecked) -> _events.ConfidenceChecked:
    return _events.ConfidenceChecked(
        attempt=proto.attempt,
        method=proto.method,
        confidence=proto.confidence if proto.HasField("confidence") else None,
        score=proto.score if proto.HasField("score") else None,
        threshold=proto.threshold,
        outcome=_outcome(proto.outcome),
        call=call_record(proto.call),
    )


def _attempt_superseded(proto: router_pb2.AttemptSuperseded) -> _events.AttemptSuperseded:
    return _events.AttemptSuperseded(
        proto.attempt, proto.replacement_attempt, _escalation_reason(proto.reason)
    )


def event(message: router_pb2.GenerateResponse) -> _events.Event | None:
    """Return the event of a message; None for a kind that this client does not know."""
    match message.WhichOneof("event"):
        case "text_delta":
            return _text_delta(message.text_delta)
        case "started":
            return _started(message.started)
        case "attempt_started":
            return _attempt_started(message.attempt_started)
        case "attempt_finished":
            return _attempt_finished(message.attempt_finished)
        case "confidence_checked":
            return _confidence_checked(message.confidence_checked)
        case "attempt_superseded":
            return _attempt_superseded(message.attempt_superseded)
        case "heartbeat":
            return _events.Heartbeat()
        case "finished":
            return _events.Finished(summary(message.finished.summary))
        case _:
            return None
