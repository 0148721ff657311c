"""How far the confidence signal can be believed: its reliability diagram, calibration error, and ranking power."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tierwise_server.measure import metrics
from tierwise_server.measure.collect import Measurement
from tierwise_server.measure.outcomes import FloatArray, IntArray
from tierwise_server.measure.statistics import Interval, bootstrap, wilson

RANKING_DRAWS = 400
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

    def statistic(rows: IntArray) -> float:
        some = good[rows]
        if some.min() == some.max():
            return 0.5
        return metrics.auroc(signal[rows], some)

    strata = good.astype(np.int64)
    return bootstrap(statistic, len(good), draws=RANKING_DRAWS, strata=strata)


def calibration_error(confidence: FloatArray, quality: FloatArray) -> Interval | None:
    """Bound the calibration error by the basic bootstrap (Davison and Hinkley 1997, §5.2).

    Resampling raises it as sampling did: it is that much too high already, and the percentiles would be so twice.
    """
    n = len(confidence)
    if n == 0:
        return None
    value = metrics.ece(confidence, quality)
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, n, n) for _ in range(RANKING_DRAWS)]
    samples = [metrics.ece(confidence[rows], quality[rows]) for rows in drawn]
    low, high = 2 * value - np.quantile(samples, [0.975, 0.025])
    return Interval(value, float(np.clip(low, 0.0, value)), max(float(high), value), n)


def _bins(confidence: FloatArray, quality: FloatArray) -> tuple[Bin, ...]:
    if len(confidence) == 0:
        return ()
    diagram = metrics.reliability(confidence, quality)
    return tuple(
        Bin(float(c), wilson(float(o) * int(n), int(n)))
        for n, c, o in zip(diagram.count, diagram.confidence, diagram.outcome, strict=True)
    )
