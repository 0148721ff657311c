"""Proposes the routing table that a run speaks for: rows with their evidence, sealed, and the words for each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from tierwise_server.config.evidence import row_hash
from tierwise_server.config.layers import RowSettings
from tierwise_server.core.confidence import HIGHEST_SCORE, SELF_REPORT
from tierwise_server.core.table import Policy
from tierwise_server.measure.calibration import Calibrator
from tierwise_server.measure.certification import Tolerance, tasks_needed
from tierwise_server.measure.collect import Measurement, TypeSample
from tierwise_server.measure.dataset import SampleTask
from tierwise_server.measure.grading import Grader
from tierwise_server.measure.judging import JUDGE, PROMPT_VERSION
from tierwise_server.measure.outcomes import Candidate, Outcomes, UnusableSample, play
from tierwise_server.measure.policy import (
    LEAST_SAVING,
    Measured,
    Proposal,
    chosen,
    measure,
    propose,
)
from tierwise_server.measure.runfolder import RunSettings
from tierwise_server.measure.utility import choose_by_utility

EXPIRES_AFTER: Final = dt.timedelta(days=180)
"""Models and traffic drift; half a year is also when a price book counts as old."""

Fallback = Literal["strongest", "current"]


@dataclass(frozen=True, slots=True)
class Pricing:
    """Rows chosen by what quality is worth, in place of a tolerance; see `utility.choose_by_utility`.

    Attributes:
        price: how much quality the strongest tier's mean cost is worth; 0.1 gives ten points for it.
        guard: how likely a row must be to beat the strongest tier; None takes the highest mean.
    """

    price: float
    guard: float | None = None


@dataclass(frozen=True, slots=True)
class ProposedRow:
    """What the run says about one task type.

    Attributes:
        current: what the row in force would have done with the sample; None when there is none, or it names a tier
            that was not measured.
        current_outcomes: the sample with the confidences that the row in force sees.
        outcomes: the same with those that the proposed row sees.
        more_for_cheaper: about how many more tasks would certify a row cheaper than the proposed one; None when none
            looks good enough.
        row: the proposed row with its evidence, as the server reads it.
    """

    sample: TypeSample
    proposal: Proposal
    current: Measured | None
    current_outcomes: Outcomes | None
    outcomes: Outcomes
    more_for_cheaper: int | None
    row: RowSettings

    @property
    def candidate(self) -> Candidate:
        """The proposed tiers and threshold."""
        return self.proposal.candidate

    @property
    def changes(self) -> bool:
        """Whether the tiers or the threshold differ from the row in force."""
        return self.current is None or self.current.candidate != self.candidate


def propose_rows(
    measurement: Measurement,
    tolerance: Tolerance | Pricing,
    *,
    fallback: Fallback = "strongest",
    expires_after: dt.timedelta = EXPIRES_AFTER,
) -> tuple[ProposedRow, ...]:
    """Propose a row per measured task type. Where no cheaper row can be certified, the safer one is kept.

    Given a price, every task type leans on all others (measure/shrinkage.py), and nothing is certified.

    Args:
        measurement: a run.
        tolerance: what may be lost against the strongest tier, and how sure one must be; or what quality is worth.
        fallback: what is kept where nothing is certified: the strongest tier, or the row in force.
        expires_after: how long the evidence is to be believed.

    Raises:
        UnusableSample: no task has a graded answer at every tier; or a price, and the strongest tier cost nothing.
    """
    if not measurement.samples:
        raise UnusableSample("no task has a graded answer at every tier yet")
    if isinstance(tolerance, Pricing):
        proposals = _priced([sample.calibrated for sample in measurement.samples], tolerance)
        return tuple(
            _priced_row(measurement, sample, proposal, expires_after)
            for sample, proposal in zip(measurement.samples, proposals, strict=True)
        )
    return tuple(
        _propose(measurement, sample, tolerance, fallback, expires_after)
        for sample in measurement.samples
    )


def _priced(samples: Sequence[Outcomes], pricing: Pricing) -> list[Proposal]:
    rows = choose_by_utility(samples, pricing.price, pricing.guard)
    reason = f"the most quality less {pricing.price:g} x cost"
    if pricing.guard is not None:
        reason += f", or the strongest tier where that is not {pricing.guard:.0%} sure"
    return [chosen(sample, rows[sample.task_type], reason) for sample in samples]


def _priced_row(
    measurement: Measurement,
    sample: TypeSample,
    proposal: Proposal,
    expires_after: dt.timedelta,
) -> ProposedRow:
    current, seen = _current(measurement, sample)
    sealed = _sealed(_row(measurement, sample, proposal, None, expires_after, keeps=False))
    return ProposedRow(sample, proposal, current, seen, sample.calibrated, None, sealed)


def under(policy: Policy, sample: TypeSample) -> Outcomes | None:
    """The sample with the confidences that a policy would see; None when it names a tier that was not measured."""
    if not set(policy.cascade) <= set(sample.raw.tiers):
        return None
    if not policy.calibration:
        return sample.raw
    confidence = sample.raw.confidence.copy()
    for tier, calibration in policy.calibration.items():
        column = sample.raw.index(tier)
        confidence[:, column] = [calibration(signal) for signal in confidence[:, column]]
    return replace(sample.raw, confidence=confidence)


def _current(
    measurement: Measurement, sample: TypeSample
) -> tuple[Measured | None, Outcomes | None]:
    policy = measurement.settings.table.get(sample.task_type)
    outcomes = None if policy is None else under(policy, sample)
    if policy is None or outcomes is None:
        return None, None
    threshold = policy.threshold if len(policy.cascade) > 1 else 0.0
    return measure(outcomes, Candidate(policy.cascade, threshold)), outcomes


def _propose(
    measurement: Measurement,
    sample: TypeSample,
    tolerance: Tolerance,
    fallback: Fallback,
    expires_after: dt.timedelta,
) -> ProposedRow:
    current, seen = _current(measurement, sample)
    proposal = propose(sample.calibrated, tolerance)
    keeps = fallback == "current" and proposal.more_needed != 0 and current is not None
    if keeps and current is not None:
        why = f"{current.candidate}, as now{proposal.why.removeprefix(str(proposal.candidate))}"
        proposal = replace(proposal, measured=current, certified=False, bound=None, why=why)
    content = _row(measurement, sample, proposal, tolerance, expires_after, keeps=keeps)
    played = seen if keeps and seen is not None else sample.calibrated
    sealed = _sealed(content)
    more = _more_for_cheaper(sample, proposal, tolerance)
    return ProposedRow(sample, proposal, current, seen, played, more, sealed)


def _sealed(content: dict[str, Any]) -> RowSettings:
    content["evidence"]["row_hash"] = row_hash(RowSettings.model_validate(content))
    return RowSettings.model_validate(content)


def _more_for_cheaper(sample: TypeSample, proposal: Proposal, tolerance: Tolerance) -> int | None:
    """Say what a larger sample might bring, also where this one has already certified something."""
    if proposal.more_needed != 0:
        return proposal.more_needed
    limit = (1 - LEAST_SAVING) * proposal.measured.cost_nano_usd.value
    cheaper = frozenset(
        verdict.candidate
        for verdict in proposal.verdicts
        if float(play(sample.calibrated, verdict.candidate).cost_nano_usd.mean()) < limit
    )
    total = tasks_needed(sample.calibrated, tolerance, cheaper)
    return None if total is None else max(1, total - proposal.n)


def _row(
    measurement: Measurement,
    sample: TypeSample,
    proposal: Proposal,
    tolerance: Tolerance | None,
    expires_after: dt.timedelta,
    *,
    keeps: bool,
) -> dict[str, Any]:
    cascade = proposal.candidate.cascade
    content: dict[str, Any] = {"task_types": (sample.task_type,)}
    if len(cascade) == 1:
        content["tier"] = cascade[0]
    elif keeps:
        policy = measurement.settings.table[sample.task_type]
        content |= _kept(policy)
    else:
        content |= {
            "cascade": cascade,
            "method": SELF_REPORT,
            "threshold": proposal.candidate.threshold,
            "calibration": {
                tier: _calibration(sample.calibrators[tier], measurement.settings.models[tier])
                for tier in cascade[:-1]
            },
        }
    content["measured_output_tokens"] = dict(sample.output_tokens)
    content["evidence"] = _evidence(measurement, sample, proposal, tolerance, expires_after)
    return content


def _kept(policy: Policy) -> dict[str, Any]:
    calibrated = {tier: _plain(c) for tier, c in (policy.calibration or {}).items()}
    threshold = policy.threshold if calibrated else policy.threshold * HIGHEST_SCORE
    content: dict[str, Any] = {
        "cascade": policy.cascade,
        "method": policy.method,
        "threshold": round(threshold, 9),
    }
    return content | ({"calibration": calibrated} if calibrated else {})


def _plain(calibration: Any) -> dict[str, Any]:
    names = ("model", "intercept", "slope", "labels", "pooled_labels", "clip")
    return {name: getattr(calibration, name) for name in names}


def _calibration(calibrator: Calibrator | None, model: str) -> dict[str, Any]:
    assert calibrator is not None  # noqa: S101 - an uncalibrated tier has no threshold to propose
    return {
        "model": model,
        "intercept": calibrator.intercept,
        "slope": calibrator.slope,
        "labels": calibrator.labels,
        "pooled_labels": calibrator.pooled_labels,
        "clip": calibrator.clip,
    }


def _evidence(
    measurement: Measurement,
    sample: TypeSample,
    proposal: Proposal,
    tolerance: Tolerance | None,
    expires_after: dt.timedelta,
) -> dict[str, Any]:
    settings, measured = measurement.settings, proposal.measured
    quality = measured.quality
    evidence: dict[str, Any] = {
        "sample_size": proposal.n,
        "quality": round(quality.value, 4),
        # Rounded outwards, so that the written interval still holds what was measured.
        "quality_low": max(0.0, round(quality.low - 5e-5, 4)),
        "quality_high": min(1.0, round(quality.high + 5e-5, 4)),
        "mean_cost_nano_usd": round(measured.cost_nano_usd.value),
        "judge": graded_by(measurement, sample.tasks),
        "dataset_hash": settings.sample_hash,
        "price_book_version": settings.price_book_version,
        "measured_at": settings.made_at,
        "expires_at": settings.made_at + expires_after,
        "tiers": _measured_tiers(settings, measured.candidate),
        "escalation_rate": round(measured.escalation.value, 4),
    }
    if tolerance is not None:
        evidence |= {"tolerance": tolerance.loss, "confidence": tolerance.confidence}
    if proposal.certified and proposal.bound is not None:
        margin = 5e-5 if proposal.bound > 0 else 0.0
        evidence["loss_bound"] = min(1.0, round(proposal.bound + margin, 4))
    return evidence


def _measured_tiers(settings: RunSettings, candidate: Candidate) -> dict[str, dict[str, Any]]:
    """What the row's tiers were, and the one that its loss is held against; how drafts were checked."""
    counted = (*candidate.cascade, settings.tiers[-1])
    return {
        tier: {
            name: fact
            for name, fact in settings.tier_facts[tier].items()
            if name != "check" or tier in candidate.cascade[:-1]
        }
        for tier in settings.tiers
        if tier in counted
    }


def graded_by(measurement: Measurement, tasks: Sequence[SampleTask]) -> str:
    """Who graded answers to these tasks, as evidence names them: check, human, the judge with its prompt's version."""
    named = measurement.grades.graders(tasks)
    models = sorted(
        {
            entry["model"]
            for key, entry in measurement.state.outcomes.items()
            if key.startswith(JUDGE) and entry["kind"] == "answered"
        }
    )
    judge = f"{'/'.join(models)} {PROMPT_VERSION}"
    return named.replace(Grader.JUDGE.value, judge) if models else named


def comment(row: ProposedRow) -> str:
    """What a reviewer should read above the row."""
    lines = [row.proposal.why]
    if row.current is None:
        lines.append("No row in force to compare with.")
    elif row.changes:
        lines.append(f"In force: {row.current.candidate}, {_outcome(row.current)}.")
    lines.append(f"Expected: {_outcome(row.proposal.measured)}.")
    if row.more_for_cheaper and row.proposal.more_needed == 0:
        lines.append(f"About {row.more_for_cheaper} more tasks might certify a cheaper row.")
    if row.sample.left_out:
        lines.append(f"{row.sample.left_out} sampled tasks have no outcome or grade.")
    return "\n".join(lines)


def _outcome(measured: Measured) -> str:
    cost = measured.cost_nano_usd.value / 1e9
    return (
        f"quality {measured.quality.value:.3f} [{measured.quality.low:.3f}, {measured.quality.high:.3f}],"
        f" ${cost:.6f} a task, {measured.escalation.value:.0%} escalate"
    )


def rows_with_comments(rows: tuple[ProposedRow, ...]) -> list[tuple[RowSettings, str]]:
    """The rows as `toml_rows.replace_rows` takes them."""
    return [(row.row, comment(row)) for row in rows]
