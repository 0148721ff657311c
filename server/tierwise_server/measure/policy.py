"""The row a task type should have: the cheapest that is proven good enough, else the safer one, and the words for it.

Everything that a row costs is counted: drafts that are discarded, checks, and the answer. A cheaper row that saves too
little to matter, or is not proven within the tolerance, does not replace the fallback.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tierwise_server.measure.bounds import mean_bound
from tierwise_server.measure.certification import Tolerance, Verdict, certify, tasks_needed
from tierwise_server.measure.outcomes import (
    Candidate,
    Outcomes,
    UnusableSample,
    level_costs,
    losses,
    play,
)
from tierwise_server.measure.statistics import (
    Interval,
    climbing_cost_interval,
    quality_interval,
    weighted_interval,
    wilson,
)

LEAST_SAVING = 0.02
"""A row must save this share of the strongest tier's cost; less is not worth a second call to go wrong."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a row would have done with the sample; the evidence behind it. Costs are nano-USD per task.

    Attributes:
        cost_share: its mean cost over the strongest tier's; 1 when that costs nothing.
        loss: the mean quality given up against the strongest tier, negative when it gains.
        escalation: the share of tasks that climbed.
    """

    candidate: Candidate
    quality: Interval
    cost_nano_usd: Interval
    cost_share: float
    loss: Interval
    escalation: Interval


@dataclass(frozen=True, slots=True)
class Dominated:
    """A tier that another one beats: no dearer on average, and not proven worse.

    Attributes:
        loss_bound: what choosing `by` instead may cost in quality at most, at the stated one-sided confidence.
        proven: whether that is nothing at all.
    """

    tier: str
    by: str
    loss_bound: float
    proven: bool


@dataclass(frozen=True, slots=True)
class Proposal:
    """The proposed row of one task type with its evidence.

    Attributes:
        certified: whether the row is proven within the tolerance; the strongest tier alone is, by definition.
        bound: what the row's true loss stays below at the tolerance's confidence; None when it is not certified.
        more_needed: how many more tasks would probably certify a cheaper row; 0 when one is certified, None when no
            cheaper row looks good enough.
        why: one sentence for people.
        verdicts: every candidate that was considered.
    """

    task_type: str
    n: int
    measured: Measured
    certified: bool
    bound: float | None
    more_needed: int | None
    why: str
    verdicts: tuple[Verdict, ...]

    @property
    def candidate(self) -> Candidate:
        """The row itself."""
        return self.measured.candidate


def measure(outcomes: Outcomes, candidate: Candidate, confidence: float = 0.95) -> Measured:
    """Gather what the row would have done with the sample, with two-sided intervals.

    Raises:
        UnusableSample: the row names a tier that was not measured.
    """
    played = play(outcomes, candidate)
    strongest = float(np.mean(outcomes.cost_nano_usd[:, -1]))
    cost = _cost_interval(outcomes, candidate, confidence)
    return Measured(
        candidate,
        quality_interval(played.quality, confidence),
        cost,
        cost.value / strongest if strongest > 0 else 1.0,
        _loss_interval(outcomes, candidate, confidence),
        _escalation_interval(outcomes, candidate, confidence),
    )


def measure_table(
    samples: Sequence[Outcomes],
    rows: Mapping[str, Candidate],
    weights: Mapping[str, float] | None = None,
    confidence: float = 0.95,
) -> Measured:
    """Gather what a whole table would have done: every task type under its row, weighted by its share of traffic.

    `weights` are the task types' shares in any unit; None takes the sample's own. The candidate of the result is empty.

    Raises:
        UnusableSample: a task type has no row or no weight, or a row names a tier that was not measured.
    """
    missing = [s.task_type for s in samples if s.task_type not in rows]
    missing += [s.task_type for s in samples if weights is not None and s.task_type not in weights]
    if missing or not samples:
        raise UnusableSample(f"no row or weight for {missing}" if missing else "no sample")
    share = np.array([s.n if weights is None else weights[s.task_type] for s in samples], float)
    chosen_rows = [rows[s.task_type] for s in samples]
    played = [play(s, row) for s, row in zip(samples, chosen_rows, strict=True)]
    strongest = [s.cost_nano_usd[:, -1] for s in samples]

    def joined(bound: Callable[[Outcomes, Candidate, float], Interval]) -> Interval:
        parts = [bound(s, row, confidence) for s, row in zip(samples, chosen_rows, strict=True)]
        return weighted_interval(parts, share)

    cost = joined(_cost_interval)
    dearest = float((share / share.sum()) @ np.array([np.mean(costs) for costs in strongest]))
    return Measured(
        Candidate(()),
        weighted_interval([quality_interval(p.quality, confidence) for p in played], share),
        cost,
        cost.value / dearest if dearest > 0 else 1.0,
        joined(_loss_interval),
        joined(_escalation_interval),
    )


def propose(
    outcomes: Outcomes,
    tolerance: Tolerance | None = None,
    *,
    fallback: Candidate | None = None,
    least_saving: float = LEAST_SAVING,
) -> Proposal:
    """Choose the cheapest certified row that saves at least `least_saving`; else keep the fallback.

    The fallback is the strongest tier unless another row, such as the one in force, is named. It is kept as it is:
    nothing is promised of it, but for the strongest tier alone.

    Raises:
        UnusableSample: the fallback names a tier that was not measured.
    """
    tolerance = tolerance or Tolerance()
    safe = fallback or Candidate((outcomes.strongest,))
    verdicts = certify(outcomes, tolerance)
    saving = _saving(outcomes, verdicts, least_saving)
    proven = [v for v in verdicts if v.certified and v.candidate in saving]
    if proven:
        # Among rows of one price, the better one.
        best = min(proven, key=lambda v: (saving[v.candidate], v.loss))
        return _proposal(outcomes, best.candidate, tolerance, verdicts, best.bound, 0)
    total = tasks_needed(outcomes, tolerance, frozenset(saving))
    more = None if total is None else max(1, total - outcomes.n)
    trivial = 0.0 if safe.cascade == (outcomes.strongest,) else None
    return _proposal(outcomes, safe, tolerance, verdicts, trivial, more)


def chosen(outcomes: Outcomes, candidate: Candidate, reason: str) -> Proposal:
    """Wrap a row that was chosen on other grounds than a tolerance; `reason` says which. Nothing is promised of it.

    Raises:
        UnusableSample: the row names a tier that was not measured.
    """
    measured = measure(outcomes, candidate)
    lost = measured.loss
    why = (
        f"{candidate}: {reason}; loses {100 * lost.value:.1f} pp"
        f" [{100 * lost.low:.1f}, {100 * lost.high:.1f}] against {outcomes.strongest}"
        f" (n={outcomes.n}), for {measured.cost_share:.0%} of its cost."
    )
    return Proposal(outcomes.task_type, outcomes.n, measured, False, None, None, why, ())


def dominated_tiers(outcomes: Outcomes, confidence: float = 0.90) -> tuple[Dominated, ...]:
    """Name every tier that some other tier beats: no dearer on average, and at least as good on the sample.

    Each tier is listed once, with the tier that beats it most clearly.
    """
    cost, quality = outcomes.cost_nano_usd.mean(axis=0), outcomes.quality.mean(axis=0)
    found = []
    for tier in range(len(outcomes.tiers)):
        rivals = [
            _dominated(outcomes, tier, rival, confidence)
            for rival in range(len(outcomes.tiers))
            if cost[rival] <= cost[tier]
            and quality[rival] >= quality[tier]
            # Twins in both do not beat each other; nor does a tier beat itself.
            and (cost[rival] < cost[tier] or quality[rival] > quality[tier])
        ]
        if rivals:
            found.append(min(rivals, key=lambda d: d.loss_bound))
    return tuple(found)


def _dominated(outcomes: Outcomes, tier: int, rival: int, confidence: float) -> Dominated:
    bound = mean_bound(outcomes.quality[:, tier] - outcomes.quality[:, rival], confidence)
    return Dominated(outcomes.tiers[tier], outcomes.tiers[rival], bound, bound <= 0.0)


def _cost_interval(outcomes: Outcomes, candidate: Candidate, confidence: float) -> Interval:
    climbs = play(outcomes, candidate).climbs
    return climbing_cost_interval(level_costs(outcomes, candidate), climbs, confidence)


def _loss_interval(outcomes: Outcomes, candidate: Candidate, confidence: float) -> Interval:
    lost = losses(outcomes, candidate)
    one_sided = (1 + confidence) / 2
    mean = float(np.mean(lost))
    if candidate.cascade == (outcomes.strongest,):
        return Interval(0.0, 0.0, 0.0, outcomes.n, confidence)
    low, high = -mean_bound(-lost, one_sided), mean_bound(lost, one_sided)
    return Interval(mean, min(low, mean), max(high, mean), outcomes.n, confidence)


def _escalation_interval(outcomes: Outcomes, candidate: Candidate, confidence: float) -> Interval:
    if len(candidate.cascade) == 1:
        return Interval(0.0, 0.0, 0.0, outcomes.n, confidence)
    climbed = int(np.sum(play(outcomes, candidate).climbs > 0))
    return wilson(climbed, outcomes.n, confidence)


def _saving(
    outcomes: Outcomes, verdicts: tuple[Verdict, ...], least_saving: float
) -> dict[Candidate, float]:
    """Mean cost of the candidates that save enough; one reached by two chains is one candidate."""
    limit = (1 - least_saving) * float(np.mean(outcomes.cost_nano_usd[:, -1]))
    costs = {
        v.candidate: float(np.mean(play(outcomes, v.candidate).cost_nano_usd)) for v in verdicts
    }
    return {candidate: cost for candidate, cost in costs.items() if cost < limit}


def _proposal(
    outcomes: Outcomes,
    candidate: Candidate,
    tolerance: Tolerance,
    verdicts: tuple[Verdict, ...],
    bound: float | None,
    more_needed: int | None,
) -> Proposal:
    if not set(candidate.cascade) <= set(outcomes.tiers):
        raise UnusableSample(f"row {candidate} names a tier that was not measured")
    measured = measure(outcomes, candidate)
    why = _why(outcomes, measured, tolerance, bound, more_needed)
    return Proposal(
        outcomes.task_type,
        outcomes.n,
        measured,
        bound is not None,
        bound,
        more_needed,
        why,
        verdicts,
    )


def _why(
    outcomes: Outcomes,
    measured: Measured,
    tolerance: Tolerance,
    bound: float | None,
    more_needed: int | None,
) -> str:
    points, n = f"{100 * tolerance.loss:g} pp", outcomes.n
    if more_needed == 0 and bound is not None:
        return (
            f"{measured.candidate}: loses at most {100 * bound:.1f} pp against {outcomes.strongest} "
            f"at {tolerance.confidence:.0%} confidence (n={n}), for {measured.cost_share:.0%} of its cost."
        )
    if more_needed is None:
        reason = f"no cheaper row looks to be within {points} of {outcomes.strongest} (n={n})"
    else:
        reason = f"cannot certify {points} with n={n}, about {more_needed} more needed"
    return f"{measured.candidate}: {reason}."
