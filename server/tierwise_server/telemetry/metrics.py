"""Requests as metrics.

Every label comes from a closed set: names of tiers, models and task types that stand in the configuration, and enums.
A task type without a row of the table is "other", so callers cannot add time series.

Counters are kept here and read when metrics are collected, which costs a fiftieth of a call into the SDK (0.1 against
6 us); money is added up in whole nano-USD and divided once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.trace import set_span_in_context

from tierwise_server.core.account import CallRecord, Summary
from tierwise_server.core.stream import (
    AttemptStarted,
    AttemptSuperseded,
    ConfidenceChecked,
    Ended,
    Started,
    StreamEvent,
)
from tierwise_server.core.table import Rule
from tierwise_server.telemetry import attributes, instruments, names
from tierwise_server.telemetry.text import plain

if TYPE_CHECKING:
    from opentelemetry.metrics import Histogram, Meter
    from opentelemetry.trace import Span

    from tierwise_server.core.table import Plan, RoutingTable
    from tierwise_server.errors import Reason

PINNED: Final = "pinned"

_Labels = tuple[str | bool, ...]


class Counter:
    """A monotonic sum per set of labels, read by the SDK when it collects."""

    def __init__(self, meter: Meter, metric: instruments.Metric, *, divisor: int = 1) -> None:
        self._keys = metric.keys
        self._divisor = divisor
        self._totals: dict[_Labels, int] = {}
        meter.create_observable_counter(
            metric.name, [self._observe], unit=metric.unit, description=metric.meaning
        )

    def add(self, amount: int, *labels: str | bool) -> None:
        """Add to the sum of these labels, given in the order of the metric's keys; an empty label is left out."""
        self._totals[labels] = self._totals.get(labels, 0) + amount

    def reach(self, total: int) -> None:
        """Set the sum of a metric without labels to a total that is kept elsewhere and never falls."""
        self._totals[()] = total

    def _observe(self, _: CallbackOptions) -> Iterable[Observation]:
        # Copied first: the collector's thread reads while the event loop writes.
        for labels, total in list(self._totals.items()):
            yield Observation(
                total / self._divisor if self._divisor > 1 else total, self._of(labels)
            )

    def _of(self, labels: _Labels) -> Mapping[str, str | bool]:
        return {key: label for key, label in zip(self._keys, labels, strict=True) if label != ""}


class Gauge:
    """Values that stand until others are shown, read by the SDK when it collects."""

    def __init__(self, meter: Meter, metric: instruments.Metric) -> None:
        self._keys = metric.keys
        self._values: Mapping[tuple[str, ...], float | Callable[[], float]] = {}
        meter.create_observable_gauge(
            metric.name, [self._observe], unit=metric.unit, description=metric.meaning
        )

    def show(self, values: Mapping[tuple[str, ...], float | Callable[[], float]]) -> None:
        """Replace all values; labels are in the order of the metric's keys. A function is asked when it is read."""
        self._values = values

    def _observe(self, _: CallbackOptions) -> Iterable[Observation]:
        for labels, value in self._values.items():
            now = value() if callable(value) else value
            yield Observation(now, dict(zip(self._keys, labels, strict=True)))


class Metrics:
    """Every instrument of the server."""

    def __init__(self, meter: Meter) -> None:
        def histogram(metric: instruments.Metric) -> Histogram:
            return meter.create_histogram(
                metric.name,
                unit=metric.unit,
                description=metric.meaning,
                explicit_bucket_boundaries_advisory=metric.buckets,
            )

        self._rpc_duration = histogram(instruments.RPC_DURATION)
        self._failures = Counter(meter, instruments.FAILURES)
        self.request_duration = histogram(instruments.REQUEST_DURATION)
        self.first_token = histogram(instruments.FIRST_TOKEN)
        self.overhead = histogram(instruments.OVERHEAD)
        self.call_duration = histogram(instruments.CALL_DURATION)
        self.call_first_chunk = histogram(instruments.CALL_FIRST_CHUNK)
        self.confidence_score = histogram(instruments.CONFIDENCE_SCORE)
        self.requests = Counter(meter, instruments.REQUESTS)
        self.escalations = Counter(meter, instruments.ESCALATIONS)
        self.cost = Counter(meter, instruments.COST, divisor=attributes.NANO_PER_USD)
        self.request_cost = Counter(
            meter, instruments.REQUEST_COST, divisor=attributes.NANO_PER_USD
        )
        self.expected_cost = Gauge(meter, instruments.EXPECTED_COST)
        self.expected_escalation = Gauge(meter, instruments.EXPECTED_ESCALATION)
        self.counterfactual = Counter(
            meter, instruments.COUNTERFACTUAL_COST, divisor=attributes.NANO_PER_USD
        )
        self.unpriced = Counter(meter, instruments.UNPRICED)
        self.retries = Counter(meter, instruments.RETRIES)
        self.reloads = Counter(meter, instruments.RELOADS)
        self.table_age = Gauge(meter, instruments.TABLE_AGE)
        self.breaker_changes = Counter(meter, instruments.BREAKER_CHANGES)
        self.shed = Counter(meter, instruments.SHED)
        self.queue_wait = histogram(instruments.QUEUE_WAIT)
        self.unrecorded = Counter(meter, instruments.UNRECORDED)
        self.ledger_healthy = Gauge(meter, instruments.LEDGER_HEALTHY)
        self.ledger_waiting = Gauge(meter, instruments.LEDGER_WAITING)
        self.ledger_spilled = Counter(meter, instruments.LEDGER_SPILLED)
        self.ledger_spill_filled = Gauge(meter, instruments.LEDGER_SPILL_FILLED)
        self.ledger_lost = Counter(meter, instruments.LEDGER_LOST)
        self.input_tokens = Counter(meter, instruments.USED_INPUT)
        self.output_tokens = Counter(meter, instruments.USED_OUTPUT)
        self.cache_read = Counter(meter, instruments.USED_CACHE_READ)
        self.cache_write = Counter(meter, instruments.USED_CACHE_WRITE)
        self.reasoning = Counter(meter, instruments.USED_REASONING)

    def expect(self, table: RoutingTable) -> None:
        """Show what the rows' evidence says will happen, in place of what an earlier table said."""
        costs: dict[tuple[str, ...], float] = {}
        rates: dict[tuple[str, ...], float] = {}
        for task_type, policy in table.rows.items():
            evidence, labels = policy.evidence, (plain(task_type), table.version)
            if evidence is None:
                continue
            costs[labels] = evidence.mean_cost_nano_usd / attributes.NANO_PER_USD
            if evidence.escalation_rate is not None:
                rates[labels] = evidence.escalation_rate
        self.expected_cost.show(costs)
        self.expected_escalation.show(rates)

    def rpc_ended(
        self, method: str, status_code: str, error: str, duration_s: float, context: Context | None
    ) -> None:
        """Count one call over gRPC. `error` is empty unless the status is the server's fault."""
        labels = {names.RPC_SYSTEM: "grpc", names.RPC_METHOD: method, names.RPC_STATUS: status_code}
        if error:
            labels[names.ERROR_TYPE] = error
        self._rpc_duration.record(duration_s, labels, context)

    def rpc_failed(self, method: str, reason: str) -> None:
        """Count one call over gRPC that did not end in OK."""
        self._failures.add(1, method, reason)

    def call_ended(self, record: CallRecord) -> None:
        """Count one call to a model."""
        tier, model = record.call.tier.name, record.call.tier.model.id
        kind = record.call.kind.name.lower()
        labels = {
            names.OPERATION: names.CHAT,
            names.PROVIDER: record.call.tier.model.provider,
            names.REQUEST_MODEL: model,
            names.TIER: tier,
            names.KIND: kind,
        }
        if record.first_token_s is not None:
            self.call_first_chunk.record(record.first_token_s, labels)
        if error := attributes.error_type(record):
            labels[names.ERROR_TYPE] = error
        self.call_duration.record(record.duration_s, labels)
        if record.tries > 1:
            self.retries.add(record.tries - 1, model, tier)
        if record.usage is None:
            return
        self._count_tokens(record)
        if record.cost is None:
            self.unpriced.add(1, model, tier)
        else:
            self.cost.add(record.cost.total_nano_usd, model, tier, kind, record.superseded)

    def _count_tokens(self, record: CallRecord) -> None:
        usage, model = record.usage, record.call.tier.model
        if usage is None:
            return
        kind = record.call.kind.name.lower()
        labels = (names.CHAT, model.provider, model.id, record.call.tier.name, kind, "text")
        for counter, tokens in (
            (self.input_tokens, usage.input_tokens),
            (self.output_tokens, usage.output_tokens),
            (self.cache_read, usage.cache_read_tokens),
            (self.cache_write, attributes.cache_write_tokens(usage)),
            (self.reasoning, usage.reasoning_tokens),
        ):
            if tokens:
                counter.add(tokens, *labels)


class RequestMetrics:
    """The metrics of one request: a fold over core/stream.py events. `server` links its exemplars to the trace."""

    def __init__(self, metrics: Metrics, server: Span | None) -> None:
        self._metrics = metrics
        self._server = server
        self._task_type = attributes.OTHER
        self._tiers: dict[int, str] = {}

    def take(self, event: StreamEvent) -> None:
        """Take the next event."""
        match event:
            case Started(_, plan, _):
                self._task_type = task_type_label(plan)
            case AttemptStarted(call):
                self._tiers[call.attempt] = call.tier.name
            case ConfidenceChecked():
                self._checked(event)
            case AttemptSuperseded(attempt, _, reason):
                tier = self._tiers.get(attempt, attributes.OTHER)
                self._metrics.escalations.add(1, self._task_type, tier, reason.name.lower())
            case Ended(summary, reason):
                self._ended(summary, reason)
            case _:
                pass

    def _checked(self, event: ConfidenceChecked) -> None:
        if event.check.score is None:
            return
        labels = {
            names.TASK_TYPE: self._task_type,
            names.TIER: event.check.record.call.tier.name,
            names.CHECK_OUTCOME: event.outcome.name.lower(),
        }
        self._metrics.confidence_score.record(event.check.score, labels)

    def _ended(self, summary: Summary, reason: Reason | None) -> None:
        metrics = self._metrics
        for record in summary.records:
            metrics.call_ended(record)
            if record.usage is not None and record.cost is not None:
                metrics.request_cost.add(record.cost.total_nano_usd, self._task_type)
        last = attributes.last_attempt(summary)
        if last is None:
            return
        tier, model = last.call.tier.name, last.call.tier.model
        outcome = attributes.outcome(summary, reason)
        error = "" if reason is None else reason.name
        metrics.requests.add(1, self._task_type, tier, outcome, summary.escalated, error)
        self._count_counterfactuals(summary)
        context = None if self._server is None else set_span_in_context(self._server, Context())
        labels = {
            names.OPERATION: names.CHAT,
            names.PROVIDER: model.provider,
            names.REQUEST_MODEL: model.id,
            names.TASK_TYPE: self._task_type,
            names.TIER: tier,
        }
        if summary.first_text_s is not None:
            metrics.first_token.record(summary.first_text_s, labels, context)
        labels[names.OUTCOME] = outcome
        if error:
            labels[names.ERROR_TYPE] = error
        metrics.request_duration.record(summary.duration_s, labels, context)
        metrics.overhead.record(overhead_s(summary), {names.TIER: tier}, context)

    def _count_counterfactuals(self, summary: Summary) -> None:
        for other in summary.counterfactuals:
            if other.cost_nano_usd is not None:
                self._metrics.counterfactual.add(other.cost_nano_usd, other.tier)


def task_type_label(plan: Plan) -> str:
    """The task type if the table has a row for it, else one of two words: callers cannot add labels."""
    match plan.rule:
        case Rule.PINNED:
            return PINNED
        case Rule.DEFAULT:
            return attributes.OTHER
        case Rule.TASK_TYPE:
            return plain(plan.task_type)


def overhead_s(summary: Summary) -> float:
    """The seconds of a request in which it waited for no model."""
    return max(0.0, summary.duration_s - sum(record.duration_s for record in summary.records))
