"""What calls give back: plain frozen values with the contract's field names.

Absent fields of the contract are None, money is a whole number of nano-USD (1 USD = 1,000,000,000), durations are
seconds, times are aware datetimes in UTC. `usd` properties are exact Decimals of the same amount.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tierwise.v1 import accounting_pb2, router_pb2
    from tierwise_client._enums import (
        Acceptance,
        CallKind,
        CallStatus,
        CounterfactualBasis,
        ErrorReason,
        FinishReason,
        RoutingAdjustment,
        RoutingRule,
    )


def _usd(nano_usd: int) -> Decimal:
    # Parsed, not multiplied: arithmetic would round to the caller's decimal context.
    return Decimal(f"{nano_usd}e-9")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call, or of all calls added up.

    Attributes:
        input_tokens: all input: uncached, read from and written to the provider's prompt cache.
        cache_read_tokens: of `input_tokens`, those read from the cache.
        cache_write_tokens: of `input_tokens`, those written to the cache for five minutes.
        cache_write_1h_tokens: of `input_tokens`, those written to the cache for one hour.
        output_tokens: all output, thinking included.
        reasoning_tokens: of `output_tokens`, those spent on thinking.
    """

    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Money in nano-USD. The four parts add up to the total exactly.

    Attributes:
        total_nano_usd: the whole cost.
        input_nano_usd: uncached input.
        cache_read_nano_usd: input read from the prompt cache.
        cache_write_nano_usd: input written to the prompt cache.
        output_nano_usd: output, thinking included.
        price_book_version: the price book that priced it.
    """

    total_nano_usd: int
    input_nano_usd: int
    cache_read_nano_usd: int
    cache_write_nano_usd: int
    output_nano_usd: int
    price_book_version: str

    @property
    def usd(self) -> Decimal:
        """The whole cost in USD, exactly."""
        return _usd(self.total_nano_usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One paid or attempted call to a model: an attempt or a check.

    Attributes:
        attempt: the attempt it belongs to, from 1; a check carries the number of the draft it checked.
        kind: what the call was for.
        status: how it ended.
        tier: the tier asked.
        model: the model asked.
        usage: tokens; None when nothing was billed.
        cost: None when nothing was billed, or when the model has no price.
        usage_estimated: the provider reported no final usage, so tokens are counted from what was seen.
        superseded: this attempt's text is void.
        finish_reason: why the model stopped, when `status` is COMPLETED.
        failure_reason: why it failed, when `status` is FAILED.
        tries: how often the provider was asked: 1 means no retry, 0 that it was down or had no place.
        response_id: the provider's own id of the response; may be empty.
        duration_s: from the first try until the end of the call.
    """

    attempt: int
    kind: CallKind
    status: CallStatus
    tier: str
    model: str
    usage: Usage | None
    cost: Cost | None
    usage_estimated: bool
    superseded: bool
    finish_reason: FinishReason
    failure_reason: ErrorReason
    tries: int
    response_id: str
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterfactual:
    """What the request would have cost at one tier alone. An estimate.

    Attributes:
        tier: the tier.
        model: the model that fills it.
        cost_nano_usd: the estimate; None when the model has no price.
        basis: where its token counts come from.
    """

    tier: str
    model: str
    cost_nano_usd: int | None
    basis: CounterfactualBasis

    @property
    def usd(self) -> Decimal | None:
        """The estimate in USD, exactly; None when the model has no price."""
        return None if self.cost_nano_usd is None else _usd(self.cost_nano_usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDecision:
    """Which tier a task gets, and why. The same table version and request always give the same one.

    Attributes:
        tier: the tier that is asked first.
        model: the model that fills it.
        cascade: the tiers the task may climb, in order, starting with `tier`; one: nothing escalates.
        rule: the rule that chose the row.
        adjustments: what changed the row afterwards, in the order applied.
        why: one English sentence for people; its wording is not part of the contract.
        confidence_method: how confidence is measured; empty when nothing is checked.
        confidence_threshold: the confidence, 0 to 1, that accepts a draft; None when nothing is checked.
        table_version: identifies the content of the routing table.
        task_type: the task type that was looked up.
    """

    tier: str
    model: str
    cascade: tuple[str, ...]
    rule: RoutingRule
    adjustments: tuple[RoutingAdjustment, ...]
    why: str
    confidence_method: str
    confidence_threshold: float | None
    table_version: str
    task_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TierEstimate:
    """What a request would cost at one tier, estimated from its length before any call.

    Attributes:
        tier: the tier.
        model: the model that fills it.
        estimated_input_tokens: estimated from the length of the text.
        assumed_output_tokens: measured for the task type where the table has it, else configured.
        estimated_cost_nano_usd: None when the model has no price.
        max_cost_nano_usd: the same input with all allowed output; None when the model has no price.
        fits_context: whether the model can hold input and requested output.
        price_book_version: the price book used.
    """

    tier: str
    model: str
    estimated_input_tokens: int
    assumed_output_tokens: int
    estimated_cost_nano_usd: int | None
    max_cost_nano_usd: int | None
    fits_context: bool
    price_book_version: str

    @property
    def usd(self) -> Decimal | None:
        """The estimated cost in USD, exactly; None when the model has no price."""
        nano_usd = self.estimated_cost_nano_usd
        return None if nano_usd is None else _usd(nano_usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The measurement behind a row of the routing table.

    Attributes:
        sample_size: how many tasks of this type were measured.
        quality: mean quality of the row's policy, 0 to 1.
        quality_low: lower end of its interval.
        quality_high: upper end of its interval.
        mean_cost_nano_usd: mean cost of a task, checks and discarded drafts included.
        judge: "check", "human", or a judge model with its prompt version.
        dataset_hash: identifies the measured data.
        price_book_version: the price book of the measurement.
        measure_time: when it was measured.
        expire_time: when it stops counting.
        escalation_rate: the share of tasks that the row is expected to send up; None when it was not measured.
        tolerance: the most that the row was allowed to lose in quality against the strongest tier.
        confidence: how sure one was to be that it loses no more; like the tolerance, None when nothing was asked.
        loss_bound: what it loses at most at that confidence, negative for a gain; None when nothing was certified.
    """

    sample_size: int
    quality: float
    quality_low: float
    quality_high: float
    mean_cost_nano_usd: int
    judge: str
    dataset_hash: str
    price_book_version: str
    measure_time: datetime | None
    expire_time: datetime | None
    escalation_rate: float | None
    tolerance: float | None
    confidence: float | None
    loss_bound: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteResult:
    """The decision about a task, which cost nothing.

    Attributes:
        decision: which tier, and why.
        tiers: what the task would cost at every tier, in configured order.
        evidence: the measurement behind the row; None when it was not measured.
        proto: the message it was read from.
    """

    decision: RouteDecision
    tiers: tuple[TierEstimate, ...]
    evidence: Evidence | None
    proto: router_pb2.RouteResponse = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationSummary:
    """Everything a request did and cost, with an answer or (on an error) without.

    Attributes:
        final_attempt: the attempt whose text is the answer, from 1; 0 when there is no answer.
        tier: its tier.
        model: its model.
        finish_reason: why its model stopped.
        raw_finish_reason: the provider's own word for it, when `finish_reason` is OTHER.
        escalated: more than one attempt was made.
        acceptance: on what ground the answer was accepted.
        confidence: of the last check, 0 to 1; None when none was readable.
        usage: all calls' tokens added up.
        cost: all calls' costs added up; None when the model of any billed call has no price.
        calls: every attempt and every check, each once, in the order started; empty in an error that they would not
            fit into, whose totals still hold.
        counterfactuals: what the answer would have cost at each tier alone.
        table_version: the routing table that decided.
        time_to_first_text_s: from the start of the request to the first text sent; None without text.
        duration_s: from the start of the request to its end.
        request_id: the request's id.
        proto: the message it was read from.
    """

    final_attempt: int
    tier: str
    model: str
    finish_reason: FinishReason
    raw_finish_reason: str
    escalated: bool
    acceptance: Acceptance
    confidence: float | None
    usage: Usage
    cost: Cost | None
    calls: tuple[CallRecord, ...]
    counterfactuals: tuple[Counterfactual, ...]
    table_version: str
    time_to_first_text_s: float | None
    duration_s: float
    request_id: str
    proto: accounting_pb2.GenerationSummary = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(GenerationSummary):
    """The whole answer: its text, the decision that led to it, and everything it did and cost.

    Attributes:
        text: the final attempt's text, whole unless `finish_reason` says that it is cut; may be empty.
        decision: which tier was to be asked first, and why.
    """

    text: str
    decision: RouteDecision
