from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from tests.unit.measure.samples import outcomes
from tierwise_server.measure.calibration import (
    LEAST_LABELS,
    Calibrator,
    Key,
    Labelled,
    calibrate,
    with_calibrated,
)
from tierwise_server.measure.metrics import ece
from tierwise_server.measure.outcomes import UnusableSample

FAQ = Key("small-model", "answer_faq", "self_report")
CODE = Key("small-model", "review_code_logic", "self_report")
LEVELS = np.arange(1, 11) / 10


def drawn(
    rng: np.random.Generator, n: int, intercept: float = -1.0, slope: float = 1.5
) -> Labelled:
    signal = rng.choice(LEVELS[4:], n)
    chance = expit(intercept + slope * logit(np.clip(signal, 0.01, 0.99)))
    return Labelled(signal, (rng.random(n) < chance).astype(np.float64))


def only(labelled: Labelled) -> Calibrator:
    calibrator = calibrate({FAQ: labelled})[FAQ]
    assert calibrator is not None
    return calibrator


def test_calibration_finds_the_truth_given_enough_labels() -> None:
    calibrator = only(drawn(np.random.default_rng(0), 20_000))
    assert calibrator.intercept == pytest.approx(-1.0, abs=0.1)
    assert calibrator.slope == pytest.approx(1.5, abs=0.1)
    assert calibrator.labels == calibrator.pooled_labels == 20_000


def test_calibration_keeps_the_mean() -> None:
    labelled = drawn(np.random.default_rng(1), 60)
    assert only(labelled)(labelled.signal).mean() == pytest.approx(labelled.quality.mean())


def test_calibration_makes_an_overconfident_signal_honest() -> None:
    rng = np.random.default_rng(2)
    seen, fresh = drawn(rng, 300), drawn(rng, 5_000)
    assert ece(fresh.signal, fresh.quality) > 0.1
    assert ece(only(seen)(fresh.signal), fresh.quality) < 0.05


def test_few_labels_lean_on_the_pooled_fit() -> None:
    rng = np.random.default_rng(3)
    others = {Key("small-model", f"type_{i}", "self_report"): drawn(rng, 200) for i in range(5)}
    always_wrong = Labelled(np.array([0.9, 0.9, 0.9]), np.zeros(3))
    fitted = calibrate({**others, FAQ: always_wrong})
    few, pooled = fitted[FAQ], fitted[Key("small-model", "type_0", "self_report")]
    assert few is not None
    assert pooled is not None
    assert few.shrinkage > 0.8
    level = np.array([0.9])
    assert 0.6 * pooled(level)[0] < few(level)[0] < pooled(level)[0]


def test_many_labels_stand_on_their_own() -> None:
    rng = np.random.default_rng(4)
    easy, hard = drawn(rng, 2_000, intercept=2.0), drawn(rng, 2_000, intercept=-3.0)
    fitted = calibrate({FAQ: easy, CODE: hard})
    for key, truth in ((FAQ, easy), (CODE, hard)):
        calibrator = fitted[key]
        assert calibrator is not None
        assert calibrator.shrinkage < 0.1
        assert calibrator(truth.signal).mean() == pytest.approx(truth.quality.mean(), abs=0.03)


def test_models_and_methods_do_not_share() -> None:
    other = Key("other-model", "answer_faq", "self_report")
    rng = np.random.default_rng(5)
    fitted = calibrate({FAQ: drawn(rng, 100), other: drawn(rng, LEAST_LABELS - 1)})
    assert fitted[FAQ] is not None
    assert fitted[other] is None


@pytest.mark.parametrize("quality", [np.ones(100), np.zeros(100), np.repeat([1.0, 0.0], [98, 2])])
def test_answers_that_are_all_alike_stay_uncalibrated(quality: np.ndarray) -> None:
    assert calibrate({FAQ: Labelled(np.tile(LEVELS, 10), quality)})[FAQ] is None


def test_a_signal_that_ranks_backwards_is_worth_nothing() -> None:
    signal = np.tile([0.3, 0.9], 50)
    calibrator = only(Labelled(signal, (signal < 0.5).astype(np.float64)))
    assert calibrator.slope == 0.0
    assert calibrator(LEVELS) == pytest.approx(np.full(10, 0.5))


def test_a_signal_that_separates_perfectly_stays_finite() -> None:
    signal = np.tile([0.3, 0.9], 50)
    calibrator = only(Labelled(signal, (signal > 0.5).astype(np.float64)))
    assert np.isfinite([calibrator.intercept, calibrator.slope]).all()
    assert calibrator(np.array([0.3, 0.9])) == pytest.approx([0.0, 1.0], abs=0.01)


def test_unreadable_signals_are_left_out_and_stay_unreadable() -> None:
    labelled = drawn(np.random.default_rng(6), 50)
    longer = Labelled(np.append(labelled.signal, np.nan), np.append(labelled.quality, 1.0))
    assert only(longer) == only(labelled)
    assert np.isnan(only(labelled)(np.array([np.nan]))).all()


def test_repeats_of_one_task_count_as_one() -> None:
    labelled = drawn(np.random.default_rng(7), 40)
    tenfold = Labelled(
        np.repeat(labelled.signal, 10), np.repeat(labelled.quality, 10), np.full(400, 0.1)
    )
    once, repeated = only(labelled), only(tenfold)
    assert repeated.labels == 40
    assert repeated.intercept == pytest.approx(once.intercept, abs=1e-6)


@given(
    st.lists(
        st.tuples(st.sampled_from(LEVELS.tolist()), st.integers(0, 10).map(lambda x: x / 10)),
        min_size=LEAST_LABELS,
        max_size=60,
    )
)
@settings(max_examples=50, deadline=None)
def test_calibrated_confidence_never_falls_with_the_signal(
    pairs: list[tuple[float, float]],
) -> None:
    signal, quality = np.array(pairs).T
    calibrator = calibrate({FAQ: Labelled(signal, quality)})[FAQ]
    if calibrator is not None:
        calibrated = calibrator(LEVELS)
        assert np.all(np.diff(calibrated) >= 0)
        assert np.all((calibrated >= 0) & (calibrated <= 1))


def test_calibration_refuses_scores_that_are_not_shares() -> None:
    with pytest.raises(UnusableSample, match="must lie in"):
        calibrate({FAQ: Labelled(np.full(30, 8.0), np.ones(30))})


def test_an_uncalibrated_tier_has_no_confidence() -> None:
    sample = outcomes([[1.0, 1.0], [0.0, 1.0]], confidence=[[0.9, 0.5], [0.2, 0.5]])
    calibrated = with_calibrated(sample, {"frontier": Calibrator(0.0, 1.0, 10, 10, 0.0)})
    assert calibrated.confidence[:, 0] == pytest.approx([0.9, 0.2])
    assert np.isnan(calibrated.confidence[:, 1]).all()
    assert sample.confidence[0, 1] == 0.5
