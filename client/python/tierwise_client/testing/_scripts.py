"""What the fake server may be told to play, and the usual stories ready-made."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tierwise.v1 import accounting_pb2, reason_pb2, router_pb2, routing_pb2
from tierwise_client.testing._failures import Failure

EventMessage: TypeAlias = (
    router_pb2.Started
    | router_pb2.AttemptStarted
    | router_pb2.TextDelta
    | router_pb2.AttemptFinished
    | router_pb2.ConfidenceChecked
    | router_pb2.AttemptSuperseded
    | router_pb2.Heartbeat
    | router_pb2.Finished
)

_FIELDS: dict[type[EventMessage], str] = {
    router_pb2.Started: "started",
    router_pb2.AttemptStarted: "attempt_started",
    router_pb2.TextDelta: "text_delta",
    router_pb2.AttemptFinished: "attempt_finished",
    router_pb2.ConfidenceChecked: "confidence_checked",
    router_pb2.AttemptSuperseded: "attempt_superseded",
    router_pb2.Heartbeat: "heartbeat",
    router_pb2.Finished: "finished",
}
_EFFICIENT = ("efficient", "claude-haiku-4-5-20251001")
_FRONTIER = ("frontier", "claude-sonnet-4-6")
_THRESHOLD = 0.8


@dataclass(frozen=True, slots=True)
class Hold:
    """Send nothing until `until` is set; without it, until the caller leaves or its deadline passes."""

    until: threading.Event | None = None


Step: TypeAlias = EventMessage | router_pb2.GenerateResponse | Failure | Hold
"""An event (numbered by the server), a whole message (sent as it is, so that it may break the contract), a failure that
ends the call, or a pause."""
Script: TypeAlias = Sequence[Step]


def numbered(script: Script) -> Iterator[router_pb2.GenerateResponse | Failure | Hold]:
    """Yield the steps with every event in its message, numbered from 0."""
    sequence = 0
    for step in script:
        if isinstance(step, Failure | Hold):
            yield step
            continue
        if not isinstance(step, router_pb2.GenerateResponse):
            message = router_pb2.GenerateResponse(sequence=sequence)
            event = getattr(message, _FIELDS[type(step)])
            event.SetInParent()
            event.MergeFrom(step)
        else:
            message = step
        yield message
        sequence += 1


def routed(
    tier: str = "efficient", model: str = "claude-haiku-4-5-20251001", *, task_type: str = ""
) -> router_pb2.RouteResponse:
    """Return a reply to Route: one tier, no evidence."""
    estimate = routing_pb2.TierEstimate(
        tier=tier,
        model=model,
        estimated_input_tokens=10,
        assumed_output_tokens=20,
        estimated_cost_nano_usd=110_000,
        fits_context=True,
        price_book_version="test",
    )
    return router_pb2.RouteResponse(
        decision=_decision((tier,), model, task_type=task_type), tiers=[estimate]
    )


def answered(
    text: str = "Hello from the fake server.",
    *,
    tier: str = "efficient",
    model: str = "claude-haiku-4-5-20251001",
    request_id: str = "request-1",
    cost_nano_usd: int = 110_000,
) -> Script:
    """Return the story of a task that one tier answers, unchecked, in pieces of a few letters."""
    direct = accounting_pb2.CALL_KIND_DIRECT
    call = _call(1, direct, tier, model, cost_nano_usd)
    summary = _summary([call], request_id=request_id)
    return [
        router_pb2.Started(request_id=request_id, decision=_decision((tier,), model)),
        router_pb2.AttemptStarted(attempt=1, kind=direct, tier=tier, model=model),
        *_deltas(1, text),
        router_pb2.AttemptFinished(call=call),
        router_pb2.Finished(summary=summary),
    ]


def escalated(
    draft: str = "Perhaps.",
    text: str = "Certainly, and this is why.",
    *,
    live: bool = False,
    request_id: str = "request-1",
) -> Script:
    """Return the story of a draft that its check finds wanting and that frontier's answer supersedes.

    Args:
        draft: the draft's text; sent only with `live`.
        text: the answer's text.
        live: as the server does with LIVE; else as with HELD.
        request_id: the request's id.
    """
    kinds = accounting_pb2
    first = _call(1, kinds.CALL_KIND_DRAFT, *_EFFICIENT, 60_000)
    check = _call(1, kinds.CALL_KIND_CHECK, *_EFFICIENT, 20_000)
    second = _call(2, kinds.CALL_KIND_DIRECT, *_FRONTIER, 450_000)
    summary = _summary([_superseded(first), check, second], request_id=request_id, confidence=0.4)
    decision = _decision((_EFFICIENT[0], _FRONTIER[0]), _EFFICIENT[1])
    return [
        router_pb2.Started(request_id=request_id, decision=decision),
        _attempt(first),
        *(_deltas(1, draft, provisional=True) if live else [router_pb2.Heartbeat()]),
        router_pb2.AttemptFinished(call=first),
        _low_confidence(check),
        router_pb2.AttemptSuperseded(
            attempt=1,
            replacement_attempt=2,
            reason=reason_pb2.ESCALATION_REASON_LOW_CONFIDENCE,
        ),
        _attempt(second),
        *_deltas(2, text),
        router_pb2.AttemptFinished(call=second),
        router_pb2.Finished(summary=summary),
    ]


def _attempt(call: accounting_pb2.CallRecord) -> router_pb2.AttemptStarted:
    return router_pb2.AttemptStarted(
        attempt=call.attempt, kind=call.kind, tier=call.tier, model=call.model
    )


def _low_confidence(check: accounting_pb2.CallRecord) -> router_pb2.ConfidenceChecked:
    return router_pb2.ConfidenceChecked(
        attempt=check.attempt,
        method="self_report",
        confidence=0.4,
        score=4,
        threshold=_THRESHOLD,
        outcome=router_pb2.CHECK_OUTCOME_ESCALATED,
        call=check,
    )


def _deltas(attempt: int, text: str, *, provisional: bool = False) -> list[router_pb2.TextDelta]:
    pieces = [text[start : start + 4] for start in range(0, len(text), 4)]
    return [
        router_pb2.TextDelta(attempt=attempt, text=piece, provisional=provisional)
        for piece in pieces
    ]


def _decision(
    cascade: tuple[str, ...], model: str, *, task_type: str = ""
) -> routing_pb2.RouteDecision:
    decision = routing_pb2.RouteDecision(
        tier=cascade[0],
        model=model,
        cascade=cascade,
        rule=routing_pb2.ROUTING_RULE_TASK_TYPE,
        why="the test says so",
        table_version="test",
        task_type=task_type,
    )
    if len(cascade) > 1:
        decision.confidence_method = "self_report"
        decision.confidence_threshold = _THRESHOLD
    return decision


def _call(
    attempt: int, kind: accounting_pb2.CallKind, tier: str, model: str, cost_nano_usd: int
) -> accounting_pb2.CallRecord:
    """Return a completed call that cost so much; a tenth of it is for input."""
    input_nano_usd = cost_nano_usd // 10
    call = accounting_pb2.CallRecord(
        attempt=attempt,
        kind=kind,
        status=accounting_pb2.CALL_STATUS_COMPLETED,
        tier=tier,
        model=model,
        usage=accounting_pb2.Usage(input_tokens=10, output_tokens=20),
        finish_reason=reason_pb2.FINISH_REASON_STOP,
        tries=1,
    )
    call.cost.total_nano_usd = cost_nano_usd
    call.cost.input_nano_usd = input_nano_usd
    call.cost.output_nano_usd = cost_nano_usd - input_nano_usd
    call.cost.price_book_version = "test"
    call.duration.FromMilliseconds(100)
    return call


def _superseded(call: accounting_pb2.CallRecord) -> accounting_pb2.CallRecord:
    copy = accounting_pb2.CallRecord()
    copy.CopyFrom(call)
    copy.superseded = True
    return copy


def _summary(
    calls: Sequence[accounting_pb2.CallRecord], *, request_id: str, confidence: float | None = None
) -> accounting_pb2.GenerationSummary:
    """Return the account of these calls, of which the last gave the answer."""
    final = calls[-1]
    summary = accounting_pb2.GenerationSummary(
        final_attempt=final.attempt,
        tier=final.tier,
        model=final.model,
        finish_reason=final.finish_reason,
        escalated=final.attempt > 1,
        acceptance=accounting_pb2.ACCEPTANCE_UNCHECKED,
        confidence=confidence,
        calls=calls,
        table_version="test",
        request_id=request_id,
    )
    for call in calls:
        _add(summary, call)
    summary.counterfactuals.add(
        tier=_FRONTIER[0],
        model=_FRONTIER[1],
        cost_nano_usd=450_000,
        basis=accounting_pb2.COUNTERFACTUAL_BASIS_SAME_TOKENS,
    )
    summary.duration.FromMilliseconds(100 * len(calls))
    summary.time_to_first_text.FromMilliseconds(50)
    return summary


def _add(summary: accounting_pb2.GenerationSummary, call: accounting_pb2.CallRecord) -> None:
    summary.usage.input_tokens += call.usage.input_tokens
    summary.usage.output_tokens += call.usage.output_tokens
    summary.cost.total_nano_usd += call.cost.total_nano_usd
    summary.cost.input_nano_usd += call.cost.input_nano_usd
    summary.cost.output_nano_usd += call.cost.output_nano_usd
    summary.cost.price_book_version = call.cost.price_book_version
