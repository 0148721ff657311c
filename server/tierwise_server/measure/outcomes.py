"""What was measured: every tier's outcome on the same tasks of one task type, and what a row would have made of them.

`play` is the vectorised twin of core/cascade.py for recorded outcomes: a draft is accepted exactly when its confidence
is known and at least the threshold, and everything that was asked is paid for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tierwise_server.errors import TierwiseError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class UnusableSample(TierwiseError):
    """Measured values that no statistic can be made of: wrong shape, out of range, or none at all."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row that might be chosen: the tiers to climb, weakest first, and the confidence that accepts a draft.

    One tier: it answers, unchecked; the threshold is then 0 and unused.
    """

    cascade: tuple[str, ...]
    threshold: float = 0.0

    def __str__(self) -> str:
        """Name the row as people do: `efficient then frontier at 0.8`."""
        if len(self.cascade) == 1:
            return self.cascade[0]
        return f"{' then '.join(self.cascade)} at {self.threshold:.3g}"


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Every tier's outcome on the same tasks: arrays of shape (tasks, tiers), columns in the order of `tiers`.

    A task that lacks an outcome at some tier is not part of a paired comparison; leave it out, or give a failure
    quality 0 and what it cost. Arrays are not copied: do not write to them afterwards.

    Attributes:
        task_type: what the tasks have in common.
        tiers: weakest first; the last is the strongest, against which losses are counted.
        quality: how good the answer was, in [0, 1].
        cost_nano_usd: what the answer cost, retries included, without its check.
        confidence: the check's reading of that answer in [0, 1]; NaN where it was unreadable, failed or never asked
            because the draft was cut or refused: such a draft escalates.
        check_cost_nano_usd: what the check cost; 0 where none was asked.
        latency_s: seconds from asking to the whole answer, or None when not measured.
        check_latency_s: the same of the check.
    """

    task_type: str
    tiers: tuple[str, ...]
    quality: FloatArray
    cost_nano_usd: FloatArray
    confidence: FloatArray
    check_cost_nano_usd: FloatArray
    latency_s: FloatArray | None = None
    check_latency_s: FloatArray | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be measured.

        Raises:
            UnusableSample: naming the field and what is wrong with it.
        """
        shape = (len(self.quality), len(self.tiers))
        if 0 in shape:
            raise UnusableSample(f"{self.task_type!r} has no tasks or no tiers")
        for name, values in self._arrays().items():
            if values.shape != shape:
                raise UnusableSample(f"{name} has shape {values.shape}, expected {shape}")
        _check_range("quality", self.quality, 1.0)
        _check_range("confidence", self.confidence[~np.isnan(self.confidence)], 1.0)
        for name in ("cost_nano_usd", "check_cost_nano_usd"):
            _check_range(name, self._arrays()[name], np.inf)

    @property
    def n(self) -> int:
        """How many tasks there are."""
        return len(self.quality)

    @property
    def strongest(self) -> str:
        """The tier that losses are counted against."""
        return self.tiers[-1]

    def index(self, tier: str) -> int:
        """Find the tier's column.

        Raises:
            UnusableSample: the tier was not measured.
        """
        if tier not in self.tiers:
            raise UnusableSample(f"tier {tier!r} was not measured; measured: {self.tiers}")
        return self.tiers.index(tier)

    def take(self, rows: npt.NDArray[np.bool_] | IntArray) -> Outcomes:
        """Select tasks by mask or index; an index may repeat, as a bootstrap's does."""
        return replace(
            self,
            quality=self.quality[rows],
            cost_nano_usd=self.cost_nano_usd[rows],
            confidence=self.confidence[rows],
            check_cost_nano_usd=self.check_cost_nano_usd[rows],
            latency_s=None if self.latency_s is None else self.latency_s[rows],
            check_latency_s=None if self.check_latency_s is None else self.check_latency_s[rows],
        )

    def _arrays(self) -> dict[str, FloatArray]:
        arrays = {
            "quality": self.quality,
            "cost_nano_usd": self.cost_nano_usd,
            "confidence": self.confidence,
            "check_cost_nano_usd": self.check_cost_nano_usd,
            "latency_s": self.latency_s,
            "check_latency_s": self.check_latency_s,
        }
        return {name: values for name, values in arrays.items() if values is not None}


def _check_range(name: str, values: FloatArray, high: float) -> None:
    # Written so that a NaN fails as well.
    if not np.all((values >= 0.0) & (values <= high) & np.isfinite(values)):
        raise UnusableSample(f"{name} must be finite and in [0, {high:g}]")


@dataclass(frozen=True, eq=False)
class Played:
    """What a row would have made of each task: arrays of one value per task.

    Attributes:
        quality: of the answer that is kept.
        cost_nano_usd: every draft, check and answer on the way, discarded ones included.
        climbs: how many drafts were superseded.
        latency_s: drafts, checks and answer one after another; None when not measured.
    """

    quality: FloatArray
    cost_nano_usd: FloatArray
    climbs: IntArray
    latency_s: FloatArray | None

    @property
    def escalation_rate(self) -> float:
        """The share of tasks that climbed at all."""
        return float(np.mean(self.climbs > 0))


def level_costs(outcomes: Outcomes, candidate: Candidate) -> list[FloatArray]:
    """What each level of a row costs on every task, whether or not the task gets there; a draft's check included.

    Raises:
        UnusableSample: the candidate names a tier that was not measured.
    """
    last = len(candidate.cascade) - 1
    return [
        _spent(
            outcomes.cost_nano_usd, outcomes.check_cost_nano_usd, outcomes.index(tier), place < last
        )
        for place, tier in enumerate(candidate.cascade)
    ]


def play(outcomes: Outcomes, candidate: Candidate) -> Played:
    """Say what the row would have made of the recorded tasks. Pure; calls no model.

    Raises:
        UnusableSample: the candidate names a tier that was not measured.
    """
    n = outcomes.n
    quality, cost, latency = np.zeros(n), np.zeros(n), np.zeros(n)
    climbs = np.zeros(n, dtype=np.int64)
    running = np.ones(n, dtype=np.bool_)
    last = len(candidate.cascade) - 1
    for place, tier in enumerate(candidate.cascade):
        column = outcomes.index(tier)
        draft = place < last
        cost += running * _spent(
            outcomes.cost_nano_usd, outcomes.check_cost_nano_usd, column, draft
        )
        if outcomes.latency_s is not None:
            latency += running * _spent(outcomes.latency_s, outcomes.check_latency_s, column, draft)
        # NaN compares false: an unreadable check never accepts.
        accepts = outcomes.confidence[:, column] >= candidate.threshold
        stops = running & accepts if draft else running
        quality[stops] = outcomes.quality[stops, column]
        running = running & ~stops
        climbs += running
    return Played(quality, cost, climbs, latency if outcomes.latency_s is not None else None)


def _spent(answer: FloatArray, check: FloatArray | None, column: int, draft: bool) -> FloatArray:
    if draft and check is not None:
        return answer[:, column] + check[:, column]
    return answer[:, column]


def losses(outcomes: Outcomes, candidate: Candidate) -> FloatArray:
    """Give up how much quality per task by the row instead of the strongest tier: in [-1, 1], negative is a gain."""
    return outcomes.quality[:, -1] - play(outcomes, candidate).quality
