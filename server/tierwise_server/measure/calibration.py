"""From a raw signal to a probability: one two-parameter logistic per model, task type and method.

Platt's scaling (1999) on the log-odds of the signal. A task type has too few labels to stand alone, so its fit is
shrunk to the fit of all task types of the same model and method, as far as the data ask for. With too few labels even
there, the answer is "uncalibrated", never the raw number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit

from tierwise_server.measure.outcomes import FloatArray, Outcomes, UnusableSample

LEAST_LABELS = 20
"""Fewer labels for a model and method in all give no calibrator: ten a parameter, the usual floor of regression."""

LEAST_OF_EACH = 3.0
"""Without this many right and wrong answers in all, the slope is not to be trusted."""

SIGNAL_CLIP = 0.01
"""Signals are held this far from 0 and 1: a model's "10 of 10" is not a certainty."""

SHRINKAGE_WORTHS = (2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 300.0, 1000.0)
"""How many pooled labels the pooled fit may be worth to a task type; the likeliest is taken."""

RIDGE = 1e-3
"""Keeps a pooled fit finite when the signal separates right from wrong."""


@dataclass(frozen=True, slots=True)
class Key:
    """What a calibrator belongs to; another model, task type or method needs its own."""

    model: str
    task_type: str
    method: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """Signals with what became of them: arrays of one value per answer, both in [0, 1].

    `weight` is what each answer counts, 1 when None: ten repeats of one task count a tenth each.
    """

    signal: FloatArray
    quality: FloatArray
    weight: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Maps a raw signal to the expected quality: expit(intercept + slope * logit(signal)); never decreasing.

    Attributes:
        labels: how many labels of its own task type it saw.
        pooled_labels: how many of its model and method in all.
        shrinkage: the share of the fit that came from the pooled one, in [0, 1]; 1 when there was nothing of its own.
    """

    intercept: float
    slope: float
    labels: int
    pooled_labels: int
    shrinkage: float
    clip: float = SIGNAL_CLIP

    def __call__(self, signal: FloatArray) -> FloatArray:
        """Calibrate signals; NaN stays NaN."""
        return np.asarray(
            expit(self.intercept + self.slope * _log_odds(signal, self.clip)), dtype=np.float64
        )


def calibrate(
    labelled: Mapping[Key, Labelled], *, clip: float = SIGNAL_CLIP
) -> dict[Key, Calibrator | None]:
    """Fit every key's calibrator, each shrunk to the pooled fit of its model and method.

    None means uncalibrated: the model and method have fewer than LEAST_LABELS labels in all, or nearly none right or
    none wrong. A signal that ranks answers the wrong way round gets slope 0: a constant, which admits no cut.

    Raises:
        UnusableSample: a value lies outside [0, 1] or arrays differ in length.
    """
    families: dict[tuple[str, str], list[Key]] = {}
    for key in labelled:
        families.setdefault((key.model, key.method), []).append(key)
    found: dict[Key, Calibrator | None] = {}
    for keys in families.values():
        designs = {key: _design(labelled[key], clip) for key in keys}
        found.update(_family(designs, clip))
    return {key: found[key] for key in labelled}


def with_calibrated(outcomes: Outcomes, calibrators: Mapping[str, Calibrator | None]) -> Outcomes:
    """Replace every tier's raw signals by its calibrator's confidences.

    A tier that is uncalibrated (None, or absent) gets none at all: its drafts cannot be accepted by a check.
    """
    confidence = np.full_like(outcomes.confidence, np.nan)
    for column, tier in enumerate(outcomes.tiers):
        calibrator = calibrators.get(tier)
        if calibrator is not None:
            confidence[:, column] = calibrator(outcomes.confidence[:, column])
    return replace(outcomes, confidence=confidence)


@dataclass(frozen=True, slots=True)
class _Design:
    x: FloatArray
    y: FloatArray
    weight: FloatArray

    @property
    def total(self) -> float:
        return float(self.weight.sum())


@dataclass(frozen=True, slots=True)
class _Prior:
    """A fit to lean on, and the information one label gives about it."""

    mean: FloatArray
    information: FloatArray


def _design(labelled: Labelled, clip: float) -> _Design:
    known = ~np.isnan(labelled.signal)
    weight = np.ones(len(known)) if labelled.weight is None else labelled.weight
    signal, quality = labelled.signal[known], labelled.quality[known]
    for values in (signal, quality):
        if not np.all((values >= 0.0) & (values <= 1.0)):
            raise UnusableSample("signals and qualities must lie in [0, 1]")
    log_odds = _log_odds(signal, clip)
    return _Design(np.stack([np.ones_like(log_odds), log_odds], axis=1), quality, weight[known])


def _log_odds(signal: FloatArray, clip: float) -> FloatArray:
    return np.asarray(logit(np.clip(signal, clip, 1.0 - clip)), dtype=np.float64)


def _family(designs: Mapping[Key, _Design], clip: float) -> dict[Key, Calibrator | None]:
    pooled = _Design(
        np.concatenate([d.x for d in designs.values()]),
        np.concatenate([d.y for d in designs.values()]),
        np.concatenate([d.weight for d in designs.values()]),
    )
    right = float(np.sum(pooled.weight * pooled.y))
    if pooled.total < LEAST_LABELS or min(right, pooled.total - right) < LEAST_OF_EACH:
        return dict.fromkeys(designs)
    prior = _pooled_fit(pooled)
    worth = _likeliest_worth(list(designs.values()), prior)
    return {key: _shrunk(design, prior, worth, pooled, clip) for key, design in designs.items()}


def _pooled_fit(pooled: _Design) -> _Prior:
    nothing = _Prior(np.zeros(2), np.diag([0.0, RIDGE]))
    fit = _fit(pooled, nothing, 1.0)
    return _Prior(fit, _information(pooled, fit) / pooled.total)


def _shrunk(
    design: _Design, prior: _Prior, worth: float, pooled: _Design, clip: float
) -> Calibrator:
    fit = _fit(design, prior, worth)
    share = worth / (worth + design.total)
    return Calibrator(
        float(fit[0]), float(fit[1]), round(design.total), round(pooled.total), share, clip
    )


def _fit(design: _Design, prior: _Prior, worth: float) -> FloatArray:
    """Maximise likelihood and prior by Newton's method; a negative slope is then held at 0."""
    fit = _newton(design, prior, worth, free=2)
    return fit if fit[1] >= 0.0 else _newton(design, prior, worth, free=1)


def _newton(design: _Design, prior: _Prior, worth: float, *, free: int) -> FloatArray:
    fit = prior.mean.copy()
    fit[free:] = 0.0
    precision = worth * prior.information
    for _ in range(50):
        missed = design.weight * (design.y - expit(design.x @ fit))
        slope = design.x.T @ missed - precision @ (fit - prior.mean)
        curvature = _information(design, fit) + precision + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature[:free, :free], slope[:free])
        # Far from the optimum a full Newton step may overshoot where the curve is flat.
        step *= min(1.0, 2.0 / max(1e-12, float(np.abs(step).max())))
        fit[:free] += step
        if float(np.abs(step).max()) < 1e-9:
            break
    return fit


def _information(design: _Design, fit: FloatArray) -> FloatArray:
    p = expit(design.x @ fit)
    return np.asarray((design.x * (design.weight * p * (1 - p))[:, None]).T @ design.x)


def _likeliest_worth(designs: Sequence[_Design], prior: _Prior) -> float:
    """Choose the shrinkage by the marginal likelihood of all task types (Laplace's approximation)."""
    if len(designs) < 2:
        return SHRINKAGE_WORTHS[-1]
    evidence = [sum(_evidence(d, prior, worth) for d in designs) for worth in SHRINKAGE_WORTHS]
    return SHRINKAGE_WORTHS[int(np.argmax(evidence))]


def _evidence(design: _Design, prior: _Prior, worth: float) -> float:
    precision = worth * prior.information + 1e-9 * np.eye(2)
    fit = _newton(design, prior, worth, free=2)
    p = np.clip(expit(design.x @ fit), 1e-12, 1 - 1e-12)
    likelihood = float(
        np.sum(design.weight * (design.y * np.log(p) + (1 - design.y) * np.log1p(-p)))
    )
    away = fit - prior.mean
    volume = (
        np.linalg.slogdet(precision)[1]
        - np.linalg.slogdet(_information(design, fit) + precision)[1]
    )
    return likelihood - 0.5 * float(away @ precision @ away) + 0.5 * float(volume)
