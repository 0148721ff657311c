"""What the core's values look like as span attributes. Pure; no prompt and no answer text goes in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from tierwise_server.core.account import CallRecord, CallStatus, Counterfactual, Summary
from tierwise_server.core.model import CallKind, FinishReason, Usage
from tierwise_server.errors import Reason
from tierwise_server.telemetry import names
from tierwise_server.telemetry.text import plain

if TYPE_CHECKING:
    from tierwise_server.core.cascade import Call
    from tierwise_server.core.stream import (
        AttemptSuperseded,
        CheckFinished,
        ConfidenceChecked,
    )
    from tierwise_server.core.table import Plan

Value = str | bool | int | float | tuple[str, ...]
Attributes = dict[str, Value]

NANO_PER_USD: Final = 1_000_000_000
OTHER: Final = "other"
"""Stands for every task type that has no row in the routing table."""

_LONGEST_WHY: Final = 256

FINISH_REASONS: Final[dict[FinishReason, str]] = {
    FinishReason.STOP: "stop",
    FinishReason.STOP_SEQUENCE: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.CONTEXT_WINDOW: "length",
    FinishReason.REFUSAL: "content_filter",
    FinishReason.TOOL_USE: "tool_call",
    FinishReason.PAUSE: "pause",
    FinishReason.OTHER: "other",
}
"""The conventions' words, and two of our own where they have none."""


def of_plan(plan: Plan) -> Attributes:
    """Describe a decision."""
    attributes: Attributes = {
        names.TASK_TYPE: task_type_of(plan),
        names.RULE: plan.rule.name.lower(),
        names.WHY: plain(plan.why, _LONGEST_WHY),
        names.CASCADE: tuple(tier.name for tier in plan.cascade),
        names.TABLE_VERSION: plan.table_version,
    }
    if plan.adjustments:
        attributes[names.ADJUSTMENTS] = tuple(change.name.lower() for change in plan.adjustments)
    if plan.escalates:
        attributes[names.METHOD] = plan.method
        attributes[names.THRESHOLD] = plan.threshold
    return attributes


def task_type_of(plan: Plan) -> str:
    """The task type if the table has a row for it: any other is a caller's free text, which may hold anything."""
    return plain(plan.task_type) if plan.listed else OTHER


def of_call(call: Call) -> Attributes:
    """Describe a call to a model before it is made."""
    model = call.tier.model
    attributes: Attributes = {
        names.OPERATION: names.CHAT,
        names.PROVIDER: model.provider,
        names.REQUEST_MODEL: model.id,
        names.STREAM: True,
        names.TIER: call.tier.name,
        names.ATTEMPT: call.attempt,
        names.KIND: call.kind.name.lower(),
    }
    if call.tier.effort and call.kind is not CallKind.CHECK:
        attributes[names.REASONING_LEVEL] = call.tier.effort
    return attributes


def of_record(record: CallRecord) -> Attributes:
    """Describe how a call ended, what it used and what it cost."""
    attributes: Attributes = {
        names.STATUS: record.status.name.lower(),
        names.TRIES: record.tries,
        names.FINISH_REASONS: (finish_reason(record),),
    }
    if record.response_id:
        attributes[names.RESPONSE_ID] = plain(record.response_id)
    if record.raw_finish_reason:
        attributes[names.RAW_FINISH] = plain(record.raw_finish_reason)
    if record.first_token_s is not None:
        attributes[names.FIRST_CHUNK] = record.first_token_s
    if record.usage is not None:
        attributes.update(_of_usage(record.usage))
        attributes[names.ESTIMATED] = record.estimated
    if record.cost is not None:
        attributes[names.COST_NANO_USD] = record.cost.total_nano_usd
        attributes[names.COST_USD] = record.cost.total_nano_usd / NANO_PER_USD
        attributes[names.PRICE_BOOK] = record.cost.price_book_version
    if failed := error_type(record):
        attributes[names.ERROR_TYPE] = failed
    return attributes


def finish_reason(record: CallRecord) -> str:
    """The conventions' word for why a model stopped; `error` when it was cut off."""
    if record.status is not CallStatus.COMPLETED or record.finish_reason is None:
        return "error"
    return FINISH_REASONS[record.finish_reason]


def error_type(record: CallRecord) -> str:
    """Name the reason a call has no whole answer; empty when it has one."""
    if record.status is CallStatus.COMPLETED:
        return ""
    if record.status is CallStatus.CANCELLED:
        return Reason.CANCELLED.name
    return (record.failure or Reason.INTERNAL).name


def cache_write_tokens(usage: Usage) -> int:
    """All tokens written to the cache, however long they stay."""
    return usage.cache_write_tokens + usage.cache_write_1h_tokens


def _of_usage(usage: Usage) -> Attributes:
    attributes: Attributes = {
        names.INPUT_TOKENS: usage.input_tokens,
        names.OUTPUT_TOKENS: usage.output_tokens,
    }
    for key, tokens in (
        (names.CACHE_READ, usage.cache_read_tokens),
        (names.CACHE_WRITE, cache_write_tokens(usage)),
        (names.REASONING_TOKENS, usage.reasoning_tokens),
    ):
        if tokens:
            attributes[key] = tokens
    return attributes


def of_confidence(check: CheckFinished) -> Attributes:
    """The score and the confidence of a check; empty when it was unreadable."""
    attributes: Attributes = {}
    if check.score is not None:
        attributes[names.SCORE] = check.score
    if check.confidence is not None:
        attributes[names.CONFIDENCE] = check.confidence
    return attributes


def of_outcome(checked: ConfidenceChecked) -> Attributes:
    """What followed from a check."""
    outcome: Attributes = {names.CHECK_OUTCOME: checked.outcome.name.lower()}
    return of_confidence(checked.check) | outcome


def of_evaluation(check: CheckFinished, threshold: float) -> Attributes:
    """A check in the conventions' words for evaluations."""
    attributes: Attributes = {names.EVALUATION_NAME: "confidence"}
    if check.record.status is not CallStatus.COMPLETED:
        label = "unanswered"
    elif check.confidence is None:
        label = "unreadable"
    else:
        label = "pass" if check.confidence >= threshold else "fail"
        attributes[names.EVALUATION_VALUE] = check.confidence
    attributes[names.EVALUATION_LABEL] = label
    return attributes


def of_superseded(event: AttemptSuperseded) -> Attributes:
    """Which attempt gave way to which, and why."""
    return {
        names.ATTEMPT: event.attempt,
        names.REPLACEMENT: event.replacement,
        names.ESCALATION_REASON: event.reason.name.lower(),
    }


def of_summary(summary: Summary, reason: Reason | None) -> Attributes:
    """The totals of a request."""
    usage = summary.usage
    attributes: Attributes = {
        names.OUTCOME: outcome(summary, reason),
        names.ESCALATED: summary.escalated,
        names.ATTEMPTS: max((record.call.attempt for record in summary.records), default=0),
        names.TOTAL_INPUT: usage.input_tokens,
        names.TOTAL_OUTPUT: usage.output_tokens,
        **of_last_tier(summary),
    }
    cost = summary.cost
    if cost is not None:
        attributes[names.TOTAL_NANO_USD] = cost.total_nano_usd
        attributes[names.TOTAL_USD] = cost.total_nano_usd / NANO_PER_USD
    for other in summary.counterfactuals:
        attributes.update(_of_counterfactual(other, None if cost is None else cost.total_nano_usd))
    if summary.first_text_s is not None:
        attributes[names.FIRST_TEXT] = summary.first_text_s
    if reason is not None:
        attributes[names.ERROR_TYPE] = reason.name
    return attributes


def of_last_tier(summary: Summary) -> Attributes:
    """The tier and model of the answer, or of the last attempt when there is none."""
    record = last_attempt(summary)
    if record is None:
        return {}
    return {names.TIER: record.call.tier.name, names.MODEL: record.call.tier.model.id}


def last_attempt(summary: Summary) -> CallRecord | None:
    """The record of the answer, else of the last attempt; None when no attempt was made."""
    if summary.final is not None:
        return summary.final
    attempts = (r for r in reversed(summary.records) if r.call.kind is not CallKind.CHECK)
    return next(attempts, None)


def outcome(summary: Summary, reason: Reason | None) -> str:
    """How a request ended, in one word."""
    if reason is Reason.CANCELLED:
        return "cancelled"
    if reason is not None or summary.acceptance is None:
        return "failed"
    return summary.acceptance.name.lower()


def _of_counterfactual(other: Counterfactual, total_nano_usd: int | None) -> Mapping[str, Value]:
    if other.cost_nano_usd is None:
        return {}
    attributes: Attributes = {_for_tier(names.COUNTERFACTUAL, other.tier): other.cost_nano_usd}
    if total_nano_usd is not None:
        saving = other.cost_nano_usd - total_nano_usd
        attributes[_for_tier(names.SAVING, other.tier)] = saving
    return attributes


def _for_tier(key: str, tier: str) -> str:
    return key.replace("<tier>", plain(tier))
