"""Telemetry on the real SDK that keeps what it is told, and requests to tell it of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.unit.core.builders import EFFICIENT, FRONTIER, PRICES, REASONING, a_plan
from tierwise_server.core.account import (
    CallRecord,
    CallStatus,
    Summary,
    counterfactuals,
    supersede,
)
from tierwise_server.core.cascade import Acceptance, Call, CheckOutcome, EscalationReason
from tierwise_server.core.model import CallKind, FinishReason, Tier, Usage
from tierwise_server.core.stream import (
    AttemptFinished,
    AttemptStarted,
    AttemptSuperseded,
    CheckFinished,
    CheckStarted,
    ConfidenceChecked,
    Ended,
    Finished,
    Started,
    StreamEvent,
    TextDelta,
)
from tierwise_server.core.table import Plan
from tierwise_server.errors import Reason
from tierwise_server.telemetry import ServerSpan, Telemetry

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.sampling import Sampler

GENERATE = "tierwise.v1.RouterService/Generate"
PEER = "ipv4:127.0.0.1:50000"
CANARY = "the text of a prompt or an answer"
NO_CALL = Call(0, CallKind.DIRECT, EFFICIENT)
TIERS = (EFFICIENT, FRONTIER, REASONING)

Labels = Mapping[str, object]


class Recording:
    """A Telemetry whose spans and metrics can be read back."""

    def __init__(self, sampler: Sampler | None = None) -> None:
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        tracer_provider = TracerProvider(sampler, shutdown_on_exit=False)
        tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.telemetry = Telemetry(
            tracer_provider=tracer_provider,
            meter_provider=MeterProvider([self._reader], shutdown_on_exit=False),
            upstreams={"anthropic": "https://api.anthropic.com"},
        )

    def play(
        self,
        events: Iterable[StreamEvent],
        *,
        status: str = "OK",
        reason: str = "",
        metadata: Sequence[tuple[str, str]] = (),
    ) -> ServerSpan:
        """Tell of a whole call."""
        span = self.telemetry.server_span(GENERATE, metadata, PEER)
        observer = span.observer()
        for event in events:
            observer.observe(event)
        span.end(status, reason=reason)
        return span

    def spans(self) -> list[ReadableSpan]:
        """Every span that has ended, in the order of their starts."""
        return sorted(self._spans.get_finished_spans(), key=lambda span: span.start_time or 0)

    def span(self, name: str, attributes: Labels | None = None) -> ReadableSpan:
        """The one span of this name and these attributes."""
        found = [
            span
            for span in self.spans()
            if span.name == name
            and all(
                (span.attributes or {}).get(key) == value
                for key, value in (attributes or {}).items()
            )
        ]
        assert len(found) == 1, [span.name for span in self.spans()]
        return found[0]

    def metrics(self) -> dict[str, list[tuple[Labels, float]]]:
        """Every metric as its points: the labels, and the sum or the histogram's sum."""
        data = self._reader.get_metrics_data()
        found: dict[str, list[tuple[Labels, float]]] = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    found[metric.name] = [
                        (
                            dict(point.attributes or {}),
                            point.value if isinstance(point, NumberDataPoint) else point.sum,
                        )
                        for point in metric.data.data_points
                    ]
        return found

    def total(self, name: str, labels: Labels | None = None) -> float:
        """The sum of a metric's points that carry these labels."""
        return sum(
            value
            for point, value in self.metrics().get(name, ())
            if all(point.get(key) == label for key, label in (labels or {}).items())
        )


def a_record(call: Call, *, output_tokens: int = 20, duration_s: float = 0.1) -> CallRecord:
    """Make the record of a call that went well."""
    usage = Usage(input_tokens=100, cache_read_tokens=40, output_tokens=output_tokens)
    return CallRecord(
        call=call,
        status=CallStatus.COMPLETED,
        usage=usage,
        cost=PRICES.cost(call.tier.model.id, usage),
        duration_s=duration_s,
        finish_reason=FinishReason.STOP,
        raw_finish_reason="end_turn",
        response_id="msg_1",
        first_token_s=0.05,
    )


@dataclass
class Story:
    """Writes the events of one request, as the engine would emit them."""

    plan: Plan = field(default_factory=lambda: a_plan(EFFICIENT, FRONTIER))
    request_id: str = "request-1"
    events: list[StreamEvent] = field(default_factory=list)
    records: list[CallRecord] = field(default_factory=list)
    last: Call = NO_CALL

    def __post_init__(self) -> None:
        self.events.append(Started(self.request_id, self.plan, 1_790_000_000.0))

    def ask(self, kind: CallKind = CallKind.DIRECT, tier: Tier = EFFICIENT) -> Story:
        self.last = Call(self.last.attempt + 1, kind, tier)
        self.events.append(AttemptStarted(self.last))
        self.events.append(TextDelta(self.last.attempt, CANARY))
        return self

    def answer(self, record: CallRecord | None = None, **changes: object) -> Story:
        record = replace(record or a_record(self.last), **changes)  # type: ignore[arg-type] # of a record
        self.records.append(record)
        self.events.append(AttemptFinished(record))
        return self

    def check(self, score: int | None, outcome: CheckOutcome, **changes: object) -> Story:
        call = Call(self.last.attempt, CallKind.CHECK, self.last.tier)
        record = replace(a_record(call, output_tokens=5), **changes)  # type: ignore[arg-type] # of a record
        finished = CheckFinished(record, None if score is None else score / 10, score)
        self.records.append(record)
        self.events += [CheckStarted(call), finished]
        checked = ConfidenceChecked(finished, self.plan.method, self.plan.threshold, outcome)
        self.events.append(checked)
        return self

    def climb(
        self, reason: EscalationReason = EscalationReason.LOW_CONFIDENCE, tier: Tier = FRONTIER
    ) -> Story:
        attempt = self.last.attempt
        self.records = supersede(self.records, attempt)
        self.events.append(AttemptSuperseded(attempt, attempt + 1, reason))
        return self.ask(tier=tier)

    def finish(self, acceptance: Acceptance = Acceptance.UNCHECKED) -> list[StreamEvent]:
        """End with an answer."""
        final = next(
            record
            for record in self.records
            if record.call.attempt == self.last.attempt and record.call.kind is not CallKind.CHECK
        )
        summary = replace(
            self.summary(),
            final=final,
            acceptance=acceptance,
            counterfactuals=counterfactuals(self.plan, TIERS, final, PRICES),
            first_text_s=0.3,
        )
        return [*self.events, Finished(summary), Ended(summary, None)]

    def fail(self, reason: Reason) -> list[StreamEvent]:
        """End without an answer."""
        return [*self.events, Ended(self.summary(), reason)]

    def summary(self) -> Summary:
        return Summary(self.request_id, "table-1", tuple(self.records), duration_s=0.5)


def escalated(plan: Plan | None = None) -> list[StreamEvent]:
    """A draft, a check that says 4, and the stronger tier's answer."""
    story = Story() if plan is None else Story(plan)
    story.ask(CallKind.DRAFT).answer().check(4, CheckOutcome.ESCALATED)
    return story.climb().answer().finish()


def accepted() -> list[StreamEvent]:
    """A draft and a check that says 9."""
    story = Story().ask(CallKind.DRAFT).answer().check(9, CheckOutcome.ACCEPTED)
    return story.finish(Acceptance.ACCEPTED)


def direct(plan: Plan | None = None) -> list[StreamEvent]:
    """One call."""
    return Story(plan or a_plan(EFFICIENT)).ask().answer().finish()


def failed() -> list[StreamEvent]:
    """One call, which the provider breaks off after some text."""
    story = Story(a_plan(EFFICIENT)).ask()
    story.answer(status=CallStatus.FAILED, failure=Reason.UPSTREAM_INTERRUPTED, finish_reason=None)
    return story.fail(Reason.UPSTREAM_INTERRUPTED)


def cancelled() -> list[StreamEvent]:
    """The caller leaves in the middle of the only call."""
    story = Story(a_plan(EFFICIENT)).ask()
    story.answer(status=CallStatus.CANCELLED, finish_reason=None, estimated=True)
    return story.fail(Reason.CANCELLED)


def cut_in_a_check() -> list[StreamEvent]:
    """The request ends while a check is under way, and nobody reports the check's end."""
    story = Story().ask(CallKind.DRAFT).answer()
    story.events.append(CheckStarted(Call(1, CallKind.CHECK, EFFICIENT)))
    return story.fail(Reason.DEADLINE_EXCEEDED)
