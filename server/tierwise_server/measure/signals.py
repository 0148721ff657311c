"""How far the confidence signal can be believed: its reliability diagram, calibration error, and ranking power."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tierwise_server.measure import metrics
from tierwise_server.measure.collect import Measurement
from tierwise_server.measure.outcomes import FloatArray
from tierwise_server.measure.statistics import Interval, auroc_interval, wilson

DRAWS = 300
PERFECT_SHOWS = 0.975
"""Of perfectly calibrated signals, so many show no more than the most that is still taken for perfect."""

_TWO_SIDED = 1.96

GOOD = 0.5
"""From this quality on an answer counts as good where a yes or no is needed."""


@dataclass(frozen=True, slots=True)
class Bin:
    """One point of a reliability diagram."""

    confidence: float
    quality: Interval


@dataclass(frozen=True, slots=True)
class SignalQuality:
    """A tier's self-reported confidence over all task types.

    Attributes:
        unread: the share of answers without a readable confidence.
        auroc: the chance that a good answer is rated above a bad one; None when all are good, or all bad.
        ece: calibration error of the raw signal; `ece_calibrated` after calibration, on the same answers.
        ece_floor: what a perfect calibration would show on so few answers.
        calibrated: task types that have a calibrator.
    """

    tier: str
    n: int
    unread: Interval
    auroc: Interval | None
    ece: Interval | None
    ece_calibrated: Interval | None
    ece_floor: float | None
    raw_bins: tuple[Bin, ...]
    calibrated_bins: tuple[Bin, ...]
    calibrated: tuple[str, ...]


def signal_quality(measurement: Measurement) -> tuple[SignalQuality, ...]:
    """Look at every tier that drafts."""
    return tuple(
        _signal(measurement, tier)
        for tier in measurement.settings.tiers[:-1]
        if measurement.samples
    )


def _signal(measurement: Measurement, tier: str) -> SignalQuality:
    samples = measurement.samples
    column = samples[0].raw.index(tier)
    raw = np.concatenate([s.raw.confidence[:, column] for s in samples])
    quality = np.concatenate([s.raw.quality[:, column] for s in samples])
    calibrated = np.concatenate([s.calibrated.confidence[:, column] for s in samples])
    read, fitted = ~np.isnan(raw), ~np.isnan(calibrated)
    return SignalQuality(
        tier=tier,
        n=len(raw),
        unread=wilson(int((~read).sum()), len(raw)),
        auroc=_auroc(raw[read], quality[read]),
        ece=calibration_error(raw[read], quality[read]),
        ece_calibrated=calibration_error(calibrated[fitted], quality[fitted]),
        ece_floor=metrics.ece_floor(calibrated[fitted]) if fitted.any() else None,
        raw_bins=_bins(raw[read], quality[read]),
        calibrated_bins=_bins(calibrated[fitted], quality[fitted]),
        calibrated=tuple(s.task_type for s in samples if _has(s.calibrators, tier)),
    )


def _has(calibrators: Mapping[str, object], tier: str) -> bool:
    return calibrators.get(tier) is not None


def _auroc(signal: FloatArray, quality: FloatArray) -> Interval | None:
    good = (quality >= GOOD).astype(np.float64)
    if len(good) == 0 or good.min() == good.max():
        return None

    hits = int(good.sum())
    return auroc_interval(metrics.auroc(signal, good), hits, len(good) - hits)


def calibration_error(confidence: FloatArray, quality: FloatArray) -> Interval | None:
    """Bound the calibration error, which few answers show too high; the value itself is as it is seen.

    The excess is what resampling adds once more (Davison and Hinkley 1997, §2.1.3); without it, the error is a mean of
    gaps of known sign and spreads like one. Where perfect calibration would show as much as is seen, the interval
    begins at 0: a sum of absolute gaps has no sign by which a resample could fall below.
    """
    n = len(confidence)
    if n == 0:
        return None
    value = metrics.ece(confidence, quality)
    rng = np.random.default_rng(0)
    resampled = [rng.integers(0, n, n) for _ in range(DRAWS)]
    excess = float(np.mean([metrics.ece(confidence[rows], quality[rows]) for rows in resampled]))
    perfect = [
        metrics.ece(confidence, (rng.random(n) < confidence).astype(np.float64))
        for _ in range(DRAWS)
    ]
    middle = max(0.0, 2 * value - excess)
    reach = _TWO_SIDED * float(np.std(_signed_gaps(confidence, quality))) / n**0.5
    low = 0.0 if value <= np.quantile(perfect, PERFECT_SHOWS) else max(0.0, middle - reach)
    return Interval(value, min(low, value), max(middle + reach, value), n)


def _signed_gaps(confidence: FloatArray, quality: FloatArray) -> FloatArray:
    """Every answer's gap, signed as its bin's: their mean is the calibration error."""
    bins = metrics.bin_of(confidence)
    gaps = confidence - quality
    sums = np.bincount(bins, gaps)
    return np.asarray(np.sign(sums)[bins] * gaps)


def _bins(confidence: FloatArray, quality: FloatArray) -> tuple[Bin, ...]:
    if len(confidence) == 0:
        return ()
    diagram = metrics.reliability(confidence, quality)
    return tuple(
        Bin(float(c), wilson(float(o) * int(n), int(n)))
        for n, c, o in zip(diagram.count, diagram.confidence, diagram.outcome, strict=True)
    )
