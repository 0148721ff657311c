"""The sections of a row that was measured: what was found, on which tiers, and how confidences are calibrated."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from tierwise_server.config.sections import Name, Section
from tierwise_server.core.calibration import SIGNAL_CLIP

TierEffort = Literal["default", "low", "medium", "high", "xhigh", "max"]
Thinking = Literal["none", "budget", "adaptive"]
Tokens = Annotated[int, Field(ge=1, le=100_000_000)]
ModelId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[!-~]+$")]


class MeasuredTierSettings(Section):
    """A tier as it was when it was measured: everything that changes its answers, or what is made of them.

    Attributes:
        model: the model that filled it.
        max_output_tokens: the answer's limit.
        thinking: how it thought.
        thinking_budget_tokens: with `thinking = "budget"`, how many tokens.
        effort: the effort level sent; `default` sent none.
        check: where its drafts were checked, the version of the question and the form of its answer.
    """

    model: ModelId
    max_output_tokens: Tokens
    thinking: Thinking
    thinking_budget_tokens: Tokens | None = None
    effort: TierEffort
    check: str | None = None


class EvidenceSettings(Section):
    """The measurement behind a row.

    Attributes:
        sample_size: how many tasks were measured.
        quality: their mean quality, from 0 to 1.
        quality_low: the lower end of its confidence interval.
        quality_high: the upper end of its confidence interval.
        mean_cost_nano_usd: the mean cost of a task, in nano-USD.
        judge: who judged the answers.
        dataset_hash: the fingerprint of the sample.
        price_book_version: the prices that the cost was worked out with.
        measured_at: when; a date with time and offset.
        expires_at: until when the measurement is to be believed.
        tiers: tier to what it was when it was measured: of the row's tiers and the one that it is held against.
        escalation_rate: the share of tasks that the row is expected to send up, from 0 to 1.
        tolerance: the most that the row was allowed to lose against the strongest tier, from 0 to 1.
        confidence: how sure one was to be that it loses no more.
        loss_bound: what it loses at most at that confidence; left out where nothing is certified.
        row_hash: the fingerprint of the row with this evidence; a row that was changed since is refused.
    """

    sample_size: Annotated[int, Field(ge=1)]
    quality: Annotated[float, Field(ge=0, le=1)]
    quality_low: Annotated[float, Field(ge=0, le=1)]
    quality_high: Annotated[float, Field(ge=0, le=1)]
    mean_cost_nano_usd: Annotated[int, Field(ge=0)]
    judge: str
    dataset_hash: str
    price_book_version: str
    measured_at: AwareDatetime
    expires_at: AwareDatetime
    tiers: dict[Name, MeasuredTierSettings] | None = None
    escalation_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    tolerance: Annotated[float, Field(ge=0, le=1)] | None = None
    confidence: Annotated[float, Field(ge=0, le=1)] | None = None
    loss_bound: Annotated[float, Field(ge=-1, le=1)] | None = None
    row_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] | None = None


class CalibrationSettings(Section):
    """How a tier's self-reports become confidences in a row: intercept + slope * log-odds, through the logistic.

    Attributes:
        model: the model that it was fitted to.
        intercept: the log-odds of a good draft at a signal of one half.
        slope: how much a step in the signal's log-odds says; 0 says nothing.
        labels: how many judged answers of the row's task types it saw.
        pooled_labels: how many of that model in all.
        clip: how far signals are held from 0 and 1.
    """

    model: ModelId
    intercept: Annotated[float, Field(ge=-100, le=100)]
    slope: Annotated[float, Field(ge=0, le=100)]
    labels: Annotated[int, Field(ge=0)] = 0
    pooled_labels: Annotated[int, Field(ge=0)] = 0
    clip: Annotated[float, Field(gt=0, lt=0.5)] = SIGNAL_CLIP
