"""Rows chosen by a price on quality instead of a promise: the most quality less what its cost is worth.

Utility is quality - price * cost / (the strongest tier's mean cost): at a price of 0.10, halving the cost is worth
five points of quality. A threshold is learned from two smooth curves, how good the draft and the stronger answer are
given the draft's confidence, so that it follows the expected gain of escalating, not the doubt; then the few rows that
remain per task type are compared with what all task types say (measure/shrinkage.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tierwise_server.measure.calibration import Calibrator, Key, Labelled, calibrate
from tierwise_server.measure.certification import thresholds
from tierwise_server.measure.outcomes import Candidate, FloatArray, Outcomes, UnusableSample, play
from tierwise_server.measure.shrinkage import choose, shrunk_gains

PRICE = 0.10
"""The price that the routing literature's utility curves commonly show, and that our reference points used."""


@dataclass(frozen=True, eq=False)
class GainCurves:
    """How good a draft tier's answer and a final tier's answer are, given the draft's confidence.

    A side is None when it could not be calibrated: too few labels, or all alike.
    """

    draft: Calibrator | None
    final: Calibrator | None

    def gain(self, confidence: FloatArray) -> FloatArray | None:
        """The expected gain of escalating at these confidences; None without both curves."""
        if self.draft is None or self.final is None:
            return None
        return self.final(confidence) - self.draft(confidence)


def gain_curves(samples: Sequence[Outcomes], draft: str, final: str) -> dict[str, GainCurves]:
    """Fit both curves per task type, each shrunk to that of all task types together."""
    sides = {}
    for tier in (draft, final):
        labelled = {
            Key(tier, sample.task_type, draft): Labelled(
                sample.confidence[:, sample.index(draft)], sample.quality[:, sample.index(tier)]
            )
            for sample in samples
        }
        sides[tier] = calibrate(labelled)
    return {
        sample.task_type: GainCurves(
            sides[draft][Key(draft, sample.task_type, draft)],
            sides[final][Key(final, sample.task_type, draft)],
        )
        for sample in samples
    }


def utility(outcomes: Outcomes, candidate: Candidate, price: float = PRICE) -> FloatArray:
    """Quality less priced cost, per task; 1 is a right answer for nothing.

    Raises:
        UnusableSample: the strongest tier cost nothing, so that costs have no scale.
    """
    played = play(outcomes, candidate)
    return played.quality - price * played.cost_nano_usd / _scale(outcomes)


def choose_by_utility(
    samples: Sequence[Outcomes], price: float = PRICE, guard: float | None = None
) -> dict[str, Candidate]:
    """Choose every task type's row by utility; the strongest tier where nothing is thought better.

    All samples have the same tiers. With a `guard` (0.95, say) a row must beat the strongest tier with that
    probability, see `shrinkage.choose`.

    Raises:
        UnusableSample: no sample, different tiers, or a strongest tier that cost nothing.
    """
    if not samples or len({sample.tiers for sample in samples}) != 1:
        raise UnusableSample("utility is compared over samples of the same tiers")
    rows = _finalists(samples, price)
    values = [
        np.stack([utility(sample, row, price) for row in rows[sample.task_type]], axis=1)
        for sample in samples
    ]
    picks = choose(shrunk_gains(values, fallback=0), guard)
    return {s.task_type: rows[s.task_type][pick] for s, pick in zip(samples, picks, strict=True)}


def _finalists(samples: Sequence[Outcomes], price: float) -> dict[str, list[Candidate]]:
    """Per task type the strongest tier, then every other tier alone, then every pair at its best threshold."""
    tiers = samples[0].tiers
    rows = {
        sample.task_type: [Candidate((tiers[-1],)), *(Candidate((t,)) for t in tiers[:-1])]
        for sample in samples
    }
    for place, draft in enumerate(tiers[:-1]):
        for final in tiers[place + 1 :]:
            curves = gain_curves(samples, draft, final)
            for sample in samples:
                row = _best_threshold(sample, draft, final, curves[sample.task_type], price)
                rows[sample.task_type].append(row)
    return rows


def _best_threshold(
    sample: Outcomes, draft: str, final: str, curves: GainCurves, price: float
) -> Candidate:
    """The threshold of highest expected utility; the strongest tier alone when there is nothing to cut at."""
    levels = thresholds(sample, draft)
    if not levels:
        return Candidate((sample.strongest,))
    rows = [Candidate((draft, final), level) for level in levels]
    return max(rows, key=lambda row: _expected_utility(sample, row, curves, price))


def _expected_utility(sample: Outcomes, row: Candidate, curves: GainCurves, price: float) -> float:
    played = play(sample, row)
    quality = played.quality
    confidence = sample.confidence[:, sample.index(row.cascade[0])]
    if curves.draft is not None and curves.final is not None:
        stays = confidence >= row.threshold
        smooth = np.where(stays, curves.draft(confidence), curves.final(confidence))
        quality = np.where(np.isnan(confidence), quality, smooth)
    return float(np.mean(quality) - price * np.mean(played.cost_nano_usd) / _scale(sample))


def _scale(outcomes: Outcomes) -> float:
    scale = float(np.mean(outcomes.cost_nano_usd[:, -1]))
    if scale <= 0.0:
        raise UnusableSample(f"{outcomes.strongest!r} cost nothing: costs have no scale")
    return scale
