"""One request as spans: `route`, and under it every call to a model.

A fold over core/stream.py events. No span is ever made current: spans of interleaved requests find their parents by
explicit contexts only. The span of an attempt is closed late, with the time at which its call really ended, because
only later events tell whether it was superseded.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from tierwise_server.core.account import CallStatus
from tierwise_server.core.stream import (
    AttemptFinished,
    AttemptStarted,
    AttemptSuperseded,
    CheckFinished,
    CheckStarted,
    ConfidenceChecked,
    Ended,
    Started,
    StreamEvent,
)
from tierwise_server.errors import Reason
from tierwise_server.telemetry import attributes, names
from tierwise_server.telemetry.text import plain

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

    from tierwise_server.core.account import CallRecord, Summary
    from tierwise_server.core.cascade import Call
    from tierwise_server.core.table import Plan


@dataclass(slots=True)
class _Attempt:
    """An attempt whose span is open; `ended_ns` is when its call ended."""

    call: Call
    span: Span
    ended_ns: int | None = None


@dataclass(slots=True)
class _Check:
    """A check that is under way."""

    call: Call
    span: Span
    chat: Span


class RequestSpans:
    """The spans of one request.

    `endpoints` names the server.address and server.port of each provider.
    """

    def __init__(
        self,
        tracer: Tracer,
        server: Span,
        endpoints: Mapping[str, attributes.Attributes],
        draft_delivery: str,
    ) -> None:
        self._tracer = tracer
        self._server = server
        self._endpoints = endpoints
        self._draft_delivery = draft_delivery
        self._plan: Plan | None = None
        self._route: Span | None = None
        self._route_context = Context()
        self._attempts: dict[int, _Attempt] = {}
        self._check: _Check | None = None
        self._climb: AttemptSuperseded | None = None
        self._last: Span = server

    def take(self, event: StreamEvent) -> None:
        """Take the next event."""
        match event:
            case Started():
                self._begin(event)
            case AttemptStarted(call, ignored):
                self._begin_attempt(call, ignored)
            case AttemptFinished(record):
                self._end_call(record)
            case CheckStarted(call):
                self._begin_check(call)
            case CheckFinished():
                self._end_check(event)
            case ConfidenceChecked():
                self._note_outcome(event)
            case AttemptSuperseded():
                self._supersede(event)
            case Ended(summary, reason):
                self._end(summary, reason)
            case _:
                pass

    @property
    def last(self) -> Span:
        """The span of the call started last; before the first, of what it will hang under."""
        return self._last

    def _begin(self, event: Started) -> None:
        self._plan = event.plan
        described = attributes.of_plan(event.plan)
        described[names.REQUEST_ID] = plain(event.request_id)
        if self._draft_delivery:
            described[names.DRAFT_DELIVERY] = self._draft_delivery
        parent = set_span_in_context(self._server, Context())
        self._route = self._tracer.start_span(
            names.ROUTE_SPAN, parent, SpanKind.INTERNAL, attributes=described
        )
        self._route_context = set_span_in_context(self._route, Context())
        self._last = self._route

    def _begin_attempt(self, call: Call, ignored: tuple[str, ...]) -> None:
        span = self._chat(call, self._route_context)
        if ignored:
            span.set_attribute(names.IGNORED, ignored)
        if self._climb is not None and self._climb.replacement == call.attempt:
            span.set_attribute(names.ESCALATION_REASON, self._climb.reason.name.lower())
        self._attempts[call.attempt] = _Attempt(call, span)

    def _chat(self, call: Call, parent: Context) -> Span:
        model = call.tier.model
        described = attributes.of_call(call) | self._endpoints.get(model.provider, {})
        self._last = self._tracer.start_span(
            f"{names.CHAT} {model.id}", parent, SpanKind.CLIENT, attributes=described
        )
        return self._last

    def _end_call(self, record: CallRecord) -> None:
        attempt = self._attempts.get(record.call.attempt)
        if attempt is None or attempt.ended_ns is not None:
            return
        attempt.ended_ns = time.time_ns()
        _settle(attempt.span, record)

    def _begin_check(self, call: Call) -> None:
        described: attributes.Attributes = {names.ATTEMPT: call.attempt}
        if self._plan is not None:
            described[names.METHOD] = self._plan.method
            described[names.THRESHOLD] = self._plan.threshold
        span = self._tracer.start_span(
            names.CHECK_SPAN, self._route_context, SpanKind.INTERNAL, attributes=described
        )
        chat = self._chat(call, set_span_in_context(span, Context()))
        self._check = _Check(call, span, chat)

    def _end_check(self, event: CheckFinished) -> None:
        check, self._check = self._check, None
        if check is None:
            return
        _settle(check.chat, event.record)
        check.chat.end()
        threshold = self._plan.threshold if self._plan is not None else 1.0
        check.span.add_event(names.EVALUATION_EVENT, attributes.of_evaluation(event, threshold))
        check.span.set_attributes(attributes.of_confidence(event))
        _mark(check.span, attributes.error_type(event.record))
        check.span.end()

    def _note_outcome(self, event: ConfidenceChecked) -> None:
        if self._route is None:
            return
        outcome = attributes.of_outcome(event)
        self._route.set_attributes(outcome)
        outcome[names.ATTEMPT] = event.check.record.call.attempt
        outcome[names.THRESHOLD] = event.threshold
        self._route.add_event(names.CHECKED_EVENT, outcome)

    def _supersede(self, event: AttemptSuperseded) -> None:
        self._climb = event
        if self._route is not None:
            self._route.add_event(names.SUPERSEDED_EVENT, attributes.of_superseded(event))
            self._route.set_attribute(names.ESCALATION_REASON, event.reason.name.lower())
        self._close_attempt(self._attempts.pop(event.attempt, None), superseded=True)

    def _close_attempt(self, attempt: _Attempt | None, *, superseded: bool) -> None:
        if attempt is not None:
            attempt.span.set_attribute(names.SUPERSEDED, superseded)
            attempt.span.end(attempt.ended_ns)

    def _end(self, summary: Summary, reason: Reason | None) -> None:
        self._end_check_late(summary)
        for attempt in self._attempts.values():
            if attempt.ended_ns is None:
                _settle_late(attempt.span, _record_of(summary, attempt.call))
            self._close_attempt(attempt, superseded=False)
        self._attempts.clear()
        if self._route is None:
            return
        self._server.set_attributes(self._of_server(summary))
        self._route.set_attributes(attributes.of_summary(summary, reason))
        if reason is not None:
            _mark(self._route, reason.name)
        self._route.end()

    def _of_server(self, summary: Summary) -> attributes.Attributes:
        described = attributes.of_last_tier(summary)
        described[names.REQUEST_ID] = plain(summary.request_id)
        described[names.ESCALATED] = summary.escalated
        if self._plan is not None:
            described[names.TASK_TYPE] = attributes.task_type_of(self._plan)
        return described

    def _end_check_late(self, summary: Summary) -> None:
        check, self._check = self._check, None
        if check is None:
            return
        _settle_late(check.chat, _record_of(summary, check.call))
        check.chat.end()
        _mark(check.span, Reason.CANCELLED.name)
        check.span.end()


def _record_of(summary: Summary, call: Call) -> CallRecord | None:
    return next((record for record in summary.records if record.call == call), None)


def _settle(span: Span, record: CallRecord) -> None:
    span.set_attributes(attributes.of_record(record))
    _mark(span, attributes.error_type(record))


def _settle_late(span: Span, record: CallRecord | None) -> None:
    """Close the account of a call whose end nobody reported: it was cut off with the request."""
    if record is not None:
        _settle(span, record)
        return
    span.set_attribute(names.STATUS, CallStatus.CANCELLED.name.lower())
    _mark(span, Reason.CANCELLED.name)


def _mark(span: Span, error: str) -> None:
    """Name what went wrong. A caller that leaves is not a fault, so its spans are not marked as errors."""
    if not error:
        return
    span.set_attribute(names.ERROR_TYPE, error)
    if error != Reason.CANCELLED.name:
        span.set_status(Status(StatusCode.ERROR, error))
